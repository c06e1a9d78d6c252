"""Daily outputs of runs on the days of observations or of a submission, in the protocol's units."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.callmip.observations import FLUXES
from catena.coupler.callmip.submission import with_leap_days
from catena.ensemble_runner.tower_statistics import FACTORS, MODEL_FLUXES
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class Source:
    """Of which outputs of the model a variable of the protocol is the sum, times a factor."""

    outputs: tuple[str, ...]
    factor: float = 1.0


SUBMITTED = {
    "nep": Source(("NEE",), -1e-3),
    "hfls": Source(("EFLX_LH_TOT",)),
    "hfss": Source(("FSH",)),
    "gpp": Source(("GPP",), 1e-3),
    "reco": Source(("AR", "HR"), 1e-3),
    "tran": Source(("QVEGT",)),
    "evspsblsoi": Source(("QSOIL",)),
    "hfg": Source(("FGR",)),
    "ts": Source(("TSKIN",)),
    "lai": Source(("TLAI",)),
    "cLiveBioAbove": Source(("TOTVEGC_ABG",), 1e-3),
    "cSoil": Source(("TOTSOMC",), 1e-3),
    "mrso": Source(("TOTSOILLIQ",)),
    "mrsos": Source(("SOILWATER_10CM",)),
}
"""Variables of the protocol's table 3 from ELM's outputs; grams of carbon become kilograms."""

SUBMITTED_OUTPUTS = tuple(
    dict.fromkeys(name for source in SUBMITTED.values() for name in source.outputs)
)
"""Outputs that a submission needs."""


def submitted(series: dict[str, Array]) -> dict[str, Array]:
    """The protocol's variables from the model's outputs, each (..., day)."""
    return {
        name: np.sum([series[each] for each in source.outputs], axis=0) * source.factor
        for name, source in SUBMITTED.items()
    }


def fluxes(dataset: xr.Dataset, days: Days) -> dict[str, NDArray[np.floating]]:
    """Fluxes as a tower has them, each (member, day); see :func:`series_on`."""
    found = series_on(dataset, tuple(MODEL_FLUXES.values()), days)
    return {flux: found[MODEL_FLUXES[flux]] * FACTORS[flux] for flux in FLUXES}


def series_on(dataset: xr.Dataset, names: Sequence[str], days: Days) -> dict[str, Array]:
    """Outputs of one cell on given days.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of runs (member, time, cell) or of a case (time, cell); daily.
    names : sequence of str
    days : array of datetime64[D] (day,)
        Consecutive. Where the model has no leap days, these are the mean of their neighbours.

    Returns
    -------
    dict of str to array
        (member, day), or (day,) for a case; single precision as it is stored.

    Raises
    ------
    InvalidData
        When the runs are not daily, of several cells, lack an output or some of the days.
    """
    missing = [name for name in names if name not in dataset]
    if missing:
        raise InvalidData(f"the runs have no output {', '.join(missing)}; run them with it")
    if dataset.sizes["cell"] != 1:
        raise InvalidData(f"the runs have {dataset.sizes['cell']} cells, wanted one: a flux site")
    if dataset.attrs.get("frequency") != "daily":
        found = dataset.attrs.get("frequency", "no known")
        raise InvalidData(f"the runs have {found} steps, wanted daily ones")
    there = dates_of(dataset)
    first, last = np.searchsorted(there, days[0]), np.searchsorted(there, days[-1], side="right")
    inside = slice(int(first), int(last))
    if there[0] > days[0] or there[-1] < days[-1]:
        raise InvalidData(
            f"the runs go from {there[0]} to {there[-1]}, wanted {days[0]} to {days[-1]}"
        )
    made = {}
    for name in names:
        # One piece of memory for each output: members are read once.
        values = dataset[name].isel(cell=0, time=inside).to_numpy()
        made[name] = _with_leap_days(values, there[inside], days)
    return made


def _with_leap_days(values: Array, there: Days, days: Days) -> Array:
    if len(there) == len(days):
        return values
    rows = values.reshape(-1, values.shape[-1])
    filled = np.array([with_leap_days(row, there)[0] for row in rows], dtype=values.dtype)
    return filled.reshape(*values.shape[:-1], -1)


def dates_of(dataset: xr.Dataset) -> Days:
    """Date of each step, datetime64[D] (time,)."""
    times = dataset["time"].to_numpy()
    if np.issubdtype(times.dtype, np.datetime64):
        found: Days = times.astype("datetime64[D]")
        return found
    return np.array([dt.date(day.year, day.month, day.day) for day in times], "datetime64[D]")
