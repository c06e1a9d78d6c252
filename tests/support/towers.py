"""A tower and members of an ensemble, made by hand: what they share is known."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from catena.coupler.callmip.observations import FLUXES, Observations
from catena.ensemble_runner.tower_statistics import SiteFluxes

FIRST = dt.date(2001, 1, 1)
DAYS = 6 * 365 + 1


def day_of_year(days: int = DAYS) -> np.ndarray:
    dates = np.datetime64(FIRST) + np.arange(days)
    return (dates - dates.astype("datetime64[Y]")).astype(int)


def season(days: int = DAYS) -> np.ndarray:
    """0 in January, 1 in July."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * day_of_year(days) / 365.25))


def observed(
    values: dict[str, np.ndarray] | None = None, *, site: str = "US-MMS", sd: float = 0.5
) -> Observations:
    """Measured every day unless `values` say otherwise."""
    plain = {
        "nee": 2 - 8 * season(),
        "hfls": 10 + 90 * season(),
        "hfss": 20 + 30 * season(),
    } | (values or {})
    return Observations(
        site, 39.3, -86.4, FIRST, plain, {flux: np.full(DAYS, sd) for flux in FLUXES}
    )


def members(seen: Observations, offsets: Any, *, noise: float = 0.0, seed: int = 0) -> SiteFluxes:
    """Members that are off by constants (one each), and by noise from day to day."""
    rng = np.random.default_rng(seed)
    offsets = np.asarray(offsets, float)[:, None]
    truth = {"nee": 2 - 8 * season(), "hfls": 10 + 90 * season(), "hfss": 20 + 30 * season()}
    simulated = {
        flux: truth[flux] + offsets + noise * rng.normal(size=(len(offsets), DAYS))
        for flux in FLUXES
    }
    return SiteFluxes(seen, simulated)
