"""The explainer's rpcs: each checks its request, then submits a job. No science."""

from __future__ import annotations

import grpc

from catena.api.explainer.v1 import explainer_pb2 as pb
from catena.api.explainer.v1 import explainer_pb2_grpc
from catena.explainer import jobs
from catena.explainer.preflight import check_against_artifacts
from catena.shared.query import Query
from catena.shared.server import Runtime, Servicer


class ExplainerServer(Servicer, explainer_pb2_grpc.ExplainerServiceServicer):
    """Implementation of ``catena.api.explainer.v1.ExplainerService``."""

    def check(self, query: Query) -> None:
        """Against the artifacts that the query names."""
        check_against_artifacts(query, self.store)

    def ExplainForecast(
        self, request: pb.ExplainForecastRequest, context: grpc.ServicerContext
    ) -> pb.ExplainForecastResponse:
        """Explain forecasts."""
        return self.submit(jobs.explain_forecast, request, pb.ExplainForecastResponse)

    def ExplainParameters(
        self, request: pb.ExplainParametersRequest, context: grpc.ServicerContext
    ) -> pb.ExplainParametersResponse:
        """Explain parameters."""
        return self.submit(jobs.explain_parameters_of, request, pb.ExplainParametersResponse)


def add_services(server: grpc.Server, runtime: Runtime) -> None:
    """Register the explainer's rpcs at `server`."""
    explainer_pb2_grpc.add_ExplainerServiceServicer_to_server(  # type: ignore[no-untyped-call]
        ExplainerServer(runtime), server
    )
