"""A job for drills: it counts its steps into a file, so that nothing it does stays unseen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.errors import InvalidData
from catena.shared.jobs import JobContext, job
from catena.shared.query import Query, Ref, RefQuery

SERVICE = "demo"


class CountQuery(Query):
    """What the job shall do, and how it shall suffer.

    `log` gets a line ``<attempt> <step>`` for each step that is begun; it stands for work that must
    not be done twice.
    """

    log: str
    steps: int = 10
    step_s: float = 0.05
    seed: int = 1
    every: int = 1
    end: Literal["commit", "error", "defect", "segv", "kill", "exit", "nothing"] = "commit"
    end_at: int = 0
    children: int = 0
    tasks: int = 0
    input: Ref("files") | None = None  # type: ignore[valid-type]


def _note(path: str, *words: object) -> None:
    # One short append: the system does not mix those of several processes.
    with Path(path).open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


def _run(query: CountQuery, ctx: JobContext) -> ArtifactRef | None:
    _note(query.log, "attempt", ctx.attempt, os.getpid())
    _helpers(query)
    generator = np.random.default_rng(query.seed)
    values = np.zeros(4)
    first = 0
    saved = ctx.checkpoint.load()
    if saved is not None:
        arrays, meta = saved
        values, first = arrays["values"], meta["next"]
        generator.bit_generator.state = meta["generator"]
    for step in range(first, query.steps):
        _note(query.log, "step", ctx.attempt, step)
        if step == query.end_at:
            _suffer(query.end)
        time.sleep(query.step_s)
        values = np.sin(values + generator.normal(size=4))
        ctx.progress((step + 1) / query.steps, f"step {step + 1} of {query.steps}")
        if (step + 1) % query.every == 0:
            ctx.checkpoint.save(
                {"values": values},
                {"next": step + 1, "generator": generator.bit_generator.state},
            )
    if query.end == "nothing":
        return None
    ctx.writer.write_arrays("values.safetensors", {"values": values})
    return ctx.commit(kind="files", units={"values": "1"}, title="a count")


def _suffer(end: str) -> None:
    if end == "error":
        raise InvalidData("got 3 runs, wanted 20 or more; run more of them")
    if end == "defect":
        raise RuntimeError("secret /etc/passwd")
    if end == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "exit":
        os._exit(0)
    if end in ("segv", "kill"):
        time.sleep(60)  # a signal to the process arrives in some thread, a moment later


def _helpers(query: CountQuery) -> None:
    for number in range(query.children):
        # Every second one has a parent that ends at once, as daemons do.
        code = (
            f"import os, time; open({query.log!r}, 'a').write(f'child {{os.getpid()}}\\n'); "
            "time.sleep(300)"
        )
        if number % 2:
            code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}])"
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    if query.tasks:
        # Not at the top: who only reads this module must not load Ray before it is configured.
        import ray

        task = ray.remote(num_cpus=0, max_retries=3)(_task)
        for _ in range(query.tasks):
            task.remote(query.log)


def _task(log: str) -> None:
    _note(log, "task", os.getpid())
    time.sleep(300)


@job(service=SERVICE, method="Count", query=CountQuery, cpus=1)
def count(query: CountQuery, ctx: JobContext) -> ArtifactRef:
    """Count, holding a CPU."""
    return _run(query, ctx)  # type: ignore[return-value]


@job(service=SERVICE, method="Share", query=CountQuery, cpus=0)
def share(query: CountQuery, ctx: JobContext) -> ArtifactRef:
    """Count without a CPU, as jobs do that hand out Ray tasks."""
    return _run(query, ctx)  # type: ignore[return-value]


__all__ = ["CountQuery", "RefQuery", "count", "share"]
