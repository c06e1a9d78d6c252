"""Plants and soil at given places: from a map of plants, or made up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from catena.coupler.embedded.grid import EDGE
from catena.coupler.surface_map import (
    NATURAL,
    SurfaceMap,
    made_up_shares,
    most_frequent,
    read_plants,
)
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

FARTHEST_DEG = 1.5
"""A place that lies farther from every cell of a map is not on it."""
WAVES = 8
SHORTEST_DEG, LONGEST_DEG = 4.0, 25.0
"""Lengths of the waves that made-up soils consist of."""
SAND, CLAY = (15.0, 75.0), (6.0, 42.0)
"""Per cent, between which made-up soils lie."""
DEEP_CLAY = 1.25
"""Clay at the bottom of the soil over that at its top."""


@dataclass(frozen=True)
class Places:
    """Places where plants grow.

    Parameters
    ----------
    kept : int64 (cell,)
        Which of the places that were asked for.
    plants : SurfaceMap
        Of these.
    made_up : bool
        Whether the plants come from no map.
    """

    kept: NDArray[np.int64]
    plants: SurfaceMap
    made_up: bool


def plants_at(
    lat: Array,
    lon: Array,
    path: Path | None = None,
    *,
    slots: int = 1,
    plants: range = NATURAL,
    cells: int = 0,
) -> Places:
    """Natural plants at places; where none grow, a place is left out.

    Parameters
    ----------
    lat, lon : float64 (cell,)
        Degrees.
    path : Path, optional
        A map as :func:`catena.coupler.surface_map.read_surface_map` takes it; the cell of it whose
        centre is nearest counts. Without one, plants are made up by latitude and longitude.
    slots : int
        The most frequent plants of a cell, as many as this.
    plants : range
        Which count.
    cells : int
        The places with the largest area of these plants; 0: all that have some.

    Raises
    ------
    InvalidData
        When it is no such map, a place lies outside of it, or fewer places have plants than wanted.
    """
    lat, lon = np.asarray(lat, dtype=np.float64), np.mod(np.asarray(lon) + 180.0, 360.0) - 180.0
    if path is None:
        first = NATURAL.start
        shares = made_up_shares(lat, lon)[:, plants.start - first : plants.stop - first]
        area = shares.sum(axis=1)
    else:
        shares, area = _on_map(lat, lon, path, plants)
    kept = np.flatnonzero(area > 0.0)
    if kept.size < max(cells, 1):
        raise InvalidData(
            f"such plants grow at {kept.size} of {lat.size} places; {cells or 1} were wanted: "
            "choose other places"
        )
    if cells:
        kept = np.sort(kept[np.argsort(-area[kept], kind="stable")[:cells]])
    made = most_frequent(lat[kept], lon[kept], shares[kept], slots, plants)
    return Places(kept, made, path is None)


def _on_map(lat: Array, lon: Array, path: Path, plants: range) -> tuple[Array, Array]:
    """Share of each plant (cell, plant) and their area (cell,) in the nearest cells of a map."""
    there = read_plants(path, plants)
    tree = cKDTree(_on_sphere(there.lat.ravel(), there.lon.ravel()))
    chord, nearest = tree.query(_on_sphere(lat, lon))
    away = np.rad2deg(2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0)))
    if (far := np.flatnonzero(away > FARTHEST_DEG)).size:
        raise InvalidData(
            f"'{path.name}': the place at {lat[far[0]]:g}, {lon[far[0]]:g} is {away[far[0]]:.1f} "
            "degrees away from the map; choose a map that covers all places"
        )
    return there.shares.reshape(len(plants), -1)[:, nearest].T, there.area.ravel()[nearest]


def _on_sphere(lat: Array, lon: Array) -> Array:
    north, east = np.deg2rad(lat), np.deg2rad(lon)
    return np.stack(
        [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1
    )


def made_up_soil(lat: Array, lon: Array, seed: int) -> tuple[Array, Array]:
    """Soils that change smoothly from place to place, and come from no map.

    Waves of random length and direction are added up, so that neighbours are alike; clay grows with
    depth. A place's soil follows from the place and the seed alone.

    Parameters
    ----------
    lat, lon : float64 (cell,)
        Degrees.
    seed : int

    Returns
    -------
    sand, clay : float64 (cell, layer)
        Per cent, on ELM's layers.
    """
    random = np.random.default_rng([seed, 7])
    sand, clay = (low + (high - low) * _field(lat, lon, random) for low, high in (SAND, CLAY))
    middle = (EDGE[:-1] + EDGE[1:]) / 2.0
    deeper = 1.0 + (DEEP_CLAY - 1.0) * middle / middle[-1]
    clays = np.minimum(clay[:, None] * deeper, 95.0 - sand[:, None])
    return np.repeat(sand[:, None], clays.shape[1], axis=1), clays


def _field(lat: Array, lon: Array, random: np.random.Generator) -> Array:
    """A smooth field between 0 and 1, (cell,)."""
    lengths = np.exp(random.uniform(np.log(SHORTEST_DEG), np.log(LONGEST_DEG), WAVES))
    angles, phases = random.uniform(0.0, 2.0 * np.pi, (2, WAVES))
    along = np.outer(lon, np.cos(angles)) + np.outer(lat, np.sin(angles))
    waves = np.cos(2.0 * np.pi * along / lengths + phases)
    # The sum of such waves has a variance of 1; the logistic function spreads it out evenly.
    total = waves.sum(axis=1) * np.sqrt(2.0 / WAVES)
    return np.asarray(1.0 / (1.0 + np.exp(-1.7 * total)))
