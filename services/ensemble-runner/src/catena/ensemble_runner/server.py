"""The ensemble runner's rpcs: each checks its request, then answers or submits a job."""

from __future__ import annotations

import grpc

from catena.api.ensemble_runner.v1 import ensemble_runner_pb2 as pb
from catena.api.ensemble_runner.v1 import ensemble_runner_pb2_grpc
from catena.ensemble_runner import jobs, members, queries
from catena.ensemble_runner.describe import members_message, model_message
from catena.ensemble_runner.preflight import asked_model, check_draw, check_run
from catena.ensemble_runner.spin_preflight import check_spin_up
from catena.ensemble_runner.tower_preflight import check_towers
from catena.shared.query import Query
from catena.shared.server import Runtime, Servicer


class EnsembleRunner(Servicer, ensemble_runner_pb2_grpc.EnsembleRunnerServiceServicer):
    """Implementation of ``catena.api.ensemble_runner.v1.EnsembleRunnerService``."""

    def check(self, query: Query) -> None:
        """Against the model and the artifacts that the query names."""
        if isinstance(query, (queries.RunCaseQuery, queries.RunEnsembleQuery)):
            check_run(query, self.store)
        elif isinstance(
            query,
            (queries.SummariseFluxesQuery, queries.DrawFluxesQuery, queries.WriteSubmissionQuery),
        ):
            check_towers(query, self.store)
        elif isinstance(query, (queries.SpinUpQuery, queries.CompareSpinUpsQuery)):
            check_spin_up(query, self.store)

    def DescribeModel(
        self, request: pb.DescribeModelRequest, context: grpc.ServicerContext
    ) -> pb.DescribeModelResponse:
        """Say what a model has and gives."""
        query = queries.DescribeModelQuery.from_message(request)
        return model_message(asked_model(query.model))

    def DrawParameters(
        self, request: pb.DrawParametersRequest, context: grpc.ServicerContext
    ) -> pb.DrawParametersResponse:
        """Draw parameters, inline."""
        query = queries.DrawParametersQuery.from_message(request)
        model = asked_model(query.model)
        check_draw(model, query.draw)
        return members_message(members.drawn(model, query.draw))

    def RunCase(
        self, request: pb.RunCaseRequest, context: grpc.ServicerContext
    ) -> pb.RunCaseResponse:
        """Run one parameter set."""
        return self.submit(jobs.run_case, request, pb.RunCaseResponse)

    def RunEnsemble(
        self, request: pb.RunEnsembleRequest, context: grpc.ServicerContext
    ) -> pb.RunEnsembleResponse:
        """Run many members."""
        return self.submit(jobs.run_ensemble, request, pb.RunEnsembleResponse)

    def SummariseFluxes(
        self, request: pb.SummariseFluxesRequest, context: grpc.ServicerContext
    ) -> pb.SummariseFluxesResponse:
        """Bring runs and towers to one table."""
        return self.submit(jobs.summarise_fluxes, request, pb.SummariseFluxesResponse)

    def DrawFluxes(
        self, request: pb.DrawFluxesRequest, context: grpc.ServicerContext
    ) -> pb.DrawFluxesResponse:
        """Make a tower's file out of a run."""
        return self.submit(jobs.draw_fluxes, request, pb.DrawFluxesResponse)

    def WriteSubmission(
        self, request: pb.WriteSubmissionRequest, context: grpc.ServicerContext
    ) -> pb.WriteSubmissionResponse:
        """Write submission files and a report."""
        return self.submit(jobs.write_submission, request, pb.WriteSubmissionResponse)

    def SpinUp(self, request: pb.SpinUpRequest, context: grpc.ServicerContext) -> pb.SpinUpResponse:
        """Bring sites to equilibrium."""
        return self.submit(jobs.spin_up, request, pb.SpinUpResponse)

    def CompareSpinUps(
        self, request: pb.CompareSpinUpsRequest, context: grpc.ServicerContext
    ) -> pb.CompareSpinUpsResponse:
        """Bring the same sites to equilibrium by several methods."""
        return self.submit(jobs.compare_spin_ups, request, pb.CompareSpinUpsResponse)


def add_services(server: grpc.Server, runtime: Runtime) -> None:
    """Register the ensemble runner's rpcs at `server`."""
    ensemble_runner_pb2_grpc.add_EnsembleRunnerServiceServicer_to_server(  # type: ignore[no-untyped-call]
        EnsembleRunner(runtime), server
    )
