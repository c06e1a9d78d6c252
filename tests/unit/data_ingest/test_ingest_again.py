"""Reading a dataset once more: what was found holds as long as the archive is the same."""

from __future__ import annotations

import json
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.ingest import Reading, read_entry
from catena.data_ingest.sources.base import ArchiveFile, Entry
from catena.data_ingest.vocabulary import Region, Selection


class Counting:
    """A source of one dataset in degrees Celsius, which counts the blocks that are read."""

    name = "counting"

    def __init__(self) -> None:
        self.reads = 0
        self.year = 2001
        self.units = "degC"

    def open(self, archive: object, entry: Entry) -> xr.Dataset:
        def block(block_id: tuple[int, ...]) -> np.ndarray:
            self.reads += 1
            return np.random.default_rng(block_id[0]).normal(10, 3, (73, 6, 12)).astype("f4")

        values = da.map_blocks(block, dtype="f4", chunks=((73,) * 5, (6,), (12,)), meta=np.empty(0))
        return xr.Dataset(
            {"tas": (("time", "lat", "lon"), values, {"units": self.units})},
            coords={
                "time": xr.date_range(
                    f"{self.year}-01-01", periods=365, calendar="noleap", use_cftime=True
                ),
                "lat": ("lat", np.arange(75.0, -90, -30), {"units": "degrees_north"}),
                "lon": ("lon", np.arange(0.0, 360, 30), {"units": "degrees_east"}),
            },
        )


class Versions:
    """An archive that tells the version of its file, and is asked how often."""

    def __init__(self, version: str) -> None:
        self.told = version
        self.asked = 0

    def version(self, path: str) -> str:
        self.asked += 1
        return self.told


@pytest.fixture
def source() -> Counting:
    return Counting()


def read(
    source: Counting,
    known: dict[str, Any] | None = None,
    *,
    size: int = 1000,
    version: str = "1",
    **selection: Any,
) -> Reading:
    entry = Entry("one", (ArchiveFile("a/one.nc", size),), "cmip6", {"source_id": "X"})
    archive: Any = Versions(version)
    # So that this dataset, of 105,120 bytes, is a large one.
    return read_entry(source, archive, entry, Selection(**selection), known, large=100_000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "selection",
    [{}, {"start": "2001-03-01", "region": Region(south=-50, north=50, west=-70, east=70)}],
    ids=["all", "part"],
)
def test_what_was_found_holds_and_no_value_is_read(
    source: Counting, selection: dict[str, Any]
) -> None:
    first = read(source, **selection)
    assert source.reads > 0
    known = json.loads(json.dumps(first.checked))
    source.reads = 0
    again = read(source, known, **selection)
    assert source.reads == 0
    assert again.inspection == first.inspection and again.fixes == first.fixes
    assert {finding.check for finding in again.inspection} >= {"units"}
    assert again.checked == first.checked
    assert first.dataset is not None and again.dataset is not None
    xr.testing.assert_identical(again.dataset.load(), first.dataset.load())


@pytest.mark.parametrize("change", ["times", "attributes", "size", "version"])
def test_another_archive_is_looked_at_anew(source: Counting, change: str) -> None:
    known = read(source).checked
    source.reads = 0
    if change == "times":
        source.year = 2002
    elif change == "attributes":
        source.units = "K"
    size, version = 1001 if change == "size" else 1000, "2" if change == "version" else "1"
    again = read(source, known, size=size, version=version)
    assert source.reads > 0
    assert again.checked["mark"] != known["mark"]
    fresh = read(source, size=size, version=version)
    assert again.inspection == fresh.inspection


def test_an_archive_that_tells_no_version_is_looked_at_anew(source: Counting) -> None:
    first = read(source, version="")
    assert first.mark == ""
    source.reads = 0
    read(source, first.checked, version="")
    assert source.reads > 0


def test_versions_of_small_datasets_are_not_asked_for(source: Counting) -> None:
    archive: Any = Versions("1")
    entry = Entry("one", (ArchiveFile("a/one.nc", 1000),), "cmip6", {"source_id": "X"})
    reading = read_entry(source, archive, entry, Selection(), large=200_000)  # type: ignore[arg-type]
    assert (archive.asked, reading.mark) == (0, "")
