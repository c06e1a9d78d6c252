"""Reading one dataset: opened, cut to what was asked for, checked; and the tables about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from catena.data_ingest import summary
from catena.data_ingest.ingest import check_size, read_entry
from catena.data_ingest.sources.base import ArchiveFile, Entry, Found
from catena.data_ingest.vocabulary import Region, Selection
from catena.shared.checks import Finding, apply
from catena.shared.errors import InvalidData, InvalidRequest, NotFound, Unavailable


class Fake:
    """A source with one dataset."""

    name = "fake"

    def __init__(self, made: Any) -> None:
        self.made = made

    def open(self, archive: object, entry: Entry) -> xr.Dataset:
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


def entry(**changes: Any) -> Entry:
    given: dict[str, Any] = {
        "key": "one",
        "files": (ArchiveFile("a/one.nc", 1000),),
        "vocabulary": "cmip6",
        "facets": {"source_id": "X"},
    }
    return Entry(**given | changes)


def fields() -> xr.Dataset:
    """A year of daily fields on a grid that begins at Greenwich, as models give them."""
    time = pd.date_range("2001-01-01", periods=365)
    lat, lon = np.arange(-75.0, 90, 30), np.arange(0.0, 360, 30)
    values = np.arange(365 * lat.size * lon.size, dtype=np.float32)
    values = 250 + 50 * (values % 997) / 997
    return xr.Dataset(
        {
            name: (
                ("time", "lat", "lon"),
                values.reshape(365, lat.size, lon.size),
                {"units": "K", "cell_methods": "time: mean"},
            )
            for name in ("tas", "tasmax")
        },
        coords={
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    ).chunk({"time": 50})


ALL = Selection()


def read(data: Any, selection: Selection = ALL, **changes: Any) -> Any:
    return read_entry(Fake(data), None, entry(**changes), selection)


def test_without_a_selection_all_is_read() -> None:
    reading = read(fields())
    assert reading.dataset.sizes["time"] == 365
    assert not [finding for finding in reading.inspection if finding.check == "selection"]


def test_the_cut_is_what_selecting_by_hand_gives() -> None:
    data = fields()
    selection = Selection(
        variables=("tas",),
        start="2001-02-03",
        end="2001-03-04",
        region=Region(south=-20, north=50, west=-70, east=40),
    )
    cut = read(data, selection).dataset
    whole = read(data).dataset
    wanted = whole[["tas"]].sel(
        time=slice("2001-02-03", "2001-03-04"), lat=slice(-20, 50), lon=slice(-70, 40)
    )
    xr.testing.assert_equal(cut["tas"], wanted["tas"])
    assert "tasmax" not in cut


def test_a_region_may_cross_180_degrees() -> None:
    cut = read(fields(), Selection(region=Region(south=-90, north=90, west=140, east=-140))).dataset
    assert set(cut["lon"].values) == {-180.0, -150.0, 150.0}
    degrees_east = read(
        fields(), Selection(region=Region(south=-90, north=90, west=140, east=220))
    ).dataset
    xr.testing.assert_equal(cut, degrees_east)


def test_sites_are_cut_by_place() -> None:
    data = xr.Dataset(
        {"tas": (("site", "time"), np.full((3, 10), 280.0) + np.arange(10.0), {"units": "K"})},
        coords={
            "time": pd.date_range("2001-01-01", periods=10),
            "site": ["A", "B", "C"],
            "lat": ("site", [10.0, 45.0, 50.0]),
            "lon": ("site", [10.0, -90.0, 5.0]),
        },
    )
    cut = read(data, Selection(region=Region(south=40, north=60, west=0, east=20))).dataset
    assert list(cut["site"].values) == ["C"]


def test_nothing_outside_the_cut_is_read() -> None:
    """An archive of terabytes is cut to a box before any value is looked at."""
    import dask.array as da

    seen: list[int] = []

    def block(block_info: Any = None) -> np.ndarray:
        start = block_info[None]["array-location"][0][0]
        seen.append(start)
        return np.random.default_rng(start).normal(280, 5, (50, 6, 12)).astype(np.float32)

    data = fields().isel(time=slice(0, 350))
    lazy = da.map_blocks(block, chunks=((50,) * 7, (6,), (12,)), dtype=np.float32)
    data = data[["tas"]].assign(tas=data["tas"].copy(data=lazy))
    seen.clear()
    read(data, Selection(start="2001-04-15", end="2001-04-30")).dataset.load()
    assert set(seen) == {100}


@pytest.mark.parametrize(
    ("selection", "dimension"),
    [
        (Selection(start="2050-01-01"), "time"),
        (Selection(variables=("pr",)), ""),
        (Selection(region=Region(south=80, north=81, west=0, east=360 - 1)), "lat"),
    ],
)
def test_a_dataset_with_nothing_of_it_is_refused_by_name(
    selection: Selection, dimension: str
) -> None:
    reading = read(fields(), selection)
    assert reading.dataset is None
    [finding] = reading.inspection.of("refused")
    assert (finding.check, finding.dimension) == ("selection", dimension)
    assert finding.found and finding.wanted and finding.file == "a/one.nc"


def test_fixes_turn_the_files_into_what_was_read() -> None:
    """They are stored with a reference and applied to the files as they are."""
    data = fields()
    selection = Selection(region=Region(south=-90, north=90, west=140, east=-140), end="2001-06-30")
    reading = read(data, selection)
    xr.testing.assert_identical(apply(data, reading.fixes), reading.dataset)


@pytest.mark.parametrize("error", [InvalidData("file a/one.nc is cut short"), NotFound("gone")])
def test_files_that_cannot_be_read_are_refused(error: Exception) -> None:
    reading = read(error)
    assert reading.dataset is None and reading.inspection.refused
    assert str(error) in str(reading.inspection.findings[0])


def test_a_network_that_fails_is_no_finding() -> None:
    with pytest.raises(Unavailable):
        read(Unavailable("no answer"))


def test_a_limit_is_kept() -> None:
    check_size(Found((entry(),)), 1000)
    with pytest.raises(InvalidRequest, match="1000 bytes, wanted at most 999"):
        check_size(Found((entry(),)), 999)
    with pytest.raises(InvalidRequest, match="does not say"):
        check_size(Found((entry(files=(ArchiveFile("x"),)),)), 999)
    with pytest.raises(NotFound, match="nothing that matches"):
        check_size(Found(()), 0)


# ---------------------------------------------------------------- tables


def test_a_row_says_what_a_catalog_needs() -> None:
    reading = read(fields())
    row = summary.dataset_row(
        reading.entry, reading.dataset, reading.inspection, name="data/one.zarr", mode="copy"
    )
    assert (row["start"], row["end"]) == ("2001-01-01T00:00:00", "2001-12-31T00:00:00")
    assert (row["frequency"], row["calendar"], row["bytes"]) == ("day", "proleptic_gregorian", 1000)
    assert row["box"] == [-75.0, 75.0, -180.0, 150.0]
    assert [one["name"] for one in row["variables"]] == ["tas", "tasmax"]
    assert any(item["check"] == "longitude" for item in row["findings"])


@pytest.mark.parametrize(
    ("freq", "word"),
    [("h", "1hr"), ("3h", "3hr"), ("D", "day"), ("MS", "mon"), ("YS", "yr"), ("30min", "30min")],
)
def test_frequencies_have_cmips_names(freq: str, word: str) -> None:
    time = pd.date_range("2001-01-01", periods=20, freq=freq)
    assert summary.frequency(xr.Dataset(coords={"time": time})) == word
    noleap = xr.date_range("2001-01-01", periods=20, freq=freq, calendar="noleap", use_cftime=True)
    assert summary.frequency(xr.Dataset(coords={"time": noleap})) == word


def test_an_irregular_axis_has_no_frequency_and_a_map_has_fx() -> None:
    time = pd.to_datetime(
        ["2001-01-01", "2001-01-02", "2001-01-09", "2001-01-10T07"], format="ISO8601"
    )
    assert summary.frequency(xr.Dataset(coords={"time": time})) == ""
    assert summary.frequency(xr.Dataset()) == "fx"


def test_a_finding_about_one_file_is_not_told_of_the_others() -> None:
    two = entry(files=(ArchiveFile("a.nc", 1), ArchiveFile("b.nc", 1)))
    findings = [
        Finding("readable", "refused", "noise", "numbers", file="a.nc"),
        Finding("units", "converted", "mm", "m", variable="pr"),
    ]
    first, second = summary.file_rows(two, findings, ingested=True)
    assert (first["outcome"], second["outcome"]) == ("refused", "ingested")
    assert first["converted"] == second["converted"] == ["units of pr: mm -> m"]
    assert second["refused"] == []


def test_totals_count_files_and_findings() -> None:
    converted = Finding("units", "converted", "mm", "m", variable="pr").to_dict()
    refused = Finding("range", "refused", "900 K", "K", variable="tas").to_dict()
    row = {"key": "one", "findings": [converted, refused]}
    gone = summary.refused_row(Finding("layout", "refused", "text", "data", file="README"))
    kept = {"file": "a.nc", "dataset": "one", "outcome": "ingested", "converted": [], "refused": []}
    ingest = {"source": "s", "datasets": [row], "files": [gone, kept]}
    assert summary.counts(ingest) == {
        "files": 2,
        "ingested": 1,
        "refused": 1,
        "datasets": 1,
        "converted": 1,
        "noted": 0,
    }
    assert summary.conversions([ingest]) == [("s", "units of pr: mm -> m", 1)]
    assert {where for _, where, _ in summary.refusals([ingest])} == {"README", "one"}
