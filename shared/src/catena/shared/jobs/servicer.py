"""``catena.api.jobs.v1.JobService``: one implementation that each service serves for its jobs."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from catena.api.jobs.v1 import jobs_pb2, jobs_pb2_grpc
from catena.shared.errors import FieldViolation, InvalidRequest
from catena.shared.jobs.function import split_name
from catena.shared.jobs.manager import JobManager


class JobServicer(jobs_pb2_grpc.JobServiceServicer):
    """GetJob, ListJobs, WatchJob and CancelJob. Errors are raised; the interceptor tells them.

    Parameters
    ----------
    manager : JobManager
    service : str
        Whose jobs: names of other services are refused.
    """

    def __init__(self, manager: JobManager, service: str) -> None:
        self._manager = manager
        self._service = service

    def GetJob(
        self, request: jobs_pb2.GetJobRequest, context: grpc.ServicerContext
    ) -> jobs_pb2.GetJobResponse:
        """One job as it stands now."""
        return jobs_pb2.GetJobResponse(job=self._manager.get(self._own(request.name)))

    def ListJobs(
        self, request: jobs_pb2.ListJobsRequest, context: grpc.ServicerContext
    ) -> jobs_pb2.ListJobsResponse:
        """A page of this service's jobs, newest first."""
        return self._manager.list(self._service, request.page_size, request.page_token)

    def WatchJob(
        self, request: jobs_pb2.WatchJobRequest, context: grpc.ServicerContext
    ) -> Iterator[jobs_pb2.WatchJobResponse]:
        """The job now and at each change, until it ends or the client leaves."""
        name = self._own(request.name)
        for job in self._manager.watch(name, stop=lambda: not context.is_active()):
            yield jobs_pb2.WatchJobResponse(job=job)

    def CancelJob(
        self, request: jobs_pb2.CancelJobRequest, context: grpc.ServicerContext
    ) -> jobs_pb2.CancelJobResponse:
        """Stop a job and its processes."""
        return jobs_pb2.CancelJobResponse(job=self._manager.cancel(self._own(request.name)))

    def _own(self, name: str) -> str:
        service, _, _ = split_name(name)
        if service != self._service:
            text = f"is a job of the {service}, this is the {self._service}; ask there"
            raise InvalidRequest(f"name {text}", violations=[FieldViolation("name", text)])
        return name
