"""Small cases of the embedded model for spin-ups: a few cells, plants and parameter sets."""

from __future__ import annotations

import datetime as dt

import numpy as np
from support.embedded_cases import C4, EVERGREEN, GRASS, TREE, generated_weather

from catena.coupler.embedded import Columns, ParameterSet
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.forcing import FORCING, DailyForcing
from catena.coupler.pft import pft_index
from catena.coupler.spin_up.embedded_case import EmbeddedCase

PLANTS = ({TREE: 1.0}, {EVERGREEN: 0.7, GRASS: 0.3}, {GRASS: 0.4, C4: 0.3})
"""The rest of a cell is bare."""
VARIED = (("flnr", TREE), ("slatop", None), ("br_mr", None))


def columns(cells: int = 3) -> Columns:
    """Cells with these plants in turn, on soils that differ."""
    pfts, weights = np.zeros((cells, 3), dtype=np.int64), np.zeros((cells, 3))
    for cell in range(cells):
        shares = PLANTS[cell % len(PLANTS)]
        for slot, (name, share) in enumerate(shares.items()):
            pfts[cell, slot], weights[cell, slot] = pft_index(name), share
        weights[cell, len(shares)] = 1.0 - sum(shares.values())
    sand = np.linspace(30.0, 60.0, cells)
    layers = np.ones((1, N_LAYERS))
    return Columns(
        lat=np.linspace(36.0, 46.0, cells),
        lon=np.linspace(-100.0, -80.0, cells),
        sand=sand[:, np.newaxis] * layers,
        clay=(80.0 - sand)[:, np.newaxis] * 0.5 * layers,
        pfts=pfts,
        weights=weights,
    )


def forcing(cells: int = 3, years: int = 2, seed: int = 5) -> DailyForcing:
    """Generated weather, colder from cell to cell."""
    weather = np.concatenate(
        [
            generated_weather(years=years, seed=seed + cell, warmth=288.0 - 2.0 * cell)
            for cell in range(cells)
        ]
    )
    place = columns(cells)
    return DailyForcing(
        lat=place.lat,
        lon=place.lon,
        start=dt.date(2001, 1, 1),
        calendar="noleap",
        days=365 * years,
        variables={name: weather[..., n] for n, name in enumerate(FORCING)},
        co2=np.full(365 * years, 380.0),
        ndep=np.full(365 * years, 0.4),
    )


def parameters(members: int = 2) -> ParameterSet:
    """Sets that differ in three parameters."""
    steps = np.linspace(0.0, 1.0, members)
    return ParameterSet.default(members).update(
        [
            ("flnr", TREE, 0.09 + 0.03 * steps),
            ("slatop", TREE, 0.03 - 0.005 * steps),
            ("br_mr", None, 2.5e-6 + 0.5e-6 * steps),
        ]
    )


def case(members: int = 2, cells: int = 3, years: int = 2, **options: object) -> EmbeddedCase:
    """Every parameter set in every cell."""
    return EmbeddedCase(
        columns(cells),
        forcing(cells, years),
        parameters(members),
        varied=VARIED,
        **options,  # type: ignore[arg-type]
    )
