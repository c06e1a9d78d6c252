"""From a model's dataset to a climatology on the common grid, or the reasons why not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.data_ingest.climatology import climatology
from catena.data_ingest.grids import Grid, grid_of
from catena.data_ingest.regrid import Regridder
from catena.shared.checks.findings import Inspection
from catena.shared.errors import InvalidData, InvalidRequest

LEAST_COVER = 0.95
"""Part of the reference's area that a model must have values for."""
LEVEL_TOLERANCE = 1.0
"""Pa by which a pressure level may differ."""
MOST_NAMED = 3


@dataclass(frozen=True)
class Field:
    """A climatology on the common grid.

    Parameters
    ----------
    values : (12, ny, nx) array
    units : str
    years : int, optional
        Of the series that it was made from.
    """

    values: NDArray[np.float64]
    units: str
    years: int | None


@dataclass(frozen=True)
class Candidate:
    """A model's data.

    Parameters
    ----------
    model, realisation : str
        CMIP6 ``source_id`` and ``variant_label``.
    datasets : tuple of Dataset
        Canonical: variables along time (or month), lat, lon. Variables may be spread over several.
    inspection : Inspection, optional
        What the checks found.
    """

    model: str
    realisation: str
    datasets: tuple[xr.Dataset, ...]
    inspection: Inspection | None = None

    def with_variable(self, name: str) -> xr.Dataset:
        """The first dataset that has a variable.

        Raises
        ------
        InvalidData
            When none has it.
        """
        for data in self.datasets:
            if name in data.data_vars:
                return data
        found = sorted({str(name) for data in self.datasets for name in data.data_vars})
        raise InvalidData(f"variable {name} is missing: found {', '.join(found) or 'none'}")


@dataclass
class Prepared:
    """A model as far as it could be prepared.

    Parameters
    ----------
    fields : dict
        Variable -> Field.
    fails : list of str
        Structural defects; with any of them the model is not compared.
    """

    fields: dict[str, Field] = field(default_factory=dict)
    fails: list[str] = field(default_factory=list)


def split_level(variable: str) -> tuple[str, float | None]:
    """``ta-850`` is variable ta at 85000 Pa (PMP's way to name levels); ``tas`` has no level.

    Raises
    ------
    InvalidRequest
        When what follows the dash is no number.
    """
    name, dash, level = variable.partition("-")
    if not dash:
        return name, None
    try:
        return name, float(level) * 100.0
    except ValueError:
        raise InvalidRequest(
            f"variable {variable!r}: found level {level!r}, wanted hPa, e.g. ta-850"
        ) from None


def common_field(
    candidate: Candidate,
    variable: str,
    grid: Grid,
    *,
    period: tuple[int, int] | None = None,
    min_years: int = 1,
    method: str = "conservative",
) -> Field:
    """One variable's climatology on the common grid.

    Raises
    ------
    InvalidData
        When the variable or its level is missing, has other dimensions than month (or time),
        latitude and longitude, lacks months, or is too short.
    """
    name, level = split_level(variable)
    data = candidate.with_variable(name)
    array = data[name]
    if level is not None:
        array = _at_level(array, level)
    cycle = climatology(array, period)
    if cycle.missing:
        named = ", ".join(cycle.missing[:MOST_NAMED])
        more = len(cycle.missing) - MOST_NAMED
        raise InvalidData(
            f"variable {variable}: found {len(cycle.missing)} months without values ({named}"
            f"{f' and {more} more' if more > 0 else ''}), wanted every month"
        )
    if cycle.years is not None and cycle.years < min_years:
        raise InvalidData(
            f"variable {variable}: found {cycle.years} years, wanted {min_years} at least"
        )
    source = grid_of(data)
    regridded = Regridder(source, grid, method)(cycle.data.squeeze(drop=True))
    if regridded.dims != ("month", "lat", "lon"):
        raise InvalidData(
            f"variable {variable}: found dimensions {tuple(array.dims)}, wanted time, latitude and "
            "longitude; choose one of the others (a level as in ta-850)"
        )
    values = np.asarray(regridded.values, np.float64)
    empty = [month + 1 for month in range(12) if not np.isfinite(values[month]).any()]
    if empty:
        raise InvalidData(
            f"variable {variable}: found no value in calendar months {empty}, wanted all 12"
        )
    return Field(values, str(array.attrs.get("units", "")), cycle.years)


def _at_level(array: xr.DataArray, level: float) -> xr.DataArray:
    if "plev" not in array.dims:
        raise InvalidData(
            f"variable {array.name}: found dimensions {tuple(array.dims)}, wanted plev among them"
        )
    levels = np.asarray(array["plev"].values, np.float64)
    nearest = int(np.abs(levels - level).argmin())
    if abs(levels[nearest] - level) > LEVEL_TOLERANCE:
        raise InvalidData(
            f"variable {array.name}, dimension plev: found levels "
            f"{', '.join(f'{value:g}' for value in levels)} Pa, wanted {level:g} Pa"
        )
    return array.isel(plev=nearest, drop=True)


def prepare(
    candidate: Candidate,
    reference: dict[str, Field],
    grid: Grid,
    *,
    weights: NDArray[np.float64],
    period: tuple[int, int] | None = None,
    min_years: int = 20,
    method: str = "conservative",
) -> Prepared:
    """A model's fields, and everything that is structurally wrong with it.

    Parameters
    ----------
    candidate : Candidate
    reference : dict
        Variable -> field of the reference on the common grid.
    grid : Grid
        The common grid.
    weights : (ny, nx) array
        Areas of its cells.
    period, min_years, method
        See :func:`common_field`.
    """
    out, inspection = Prepared(), candidate.inspection
    if inspection is not None and inspection.refused:
        out.fails += [str(f) for f in inspection.of("refused") if not f.variable]
        return out
    for variable, wanted in reference.items():
        name = split_level(variable)[0]
        refused = [] if inspection is None else inspection.of("refused")
        if found := [finding for finding in refused if finding.variable == name]:
            out.fails.append(f"variable {name} was refused: {found[0]}")
            continue
        try:
            one = common_field(
                candidate, variable, grid, period=period, min_years=min_years, method=method
            )
        except (InvalidData, InvalidRequest) as error:
            out.fails.append(error.message)
            continue
        if one.units != wanted.units:
            out.fails.append(
                f"variable {variable}: found units {one.units!r}, wanted {wanted.units!r}"
            )
            continue
        cover = _cover(one.values, wanted.values, weights)
        if cover < LEAST_COVER:
            out.fails.append(
                f"variable {variable}: found values for {100 * cover:.0f} % of the reference's "
                f"area, wanted {100 * LEAST_COVER:.0f} %"
            )
            continue
        out.fields[variable] = one
    return out


def _cover(
    model: NDArray[np.float64], reference: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    there = np.isfinite(reference) * weights
    return float((np.isfinite(model) * there).sum() / there.sum())
