"""Distances and directions on the globe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EARTH_KM", "bearing_and_angle", "central_angle", "distances_km"]

Array = NDArray[np.float64]

EARTH_KM = 6371.0


def central_angle(lat: Array, lon: Array, lat0: float, lon0: float) -> Array:
    """Angle between points of the globe and one of them, radians (haversine formula)."""
    north, east = np.radians(lat), np.radians(lon - lon0)
    half = np.sin((north - np.radians(lat0)) / 2) ** 2
    half = half + np.cos(north) * np.cos(np.radians(lat0)) * np.sin(east / 2) ** 2
    return np.asarray(2.0 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def bearing_and_angle(lat: Array, lon: Array, lat0: float, lon0: float) -> tuple[Array, Array]:
    """Direction in which points are seen, clockwise from north, and the angle to them, radians."""
    north, north0 = np.radians(lat), np.radians(lat0)
    east = np.radians(lon - lon0)
    across = np.sin(east) * np.cos(north)
    along = np.cos(north0) * np.sin(north) - np.sin(north0) * np.cos(north) * np.cos(east)
    return np.arctan2(across, along), central_angle(lat, lon, lat0, lon0)


def distances_km(inside: NDArray[np.bool_], lat: Array, lon: Array) -> Array:
    """Great-circle distance of each cell's centre to the nearest one of a box, (H, W); 0 inside."""
    away = np.full(inside.shape, np.inf)
    # Cells within the box, of which there may be many, are nearest to none outside.
    for row, column in zip(*np.nonzero(inside & ~_surrounded(inside)), strict=True):
        away = np.minimum(away, central_angle(lat[:, None], lon[None], lat[row], lon[column]))
    away[inside] = 0.0
    return EARTH_KM * away


def _surrounded(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells of a box all of whose neighbours are in it: none outside is nearest to them."""
    around = np.roll(inside, 1, 1) & np.roll(inside, -1, 1)
    around[1:] &= inside[:-1]
    around[:-1] &= inside[1:]
    return around & inside
