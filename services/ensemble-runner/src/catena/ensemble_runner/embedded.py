"""The embedded land model as the ensemble runner sees it: many members in one process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded import parameters as table
from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.grid import EDGE
from catena.coupler.embedded.outputs import OUTPUTS
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.periods import Days
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.state import cold_start, leave_ad
from catena.coupler.embedded.status import REASONS
from catena.coupler.forcing import CO2Record, DailyForcing
from catena.coupler.pft import PFT_NAMES
from catena.ensemble_runner.history import step_means, step_starts
from catena.ensemble_runner.models import (
    BlockRun,
    CaseRun,
    Column,
    Failure,
    Frequency,
    Land,
    Output,
    Parameter,
    Setup,
    StageKind,
    StageRun,
)
from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]

MEMBER_DAY_S = 0.7e-6
"""CPU seconds of a day of one member in one cell."""

USUAL = (
    "GPP", "NPP", "AR", "HR", "NEE", "TLAI", "EFLX_LH_TOT", "FSH",
    "TOTVEGC", "TOTSOMC", "TOTECOSYSC",
)  # fmt: skip
"""Outputs that are written unless others are named."""

BUDGETS = ("carbon", "nitrogen", "water", "energy")

_EVERY: dict[Frequency, Literal["day", "month", "year"]] = {
    "daily": "day",
    "monthly": "month",
    "yearly": "year",
}


class EmbeddedRunner:
    """``embedded``: see :mod:`catena.coupler.embedded`."""

    name = "embedded"
    pfts = PFT_NAMES
    stages: tuple[StageKind, ...] = ("ad_spinup", "final", "transient")
    outputs = tuple(Output(o.name, o.units, o.long_name, o.name in USUAL) for o in OUTPUTS)

    @cached_property
    def version(self) -> str:
        """Digest of the model's sources and tables, and of this file."""
        digest = hashlib.sha256(Path(__file__).read_bytes())
        for file in sorted(files("catena.coupler.embedded").iterdir(), key=lambda file: file.name):
            if file.name.endswith((".py", ".csv")):
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()[:16]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """ELM's parameters with its defaults."""
        by_pft = dict(zip(table.pft_parameter_names(), table.pft_defaults().T, strict=True))
        made = []
        for one in table.parameter_table().values():
            low, high = one.prior or (None, None)
            defaults = by_pft[one.name] if one.default is None else [one.default]
            made.append(
                Parameter(
                    name=one.name,
                    units=one.units,
                    long_name=one.description,
                    per_pft=one.per_pft,
                    low=low,
                    high=high,
                    lowest=one.low,
                    highest=one.high,
                    defaults=tuple(float(value) for value in defaults),
                )
            )
        return tuple(made)

    def member_s(self, setup: Setup) -> float:
        """CPU seconds of one member."""
        return MEMBER_DAY_S * setup.member_days

    def check(self, setup: Setup) -> Sequence[FieldViolation]:
        """What is wrong with a setup."""
        return []

    def run_block(
        self, setup: Setup, columns: Sequence[Column], rows: Array, frequency: Frequency
    ) -> BlockRun:
        """Run members; each gives the same bits whichever others are run beside it."""
        run, failures = run_stages(setup, parameters_of(setup, columns, rows), frequency)
        values = {}
        for name in setup.outputs:
            kept = np.ascontiguousarray(run.history(name).transpose(0, 2, 1), dtype=np.float32)
            kept[[failure.member for failure in failures]] = np.nan
            values[name] = kept
        return BlockRun(values, tuple(failures))

    def run_case(self, setup: Setup, frequencies: Sequence[Frequency], restart: Path) -> CaseRun:
        """Run the fixed parameters; daily outputs are averaged to what is wanted."""
        run, failures = run_stages(setup, parameters_of(setup, [], np.zeros((1, 0))), "daily")
        if failures:
            first = failures[0]
            raise InvalidData(f"the run failed on {first.day} in {first.stage}: {first.cause}")
        days = setup.stages[-1].dates(setup.forcing)
        history = {
            each: {
                name: step_means(run.history(name)[0].T, step_starts(days, each), 0).astype(
                    np.float32
                )
                for name in setup.outputs
            }
            for each in frequencies
        }
        worst = {
            name: float(value)
            for name, value in zip(BUDGETS, run.budget.max(axis=(0, 1)), strict=True)
        }
        return CaseRun(history, {"largest_relative_budget_error": worst})


def run_stages(
    setup: Setup, parameters: ParameterSet, frequency: Frequency
) -> tuple[Run, list[Failure]]:
    """Run members through all stages.

    Parameters
    ----------
    setup : Setup
    parameters : ParameterSet
    frequency : str
        Of the outputs of the last stage.

    Returns
    -------
    Run
        Of the last stage.
    list of Failure
        The first of each member that failed.
    """
    cells = columns_of(setup)
    state = cold_start(cells.sand, cells.clay, parameters.members, cells.slots)
    if setup.stages[0].kind == "ad_spinup":
        state = replace(state, spinup_state=1)
    failures: dict[int, Failure] = {}
    for stage in setup.stages:
        accelerated = stage.kind == "ad_spinup"
        if state.spinup_state and not accelerated:
            state = leave_ad(state)
        last = stage is setup.stages[-1]
        weather, cycles = _weather(stage, setup)
        dates = stage.dates(setup.forcing)
        run = simulate(
            cells,
            weather.array(),
            weather.co2,
            weather.ndep,
            Days.since(dates[0].item(), dates.size, weather.calendar),
            parameters,
            state,
            cycles=cycles,
            accelerated=accelerated,
            variables=setup.outputs if last else (),
            frequency=_EVERY[frequency] if last else None,
        )
        state = run.state
        for each in run.failures:
            day = str(dates[each.day]) if each.day >= 0 else ""
            cause = REASONS[each.status] + (f": {each.detail}" if each.detail else "")
            failures.setdefault(each.member, Failure(each.member, stage.kind, day, cause))
    return run, [failures[member] for member in sorted(failures)]


def _weather(stage: StageRun, setup: Setup) -> tuple[DailyForcing, int]:
    """Weather of a stage, and how often it is repeated."""
    record = setup.forcing
    years = record.end.year - record.start.year + 1
    whole = record.calendar == "noleap" and stage.years and stage.years % years == 0
    if whole and not stage.first_year and not isinstance(stage.co2, CO2Record):
        return replace(stage, years=0).forcing(record), stage.years // years
    return stage.forcing(record), 1


def columns_of(setup: Setup) -> Columns:
    """The cells: soil on the model's layers, and plants."""
    forcing = setup.forcing
    slots = max(len(land.pfts) for land in setup.land)
    pfts = np.zeros((forcing.cells, slots), dtype=np.int64)
    weights = np.zeros((forcing.cells, slots))
    for cell, land in enumerate(setup.land):
        for slot, (name, fraction) in enumerate(land.pfts):
            pfts[cell, slot], weights[cell, slot] = PFT_NAMES.index(name), fraction
    texture = np.array([_texture(land) for land in setup.land])
    return Columns(
        lat=np.array(forcing.lat),
        lon=np.array(forcing.lon),
        sand=texture[:, 0],
        clay=texture[:, 1],
        pfts=pfts,
        weights=weights / weights.sum(axis=1, keepdims=True),
    )


def _texture(land: Land) -> Array:
    """Sand and clay (2, layer) of the model's layers: means over what lies in each."""
    bottoms = np.array([bottom for bottom, _, _ in land.soil])
    bottoms[-1] = max(bottoms[-1], EDGE[-1])  # nothing else is known further down
    tops = np.concatenate([[0.0], bottoms[:-1]])
    overlap = np.minimum(EDGE[1:, None], bottoms) - np.maximum(EDGE[:-1, None], tops)
    share = np.maximum(overlap, 0.0)
    share /= share.sum(axis=1, keepdims=True)
    layers: Array = np.array([[sand, clay] for _, sand, clay in land.soil])
    return np.ascontiguousarray((share @ layers).T)


def parameters_of(setup: Setup, columns: Sequence[Column], rows: Array) -> ParameterSet:
    """Parameters of members: defaults, then what is fixed, then the members' own.

    Parameters
    ----------
    setup : Setup
    columns : sequence of Column
        Without a PFT, those of all PFTs on the land are meant.
    rows : array (member, column)
    """
    present = sorted({name for land in setup.land for name, _ in land.pfts})
    known = table.parameter_table()
    changes: list[tuple[str, str | None, Array]] = []
    given = [(column, np.array(value)) for column, value in setup.fixed]
    for column, values in [*given, *zip(columns, rows.T, strict=True)]:
        pfts: Sequence[str | None] = [None]
        if known[column.name].per_pft:
            pfts = [column.pft] if column.pft else present
        changes += [(column.name, pft, values) for pft in pfts]
    return ParameterSet.default(len(rows)).update(changes)
