"""ERA5 and ERA5-Land: rates out of amounts, at the start of their hour, whatever the file."""

from __future__ import annotations

from pathlib import Path

import eccodes
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.http_archive import HttpArchive

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.base import Entry
from catena.data_ingest.sources.era5 import Era5
from catena.shared.checks import Inspection, normalise
from catena.shared.errors import InvalidData
from catena.shared.lexicon import lookup, rows


def hourly(
    variables: dict[str, tuple[str, np.ndarray]],
    *,
    start: str = "2020-01-01",
    freq: str = "h",
    time: str = "valid_time",
    step: float = 0.25,
) -> xr.Dataset:
    """A netCDF as the Climate Data Store gives it: latitudes from the north, 0 to 360 degrees."""
    periods = next(iter(variables.values()))[1].shape[0]
    dims = (time, "latitude", "longitude")
    data = {
        name: (dims, np.broadcast_to(values[:, None, None], (periods, 2, 2)).astype("float32"),
               {"units": units})
        for name, (units, values) in variables.items()
    }  # fmt: skip
    return xr.Dataset(
        data,
        coords={
            time: pd.date_range(start, periods=periods, freq=freq),
            "latitude": ("latitude", [50.0 + step, 50.0], {"units": "degrees_north"}),
            "longitude": ("longitude", [350.0, 350.0 + step], {"units": "degrees_east"}),
        },
        attrs={"GRIB_centre": "ecmf", "Conventions": "CF-1.7"},
    )


def ingest(folder: Path) -> tuple[xr.Dataset, Inspection, Entry]:
    archive = open_archive(str(folder))
    (entry,) = Era5().search(archive).entries
    opened = Era5().open(archive, entry)
    normal, inspection = normalise(opened, vocabulary=entry.vocabulary, key=entry.key)
    assert normal is not None, [str(finding) for finding in inspection]
    return normal.compute(), inspection, entry


HOURS = np.arange(72)
WARM = 280 + np.sin(HOURS)
RAIN = 1e-4 * (1 + HOURS % 5)  # metres in the hour that ends at the stamp


def test_hourly_rain_is_a_rate_at_the_start_of_its_hour(tmp_path: Path) -> None:
    hourly({"t2m": ("K", WARM), "tp": ("m", RAIN)}).to_netcdf(tmp_path / "era5.nc")
    normal, inspection, entry = ingest(tmp_path)
    assert entry.vocabulary == "era5"
    pr = normal["pr"].sel(lat=50.0, lon=-10.0)
    # The amount stamped 01:00 fell from 00:00 to 01:00.
    wanted = np.append(RAIN[1:], np.nan) * 1000 / 3600
    np.testing.assert_allclose(pr.values, wanted, rtol=1e-6)
    # The temperature is an instant and stays where it is.
    np.testing.assert_allclose(normal["tas"].sel(lat=50.0, lon=-10.0).values, WARM, rtol=1e-6)
    assert pd.Timestamp(normal["time"].values[0]) == pd.Timestamp("2020-01-01")
    moved = [finding for finding in inspection if finding.check == "clock"]
    assert moved
    assert moved[0].variable == "tp"


def test_stamps_from_one_to_midnight_are_not_moved_twice(tmp_path: Path) -> None:
    dataset = hourly({"tp": ("m", RAIN)}, start="2020-01-01T01:00")
    dataset.to_netcdf(tmp_path / "era5.nc")
    normal, _, _ = ingest(tmp_path)
    rate = normal["pr"].isel(lat=0, lon=0).to_series()
    # The value stamped 02:00 belongs to the hour from 01:00.
    assert rate[pd.Timestamp("2020-01-01T01:00")] == pytest.approx(RAIN[1] * 1000 / 3600)


def test_fluxes_downwards_are_turned_and_joules_become_watts(tmp_path: Path) -> None:
    falling = -3600.0 * (10 + HOURS % 7)
    sun = 3600.0 * (100 + HOURS)
    hourly(
        {"slhf": ("J m**-2", falling), "ssrd": ("J m**-2", sun),
         "e": ("m of water equivalent", -1e-5 * (1 + HOURS % 3))}
    ).to_netcdf(tmp_path / "era5.nc")  # fmt: skip
    normal, _, _ = ingest(tmp_path)
    np.testing.assert_allclose(normal["hfls"][:-1, 0, 0], (10 + HOURS % 7)[1:], rtol=1e-5)
    np.testing.assert_allclose(normal["rsds"][:-1, 0, 0], (100 + HOURS)[1:], rtol=1e-5)
    np.testing.assert_allclose(
        normal["evspsbl"][:-1, 0, 0], 1e-2 * (1 + HOURS % 3)[1:] / 3600, rtol=1e-5
    )


def test_era5_land_accumulates_since_midnight(tmp_path: Path) -> None:
    """Three days of hourly rain, summed up as ERA5-Land does, come back hour by hour."""
    rain = 1e-4 * (1 + np.arange(72) % 5)  # of the hour from each stamp on
    stamps = pd.date_range("2020-01-01", periods=73, freq="h")
    since = np.zeros(73)
    for hour in range(1, 73):
        begin = ((hour - 1) // 24) * 24
        since[hour] = rain[begin:hour].sum()
    since[0] = 2e-3  # the whole of 31 December
    dataset = hourly({"tp": ("m", since)}, step=0.1)
    dataset = dataset.assign_coords(valid_time=stamps)
    dataset.to_netcdf(tmp_path / "land.nc")
    normal, inspection, entry = ingest(tmp_path)
    assert entry.vocabulary == "era5_land"
    rate = normal["pr"].isel(lat=0, lon=0).to_series()
    back = rate.reindex(stamps[:-1]).to_numpy()
    np.testing.assert_allclose(back, rain * 1000 / 3600, rtol=1e-4)
    assert "accumulation" in {finding.check for finding in inspection.of("converted")}
    # Water is conserved, day by day.
    daily = rate[stamps[0] : stamps[-2]].groupby(lambda time: time.date()).sum() * 3600 / 1000
    np.testing.assert_allclose(daily, rain.reshape(3, 24).sum(axis=1), rtol=1e-4)


def test_monthly_means_are_amounts_per_day(tmp_path: Path) -> None:
    rain = np.array([2e-3, 3e-3, 1e-3, 4e-3])
    hourly({"tp": ("m", rain), "t2m": ("K", 280 + np.arange(4))}, freq="MS").to_netcdf(
        tmp_path / "monthly.nc"
    )
    normal, _, entry = ingest(tmp_path)
    assert entry.vocabulary == "era5_monthly"
    np.testing.assert_allclose(normal["pr"][:, 0, 0], rain * 1000 / 86400, rtol=1e-6)
    assert pd.Timestamp(normal["time_bnds"].values[0, 1]) == pd.Timestamp("2020-02-01")


def test_the_ensemble_accumulates_over_three_hours(tmp_path: Path) -> None:
    rain = 1e-4 * (1 + np.arange(16) % 5)
    dataset = hourly({"tp": ("m", rain)}, freq="3h").expand_dims(number=[0, 1])
    dataset.to_netcdf(tmp_path / "members.nc")
    normal, _, entry = ingest(tmp_path)
    assert entry.vocabulary == "era5_ensemble"
    assert normal.sizes["member"] == 2
    values = normal["pr"].isel(member=1, lat=0, lon=0).values
    np.testing.assert_allclose(values[:-1], rain[1:] * 1000 / 10800, rtol=1e-6)


def test_final_and_early_values_are_one_series(tmp_path: Path) -> None:
    final = np.where(HOURS < 40, WARM, np.nan)
    early = np.where(HOURS < 40, np.nan, WARM)
    both = xr.concat(
        [hourly({"t2m": ("K", final)}), hourly({"t2m": ("K", early)})],
        dim=pd.Index([1, 5], name="expver"),
    )
    both.to_netcdf(tmp_path / "recent.nc")
    normal, _, entry = ingest(tmp_path)
    assert not entry.referable
    np.testing.assert_allclose(normal["tas"][:, 0, 0], WARM, rtol=1e-6)
    both.assign_coords(expver=[1, 7]).to_netcdf(tmp_path / "recent.nc")
    found = Era5().search(open_archive(str(tmp_path)))
    assert "found ['1', '7'], wanted 1 (final) and 5 (early)" in found.refused[0].found


def arco(hours: int = 48) -> xr.Dataset:
    """The layout of the analysis-ready store: long names, levels in hPa without a unit, and a time
    axis that is laid out far ahead of what is written."""
    values = np.full((hours, 3, 4), np.nan, "float32")
    written = hours // 2
    rng = np.random.default_rng(2)
    values[:written] = 280 + rng.normal(size=(written, 3, 4))
    rain = np.full_like(values, np.nan)
    rain[:written] = 1e-4 * rng.random((written, 3, 4))
    levels = np.full((hours, 2, 3, 4), np.nan, "float32")
    levels[:written] = 9.8 * (1000 + rng.normal(size=(written, 2, 3, 4)))
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {
            "2m_temperature": (dims, values, {"units": "K"}),
            "total_precipitation": (dims, rain, {"units": "m"}),
            "geopotential": (("time", "level", *dims[1:]), levels, {"units": "m**2 s**-2"}),
        },
        coords={
            "time": pd.date_range("2019-12-31", periods=hours, freq="h"),
            "level": [500, 850],
            "latitude": ("latitude", [50.5, 50.25, 50.0], {"units": "degrees_north"}),
            "longitude": ("longitude", [0.0, 0.25, 0.5, 0.75], {"units": "degrees_east"}),
        },
        attrs={"valid_time_start": "2019-12-31", "valid_time_stop": "2019-12-31"},
    )


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("web", [False, True])
def test_the_analysis_ready_store(tmp_path: Path, form: int, web: bool) -> None:
    folder = tmp_path / "ar"
    made = arco().chunk(time=1)
    made.to_zarr(folder / "full_37-1h.zarr-v3", zarr_format=form, consolidated=True)  # type: ignore[call-overload]
    with HttpArchive(folder, index=False) as server:
        location = f"{server.url}/full_37-1h.zarr-v3" if web else str(folder / "full_37-1h.zarr-v3")
        archive = open_archive(location, cache=tmp_path / "cache")
        (entry,) = Era5().search(archive).entries
        assert entry.facets["format"] == "zarr"
        opened = Era5().open(archive, entry)
        assert opened.sizes["time"] == 24, "what is laid out ahead is not data"
        if web:
            read = server.sent("/full_37-1h.zarr-v3/2m_temperature/0.0.0")
            assert read == server.sent("/full_37-1h.zarr-v3/2m_temperature/c/0/0/0") == 0
        normal, inspection = normalise(opened, vocabulary=entry.vocabulary, key=entry.key)
        assert normal is not None, [str(finding) for finding in inspection]
        assert set(normal.data_vars) == {"tas", "pr", "zg"}
        assert list(normal["plev"].values) == [85000.0, 50000.0]
        wanted = made["total_precipitation"].isel(latitude=2, longitude=1, time=slice(1, 24))
        np.testing.assert_allclose(
            normal["pr"].sel(lat=50.0, lon=0.25)[:-1], wanted * 1000 / 3600, rtol=1e-5
        )


def message(**keys: object) -> int:
    handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib1")
    values = np.asarray(keys.pop("values"), float)
    grid = {
        "Ni": 3, "Nj": 2, "latitudeOfFirstGridPointInDegrees": 50.25,
        "longitudeOfFirstGridPointInDegrees": 0.0, "latitudeOfLastGridPointInDegrees": 50.0,
        "longitudeOfLastGridPointInDegrees": 0.5, "iDirectionIncrementInDegrees": 0.25,
        "jDirectionIncrementInDegrees": 0.25, "jScansPositively": 0, "bitsPerValue": 24,
    }  # fmt: skip
    for name, value in {**grid, **keys}.items():
        eccodes.codes_set(handle, name, value)
    eccodes.codes_set_values(handle, values)
    return handle


def write_grib(path: Path, messages: list[int]) -> None:
    with path.open("wb") as file:
        for handle in messages:
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)


def test_a_grib_file_of_several_grids_and_steps(tmp_path: Path) -> None:
    """Analyses on levels, and rain of a forecast with steps: two hypercubes, two datasets."""
    messages = [
        message(paramId=130, level=level, typeOfLevel="isobaricInhPa", dataDate=20200101,
                dataTime=hour * 100, values=280 + level / 100 + hour + np.arange(6))
        for level in (500, 850)
        for hour in (0, 1)
    ]  # fmt: skip
    rain = {(start, step): 1e-3 * (start + step) for start in (6, 18) for step in range(1, 13)}
    messages += [
        message(paramId=228, typeOfLevel="surface", dataDate=20200101, dataTime=start * 100,
                stepRange=str(step), values=amount + np.zeros(6))
        for (start, step), amount in rain.items()
    ]  # fmt: skip
    write_grib(tmp_path / "mixed.grib", messages)
    archive = open_archive(str(tmp_path))
    entries = Era5().search(archive).entries
    assert len(entries) == 2
    assert len({entry.key for entry in entries}) == 2
    by_variable = {entry.facets["variable"]: entry for entry in entries}
    levels = Era5().open(archive, by_variable["t"])
    assert levels["t"].shape == (2, 2, 2, 3)
    opened = Era5().open(archive, by_variable["tp"])
    # One axis of valid times out of (start, step).
    series = opened["tp"].isel(latitude=0, longitude=0).to_series()
    for (start, step), amount in rain.items():
        when = pd.Timestamp("2020-01-01") + pd.Timedelta(hours=start + step)
        assert series[when] == pytest.approx(amount, rel=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["mixed.grib"], "no index beside the data"


def test_files_of_others_are_refused_by_name(tmp_path: Path) -> None:
    hourly({"t2m": ("K", WARM)}).to_netcdf(tmp_path / "era5.nc")
    other = hourly({"tas": ("K", WARM)}, time="time")
    other.attrs = {}
    other.to_netcdf(tmp_path / "other.nc")
    archive = open_archive(str(tmp_path))
    found = Era5().search(archive)
    assert [entry.key for entry in found.entries] == ["era5"]
    assert [finding.file for finding in found.refused] == ["other.nc"]
    assert found.files == len(archive.find())


def test_a_missing_part_of_a_group_of_grib_files_is_named(tmp_path: Path) -> None:
    both = [
        lambda day: message(paramId=130, level=500, typeOfLevel="isobaricInhPa",
                            dataDate=20200100 + day, values=280 + np.arange(6)),
        lambda day: message(paramId=167, typeOfLevel="surface", dataDate=20200100 + day,
                            values=290 + np.arange(6)),
    ]  # fmt: skip
    write_grib(tmp_path / "a_20200101.grib", [make(1) for make in both])
    write_grib(tmp_path / "a_20200102.grib", [both[0](2)])
    archive = open_archive(str(tmp_path))
    entries = Era5().search(archive).entries
    assert len(entries) == 2
    with pytest.raises(InvalidData, match=r"a_20200102\.grib"):
        Era5().open(archive, entries[1])


def test_the_vocabularies_hold_both_names_of_each_variable() -> None:
    for vocabulary in ("era5", "era5_land", "era5_ensemble", "era5_monthly"):
        for short, long in (("t2m", "2m_temperature"), ("tp", "total_precipitation"),
                            ("ssrd", "surface_solar_radiation_downwards")):  # fmt: skip
            one, other = lookup(vocabulary, short), lookup(vocabulary, long)
            assert one is not None
            assert other is not None
            assert (one.name, one.accumulated, one.sign) == (
                other.name, other.accumulated, other.sign,
            )  # fmt: skip
    accumulated = {name for name, row in rows("era5").items() if row.accumulated == "3600"}
    assert {"tp", "ssrd", "strd", "e", "pev", "ro", "sf"} <= accumulated
    for vocabulary, kind in (
        ("era5_land", "forecast"), ("era5_ensemble", "10800"), ("era5_monthly", "86400"),
    ):  # fmt: skip
        table = rows(vocabulary)
        assert {name for name, row in table.items() if row.accumulated} == accumulated
        assert {row.accumulated for row in table.values()} == {"", kind}
