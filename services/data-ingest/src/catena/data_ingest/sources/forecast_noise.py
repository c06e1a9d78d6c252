"""Weather forecasts made out of a series: right at first, another year's weather later.

A stand-in where no archive of real forecasts exists, called generated wherever it goes. Source:
specs/streamflow, section 2::

    x_fc(h) = w_h x(t + h) + (1 - w_h) x_donor(doy(t + h)),    w_h = .95 exp(-(h - 1) / 6)

with one donor year for a whole forecast and for all basins and variables, so that a forecast stays
a consistent piece of weather in space, in time and between variables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from catena.shared.errors import InvalidData

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class ForecastNoise:
    """How fast forecasts lose the truth.

    Parameters
    ----------
    first : float
        Weight of the truth at lead 1, in [0, 1].
    decay_days : float
        Lead over which the weight falls by e.
    """

    first: float = 0.95
    decay_days: float = 6.0

    def weights(self, leads: int) -> np.ndarray:
        """w_h for h = 1 ... leads, shape (leads,)."""
        lead = np.arange(leads, dtype=np.float64)
        return self.first * np.exp(-lead / self.decay_days)


def forecast_archive(
    series: xr.Dataset,
    *,
    leads: int = 30,
    members: int = 0,
    seed: int = 0,
    every_days: int = 1,
    noise: ForecastNoise | None = None,
) -> xr.Dataset:
    """An archive of generated forecasts out of daily series.

    The forecast issued at the end of day t (``forecast_reference_time`` is 00 UTC of the day after)
    has at lead h the value for day t + h. As in archives of real forecasts ``leadtime`` is the end
    of the interval that a value is about; ``leadtime_bnds`` are both of its ends.

    Parameters
    ----------
    series : xarray.Dataset
        Daily variables with the dimension ``time`` (complete, standard calendar) and any others,
        e.g. (basin, time). Lazy variables stay lazy, block by block of the other dimensions.
    leads : int
        Days ahead.
    members : int
        Ensemble members with donors of their own; 0: one forecast, without the dimension.
    seed : int
        The same seed, series and settings give the same forecasts; the donors of an issue day do
        not depend on how many basins or variables there are.
    every_days : int
        Days between issues.
    noise : ForecastNoise, optional

    Returns
    -------
    xarray.Dataset
        Variables (..., forecast_reference_time, leadtime[, member]), with the attribute
        ``generated`` and the donor years as a coordinate ``donor_year``.

    Raises
    ------
    InvalidData
        When the series is not daily, has gaps, or is too short for any other year to lend weather.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2001-01-01", "2004-12-31")
    >>> rain = xr.DataArray(np.arange(time.size, dtype="float32"), {"time": time}, ["time"])
    >>> forecast_archive(rain.to_dataset(name="pr"), leads=3, seed=1)["pr"].sizes["leadtime"]
    3
    """
    noise = noise or ForecastNoise()
    dates = _dates(series, leads)
    issue = np.arange(0, dates.size - leads, every_days)
    donor, year = _donors(dates, issue, leads, max(members, 1), seed)
    truth = issue[:, None] + np.arange(1, leads + 1)  # (issue, lead)
    if not members:
        donor, year = donor[..., 0], year[..., 0]
    weight = noise.weights(leads).astype(np.float32)

    ends = np.arange(1, leads + 1) * DAY.astype("timedelta64[ns]")
    dims = ["forecast_reference_time", "leadtime", *(["member"] if members else [])]
    sizes = dict(zip(dims, donor.shape, strict=True))
    made: xr.Dataset = xr.apply_ufunc(
        _mix,
        series.drop_vars([name for name in series.coords if "time" in series[name].dims]),
        input_core_dims=[["time"]],
        output_core_dims=[dims],
        kwargs={"truth": truth, "donor": donor, "weight": weight},
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": sizes},
        output_dtypes=[np.float32],
        keep_attrs=True,
    )
    made = made.assign_coords(
        forecast_reference_time=(
            "forecast_reference_time",
            dates[issue] + DAY,
            {"standard_name": "forecast_reference_time"},
        ),
        leadtime=(
            "leadtime",
            ends,
            {"standard_name": "forecast_period", "bounds": "leadtime_bnds"},
        ),
        leadtime_bnds=(("leadtime", "bnds"), np.stack([ends - DAY, ends], axis=1)),
        donor_year=(
            tuple(dim for dim in dims if dim != "leadtime"),
            year,
            {"long_name": "year whose weather fills the forecast"},
        ),
    )
    if members:
        made = made.assign_coords(
            member=("member", np.arange(members), {"standard_name": "realization"})
        )
    made.attrs["generated"] = (
        "forecasts made from the series itself: truth with weight "
        f"{noise.first:g} exp(-(lead - 1) / {noise.decay_days:g} d), else the weather of another "
        f"year; seed {seed}"
    )
    return made


def _mix(
    series: np.ndarray, *, truth: np.ndarray, donor: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Equation of the module: series (..., time) -> (..., issue, lead[, member])."""
    series = series.astype(np.float32, copy=False)
    right, other = series[..., truth], series[..., donor]
    if donor.ndim > truth.ndim:
        right, weight = right[..., None], weight[:, None]
    mixed: np.ndarray = weight * right + (1 - weight) * other
    return mixed


def _dates(series: xr.Dataset, leads: int) -> np.ndarray:
    """Time axis, checked: (time,) datetime64[ns]."""
    if "time" not in series.dims:
        raise InvalidData(
            f"forecast noise: found the dimensions {sorted(map(str, series.dims))}, wanted time"
        )
    dates = np.asarray(series["time"].values)
    if not np.issubdtype(dates.dtype, np.datetime64):
        raise InvalidData(
            f"forecast noise, dimension time: found the calendar {series['time'].dt.calendar}, "
            "wanted standard: donors are days of the same date"
        )
    steps = np.unique(np.diff(dates))
    if dates.size <= leads or steps.size != 1 or steps[0] != DAY:
        words = ", ".join(str(step.astype("timedelta64[h]")) for step in steps[:3])
        raise InvalidData(
            f"forecast noise, dimension time: found {dates.size} values {words or 'nothing'} "
            f"apart, wanted more than {leads} values 24 hours apart without a gap"
        )
    return dates


def _donors(
    dates: np.ndarray, issue: np.ndarray, leads: int, members: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where the other weather is taken from.

    Returns
    -------
    position : numpy.ndarray, shape (issue, lead, member)
        Index into `dates` of the same date in the donor year.
    year : numpy.ndarray, shape (issue, member)
        Donor year of the first day.
    """
    days = dates.astype("datetime64[D]")
    year = days.astype("datetime64[Y]").astype(int) + 1970
    first = issue + 1
    # Another year can lend only if it holds the whole forecast, and a day more: a leap day that
    # only the donor has is passed over.
    years = np.arange(year[0], year[-1] + 1)
    start = _same_date(days[first][:, None], years)  # (issue, year)
    index = (start - days[0]).astype(int)
    able = (index >= 0) & (index + leads < days.size) & (years != year[first][:, None])
    if not able.any(axis=1).all():
        day = days[first[~able.any(axis=1)][0]]
        raise InvalidData(
            f"forecast noise: no year of {years[0]}..{years[-1]} other than that of {day} holds "
            f"the {leads} days from that date on; wanted at least two full years"
        )
    # The same random number for a (issue day, donor year, member), however long the series is.
    draw = np.stack(
        [_uniform(days[first], years, seed, member) for member in range(members)],
        axis=-1,
    )
    chosen = np.where(able[..., None], draw, -1.0).argmax(axis=1)  # (issue, member)
    shift = years[chosen] - year[first][:, None]
    position = np.empty((issue.size, leads, members), dtype=np.int64)
    for lead in range(leads):
        day = days[first + lead][:, None]
        other = _same_date(day, year[first + lead][:, None] + shift)
        position[:, lead] = (other - days[0]).astype(int)
    return position, years[chosen]


def _same_date(day: np.ndarray, year: np.ndarray) -> np.ndarray:
    """The same day of year in another year; day 366 becomes 365 where there is none."""
    number = (day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
    start = (np.asarray(year) - 1970).astype("datetime64[Y]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(int)
    date: np.ndarray = start.astype("datetime64[D]") + np.minimum(number, length - 1)
    return date


def _uniform(days: np.ndarray, years: np.ndarray, seed: int, member: int) -> np.ndarray:
    """Random numbers in [0, 1), shape (days, years): splitmix64 of what each is for."""
    with np.errstate(over="ignore"):
        word = _scramble(np.uint64(seed % 2**64) + np.zeros(1, np.uint64))
        word = _scramble(word ^ np.uint64(member))
        word = _scramble(word ^ days.astype(np.int64).astype(np.uint64))[:, None]
        word = _scramble(word ^ years.astype(np.uint64))
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _scramble(word: np.ndarray) -> np.ndarray:
    """One round of splitmix64 (Steele, Lea, Flood 2014)."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    last: np.ndarray = word ^ (word >> np.uint64(31))
    return last
