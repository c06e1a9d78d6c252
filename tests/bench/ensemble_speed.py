"""Speed of the embedded model: a member-day, ensembles, spin-ups; its budgets; plain Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
from ensemble_cases import Clock, advance, forest, from_ranges, spun_up

from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.simulate import Run
from catena.coupler.embedded.state import cold_start
from catena.ensemble_runner.designs import unit_rows

MEMBERS = 1000
BATCH = 100
SPIN_YEARS = (50, 250, 150)
"""450 years: nitrogen supplied, accelerated, final."""
SPIN_LONGEST_S = 180.0
PYTHON_DAYS = 60
OUTPUTS = ("GPP", "EFLX_LH_TOT")


def measure() -> dict[str, float]:
    """Figures of a forest under generated weather, each member with parameters of its own."""
    columns, forcing = forest()
    figures = {"compile_s": _compile()}
    _few_days(10)  # compiled code is read
    state = spun_up(columns, forcing, ParameterSet.default(1), (20, 50, 30))
    members = from_ranges(unit_rows("sobol", MEMBERS, 8, seed=1))
    clock = Clock()
    run = advance(
        columns,
        forcing,
        members,
        state.of_members(MEMBERS),
        cycles=3,
        variables=OUTPUTS,
        frequency="month",
    )
    figures["members1000_30y_cpu_s"] = clock()
    days = run.days.count
    figures["member_day_us"] = figures["members1000_30y_cpu_s"] / (MEMBERS * days) * 1e6
    figures["conservation_max"] = float(run.budget.max())
    figures["failed_members"] = float((~run.ok).sum())
    figures |= _spin_up()
    figures |= _python(figures["member_day_us"])
    return figures


def _few_days(count: int) -> Run:
    """Days of one member from bare ground."""
    columns, forcing = forest()
    some = forcing.select(forcing.start, forcing.dates()[count - 1].item())
    state = cold_start(columns.sand, columns.clay, 1, columns.slots)
    return advance(
        columns, some, ParameterSet.default(1), state, variables=OUTPUTS, frequency="day"
    )


def _plain_call(days: int, environment: dict[str, str]) -> dict[str, Any]:
    """CPU seconds and outputs of :func:`_few_days` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, str(days)],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _compile() -> float:
    """CPU seconds to compile the model once, where nothing was kept."""
    with tempfile.TemporaryDirectory(prefix="catena-bench-") as folder:
        return float(_plain_call(1, {"NUMBA_CACHE_DIR": folder})["cpu_s"])


def _spin_up() -> dict[str, float]:
    """Spin-ups of 1,000 members; scaled from a tenth when all would take too long."""
    columns, forcing = forest()
    members = from_ranges(unit_rows("sobol", MEMBERS, 8, seed=1))

    def spin(first: int, stop: int) -> float:
        some = ParameterSet(members.scalars[first:stop], members.pfts[first:stop])
        clock = Clock()
        spun_up(columns, forcing, some, SPIN_YEARS)
        return clock()

    tenth = spin(0, BATCH)
    whole = tenth * MEMBERS / BATCH <= SPIN_LONGEST_S
    seconds = tenth + spin(BATCH, MEMBERS) if whole else tenth * MEMBERS / BATCH
    return {
        "spinup450_1000_cpu_s": seconds,
        "spinup_members_run": float(MEMBERS if whole else BATCH),
    }


def _python(member_day_us: float) -> dict[str, float]:
    """The same functions as plain Python, from the same state."""
    plain = _plain_call(PYTHON_DAYS, {"NUMBA_DISABLE_JIT": "1"})
    compiled = _few_days(PYTHON_DAYS).values.ravel()
    same = np.allclose(compiled, plain["values"], rtol=1e-9, atol=1e-14)
    assert same, "the compiled model and plain Python give different results"
    day_us = plain["cpu_s"] / PYTHON_DAYS * 1e6
    return {
        "python_member_day_us": day_us,
        "speedup_vs_python_reference": day_us / member_day_us,
    }


def _in_its_own_process(days: int) -> None:
    """Run by :func:`_plain_call`; prints a JSON line."""
    forest()
    clock = Clock()
    run = _few_days(days)
    print(json.dumps({"cpu_s": clock(), "values": run.values.ravel().tolist()}))


if __name__ == "__main__":
    _in_its_own_process(int(sys.argv[1]))
