"""A file is replaced while its ingest is down: what comes out is of one file, never of two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.http_archive import HttpArchive, NoTag
from support.lazy_data import SMALL_PARTS

from catena.data_ingest import jobs
from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.data_ingest.storage import open_datasets
from catena.shared.artifacts import ArtifactStore, shards
from catena.shared.artifacts.parts import PartWriter
from catena.shared.artifacts.shards import Part
from catena.shared.testing import Killed, run_job

pytestmark = pytest.mark.slow

SHAPE = (200, 90, 144)  # 10 MB, two parts or more


def write(path: Path, level: float) -> None:
    """Daily temperature around `level`; files of two levels differ in nothing else."""
    values = np.random.default_rng(0).normal(level, 3, SHAPE).astype(np.float32)
    data = xr.Dataset(
        {"tas": (("time", "lat", "lon"), values, {"units": "K", "cell_methods": "time: mean"})},
        coords={
            "time": xr.date_range("2001-01-01", periods=SHAPE[0], unit="s"),
            "lat": ("lat", np.linspace(-89, 89, SHAPE[1]), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(0.0, 360, 2.5), {"units": "degrees_east"}),
        },
    )
    if path.suffix == ".zarr":
        data.to_zarr(path, mode="w", zarr_format=2, consolidated=True)
    else:
        engine = {"engine": "netcdf4"} if path.suffix == ".nc" else {"format": "NETCDF3_64BIT"}
        data.to_netcdf(path.with_suffix(".nc"), **engine)


NAMES = ["tas.nc", "tas.classic", "tas.zarr"]
"""Over HTTP, HDF5 and zarr are read in place; classic files are downloaded."""


class Death:
    """Switch that has the process killed before the second part of a copy is written."""

    def __init__(self) -> None:
        self.near = False
        self.written: list[str] = []

    def kill(self, run: Callable[[], object]) -> None:
        self.near = True
        with pytest.raises(Killed):
            run()
        assert len(self.written) == 1
        self.near = False


@pytest.fixture
def death(monkeypatch: pytest.MonkeyPatch) -> Death:
    made, write_part = Death(), PartWriter.write

    def dying(self: PartWriter, key: str, part: Part) -> object:
        if made.near and made.written:
            raise Killed
        made.written.append(part.label)
        return write_part(self, key, part)

    monkeypatch.setattr(PartWriter, "write", dying)
    for name, value in SMALL_PARTS.items():
        monkeypatch.setattr(shards, name, value)
    monkeypatch.setattr(jobs, "SHARD_BYTES", shards.SHARD_BYTES)
    return made


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., np.ndarray]:
    monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))

    def run(location: str) -> np.ndarray:
        monkeypatch.setenv("CATENA_ARCHIVES", location)
        query = IngestDatasetQuery.from_plain(
            {"source": "gridded", "location": location, "as_of": "2026-01-31"}
        )
        store = ArtifactStore(f"file://{tmp_path}/store")
        artifact = store.open(run_job(ingest_dataset, query, store))
        [(_, data)] = list(open_datasets(artifact))
        return data["tas"].mean(("lat", "lon")).values

    return run


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("tas.nc", "folder"),
        *((name, "http") for name in NAMES),
        ("tas.nc", "http without versions"),
        ("tas.classic", "http without versions"),
    ],
)
def test_a_file_that_is_replaced_is_copied_anew(
    name: str,
    place: str,
    http_archive: HttpArchive,
    archive_folder: Path,
    death: Death,
    run: Callable[[str], np.ndarray],
) -> None:
    write(archive_folder / name, 270)
    sizes = {path: path.stat().st_size for path in archive_folder.rglob("*") if path.is_file()}
    location = str(archive_folder) if place == "folder" else http_archive.url
    if place == "http without versions":
        for path in sizes:
            http_archive.always(f"/{path.relative_to(archive_folder)}", NoTag())
    death.kill(lambda: run(location))
    write(archive_folder / name, 290)
    if name != "tas.zarr":  # chunks are compressed
        assert all(path.stat().st_size == size for path, size in sizes.items())
    values = run(location)
    if (name, place) == ("tas.classic", "http without versions"):
        # Nothing tells that there is another one: the first download is used, for all of it.
        assert values.max() < 275
    else:
        assert values.min() > 285


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_stays_is_gone_on_with(
    name: str,
    http_archive: HttpArchive,
    archive_folder: Path,
    death: Death,
    run: Callable[[str], np.ndarray],
) -> None:
    write(archive_folder / name, 270)
    death.kill(lambda: run(http_archive.url))
    assert run(http_archive.url).max() < 275
    assert len(death.written) == len(set(death.written)) > 1, "no part twice"
