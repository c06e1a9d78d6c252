"""Faults of time, for the catalogue of :mod:`support.faulty_datasets`."""

from __future__ import annotations

import numpy as np
import xarray as xr
from support.faulty_datasets import Plant, fault, planted, times

HOUR = np.timedelta64(1, "h")
DAY = np.timedelta64(1, "D")


def _missing(*steps: int) -> Plant:
    def truth(good: xr.Dataset) -> xr.Dataset:
        wrong = xr.DataArray(np.isin(np.arange(good.sizes["time"]), steps), dims="time")
        return good.assign({name: array.where(~wrong) for name, array in good.data_vars.items()})

    return truth


def _without_steps(good: xr.Dataset, *steps: int) -> xr.Dataset:
    return good.isel(time=np.setdiff1d(np.arange(good.sizes["time"]), steps))


# Calendar and clock


@fault(
    "daily_basin", "calendar", "time", "noleap, ending 2005-08-09", "standard, ending 2005-08-08"
)
def mislabelled_calendar(good: xr.Dataset) -> xr.Dataset:
    wrong = xr.date_range("2003-06-01", periods=800, freq="D", calendar="noleap", use_cftime=True)
    return times(good, wrong.values)


@fault(
    "daily_basin", "calendar", "time", "ends 2005-08-08", "2005-08-09T00:00:00, as labelled",
    outcome="noted",
)  # fmt: skip
def mislabelled_calendar_and_out_of_days(good: xr.Dataset) -> xr.Dataset:
    return mislabelled_calendar(good)


@fault("monthly_gridded", "calendar", "time", "proleptic_gregorian", "standard")
def other_name_of_the_calendar(good: xr.Dataset) -> xr.Dataset:
    dates = xr.date_range(
        "2000-01", periods=37, freq="MS", calendar="proleptic_gregorian", use_cftime=True
    ).values
    changed = times(good, dates[:-1], bounds=True)
    return changed.assign_coords(
        time_bnds=(("time", "bnds"), np.stack([dates[:-1], dates[1:]], axis=1))
    )


@fault("hourly_site", "clock", "time", "-5 h from UTC", "UTC")
def local_clock(good: xr.Dataset) -> xr.Dataset:
    moved = good.assign_coords(time_bnds=good["time_bnds"] - 5 * HOUR)
    return times(moved, good["time"].values - 5 * HOUR, bounds=True)


@fault("hourly_site", "clock", "time", "time from 2004-02-20T01", "-3600 s")
def late_clock(good: xr.Dataset) -> xr.Dataset:
    moved = good.assign_coords(time_bnds=good["time_bnds"] + HOUR)
    return times(moved, good["time"].values + HOUR, bounds=True)


def _last_rain_missing(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: np.concatenate([v[:, :-1], v[:, :1] * np.nan], axis=1))


@fault("daily_basin", "clock", "pr", "+86400 s off", "-86400 s", truth=_last_rain_missing)
def late_rain(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: np.concatenate([v[:, :1] * np.nan, v[:, :-1]], axis=1))


def _rain_without_31_december(good: xr.Dataset) -> xr.Dataset:
    """Neither the rain of the missing day is there nor that of the day before, labelled with it."""
    without = _missing(579)(_last_rain_missing(good))
    return planted(without, "pr", lambda v: np.where(np.arange(800) == 578, np.nan, v))


@fault(
    "daily_basin", "clock", "pr", "-43200 s", "multiple of the step", outcome="refused", gone="pr"
)
def half_day_late(good: xr.Dataset) -> xr.Dataset:
    return good


@fault("monthly_gridded", "time_decoding", "time", "'none'", "dates", outcome="refused")
def undecoded_time(good: xr.Dataset) -> xr.Dataset:
    return times(good, np.arange(36.0))


@fault("hourly_site", "time_precision", "time", "off a whole second", "whole seconds")
def rounded_days(good: xr.Dataset) -> xr.Dataset:
    jitter = (np.random.default_rng(0).integers(-300, 300, 240) * 1000).astype("timedelta64[us]")
    return times(good, good["time"].values + jitter)


# Order and completeness


@fault("daily_noleap", "time_order", "time", "before", "increasing")
def unsorted_time(good: xr.Dataset) -> xr.Dataset:
    order = np.arange(400)
    order[[10, 200]] = order[[200, 10]]
    return good.isel(time=order)


@fault("daily_basin", "duplicate", "time", "1 times again, first 2003-06-06", "once")
def exact_duplicate(good: xr.Dataset) -> xr.Dataset:
    return good.isel(time=[*range(6), 5, *range(6, 800)])


@fault("daily_basin", "duplicate", "time", "tas", "one value", outcome="refused")
def contradicting_duplicate(good: xr.Dataset) -> xr.Dataset:
    def warmer(values: np.ndarray) -> np.ndarray:
        values[2, 6] += 1
        return values

    return planted(exact_duplicate(good), "tas", warmer)


@fault(
    "hourly_site",
    "missing_step",
    "time",
    "4 steps missing in 2 gaps",
    "every 1 hour",
    truth=_missing(50, 51, 52, 90),
)
def missing_hours(good: xr.Dataset) -> xr.Dataset:
    return _without_steps(good, 50, 51, 52, 90)


@fault(
    "monthly_gridded", "missing_step", "time", "1 steps missing", "every 1 month", truth=_missing(7)
)
def missing_month(good: xr.Dataset) -> xr.Dataset:
    return _without_steps(good, 7)


@fault("daily_360", "missing_step", "time", "2004-02-29", "every 1 day", truth=_missing(119))
def missing_day_of_360(good: xr.Dataset) -> xr.Dataset:
    return _without_steps(good, 119)


@fault(
    "daily_basin", "missing_step", "time", "between 2004-12-30", "every 1 day", truth=_missing(579)
)
def leap_years_without_31_december(good: xr.Dataset) -> xr.Dataset:
    return _without_steps(good, 579)


@fault(
    "hourly_site", "missing_step", "time", "steps from 3600", "one step", outcome="noted",
    truth=lambda good: times(good, _irregular(good)).pipe(lambda d: d),
)  # fmt: skip
def irregular_steps(good: xr.Dataset) -> xr.Dataset:
    return times(good, _irregular(good))


def _irregular(good: xr.Dataset) -> np.ndarray:
    drift = np.cumsum(np.arange(240) % 3 * 700).astype("timedelta64[s]")
    return good["time"].values + drift


# What a stamp means


def _mid(good: xr.Dataset) -> np.ndarray:
    edges = good["time_bnds"].values
    return edges[:, 0] + (edges[:, 1] - edges[:, 0]) / 2


@fault("monthly_gridded", "time_stamp", "time", "middle of the interval (2000-01-16", "2000-01-01")
def stamps_in_the_middle_with_bounds(good: xr.Dataset) -> xr.Dataset:
    return times(good, _mid(good), bounds=True)


@fault("daily_360", "time_stamp", "time", "end of the interval (2003-11-02", "2003-11-01")
def stamps_at_the_end_with_bounds(good: xr.Dataset) -> xr.Dataset:
    return times(good, good["time_bnds"].values[:, 1], bounds=True)


@fault("monthly_gridded", "time_stamp", "time", "middle of the interval (2000-01-16", "2000-01-01")
def stamps_in_mid_month(good: xr.Dataset) -> xr.Dataset:
    return times(good, _mid(good))


@fault(
    "daily_noleap", "time_stamp", "time", "middle of the interval (2003-11-01T12", "2003-11-01T00"
)
def stamps_at_noon(good: xr.Dataset) -> xr.Dataset:
    return times(good, _mid(good))


@fault(
    "daily_noleap", "time_stamp", "time", "middle of the interval (2003-11-01T11:30", "start (2003"
)
def stamps_near_noon(good: xr.Dataset) -> xr.Dataset:
    return times(good, _mid(good) - HOUR.astype(object) / 2)


@fault(
    "daily_levels", "time_stamp", "time", "stamps at 18:00", "bounds", outcome="noted",
    truth=lambda good: _later(good, 18 * HOUR),
)  # fmt: skip
def stamps_in_the_evening(good: xr.Dataset) -> xr.Dataset:
    return times(good, good["time"].values + 18 * HOUR)


@fault(
    "monthly_gridded", "time_stamp", "time", "no bounds, stamps from 2000-01-01", "bounds",
    outcome="noted",
)  # fmt: skip
def stamps_on_the_first_without_bounds(good: xr.Dataset) -> xr.Dataset:
    return times(good, good["time"].values)


@fault(
    "yearly_gridded", "time_stamp", "time", "no bounds, stamps from 1990-01-01", "bounds",
    outcome="noted",
)  # fmt: skip
def stamps_at_new_year_without_bounds(good: xr.Dataset) -> xr.Dataset:
    return times(good, good["time"].values)


def _later(good: xr.Dataset, shift: np.timedelta64) -> xr.Dataset:
    moved = times(good, good["time"].values + shift, bounds=True)
    return moved.assign_coords(time_bnds=(("time", "bnds"), good["time_bnds"].values + shift))


@fault("hourly_site", "time_stamp", "time", "middle of the interval (2004-02-20T00:30", "20T00:00")
def stamps_at_half_hours(good: xr.Dataset) -> xr.Dataset:
    return times(good, _mid(good))


@fault("hourly_site", "time_stamp", "time", "end of the interval (2004-02-20T01", "20T00:00")
def stamps_at_the_end_of_the_hour(good: xr.Dataset) -> xr.Dataset:
    return times(good, good["time_bnds"].values[:, 1])


@fault("hourly_site", "time_stamp", "time", "tas at an instant", "one meaning", outcome="refused")
def means_and_instants_on_one_axis(good: xr.Dataset) -> xr.Dataset:
    mixed = planted(good, "tas", lambda v: v, cell_methods="time: point")
    return times(mixed, good["time_bnds"].values[:, 1])


@fault("daily_levels", "time_bounds", "time", "no time_bnds", "1 day later")
def no_bounds_of_time(good: xr.Dataset) -> xr.Dataset:
    return times(good, good["time"].values)


@fault("daily_levels", "bounds", "time", "2001-01-03", "bounds that enclose time 2001-01-01")
def bounds_of_other_days(good: xr.Dataset) -> xr.Dataset:
    return good.assign_coords(time_bnds=good["time_bnds"] + 2 * DAY)


@fault("monthly_gridded", "bounds", "time", "2000-01-06", "one 1 month around time 2000-01-16")
def bounds_of_twenty_days(good: xr.Dataset) -> xr.Dataset:
    middle = _mid(good)
    edges = np.stack([middle - 10 * DAY, middle + 10 * DAY], axis=1)
    return times(good.assign_coords(time_bnds=(("time", "bnds"), edges)), middle, bounds=True)


def _years(good: xr.Dataset, stamps: str, first: str, last: str) -> xr.Dataset:
    """Stamps and bounds at dates of each year, given as ``-MM-DDTHH``."""
    years = [str(year) for year in good["time"].dt.year.values]
    edges = [[year + first, year + last] for year in years]
    dates = np.array([year + stamps for year in years], dtype="datetime64[us]")
    bounds = np.array(edges, dtype="datetime64[us]")
    return times(good.assign_coords(time_bnds=(("time", "bnds"), bounds)), dates, bounds=True)


# As in CMIP6-ng, whose years go from the stamp to the middle of December, or from that of January.


@fault("yearly_gridded", "bounds", "time", "1990-07-01T06", "one 1 year around time 1990-07-01T06")
def bounds_of_half_a_year(good: xr.Dataset) -> xr.Dataset:
    return _years(good, "-07-01T06", "-07-01T06", "-12-16T12")


@fault("yearly_gridded", "bounds", "time", "1990-01-16T12", "one 1 year around time 1990-07-01T06")
def bounds_of_eleven_months(good: xr.Dataset) -> xr.Dataset:
    return _years(good, "-07-01T06", "-01-16T12", "-12-16T12")


def years_from_october(good: xr.Dataset) -> xr.Dataset:
    """Stamps and bounds of water years."""
    edges = np.arange("1989-10", "2019-11", 12, dtype="datetime64[M]").astype("datetime64[us]")
    bounds = np.stack([edges[:-1], edges[1:]], axis=1)
    return times(good.assign_coords(time_bnds=(("time", "bnds"), bounds)), edges[:-1], bounds=True)


@fault(
    "yearly_gridded", "bounds", "time", "years from October", "calendar years",
    outcome="noted", truth=years_from_october,
)  # fmt: skip
def water_years(good: xr.Dataset) -> xr.Dataset:
    good = years_from_october(good)
    return times(good, _mid(good), bounds=True)


@fault("yearly_gridded", "bounds", "time", "1990-06-01", "years", outcome="refused")
def a_season_of_each_year(good: xr.Dataset) -> xr.Dataset:
    return _years(good, "-07-16", "-06-01", "-09-01")


@fault(
    "daily_basin", "duplicate", "time", "1 times again, first 2003-06-06", "once",
    truth=_last_rain_missing,
)  # fmt: skip
def late_rain_with_a_day_twice(good: xr.Dataset) -> xr.Dataset:
    return exact_duplicate(late_rain(good))


@fault("daily_basin", "duplicate", "time", "pr ", "one value", outcome="refused")
def late_rain_that_contradicts_itself(good: xr.Dataset) -> xr.Dataset:
    def wetter(values: np.ndarray) -> np.ndarray:
        values[2, 6] += 1e-3
        return values

    return planted(late_rain_with_a_day_twice(good), "pr", wetter)


@fault("daily_basin", "clock", "pr", "+86400 s off", "-86400 s", truth=_rain_without_31_december)
def late_rain_of_years_without_31_december(good: xr.Dataset) -> xr.Dataset:
    # The rain that is labelled 1 January belongs to the day that is missing.
    return _without_steps(late_rain(good), 579)
