"""What was asked for is cut out exactly: variables, days, places; what cannot be cut is said."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from catena.data_ingest.ingest import Reading, read_entry
from catena.data_ingest.sources.base import ArchiveFile, Entry
from catena.data_ingest.vocabulary import Region, Selection
from catena.shared.checks import Finding, apply
from catena.shared.errors import InvalidRequest
from catena.shared.query import Query

EVERYWHERE = {"south": -90.0, "north": 90.0, "west": -180.0, "east": 180.0}
LAT = ("lat", np.arange(-75.0, 90, 30), {"units": "degrees_north"})
LON = ("lon", np.arange(0.0, 360, 30), {"units": "degrees_east"})


class Given:
    """A source of one dataset."""

    name = "given"

    def __init__(self, dataset: xr.Dataset) -> None:
        self.dataset = dataset

    def open(self, archive: object, entry: Entry) -> xr.Dataset:
        return self.dataset


def read(data: xr.Dataset, vocabulary: str = "cmip6", **selection: Any) -> Reading:
    if "region" in selection:
        selection["region"] = Region(**{**EVERYWHERE, **selection["region"]})
    entry = Entry("one", (ArchiveFile("a/one.nc", 1000),), vocabulary)
    return read_entry(Given(data), None, entry, Selection(**selection))  # type: ignore[arg-type]


def cut(data: xr.Dataset, vocabulary: str = "cmip6", **selection: Any) -> xr.Dataset:
    dataset = read(data, vocabulary, **selection).dataset
    assert dataset is not None
    return dataset


def said(reading: Reading) -> list[Finding]:
    return [finding for finding in reading.inspection if finding.check == "selection"]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(280, 5, shape).astype(np.float32)


def temperature(dims: tuple[str, ...], coords: dict[str, Any]) -> xr.Dataset:
    """Noise on these dimensions."""
    sizes = xr.Dataset(coords=coords).sizes
    values = noise(*(sizes[dim] for dim in dims))
    return xr.Dataset({"tas": (dims, values, {"units": "K"})}, coords=coords)


def days(count: int = 30) -> pd.DatetimeIndex:
    return pd.date_range("2001-01-01", periods=count)


GRID = temperature(("time", "lat", "lon"), {"time": days(), "lat": LAT, "lon": LON})


# ---- places ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("west", "east"), [(-180, 180), (0, 360), (-10, 350), (-180, 360)])
def test_a_box_all_around_cuts_no_longitude(west: float, east: float) -> None:
    found = cut(GRID, region={"south": 0, "west": west, "east": east})
    xr.testing.assert_identical(found["lon"], cut(GRID)["lon"])
    assert list(found["lat"].values) == [15, 45, 75]


@pytest.mark.parametrize(("west", "east"), [(360, 0), (180, -180), (20, 20)])
def test_a_box_without_a_width_is_refused(west: float, east: float) -> None:
    class Request(Query):
        region: Region

    with pytest.raises(InvalidRequest, match=f"got {west} to {east}.*two longitudes"):
        Request.from_plain({"region": {"south": 0, "north": 1, "west": west, "east": east}})


def test_a_box_up_to_180_degrees_is_no_box_all_around() -> None:
    assert set(cut(GRID, region={"west": 100, "east": 180})["lon"].values) == {-180, 120, 150}


SITE = temperature(("time",), {"time": days(), "lat": 38.7, "lon": 267.8})


def test_a_site_inside_of_the_region_is_kept_and_one_outside_refused() -> None:
    inside = read(SITE, region={"south": 30, "north": 40, "west": -100, "east": -80})
    assert inside.dataset is not None and inside.dataset.sizes["time"] == 30
    assert not said(inside)
    for box in ({"south": 40}, {"west": 0, "east": 100}):
        reading = read(SITE, region=box)
        assert reading.dataset is None
        [finding] = said(reading)
        assert finding.action == "refused"
        assert "38.7 N" in finding.found and "-92.2 E" in finding.found


def curvilinear() -> xr.Dataset:
    """A grid whose columns go around a pole at 60 N, 30 E, from 40 degrees off to 4."""
    angle, radius = np.meshgrid(np.arange(0, 360, 10.0), np.linspace(40, 4, 10))
    lat = 60 + radius * np.cos(np.radians(angle)) * 0.7
    lon = 30 + radius * np.sin(np.radians(angle)) * 2
    coords = {"time": days(), "lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}
    return temperature(("time", "y", "x"), coords)


def test_a_curvilinear_grid_is_cut_to_rows_and_columns_and_the_rest_is_said() -> None:
    data = curvilinear()
    box = {"south": 60, "north": 80, "west": 40, "east": 80}
    inside = (
        (data["lat"] >= 60) & (data["lat"] <= 80) & (data["lon"] >= 40) & (data["lon"] <= 80)
    ).values
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert rows.size < 10 and columns.size < 36
    reading = read(data, region=box)
    assert reading.dataset is not None
    xr.testing.assert_equal(reading.dataset["tas"], cut(data)["tas"].isel(y=rows, x=columns))
    [finding] = said(reading)
    beyond = rows.size * columns.size - inside.sum()
    assert beyond > 0 and f"{beyond} of them lie outside" in finding.why
    assert f"{inside.sum()} places inside" in finding.why and finding.action == "noted"
    xr.testing.assert_identical(apply(data, reading.fixes), reading.dataset)


def test_a_region_across_the_seam_of_a_grid_keeps_both_ends() -> None:
    """Columns 0 and 35 are neighbours around the pole."""
    data = curvilinear()
    found = cut(data, region={"south": 70, "west": 0, "east": 80})
    inside = ((data["lat"] >= 70) & (data["lon"] >= 0) & (data["lon"] <= 80)).values
    columns = np.flatnonzero(inside.any(axis=0))
    assert {0, 35} < set(columns) and columns.size < 12
    wanted = cut(data)["tas"].isel(y=inside.any(axis=1), x=columns)
    xr.testing.assert_equal(found["tas"], wanted)


def test_a_curvilinear_grid_with_nothing_inside_is_refused() -> None:
    # Both ranges are met, though never at one place.
    reading = read(curvilinear(), region={"south": 86, "west": 60, "east": 100})
    assert reading.dataset is None
    [finding] = said(reading)
    assert finding.action == "refused" and "360 places" in finding.found


def test_data_without_a_place_are_kept_and_it_is_said() -> None:
    nowhere = SITE.drop_vars(["lat", "lon"])
    [finding] = said(read(nowhere, region={"west": 0, "east": 20}))
    assert finding.action == "noted" and "lat, lon" in finding.found
    assert "not applied" in finding.why
    unknown = SITE.assign_coords(lat=np.nan, lon=np.nan)
    assert [finding.why for finding in said(read(unknown, region={"west": 0, "east": 20}))] == [
        finding.why
    ]


def test_a_zonal_mean_is_cut_in_latitude_alone_and_it_is_said() -> None:
    zonal = GRID.mean("lon", keep_attrs=True)
    reading = read(zonal, region={"south": 0, "west": 0, "east": 20})
    assert reading.dataset is not None
    assert list(reading.dataset["lat"].values) == [15, 45, 75]
    assert {finding.dimension for finding in said(reading)} == {"lat", ""}
    assert "no lon" in next(f.found for f in said(reading) if not f.dimension)
    # All around the longitude does not matter.
    assert len(said(read(zonal, region={"south": 0, "west": 0, "east": 360}))) == 1


# ---- variables ---------------------------------------------------------------------------------


def test_a_variable_that_is_not_there_is_said() -> None:
    reading = read(GRID, variables=("tas", "pr", "huss"))
    assert reading.dataset is not None and "tas" in reading.dataset
    [finding] = said(reading)
    assert (finding.action, finding.found, finding.wanted) == ("noted", "tas", "pr, huss too")


# ---- days --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "kept"), [("2001-06-30", True), ("2001-05-31", False)])
def test_a_single_time_is_kept_or_refused(end: str, kept: bool) -> None:
    moment = GRID.isel(time=0, drop=True).assign_coords(time=pd.Timestamp("2001-06-15"))
    reading = read(moment, start="2001-01-01", end=end)
    assert (reading.dataset is not None) is kept
    assert [finding.action for finding in said(reading)] == ([] if kept else ["refused"])


def test_data_without_a_time_are_kept_and_it_is_said() -> None:
    fixed = GRID.isel(time=0, drop=True)
    [finding] = said(read(fixed, start="2001-01-01"))
    assert finding.action == "noted" and "no time" in finding.found
    assert "not applied" in finding.why


def test_forecasts_are_cut_by_the_days_on_which_they_were_issued() -> None:
    lead = pd.to_timedelta([6, 12, 18, 24], unit="h")
    data = temperature(
        ("forecast_reference_time", "leadtime", "lat", "lon"),
        {"forecast_reference_time": days(), "leadtime": lead, "lat": LAT, "lon": LON},
    ).rename(tas="t2m")
    found = cut(data, "forecast", start="2001-01-05", end="2001-01-07")
    issued = found["forecast_reference_time"].values
    assert [str(value)[:10] for value in issued] == ["2001-01-05", "2001-01-06", "2001-01-07"]


def hourly(name: str, units: str, first: str, count: int = 240, **attributes: str) -> xr.Dataset:
    time = pd.date_range(first, periods=count, freq="h")
    values = np.random.default_rng(1).uniform(1e-6, 1e-5, (count, 6, 12)).astype(np.float32)
    array = (("time", "lat", "lon"), values, {"units": units, **attributes})
    return xr.Dataset({name: array}, coords={"time": time, "lat": LAT, "lon": LON})


def ends_of_hours() -> xr.Dataset:
    """Whole days of hourly rain, labelled at the ends of the hours: 01 to 24 o'clock."""
    return hourly("pr", "kg m-2 s-1", "2001-01-01T01:00", cell_methods="time: mean")


def starts_of_hours() -> xr.Dataset:
    """As ERA5-Land begins: at 01 o'clock, with labels of starts, ended in the middle of a day."""
    return hourly("pr", "kg m-2 s-1", "2001-01-01T01:00", 251, cell_methods="time: mean")


def with_bounds(data: xr.Dataset, edges: Any, position: float) -> xr.Dataset:
    """Stamps somewhere between the bounds."""
    low, high = edges[:-1].values, edges[1:].values
    data = data.assign_coords(
        time=low + (high - low) * position, time_bnds=(("time", "bnds"), np.stack([low, high], 1))
    )
    data["time"].attrs["bounds"] = "time_bnds"
    return data


def ends_of_days() -> xr.Dataset:
    return with_bounds(GRID.isel(time=slice(0, 29)), days(), 1.0)


def middles_of_days() -> xr.Dataset:
    return GRID.assign_coords(time=days() + pd.Timedelta("12h"))


def middles_of_months() -> xr.Dataset:
    edges = pd.date_range("2001-01-01", periods=31, freq="MS")
    return with_bounds(GRID, edges, 0.5)


def ends_of_months() -> xr.Dataset:
    edges = pd.date_range("2001-01-01", periods=31, freq="MS")
    return with_bounds(GRID, edges, 1.0)


def since_midnight(*names: str) -> xr.Dataset:
    """ERA5-Land: rain since 00 UTC in m, up to each stamp; temperature at the stamps."""
    data = hourly("tp", "m", "2001-01-01T01:00")
    total = data["tp"].values.reshape(10, 24, 6, 12).cumsum(axis=1).reshape(240, 6, 12)
    data["tp"] = (("time", "lat", "lon"), total, {"units": "m"})
    data["t2m"] = (("time", "lat", "lon"), noise(240, 6, 12), {"units": "K"})
    return data[list(names)].chunk(time=24)


CASES = {
    "days": (GRID, "cmip6"),
    "middles of days": (middles_of_days(), "cmip6"),
    "ends of days": (ends_of_days(), "cmip6"),
    "ends of hours": (ends_of_hours(), "cmip6"),
    "starts of hours": (starts_of_hours(), "cmip6"),
    "middles of months": (middles_of_months(), "cmip6"),
    "ends of months": (ends_of_months(), "cmip6"),
    "amounts since midnight": (since_midnight("tp"), "era5_land"),
    "amounts and instants": (since_midnight("tp", "t2m"), "era5_land"),
}
PERIODS = [
    ("2001-01-03", "2001-01-05"),
    ("2001-01-04", "2001-01-04"),
    ("", "2001-01-02"),
    ("2001-01-08", ""),
    ("2001-02-01", "2001-05-31"),
    ("2001-03-01", "2001-03-31"),
]


@pytest.mark.parametrize(("start", "end"), PERIODS)
@pytest.mark.parametrize("case", CASES)
def test_a_period_is_what_selecting_from_the_whole_gives(case: str, start: str, end: str) -> None:
    """By the start of each step, whatever the archive's stamps mean, and with every value."""
    data, vocabulary = CASES[case]
    whole = cut(data, vocabulary)
    wanted = whole.sel(time=slice(start or None, end or None))
    reading = read(data, vocabulary, start=start, end=end)
    if not wanted.sizes["time"]:
        assert reading.dataset is None
        return
    assert reading.dataset is not None
    xr.testing.assert_equal(reading.dataset, wanted)
    xr.testing.assert_identical(apply(data, reading.fixes).load(), reading.dataset.load())
    findings = said(reading)
    assert 1 <= len(findings) <= 2
    assert all(finding.action == "noted" and finding.dimension == "time" for finding in findings)
    assert findings[-1].why == "cut to what was asked for"


def counted(data: xr.Dataset, block: int) -> tuple[xr.Dataset, list[int]]:
    """The same data; the list gets the first step of every block that is read."""
    seen: list[int] = []

    def note(values: np.ndarray, block_info: Any = None) -> np.ndarray:
        seen.append(block_info[0]["array-location"][0][0])
        return values

    lazy = {
        name: array.copy(data=da.from_array(array.values, chunks=(block, -1, -1)).map_blocks(
            note, dtype=array.dtype, meta=np.empty((0, 0, 0), array.dtype)))
        for name, array in data.data_vars.items()
    }  # fmt: skip
    return data.assign(lazy), seen


def test_nothing_but_a_day_around_the_period_is_read_for_amounts() -> None:
    # The first stamp of the archive is at 01 o'clock: the days that are wanted are steps 95 to 142.
    data, seen = counted(since_midnight("tp", "t2m"), 8)
    cut(data, "era5_land", start="2001-01-05", end="2001-01-06").load()
    assert {88, 136} <= set(seen) <= set(range(64, 168, 8))
    # Those days are not read for a variable that is left out.
    data, seen = counted(since_midnight("tp", "t2m"), 24)
    cut(data, "era5_land", start="2001-01-05", end="2001-01-06", variables=("tas",)).load()
    assert set(seen) == {72, 96, 120}


def test_plain_values_are_looked_at_once() -> None:
    data, seen = counted(middles_of_days(), 5)
    read(data, start="2001-01-06", end="2001-01-15")
    assert sorted(seen) == [5, 10]


def test_one_day_of_amounts_has_the_length_of_a_day() -> None:
    """A single stamp does not say of how long its amount is; those beside it do."""
    attributes = {"units": "kg m-2", "cell_methods": "time: sum"}
    data = middles_of_days().rename(tas="pr")
    data["pr"] = (data["pr"] / 100).assign_attrs(attributes)
    found = cut(data, start="2001-01-10", end="2001-01-10")
    np.testing.assert_allclose(found["pr"][0], np.roll(data["pr"][9], 6, 1) / 86400, rtol=1e-6)
    assert found["time_bnds"].values.astype("datetime64[D]").astype(str).tolist() == [
        ["2001-01-10", "2001-01-11"]
    ]
