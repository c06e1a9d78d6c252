"""A process that submits a job to a Ray of its own choice, for drills that kill the job.

``python -m support.job_driver '<json>'``; prints the job's name, and at its end the job.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from google.protobuf.json_format import MessageToDict

from catena.api.jobs.v1.jobs_pb2 import Job
from catena.shared.artifacts import ArtifactStore
from catena.shared.jobs import JobManager
from catena.shared.jobs.function import load_function
from catena.shared.settings import Settings


def say(job: Job) -> None:
    """Print a job as one line of JSON."""
    plain: dict[str, Any] = MessageToDict(job, always_print_fields_with_no_presence=True)
    print(json.dumps(plain), flush=True)


def main() -> None:
    """Do what the argument says: ``entry`` of the job, ``settings``, ``query``, ``timeout_s``."""
    task = json.loads(sys.argv[1])
    settings = Settings(**task["settings"])
    manager = JobManager(ArtifactStore(settings.store), settings)
    function = load_function(task["entry"])
    job = manager.submit(function, function.query.from_plain(task["query"]))
    say(job)
    end = time.monotonic() + task["timeout_s"]
    for each in manager.watch(job.name, stop=lambda: time.monotonic() > end, poll_s=0.1):
        job = each
    say(job)
    manager.close()


if __name__ == "__main__":
    main()
