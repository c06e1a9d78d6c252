"""Jobs: long requests that become artifacts, on Ray.

A job's name is its request, its truth lies in the store, and Ray only runs it. The parts, from the
store upwards:

- ``records``: the files of a job and the state that they add up to.
- ``checkpoint``, ``context``: what a job function gets.
- ``function``: the ``@job`` decorator.
- ``attempt``: one run of a job, from its claim to its end (no Ray).
- ``actor``, ``lease_actor``: the two Ray actors.
- ``cluster``: the connection to Ray.
- ``manager``, ``servicer``: submit, get, list, watch, cancel; as a class and as an rpc.
- ``safety``: the switches with which the fault drills remove one safety at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catena.shared.jobs.checkpoint import Checkpoint
    from catena.shared.jobs.context import JobContext
    from catena.shared.jobs.function import JobFunction, job
    from catena.shared.jobs.manager import JobManager
    from catena.shared.jobs.servicer import JobServicer

_HOME = {
    "Checkpoint": "checkpoint",
    "JobContext": "context",
    "JobFunction": "function",
    "JobManager": "manager",
    "JobServicer": "servicer",
    "job": "function",
}
__all__ = ["Checkpoint", "JobContext", "JobFunction", "JobManager", "JobServicer", "job"]


def __getattr__(name: str) -> Any:
    # A module that only declares jobs should not have to load Ray.
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
