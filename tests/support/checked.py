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
from catena.shared.server import Runtime, Servicer

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
    answers = {method: _answer(method) for method in METHODS}
    servicer = type("Checked", (Servicer, calibrator_pb2_grpc.CalibratorServiceServicer), answers)
    calibrator_pb2_grpc.add_CalibratorServiceServicer_to_server(servicer(runtime), server)


def _answer(method: str) -> Callable[..., Any]:
    response = getattr(calibrator_pb2, f"{method}Response")
    function = function_of(method)

    def answer(self: Servicer, request: Any, context: grpc.ServicerContext) -> Any:
        if contracts.is_long("calibrator", method):
            return self.submit(function, request, response)
        function.query.from_message(request)
        return response()

    return answer


def only(**answers: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[..., None]:
    """``add_services`` of a calibrator that answers only the rpcs given by name."""

    def add(server: grpc.Server, runtime: Runtime) -> None:
        methods = {name: staticmethod(answer) for name, answer in answers.items()}
        servicer = type("Only", (calibrator_pb2_grpc.CalibratorServiceServicer,), methods)
        calibrator_pb2_grpc.add_CalibratorServiceServicer_to_server(servicer(), server)

    return add
