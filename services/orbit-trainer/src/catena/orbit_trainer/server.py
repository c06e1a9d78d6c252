"""The trainer's rpcs: each checks its request, then answers or submits a job. No science."""

from __future__ import annotations

import grpc

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.orbit_trainer.v1 import orbit_trainer_pb2 as pb
from catena.api.orbit_trainer.v1 import orbit_trainer_pb2_grpc
from catena.models.orbit_checkpoint import About
from catena.orbit_trainer import jobs, queries, storage
from catena.orbit_trainer.predict import Predictor, predict
from catena.orbit_trainer.preflight import check_against_artifacts
from catena.shared.artifacts import Artifact, ArtifactCache
from catena.shared.artifacts.index import JobIndex
from catena.shared.errors import CatenaError
from catena.shared.query import Query
from catena.shared.server import Runtime, Servicer
from catena.shared.turns import Turns

COMPUTING = 2
"""Predictions that are computed at the same time."""
PATIENCE_S = 1.0
"""How long one more waits for others to end."""
MOST_LOOKED_AT = 2000
"""Jobs whose artifacts are opened for one page of checkpoints."""
TRAININGS = ("Pretrain", "FineTune")


class OrbitTrainerServer(Servicer, orbit_trainer_pb2_grpc.OrbitTrainerServiceServicer):
    """Implementation of ``catena.api.orbit_trainer.v1.OrbitTrainerService``."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.predictors = ArtifactCache(Predictor.read, most=4)
        # Turns are fewer than the threads of calls: the rest of these is for other rpcs.
        self.turns = Turns(min(COMPUTING, self.settings.max_workers - 1), PATIENCE_S)

    def check(self, query: Query) -> None:
        """Against the artifacts that the query names."""
        check_against_artifacts(query, self.store)

    def Pretrain(
        self, request: pb.PretrainRequest, context: grpc.ServicerContext
    ) -> pb.PretrainResponse:
        """Train from random weights."""
        # What hands its work out to Ray must not hold CPUs that it needs.
        function = jobs.pretrain_together if _together(request.training.mesh) else jobs.pretrain
        return self.submit(function, request, pb.PretrainResponse)

    def FineTune(
        self, request: pb.FineTuneRequest, context: grpc.ServicerContext
    ) -> pb.FineTuneResponse:
        """Make a model fit for a task."""
        function = jobs.fine_tune_together if _together(request.training.mesh) else jobs.fine_tune
        return self.submit(function, request, pb.FineTuneResponse)

    def EvaluateCheckpoint(
        self, request: pb.EvaluateCheckpointRequest, context: grpc.ServicerContext
    ) -> pb.EvaluateCheckpointResponse:
        """Score a checkpoint and write the report."""
        return self.submit(jobs.evaluate_checkpoint, request, pb.EvaluateCheckpointResponse)

    def PlanTraining(
        self, request: pb.PlanTrainingRequest, context: grpc.ServicerContext
    ) -> pb.PlanTrainingResponse:
        """Say what a training would need."""
        return self.submit(jobs.plan_training, request, pb.PlanTrainingResponse)

    def Predict(
        self, request: pb.PredictRequest, context: grpc.ServicerContext
    ) -> pb.PredictResponse:
        """Predict a few fields, inline."""
        query = queries.PredictQuery.from_message(request)
        self.check(query)
        with self.turns.one(context):
            predictor = self.predictors.get(self.store.open(query.checkpoint))
            made = predict(predictor, query, self.store.open)
        rows, columns = predictor.about.grid
        return pb.PredictResponse(
            fields=[
                pb.Field(name=name, units=units, values=values.ravel())
                for name, units, values in made.fields
            ],
            rows=rows,
            columns=columns,
            lead_h=query.lead_h * query.steps,
            notes=made.notes,
        )

    def ListCheckpoints(
        self, request: pb.ListCheckpointsRequest, context: grpc.ServicerContext
    ) -> pb.ListCheckpointsResponse:
        """One page of checkpoints, newest first."""
        query = queries.ListCheckpointsQuery.from_message(request)
        index, token, looked_at = JobIndex(self.store), query.page_token, 0
        found: list[pb.CheckpointInfo] = []
        while True:
            page = index.page(jobs.SERVICE, query.page_size - len(found), token)
            token, looked_at = page.next_page_token, looked_at + len(page.names)
            found += [info for name in page.names if (info := self._checkpoint(name)) is not None]
            # A page may have fewer than were asked for, and a token all the same.
            if not token or len(found) == query.page_size or looked_at >= MOST_LOOKED_AT:
                return pb.ListCheckpointsResponse(checkpoints=found, next_page_token=token)

    def _checkpoint(self, name: str) -> pb.CheckpointInfo | None:
        """What a training made; None where the job is of another kind, or has made nothing."""
        if name.split("/")[1] not in TRAININGS:
            return None
        try:
            artifact = self.store.open(f"jobs/{name}")
            return _info(artifact, storage.read_about(artifact))
        except CatenaError:
            # It has not ended, or was removed; who asks for it by name is told more.
            return None


def _together(mesh: pb.Mesh) -> bool:
    """Whether a mesh has more than one process; what it holds is checked later."""
    return any(count > 1 for count in (mesh.pp, mesh.ddp, mesh.fsdp, mesh.sp, mesh.tp))


def _info(artifact: Artifact, about: About) -> pb.CheckpointInfo:
    manifest = artifact.manifest
    days = [(start, end) for _, start, end in about.seen if start]
    return pb.CheckpointInfo(
        checkpoint=ArtifactRef(uri=artifact.uri, digest=manifest.digest, kind=manifest.kind),
        title=about.title,
        task=about.task,
        parameters=about.parameters,
        variables=about.fields.variables,
        outputs=about.fields.outputs,
        rows=about.grid[0],
        columns=about.grid[1],
        leads_h=about.leads_h,
        steps=about.record.get("steps", 0),
        training_days=pb.Period(start=days[-1][0], end=days[-1][1]) if days else None,
        generated=about.generated,
        create_time=manifest.create_time.isoformat(),
    )


def add_services(server: grpc.Server, runtime: Runtime) -> None:
    """Register the trainer's rpcs at `server`."""
    orbit_trainer_pb2_grpc.add_OrbitTrainerServiceServicer_to_server(  # type: ignore[no-untyped-call]
        OrbitTrainerServer(runtime), server
    )
