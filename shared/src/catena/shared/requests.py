"""Request messages from plain dictionaries: YAML sections and command-line options.

Only the form is checked here, with every mistake reported at once; what the values mean is checked
by the server's query model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from catena.shared.contracts import nearest, request_class
from catena.shared.errors import FieldViolation, InvalidRequest

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


class _Mistake(Exception):
    """What is wrong with one value, in words."""


def request_from_dict(service: str, method: str, data: Mapping[str, Any]) -> Any:
    """Request message of the rpc `method` of `service`.

    Parameters
    ----------
    service, method : str
        E.g. ``"calibrator", "TrainSurrogate"``.
    data : mapping
        Fields by name. Enums by their short lower-case names (``"gp"``), nested messages as
        mappings or as messages (an ``ArtifactRef``), arrays as lists or numpy arrays. None counts
        as not given.

    Raises
    ------
    InvalidRequest
        With one violation per field; an unknown name comes with the nearest known one.
    NotFound
        When there is no such service or method.
    """
    message = request_class(service, method)()
    found = list(_fill(message, data, ""))
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{method}: {len(found)} {noun} not as wanted", violations=found)
    return message


def _fill(message: Message, data: Mapping[str, Any], path: str) -> Iterator[FieldViolation]:
    descriptor = message.DESCRIPTOR
    given = {str(name): value for name, value in data.items() if value is not None}
    yield from _contradictions(descriptor, given, path)
    for name, value in given.items():
        field = descriptor.fields_by_name.get(name)
        where = f"{path}{name}"
        if field is None:
            yield FieldViolation(where, _unknown(name, descriptor))
        elif field.is_repeated:
            yield from _fill_repeated(message, field, value, where)
        elif field.message_type is not None:
            yield from _fill_message(getattr(message, name), value, where)
        else:
            try:
                setattr(message, name, _scalar(field, value))
            except _Mistake as mistake:
                yield FieldViolation(where, str(mistake))


def _fill_repeated(
    message: Message, field: Any, value: Any, where: str
) -> Iterator[FieldViolation]:
    if hasattr(value, "tolist"):  # a numpy array
        value = value.tolist()
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        yield FieldViolation(where, f"got {_shown(value)}, wanted a list")
        return
    target = getattr(message, field.name)
    for number, item in enumerate(value):
        if field.message_type is not None:
            yield from _fill_message(target.add(), item, f"{where}[{number}]")
            continue
        try:
            target.append(_scalar(field, item))
        except _Mistake as mistake:
            yield FieldViolation(f"{where}[{number}]", str(mistake))


def _fill_message(message: Message, value: Any, where: str) -> Iterator[FieldViolation]:
    wanted = message.DESCRIPTOR.name
    if isinstance(value, Message):
        if value.DESCRIPTOR.full_name == message.DESCRIPTOR.full_name:
            message.CopyFrom(value)
            message.SetInParent()
        else:
            yield FieldViolation(where, f"got the message {value.DESCRIPTOR.name}, wanted {wanted}")
    elif isinstance(value, Mapping):
        message.SetInParent()
        yield from _fill(message, value, f"{where}.")
    else:
        fields = ", ".join(message.DESCRIPTOR.fields_by_name)
        yield FieldViolation(where, f"got {_shown(value)}, wanted {wanted} with {fields}")


def _contradictions(
    descriptor: Any, given: Mapping[str, Any], path: str
) -> Iterator[FieldViolation]:
    # protobuf keeps the last one and says nothing.
    for group in descriptor.oneofs:
        names = [field.name for field in group.fields if field.name in given]
        if len(names) > 1:
            yield FieldViolation(
                f"{path}{names[1]}", f"excludes {names[0]}; give only one of the two"
            )


def _scalar(field: Any, value: Any) -> Any:
    kind = field.cpp_type
    if field.enum_type is not None:
        return _enum(field.enum_type, value)
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise _Mistake(f"got {_shown(value)}, wanted true or false")
        return value
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str):
            raise _Mistake(f"got {_shown(value)}, wanted text; put it in quotes")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _Mistake(f"got {ascii(value)[:60]}, wanted text that is Unicode; write it anew")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Mistake(f"got {_shown(value)}, wanted a number{_yaml_hint(value)}")
    if kind in _FLOATS:
        return float(value)
    low, high = _INTEGERS[kind]
    if value != value or value in (float("inf"), float("-inf")) or int(value) != value:
        raise _Mistake(f"got {_shown(value)}, wanted a whole number")
    if not low <= value <= high:
        raise _Mistake(f"got {_shown(value)}, wanted a whole number from {low} to {high}")
    return int(value)


def _enum(enum: Any, value: Any) -> int:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    short = {item.name.removeprefix(prefix).lower(): item.number for item in enum.values}
    if isinstance(value, int) and not isinstance(value, bool) and value in enum.values_by_number:
        return value
    name = str(value).lower().replace("-", "_").removeprefix(prefix.lower())
    if isinstance(value, str) and name in short:
        return short[name]
    known = ", ".join(name for name, number in short.items() if number != 0)
    guess = nearest(str(value), short)
    hint = f"; did you mean {guess}?" if guess else ""
    raise _Mistake(f"got {_shown(value)}, wanted one of {known}{hint}")


def _unknown(name: str, descriptor: Any) -> str:
    guess = nearest(name, descriptor.fields_by_name)
    if guess:
        return f"is not a field of {descriptor.name}; did you mean {guess}?"
    return f"is not a field of {descriptor.name}; it has {', '.join(descriptor.fields_by_name)}"


def _yaml_hint(value: Any) -> str:
    # YAML 1.1 takes 1e-3 for text.
    try:
        number = float(value)
    except (TypeError, ValueError):
        return ""
    return f"; write {number!r} without quotes, with a decimal point"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
