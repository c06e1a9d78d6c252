"""Data-ingest over gRPC: what the rpcs leave alone, and what they say of what is wrong.

What they do when all is well is in ``test_rpcs.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cmip6_tree import write_tree
from support.http_archive import HttpArchive, Status
from support.servers import Running

from catena.data_ingest.server import add_services
from catena.data_ingest.storage import open_datasets
from catena.shared.artifacts import ArtifactStore
from catena.shared.client import ServiceClient
from catena.shared.errors import InvalidRequest, JobFailed, NotFound, Unavailable
from catena.shared.testing import LocalJobs

DAY = "2026-01-31"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpArchive]:
    """Two models on a server that may be read, with a page of text and a broken file."""
    folder = tmp_path / "served"
    write_tree(folder)
    (folder / "README.md").write_text("read me")
    (folder / "odd.nc").write_bytes(b"no netCDF")
    with HttpArchive(folder) as server:
        monkeypatch.setenv("CATENA_ARCHIVES", server.url)
        monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
        yield server


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path}/store")


@pytest.fixture
def client(
    serve: Callable[..., Running], archive: HttpArchive, store: ArtifactStore, tmp_path: Path
) -> ServiceClient:
    return serve(
        add_services,
        service="data-ingest",
        jobs=LocalJobs,
        store=store.url,
        home=tmp_path / "home",
        patience_s=1.0,
    ).client()


def request(archive: HttpArchive, **changes: Any) -> dict[str, Any]:
    location = f"{archive.url}/thredds/catalog/catalog.xml"
    return {"source": "cmip6", "location": location, "as_of": DAY, **changes}


def plain(ref: Any) -> dict[str, str]:
    return {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}


def violations(call: Callable[[], Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        call()
    return {item.field: item.description for item in caught.value.violations}


@pytest.fixture
def dataset(client: ServiceClient, archive: HttpArchive) -> dict[str, str]:
    return plain(client.submit("IngestDataset", request(archive)).result())


@pytest.fixture
def catalog(client: ServiceClient, dataset: dict[str, str]) -> dict[str, str]:
    return plain(client.submit("WriteCatalog", {"datasets": [dataset]}).result())


# ---- what is only looked at --------------------------------------------------------------------


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_dry_run_downloads_and_writes_nothing(
    client: ServiceClient, archive: HttpArchive, tmp_path: Path
) -> None:
    found = client.call("DescribeDataset", {"request": request(archive)})
    assert (found.total_datasets, found.total_files) == (2, 6)
    assert {item.file: item.action for item in found.refused} == {
        "README.md": "refused",
        "odd.nc": "refused",
    }
    assert all(item.found and item.wanted for item in found.refused)
    assert files(tmp_path / "home") == files(tmp_path / "store") == []
    assert archive.folder is not None
    data = [path for path in archive.folder.rglob("*.nc") if path.name != "odd.nc"]
    assert found.total_bytes == sum(path.stat().st_size for path in data)


def test_what_is_only_validated_is_not_begun(
    client: ServiceClient, archive: HttpArchive, tmp_path: Path
) -> None:
    client.validate("IngestDataset", request(archive))
    assert archive.requests == []
    assert files(tmp_path / "store") == []
    weather = {"source": "generated_weather", "weather": {"sites": 1, "years": 1}}
    client.validate("IngestDataset", weather)
    assert files(tmp_path / "store") == []


def test_what_was_refused_is_told_of_an_artifact_too(
    client: ServiceClient, dataset: dict[str, str]
) -> None:
    found = client.call("DescribeDataset", {"dataset": dataset, "page_size": 1})
    assert (found.total_datasets, found.total_files, len(found.datasets)) == (2, 6, 1)
    rest = client.call("DescribeDataset", {"dataset": dataset, "page_token": found.next_page_token})
    keys = [item.key for page in (found, rest) for item in page.datasets]
    assert len(set(keys)) == 2 and rest.next_page_token == ""


# ---- catalogs ----------------------------------------------------------------------------------


def test_a_search_may_name_its_catalog(
    client: ServiceClient, archive: HttpArchive, catalog: dict[str, str]
) -> None:
    facets = [{"name": "source_id", "values": ["CanESM5"]}]
    selection = {"facets": facets}
    other = client.submit("IngestDataset", request(archive, selection=selection)).result()
    newest = client.submit("WriteCatalog", {"datasets": [plain(other)]}).result()
    totals = [
        client.call("SearchCatalog", {"catalog": ref} if ref else {}).total
        for ref in (catalog, plain(newest), None, catalog)
    ]
    assert totals[:2] == [2, 1] and totals[3] == 2
    assert totals[2] == 1, "the newest, where none is named"


def test_facets_narrow_each_other(client: ServiceClient, catalog: dict[str, str]) -> None:
    def total(**facets: list[str]) -> int:
        asked = [{"name": name, "values": values} for name, values in facets.items()]
        return int(client.call("SearchCatalog", {"facets": asked}).total)

    assert total(source_id=["?IROC*", "Can*"]) == 2
    assert total(source_id=["?IROC*"], variable=["tas"]) == 1
    assert total(source_id=["?IROC*"], experiment_id=["ssp*"]) == 0
    assert total(frequency=["da?"], source=["cmip6"], mode=["copy"]) == 2


@pytest.mark.parametrize(
    ("box", "total"),
    [
        ({"south": -10, "north": 10, "west": 170, "east": -170}, 2),
        ({"south": -10, "north": 10, "west": 350, "east": 10}, 2),
        ({"south": 61, "north": 62, "west": 0, "east": 10}, 0),
    ],
)
def test_regions(
    client: ServiceClient, catalog: dict[str, str], box: dict[str, float], total: int
) -> None:
    assert client.call("SearchCatalog", {"region": box}).total == total


def test_a_page_of_another_search_is_refused(
    client: ServiceClient, catalog: dict[str, str]
) -> None:
    token = client.call("SearchCatalog", {"page_size": 1}).next_page_token
    other = {"facets": [{"name": "variable", "values": ["tas"]}], "page_token": token}
    assert set(violations(lambda: client.call("SearchCatalog", other))) == {"page_token"}


def test_a_page_token_that_is_none_is_refused(
    client: ServiceClient, dataset: dict[str, str]
) -> None:
    asked = {"dataset": dataset, "page_token": "next"}
    told = violations(lambda: client.call("DescribeDataset", asked))
    assert set(told) == {"page_token"} and "next_page_token" in told["page_token"]


# ---- what is wrong is told at once -------------------------------------------------------------


def test_every_mistake_of_a_search_is_told_at_once(client: ServiceClient) -> None:
    wrong = {
        "facets": [{"name": "9x", "values": []}],
        "start": "yesterday",
        "region": {"south": 100, "north": 0, "west": -200, "east": 0},
        "page_size": 5000,
    }
    told = violations(lambda: client.call("SearchCatalog", wrong))
    for field in ("facets[0].name", "facets[0].values", "start", "region.south", "page_size"):
        assert field in told
    assert violations(lambda: client.call("DescribeDataset")).keys() == {"what"}


def test_every_mistake_of_an_ingest_is_told_at_once(
    client: ServiceClient, archive: HttpArchive
) -> None:
    wrong = {
        "source": "cmip6",
        "selection": {"start": "2002-01-01", "end": "2001-01-01", "variables": ["a b"]},
        "planet": {"latitudes": 33},
    }
    told = violations(lambda: client.validate("IngestDataset", wrong))
    assert {"selection.variables[0]", "planet.latitudes"} <= set(told)
    right_parts = {"source": "cmip6", "planet": {}}
    told = violations(lambda: client.validate("IngestDataset", right_parts))
    assert set(told) == {"location", "as_of", "planet"}
    assert "e.g. 2026-01-31" in told["as_of"]


def test_a_link_out_of_the_data_is_refused(
    client: ServiceClient, tmp_path: Path, serve: Callable[..., Running]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("/etc")
    there = serve(
        add_services, service="data-ingest", jobs=LocalJobs, data=tmp_path / "data"
    ).client()
    asked = {"source": "gridded", "location": f"{tmp_path}/data/out", "as_of": DAY}
    told = violations(lambda: there.validate("IngestDataset", asked))
    assert set(told) == {"location"} and "CATENA_DATA" in told["location"]
    assert str(tmp_path / "data") not in told["location"].replace(asked["location"], "")


@pytest.mark.parametrize("method", ["WriteCatalog", "Regrid", "DescribeDataset"])
def test_what_is_not_there_is_named(
    client: ServiceClient, dataset: dict[str, str], method: str
) -> None:
    zeros = "0" * 64
    gone = dataset | {"uri": f"jobs/data-ingest/IngestDataset/{zeros}", "digest": f"sha256:{zeros}"}
    asked: dict[str, Any] = {"dataset": gone}
    if method == "WriteCatalog":
        asked = {"datasets": [dataset, gone]}
    elif method == "Regrid":
        asked["grid"] = "45deg"
    with pytest.raises(NotFound, match="0000"):
        if method == "DescribeDataset":
            client.call(method, asked)
        else:
            client.validate(method, asked)


# ---- jobs --------------------------------------------------------------------------------------


def test_a_job_that_an_archive_fails_says_so_and_goes_on_when_asked_again(
    client: ServiceClient, archive: HttpArchive, store: ArtifactStore
) -> None:
    assert archive.folder is not None
    last = sorted(archive.folder.rglob("*MIROC6*.nc"))[-1]
    path = f"/thredds/fileServer/{last.relative_to(archive.folder).as_posix()}"
    archive.fail(path, Status(503, retry_after=3600))
    with pytest.raises((Unavailable, JobFailed)) as caught:
        client.submit("IngestDataset", request(archive)).result()
    assert last.name in str(caught.value)
    assert store.list() == []
    again = client.submit("IngestDataset", request(archive)).result()
    assert [artifact.ref for artifact in store.list()] == [again]


def test_regridding_over_grpc(
    client: ServiceClient, dataset: dict[str, str], store: ArtifactStore
) -> None:
    asked = {"dataset": dataset, "grid": "45deg", "method": "REGRID_METHOD_NEAREST"}
    moved = store.open(client.submit("Regrid", asked).result())
    for _, data in open_datasets(moved):
        assert data["tas"].shape == (730, 4, 8)
        assert np.isfinite(data["tas"].values).all()
    wrong = asked | {"keys": ["CMIP6.none"]}
    with pytest.raises((InvalidRequest, JobFailed), match=r"CMIP6\.none"):
        client.submit("Regrid", wrong).result()
