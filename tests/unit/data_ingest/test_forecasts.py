"""Forecasts as (reference time, lead, member): from GRIB, netCDF, and made of a series."""

from __future__ import annotations

import os
from pathlib import Path

import dask.array as da
import eccodes
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.forecast_noise import ForecastNoise, forecast_archive
from catena.data_ingest.sources.forecasts import Forecasts
from catena.shared.checks import normalise
from catena.shared.errors import InvalidData

DATA = Path(os.environ.get("CATENA_DATA") or "absent") / "canada_hydro"
HOUR = np.timedelta64(1, "h")


def message(*, member: int, day: int, step: int, param: int, value: float) -> int:
    """A field of an ensemble forecast: 0 is the control."""
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    keys = {
        "Ni": 3, "Nj": 2, "latitudeOfFirstGridPointInDegrees": 50.25,
        "longitudeOfFirstGridPointInDegrees": 0.0, "latitudeOfLastGridPointInDegrees": 50.0,
        "longitudeOfLastGridPointInDegrees": 0.5, "iDirectionIncrementInDegrees": 0.25,
        "jDirectionIncrementInDegrees": 0.25, "jScansPositively": 0, "bitsPerValue": 24,
        "productDefinitionTemplateNumber": 11 if param == 228 else 1,
        "dataDate": 20240100 + day, "dataTime": 0, "paramId": param,
        "perturbationNumber": member, "numberOfForecastsInEnsemble": 3,
        "typeOfEnsembleForecast": 1 if member == 0 else 3,
        "typeOfProcessedData": 3 if member == 0 else 4,
        "stepRange": f"0-{step}" if param == 228 else str(step),
    }  # fmt: skip
    for name, content in keys.items():
        eccodes.codes_set(handle, name, content)
    eccodes.codes_set_values(handle, value + np.zeros(6))
    return handle


def warmth(member: int, day: int, step: int) -> float:
    return 280 + member + 10 * day + step / 24


@pytest.fixture
def open_data(tmp_path: Path) -> Path:
    """ECMWF's open data: a file a step, control and members in it."""
    folder = tmp_path / "forecasts"
    folder.mkdir()
    for day in (1, 2):
        for step in (6, 12, 36):
            if (day, step) == (2, 36):
                continue  # this run is not complete yet
            name = f"202401{day:02d}000000-{step}h-enfo-ef.grib2"
            with (folder / name).open("wb") as file:
                for member in range(3):
                    for param, value in ((167, warmth(member, day, step)), (228, 1e-3 * step)):
                        handle = message(
                            member=member, day=day, step=step, param=param, value=value
                        )
                        eccodes.codes_write(handle, file)
                        eccodes.codes_release(handle)
    return folder


def test_open_data_of_many_files_is_one_archive(open_data: Path) -> None:
    archive = open_archive(str(open_data))
    found = Forecasts().search(archive)
    assert found.refused == ()
    warm = next(entry for entry in found.entries if "t2m" in entry.facets["variable"])
    assert len(warm.files) == 5
    opened = Forecasts().open(archive, warm)
    assert opened["t2m"].dims[:3] == ("forecast_reference_time", "leadtime", "member")
    assert dict(opened.sizes) == {
        "forecast_reference_time": 2, "leadtime": 3, "member": 3, "latitude": 2, "longitude": 3,
    }  # fmt: skip
    assert list(opened["leadtime"].values / HOUR) == [6, 12, 36]
    assert list(opened["member"].values) == [0, 1, 2]
    for day in (1, 2):
        for step in (6, 12, 36):
            field = opened["t2m"].sel(
                forecast_reference_time=f"2024-01-{day:02d}", leadtime=step * HOUR
            )
            for member in range(3):
                values = field.sel(member=member).values
                if (day, step) == (2, 36):
                    assert np.isnan(values).all(), "a lead that is missing is missing"
                else:
                    np.testing.assert_allclose(values, warmth(member, day, step), rtol=1e-5)
    assert sorted(path.suffix for path in open_data.iterdir()) == [".grib2"] * 5


def test_rain_since_the_start_becomes_a_rate(open_data: Path) -> None:
    archive = open_archive(str(open_data))
    rain = next(e for e in Forecasts().search(archive).entries if "tp" in e.facets["variable"])
    opened = Forecasts().open(archive, rain)
    normal, inspection = normalise(opened, vocabulary=rain.vocabulary, key=rain.key)
    assert normal is not None, [str(finding) for finding in inspection]
    # 1 mm an hour, whatever the distance of the leads.
    rates = normal["pr"].isel(forecast_reference_time=0, member=1, lat=0, lon=0).values
    np.testing.assert_allclose(rates, 1.0 / 3600, rtol=1e-3)


def netcdf(**change: object) -> xr.Dataset:
    time = pd.date_range("2020-12-10", periods=5, freq="6h")
    made = xr.Dataset(
        {"tas": (("member", "time"), np.arange(10.0).reshape(2, 5), {"units": "degC"})},
        coords={
            "time": time,
            "member": [1, 2],
            "reftime": ((), time[0], {"standard_name": "forecast_reference_time"}),
        },
    )
    return made.assign_coords(change) if change else made


def test_valid_times_and_a_reference_time_make_leads(tmp_path: Path) -> None:
    netcdf().to_netcdf(tmp_path / "one.nc")
    archive = open_archive(str(tmp_path))
    (entry,) = Forecasts().search(archive).entries
    opened = Forecasts().open(archive, entry)
    assert opened["tas"].dims == ("forecast_reference_time", "leadtime", "member")
    assert list(opened["leadtime"].values / HOUR) == [0, 6, 12, 18, 24]
    np.testing.assert_array_equal(opened["tas"][0].values.T, np.arange(10.0).reshape(2, 5))


def test_issues_in_files_of_their_own_are_joined(tmp_path: Path) -> None:
    for day in (12, 10):
        made = netcdf()
        shift = np.timedelta64(day - 10, "D")
        made = made.assign_coords(time=made["time"] + shift, reftime=made["reftime"] + shift) + day
        made["reftime"].attrs["standard_name"] = "forecast_reference_time"
        made["tas"].attrs["units"] = "degC"
        made.to_netcdf(tmp_path / f"geps_202012{day}.nc")
    archive = open_archive(str(tmp_path))
    (entry,) = Forecasts().search(archive).entries
    opened = Forecasts().open(archive, entry)
    days = pd.DatetimeIndex(opened["forecast_reference_time"].values).day
    assert list(days) == [10, 12]
    assert list(opened["tas"][:, 0, 0].values) == [10.0, 12.0]
    # The same issue once more contradicts itself.
    (tmp_path / "geps_20201211.nc").write_bytes((tmp_path / "geps_20201210.nc").read_bytes())
    (entry,) = Forecasts().search(archive).entries
    with pytest.raises(InvalidData, match=r"leadtime.*2 times"):
        Forecasts().open(archive, entry)


@pytest.mark.parametrize(
    ("coordinate", "units", "hours"),
    [("lead_time", "days", 24.0), ("step", "hours", 1.0), ("forecast_period", "minutes", 1 / 60)],
)
def test_leads_in_any_unit(tmp_path: Path, coordinate: str, units: str, hours: float) -> None:
    xr.Dataset(
        {"tas": (("init_time", coordinate), np.zeros((2, 3)), {"units": "K"})},
        coords={
            "init_time": pd.date_range("2020-01-01", periods=2),
            coordinate: (coordinate, [1.0, 2.0, 3.0], {"units": units}),
        },
    ).to_netcdf(tmp_path / "a.nc")
    archive = open_archive(str(tmp_path))
    (entry,) = Forecasts().search(archive).entries
    lead = Forecasts().open(archive, entry)["leadtime"].values / np.timedelta64(1, "m")
    np.testing.assert_allclose(lead, hours * 60 * np.array([1, 2, 3]))


def test_leads_in_months_and_valid_times_before_the_issue_are_refused(tmp_path: Path) -> None:
    xr.Dataset(
        {"tas": (("init_time", "lead"), np.zeros((2, 3)))},
        coords={"init_time": pd.date_range("2020-01-01", periods=2),
                "lead": ("lead", [1, 2, 3], {"units": "months"})},
    ).to_netcdf(tmp_path / "seasonal.nc")  # fmt: skip
    late = netcdf()
    late["reftime"] = ((), pd.Timestamp("2020-12-11"), {"standard_name": "forecast_reference_time"})
    late.set_coords("reftime").to_netcdf(tmp_path / "late.nc")
    archive = open_archive(str(tmp_path))
    entries = {entry.key: entry for entry in Forecasts().search(archive).entries}
    with pytest.raises(InvalidData, match="'months', wanted seconds"):
        Forecasts().open(archive, entries["seasonal"])
    with pytest.raises(InvalidData, match="before the reference time"):
        Forecasts().open(archive, entries["late"])


def series(years: int = 6, basins: int = 2, *, lazy: bool = False) -> xr.Dataset:
    time = pd.date_range("2001-01-01", f"{2000 + years}-12-31")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(basins, time.size)).astype("float32")
    data = da.from_array(values, chunks=(1, -1)) if lazy else values
    return xr.Dataset(
        {"pr": (("basin", "time"), data, {"units": "kg m-2 s-1"})},
        coords={"time": time, "basin": [f"b{number}" for number in range(basins)]},
    )


def slow(
    truth: pd.Series, archive: xr.Dataset, name: str, basin: str, noise: ForecastNoise
) -> None:
    """The formula of the specification, day by day in Python, compared in every element."""
    made = archive[name].sel(basin=basin)
    for row in range(0, 800, 97):
        issue = archive["forecast_reference_time"].values[row]
        last = pd.Timestamp(issue) - pd.Timedelta(days=1)  # the last observed day, t
        year = int(archive["donor_year"].values[row])
        shift = year - (last + pd.Timedelta(days=1)).year
        assert shift != 0, "the donor is another year"
        for lead in range(1, archive.sizes["leadtime"] + 1):
            day = last + pd.Timedelta(days=lead)
            number = day.dayofyear
            other = pd.Timestamp(year=day.year + shift, month=1, day=1)
            length = 366 if other.is_leap_year else 365
            donor = other + pd.Timedelta(days=min(number, length) - 1)
            weight = noise.first * np.exp(-(lead - 1) / noise.decay_days)
            wanted = weight * truth[day] + (1 - weight) * truth[donor]
            assert float(made[row, lead - 1]) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("noise", [ForecastNoise(), ForecastNoise(0.8, 3.0)])
def test_noise_is_the_formula(noise: ForecastNoise) -> None:
    observed = series()
    archive = forecast_archive(observed, leads=12, seed=3, noise=noise)
    truth = observed["pr"].sel(basin="b1").to_series()
    slow(truth, archive, "pr", "b1", noise)


def test_weights_of_the_specification() -> None:
    weights = ForecastNoise().weights(30)
    assert weights[0] == pytest.approx(0.95)
    assert weights[6] == pytest.approx(0.95 / np.e)
    assert (np.diff(weights) < 0).all()


def test_a_perfect_forecast_is_the_series_itself() -> None:
    observed = series()
    archive = forecast_archive(observed, leads=5, noise=ForecastNoise(1.0, np.inf))
    ends = archive["forecast_reference_time"] + archive["leadtime"]
    starts = ends - np.timedelta64(1, "D")
    xr.testing.assert_equal(
        archive["pr"].drop_vars(["donor_year"]).transpose(
            "forecast_reference_time", "leadtime", "basin"),
        observed["pr"].sel(time=starts).drop_vars(["time", "donor_year"]).transpose(
            "forecast_reference_time", "leadtime", "basin"),
    )  # fmt: skip
    low, high = archive["leadtime_bnds"].values.T
    assert (high == archive["leadtime"].values).all()
    assert (high - low == np.timedelta64(1, "D")).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**63), members=st.integers(1, 4), leads=st.integers(1, 40))
def test_archives_are_reproducible_and_leave_the_truth_alone(
    seed: int, members: int, leads: int
) -> None:
    observed = series(3, 1)
    before = observed["pr"].values.copy()
    one = forecast_archive(observed, leads=leads, members=members, seed=seed, every_days=50)
    two = forecast_archive(observed, leads=leads, members=members, seed=seed, every_days=50)
    xr.testing.assert_identical(one, two)
    np.testing.assert_array_equal(observed["pr"].values, before)
    assert one["pr"].shape[-1] == members
    assert not bool(one["pr"].isnull().any())
    # Donors do not depend on how many members, leads or issues there are.
    fewer = forecast_archive(observed, leads=1, members=1, seed=seed, every_days=100)
    common = fewer["forecast_reference_time"].isin(one["forecast_reference_time"])
    if leads == 1:
        both = fewer["donor_year"].isel(forecast_reference_time=common, member=0)
        again = one["donor_year"].sel(
            forecast_reference_time=both["forecast_reference_time"], member=0
        )
        np.testing.assert_array_equal(both, again)


def test_seeds_and_members_differ_and_donors_are_spread_evenly() -> None:
    observed = series(11, 1)
    one = forecast_archive(observed, leads=2, members=4, seed=1)
    two = forecast_archive(observed, leads=2, members=4, seed=2)
    years = one["donor_year"].values
    assert (years != two["donor_year"].values).mean() > 0.8
    assert (years[:, 0] != years[:, 1]).mean() > 0.8
    middle = (one["forecast_reference_time"].dt.year == 2006).values
    counts = np.bincount(years[middle].ravel() - 2001, minlength=11)
    assert counts[5] == 0, "never its own year"
    share = np.delete(counts, 5) / counts.sum()
    # 10 other years, 1460 draws: a share has a standard deviation of 0.008.
    np.testing.assert_allclose(share, 0.1, atol=0.035)


def test_the_error_grows_as_the_formula_says() -> None:
    """For independent days var(x_fc - x) = 2 (1 - w)^2 var(x)."""
    observed = series(20, 1)
    archive = forecast_archive(observed, leads=30, seed=5)
    perfect = forecast_archive(observed, leads=30, noise=ForecastNoise(1.0, np.inf))
    error = (archive["pr"] - perfect["pr"]).var(["forecast_reference_time", "basin"]).values
    weights = ForecastNoise().weights(30)
    np.testing.assert_allclose(error, 2 * (1 - weights) ** 2, rtol=0.1, atol=1e-3)


def test_a_lazy_series_stays_lazy_and_is_equal(tmp_path: Path) -> None:
    lazy = forecast_archive(series(lazy=True), leads=6, members=2, seed=9)
    assert lazy["pr"].chunks is not None
    eager = forecast_archive(series(), leads=6, members=2, seed=9)
    np.testing.assert_array_equal(lazy["pr"].values, eager["pr"].values)
    lazy.to_zarr(tmp_path / "archive.zarr", zarr_format=3, consolidated=False)
    back = xr.open_zarr(tmp_path / "archive.zarr", consolidated=False, decode_timedelta=True)
    assert back["pr"].dims == ("basin", "forecast_reference_time", "leadtime", "member")
    np.testing.assert_array_equal(back["leadtime"].values, eager["leadtime"].values)
    assert "generated" not in series().attrs
    assert "forecasts made from the series itself" in back.attrs["generated"]


def test_missing_days_stay_missing() -> None:
    observed = series()
    observed["pr"][0, 100] = np.nan
    archive = forecast_archive(observed, leads=3, seed=1)
    affected = archive["pr"].sel(basin="b0").isnull()
    # Day 100 is lead 1 of issue 99, lead 2 of issue 98, lead 3 of issue 97.
    for lead in (1, 2, 3):
        assert bool(affected[100 - lead, lead - 1])
    assert not bool(archive["pr"].sel(basin="b1").isnull().any())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.drop_isel(time=[50]), "24 hours apart without a gap"),
        (lambda d: d.isel(time=slice(20)), "found 20 values"),
        (lambda d: d.isel(time=slice(365)), "at least two full years"),
        (lambda d: d.rename(time="day"), "wanted time"),
        (lambda d: d.convert_calendar("noleap"), "noleap"),
    ],
)
def test_series_that_cannot_lend_are_refused(change, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidData, match=words):
        forecast_archive(change(series()))


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="needs CATENA_DATA with canada_hydro")
def test_the_real_ensemble_forecast() -> None:
    archive = open_archive(str(DATA))
    found = Forecasts().search(archive)
    assert found.files == len(archive.find())
    (entry,) = found.entries
    assert entry.key == "geps_watershed"
    assert all("no forecast reference time" in finding.found for finding in found.refused)
    opened = Forecasts().open(archive, entry)
    normal, inspection = normalise(opened, vocabulary=entry.vocabulary, key=entry.key)
    assert normal is not None
    assert not inspection.of("refused")
    assert dict(normal.sizes) == {"forecast_reference_time": 1, "leadtime": 64, "member": 20}
    # The water of 378 hours is the last accumulation of the file, member by member.
    hours = np.diff(opened["leadtime"].values / HOUR)
    water = (normal["pr"].isel(leadtime=slice(1, None)) * (hours[None, :, None] * 3600)).sum(
        "leadtime"
    )
    np.testing.assert_allclose(
        water.values, opened["pr"].isel(leadtime=-1).values, rtol=2e-3, atol=0.05
    )
    assert 240 < float(normal["tas"].min()) < float(normal["tas"].max()) < 285
