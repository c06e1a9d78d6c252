"""Faults of units, amounts and signs, for the catalogue of :mod:`support.faulty_datasets`."""

from __future__ import annotations

import numpy as np
import xarray as xr
from support.faulty_datasets import Plant, fault, planted, times, without

FOOT3 = 0.3048**3


# Units


@fault("monthly_gridded", "units", "tas", "'degC'", "'K'")
def celsius(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: v - np.float32(273.15), units="degC")


@fault("daily_basin", "units", "pr", "'mm/day'", "'kg m-2 s-1'")
def millimetres_per_day(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v * 86400, units="mm/day")


@fault("monthly_gridded", "units", "huss", "'g/kg'", "'1'")
def grams_per_kilogram(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "huss", lambda v: v * 1000, units="g/kg")


@fault("hourly_site", "units", "ps", "'hPa'", "'Pa'")
def hectopascal(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "ps", lambda v: v / 100, units="hPa")


@fault("hourly_site", "units", "nee", "'umol m-2 s-1'", "'kg m-2 s-1'")
def micromoles(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "nee", lambda v: v / 12.011e-9, units="umol m-2 s-1")


@fault("daily_basin", "units", "streamflow", "'cfs'", "'kg m-2 s-1'")
def cubic_feet_per_second(good: xr.Dataset) -> xr.Dataset:
    area = good["area"].values[:, None]
    return planted(good, "streamflow", lambda v: v * area / 1000 / FOOT3, units="cfs")


@fault(
    "daily_basin", "units", "streamflow", "'cfs'", "'kg m-2 s-1'",
    outcome="refused", gone="streamflow",
)  # fmt: skip
def cubic_feet_without_area(good: xr.Dataset) -> xr.Dataset:
    return cubic_feet_per_second(good).drop_vars("area")


@fault("hourly_site", "units", "RH", "'kg/kg'", "'%'")
def known_wrong_label(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "hurs", lambda v: v, units="kg/kg").rename(hurs="RH")


@fault("daily_basin", "units", "prcp", "'no unit'", "'kg m-2 s-1'")
def unit_known_to_the_lexicon(good: xr.Dataset) -> xr.Dataset:
    return without(planted(good, "pr", lambda v: v * 86400), "pr", "units").rename(pr="prcp")


@fault("monthly_gridded", "units", "tas", "no unit", "K", outcome="refused", gone="tas")
def unit_missing(good: xr.Dataset) -> xr.Dataset:
    return without(good, "tas", "units")


@fault("monthly_gridded", "units", "tas", "'Pa'", "'K'", outcome="refused", gone="tas")
def unit_of_another_quantity(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: v, units="Pa")


@fault("monthly_gridded", "units", "pr", "'mm/fortnite'", "'kg m-2", outcome="refused", gone="pr")
def unit_not_understood(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v, units="mm/fortnite")


@fault("daily_basin", "units", "pr", "'mm/month'", "'kg m-2 s-1'", outcome="refused", gone="pr")
def months_on_an_axis_of_days(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v * 2.6e6, units="mm/month")


# Amounts and signs


@fault("hourly_site", "accumulation", "tp", "'m' over 3600 s", "'m s-1'")
def hourly_amounts(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v * 3.6, units="m").rename(pr="tp")


@fault("daily_basin", "accumulation", "tp_day", "'mm' over 86400 s", "'mm s-1'")
def daily_amounts(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v * 86400, units="mm").rename(pr="tp_day")


@fault("monthly_gridded", "accumulation", "pr", "'mm' over each month", "'mm s-1'")
def monthly_amounts(good: xr.Dataset) -> xr.Dataset:
    edges = good["time_bnds"].values
    seconds = (edges[:, 1] - edges[:, 0]).astype("timedelta64[s]").astype(float)[:, None, None]
    return planted(good, "pr", lambda v: v * seconds, units="mm/month")


@fault("daily_noleap", "accumulation", "pr", "'mm' over each step", "'mm s-1'")
def sums_by_cell_methods(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v * 86400, units="mm", cell_methods="time: sum")


@fault("forecast", "accumulation", "tp_forecast", "since the start of the forecast", "s-1'")
def since_the_start_of_the_forecast(good: xr.Dataset) -> xr.Dataset:
    amounts = planted(
        good, "pr", lambda v: np.cumsum(v * 10800.0, axis=1, dtype="float64"), units="kg m-2"
    )
    return amounts.rename(pr="tp_forecast")


@fault(
    "hourly_site", "accumulation", "tp_forecast", "since the start of the forecast", "s-1'",
    truth=lambda good: good[["pr"]].assign_coords(time_bnds=good["time_bnds"]),
)  # fmt: skip
def since_midnight(good: xr.Dataset) -> xr.Dataset:
    # As in ERA5-Land: the value at 24 h holds the whole day.
    def days(values: np.ndarray) -> np.ndarray:
        return np.cumsum(values.reshape(-1, 24) * 3600.0, axis=1, dtype="float64").ravel()

    ends = times(good, good["time"].values + np.timedelta64(1, "h"))
    return planted(ends, "pr", days, units="kg m-2")[["pr"]].rename(pr="tp_forecast")


def _rain_where(*missing: int) -> Plant:
    """Hourly rain, not known at some hours."""

    def truth(good: xr.Dataset) -> xr.Dataset:
        lost = xr.DataArray(np.isin(np.arange(good.sizes["time"]), missing), dims="time")
        rain = good[["pr"]].assign_coords(time_bnds=good["time_bnds"])
        return rain.assign(pr=rain["pr"].where(~lost))

    return truth


def beside_instants(amounts: xr.Dataset, good: xr.Dataset) -> xr.Dataset:
    """Amounts since midnight with temperatures at the instant of each stamp."""
    instants = good["tas"].assign_attrs(cell_methods="time: point")
    ends = good["time"] + np.timedelta64(1, "h")
    return amounts.assign(tas=instants.assign_coords(time=ends).sel(time=amounts["time"]))


def _at_hours(good: xr.Dataset, *hours: int) -> xr.Dataset:
    """Amounts since midnight at some hours of the day only."""
    whole = since_midnight(good)
    return whole.isel(time=np.isin(whole["time"].dt.hour.values, hours))


def _every(hours: int) -> Plant:
    """Mean rain over some hours, which begin at midnight."""

    def truth(good: xr.Dataset) -> xr.Dataset:
        rain = good[["pr"]].coarsen(time=hours).mean(keep_attrs=True)
        starts = good["time"].values[::hours]
        edges = np.stack([starts, starts + np.timedelta64(hours, "h")], axis=1)
        return rain.assign_coords(time=starts, time_bnds=(("time", "bnds"), edges))

    return truth


@fault(
    "hourly_site", "accumulation", "tp_forecast", "since the start of the forecast", "s-1'",
    truth=_rain_where(50, 51, 52, *range(92, 119), *range(144, 168)),
)  # fmt: skip
def since_midnight_with_gaps(good: xr.Dataset) -> xr.Dataset:
    # Hours of a day, then over a midnight into the late hours, then a whole day.
    gone = [50, 51, *range(92, 118), *range(144, 168)]
    return since_midnight(good).isel(time=np.setdiff1d(np.arange(240), gone))


@fault(
    "hourly_site", "accumulation", "tp_forecast", "since the start of the forecast", "s-1'",
    truth=_every(6),
)  # fmt: skip
def since_midnight_every_six_hours(good: xr.Dataset) -> xr.Dataset:
    return _at_hours(good, 0, 6, 12, 18)


@fault(
    "hourly_site", "accumulation", "tp_forecast", "since the start of the forecast", "s-1'",
    truth=_every(24),
)  # fmt: skip
def since_midnight_once_a_day(good: xr.Dataset) -> xr.Dataset:
    return _at_hours(good, 0)


@fault(
    "hourly_site", "accumulation", "tp_forecast", "over 12 hour", "over the step of 1 day",
    outcome="refused", gone="pr",
)  # fmt: skip
def since_midnight_at_noon_only(good: xr.Dataset) -> xr.Dataset:
    return beside_instants(_at_hours(good, 12), good)


@fault(
    "hourly_site", "accumulation", "tp_forecast", "over 6 hour to 12 hour", "over the step of",
    outcome="refused", gone="pr",
)  # fmt: skip
def since_midnight_at_noon_and_in_the_evening(good: xr.Dataset) -> xr.Dataset:
    return beside_instants(_at_hours(good, 12, 18), good)


@fault("monthly_gridded", "positive", "slhf", "the opposite", "up")
def sign_of_the_source(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "hfls", lambda v: -v).rename(hfls="slhf")


@fault("monthly_gridded", "positive", "hfls", "positive down", "up")
def sign_of_the_file(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "hfls", lambda v: -v, positive="down")


@fault("hourly_site", "defect_scale", "nee", "to", "times 2")
def half_flux(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "nee", lambda v: v / 2)


# Values that contradict their unit


@fault(
    "monthly_gridded", "unit_contradiction", "tas", "'K'", "165 to 340 K",
    outcome="refused", gone="tas",
)  # fmt: skip
def celsius_labelled_kelvin(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: v - np.float32(273.15))


@fault(
    "monthly_gridded", "unit_contradiction", "tas", "'degC'", "165 to 340 K",
    outcome="refused", gone="tas",
)  # fmt: skip
def kelvin_labelled_celsius(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: v, units="degC")


@fault(
    "daily_basin", "unit_contradiction", "pr", "'kg m-2 s-1'", "0 to 0.2 kg m-2 s-1",
    outcome="refused", gone="pr",
)  # fmt: skip
def millimetres_labelled_as_flux(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v * 86400)


@fault(
    "daily_noleap",
    "unit_contradiction",
    "pr",
    "'mm d-1'",
    "more than",
    outcome="refused",
    gone="pr",
)
def flux_labelled_millimetres(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: v, units="mm d-1")


@fault(
    "hourly_site",
    "unit_contradiction",
    "hurs",
    "'%'",
    "more than 3",
    outcome="refused",
    gone="hurs",
)
def fraction_labelled_percent(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "hurs", lambda v: v / 100)


@fault(
    "monthly_gridded",
    "unit_contradiction",
    "clt",
    "'1'",
    "0 to 100 %",
    outcome="refused",
    gone="clt",
)
def percent_labelled_fraction(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "clt", lambda v: v, units="1")


@fault(
    "monthly_gridded", "unit_contradiction", "huss", "'kg/kg'", "0 to 0.1",
    outcome="refused", gone="huss",
)  # fmt: skip
def relative_humidity_as_specific(good: xr.Dataset) -> xr.Dataset:
    relative = good["hurs"].values
    return planted(good, "huss", lambda v: relative.copy(), units="kg/kg")


@fault(
    "monthly_gridded", "unit_contradiction", "hurs", "'%'", "more than 3",
    outcome="refused", gone="hurs",
)  # fmt: skip
def specific_humidity_as_relative(good: xr.Dataset) -> xr.Dataset:
    specific = good["huss"].values
    return planted(good, "hurs", lambda v: specific.copy())
