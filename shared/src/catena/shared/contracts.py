"""The services' contracts, found by name: which methods a service has and which messages they take.

Everything is read from the descriptors in the generated code, so the client and the server need no
list of their own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from catena.shared.errors import InvalidRequest, NotFound


def nearest(word: str, known: Iterable[str]) -> str:
    """Name in `known` that `word` was probably meant to be; empty if none is close."""
    names = list(known)
    lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else ""


@cache
def _module(service: str) -> ModuleType:
    name = service.replace("-", "_")
    if not name.isidentifier():
        raise NotFound(f"got {service!r}, wanted the name of a service, e.g. 'calibrator'")
    try:
        return import_module(f"catena.api.{name}.v1.{name}_pb2")
    except ModuleNotFoundError:
        raise NotFound(
            f"there is no service {service!r}; check its spelling, or install a newer catena-shared"
        ) from None


def services(service: str) -> tuple[ServiceDescriptor, ...]:
    """gRPC services that the contract of `service` declares.

    Raises
    ------
    NotFound
        When there is no such contract.
    """
    found = tuple(_module(service).DESCRIPTOR.services_by_name.values())
    if not found:
        raise NotFound(f"{service!r} declares messages but no service")
    return found


def method(service: str, name: str) -> MethodDescriptor:
    """Descriptor of the rpc `name` of `service`.

    Raises
    ------
    NotFound
        With the nearest name, when there is none of this name.
    """
    known = {item.name: item for one in services(service) for item in one.methods}
    if name not in known:
        guess = nearest(name, known)
        hint = f"did you mean {guess}?" if guess else f"it has {', '.join(sorted(known))}"
        raise NotFound(f"the {service} has no method {name!r}; {hint}")
    return known[name]


def request_class(service: str, name: str) -> type[Message]:
    """Message class that the rpc `name` of `service` takes."""
    return _class(method(service, name).input_type)


def stubs(service: str, channel: Any) -> list[Any]:
    """Client stubs of `service` on `channel`, from the generated code."""
    generated = import_module(_module(service).__name__ + "_grpc")
    return [getattr(generated, f"{item.name}Stub")(channel) for item in services(service)]


def is_long(service: str, name: str) -> bool:
    """Whether the rpc `name` returns a job."""
    field = method(service, name).output_type.fields_by_name.get("job")
    return (
        field is not None
        and field.message_type is not None
        and (field.message_type.full_name == "catena.api.jobs.v1.Job")
    )


def require_long(service: str, name: str) -> None:
    """Refuse a method that answers at once.

    Raises
    ------
    InvalidRequest
        When the rpc `name` returns no job.
    """
    if not is_long(service, name):
        raise InvalidRequest(
            f"{name} of the {service} answers at once and makes no job; use call() for it"
        )


def _class(descriptor: Any) -> type[Message]:
    found: type[Message] = GetMessageClass(descriptor)
    return found
