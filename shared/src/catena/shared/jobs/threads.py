"""How many threads a job computes with: as many as the CPUs that it asked for, everywhere.

Sums depend on how they are split over threads, so this is part of "same request, same digest".
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def set_threads(cpus: int) -> None:
    """Bind this process, and the libraries that it has loaded, to `cpus` threads (at least 1)."""
    import threadpoolctl

    threads = max(1, cpus)
    for variable in _VARIABLES:
        os.environ[variable] = str(threads)
    threadpoolctl.threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


@contextmanager
def limited_threads(cpus: int) -> Iterator[None]:
    """The same for a while, in a process that belongs to somebody else."""
    import threadpoolctl

    threads = max(1, cpus)
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    with threadpoolctl.threadpool_limits(threads):
        if torch is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)
