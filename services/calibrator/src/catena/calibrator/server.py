"""The calibrator's rpcs: each checks its request, then answers or submits a job. No science."""

from __future__ import annotations

import grpc
import numpy as np

from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.api.calibrator.v1 import calibrator_pb2_grpc
from catena.calibrator import jobs, queries
from catena.calibrator.observe import observe_run
from catena.calibrator.observed import Observed, read_observed
from catena.calibrator.preflight import (
    check_against_artifacts,
    mask_fits,
    method_fits,
    observation_fits,
)
from catena.calibrator.storage import (
    read_dataset,
    read_ensemble,
    read_outputs,
    read_posterior,
    read_statistics,
    read_table_of,
    source_of,
)
from catena.shared.artifacts import Artifact, ArtifactCache
from catena.shared.errors import InvalidRequest
from catena.shared.query import Query
from catena.shared.server import Runtime, Servicer


class Calibrator(Servicer, calibrator_pb2_grpc.CalibratorServiceServicer):
    """Implementation of ``catena.api.calibrator.v1.CalibratorService``."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.posteriors = ArtifactCache(read_posterior, most=4)

    def check(self, query: Query) -> None:
        """Against the artifacts that the query names."""
        check_against_artifacts(query, self.store)

    def ImportEnsemble(
        self, request: pb.ImportEnsembleRequest, context: grpc.ServicerContext
    ) -> pb.ImportEnsembleResponse:
        """Turn a user's own runs into an ensemble artifact."""
        return self.submit(jobs.import_ensemble, request, pb.ImportEnsembleResponse)

    def TrainSurrogate(
        self, request: pb.TrainSurrogateRequest, context: grpc.ServicerContext
    ) -> pb.TrainSurrogateResponse:
        """Fit a surrogate."""
        # A search hands its trials out to Ray, so it must not hold CPUs that they need.
        function = jobs.tune_surrogate if request.tune else jobs.train_surrogate
        return self.submit(function, request, pb.TrainSurrogateResponse)

    def TrainPosterior(
        self, request: pb.TrainPosteriorRequest, context: grpc.ServicerContext
    ) -> pb.TrainPosteriorResponse:
        """Prepare an amortised posterior."""
        return self.submit(jobs.train_posterior, request, pb.TrainPosteriorResponse)

    def SampleSites(
        self, request: pb.SampleSitesRequest, context: grpc.ServicerContext
    ) -> pb.SampleSitesResponse:
        """Draw for a table of sites."""
        return self.submit(jobs.sample_sites, request, pb.SampleSitesResponse)

    def RunMcmc(
        self, request: pb.RunMcmcRequest, context: grpc.ServicerContext
    ) -> pb.RunMcmcResponse:
        """Sample by Markov chains."""
        return self.submit(jobs.run_mcmc, request, pb.RunMcmcResponse)

    def CheckCalibration(
        self, request: pb.CheckCalibrationRequest, context: grpc.ServicerContext
    ) -> pb.CheckCalibrationResponse:
        """Check whether the posterior can be believed."""
        return self.submit(jobs.check_calibration, request, pb.CheckCalibrationResponse)

    def WriteReport(
        self, request: pb.WriteReportRequest, context: grpc.ServicerContext
    ) -> pb.WriteReportResponse:
        """Write the report."""
        return self.submit(jobs.write_report, request, pb.WriteReportResponse)

    def SamplePosterior(
        self, request: pb.SamplePosteriorRequest, context: grpc.ServicerContext
    ) -> pb.SamplePosteriorResponse:
        """Draw from the posterior of one or a few observations."""
        query = queries.SamplePosteriorQuery.from_message(request)
        posterior, about = self.posteriors.get(self.store.open(query.posterior))
        found = [
            violation
            for i, observation in enumerate(query.observations)
            for violation in (
                *observation_fits(observation, about, f"observations[{i}]"),
                *mask_fits(query.method, observation, f"observations[{i}]"),
            )
        ]
        too_many = queries.too_many_draws(len(query.observations), query.draws, about.prior.size)
        if too_many is not None:
            found.append(too_many)
        found += method_fits(query.method, posterior.methods)
        if found:
            raise InvalidRequest("SamplePosterior: these fields cannot be used", violations=found)
        values, error_sd, observed = (
            np.stack(column)
            for column in zip(*(o.arrays() for o in query.observations), strict=True)
        )
        sample = posterior.sample(
            values, error_sd, observed, draws=query.draws, seed=query.seed, method=query.method
        )
        used = np.broadcast_to(sample.method_used, len(values))
        return pb.SamplePosteriorResponse(
            draws=[
                pb.PosteriorDraws(
                    values=sample.values[i].ravel(),
                    draws=query.draws,
                    parameters=about.prior.names,
                    effective_size=sample.effective_size[i],
                    out_of_range=sample.out_of_range[i],
                    distance_sd=sample.distance_sd[i],
                    method_used=f"POSTERIOR_METHOD_{str(used[i]).upper()}",
                )
                for i in range(len(values))
            ]
        )

    def DrawObservation(
        self, request: pb.DrawObservationRequest, context: grpc.ServicerContext
    ) -> pb.DrawObservationResponse:
        """Make a synthetic observation out of one run."""
        query = queries.DrawObservationQuery.from_message(request)
        ensemble = read_ensemble(self.store.open(query.ensemble))
        made = observe_run(ensemble, query.run, query.error_fraction, seed=query.seed)
        return pb.DrawObservationResponse(
            observation=pb.Observation(
                values=made.values,
                error_sd=made.error_sd,
                site=query.site,
                synthetic=True,
                source=made.source,
                run=query.run,
            )
        )

    def ReadObservation(
        self, request: pb.ReadObservationRequest, context: grpc.ServicerContext
    ) -> pb.ReadObservationResponse:
        """Read what was measured of an ensemble's outputs."""
        query = queries.ReadObservationQuery.from_message(request)
        ensemble = self.store.open(query.ensemble)
        if query.statistics is not None:
            return self._read_statistics(query, ensemble)
        assert query.dataset is not None
        steps, table = read_outputs(ensemble)
        row, dataset = read_dataset(self.store.open(query.dataset), query.key)
        found = read_observed(
            dataset,
            steps,
            table,
            [Observed(**variable.model_dump()) for variable in query.variables],
            site=query.site,
            start=query.start,
            end=query.end,
            least_coverage=query.least_coverage,
        )
        common = {
            "values": found.values,
            "error_sd": found.error_sd,
            "site": query.site or row["facets"].get("site", ""),
            "synthetic": row["generated"],
            "source": source_of(row),
        }
        return pb.ReadObservationResponse(
            observation=pb.Observation(observed=found.used, **common),
            withheld=pb.Observation(observed=found.withheld, **common)
            if found.withheld.any()
            else None,
        )

    def _read_statistics(
        self, query: queries.ReadObservationQuery, ensemble: Artifact
    ) -> pb.ReadObservationResponse:
        assert query.statistics is not None
        artifact = self.store.open(query.statistics)
        found = read_statistics(artifact)
        values, error_sd = found.observation(read_table_of(ensemble))
        return pb.ReadObservationResponse(
            observation=pb.Observation(
                values=values,
                error_sd=error_sd,
                site=query.site or found.sites,
                synthetic=found.synthetic,
                source=artifact.manifest.title[:200],
            )
        )


def add_services(server: grpc.Server, runtime: Runtime) -> None:
    """Register the calibrator's rpcs at `server`."""
    calibrator_pb2_grpc.add_CalibratorServiceServicer_to_server(  # type: ignore[no-untyped-call]
        Calibrator(runtime), server
    )
