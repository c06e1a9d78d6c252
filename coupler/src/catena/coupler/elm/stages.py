"""The stages of a run: how long each is, when it starts, what it hands over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

StageName = Literal["ad_spinup", "final", "transient"]
LAST_YEAR_OF_FILLING = 40
"""ELM fills its scaling of soil layers in the years 20 to 40 of accelerated decomposition. From a
restart file written before, normal mode cannot start: the pools are divided by about 0."""


class Stage(BaseModel):
    """One stage, as it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StageName
    years: int = Field(gt=0, le=9000)
    """Wished length; rounded up to whole cycles of the forcing."""
    compset: str | None = None
    """Of this stage alone: a transient stage has another one."""
    hand_over: Literal["hybrid", "branch"] = "hybrid"
    """How it follows the stage before: ``hybrid`` at its own date, ``branch`` at that one's end."""
    start_year: int | None = Field(default=None, ge=1, le=9999)
    namelist: dict[str, Any] = Field(default_factory=dict)
    xml: dict[str, str | int | float] = Field(default_factory=dict)


@dataclass(frozen=True)
class StageRun:
    """One stage with its dates.

    Parameters
    ----------
    stage : Stage
    case : str
        Name of its case.
    start, years : int
        First model year, and the length in whole cycles.
    before : StageRun or None
        Whose restart file it starts from.
    """

    stage: Stage
    case: str
    start: int
    years: int
    before: StageRun | None

    @property
    def name(self) -> StageName:
        """Name of the stage."""
        return self.stage.name

    @property
    def end(self) -> int:
        """Year in whose first instant the last restart file is written."""
        return self.start + self.years

    @property
    def restart_name(self) -> str:
        """Name of the restart file that it ends with."""
        return restart_name(self.case, self.end)

    @property
    def spinup_state(self) -> int:
        """The flag that its restart files carry."""
        return int(self.name == "ad_spinup")


def restart_name(case: str, year: int, component: str = "elm") -> str:
    """Name of a restart file at the start of a year."""
    return f"{case}.{component}.r.{year:04d}-01-01-00000.nc"


def whole_cycles(years: int, cycle: int) -> int:
    """Length rounded up to whole cycles of the forcing, years."""
    return math.ceil(years / cycle) * cycle


def run_dates(stages: Sequence[Stage], case: str, cycle: int) -> tuple[StageRun, ...]:
    """When each stage runs.

    Parameters
    ----------
    stages : sequence of Stage
    case : str
        Each stage's case is called `CASE_STAGE`.
    cycle : int
        Years of one forcing cycle.

    Returns
    -------
    tuple of StageRun
        The first stage starts in year 1, the transient one in 1850, a final one where the one
        before ended, all but where the configuration says otherwise.
    """
    runs: list[StageRun] = []
    for stage in stages:
        before = runs[-1] if runs else None
        if stage.hand_over == "branch" and before is not None:
            start = before.end  # the same run goes on: a branch has no date of its own
        elif stage.start_year is not None:
            start = stage.start_year
        elif stage.name == "transient":
            start = 1850
        else:
            start = before.end if before is not None else 1
        years = stage.years if stage.name == "transient" else whole_cycles(stage.years, cycle)
        runs.append(StageRun(stage, f"{case}_{stage.name}", start, years, before))
    return tuple(runs)
