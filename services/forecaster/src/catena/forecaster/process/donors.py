"""Basins without a gauge: parameters of the most similar gauged ones, their flows averaged.

After Oudin et al. (2008, Water Resour. Res. 44, W03413): parameter sets are carried over whole,
each runs with the weather of the ungauged basin, and outputs are averaged, not parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import BasinRecords, refuse
from catena.forecaster.process.forecaster import (
    ProcessForecaster,
    band_warmth_of,
    weather_climate,
)
from catena.forecaster.process.model import ProcessModel
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

EARTH_RADIUS = 6371.0  # km


def great_circle(
    latitude: Array, longitude: Array, to_latitude: Array, to_longitude: Array
) -> Array:
    """Distances, km, (n,) and (m,) -> (n, m), by the haversine formula."""
    a, b = np.radians(latitude)[:, None], np.radians(to_latitude)[None]
    across = np.radians(longitude)[:, None] - np.radians(to_longitude)[None]
    half = np.sin(0.5 * (a - b)) ** 2 + np.cos(a) * np.cos(b) * np.sin(0.5 * across) ** 2
    return np.asarray(2.0 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def dissimilarity(
    records: BasinRecords,
    donors: BasinRecords,
    attributes: Sequence[str],
    location_weight: float = 0.5,
) -> Array:
    """How unlike basins are to possible donors, (basin, donor).

    Distance in attributes, standardised by the donors', and distance on the ground, each in units
    of its median between donors, mixed by `location_weight`. A missing attribute counts as the
    donors' mean.

    Raises
    ------
    InvalidData
        Fewer than two donors, a weight outside 0 to 1, attributes that are not there, basins
        without coordinates although location counts.
    """
    if len(donors) < 2 or not 0.0 <= location_weight <= 1.0:
        raise InvalidData(
            f"{len(donors)} donors and a location_weight of {location_weight:g} came; want two or "
            "more, and 0 to 1"
        )
    total = np.zeros((len(records), len(donors)))
    if location_weight > 0.0:
        for r in (records, donors):
            lost = ~(np.isfinite(r.latitude) & np.isfinite(r.longitude))
            refuse({r.basins[b]: "has no latitude or longitude" for b in np.flatnonzero(lost)})
        there = (donors.latitude, donors.longitude)
        total += location_weight * _in_medians(
            great_circle(records.latitude, records.longitude, *there), great_circle(*there, *there)
        )
    if location_weight < 1.0 and attributes:
        theirs = np.stack([donors.attribute(name) for name in attributes], axis=1)
        ours = np.stack([records.attribute(name) for name in attributes], axis=1)
        known = np.isfinite(theirs)
        count = np.maximum(known.sum(0), 1)
        centre = np.where(known, theirs, 0.0).sum(0) / count
        spread = np.sqrt((np.where(known, theirs - centre, 0.0) ** 2).sum(0) / count)
        spread[spread == 0.0] = np.inf  # the same everywhere: says nothing
        a, b = (np.nan_to_num((x - centre) / spread) for x in (ours, theirs))
        total += (1.0 - location_weight) * _in_medians(_apart(a, b), _apart(b, b))
    return total


def _apart(a: Array, b: Array) -> Array:
    return np.asarray(np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)))


def _in_medians(distance: Array, between: Array) -> Array:
    middle = float(np.median(between[~np.eye(len(between), dtype=bool)]))
    return distance / middle if middle > 0.0 else distance


@dataclass(frozen=True, eq=False)
class DonorForecaster:
    """Forecasts for basins without a gauge.

    Parameters
    ----------
    basins : tuple of str
    members : tuple of ProcessForecaster
        One for each place in the order of donors, all for the same basins.
    donors : tuple of tuple of str
        Of each basin, the most similar first.
    """

    basins: tuple[str, ...]
    members: tuple[ProcessForecaster, ...]
    donors: tuple[tuple[str, ...], ...]

    def simulate(self, records: BasinRecords) -> Array:
        """Mean flow of the donors' parameters with observed weather, mm d-1, (basin, day)."""
        return np.asarray(self.simulate_each(records).mean(axis=-1))

    def simulate_each(self, records: BasinRecords) -> Array:
        """Flow of each donor's parameters with observed weather, mm d-1, (basin, day, donor)."""
        return np.stack([member.simulate(records).flow for member in self.members], axis=-1)

    def forecast(
        self, records: BasinRecords, issues: Index, leads: int, weather: Array | None = None
    ) -> Array:
        """Mean flow of the donors' parameters; see :class:`baselines.Forecaster`.

        Observed flow is not used.
        """
        each = [member.forecast(records, issues, leads, weather) for member in self.members]
        return np.asarray(np.mean(each, axis=0))


def regionalise(
    fitted: ProcessForecaster,
    gauged: BasinRecords,
    records: BasinRecords,
    days: Mask,
    *,
    attributes: Sequence[str],
    count: int = 7,
    location_weight: float = 0.5,
    worst_misfit: float = 0.7,
    band_warmth: Array | None = None,
    leave_out: bool = False,
) -> DonorForecaster:
    """Choose donors for basins without a gauge.

    Parameters
    ----------
    fitted : ProcessForecaster
        Calibrated basins.
    gauged : BasinRecords
        Their records, for attributes and location.
    records : BasinRecords
        The basins without a gauge; their flow is not looked at.
    days : Mask, (day,)
        Days of `records` whose mean weather stands in for gaps.
    attributes : sequence of str
        Names of the attributes that tell similarity; no flow signatures.
    count : int
        Donors per basin, as far as there are so many.
    location_weight : float
        See :func:`dissimilarity`.
    worst_misfit : float
        Basins whose calibration ended above this misfit are no donors.
    band_warmth : Array, (basin, BANDS), optional
        Of the basins without a gauge.
    leave_out : bool
        Treat basins that were calibrated as if they had no gauge: their donors are the others. Else
        such basins are refused.

    Raises
    ------
    InvalidData
        A basin that is its own donor (by name), no donors left, missing attributes or coordinates.
    """
    own = set(fitted.basins) & set(records.basins)
    if not leave_out:
        refuse(dict.fromkeys(sorted(own), "is among the donors"), "basins are not without a gauge")
    good = [
        b for b, misfit in zip(fitted.basins, fitted.misfit, strict=True) if misfit <= worst_misfit
    ]
    if len(good) < 2:
        raise InvalidData(
            f"{len(good)} of {len(fitted.basins)} calibrated basins have a misfit of "
            f"{worst_misfit:g} or less; want two donors or more"
        )
    donors = _nearest(records, gauged, good, attributes, count, location_weight)
    row_of = {basin: fitted.basins.index(basin) for basin in good}
    order = np.array([[row_of[donor] for donor in chosen] for chosen in donors])
    climate = weather_climate(records, days)
    note = "elevation bands as given"
    if band_warmth is None:
        band_warmth, note = band_warmth_of(records)
    members = [
        ProcessForecaster(
            records.basins,
            ProcessModel(fitted.model.parameters[rows], records.latitude, band_warmth),
            climate,
            fitted.misfit[rows],
            note=note,
        )
        for rows in order.T
    ]
    return DonorForecaster(records.basins, tuple(members), donors)


def _nearest(
    records: BasinRecords,
    gauged: BasinRecords,
    good: Sequence[str],
    attributes: Sequence[str],
    count: int,
    location_weight: float,
) -> tuple[tuple[str, ...], ...]:
    """The most similar donors of each basin, itself not among them: as many for each."""
    own = [basin for basin in records.basins if basin in set(good)]
    count = min(count, len(good) - bool(own))
    rest = [basin for basin in records.basins if basin not in set(own)]
    chosen: dict[str, tuple[str, ...]] = {}
    # One by one: whether a basin can be calibrated itself says nothing about its donors then, not
    # even through the scales of attributes.
    for basins in filter(None, [rest, *([basin] for basin in own)]):
        donors = [basin for basin in good if basin not in basins]
        apart = dissimilarity(
            records.select(basins), gauged.select(donors), attributes, location_weight
        )
        order = np.argsort(apart, axis=1, kind="stable")[:, :count]
        chosen |= {b: tuple(donors[d] for d in row) for b, row in zip(basins, order, strict=True)}
    return tuple(chosen[basin] for basin in records.basins)
