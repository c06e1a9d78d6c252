"""What basins are like, from days of training: how they store water, and what sets their flow.

Explanations of a model are held against these numbers: a basin of snow should lean on temperature
in spring, and a memory of rain should be about as long as the recession.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from catena.forecaster.data.calendar import YEAR_DAYS, day_of_year, season_code
from catena.forecaster.data.records import Array64, BasinRecords, Days, Mask
from catena.shared.errors import InvalidData

SNOW_BELOW = 1.0
"""degC. Rain and snow are equally likely at 1.0 degC of air temperature, on average over the
northern hemisphere (Jennings et al. 2018, Nature Communications 9:1148)."""
WET = 1.0
"""mm d-1, from which on a day is a wet one (as in the climate indices of ETCCDI)."""
FILTER = 0.925
"""Parameter of the baseflow filter for daily flow (Nathan and McMahon 1990, WRR 26:1465)."""
REFLECTED = 30
"""Days at both ends of a record that it is mirrored by (Ladson et al. 2013)."""
SHORTEST = 65
"""Days without a gap that the baseflow filter is run over."""
DRY_DAYS = 5
"""Days without rain, up to a day whose recession counts: the three days behind a rain are left out
(Brutsaert and Nieber 1977, WRR 13:637)."""
FEWEST = 20
"""Days that a recession constant is made of."""
LONGEST_LAG = 30
"""Days."""

SNOW_FRACTION = 0.25
"""Share of snow from which on a basin is one of snow: a convention of ours. Berghuijs et al. (2014,
Nature Climate Change 4:583) part basins at .15; above .25 the melt is the season of high flow."""
BASEFLOW_INDEX = 0.65
"""Baseflow index from which on a basin is one of groundwater: a convention of ours. The index of
permeable catchments is .6 to .98, that of others mostly below (Institute of Hydrology 1980, Low
Flow Studies report 3)."""
LONG_RECESSION = 30.0
"""Days of recession from which on a basin is one of groundwater: aquifers of large basins drain
within 45 +- 15 days (Brutsaert 2008, WRR 44:W02409)."""


@dataclass(frozen=True)
class BasinSignatures:
    """Signatures of one basin; NaN where too little was observed.

    Parameters
    ----------
    mean_flow, mean_precipitation : float
        mm d-1.
    runoff_ratio : float
        Flow over precipitation, of the days that have both.
    snow_fraction : float
        Share of the precipitation on days colder than `SNOW_BELOW`.
    baseflow_index : float
        Share of the flow that a filter calls slow: :func:`baseflow`.
    recession_days : float
        Days in which flow falls to 1/e without rain: :func:`recession_days`.
    lag_days : float
        Days after which flow is most correlated with rain.
    centroid_day : float
        Day of the year around which flow comes: :func:`centroid_day`.
    """

    mean_flow: float
    mean_precipitation: float
    runoff_ratio: float
    snow_fraction: float
    baseflow_index: float
    recession_days: float
    lag_days: float
    centroid_day: float

    @property
    def kind(self) -> str:
        """``snow``, ``groundwater`` or ``rain``: the first one whose threshold is passed.

        Empty where too little was observed to say so: nothing known is no sign of rain.
        """
        if self.snow_fraction > SNOW_FRACTION:
            return "snow"
        if self.baseflow_index > BASEFLOW_INDEX or self.recession_days > LONG_RECESSION:
            return "groundwater" if np.isfinite(self.snow_fraction) else ""
        known = np.isfinite(self.snow_fraction) and (
            np.isfinite(self.baseflow_index) or np.isfinite(self.recession_days)
        )
        return "rain" if known else ""

    def plain(self) -> dict[str, Any]:
        """For JSON: `kind` as ``class``, and the numbers; None for NaN."""
        numbers = {name: _plain(value) for name, value in asdict(self).items()}
        return {"class": self.kind, **numbers}


def signatures(records: BasinRecords, days: Mask) -> list[BasinSignatures]:
    """Signatures of all basins.

    Parameters
    ----------
    records : BasinRecords
        With the weather ``pr`` and ``tas``.
    days : (T,) boolean array
        Days that are looked at: those of training, or what is held out would enter.

    Raises
    ------
    InvalidData
        When no day is set.
    """
    if days.shape != records.days.shape or not days.any():
        raise InvalidData(
            f"days of shape {days.shape} with {int(days.sum())} set came for signatures; wanted "
            f"{records.days.shape} with at least one set"
        )
    rain_at, warmth_at = records.column("pr"), records.column("tas")
    found = []
    for flow, weather in zip(records.flow, records.weather, strict=True):
        seen, rain, warmth = (
            np.where(days, values, np.nan).astype(np.float64)
            for values in (flow, weather[:, rain_at], weather[:, warmth_at])
        )
        found.append(_of_basin(seen, rain, warmth, records.days))
    return found


def _of_basin(flow: Array64, rain: Array64, warmth: Array64, days: Days) -> BasinSignatures:
    both = np.isfinite(flow) & np.isfinite(rain)
    felt = np.isfinite(warmth) & np.isfinite(rain)
    return BasinSignatures(
        mean_flow=_mean(flow),
        mean_precipitation=_mean(rain),
        runoff_ratio=_ratio(flow[both].sum(), rain[both].sum()),
        snow_fraction=_ratio(rain[felt & (warmth < SNOW_BELOW)].sum(), rain[felt].sum()),
        baseflow_index=baseflow_index(flow),
        recession_days=recession_days(flow, rain),
        lag_days=lag_days(flow, rain),
        centroid_day=centroid_day(flow, days),
    )


def baseflow(flow: Array64) -> Array64:
    """Slow part of the flow.

    Parameters
    ----------
    flow : (T,) array
        Without a gap, `SHORTEST` days or more.

    Returns
    -------
    (T,) array
        From 0 to `flow`.

    Notes
    -----
    The filter of Lyne and Hollick (1979), as set down by Ladson et al. (2013), Australian Journal
    of Water Resources 17:25-34: forwards, backwards, forwards, the record mirrored by 30 days.
    """
    ahead, behind = flow[REFLECTED:0:-1], flow[-2 : -REFLECTED - 2 : -1]
    slow = np.concatenate([ahead, flow, behind])
    for step in (1, -1, 1):
        slow = _without_quick(slow[::step])[::step]
    return np.asarray(slow[REFLECTED:-REFLECTED], np.float64)


def _without_quick(flow: Array64) -> Array64:
    """One pass: quick flow ``f_t = a f_(t-1) + (1 + a) / 2 (q_t - q_(t-1))``, begun at ``q_0``."""
    gain = (1 + FILTER) / 2
    quick, _ = lfilter([gain, -gain], [1.0, -FILTER], flow, zi=[(1 - gain) * flow[0]])
    return np.asarray(flow - np.maximum(quick, 0.0), np.float64)


def baseflow_index(flow: Array64) -> float:
    """Share of :func:`baseflow` in the flow, over all runs of `SHORTEST` days without a gap."""
    runs = [run for run in _runs(flow) if len(run) >= SHORTEST]
    if not runs:
        return float("nan")
    return _ratio(sum(baseflow(run).sum() for run in runs), sum(run.sum() for run in runs))


def _runs(values: Array64) -> Iterator[Array64]:
    """Pieces between gaps."""
    seen = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(seen[1:] != seen[:-1])
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        yield values[start:end]


def recession_days(flow: Array64, rain: Array64) -> float:
    """Recession constant: days `k` in ``dQ/dt = -Q / k``, of falling limbs without rain.

    The sixth estimator of Vogel and Kroll (1996), Water Resources Management 10:303-320, takes the
    mean of ``ln(-dQ / Q)``. Here it is the median, which small drops of rounded flow do not rule,
    and ``ln(Q_(t-1) / Q_t)``, which is ``1 / k`` for any step of a linear reservoir.

    Parameters
    ----------
    flow, rain : (T,) arrays, mm d-1
        NaN where missing.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        wet = ~(rain < WET)
        rate = np.log(flow[:-1] / flow[1:])
    total = np.concatenate([[0], np.cumsum(wet)])
    dry = np.zeros(len(flow), bool)
    dry[DRY_DAYS - 1 :] = total[DRY_DAYS:] == total[:-DRY_DAYS]
    falls = np.isfinite(rate) & (rate > 0)
    # A limb: it fell on the day before as well.
    limb = dry[2:] & falls[1:] & falls[:-1]
    if limb.sum() < FEWEST:
        return float("nan")
    return float(1.0 / np.exp(np.median(np.log(rate[1:][limb]))))


def lag_days(flow: Array64, rain: Array64) -> float:
    """Days, 0 to `LONGEST_LAG`, after which flow is most correlated with rain."""
    found = []
    for lag in range(min(LONGEST_LAG, len(flow) - 2) + 1):
        later, sooner = flow[lag:], rain[: len(rain) - lag]
        both = np.isfinite(later) & np.isfinite(sooner)
        spread = both.sum() > 2 and np.ptp(later[both]) > 0 and np.ptp(sooner[both]) > 0
        found.append(np.corrcoef(later[both], sooner[both])[0, 1] if spread else np.nan)
    return float(np.nanargmax(found)) if np.isfinite(found).any() else float("nan")


def centroid_day(flow: Array64, days: Days) -> float:
    """Day of the year (1 to 366) of the centre of mass of the flow on the circle of the year.

    Directional statistics as in Burn (1997), Journal of Hydrology 202:212-230, each day of the year
    weighed by its mean flow, so that seasons with gaps count as much as others.
    """
    seen = np.isfinite(flow)
    days, flow = days[seen], flow[seen]
    place = day_of_year(days)
    count = np.bincount(place, minlength=367)[place]
    sine, cosine = (season_code(days).astype(np.float64) * (flow / count)[:, None]).sum(axis=0)
    if not flow.size or np.hypot(sine, cosine) <= 0:
        return float("nan")
    return float(np.arctan2(sine, cosine) % (2 * np.pi) * YEAR_DAYS / (2 * np.pi) + 1.0)


def _mean(values: Array64) -> float:
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if seen.size else float("nan")


def _ratio(part: NDArray[Any] | float, whole: NDArray[Any] | float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
