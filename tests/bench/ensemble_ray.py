"""Cost of handing an ensemble out to Ray, as RunEnsemble does, over the bare loop.

The same members: blocks as Ray tasks on one CPU, and one call of the model in this process. They
take turns; the cheaper run of each counts. The figure is of CPU seconds, Ray's own processes
included, so that it can be believed on a busy machine; that of the clock stands beside it. Starting
Ray is reported apart.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import psutil
import ray
from ensemble_cases import PARAMETERS, PER_PFT, TREE, forest
from numpy.typing import NDArray

from catena.ensemble_runner.blocks import block_size, plan_blocks
from catena.ensemble_runner.designs import unit_rows
from catena.ensemble_runner.fanout import Work, run_blocks
from catena.ensemble_runner.models import Column, Land, Setup, StageRun, open_model

MEMBERS = 1024
YEARS = 20
REPEATS = 3


def measure() -> dict[str, float]:
    """Figures of a forest from bare ground."""
    _, forcing = forest()
    setup = Setup(
        forcing=forcing,
        stages=(StageRun("transient", years=YEARS),),
        land=(Land(((TREE, 1.0),), ((3.4, 15.0, 27.0),)),),
        fixed=(),
        outputs=("GPP", "EFLX_LH_TOT"),
    )
    columns = tuple(
        Column(name, TREE if number < PER_PFT else "")
        for number, (name, _, _) in enumerate(PARAMETERS)
    )
    low, high = (np.array([row[k] for row in PARAMETERS]) for k in (1, 2))
    rows = low + (high - low) * unit_rows("sobol", MEMBERS, len(PARAMETERS), seed=1)
    work = Work("embedded", setup, columns, "monthly")
    size = block_size(open_model(work.model).member_s(setup))
    spans = [part.span for part in plan_blocks(MEMBERS, size, lambda _: False)]
    work.run(rows[:1])  # compiled code is read

    started = time.monotonic()
    ray.init(num_cpus=1, include_dashboard=False, logging_level="error", log_to_driver=False)
    figures = {"ray_start_s": time.monotonic() - started}
    try:
        _on_ray(work, rows[:1], [spans[0].__class__(0, 1)])  # a worker starts
        bare, fanned = [], []
        for _ in range(REPEATS):
            watch = _Watch()
            alone = work.run(rows)
            bare.append(watch())
            watch = _Watch()
            together = _on_ray(work, rows, spans)
            fanned.append(watch())
    finally:
        ray.shutdown()
    np.testing.assert_array_equal(together, alone.values["GPP"])
    return figures | {
        "ray_blocks": float(len(spans)),
        "ray_bare_cpu_s": min(cpu for cpu, _ in bare),
        "ray_overhead": min(cpu for cpu, _ in fanned) / min(cpu for cpu, _ in bare),
        "ray_overhead_wall": min(wall for _, wall in fanned) / min(wall for _, wall in bare),
    }


def _on_ray(work: Work, rows: NDArray[np.float64], spans: Any) -> NDArray[np.float32]:
    parts = {span: run.values["GPP"] for span, run in run_blocks(work, rows, spans)}
    return np.concatenate([parts[span] for span in sorted(parts)])


class _Watch:
    """CPU seconds, of this process and all that it started, and those of the clock."""

    def __init__(self) -> None:
        self._cpu, self._wall = self._spent(), time.monotonic()

    def __call__(self) -> tuple[float, float]:
        return self._spent() - self._cpu, time.monotonic() - self._wall

    @staticmethod
    def _spent() -> float:
        me = psutil.Process()
        spent = 0.0
        for process in (me, *me.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue  # it ended meanwhile
            spent += times.user + times.system
        return spent
