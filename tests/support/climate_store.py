"""A Climate Data Store for tests: it queues, computes, gives files, fails, and wants its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from support.http_archive import HttpArchive, Reply, Request

KEY = "0f1e2d3c-secret-4b5a-key"
CONTENT = bytes(range(256)) * 2000

PROCESSES = "/api/retrieve/v1/processes"


class ClimateStore:
    """Each look at a job moves it one state on.

    Parameters
    ----------
    server : HttpArchive
        Answers below ``/api``; results lie at ``/files/<job>.nc``.
    make : callable
        (dataset, inputs) -> the file that a job makes.
    """

    def __init__(
        self,
        server: HttpArchive,
        make: Callable[[str, dict[str, Any]], bytes] = lambda dataset, inputs: CONTENT,
    ) -> None:
        self.server = server
        self.make = make
        self.states: dict[str, list[str]] = {}
        self.inputs: dict[str, tuple[str, dict[str, Any]]] = {}
        self.plan = ["accepted", "accepted", "running", "successful"]
        self.reason: dict[str, Any] = {}
        self._files: dict[str, bytes] = {}
        server.handlers[f"{PROCESSES}/*"] = self.execute
        server.handlers["/api/retrieve/v1/jobs/*"] = self.job
        server.handlers["/files/*"] = self.result

    def allowed(self, request: Request) -> bool:
        return request.headers.get("PRIVATE-TOKEN") == KEY

    def execute(self, request: Request) -> Any:
        if not self.allowed(request):
            # A careless server that repeats what it was given.
            token = request.headers.get("PRIVATE-TOKEN")
            return reply(401, {"title": "unauthorized", "detail": f"token {token} is not valid"})
        dataset = request.path.removeprefix(f"{PROCESSES}/").removesuffix("/execution")
        job = f"job-{len(self.inputs) + 1}"
        self.inputs[job] = dataset, json.loads(request.body)["inputs"]
        self.states[job] = list(self.plan)
        return {"jobID": job, "status": "accepted"}

    def job(self, request: Request) -> Any:
        if not self.allowed(request):
            return reply(401, {"title": "unauthorized"})
        name, _, rest = request.path.rpartition("/jobs/")[2].partition("/")
        if name not in self.states:
            return reply(404, {"title": "job not found"})
        if rest == "results":
            if self.reason:
                return reply(400, self.reason)
            return {"asset": {"value": self.asset(name)}}
        states = self.states[name]
        return {"jobID": name, "status": states.pop(0) if len(states) > 1 else states[0]}

    def content(self, job: str) -> bytes:
        if job not in self._files:
            self._files[job] = self.make(*self.inputs[job])
        return self._files[job]

    def asset(self, job: str) -> dict[str, Any]:
        content = self.content(job)
        return {
            "href": f"{self.server.url}/files/{job}.nc",
            "file:size": len(content),
            "file:checksum": hashlib.md5(content).hexdigest(),
        }

    def result(self, request: Request) -> Reply:
        assert "PRIVATE-TOKEN" not in request.headers, "the key is not for where files lie"
        content = self.content(request.path.rpartition("/")[2].removesuffix(".nc"))
        start = int(request.headers.get("Range", "bytes=0-").split("=")[1].partition("-")[0])
        headers = {"ETag": '"1"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Reply(content[start:], status=206 if start else 200, headers=headers)

    @property
    def submitted(self) -> int:
        return sum(
            request.method == "POST" and request.path.startswith(PROCESSES)
            for request in self.server.requests
        )


def reply(status: int, plain: Any) -> Reply:
    return Reply(json.dumps(plain).encode(), status=status)
