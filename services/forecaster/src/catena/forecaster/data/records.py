"""Basins side by side, day by day: their weather, their flow, and what does not change.

Records are made from data sets in canonical form, as data-ingest's artifacts hold them
(:func:`catena.forecaster.data.canonical.records_from`), from files
(:mod:`catena.forecaster.data.files`), or generated (:mod:`catena.forecaster.data.generated`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import FieldViolation, InvalidData

Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]
Days = NDArray[np.datetime64]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

SHOWN = 12
"""Basins named in one message."""


@dataclass(frozen=True, eq=False)
class BasinRecords:
    """Daily records of `N` basins over `T` days without a gap; what is missing is NaN.

    Parameters
    ----------
    basins : tuple of str
        Gauge ids.
    days : (T,) array of datetime64[D]
        Consecutive days.
    weather : (N, T, F) float32 array
        Means of the day over the basin. Where a basin's record is shorter than the others', the
        days before and after it are NaN.
    weather_names : tuple of str
        Names of the lexicon, e.g. ``pr`` (mm d-1) and ``tas`` (degC).
    flow : (N, T) float32 array, mm d-1
        Flow at the outlet over the area of the basin.
    attributes : (N, S) float32 array
        Numbers that describe the basins: terrain, soil, geology, plants, climate.
    attribute_names : tuple of str
    latitude, longitude : (N,) arrays, degrees north and east
    area : (N,) array, m2
    generated : bool
        Whether weather and flow are made up; to be said wherever results are shown.

    Raises
    ------
    InvalidData
        When shapes do not fit, a basin comes twice, days are not consecutive, flow is negative, or
        a value is infinite: with every basin at fault.
    """

    basins: tuple[str, ...]
    days: Days
    weather: Array32
    weather_names: tuple[str, ...]
    flow: Array32
    attributes: Array32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    attribute_names: tuple[str, ...] = ()
    latitude: Array64 = field(default_factory=lambda: np.empty(0))
    longitude: Array64 = field(default_factory=lambda: np.empty(0))
    area: Array64 = field(default_factory=lambda: np.empty(0))
    generated: bool = False

    def __post_init__(self) -> None:
        n, t = len(self.basins), len(self.days)
        if not n or not t or not self.weather_names:
            raise InvalidData(f"{n} basins, {t} days and the weather {self.weather_names} came; "
                              "at least one of each wanted")  # fmt: skip
        put = object.__setattr__
        put(self, "days", np.asarray(self.days, dtype="datetime64[D]"))
        for name in ("weather", "flow", "attributes"):
            put(self, name, np.ascontiguousarray(getattr(self, name), dtype=np.float32))
        if not self.attributes.size:
            put(self, "attributes", np.empty((n, 0), np.float32))
        for name in ("latitude", "longitude", "area"):
            given = np.asarray(getattr(self, name), dtype=np.float64)
            put(self, name, given if given.size else np.full(n, np.nan))
        wanted = {
            "weather": (n, t, len(self.weather_names)),
            "flow": (n, t),
            "attributes": (n, len(self.attribute_names)),
            "latitude": (n,),
            "longitude": (n,),
            "area": (n,),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise InvalidData(
                    f"{name} of shape {getattr(self, name).shape} came; {shape} wanted for {n} "
                    f"basins and {t} days"
                )
        check_days(self.days)
        self._check_values()

    def _check_values(self) -> None:
        twice = sorted({basin for basin in self.basins if self.basins.count(basin) > 1})
        refuse(dict.fromkeys(twice, "came twice; wanted once"))
        bad: dict[str, str] = {}
        for row in np.flatnonzero((self.flow < 0).any(axis=1)):
            day = int(np.argmax(self.flow[row] < 0))
            bad[self.basins[row]] = (
                f"flow of {self.flow[row, day]:g} mm d-1 on {self.days[day]}; flow is not negative:"
                " put NaN where it is missing"
            )
        infinite = np.isinf(self.flow).any(axis=1) | np.isinf(self.weather).any(axis=(1, 2))
        for row in np.flatnonzero(infinite):
            bad[self.basins[row]] = "an infinite value; put NaN where it is missing"
        refuse(bad)

    def __len__(self) -> int:
        return len(self.basins)

    def row(self, basin: str) -> int:
        """Place of a basin; InvalidData when it is not here."""
        return int(self.rows([basin])[0])

    def rows(self, basins: Iterable[str]) -> Index:
        """Places of basins; InvalidData with the names of those that are not here."""
        places = {basin: row for row, basin in enumerate(self.basins)}
        basins = list(basins)
        refuse({basin: "is not in the records" for basin in basins if basin not in places})
        return np.array([places[basin] for basin in basins], dtype=np.int64)

    def column(self, name: str) -> int:
        """Place of a weather variable; InvalidData when it is not here."""
        if name not in self.weather_names:
            raise InvalidData(
                f"weather '{name}' was asked for; the records have {', '.join(self.weather_names)}"
            )
        return self.weather_names.index(name)

    def attribute(self, name: str) -> Array64:
        """One attribute of all basins, (N,); InvalidData when it is not here."""
        if name not in self.attribute_names:
            known = ", ".join(self.attribute_names) or "none"
            raise InvalidData(f"attribute '{name}' was asked for; the records have {known}")
        return self.attributes[:, self.attribute_names.index(name)].astype(np.float64)

    def day(self, day: Any) -> int:
        """Place of a day; InvalidData when it lies outside."""
        place = int((np.datetime64(day, "D") - self.days[0]).astype(int))
        if not 0 <= place < len(self.days):
            raise InvalidData(f"day {day} lies outside {self.days[0]} to {self.days[-1]}")
        return place

    def select(self, basins: Sequence[str]) -> BasinRecords:
        """The records of some basins, in this order."""
        rows = self.rows(basins)
        names = ("weather", "flow", "attributes", "latitude", "longitude", "area")
        parts = {name: getattr(self, name)[rows] for name in names}
        return replace(self, basins=tuple(basins), **parts)

    def with_flow(self, flow: NDArray[Any]) -> BasinRecords:
        """The same records with other flow, (N, T) in mm d-1."""
        return replace(self, flow=np.asarray(flow, dtype=np.float32))

    def extent(self) -> tuple[Index, Index]:
        """First and last day with any weather of each basin, (N,) each; (T, -1) without any."""
        there: Mask = np.asarray(~np.isnan(self.weather).all(axis=2))
        last = len(self.days) - 1 - there[:, ::-1].argmax(axis=1)
        some = there.any(axis=1)
        return np.where(some, there.argmax(axis=1), len(self.days)), np.where(some, last, -1)

    def missing_flow(self) -> Array64:
        """Share of days without flow, (N,)."""
        return np.asarray(np.isnan(self.flow).mean(axis=1), np.float64)


def check_days(days: Days) -> None:
    """Refuse days that are out of order, come twice or leave others out.

    Raises
    ------
    InvalidData
        With the first day at fault.
    """
    steps = np.diff(days).astype(int)
    wrong = np.flatnonzero(steps != 1)
    if not wrong.size:
        return
    before, after = days[wrong[0]], days[wrong[0] + 1]
    if (steps == 0).any():
        at = days[np.flatnonzero(steps == 0)[0]]
        raise InvalidData(f"day {at} comes twice; wanted each day once")
    if steps[wrong[0]] < 0:
        raise InvalidData(f"day {after} comes after {before}; wanted days in order")
    raise InvalidData(
        f"days between {before} and {after} are missing ({len(wrong)} gaps in all); wanted every "
        "day: insert them with NaN"
    )


def unusable(
    records: BasinRecords, *, days: Mask | None = None, shortest: int = 1
) -> dict[str, str]:
    """Basins that no forecast can be learned for, with the reason.

    Parameters
    ----------
    records : BasinRecords
    days : (T,) boolean array, optional
        Days to learn from; all of them if left out.
    shortest : int
        Days of weather that a basin needs, e.g. the length of the past and the leads together.

    Returns
    -------
    dict of str to str
        Empty where all basins can be used.
    """
    days = np.ones(len(records.days), bool) if days is None else days
    first, last = records.extent()
    flow = records.flow[:, days]
    seen = (~np.isnan(flow)).sum(axis=1)
    with np.errstate(all="ignore"):
        low = np.where(np.isnan(flow), np.inf, flow).min(axis=1, initial=np.inf)
        high = np.where(np.isnan(flow), -np.inf, flow).max(axis=1, initial=-np.inf)
    found: dict[str, str] = {}
    for row, basin in enumerate(records.basins):
        length = max(int(last[row] - first[row]) + 1, 0)
        if length < shortest:
            found[basin] = f"{length} days of weather; at least {shortest} wanted"
        elif not seen[row]:
            found[basin] = "no flow on the days to learn from"
        elif high[row] <= 0:
            found[basin] = "flow is zero on all days to learn from"
        elif high[row] == low[row]:
            found[basin] = f"flow is constant at {low[row]:g} mm d-1 on the days to learn from"
    return found


def refuse(bad: Mapping[str, str], why: str = "basins cannot be used") -> None:
    """Raise InvalidData that names basins and what is wrong with each; nothing if there is none."""
    if not bad:
        return
    shown = [FieldViolation(f"basins[{name}]", text) for name, text in list(bad.items())[:SHOWN]]
    more = f" (the first {SHOWN} of {len(bad)})" if len(bad) > SHOWN else ""
    raise InvalidData(f"{len(bad)} {why}{more}", violations=shown)
