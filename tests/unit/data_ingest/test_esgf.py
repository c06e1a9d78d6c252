"""ESGF: indexes that say what there is, data nodes that fail, and files that come all the same."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import xarray as xr
from support.cmip6_files import write_year
from support.esgf import Federation
from support.http_archive import Content, HttpArchive, Reply, Status, Truncate

from catena.data_ingest.archive import AllowList, Patience, open_archive
from catena.data_ingest.http import Http
from catena.data_ingest.places import open_source
from catena.data_ingest.queries import IngestDatasetQuery
from catena.data_ingest.sources.cmip6 import Cmip6, special_archive
from catena.data_ingest.sources.esgf import EsgfArchive, is_index
from catena.data_ingest.sources.order import Order
from catena.shared.errors import FailedPrecondition, InvalidRequest, NotFound, Unavailable

FAST = Patience(attempts=3, first_s=0.0, longest_s=0.01)
MIROC = {"source_id": ["MIROC6"], "variable_id": ["tas"]}
KEY = "CMIP6.CMIP.MIROC.MIROC6.historical.r1i1p1f1.day.tas.gn.v20191016"


class Site:
    """An index, two nodes with the same files, and a cache of downloads."""

    def __init__(self, folder: Path, servers: list[HttpArchive]) -> None:
        self.folder = folder
        self.index, *self.nodes = servers
        self.federation = Federation(self.index, self.nodes)

    def archive(self, kind: str = "esg-search", allow: AllowList | None = None) -> EsgfArchive:
        opener = partial(open_archive, cache=self.folder / "cache", patience=FAST, allow=allow)
        http = Http(patience=FAST)
        found = special_archive(Order(f"{self.index.url}/{kind}", opener, http))
        assert isinstance(found, EsgfArchive)
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name in ("first", "second"):
        node = tmp_path / name
        for year in (2000, 2001):
            write_year(node, year)
        write_year(node, 2000, {"version": "v20180101"})
        write_year(node, 2000, {"source_id": "CanESM5"}, attrs={"source_id": "CanESM5"})
        write_year(
            node, 1960, {"experiment_id": "dcppA-hindcast", "member_id": "s1960-r1i1p1f1"},
            attrs={"experiment_id": "dcppA-hindcast"},
        )  # fmt: skip
    with (
        HttpArchive() as index,
        HttpArchive(tmp_path / "first") as first,
        HttpArchive(tmp_path / "second") as second,
    ):
        yield Site(tmp_path, [index, first, second])


KINDS = pytest.mark.parametrize("kind", ["esg-search", "esg-search/search", "stac", "stac/search"])
BOTH = pytest.mark.parametrize("kind", ["esg-search", "stac"])


@KINDS
def test_a_dataset_is_found_once_and_opened(site: Site, kind: str) -> None:
    archive = site.archive(kind)
    found = Cmip6().search(archive, MIROC | {"experiment_id": ["historical"]})
    assert [entry.key for entry in found.entries] == [KEY]
    files = found.entries[0].files
    # Two nodes have two files each: two files, with what the index knows of them.
    assert len(files) == 2
    assert all(file.checksum.startswith("sha256:") and file.size for file in files)
    dataset = Cmip6().open(archive, found.entries[0])
    assert dataset.sizes["time"] == 730 and float(dataset["tas"][-1, 0, 0]) == pytest.approx(
        730.729
    )


@BOTH
def test_facets_with_wildcards_and_start_years(site: Site, kind: str) -> None:
    def keys(**facets: list[str]) -> list[str]:
        return [entry.key for entry in Cmip6().search(site.archive(kind), facets).entries]

    assert len(keys(source_id=["Can*", "X*"])) == 1
    assert keys(source_id=["Nothing*"]) == []
    assert [".s1960-r1i1p1f1." in key for key in keys(dcpp_start_year=["1960"])] == [True]
    assert len(keys(member_id=["s1960-r1i1p1f1"])) == 1
    assert len(keys(source_id=["*"], table_id=["day"])) == 3


@BOTH
def test_the_latest_version_unless_asked(site: Site, kind: str) -> None:
    wanted = MIROC | {"experiment_id": ["historical"]}
    archive = site.archive(kind)
    versions = [e.facets["version"] for e in Cmip6().search(archive, wanted).entries]
    assert versions == ["v20191016"]
    older = Cmip6().search(archive, wanted | {"version": ["v20180101"]})
    assert [entry.facets["version"] for entry in older.entries] == ["v20180101"]
    everything = Cmip6().search(site.archive(kind), wanted | {"version": ["*"]})
    assert len(everything.entries) == 2


def test_pages_are_put_together(site: Site) -> None:
    site.federation.most = 3
    found = Cmip6().search(site.archive(), {"variable_id": ["tas"]})
    assert sum(len(entry.files) for entry in found.entries) == 4
    asked = [request.query["offset"] for request in site.index.of("/esg-search/search")]
    assert asked == ["0", "3", "6"]


@BOTH
@pytest.mark.parametrize("fault", [Status(404), Status(503), Content(b"wrong bytes"), Truncate(0)])
def test_another_node_is_tried_when_one_fails(
    site: Site, kind: str, fault: Status | Content | Truncate
) -> None:
    archive = site.archive(kind)
    found = Cmip6().search(archive, {"source_id": ["CanESM5"]})
    (file,) = found.entries[0].files
    first, second = site.nodes
    first.always(f"/thredds/fileServer/{file.path}", fault)
    dataset = Cmip6().open(archive, found.entries[0])
    with xr.open_dataset(second.folder / file.path) as wanted:
        assert dataset["tas"].equals(wanted["tas"].assign_coords(dataset["tas"].coords))
    assert second.count(f"/thredds/fileServer/{file.path}") > 0
    # What failed is not the first to be asked for the next file.
    first.forget()
    entry = Cmip6().search(archive, MIROC | {"experiment_id": ["historical"]}).entries[0]
    archive.local(entry.files[0])
    assert first.count(f"/thredds/fileServer/{entry.files[0].path}") == 0


def test_when_all_nodes_fail_each_reason_is_told(site: Site) -> None:
    archive = site.archive()
    (file,) = Cmip6().search(archive, {"source_id": ["CanESM5"]}).entries[0].files
    site.nodes[0].always(f"/thredds/fileServer/{file.path}", Status(404))
    site.nodes[1].always(f"/thredds/fileServer/{file.path}", Content(b"wrong bytes"))
    with pytest.raises(Unavailable) as error:
        archive.local(file)
    assert error.value.retry_after_s
    for node in site.nodes:
        assert node.url.removeprefix("http://") in str(error.value)
    assert file.path in str(error.value) and "2 data nodes" in str(error.value)


@BOTH
def test_a_restarted_job_asks_for_its_files_again(site: Site, kind: str) -> None:
    found = Cmip6().search(site.archive(kind), {"source_id": ["CanESM5"]})
    fresh = pickle.loads(pickle.dumps(site.archive(kind)))
    assert Cmip6().open(fresh, found.entries[0]).sizes["time"] == 365
    with pytest.raises(NotFound, match="knows no file"):
        site.archive(kind).local(found.entries[0].files[0].path.replace("2000", "1900"))


def test_nodes_that_are_not_allowed_are_left_out(site: Site) -> None:
    allow = AllowList([site.nodes[1].url])
    archive = site.archive(allow=allow)
    (file,) = Cmip6().search(archive, {"source_id": ["CanESM5"]}).entries[0].files
    archive.local(file)
    assert site.nodes[0].count(f"/thredds/fileServer/{file.path}") == 0


def test_a_request_reaches_the_index_and_its_nodes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the request to the values, with the server's rights: hosts must be named there."""
    hosts = ",".join(server.url for server in (site.index, *site.nodes))
    monkeypatch.setenv("CATENA_HOME", str(site.folder / "home"))
    monkeypatch.setenv("CATENA_ARCHIVES", hosts)
    query = IngestDatasetQuery(
        source="cmip6", location=f"{site.index.url}/esg-search", as_of="2026-01-31"
    )
    source, archive = open_source(query)
    found = source.search(archive, {"source_id": ["CanESM5"]})
    assert source.open(archive, found.entries[0]).sizes["time"] == 365
    monkeypatch.setenv("CATENA_ARCHIVES", site.index.url)
    source, archive = open_source(query)
    entry = source.search(archive, MIROC | {"experiment_id": ["historical"]}).entries[0]
    with pytest.raises(InvalidRequest, match="name one in CATENA_ARCHIVES"):
        source.open(archive, entry)


def test_offline_an_index_is_the_mirror_of_its_files(site: Site, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    tree = mirror / "esgf-data.dkrz.de" / "esg-search"
    write_year(tree, 2000)
    opener = partial(open_archive, mirror=mirror)
    location = "https://esgf-data.dkrz.de/esg-search"
    assert special_archive(Order(location, opener)) is None
    assert len(Cmip6().search(opener(location)).entries) == 1


def test_describe_reads_by_ranges(site: Site) -> None:
    archive = site.archive()
    entry = Cmip6().search(archive, MIROC | {"experiment_id": ["historical"]}).entries[0]
    found = Cmip6().describe(archive, entry)
    assert (found.start[:10], found.end[:10], found.files) == ("2000-01-01", "2001-12-31", 2)
    file = entry.files[0]
    assert archive.read(file.path)[:4] == archive.read_range(file.path, 0, 4) == b"\x89HDF"
    assert archive.bytes_url(file.path).endswith(file.path)


def test_copies_without_an_http_server_are_none(site: Site) -> None:
    for document in site.federation.documents:
        document["url"] = [entry for entry in document["url"] if not entry.endswith("HTTPServer")]
    assert not Cmip6().search(site.archive(), MIROC).entries


def test_retracted_files_are_left_out(site: Site) -> None:
    for document in site.federation.documents:
        document["retracted"] = True
    for kind in ("esg-search", "stac"):
        assert not Cmip6().search(site.archive(kind), MIROC).entries


def test_an_index_is_not_listed_as_a_whole(site: Site) -> None:
    with pytest.raises(InvalidRequest, match="give facets"):
        Cmip6().search(site.archive())
    with pytest.raises(FailedPrecondition, match="search it with facets"):
        site.archive().find()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>maintenance</html>", "wanted JSON"),
        (b"[]", "wanted JSON"),
        (b"{}", "numFound"),
        (b'{"response": {"numFound": 5, "docs": []}}', "stopped at 0 of 5"),
    ],
)
def test_answers_that_are_none_are_told(site: Site, answer: bytes, message: str) -> None:
    site.index.handlers["/esg-search/search"] = lambda _: Reply(answer)
    with pytest.raises(Unavailable, match=message):
        Cmip6().search(site.archive(), MIROC)


def test_a_stac_answer_that_is_none_is_told(site: Site) -> None:
    site.index.handlers["/stac/search"] = lambda _: Reply(b"<html/>")
    with pytest.raises(Unavailable, match="wanted a STAC collection"):
        Cmip6().search(site.archive("stac"), MIROC)


def test_far_too_many_files_are_refused_before_they_are_listed(site: Site) -> None:
    answer = b'{"response": {"numFound": 9000000, "docs": [{}]}}'
    site.index.handlers["/esg-search/search"] = lambda _: Reply(answer)
    with pytest.raises(InvalidRequest, match=r"9000000 copies.*more facets"):
        Cmip6().search(site.archive(), {"table_id": ["Amon"]})


@pytest.mark.parametrize(
    ("location", "wanted"),
    [
        ("https://esgf-data.dkrz.de/esg-search", True),
        ("https://esgf-node.ornl.gov/esgf-1-5-bridge", True),
        ("https://esgf-node.ornl.gov/proxy/search", True),
        ("https://api.stac.esgf.ceda.ac.uk", True),
        ("https://x.org/stac/search", True),
        ("https://x.org/thredds/catalog/catalog.xml", False),
        ("https://x.org/staccato/a", False),
        ("/data/esg-search", False),
    ],
)
def test_indexes_are_known_by_their_location(location: str, wanted: bool) -> None:
    assert is_index(location) is wanted
