"""A land model of three lines, for tests of what is around a model: a leaky bucket.

A bucket of water per cell loses ``rate`` of itself each day and runs over at ``capacity``. A member
with a rate over 0.9 breaks on the first day on which its bucket runs over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from catena.ensemble_runner.history import step_means, step_starts
from catena.ensemble_runner.models import (
    BlockRun,
    CaseRun,
    Column,
    Failure,
    Frequency,
    Output,
    Parameter,
    Setup,
)
from catena.shared.errors import FieldViolation, InvalidData

TREES = "broadleaf_deciduous_temperate_tree"
GRASS = "c4_grass"
RUN: list[int] = []
"""Numbers of members of the blocks that were run in this process."""


class BucketRunner:
    """The model as the ensemble runner sees it."""

    name = "bucket"
    version = "1"
    parameters = (
        Parameter("capacity", "kg m-2", "size of the bucket", True, 50, 300, 1, 1000, (150, 100)),
        Parameter("rate", "d-1", "part that is lost each day", False, 0.01, 0.2, 0, 1, (0.05,)),
        Parameter("flag", "1", "a switch without a usual range", False, None, None, 0, 1, (0,)),
    )
    outputs = (
        Output("WATER", "kg m-2", "water in the bucket"),
        Output("RUNOFF", "kg m-2 s-1", "what runs over and leaks"),
    )
    pfts = (TREES, GRASS)
    reads_forcing = True
    stages = ("final", "transient")

    def member_s(self, setup: Setup) -> float:
        """Such that blocks have 8 members."""
        return 0.25

    def check(self, setup: Setup) -> Sequence[FieldViolation]:
        """A restart must be of as many cells."""
        if setup.restart is not None and len(setup.restart) != 8 * setup.record.cells:
            return [FieldViolation("setup.restart", "is of another grid")]
        return []

    def run_block(
        self, setup: Setup, columns: Sequence[Column], rows: np.ndarray, frequency: Frequency
    ) -> BlockRun:
        """All members at once."""
        RUN.append(len(rows))
        table = self._table(setup, columns, rows)
        water, runoff, failures, _ = self._run(setup, table)
        days = setup.stages[-1].dates(setup.record)
        starts = step_starts(days, frequency)
        for each in failures:
            water[each.member] = runoff[each.member] = np.nan
        values = {"WATER": water, "RUNOFF": runoff}
        return BlockRun(
            {
                name: step_means(values[name], starts, 1).astype(np.float32)
                for name in setup.outputs
            },
            tuple(failures),
        )

    def run_case(self, setup: Setup, frequencies: Sequence[Frequency], restart: Path) -> CaseRun:
        """One member."""
        table = self._table(setup, [], np.zeros((1, 0)))
        water, runoff, failures, last = self._run(setup, table)
        if failures:
            raise InvalidData(f"the bucket broke on {failures[0].day}")
        restart.write_bytes(last[0].tobytes())
        days = setup.stages[-1].dates(setup.record)
        values = {"WATER": water, "RUNOFF": runoff}
        return CaseRun(
            {
                each: {
                    name: step_means(values[name], step_starts(days, each), 1)[0].astype(np.float32)
                    for name in setup.outputs
                }
                for each in frequencies
            }
        )

    def _table(self, setup: Setup, columns: Sequence[Column], rows: np.ndarray) -> dict:
        members = len(rows)
        table = {
            ("capacity", TREES): np.full(members, 150.0),
            ("capacity", GRASS): np.full(members, 100.0),
            ("rate", ""): np.full(members, 0.05),
            ("flag", ""): np.zeros(members),
        }
        given = [(c, np.full(members, v)) for c, v in setup.fixed]
        for column, values in [*given, *zip(columns, rows.T, strict=True)]:
            for key in [k for k in table if k[0] == column.name and column.pft in ("", k[1])]:
                table[key] = values
        return table

    def _run(self, setup: Setup, table: dict) -> tuple:
        members, cells = len(table["rate", ""]), setup.record.cells
        capacity = np.stack(
            [sum(table["capacity", name] * part for name, part in land.pfts)
             for land in setup.land], axis=1,
        )  # fmt: skip
        level = np.zeros((members, cells))
        if setup.restart is not None:
            level[:] = np.frombuffer(setup.restart)
        failures: dict[int, Failure] = {}
        for stage in setup.stages:
            weather, days = stage.weather(setup.record), stage.dates(setup.record)
            water, runoff = (np.empty((members, days.size, cells)) for _ in range(2))
            for day in range(days.size):
                level = level + 86_400 * weather.variables["pr"][:, day % weather.days]
                over = np.maximum(level - capacity, 0)
                leak = table["rate", ""][:, None] * (level - over)
                broken = (over > 0).any(axis=1) & (table["rate", ""] > 0.9)
                for member in np.flatnonzero(broken):
                    when = str(days[day])
                    failures.setdefault(
                        int(member), Failure(int(member), stage.kind, when, "it ran over")
                    )
                level = level - over - leak
                water[:, day], runoff[:, day] = level, (over + leak) / 86_400
        return water, runoff, [failures[member] for member in sorted(failures)], level
