"""Stages of a run: which weather they see, how often, and on which days."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from catena.coupler.forcing import CO2Record, DailyForcing
from catena.coupler.forcing.calendar import Calendar, dates, length_of_years
from catena.coupler.forcing.co2 import of_days

StageKind = Literal["ad_spinup", "final", "transient"]


@dataclass(frozen=True)
class StageRun:
    """One stage of a run.

    A spin-up stage repeats the whole record: its length is rounded up to whole cycles, and years
    have 365 days, so that seasons stay where they are. The transient stage sees the days of its own
    years; those before or after the record are filled with its years in turn.

    Parameters
    ----------
    kind : str
    years : int
        0: once through the record.
    first_year : int
        Calendar year in which it begins; 0: that of the record.
    co2 : float or CO2Record, optional
        ppm; None: that of the record.
    ndep : float, optional
        gN m-2 yr-1; None: that of the record.
    """

    kind: StageKind
    years: int = 0
    first_year: int = 0
    co2: float | CO2Record | None = None
    ndep: float | None = None

    @property
    def repeats(self) -> bool:
        """Whether it is a spin-up, which repeats the record."""
        return self.kind != "transient"

    def calendar(self, record: DailyForcing) -> Calendar:
        """Calendar of its days."""
        return "noleap" if self.repeats else record.calendar

    def cycles(self, record: DailyForcing) -> int:
        """How often :meth:`weather` is repeated."""
        return -(-self.years // _years(record)) if self.repeats and self.years else 1

    def weather(self, record: DailyForcing) -> DailyForcing:
        """One cycle of a spin-up, or all of a transient stage, under its own CO2 and deposition."""
        if self.repeats:
            made = record.cycle(years=_years(record), calendar_to="noleap")
        elif self.years or self.first_year:
            years = self.years or _years(record)
            made = record.cycle(years=years, first_year=self.first_year or None)
        else:
            made = record
        if self.co2 is None and self.ndep is None:
            return made
        co2 = made.co2 if self.co2 is None else of_days(self.co2, made.dates())
        return made.with_co2(co2, self.ndep)

    def dates(self, record: DailyForcing) -> NDArray[np.datetime64]:
        """All of its days, datetime64[D] (day,); in noleap without 29 February."""
        if not (self.repeats or self.years or self.first_year):
            return record.dates()
        first = self.first_year or record.start.year
        years = self.years or _years(record)
        if self.repeats:
            years = self.cycles(record) * _years(record)
        calendar = self.calendar(record)
        return dates(dt.date(first, 1, 1), length_of_years(first, years, calendar), calendar)

    def described(self) -> list[Any]:
        """As JSON."""
        co2 = self.co2
        plain = [[*pair] for pair in co2.by_year.items()] if isinstance(co2, CO2Record) else co2
        return [self.kind, self.years, self.first_year, plain, self.ndep]


def _years(record: DailyForcing) -> int:
    return record.end.year - record.start.year + 1
