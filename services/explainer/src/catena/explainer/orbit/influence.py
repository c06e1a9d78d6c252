"""Where the influence on a forecast comes from: how far away, from which side, up the wind or not.

Influence is the mean square of contributions: what one place does in one direction and the next in
the other is influence of both, while many small contributions that cancel count little. Were places
independent, it would be each one's share in the variance of the forecasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.explainer.orbit.geometry import EARTH_KM, bearing_and_angle, distances_km

__all__ = ["Influence", "Place", "distance_edges", "named_offset", "steering_wind", "wind_over"]

Array = NDArray[np.float64]

WIDTHS_KM = (50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0)
HALF_ROUND_KM = np.pi * EARTH_KM
"""Nothing is further away."""
LARGE = 0.25
"""Share of the globe's cells from which on a box has no outside worth a direction."""
AROUND = 0.5
"""Share of the meridians from which on a box, such as a belt, has no middle to look from."""
STEERING_PA = 70_000.0
"""Level whose wind carries weather systems along, as far as one level does."""
WIND_UNITS = "m s-1"
DIRECTIONS = (
    "north",
    "north-east",
    "east",
    "south-east",
    "south",
    "south-west",
    "west",
    "north-west",
)


@dataclass(frozen=True, eq=False)
class Place:
    """Where all cells lie as seen from the box of a target.

    Parameters
    ----------
    distance : array, (H, W)
        To the nearest cell of the box, km; 0 inside.
    east, north : array, (H, W)
        Way from the middle of the box along the great circle, km; NaN where the box is so large,
        or goes so far around the globe, that it has no direction.
    """

    distance: Array
    east: Array
    north: Array

    @classmethod
    def of(cls, cells: Array, lat: Array, lon: Array) -> Place:
        """As seen from a box, given the share of each cell in it, (H, W)."""
        inside = cells > 0
        distance = distances_km(inside, lat, lon)
        if inside.mean() > LARGE or inside.any(0).mean() > AROUND:
            nowhere = np.full(cells.shape, np.nan)
            return cls(distance, nowhere, nowhere)
        north, east = np.radians(lat)[:, None], np.radians(lon)[None]
        axes = (np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north))
        x, y, z = (float((cells * axis).sum()) for axis in axes)
        lat0, lon0 = np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))
        bearing, angle = bearing_and_angle(lat[:, None], lon[None], float(lat0), float(lon0))
        return cls(distance, EARTH_KM * angle * np.sin(bearing), EARTH_KM * angle * np.cos(bearing))


@dataclass(frozen=True, eq=False)
class Influence:
    """Influence on a target at a lead, by S sources: all variables together, then each alone.

    Parameters
    ----------
    share : array, (S,)
        Of the source in all influence.
    by_distance : array, (S, E)
        Share of the source's influence inside the box, then in each ring of
        :func:`distance_edges`; NaN for a source without influence, as all below.
    half_km : array, (S,)
        Distance from the box within which half of the influence lies.
    outside : array, (S,)
        Share of it outside the box.
    east_km, north_km : array, (S,)
        Where the middle of the influence lies as seen from the middle of the box.
    upwind_km : array, (S,)
        How far it lies against the wind over the box, mean over samples; negative down the wind,
        NaN without winds.
    travel_km : float
        How far the wind would go in the lead time, mean over samples.
    """

    share: Array
    by_distance: Array
    half_km: Array
    outside: Array
    east_km: Array
    north_km: Array
    upwind_km: Array
    travel_km: float

    @classmethod
    def of(
        cls,
        contributions: Array,
        place: Place,
        edges: Array,
        wind: Array | None = None,
        lead_h: float = 0.0,
    ) -> Influence:
        """Of contributions (N, V, H, W) to a target.

        Parameters
        ----------
        place : Place
            Of the target's box.
        edges : array, (E,)
            Of :func:`distance_edges`.
        wind : array, (N, 2), optional
            Eastward and northward over the box, m s-1.
        lead_h : float
            Of the forecast, hours.
        """
        squares = contributions**2
        squares = np.concatenate([squares.sum(1, keepdims=True), squares], 1)  # (N, S, H, W)
        mean = squares.mean(0).reshape(squares.shape[1], -1)
        total = np.where(mean.any(1), mean.sum(1), np.nan)
        ring = np.where(place.distance == 0, 0, np.digitize(place.distance, edges[1:]) + 1).ravel()
        rings = np.stack([np.bincount(ring, row, len(edges)) for row in mean]) / total[:, None]
        order = np.argsort(place.distance, axis=None, kind="stable")
        reached = np.cumsum(mean[:, order], 1) >= total[:, None] / 2
        half = np.where(np.isnan(total), np.nan, place.distance.ravel()[order][reached.argmax(1)])
        east, north = (mean @ way.ravel() / total for way in (place.east, place.north))
        upwind, travel = np.full(len(mean), np.nan), float("nan")
        if wind is not None:
            speed = np.hypot(*wind.T)
            travel = float(speed.mean()) * lead_h * 3.6
            # Each cell's way against the wind of each sample, (N, 1, H, W).
            along = wind / np.where(speed > 0, speed, np.nan)[:, None]
            ways = along[:, 0, None, None] * place.east + along[:, 1, None, None] * place.north
            upwind = -(squares * ways[:, None]).mean(0).sum((1, 2)) / total
        return cls(total / total[0], rings, half, 1.0 - rings[:, 0], east, north, upwind, travel)


def distance_edges(lat: Array) -> Array:
    """Outer edges of rings around a box, km: 0 for the box itself, then as many as the globe has.

    They are about as wide as a row of the grid, at round numbers.
    """
    row = HALF_ROUND_KM * np.abs(np.diff(lat)).mean() / 180.0 if len(lat) > 1 else WIDTHS_KM[-1]
    width = next((width for width in WIDTHS_KM if width >= row), WIDTHS_KM[-1])
    return np.arange(int(np.ceil(HALF_ROUND_KM / width)) + 1, dtype=np.float64) * width


def steering_wind(units: Mapping[str, str]) -> tuple[str, str] | None:
    """Names of the two winds that carry the weather, of variables with their units.

    The level nearest to 700 hPa where there are levels, else winds without one, else those near the
    surface; None where no level has both.
    """
    winds = [name for name, unit in units.items() if unit == WIND_UNITS]
    pairs: list[tuple[float, tuple[str, str]]] = []
    for name in winds:
        kind, _, level = name.partition("_")
        other = {"ua": "va", "uas": "vas"}.get(kind)
        pair = other and (f"{other}_{level}" if level else other)
        if pair and pair in winds:
            pairs.append((_rank(kind, level), (name, pair)))
    return min(pairs)[1] if pairs else None


def _rank(kind: str, level: str) -> float:
    if kind == "uas":
        return 1e9
    try:
        return abs(float(level) - STEERING_PA) if level else 1e8
    except ValueError:
        return 1e7


def named_offset(east_km: float, north_km: float) -> str:
    """``420 km west`` of a way in km, to the nearest of eight directions; empty where unknown."""
    if not np.isfinite([east_km, north_km]).all():
        return ""
    turn = round(np.degrees(np.arctan2(east_km, north_km)) / 45.0) % 8
    return f"{np.hypot(east_km, north_km):,.0f} km {DIRECTIONS[turn]}"


def wind_over(
    values: NDArray[np.float32], variables: Sequence[str], pair: tuple[str, str], cells: Array
) -> Array:
    """Winds (N, 2) over a box, of fields (N, V, H, W); NaN where they lack."""
    rows = [variables.index(name) for name in pair]
    return np.asarray((values[:, rows].astype(np.float64) * cells).sum((-2, -1)))
