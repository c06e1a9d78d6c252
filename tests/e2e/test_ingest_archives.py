"""Whole ingests from archives on the network that fail as they do: the artifact is the folder's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cmip6_tree import write_tree
from support.http_archive import Content, Drop, HttpArchive, Status, Truncate

from catena.data_ingest import jobs, queries
from catena.data_ingest.storage import open_datasets, read_ingest
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.testing import run_job

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    served = tmp_path / "served"
    served.mkdir()
    write_tree(served)
    return served


@pytest.fixture
def server(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpArchive]:
    with HttpArchive(folder) as running:
        monkeypatch.setenv("CATENA_ARCHIVES", f"{running.url},{folder}")
        monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
        yield running


def ingest(tmp_path: Path, location: str, name: str, mode: str = "copy") -> Artifact:
    store = ArtifactStore(f"file://{tmp_path}/{name}")
    query = queries.IngestDatasetQuery.from_plain(
        {"source": "cmip6", "location": location, "mode": mode, "as_of": "2026-01-31"}
    )
    return store.open(run_job(jobs.ingest_dataset, query, store))


def content(artifact: Artifact) -> dict[str, Any]:
    return {row["key"]: data.load() for row, data in open_datasets(artifact)}


def thredds(server: HttpArchive) -> str:
    return f"{server.url}/thredds/catalog/catalog.xml"


@pytest.mark.parametrize("mode", ["copy", "reference"])
def test_an_unsteady_server_gives_what_the_folder_gives(
    folder: Path, server: HttpArchive, tmp_path: Path, mode: str
) -> None:
    wanted = content(ingest(tmp_path, str(folder), "from-folder"))
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.nc"))]
    noise = Content(bytes((folder / paths[-1]).stat().st_size))
    faults = (Drop(2000), Status(503, retry_after=0), Truncate(500), noise)
    for path, fault in zip(paths, faults, strict=True):
        server.fail(f"/thredds/fileServer/{path}", fault)
    artifact = ingest(tmp_path, thredds(server), f"from-server-{mode}", mode)
    assert {row["mode"] for row in read_ingest(artifact)["datasets"]} == {mode}
    found = content(artifact)
    assert set(found) == set(wanted)
    for key, data in wanted.items():
        for name in data.variables:
            np.testing.assert_array_equal(found[key][name].values, data[name].values)


def test_a_file_that_is_always_wrong_is_refused_by_name_and_the_rest_goes_on(
    folder: Path, server: HttpArchive, tmp_path: Path
) -> None:
    bad = next(path for path in sorted(folder.rglob("*.nc")) if "MIROC6_hist" in path.name)
    server.always(f"/thredds/fileServer/{bad.relative_to(folder).as_posix()}", Content(b"noise"))
    said = read_ingest(ingest(tmp_path, thredds(server), "wrong"))
    assert [row["facets"]["source_id"] for row in said["datasets"]] == ["CanESM5"]
    refused = [row for row in said["files"] if row["outcome"] == "refused"]
    assert any(bad.name in reason for row in refused for reason in row["refused"])
    cached = [path for path in (tmp_path / "home").rglob("*") if path.name == bad.name]
    assert not cached, "nothing wrong lies under its final name"
