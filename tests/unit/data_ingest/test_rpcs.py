"""Data-ingest over gRPC: quick rpcs answer, long ones give jobs, and a server reads what it may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cmip6_tree import write_tree
from support.servers import Running

from catena.data_ingest.server import add_services
from catena.shared.client import ServiceClient
from catena.shared.errors import InvalidRequest, NotFound
from catena.shared.testing import LocalJobs

DAY = "2026-01-31"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models in a tree of CMIP6, and a page of text."""
    folder = tmp_path / "data"
    write_tree(folder)
    (folder / "README.md").write_text("read me")
    monkeypatch.setenv("CATENA_DATA", str(folder))
    monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
    return folder


@pytest.fixture
def client(serve: Callable[..., Running], data: Path, tmp_path: Path) -> ServiceClient:
    return serve(
        add_services,
        service="data-ingest",
        jobs=LocalJobs,
        store=f"file://{tmp_path}/store",
        data=data,
        patience_s=1.0,
    ).client()


def request(data: Path, **changes: Any) -> dict[str, Any]:
    return {"source": "cmip6", "location": str(data), "as_of": DAY, **changes}


def plain(ref: Any) -> dict[str, str]:
    return {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}


@pytest.fixture
def catalogued(client: ServiceClient, data: Path) -> dict[str, str]:
    dataset = client.submit("IngestDataset", request(data)).result()
    catalog = client.submit("WriteCatalog", {"datasets": [plain(dataset)]}).result()
    assert catalog.kind == "catalog"
    return plain(dataset)


def test_a_dry_run_tells_what_would_be_read_and_makes_nothing(
    client: ServiceClient, data: Path, tmp_path: Path
) -> None:
    found = client.call("DescribeDataset", {"request": request(data)})
    assert (found.total_datasets, found.total_files) == (2, 5)
    size = sum(path.stat().st_size for path in data.rglob("*.nc"))
    assert found.total_bytes == size
    assert [item.file for item in found.refused] == ["README.md"]
    first = found.datasets[0]
    assert first.files == 2 and first.variables[0].name == "tas"
    assert (first.start[:10], first.end[:4], first.calendar) == ("2001-01-01", "2002", "noleap")
    assert not list((tmp_path / "store").rglob("artifact.json"))


def test_a_dry_run_is_paged(client: ServiceClient, data: Path) -> None:
    keys, token = [], ""
    for _ in range(2):
        page = client.call(
            "DescribeDataset", {"request": request(data), "page_size": 1, "page_token": token}
        )
        keys += [item.key for item in page.datasets]
        token = page.next_page_token
    assert len(set(keys)) == 2 and token == ""


def test_an_ingested_artifact_is_described(
    client: ServiceClient, catalogued: dict[str, str]
) -> None:
    found = client.call("DescribeDataset", {"dataset": catalogued})
    assert found.total_datasets == 2
    [variable] = found.datasets[0].variables
    assert (variable.name, variable.units, list(variable.shape)) == ("tas", "K", [730, 3, 4])


def test_a_catalog_is_searched_page_by_page(
    client: ServiceClient, catalogued: dict[str, str]
) -> None:
    models, token = [], ""
    while True:
        page = client.call("SearchCatalog", {"page_size": 1, "page_token": token})
        models += [row.columns["source_id"] for row in page.rows]
        token = page.next_page_token
        if not token:
            break
    assert sorted(models) == ["CanESM5", "MIROC6"] and page.total == 2


@pytest.mark.parametrize(
    ("search", "total"),
    [
        ({"facets": [{"name": "source_id", "values": ["MIROC*"]}]}, 1),
        ({"facets": [{"name": "variable", "values": ["pr", "tas"]}]}, 2),
        ({"facets": [{"name": "variable", "values": ["pr"]}]}, 0),
        ({"start": "2002-06-01", "end": "2003-01-01"}, 2),
        ({"start": "2004-01-01"}, 0),
        ({"region": {"south": 50, "north": 70, "west": 80, "east": 100}}, 2),
        ({"region": {"south": 70, "north": 80, "west": 80, "east": 100}}, 0),
    ],
)
def test_searches(
    client: ServiceClient, catalogued: dict[str, str], search: dict[str, Any], total: int
) -> None:
    assert client.call("SearchCatalog", search).total == total


def test_an_unknown_facet_is_named(client: ServiceClient, catalogued: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="source_id"):
        client.call("SearchCatalog", {"facets": [{"name": "sauce_id", "values": ["x"]}]})


def test_without_a_catalog_a_search_says_what_to_do(client: ServiceClient) -> None:
    with pytest.raises(NotFound, match="ingest"):
        client.call("SearchCatalog")


def test_a_grid_is_checked_before_a_job_is_made(
    client: ServiceClient, catalogued: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.submit("Regrid", {"dataset": catalogued, "grid": "fine"})
    assert [item.field for item in caught.value.violations] == ["grid"]
    moved = client.submit("Regrid", {"dataset": catalogued, "grid": "45deg"}).result()
    assert moved.kind == "dataset"


@pytest.mark.parametrize(
    "location",
    [
        "/etc",
        "{data}/../store",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:80/x",
        "http://[::1]/x",
        "http://2130706433/x",
        "https://example.org/data",
        "https://storage.googleapis.com/cmip6/../private",
        "https://user@storage.googleapis.com/cmip6",
        "ftp://storage.googleapis.com/cmip6",
    ],
)
@pytest.mark.parametrize("method", ["IngestDataset", "DescribeDataset"])
def test_a_server_reads_only_what_it_may(
    client: ServiceClient, data: Path, location: str, method: str
) -> None:
    asked = request(data, location=location.format(data=data))
    with pytest.raises(InvalidRequest) as caught:
        if method == "IngestDataset":
            client.validate(method, asked)
        else:
            client.call(method, {"request": asked})
    assert "location" in str(caught.value)


def test_every_mistake_is_told_at_once(client: ServiceClient, data: Path) -> None:
    wrong = {
        "source": "generated_planet",
        "location": str(data),
        "as_of": DAY,
        "mode": "reference",
        "weather": {"sites": 2},
    }
    with pytest.raises(InvalidRequest) as caught:
        client.validate("IngestDataset", wrong)
    assert {item.field for item in caught.value.violations} == {
        "location",
        "as_of",
        "mode",
        "weather",
    }


def test_an_archive_without_a_day_is_refused(client: ServiceClient, data: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.validate("IngestDataset", request(data, as_of=""))
    [violation] = caught.value.violations
    assert violation.field == "as_of" and "archive changes" in violation.description


def test_asking_again_reuses_and_another_day_does_not(client: ServiceClient, data: Path) -> None:
    first = client.submit("IngestDataset", request(data))
    again = client.submit("IngestDataset", request(data))
    other = client.submit("IngestDataset", request(data, as_of="2026-02-01"))
    assert again.reused and again.name == first.name
    assert other.name != first.name
