"""The embedded land model as the ensemble runner sees it: many members in one process."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from catena.coupler.embedded.restart_state import from_restart, is_own, to_restart
from catena.coupler.embedded.simulate import Run, simulate
from catena.coupler.embedded.stages import SUPPLEMENTED_YEARS
from catena.coupler.embedded.state import State, cold_start, leave_ad
from catena.coupler.embedded.status import REASONS
from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart import Restart, exit_ad, read_restart
from catena.ensemble_runner import spin_states
from catena.ensemble_runner.history import calendar_date, step_means, step_starts
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
)
from catena.ensemble_runner.stages import StageKind, StageRun
from catena.shared.errors import CatenaError, FieldViolation, InvalidData

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
    reads_forcing = True
    stages: tuple[StageKind, ...] = ("ad_spinup", "final", "transient")
    outputs = tuple(Output(o.name, o.units, o.long_name, o.name in USUAL) for o in OUTPUTS)

    @cached_property
    def version(self) -> str:
        """Digest of the model's sources and tables, of this file, and of how members begin."""
        digest = hashlib.sha256(Path(__file__).read_bytes())
        digest.update(Path(spin_states.__file__).read_bytes())
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
        """What is wrong with the state to begin from."""
        if setup.states is not None and setup.stages[0].kind == "ad_spinup":
            text = "is a spin-up at equilibrium, the first stage is ad_spinup; run other stages"
            return [FieldViolation("setup.restart", text)]
        if setup.restart is None:
            return []
        try:
            restart = read_state_file(setup.restart)
            from_restart(_left(restart, setup), columns_of(setup))
        except CatenaError as error:
            return [FieldViolation("setup.restart", error.message)]
        first = setup.stages[0]
        accelerated = first.kind == "ad_spinup"
        found = []
        if setup.restart_mode == "resume":
            begins = str(first.dates(setup.record)[0])
            left = restart.date.strftime("%Y-%m-%d")
            if left != begins:
                found.append(f"its date is {left}, the run goes on at {begins}")
            if bool(restart.spinup_state) != accelerated:
                found.append(
                    f"its spinup_state is {restart.spinup_state}, the first stage is {first.kind}"
                )
        elif accelerated and not restart.spinup_state:
            found.append("its decomposition is not accelerated, the first stage is ad_spinup")
        return [
            FieldViolation("setup.restart", f"{text}; take another restart, or other stages")
            for text in found
        ]

    def run_block(
        self, setup: Setup, columns: Sequence[Column], rows: Array, frequency: Frequency
    ) -> BlockRun:
        """Run members; each gives the same bits whichever others are run beside it."""
        ran = run_stages(setup, parameters_of(setup, columns, rows), frequency)
        failed = [failure.member for failure in ran.failures]
        values = {}
        for name in setup.outputs:
            values[name] = np.ascontiguousarray(ran.history[name], dtype=np.float32)
            values[name][failed] = np.nan
        return BlockRun(values, ran.failures)

    def run_case(self, setup: Setup, frequencies: Sequence[Frequency], restart: Path) -> CaseRun:
        """Run the fixed parameters; daily outputs are averaged to what is wanted."""
        parameters = parameters_of(setup, [], np.zeros((1, 0)))
        ran = run_stages(setup, parameters, "daily")
        if ran.failures:
            first = ran.failures[0]
            when = f" on {first.day}" if first.day else ""
            raise InvalidData(f"the run failed{when} in {first.stage}: {first.cause}")
        days = setup.stages[-1].dates(setup.record)
        history = {
            each: {
                name: step_means(ran.history[name][0], step_starts(days, each), 0).astype("f4")
                for name in setup.outputs
            }
            for each in frequencies
        }
        worst = dict(zip(BUDGETS, ran.budget.tolist(), strict=True))
        after = days[-1] + np.timedelta64(1, "D")
        to_restart(
            ran.state.values[0],
            columns_of(setup),
            parameters,
            calendar_date(after.item(), setup.stages[-1].calendar(setup.record)),
            ran.state.spinup_state,
        ).write(restart)
        return CaseRun(history, notes={"largest_relative_budget_error": worst})


@dataclass(frozen=True)
class Ran:
    """What members left at the end of all stages.

    Parameters
    ----------
    state : State
    history : dict of str to float64 (member, step, cell)
        Of the last stage.
    budget : float64 (4,)
        Largest relative failure of :data:`BUDGETS` on any day.
    failures : tuple of Failure
        The first of each member that failed.
    """

    state: State
    history: dict[str, Array]
    budget: Array
    failures: tuple[Failure, ...]


def run_stages(setup: Setup, parameters: ParameterSet, frequency: Frequency) -> Ran:
    """Run members through all stages.

    Parameters
    ----------
    setup : Setup
    parameters : ParameterSet
    frequency : str
        Of the outputs of the last stage.
    """
    cells = columns_of(setup)
    state = first_states(setup, cells, parameters)
    failures = _cannot_begin(setup, cells, parameters)
    budget = np.zeros(len(BUDGETS))
    pieces: list[Run] = []
    for number, stage in enumerate(setup.stages):
        accelerated = stage.kind == "ad_spinup"
        if state.spinup_state and not accelerated:
            state = leave_ad(state)
        last = number == len(setup.stages) - 1
        weather = stage.weather(setup.record)
        array, dates = weather.array(), stage.dates(setup.record)
        done = 0
        for cycles, supplement in _parts(stage, setup, from_bare_ground=not number):
            days = Days.since(dates[done].item(), cycles * weather.days, weather.calendar)
            run = simulate(
                cells,
                array,
                weather.co2,
                weather.ndep,
                days,
                parameters,
                state,
                cycles=cycles,
                accelerated=accelerated,
                supplement_nitrogen=supplement,
                variables=setup.outputs if last else (),
                frequency=_EVERY[frequency] if last else None,
            )
            state, budget = run.state, np.fmax(budget, run.budget.max(axis=(0, 1)))
            for each in run.failures:
                day = str(dates[done + each.day]) if each.day >= 0 else ""
                cause = REASONS[each.status] + (f": {each.detail}" if each.detail else "")
                failures.setdefault(each.member, Failure(each.member, stage.kind, day, cause))
            pieces += [run] if last else []
            done += days.count
    history = {
        name: np.concatenate([run.history(name) for run in pieces], axis=2).transpose(0, 2, 1)
        for name in setup.outputs
    }
    return Ran(state, history, budget, tuple(failures[member] for member in sorted(failures)))


def _parts(stage: StageRun, setup: Setup, *, from_bare_ground: bool) -> list[tuple[int, bool]]:
    """Cycles of a stage, and whether lacking nitrogen is made up for: at first, as in ELM."""
    cycles = stage.cycles(setup.record)
    begun = setup.restart is not None or setup.states is not None
    if stage.kind != "ad_spinup" or not from_bare_ground or begun:
        return [(cycles, False)]
    years = stage.weather(setup.record).days // 365
    supplemented = min(-(-SUPPLEMENTED_YEARS // years), cycles)
    parts = [(supplemented, True), (cycles - supplemented, False)]
    return [part for part in parts if part[0]]


def _cannot_begin(setup: Setup, cells: Columns, parameters: ParameterSet) -> dict[int, Failure]:
    """Members whose spin-up never came to equilibrium: they fail before their first day."""
    if setup.states is None:
        return {}
    found = setup.states.not_settled(cells, parameters)
    first = setup.stages[0].kind
    return {member: Failure(member, first, "", cause) for member, cause in found.items()}


def first_states(setup: Setup, cells: Columns, parameters: ParameterSet) -> State:
    """States of members at the beginning: of a spin-up each its own, else all the same one."""
    if setup.states is not None:
        return setup.states.of_members(cells, parameters)
    return first_state(setup, cells).of_members(parameters.members)


def first_state(setup: Setup, cells: Columns) -> State:
    """State of one member at the beginning: of a restart file, or bare ground."""
    if setup.restart is None:
        cold = cold_start(cells.sand, cells.clay, 1, cells.slots)
        return replace(cold, spinup_state=int(setup.stages[0].kind == "ad_spinup"))
    restart = _left(read_state_file(setup.restart), setup)
    return State(from_restart(restart, cells)[np.newaxis], int(restart.spinup_state))


def _left(restart: Restart, setup: Setup) -> Restart:
    """The restart, out of accelerated decomposition if ELM wrote it in there and the run is not.

    ELM's pools are multiplied level by level; the model's own ones are left to :func:`leave_ad`.
    """
    leaves = restart.spinup_state == 1 and setup.stages[0].kind != "ad_spinup"
    return exit_ad(restart) if leaves and not is_own(restart) else restart


def read_state_file(content: bytes) -> Restart:
    """A restart file from its bytes; errors as in :func:`catena.coupler.restart.read_restart`."""
    with tempfile.TemporaryDirectory(prefix="catena-") as folder:
        path = Path(folder) / "restart.nc"
        path.write_bytes(content)
        return read_restart(path, in_memory=True)


def columns_of(setup: Setup) -> Columns:
    """The cells: soil on the model's layers, and plants."""
    forcing = setup.record
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
