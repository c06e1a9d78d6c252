"""Blocks of members to the CPUs: as Ray tasks where there is a Ray, else one after the other here.

A task holds one CPU and computes with one thread. A few more tasks than CPUs are handed out at a
time, so that no CPU waits and results do not pile up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from catena.ensemble_runner.blocks import Span
from catena.ensemble_runner.models import BlockRun, Column, Frequency, Setup, open_model
from catena.shared.errors import CatenaError, Unavailable, VersionMismatch
from catena.shared.jobs.threads import set_threads
from catena.shared.version import code_version

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
K = TypeVar("K")

_PER_CPU = 2
_RETRIES = 2


@dataclass(frozen=True)
class Work:
    """What every block of an ensemble needs to know."""

    model: str
    setup: Setup
    columns: tuple[Column, ...]
    frequency: Frequency

    def run(self, rows: NDArray[np.float64]) -> BlockRun:
        """Run members, here and now."""
        return open_model(self.model).run_block(self.setup, self.columns, rows, self.frequency)


class Runs(Protocol[T_co]):
    """Work that is done in parts."""

    def run(self, rows: NDArray[Any]) -> T_co:
        """Do a part of it, here and now."""


def run_blocks(
    work: Work, rows: NDArray[np.float64], spans: Sequence[Span]
) -> Iterator[tuple[Span, BlockRun]]:
    """Run blocks of members; they come in the order in which they are done.

    Parameters
    ----------
    work : Work
    rows : array (member, column)
        Of all members.
    spans : sequence of Span
        The blocks that are to be run.

    Raises
    ------
    Unavailable
        When the process of a block dies again and again.
    CatenaError
        Whatever the model raises.
    """
    parts = [(span, f"members {span.first} to {span.stop - 1}", rows[span.rows]) for span in spans]
    yield from run_parts(work, parts)


def run_parts(work: Runs[T], parts: Sequence[tuple[K, str, NDArray[Any]]]) -> Iterator[tuple[K, T]]:
    """Do parts of some work; they come in the order in which they are done.

    Parameters
    ----------
    work : Runs
        Handed to each process once.
    parts : sequence of (key, words, array)
        What is given to :meth:`Runs.run`, what it is called, and what comes back with the result.

    Raises
    ------
    Unavailable, CatenaError
        As :func:`run_blocks`.
    """
    ray = connected()
    if ray is None:
        yield from ((key, work.run(rows)) for key, _, rows in parts)
        return
    yield from _on_ray(ray, work, parts)


def connected() -> Any:
    """The module ``ray`` if this process is connected to one, else None."""
    ray = sys.modules.get("ray")
    return ray if ray is not None and ray.is_initialized() else None


def _on_ray(
    ray: Any, work: Runs[T], parts: Sequence[tuple[K, str, NDArray[Any]]]
) -> Iterator[tuple[K, T]]:
    task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_task)
    shared = ray.put(work)
    version = code_version()
    waiting = list(reversed(parts))
    running: dict[Any, tuple[K, str]] = {}
    try:
        while waiting or running:
            room = _PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
            while waiting and len(running) < room:
                key, words, rows = waiting.pop()
                running[task.remote(shared, rows, version)] = key, words
            done, _ = ray.wait(list(running), num_returns=1)
            for ref in done:
                key, words = running[ref]
                yield key, _result(ray, ref, words)
                del running[ref]
    finally:
        for ref in running:
            ray.cancel(ref, force=True)


def _result(ray: Any, ref: Any, words: str) -> Any:
    try:
        made, error = ray.get(ref)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as died:
        raise Unavailable(
            f"{words}: the process that ran them died "
            f"{_RETRIES + 1} times ({type(died).__name__}; often the machine is out of memory); "
            "ask again, finished ones are kept",
            retry_after_s=30.0,
        ) from None
    if error is not None:
        raise error
    return made


def _task(work: Runs[T], rows: NDArray[Any], version: str) -> tuple[T | None, CatenaError | None]:
    # An error as a value: Ray would wrap it into one of its own.
    if code_version() != version:
        return None, VersionMismatch(
            "a worker runs other code than the job; install the same packages on all nodes, and "
            "start Ray again after an edit"
        )
    set_threads(1)
    _numba_threads(1)
    try:
        return work.run(rows), None
    except CatenaError as error:
        return None, error


def _numba_threads(count: int) -> None:
    numba = sys.modules.get("numba")
    if numba is not None:
        set_num_threads: Callable[[int], None] = numba.set_num_threads
        set_num_threads(count)
