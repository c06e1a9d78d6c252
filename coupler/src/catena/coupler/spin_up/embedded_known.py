"""What is known of sites of the embedded model before any run: climate, land, parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.parameters import ParameterSet, parameter_table
from catena.coupler.forcing import FORCING, DailyForcing
from catena.coupler.pft import PFT_NAMES
from catena.coupler.spin_up.case import Floats, Sites
from catena.shared.errors import InvalidRequest

Varied = tuple[str, str | None]
"""A parameter by name and PFT; None where it has no PFT, or for the mean over a cell's plants."""
CLIMATE = (*FORCING, *(f"{name}_sd" for name in FORCING))
"""Means of each calendar month, then their standard deviations from year to year."""
DEPTHS = {"top": slice(0, 4), "middle": slice(4, 7), "deep": slice(7, 10)}
"""Layers whose texture is averaged: to .12, .62 and 3.8 m."""
STATIC = (
    "sin_lat",
    "cos_lat",
    *(f"{name}_{depth}" for name in ("sand", "clay") for depth in DEPTHS),
    *(f"share_{name}" for name in PFT_NAMES),
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def monthly_climate(record: DailyForcing) -> Floats:
    """Climate of each cell.

    Parameters
    ----------
    record : DailyForcing
        Whole years of 365 days.

    Returns
    -------
    float64 (cell, 12, 2 * variable)
        In the order of :data:`CLIMATE`, in the forcing's units; the spread of one year is 0.
    """
    months = np.repeat(np.arange(12), _MONTH_DAYS)
    made = np.empty((record.cells, 12, len(CLIMATE)))
    for n, name in enumerate(FORCING):
        days = record.variables[name].reshape(record.cells, -1, 365)
        for month in range(12):
            means = days[:, :, months == month].mean(axis=2)
            made[:, month, n] = means.mean(axis=1)
            made[:, month, n + len(FORCING)] = means.std(axis=1)
    return made


def static_numbers(columns: Columns) -> Floats:
    """Place, soil and plants of each cell, float64 (cell, number) in the order of STATIC."""
    angle = np.deg2rad(columns.lat)
    texture = [
        soil[:, layers].mean(axis=1) / 100.0
        for soil in (columns.sand, columns.clay)
        for layers in DEPTHS.values()
    ]
    return np.stack([np.sin(angle), np.cos(angle), *texture, *shares(columns).T], axis=1)


def shares(columns: Columns) -> Floats:
    """Share of each PFT, float64 (cell, pft)."""
    made = np.zeros((columns.cells, len(PFT_NAMES)))
    rows = np.arange(columns.cells)
    for slot in range(columns.slots):
        made[rows, columns.pfts[:, slot]] += columns.weights[:, slot]
    return made


def varied_names(varied: Sequence[Varied]) -> tuple[str, ...]:
    """Names of parameters, ``flnr.c4_grass`` for one of a PFT.

    Raises
    ------
    InvalidRequest
        When there is no such parameter or PFT.
    """
    for name, pft in varied:
        known = parameter_table().get(name)
        if known is None:
            raise InvalidRequest(
                f"there is no parameter '{name}'; known are {', '.join(parameter_table())}"
            )
        if pft is not None and (pft not in PFT_NAMES or not known.per_pft):
            raise InvalidRequest(f"the parameter {name} has no value for a PFT '{pft}'")
    return tuple(name if pft is None else f"{name}.{pft}" for name, pft in varied)


def varied_values(
    varied: Sequence[Varied], parameters: ParameterSet, plants: Floats, row: Sites
) -> Floats:
    """Values of the parameters that vary, float64 (site, parameter).

    Parameters
    ----------
    varied : sequence of (name, PFT or None)
    parameters : ParameterSet
    plants : float64 (site, pft)
        Shares of the column.
    row : int64 (site,)
        Member of each site.
    """
    grown = plants.copy()
    grown[:, 0] = 0.0
    total = grown.sum(axis=1, keepdims=True)
    # Without any plant all plants count alike: the number is finite and plays no part.
    mean = np.where(total > 0.0, grown, 1.0) / np.where(total > 0.0, total, grown.shape[1])
    made = np.empty((row.size, len(varied)))
    for n, (name, pft) in enumerate(varied):
        if pft is not None or not parameter_table()[name].per_pft:
            made[:, n] = parameters.get(name, pft)[row]
        else:
            every = np.stack([parameters.get(name, each) for each in PFT_NAMES], axis=1)
            made[:, n] = (every[row] * mean).sum(axis=1)
    return made
