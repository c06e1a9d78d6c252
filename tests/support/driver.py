"""A process that submits jobs, for drills that kill it or need several of it.

``python -m support.driver '<json>'``; prints one JSON object per line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.protobuf.json_format import MessageToDict
from support.demo_jobs import CountQuery, share

from catena.api.jobs.v1.jobs_pb2 import Job
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import CatenaError
from catena.shared.jobs import JobManager
from catena.shared.settings import Settings


def say(**values: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(values), flush=True)


def outcome(call: Any) -> dict[str, Any]:
    """What a call gives, as JSON: the job, or the error."""
    try:
        job: Job = call()
    except CatenaError as error:
        return {
            "error": type(error).__name__,
            "message": error.message,
            "retry_after_s": error.retry_after_s,
        }
    return dict(MessageToDict(job, always_print_fields_with_no_presence=True))


def main() -> None:
    """Do what the argument says."""
    task = json.loads(sys.argv[1])
    settings = Settings(**task["settings"])
    lost = threading.Event()
    manager = JobManager(ArtifactStore(settings.store), settings, on_lost=lost.set)
    query = CountQuery.from_plain(task["query"]) if task["query"] else None
    if task["action"] == "submit":
        assert query is not None
        say(**outcome(lambda: manager.submit(share, query)))
        # Then it stays, as a server does, until it is killed or Ray is.
        lost.wait(60)
        say(lost=lost.is_set(), **outcome(lambda: manager.submit(share, query)))
        time.sleep(60)
    if task["action"] == "crowd":
        assert query is not None
        manager.start()
        say(ready=True)
        sys.stdin.readline()
        with ThreadPoolExecutor(task["threads"]) as pool:
            found = list(
                pool.map(
                    lambda _: outcome(lambda: manager.submit(share, query)), range(task["threads"])
                )
            )
        say(found=found)


if __name__ == "__main__":
    main()
