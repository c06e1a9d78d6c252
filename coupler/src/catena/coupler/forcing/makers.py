"""Daily forcing from a site's file, or from any dataset in canonical form."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.forcing import air, cells, monthly
from catena.coupler.forcing.calendar import dates, day_after
from catena.coupler.forcing.co2 import CO2Record, of_days
from catena.coupler.forcing.daily import FORCING, DailyForcing
from catena.coupler.forcing.gaps import Gaps, closed
from catena.coupler.forcing.sites import SITES
from catena.shared.checks import normalise
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.lexicon import factor_offset, variable
from catena.shared.site_netcdf import open_site_file, site_in

Array = NDArray[np.float64]

CO2_PPM = 367.0
"""What ELM takes for the present day unless it is told (CCSM_CO2_PPMV)."""
NDEP = 0.5
"""gN m-2 yr-1: the order of magnitude at temperate sites about 2000. Give the site's own."""

LOCAL = "local standard time"
HUMIDITIES = ("vp", "huss", "hurs", "vpd", "tdps")
"""Measures of humidity, the first that is there is taken."""
WIDENED_AT_MOST_K = 2.0
"""A mean that lies this far outside of the day's extremes widens them; further is an error."""


def site_forcing(
    path: str | Path,
    *,
    site: str = "",
    utc_offset_h: float | None = None,
    gaps: Gaps = "error",
    co2: float | CO2Record = CO2_PPM,
    ndep: float = NDEP,
) -> DailyForcing:
    """Daily forcing of a flux site, from ELM's site forcing or PLUMBER2's meteorology.

    What is known to be wrong in the files is mended by the lexicon's tables: relative humidity in %
    whatever the label, real days labelled noleap, clocks in UTC. Times in UTC become local standard
    time before days are averaged.

    Parameters
    ----------
    path : path
        netCDF with TBOT, RH or QBOT, WIND, FSDS, FLDS, PSRF, PRECTmms; or with Tair, Qair, Wind,
        SWdown, LWdown, PSurf, Rainf (or Precip). Other variables (LAI) are left alone.
    site : str
        Code of the site, e.g. ``US-MMS``; by default that in the file's name.
    utc_offset_h : float, optional
        Hours of local standard time ahead of UTC (negative in America), for files in UTC; by
        default that of :data:`catena.coupler.forcing.sites.SITES`.
    gaps : {"error", "fill"}
        See :mod:`catena.coupler.forcing.gaps`.
    co2 : float or CO2Record
        ppm; a record gives each year its own.
    ndep : float
        gN m-2 yr-1.

    Returns
    -------
    DailyForcing
        One cell; whole local days only. Its notes say what was mended and filled.

    Raises
    ------
    InvalidData
        When the file is damaged or of another kind, a variable is missing, a unit is wrong, or
        values are missing.
    InvalidRequest
        When the file is in UTC and nobody knows the site's clock.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidData(f"file {path.name}: found none, wanted the site's forcing")
    site = site or site_in(path.name)
    raw, layout, findings = open_site_file(path, site=site)
    with raw:
        dataset, inspection = normalise(
            raw, vocabulary=layout.name, key=f"{layout.name}_{site}", file=path.name
        )
        refusals = "; ".join(str(finding) for finding in inspection.of("refused"))
        if dataset is None:
            raise InvalidData(f"file {path.name}: nothing in it can be used: {refusals}")
        if "Snowf" in raw and "Precip" not in raw and {"pr", "prsn"} <= set(dataset):
            # PLUMBER2 splits precipitation on request; then Rainf is rain alone.
            dataset["pr"] = (dataset["pr"] + dataset["prsn"]).assign_attrs(dataset["pr"].attrs)
        try:
            made = daily_forcing(
                dataset,
                utc_offset_h=_offset(str(raw.attrs["time_zone"]), site, utc_offset_h),
                gaps=gaps,
                co2=co2,
                ndep=ndep,
            )
        except InvalidData as error:
            more = f" (refused: {refusals})" if refusals else ""
            raise InvalidData(f"file {path.name}: {error}{more}") from error
    mended = [each for each in (*findings, *inspection) if each.action != "refused"]
    return replace(made, notes=(*mended, *made.notes))


def daily_forcing(
    dataset: xr.Dataset,
    *,
    utc_offset_h: float | None = None,
    gaps: Gaps = "error",
    co2: float | CO2Record = CO2_PPM,
    ndep: float = NDEP,
) -> DailyForcing:
    """Daily forcing of every cell of a dataset in canonical form.

    Parameters
    ----------
    dataset : xarray.Dataset
        Canonical names; units are converted by their attribute. Needed are `tas`, `rsds`, `rlds`,
        `ps`, `pr`, `sfcWind`, one of `vp`, `huss`, `hurs`, `vpd`, `tdps`; `tasmin` and `tasmax`
        where steps are days or months. All dimensions but time count cells. Steps are parts of a
        day, days, or months (see :func:`catena.coupler.forcing.monthly.daily_values`).
    utc_offset_h : float, optional
        Steps shorter than a day: hours of local standard time ahead of the clock of the dataset;
        0 where its times are local. Whole steps are moved, so with long steps the day may begin up
        to half a step off; the notes say so. Needed unless the dataset's attribute ``time_zone`` is
        ``local standard time``.
    gaps, co2, ndep
        As in :func:`site_forcing`.

    Returns
    -------
    DailyForcing
        Cells without any value (sea) are left out and counted in the notes.

    Raises
    ------
    InvalidData
        When a variable is missing, or its unit, its shape, its times or its values are wrong.
    InvalidRequest
        When the clock of steps shorter than a day is not known.
    """
    axis = cells.axis_of(dataset)
    names = _needed(dataset, axis.kind)
    dims = cells.cell_dims(dataset, names)
    lat, lon = cells.places(dataset, dims)
    values: dict[str, Array] = {}
    notes: list[Finding] = []
    for name in names:
        values[name] = _in_units(dataset, name, cells.values_of(dataset, name, dims))
    land = ~np.all([np.isnan(array).all(axis=1) for array in values.values()], axis=0)
    if not land.any():
        raise InvalidData(f"variable {names[0]}: found no value in any cell, wanted weather")
    if not land.all():
        notes.append(_note(f"{(~land).sum()} of {land.size} cells without a value",
                           "cells with weather", "left out"))  # fmt: skip
        lat, lon = lat[land], lon[land]
    # A month that is missing is a gap of thirty days, which is never filled.
    steps_a_day = 1 / 30 if axis.kind == "month" else axis.steps_a_day
    for name in names:
        values[name], more = closed(name, values[name][land], axis.times, steps_a_day, gaps)
        notes += more
    values = _with_vapour_pressure(values)
    start = axis.start.date()
    if axis.kind == "subdaily":
        values, start, more = _days(values, axis, _shift_h(dataset, utc_offset_h))
        notes += more
    elif axis.kind == "month":
        values = monthly.daily_values(values, start, axis.times.size, axis.calendar)
        notes.append(_note("months", "days", "see catena.coupler.forcing.monthly"))
    notes += _widen(values)
    days = values["tas"].shape[1]
    return DailyForcing(
        lat=lat,
        lon=lon,
        start=start,
        calendar=axis.calendar,
        days=days,
        variables={name: values[name] for name in FORCING},
        co2=of_days(co2, dates(start, days, axis.calendar)),
        ndep=np.full(days, float(ndep)),
        notes=tuple(notes),
    )


def _needed(dataset: xr.Dataset, kind: cells.Kind) -> list[str]:
    """Variables to read: all of them at once are named that are missing."""
    plain = ["tas", "rsds", "rlds", "ps", "pr", "sfcWind"]
    if kind != "subdaily":
        plain += ["tasmin", "tasmax"]
    missing = [name for name in plain if name not in dataset.data_vars]
    humidity = next((name for name in HUMIDITIES if name in dataset.data_vars), "")
    if not humidity:
        missing.append(f"one of {', '.join(HUMIDITIES)}")
    if missing:
        raise InvalidData(
            f"forcing: found the variables {', '.join(map(str, dataset.data_vars)) or 'none'}; "
            f"missing are {', '.join(missing)}: add them under these names"
        )
    return [*plain, humidity]


def _in_units(dataset: xr.Dataset, name: str, values: Array) -> Array:
    canonical = variable(name)
    units = str(dataset[name].attrs.get("units", canonical.units))
    try:
        factor, offset = factor_offset(units, canonical.units, substance=canonical.substance)
    except InvalidData as error:
        raise InvalidData(f"variable {name}: {error}") from error
    return values if (factor, offset) == (1.0, 0.0) else values * factor + offset


def _with_vapour_pressure(values: dict[str, Array]) -> dict[str, Array]:
    """Vapour pressure step by step, as it is not linear in temperature."""
    name = next(name for name in HUMIDITIES if name in values)
    humidity = values.pop(name)
    if name == "huss":
        vapour = air.vapour_pressure_of_specific_humidity(humidity, values["ps"])
    elif name == "hurs":
        vapour = air.vapour_pressure_of_relative_humidity(humidity, values["tas"])
    elif name == "vpd":
        vapour = air.vapour_pressure_of_deficit(humidity, values["tas"])
    elif name == "tdps":
        vapour = air.saturation_vapour_pressure(humidity)
    else:
        vapour = humidity
    return {**values, "vp": vapour}


def _days(
    values: dict[str, Array], axis: cells.Axis, shift_h: float
) -> tuple[dict[str, Array], dt.date, list[Finding]]:
    """Means, minima and maxima of whole local days."""
    step_h = 24 / axis.steps_a_day
    # Local time of the first step, in steps since its midnight; the first whole day begins then.
    local = axis.start.hour + axis.start.minute / 60 + axis.start.second / 3600 + shift_h
    begins = round(local / step_h)
    moved = begins * step_h - local
    skipped = -begins % axis.steps_a_day
    days = (values["tas"].shape[1] - skipped) // axis.steps_a_day
    if days < 1:
        raise InvalidData(
            f"dimension time: found {axis.times.size} steps of {step_h:g} h from {axis.start}, "
            "wanted at least one whole local day"
        )
    day_number = (begins + skipped) // axis.steps_a_day
    start = day_after(axis.start.date(), day_number, axis.calendar)
    whole = slice(skipped, skipped + days * axis.steps_a_day)
    by_day = {
        name: array[:, whole].reshape(array.shape[0], days, axis.steps_a_day)
        for name, array in values.items()
    }
    made = {name: array.mean(axis=2) for name, array in by_day.items()}
    made["tasmin"], made["tasmax"] = by_day["tas"].min(axis=2), by_day["tas"].max(axis=2)
    notes = []
    if shift_h:
        off = f"; the day begins {abs(moved):g} h off, by the step of {step_h:g} h" if moved else ""
        notes.append(_note("the clock of the file", f"local standard time ({shift_h:+g} h)",
                           f"days are local{off}"))  # fmt: skip
    left = axis.times.size - days * axis.steps_a_day
    if left:
        notes.append(_note(f"{left} steps of days that are not whole", "whole local days",
                           "left out"))  # fmt: skip
    return made, start, notes


def _widen(values: dict[str, Array]) -> list[Finding]:
    """Extremes of the day that a mean, from another source or interpolation, lies just outside."""
    notes = []
    for name, beyond in (("tasmin", np.minimum), ("tasmax", np.maximum)):
        widened = beyond(values[name], values["tas"])
        off = np.abs(widened - values[name])
        if 0 < off.max() <= WIDENED_AT_MOST_K:
            notes.append(_note(f"tas beyond {name} on {(off > 0).sum()} days, by {off.max():.2g} K",
                               "tasmin <= tas <= tasmax", f"{name} set to tas"))  # fmt: skip
            values[name] = widened
    return notes


def _shift_h(dataset: xr.Dataset, utc_offset_h: float | None) -> float:
    if utc_offset_h is not None:
        if not -14 <= utc_offset_h <= 14:
            raise InvalidRequest(f"utc_offset_h: found {utc_offset_h}, wanted hours, -14 to 14")
        return utc_offset_h
    zone = str(dataset.attrs.get("time_zone", ""))
    if zone == LOCAL:
        return 0.0
    raise InvalidRequest(
        f"utc_offset_h: found none, and a dataset of steps shorter than a day on the clock "
        f"'{zone or 'not stated'}'; wanted the hours of local standard time ahead of that clock "
        "(-6 in central North America), or 0 where times are local"
    )


def _offset(zone: str, site: str, utc_offset_h: float | None) -> float:
    """Hours from the clock of a site's file, in canonical form, to local standard time."""
    if zone == LOCAL:
        return 0.0
    if utc_offset_h is not None:
        return utc_offset_h
    if site in SITES:
        return SITES[site].utc_offset_h
    raise InvalidRequest(
        f"utc_offset_h: found none, and no site '{site}' among those known ({', '.join(SITES)}); "
        "the file is in UTC: pass the hours of local standard time ahead of UTC, e.g. -6"
    )


def _note(found: str, wanted: str, why: str) -> Finding:
    return Finding(check="forcing", action="converted", found=found, wanted=wanted, why=why)
