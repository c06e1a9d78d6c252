"""How a land model runs a block of members: the one thing that the ensemble runner asks of it.

Two models are known: the embedded one, which runs many members in one process, and ELM, whose
members are jobs of a machine of their own. What is common to all members is a :class:`Setup`; the
members are rows of a table whose columns are parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.forcing import FORCING, DailyForcing
from catena.ensemble_runner.spin_states import SiteStates
from catena.ensemble_runner.stages import StageKind, StageRun
from catena.shared.errors import FieldViolation, InternalError, NotFound

Array = NDArray[np.float64]
Frequency = Literal["daily", "monthly", "yearly"]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model.

    Parameters
    ----------
    name, units, long_name : str
    per_pft : bool
        Whether it has a value for each plant functional type.
    low, high : float or None
        Range from which it is drawn unless another one is given; None where there is no usual one.
    lowest, highest : float
        Outermost values that the model takes.
    defaults : tuple of float
        One value, or one for each PFT.
    """

    name: str
    units: str
    long_name: str
    per_pft: bool
    low: float | None
    high: float | None
    lowest: float
    highest: float
    defaults: tuple[float, ...]


@dataclass(frozen=True)
class Output:
    """What a model gives; `usual` if it is written unless others are named."""

    name: str
    units: str
    long_name: str
    usual: bool = True


@dataclass(frozen=True)
class Column:
    """A parameter, of one PFT or (without one) of all."""

    name: str
    pft: str = ""

    @property
    def label(self) -> str:
        """``flnr``, or ``flnr.c4_grass``."""
        return f"{self.name}.{self.pft}" if self.pft else self.name

    @classmethod
    def from_label(cls, label: str) -> Column:
        """Inverse of :attr:`label`."""
        name, _, pft = label.partition(".")
        return cls(name, pft)


@dataclass(frozen=True)
class Land:
    """A cell's surface.

    Parameters
    ----------
    pfts : tuple of (str, float)
        Name and fraction of the vegetated area.
    soil : tuple of (float, float, float)
        Lower edge (m), sand (%) and clay (%) of each layer, from the top down.
    """

    pfts: tuple[tuple[str, float], ...]
    soil: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Setup:
    """All that members have in common.

    Parameters
    ----------
    forcing : DailyForcing or None
        The record of the weather; None for a model whose case has its own.
    stages : tuple of StageRun
        The last one is the one that outputs are of.
    land : tuple of Land
        One for each cell.
    fixed : tuple of (Column, float)
        Parameters that are not the model's defaults; members may override them.
    outputs : tuple of str
    restart : bytes, optional
        Content of a restart file to begin from.
    restart_mode : {"hotstart", "resume"}
    states : SiteStates, optional
        In the place of a restart file: each member begins from its own site of a spin-up.
    """

    forcing: DailyForcing | None
    stages: tuple[StageRun, ...]
    land: tuple[Land, ...]
    fixed: tuple[tuple[Column, float], ...]
    outputs: tuple[str, ...]
    restart: bytes | None = None
    restart_mode: Literal["hotstart", "resume"] = "hotstart"
    states: SiteStates | None = None

    @property
    def record(self) -> DailyForcing:
        """The record of the weather, for a model that is given one."""
        if self.forcing is None:
            raise InternalError("this model's case has its own forcing; none was read")
        return self.forcing

    def described(self) -> dict[str, Any]:
        """All that decides the results, as JSON: the weather and the state by their digests."""
        states = {} if self.states is None else {"states": self.states.digest()}
        return {
            **states,
            "forcing": self.forcing and _forcing_digest(self.forcing),
            "stages": [stage.described() for stage in self.stages],
            "land": [[land.pfts, land.soil] for land in dict.fromkeys(self.land)],
            "land_of_cells": _indices(self.land),
            "fixed": [[column.label, value] for column, value in self.fixed],
            "outputs": self.outputs,
            "restart": self.restart and hashlib.sha256(self.restart).hexdigest(),
            "restart_mode": self.restart_mode,
        }

    @property
    def member_days(self) -> int:
        """Days x cells of one member, roughly."""
        days = sum(stage.years * 365 or self.record.days for stage in self.stages)
        return days * self.record.cells


def _forcing_digest(forcing: DailyForcing) -> str:
    digest = hashlib.sha256(f"{forcing.start} {forcing.calendar} {forcing.days}".encode())
    for array in (forcing.lat, forcing.lon, forcing.co2, forcing.ndep):
        digest.update(np.ascontiguousarray(array, dtype="<f8").data)
    for name in FORCING:
        digest.update(np.ascontiguousarray(forcing.variables[name], dtype="<f8").data)
    return digest.hexdigest()


def _indices(land: Sequence[Land]) -> list[int]:
    """Which of the different surfaces each cell has; one number where all have the same."""
    numbers = {one: i for i, one in enumerate(dict.fromkeys(land))}
    return [numbers[one] for one in land] if len(numbers) > 1 else [0]


@dataclass(frozen=True)
class Failure:
    """A member that did not come to its end.

    Parameters
    ----------
    member : int
        Its row.
    stage : str
    day : str
        Day in that stage, ISO 8601; empty where the model does not say.
    cause : str
        In words.
    """

    member: int
    stage: str
    day: str
    cause: str


@dataclass(frozen=True)
class BlockRun:
    """What a block of members gave.

    Parameters
    ----------
    values : mapping of str to float32 array (member, time, cell)
        Means over the steps of the wanted frequency; NaN for members that failed, nothing where
        all of them did.
    failures : tuple of Failure
    axes : Dataset, optional
        ``time``, ``time_bnds``, ``lat``, ``lon``, from a model that has a calendar and cells of its
        own; else they are those of the forcing.
    """

    values: Mapping[str, NDArray[np.float32]]
    failures: tuple[Failure, ...]
    axes: xr.Dataset | None = None


@dataclass(frozen=True)
class CaseRun:
    """What one parameter set gave.

    Parameters
    ----------
    history : mapping
        For each frequency the outputs, float32 (time, cell).
    axes : mapping
        As for :class:`BlockRun`.
    notes : mapping
        What else the model says, as JSON: how well its budgets close, for one.
    """

    history: Mapping[Frequency, Mapping[str, NDArray[np.float32]]]
    axes: Mapping[Frequency, xr.Dataset] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Model(Protocol):
    """A land model as the ensemble runner sees it."""

    name: str
    version: str
    "Changes when results may; blocks of another version are not reused."
    parameters: Sequence[Parameter]
    outputs: Sequence[Output]
    pfts: Sequence[str]
    stages: Sequence[StageKind]
    reads_forcing: bool
    "Whether it is given weather and land; else its case has them, and requests name its version."

    def member_s(self, setup: Setup) -> float:
        """CPU seconds of one member, roughly."""

    def check(self, setup: Setup) -> Sequence[FieldViolation]:
        """What is wrong with a setup, before anything is run; field paths begin at the setup."""

    def run_block(
        self, setup: Setup, columns: Sequence[Column], rows: Array, frequency: Frequency
    ) -> BlockRun:
        """Run members; the result does not depend on which members are run together.

        Parameters
        ----------
        setup : Setup
        columns : sequence of Column
        rows : array (member, column)
        frequency : str
        """

    def run_case(self, setup: Setup, frequencies: Sequence[Frequency], restart: Path) -> CaseRun:
        """Run the fixed parameters and write the state at the end to `restart`.

        Raises
        ------
        InvalidData
            When the run fails: with the day and the cause.
        """


@runtime_checkable
class RunsItsOwnJobs(Protocol):
    """A model whose members are jobs of a batch system: it is not handed out to Ray."""

    def run_members(
        self,
        setup: Setup,
        columns: Sequence[Column],
        rows: Mapping[str, Array],
        frequency: Frequency,
    ) -> Iterator[tuple[str, BlockRun]]:
        """Run members, each a block of its own.

        Parameters
        ----------
        setup : Setup
        columns : sequence of Column
        rows : mapping of str to array (column,)
            By a name that is the same whenever the same member is asked for.
        frequency : str
        """


MODELS = {
    "elm": "catena.ensemble_runner.elm:ElmRunner",
    "embedded": "catena.ensemble_runner.embedded:EmbeddedRunner",
}
"""Name of each model and where its class is."""


def open_model(name: str) -> Model:
    """A model by its name.

    Raises
    ------
    NotFound
        When there is none of that name.
    """
    if name not in MODELS:
        raise NotFound(
            f"there is no land model '{name}' for cases and ensembles; known are "
            f"{', '.join(sorted(MODELS))}"
        )
    module, _, attribute = MODELS[name].partition(":")
    made: Model = getattr(import_module(module), attribute)()
    return made
