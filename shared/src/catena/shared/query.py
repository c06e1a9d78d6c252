"""Requests, checked once.

A :class:`Query` is the pydantic model of one request. A server builds it from the protobuf message
with :meth:`Query.from_message`; every violation is reported at once, under the path of the field in
the message. A job's name is the digest of its query (:meth:`Query.digest`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Self

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from catena.shared.artifacts.paths import check_relative
from catena.shared.errors import FieldViolation, InvalidRequest, UnsafePath

_DIGEST_PREFIX = "sha256:"


class QueryModel(BaseModel):
    """A message inside a request; also the base of :class:`Query`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def violations(self) -> Iterable[FieldViolation]:
        """Rules that span several fields; field paths are relative to this model."""
        return ()

    @model_validator(mode="after")
    def _check_across_fields(self) -> Self:
        found = tuple(self.violations())
        if found:
            # pydantic collects one error per model; the list of them rides in its context.
            raise PydanticCustomError("fields", "fields contradict one another", {"found": found})
        return self


class RefQuery(QueryModel):
    """Reference to an artifact: where it lies, what it holds, what it is.

    Only the digest enters the digest of a request: the same content is the same input, wherever it
    lies.
    """

    uri: str
    digest: str
    kind: str = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Check the path and the form of the digest."""
        try:
            check_relative(self.uri)
        except UnsafePath as error:
            yield FieldViolation("uri", error.message)
        hexadecimal = self.digest.removeprefix(_DIGEST_PREFIX)
        if (
            not self.digest.startswith(_DIGEST_PREFIX)
            or len(hexadecimal) != 64
            or set(hexadecimal) - set("0123456789abcdef")
        ):
            yield FieldViolation(
                "digest",
                f"got {_shown(self.digest)}, wanted 'sha256:' and 64 hexadecimal digits; "
                "copy the reference as a job returned it",
            )


def kind_is(*kinds: str) -> AfterValidator:
    """Annotation that makes a :class:`RefQuery` accept artifacts of these kinds only.

    Examples
    --------
    >>> EnsembleRef = Annotated[RefQuery, kind_is("ensemble")]
    """

    def check(ref: RefQuery) -> RefQuery:
        if ref.kind not in kinds:
            raise PydanticCustomError(
                "kind",
                "got an artifact of kind {got}, wanted {wanted}",
                {"got": repr(ref.kind), "wanted": " or ".join(kinds)},
            )
        return ref

    return AfterValidator(check)


def Ref(*kinds: str) -> Any:
    """Type of a reference to an artifact of one of `kinds`.

    Examples
    --------
    >>> class TrainSurrogateQuery(Query):
    ...     ensemble: Ref("ensemble")
    """
    return Annotated[RefQuery, kind_is(*kinds)]


class Query(QueryModel):
    """One request of one rpc.

    Subclasses declare the fields of the protobuf message under the same names. A scalar that the
    message leaves at zero counts as not given, so the default of the field applies.
    """

    not_identity: ClassVar[frozenset[str]] = frozenset({"validate_only"})
    """Fields that do not change what is computed and so do not enter the digest."""

    validate_only: bool = False

    @classmethod
    def from_message(cls, message: Message) -> Self:
        """Check `message` and return the query.

        Raises
        ------
        InvalidRequest
            With one violation per field at fault.
        """
        return cls.from_plain(plain(message))

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Self:
        """Check a plain dictionary (a YAML section) in the same way as a message."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            found = tuple(_violations(error))
            noun = "field is" if len(found) == 1 else "fields are"
            raise InvalidRequest(
                f"{cls.__name__.removesuffix('Query')}: {len(found)} {noun} not as wanted",
                violations=found,
            ) from None

    def canonical(self) -> dict[str, Any]:
        """Plain JSON form that says what is asked and nothing else.

        Defaults are left out, so that a new field with a default keeps the names of old jobs.
        """
        out = _canonical(self)
        assert isinstance(out, dict)
        return {name: value for name, value in out.items() if name not in self.not_identity}

    def digest(self, service: str, method: str, version: int) -> str:
        """Name of the request: 64 hexadecimal digits of a SHA-256.

        Parameters
        ----------
        service, method : str
            Whose request it is.
        version : int
            Version of the job's science.
        """
        text = json.dumps(
            {
                "service": service,
                "method": method,
                "version": version,
                "request": self.canonical(),
            },
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def refs(self) -> list[tuple[str, RefQuery]]:
        """All references in the query, with the paths of their fields."""
        return list(_refs("", self))


def plain(message: Message) -> dict[str, Any]:
    """Protobuf message as a dictionary of what was set.

    Enum values become their names in lower case without the prefix (``SURROGATE_METHOD_GP`` ->
    ``gp``); an unknown number stays a number and fails the check. Zero scalars without presence are
    left out.
    """
    out: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            out[field.name] = [_plain_value(field, item) for item in value]
        else:
            out[field.name] = _plain_value(field, value)
    return out


def _plain_value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return plain(value)
    if field.enum_type is not None:
        return _enum_name(field.enum_type, value)
    return value


def _enum_name(enum: EnumDescriptor, number: int) -> str | int:
    known = enum.values_by_number.get(number)
    if known is None:
        return number
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(known.name.removeprefix(prefix).lower())


def _violations(error: ValidationError) -> Iterator[FieldViolation]:
    for item in error.errors(include_url=False):
        path = _path(item["loc"])
        for nested in item.get("ctx", {}).get("found", ()):
            yield FieldViolation(f"{path}.{nested.field}".strip("."), nested.description)
        if "found" in item.get("ctx", {}):
            continue
        if item["type"] == "missing":
            yield FieldViolation(path, "is missing or zero; it must be given")
        elif item["type"] == "extra_forbidden":
            yield FieldViolation(path, "is not a field of this request; check its spelling")
        elif item["type"] == "kind":
            yield FieldViolation(path, item["msg"])
        else:
            yield FieldViolation(path, f"got {_shown(item['input'])}; {_lower(item['msg'])}")


def _path(loc: tuple[int | str, ...]) -> str:
    out = ""
    for part in loc:
        out += f"[{part}]" if isinstance(part, int) else f".{part}"
    return out.lstrip(".")


def _shown(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"{len(value)} values"
    if isinstance(value, (dict, BaseModel)):
        return "a message"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _canonical(value: Any) -> Any:
    if isinstance(value, RefQuery):
        return value.digest
    if isinstance(value, BaseModel):
        return {
            name: _canonical(getattr(value, name))
            for name, info in type(value).model_fields.items()
            if info.is_required()
            or getattr(value, name) != info.get_default(call_default_factory=True)
        }
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    return value


def _refs(path: str, value: Any) -> Iterator[tuple[str, RefQuery]]:
    if isinstance(value, RefQuery):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _refs(f"{path}.{name}".lstrip("."), getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _refs(f"{path}[{number}]", item)
