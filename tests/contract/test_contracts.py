"""Rules that every contract keeps, and that the query models keep with the contracts."""

from __future__ import annotations

import types
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from google.protobuf.descriptor import FieldDescriptor
from pydantic import BaseModel

from catena.api.jobs.v1 import jobs_pb2
from catena.shared import contracts
from catena.shared.jobs import JobFunction
from catena.shared.query import Query, RefQuery
from catena.shared.settings import SERVICE_NAMES

RPCS = [
    (service, rpc.name)
    for service in SERVICE_NAMES
    for one in contracts.services(service)
    for rpc in one.methods
]
PACKAGES = [name.replace("-", "_") for name in SERVICE_NAMES]
LONG = [(service, name) for service, name in RPCS if contracts.is_long(service, name)]
FILES = [
    *(import_module(f"catena.api.{name}.v1.{name}_pb2").DESCRIPTOR for name in PACKAGES),
    jobs_pb2.DESCRIPTOR,
]


def package(service: str, module: str) -> Any:
    return import_module(f"catena.{service.replace('-', '_')}.{module}")


def query_model(service: str, name: str) -> type[Query]:
    model: type[Query] = getattr(package(service, "queries"), f"{name}Query")
    return model


def job_functions(service: str) -> list[JobFunction]:
    module = package(service, "jobs")
    return [value for value in vars(module).values() if isinstance(value, JobFunction)]


# ---------------------------------------------------------------- the contracts by themselves


def test_the_list_is_not_empty() -> None:
    assert len(RPCS) >= 9 and len(LONG) >= 7 and len(LONG) < len(RPCS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.package)
def test_each_rpc_has_its_own_request_and_response(file: Any) -> None:
    for service in file.services_by_name.values():
        for rpc in service.methods:
            assert rpc.input_type.name == f"{rpc.name}Request"
            assert rpc.output_type.name == f"{rpc.name}Response"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.package)
def test_enums_begin_with_unspecified_and_carry_their_prefix(file: Any) -> None:
    for enum in file.enum_types_by_name.values():
        zero = enum.values_by_number[0].name
        assert zero.endswith("_UNSPECIFIED")
        prefix = zero.removesuffix("UNSPECIFIED")
        assert all(value.name.startswith(prefix) for value in enum.values)


@pytest.mark.parametrize(("service", "name"), RPCS)
def test_long_rpcs_and_only_they_can_be_checked_without_running(service: str, name: str) -> None:
    field = contracts.request_class(service, name).DESCRIPTOR.fields_by_name.get("validate_only")
    assert (field is not None) == ((service, name) in LONG)
    if field is not None:
        assert field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and field.number == 100


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.package)
def test_lists_are_paged(file: Any) -> None:
    for name, message in file.message_types_by_name.items():
        if name.startswith(("List", "Search")) and name.endswith("Request"):
            assert {"page_size", "page_token"} <= set(message.fields_by_name)
            response = file.message_types_by_name[name.removesuffix("Request") + "Response"]
            assert "next_page_token" in response.fields_by_name


# ---------------------------------------------------------------- contracts and query models


@pytest.mark.parametrize(("service", "name"), RPCS)
def test_a_query_has_the_fields_of_its_message(service: str, name: str) -> None:
    message = contracts.request_class(service, name).DESCRIPTOR
    model = query_model(service, name)
    differences = list(_differences(model, message, name))
    assert not differences, "\n".join(differences)


def _differences(model: type[BaseModel], message: Any, path: str) -> Iterator[str]:
    in_model, in_message = set(model.model_fields), set(message.fields_by_name)
    if issubclass(model, Query):
        in_message |= {"validate_only"}  # of the base; quick rpcs do not have it
    for name in sorted(in_model ^ in_message):
        where = "query" if name in in_model else "message"
        yield f"{path}.{name} is only in the {where}"
    for name in sorted(in_model & set(message.fields_by_name)):
        field = message.fields_by_name[name]
        yield from _type_differences(model.model_fields[name].annotation, field, f"{path}.{name}")


def _type_differences(annotation: Any, field: Any, path: str) -> Iterator[str]:
    kind, repeated = _strip(annotation)
    if repeated != field.is_repeated:
        yield f"{path}: one is a list, the other is not"
    elif field.message_type is not None:
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            yield f"{path}: {kind} for the message {field.message_type.name}"
        else:
            if field.message_type.name == "ArtifactRef" and kind is not RefQuery:
                yield f"{path}: references are RefQuery, so that their digest names the job"
            yield from _differences(kind, field.message_type, path)
    elif field.enum_type is not None:
        values = field.enum_type.values
        prefix = values[0].name.removesuffix("UNSPECIFIED")
        wanted = {value.name.removeprefix(prefix).lower() for value in values[1:]}
        if get_origin(kind) is not Literal or set(get_args(kind)) != wanted:
            yield f"{path}: {kind} for the enum values {sorted(wanted)}"
    elif kind is not _PYTHON[field.cpp_type]:
        yield f"{path}: {kind} for {_PYTHON[field.cpp_type]}"


_PYTHON = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
}


def _strip(annotation: Any) -> tuple[Any, bool]:
    """Type behind Annotated, Optional and tuple[..., ...], and whether it was a tuple."""
    repeated = False
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, types.UnionType):
            [annotation] = [item for item in get_args(annotation) if item is not type(None)]
        elif get_origin(annotation) is tuple:
            annotation, repeated = get_args(annotation)[0], True
        else:
            return annotation, repeated


def test_the_comparison_sees_a_difference() -> None:
    class Wrong(Query):
        ensemble: RefQuery
        method: Literal["auto", "mlp"] = "auto"
        seed: float = 0
        folds: tuple[int, ...] = ()
        extra: int = 0

    message = contracts.request_class("calibrator", "TrainSurrogate").DESCRIPTOR
    found = "\n".join(_differences(Wrong, message, ""))
    for name in ("method", "seed", "folds", "extra", "svd_above_outputs", "tune"):
        assert f".{name}" in found
    assert ".ensemble" not in found


# ---------------------------------------------------------------- contracts and jobs


@pytest.mark.parametrize(("service", "name"), LONG)
def test_a_long_rpc_has_a_job_with_its_query(service: str, name: str) -> None:
    found = [job for job in job_functions(service) if job.method == name]
    assert found, f"no @job for {name}"
    assert {job.query for job in found} == {query_model(service, name)}
    assert {job.service for job in found} == {service}


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_every_job_belongs_to_a_long_rpc(service: str) -> None:
    assert {(job.service, job.method) for job in job_functions(service)} == {
        (owner, name) for owner, name in LONG if owner == service
    }
