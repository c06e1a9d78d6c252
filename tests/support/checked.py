"""A calibrator without science: requests are checked as ever, then nothing is computed.

It puts the whole way from bytes to a checked query under test, for every rpc of the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from catena.api.calibrator.v1 import calibrator_pb2, calibrator_pb2_grpc
from catena.calibrator import queries
from catena.shared import contracts
from catena.shared.jobs.function import JobFunction
from catena.shared.query import Query
from catena.shared.server import Runtime

METHODS = tuple(item.name for one in contracts.services("calibrator") for item in one.methods)


def query_of(method: str) -> type[Query]:
    """Query model of the rpc `method`."""
    model: type[Query] = getattr(queries, f"{method}Query")
    return model


def function_of(method: str) -> JobFunction:
    """A job of the rpc `method` that never runs."""

    def never(query: Any, context: Any) -> Any:
        raise AssertionError("nothing runs here")

    return JobFunction(never, "calibrator", method, 1, 1, query_of(method))


def add_checked(server: grpc.Server, runtime: Runtime) -> None:
    """Register every rpc of the calibrator: long ones submit, short ones answer emptily."""
    answers = {method: _answer(method, runtime) for method in METHODS}
    servicer = type("Checked", (calibrator_pb2_grpc.CalibratorServiceServicer,), answers)
    calibrator_pb2_grpc.add_CalibratorServiceServicer_to_server(servicer(), server)


def _answer(method: str, runtime: Runtime) -> Callable[..., Any]:
    response = getattr(calibrator_pb2, f"{method}Response")
    function = function_of(method)

    def answer(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        query = function.query.from_message(request)
        if not contracts.is_long("calibrator", method):
            return response()
        return response(job=runtime.jobs.submit(function, query, query.validate_only))

    return answer


def only(**answers: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[..., None]:
    """``add_services`` of a calibrator that answers only the rpcs given by name."""

    def add(server: grpc.Server, runtime: Runtime) -> None:
        methods = {name: staticmethod(answer) for name, answer in answers.items()}
        servicer = type("Only", (calibrator_pb2_grpc.CalibratorServiceServicer,), methods)
        calibrator_pb2_grpc.add_CalibratorServiceServicer_to_server(servicer(), server)

    return add
