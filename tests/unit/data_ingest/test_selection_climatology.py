"""Mean annual cycles of series in any calendar, and what is not one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.climatology import climatology
from catena.shared.errors import InvalidData

CYCLE = np.arange(12.0)


def monthly(calendar="standard", years=4, start="1990-01-01", cftime=False) -> xr.DataArray:
    time = xr.date_range(
        start, periods=12 * years, freq="MS", calendar=calendar, use_cftime=cftime or None
    )
    values = np.asarray(CYCLE[time.month - 1] + 10.0 * (time.year - 1990))
    return xr.DataArray(values, dims="time", coords={"time": time}, name="tas")


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "all_leap", "julian"])
def test_the_mean_over_the_years_of_each_month(calendar):
    got = climatology(monthly(calendar))
    np.testing.assert_allclose(got.data.values, CYCLE + 15.0)
    assert got.data["month"].values.tolist() == list(range(1, 13))
    assert got.years == 4
    assert got.missing == ()


def test_a_series_may_begin_in_any_month_and_a_period_cuts_it():
    got = climatology(monthly(start="1990-07-01", years=5))
    assert got.years == 5
    cut = climatology(monthly(years=6), period=(1991, 1992))
    np.testing.assert_allclose(cut.data.values, CYCLE + 15.0)
    assert cut.years == 2
    with pytest.raises(InvalidData, match="no step from 2050 to 2060"):
        climatology(monthly(), period=(2050, 2060))


def test_missing_and_empty_months_are_named_and_do_not_count():
    series = monthly()
    series[14] = np.nan
    got = climatology(series.drop_isel(time=[30]))
    assert got.missing == ("1991-03", "1992-07")
    assert got.years == 3
    assert float(got.data.sel(month=3)) == pytest.approx(2 + 50 / 3)


@pytest.mark.parametrize("middle", [15.5, 0.0])
def test_times_that_are_not_decoded_are_a_climatology(middle):
    starts = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
    order = np.roll(np.arange(12), 3)
    array = xr.DataArray(
        CYCLE[order], dims="time", coords={"time": ("time", (starts + middle)[order])}, name="tas"
    )
    got = climatology(array)
    assert got.years is None
    np.testing.assert_array_equal(got.data.values, CYCLE)
    with pytest.raises(InvalidData, match="each of 1 to 12 once"):
        climatology(array.isel(time=slice(0, 11)))


def test_cf_marks_a_climatology_of_decoded_times():
    array = monthly(years=1)
    assert climatology(array).years == 1
    array["time"].attrs["climatology"] = "climatology_bnds"
    assert climatology(array).years is None


def test_lazy_series_stay_lazy():
    assert climatology(monthly().chunk(time=5)).data.chunks is not None


def test_what_is_not_monthly_is_refused():
    days = xr.date_range("1990-01-01", periods=400)
    daily = xr.DataArray(np.zeros(400), dims="time", coords={"time": days}, name="pr")
    with pytest.raises(InvalidData, match="1990-01-01 and 1990-01-02 one after the other"):
        climatology(daily)
    with pytest.raises(InvalidData, match="wanted time or month"):
        climatology(xr.DataArray(np.zeros(3), dims="x", name="pr"))
