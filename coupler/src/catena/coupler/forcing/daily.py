"""Daily forcing of one or many cells: what a land model is driven with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catena.coupler.forcing import calendar, ranges
from catena.coupler.forcing.calendar import Calendar
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData, InvalidRequest

Array = NDArray[np.float64]

FORCING = ("tas", "tasmin", "tasmax", "rsds", "rlds", "vp", "ps", "pr", "sfcWind")
"""Variables in the order of :meth:`DailyForcing.array`."""
UNITS = {
    "tas": "K", "tasmin": "K", "tasmax": "K", "rsds": "W m-2", "rlds": "W m-2", "vp": "Pa",
    "ps": "Pa", "pr": "kg m-2 s-1", "sfcWind": "m s-1",
}  # fmt: skip
N_FORCING = len(FORCING)


@dataclass(frozen=True, eq=False)
class DailyForcing:
    """Weather, CO2 and nitrogen deposition day by day, in local standard time.

    Parameters
    ----------
    lat, lon : array (cell,)
        Degrees; longitudes in [-180, 180).
    start : datetime.date
        First local day.
    calendar : {"noleap", "standard"}
    days : int
    variables : dict of str to array (cell, day)
        Exactly the names of :data:`FORCING`: `tas` 24-h mean, `tasmin`, `tasmax` (K), `rsds` 24-h
        mean, `rlds` (W m-2), `vp` mean vapour pressure, `ps` (Pa), `pr` (kg m-2 s-1), `sfcWind`
        (m s-1).
    co2 : array (day,)
        ppm, mole fraction.
    ndep : array (day,)
        gN m-2 yr-1.
    notes : tuple of Finding
        What was mended or filled on the way to these numbers.

    Raises
    ------
    InvalidData
        When a shape is wrong, a value is missing, or a range shows that a unit is wrong; names
        variable, day, what was found and what was wanted.
    """

    lat: Array
    lon: Array
    start: dt.date
    calendar: Calendar
    days: int
    variables: Mapping[str, Array]
    co2: Array
    ndep: Array
    notes: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        for name in ("lat", "lon", "co2", "ndep"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        values = {name: _frozen(array) for name, array in self.variables.items()}
        object.__setattr__(self, "variables", values)
        if self.calendar not in ("noleap", "standard"):
            raise InvalidData(f"calendar: found '{self.calendar}', wanted noleap or standard")
        self._check_shapes()
        ranges.check(self)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.lat.size)

    @property
    def end(self) -> dt.date:
        """Last day."""
        return calendar.day_after(self.start, self.days - 1, self.calendar)

    def array(self) -> Array:
        """All variables as one C-contiguous array (cell, day, N_FORCING), in the order of FORCING.

        It is the caller's own.
        """
        return np.ascontiguousarray(np.stack([self.variables[name] for name in FORCING], axis=-1))

    def dates(self) -> NDArray[np.datetime64]:
        """Date of each day, datetime64[D] (day,); in noleap no 29 February occurs."""
        return calendar.dates(self.start, self.days, self.calendar)

    def select(self, start: dt.date, end: dt.date) -> DailyForcing:
        """The days from `start` to `end`, both included.

        Raises
        ------
        InvalidRequest
            When they are not all there.
        """
        dates = self.dates()
        first, last = np.datetime64(start, "D"), np.datetime64(end, "D")
        if not dates[0] <= first <= last <= dates[-1]:
            raise InvalidRequest(
                f"days {start} to {end}: the forcing goes from {dates[0]} to {dates[-1]}; wanted a "
                "period inside of it, in order (complete_years and cycle make it longer)"
            )
        rows = np.flatnonzero((dates >= first) & (dates <= last))
        return self._at(rows, self.calendar, dates[rows[0]].item())

    def of_cells(self, cells: NDArray[np.int64]) -> DailyForcing:
        """Some of the cells, by their number, in the order that is given."""
        return replace(
            self,
            lat=self.lat[cells],
            lon=self.lon[cells],
            variables={name: array[cells] for name, array in self.variables.items()},
        )

    def complete_years(self) -> DailyForcing:
        """From the first of January of the first year to the last day of the last one.

        Days that the record lacks at its ends (a clock shifted to local time, a file that runs out
        of days) are those of the same date in the nearest year that has it; the notes count them.

        Raises
        ------
        InvalidData
            When more than a month is missing at an end.
        """
        first, last = self.start.year, self.end.year
        made = self.cycle(years=last - first + 1)
        lacking = made.days - self.days
        if not lacking:
            return self
        note = Finding(
            check="forcing_years", action="converted", dimension="time",
            found=f"{self.start} to {self.end}", wanted=f"{made.start} to {made.end}",
            why=f"{lacking} days at the ends are those of the same date in the nearest other year",
        )  # fmt: skip
        return replace(made, notes=(*self.notes, note))

    def cycle(
        self,
        days: int | None = None,
        years: int | None = None,
        *,
        first_year: int | None = None,
        calendar_to: Calendar | None = None,
    ) -> DailyForcing:
        """The record over and over, for a spin-up or for the years before it began.

        Whole calendar years follow each other, so that seasons stay where they are. Years of the
        record come back as themselves: with ``first_year=1851`` the last cycle ends in the record.
        The few days that a year lacks at an end of the record are those of the same date in the
        nearest year that has it; 29 February, where the year has none, is the day before.

        Parameters
        ----------
        days, years : int
            Length; give one.
        first_year : int
            Of the result; that of the record by default.
        calendar_to : {"noleap", "standard"}
            Calendar of the result; the record's own by default.

        Returns
        -------
        DailyForcing
            From 1 January of `first_year`. CO2 and deposition are cycled as the weather is; see
            :meth:`with_co2`.

        Raises
        ------
        InvalidRequest
            When not exactly one length is given, or it is not positive.
        InvalidData
            When the record lacks more than a month of one of its years.
        """
        if (days is None) == (years is None):
            raise InvalidRequest(f"cycle: found days={days}, years={years}; wanted one of the two")
        first_year = self.start.year if first_year is None else first_year
        target = calendar_to or self.calendar
        begin = dt.date(first_year, 1, 1)
        if years is not None:
            days = calendar.length_of_years(first_year, years, target)
        if days is None or days < 1:
            raise InvalidRequest(f"cycle: found a length of {days} days; wanted 1 or more")
        rows = calendar.cycled(self.dates(), calendar.dates(begin, days, target))
        return self._at(rows, target, begin)

    def with_co2(self, co2: float | Array, ndep: float | Array | None = None) -> DailyForcing:
        """The same weather under other CO2 (ppm) and, if given, nitrogen deposition (gN m-2 yr-1).

        Parameters
        ----------
        co2, ndep : float or array (day,)
        """
        return replace(
            self,
            co2=np.broadcast_to(np.asarray(co2, dtype=np.float64), (self.days,)),
            ndep=self.ndep
            if ndep is None
            else np.broadcast_to(np.asarray(ndep, dtype=np.float64), (self.days,)),
        )

    def _at(self, rows: NDArray[np.int64], target: Calendar, start: dt.date) -> DailyForcing:
        return DailyForcing(
            lat=self.lat,
            lon=self.lon,
            start=start,
            calendar=target,
            days=int(rows.size),
            variables={name: array[:, rows] for name, array in self.variables.items()},
            co2=self.co2[rows],
            ndep=self.ndep[rows],
            notes=self.notes,
        )

    def _check_shapes(self) -> None:
        if self.days < 1:
            raise InvalidData(f"days: found {self.days}, wanted 1 or more")
        lacking = [name for name in FORCING if name not in self.variables]
        more = [name for name in self.variables if name not in FORCING]
        if lacking or more:
            found = ", ".join(self.variables) or "nothing"
            raise InvalidData(f"variables: found {found}; wanted exactly {', '.join(FORCING)}")
        cells = (self.lat.size,)
        if self.lat.ndim != 1 or not self.lat.size:
            raise InvalidData(f"lat: found shape {self.lat.shape}, wanted (cell,)")
        wanted: dict[str, tuple[int, ...]] = {
            "lon": cells,
            "co2": (self.days,),
            "ndep": (self.days,),
        }
        arrays: dict[str, Array] = {"lon": self.lon, "co2": self.co2, "ndep": self.ndep}
        for name in FORCING:
            arrays[name], wanted[name] = self.variables[name], (*cells, self.days)
        for name, array in arrays.items():
            if array.shape != wanted[name]:
                raise InvalidData(
                    f"variable {name}: found shape {array.shape}, wanted {wanted[name]}: "
                    f"{self.lat.size} cells, {self.days} days from {self.start} to {self.end} "
                    f"({self.calendar})"
                )


def _frozen(values: NDArray[np.generic] | list[float]) -> Array:
    array = np.array(values, dtype=np.float64, order="C")
    array.setflags(write=False)
    return array
