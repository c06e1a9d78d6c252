"""Processes of one group (gloo), started once, that run one function after the other together."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import process_time
from typing import Any

PATIENCE_S = 500
"""Longest wait for one function."""


class Ranks:
    """A number of processes that are one group of torch.distributed.

    Parameters
    ----------
    size : int
    folder : Path
        Where they meet.
    """

    def __init__(self, size: int, folder: Path) -> None:
        # Forked from one process that has imported everything: importing takes longer than tests.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["support.orbit_meshes"])
        self.size, self._pipes, self._processes = size, [], []
        for rank in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(rank, size, folder / f"meet-{size}", theirs), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    @property
    def alive(self) -> bool:
        """Whether all processes are there."""
        return all(process.is_alive() for process in self._processes)

    def run(self, function: Callable[..., Any], *args: Any, **more: Any) -> list[Any]:
        """What each process returns of ``function(*args)``; the first failure is raised here."""
        for pipe in self._pipes:
            pipe.send((function, args, more))
        left = dict(enumerate(self._pipes))
        results: dict[int, Any] = {}
        while left:
            ready = wait(list(left.values()), PATIENCE_S)
            if not ready:
                self.close()
                raise TimeoutError(f"ranks {sorted(left)} of {self.size} did not answer")
            for rank, pipe in list(left.items()):
                if pipe in ready:
                    good, results[rank] = pipe.recv()
                    if not good:
                        self.close()  # the others wait for this one
                        raise AssertionError(f"rank {rank} of {self.size}:\n{results[rank]}")
                    del left[rank]
        return [results[rank] for rank in range(self.size)]

    def seconds(self) -> float:
        """CPU time of all processes so far."""
        return sum(self.run(process_time))

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.join()


def _serve(rank: int, size: int, meeting: Path, pipe: Connection) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=meeting.as_uri(),
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=PATIENCE_S),
    )
    while True:
        try:
            function, args, more = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, function(*args, **more)))
        except BaseException:
            pipe.send((False, traceback.format_exc()))
