"""Observations out of data-ingest's datasets: cut like the model's outputs, in the model's units.

The error model is Gaussian and independent from step to step: ``sd^2 = (r y)^2 + a^2`` with a part
`r` relative to the observed value `y` and an absolute part `a`. It stands for all that keeps a
perfect parameter set from giving the observed value: the measurement and the model's structure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.calibrator.ensemble import OutputTable
from catena.calibrator.steps import Bounds, Step, averages
from catena.shared.errors import FieldViolation, InvalidData, NotFound
from catena.shared.lexicon import Variable, factor_offset, variable

Array = NDArray[np.float64]

LATENT_HEAT = 2.45e6
"""J kg-1, latent heat of vaporisation near 20 degC (Allen et al. 1998, FAO 56, eq. 3-1). Networks
of towers measure latent heat and divide by it to give evapotranspiration; so it is undone."""

USUAL = {
    "GPP": "gpp",
    "NPP": "npp",
    "NEE": "nee",
    "ER": "reco",
    "AR": "ra",
    "HR": "rh",
    "TLAI": "lai",
    "EFLX_LH_TOT": "hfls",
    "FSH": "hfss",
    "QFLX_EVAP_TOT": "evspsbl",
    "TOTVEGC": "cVeg",
}
"""What ELM's history variables are called in the lexicon; signs agree."""

_HEAT, _WATER = "hfls", "evspsbl"


@dataclass(frozen=True)
class Observed:
    """What was observed of one variable of the model.

    Parameters
    ----------
    name : str
        Of the model.
    observed_as : str
        In the lexicon; empty: the usual one.
    relative_sd, absolute_sd : float
        Of the error model.
    units : str
        Of `absolute_sd`; empty: those of the model's output.
    """

    name: str
    observed_as: str = ""
    relative_sd: float = 0.0
    absolute_sd: float = 0.0
    units: str = ""


@dataclass(frozen=True, eq=False)
class Measured:
    """Observed values of an ensemble's outputs.

    Parameters
    ----------
    values, error_sd : (k,) arrays
        In the outputs' units; 0 and 1 where nothing was observed.
    used, withheld : (k,) bool arrays
        Observed in the days of the calibration, and outside them; never both.
    """

    values: Array
    error_sd: Array
    used: NDArray[np.bool_]
    withheld: NDArray[np.bool_]


def read_observed(
    dataset: xr.Dataset,
    steps: Sequence[Step],
    table: OutputTable,
    variables: Sequence[Observed],
    *,
    site: str = "",
    start: str = "",
    end: str = "",
    least_coverage: float = 1.0,
) -> Measured:
    """Cut a dataset like an ensemble's outputs.

    Parameters
    ----------
    dataset : xarray.Dataset
        Canonical, with a time axis and its bounds; perhaps over sites.
    steps, table : sequence of Step, OutputTable
        What the k outputs are.
    variables : sequence of Observed
    site : str
        Name of the place; may be left out where there is only one.
    start, end : str
        First and last day of the calibration, both included; empty: not restricted. A step that
        reaches out of them is withheld.
    least_coverage : float
        Part of a step's days that must be observed.

    Raises
    ------
    InvalidData
        When a variable, the site or the units do not fit, or nothing was observed in the days of
        the calibration; names the field of the request.
    """
    if len({step.cell for step in steps}) > 1:
        raise _wrong(
            "ensemble", "has outputs of several cells, and the observation is of one; choose a cell"
        )
    place = at_site(dataset, site)
    if "time_bnds" not in place:
        raise _wrong("dataset", "has no bounds of its times; ingest it again")
    bounds = Bounds.of(place["time_bnds"].to_numpy())
    values, error_sd = np.zeros(len(steps)), np.ones(len(steps))
    found = np.zeros(len(steps), bool)
    for i, one in enumerate(variables):
        columns = [j for j, step in enumerate(steps) if step.variable == one.name]
        if not columns:
            made = ", ".join(dict.fromkeys(step.variable for step in steps))
            raise _wrong(
                f"variables[{i}].name", f"got {one.name!r}, but the ensemble's outputs are {made}"
            )
        units = table.units[columns[0]]
        known = _canonical(place, one, f"variables[{i}].observed_as")
        factor, offset = _conversion(known, known.units, units, f"variables[{i}].observed_as")
        series = place[known.name].to_numpy().astype(np.float64) * factor + offset
        there = np.isfinite(series)
        cut = averages(
            [steps[j] for j in columns], bounds.rows(there), series[there], least_coverage
        )
        seen = np.isfinite(cut)
        places = np.array(columns)[seen]
        in_model_units, _ = _conversion(known, one.units or units, units, f"variables[{i}].units")
        absolute = one.absolute_sd * in_model_units
        values[places] = cut[seen]
        error_sd[places] = np.hypot(one.relative_sd * cut[seen], absolute)
        found[places] = True
    inside = np.array([_inside(step, start, end) for step in steps])
    if not (found & inside).any():
        raise _wrong(
            "start" if start or end else "dataset",
            f"nothing was observed of any output from {start or 'the beginning'} to "
            f"{end or 'the end'}; the ensemble's outputs go from {min(s.start for s in steps)} to "
            f"{max(s.end for s in steps)}, the dataset from {bounds.start[0]} to {bounds.end[-1]}",
        )
    return Measured(values, error_sd, found & inside, found & ~inside)


def at_site(dataset: xr.Dataset, site: str) -> xr.Dataset:
    """One place of a dataset, without dimensions of length 1.

    Raises
    ------
    InvalidData
        When there is no such site, or there are several and none was named.
    """
    if "site" in dataset.dims:
        names = [str(name) for name in dataset["site"].to_numpy()]
        if (site and site not in names) or (not site and len(names) > 1):
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise _wrong("site", f"got {site!r}, wanted one of {shown}")
        dataset = dataset.isel(site=names.index(site) if site else 0)
    squeezed = [
        dim for dim, size in dataset.sizes.items() if size == 1 and dim not in ("time", "bnds")
    ]
    return dataset.isel(dict.fromkeys(squeezed, 0))


def _canonical(place: xr.Dataset, one: Observed, field: str) -> Variable:
    """Which of the dataset's variables is the observation."""
    name = one.observed_as or USUAL.get(one.name, "")
    if not one.observed_as and name == _HEAT and _HEAT not in place and _WATER in place:
        name = _WATER
    if not name:
        raise _wrong(field, f"is missing; it is not known how {one.name} is observed")
    if name not in place:
        there = ", ".join(str(each) for each in place.data_vars if each != "time_bnds")
        raise _wrong(field, f"got {name!r}, but the dataset has {there}")
    if place[name].dims != ("time",):
        raise _wrong(
            field,
            f"{name} has the dimensions {', '.join(map(str, place[name].dims))}, wanted time "
            "alone; cut one place out when ingesting",
        )
    try:
        known = variable(name)
    except NotFound as error:
        raise _wrong(field, error.message) from None
    usual = variable(USUAL[one.name]) if one.name in USUAL else known
    # Units alone do not tell: a gram of water is a gram too.
    if known.substance != usual.substance and {usual.name, name} != {_HEAT, _WATER}:
        raise _wrong(field, f"got {name!r}, which cannot become {one.name}; it is {usual.name}")
    return known


def _conversion(known: Variable, from_units: str, units: str, field: str) -> tuple[float, float]:
    """Factor and offset to the model's units; evapotranspiration becomes latent heat."""
    try:
        return factor_offset(from_units, units, substance=known.substance)
    except InvalidData as error:
        told = error.message
    if known.name == _WATER:
        with contextlib.suppress(InvalidData):
            water, _ = factor_offset(from_units, "kg m-2 s-1", substance="water")
            watts, _ = factor_offset("W m-2", units)
            return water * LATENT_HEAT * watts, 0.0
    raise _wrong(field, told)


def _inside(step: Step, start: str, end: str) -> bool:
    last = str(np.datetime64(step.end) - 1)
    return (not start or step.start >= start) and (not end or last <= end)


def _wrong(name: str, text: str) -> InvalidData:
    return InvalidData("the observation cannot be read", violations=[FieldViolation(name, text)])
