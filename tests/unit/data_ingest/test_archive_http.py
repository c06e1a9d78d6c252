"""Archives on the web: THREDDS, indexes, lists of files; read in place and downloaded."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.http_archive import (
    Change,
    Content,
    Drop,
    HttpArchive,
    IgnoreRange,
    NoHead,
    Redirect,
    Reply,
    Status,
)

from catena.data_ingest.archive import BaseArchive, Patience, open_archive
from catena.data_ingest.archive_listings import html_index, plain_list, thredds
from catena.data_ingest.archive_places import parse
from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    NotFound,
    Unavailable,
)

TAS = bytes(range(256)) * 2000


def no_pause(_seconds: float) -> None:
    """Tests do not wait between attempts."""


@pytest.fixture
def filled(archive_folder: Path) -> Path:
    for path, data in (
        ("CMIP6/CMIP/tas_day.nc", TAS),
        ("CMIP6/CMIP/pr day+1.nc", TAS[:1000]),
        ("CMIP6/notes.txt", b"notes"),
        ("other/x.nc", b"x"),
    ):
        (archive_folder / path).parent.mkdir(parents=True, exist_ok=True)
        (archive_folder / path).write_bytes(data)
    return archive_folder


@pytest.fixture
def opened(http_archive: HttpArchive, filled: Path, tmp_path: Path):
    def opened(path: str, **options: object) -> BaseArchive:
        patience = Patience(attempts=3, stall_s=2, sleep=no_pause)
        location = http_archive.url + path
        return open_archive(location, cache=tmp_path / "cache", patience=patience, **options)

    return opened


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


IN_CMIP6 = [
    ArchiveFile("CMIP/pr day+1.nc", 1000),
    ArchiveFile("CMIP/tas_day.nc", len(TAS)),
    ArchiveFile("notes.txt", 5),
]


def test_a_folder_with_an_index_is_walked(opened):
    archive = opened("/CMIP6/")
    assert isinstance(archive, Archive)
    assert archive.find() == IN_CMIP6
    assert archive.find("CMIP") == IN_CMIP6[:2]


@pytest.mark.parametrize(
    "location",
    [
        "/thredds/catalog/CMIP6/catalog.xml",
        "/thredds/catalog/CMIP6/catalog.html",
        "/thredds/catalog/CMIP6",
        "/thredds/fileServer/CMIP6",
    ],
)
def test_thredds_is_listed_with_sizes_and_checksums(opened, http_archive, location):
    archive = opened(location)
    expected = [
        ArchiveFile("CMIP/pr day+1.nc", 1000, sha(TAS[:1000])),
        ArchiveFile("CMIP/tas_day.nc", len(TAS), sha(TAS)),
        ArchiveFile("notes.txt", 5, sha(b"notes")),
    ]
    assert archive.find() == expected
    assert archive.find("CMIP") == expected[:2]
    assert archive.find("notes.txt") == expected[2:]
    assert http_archive.count("/thredds/fileServer/CMIP6/CMIP/tas_day.nc", "HEAD") == 0
    # Another process, which has not listed it, knows the same places.
    again = pickle.loads(pickle.dumps(opened(location)))
    assert again.url("CMIP/tas_day.nc").endswith("/thredds/fileServer/CMIP6/CMIP/tas_day.nc")
    assert again.local(expected[1]).read_bytes() == TAS
    assert again.read("CMIP/pr day+1.nc") == TAS[:1000]


def test_rounded_sizes_of_thredds_are_not_taken_for_sizes(opened, http_archive):
    http_archive.checksums = ""
    assert opened("/thredds/catalog/CMIP6/catalog.xml").find() == IN_CMIP6


def test_a_wrong_checksum_in_a_catalog_is_reported(opened, http_archive):
    archive = opened("/thredds/catalog/other/catalog.xml")
    (file,) = archive.find()
    http_archive.always("/thredds/fileServer/other/x.nc", Content(b"y"))
    with pytest.raises(InvalidData, match=rf"x\.nc.*{sha(b'y')}.*{sha(b'x')}"):
        archive.local(file)


def test_an_esgf_catalog_whose_files_lie_elsewhere(opened, http_archive):
    # A catalog per dataset, with the paths of the data root, and files on two services.
    text = """<?xml version="1.0"?>
<catalog xmlns="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0"
  xmlns:xlink="http://www.w3.org/1999/xlink">
<service name="fileservice" serviceType="Compound" base="">
 <service name="HTTPServer" serviceType="HTTPServer" base="/thredds/fileServer/"/>
 <service name="GridFTP" serviceType="GridFTP" base="gsiftp://x/"/>
</service>
<service name="dap" serviceType="OpenDAP" base="/thredds/dodsC/"/>
<dataset name="CMIP6.X" restrictAccess="esgf">
 <property name="dataset_id" value="CMIP6.X"/>
 <dataset name="tas_day.nc" urlPath="CMIP6/CMIP/tas_day.nc" serviceName="fileservice">
  <property name="size" value="512000"/>
  <property name="checksum" value="ABCDEF0123456789ABCDEF0123456789"/>
  <property name="checksum_type" value="MD5"/>
 </dataset>
 <dataset name="aggregated" urlPath="agg/tas" serviceName="dap"/>
 <dataset name="x.nc"><access serviceName="dap" urlPath="other/x.nc"/>
  <access serviceName="HTTPServer" urlPath="other/x.nc"/><dataSize units="bytes">1</dataSize>
 </dataset>
</dataset></catalog>"""
    http_archive.handlers["/thredds/catalog/esgcet/1/CMIP6.X.xml"] = lambda _: text
    archive = opened("/thredds/catalog/esgcet/1/CMIP6.X.xml")
    assert archive.find() == [
        ArchiveFile("CMIP6/CMIP/tas_day.nc", 512_000, "md5:abcdef0123456789abcdef0123456789"),
        ArchiveFile("other/x.nc", 1),
    ]
    assert archive.read("other/x.nc") == b"x"


def test_files_of_a_catalog_on_another_server_keep_their_address(opened, http_archive, tmp_path):
    with HttpArchive(tmp_path / "served") as other:
        http_archive.handlers["/thredds/catalog/y.xml"] = lambda _: (
            f"""<catalog
          xmlns="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0">
          <service name="h" serviceType="HTTPServer" base="{other.url}/other/"/>
          <dataset name="x" urlPath="x.nc" serviceName="h"/></catalog>"""
        )
        archive = opened("/thredds/catalog/y.xml")
        assert archive.find() == [ArchiveFile(f"{other.url}/other/x.nc", 1)]
        assert archive.local(archive.find()[0]).read_bytes() == b"x"
        assert http_archive.count("/other/x.nc") == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"<html></html>", "wanted a THREDDS <catalog>"),
        (b"not xml", "is no XML"),
        (b'<!DOCTYPE x [<!ENTITY e "e">]><catalog>&e;</catalog>', "document type"),
    ],
)
def test_what_is_no_catalog_is_told(text: bytes, told: str):
    with pytest.raises(InvalidData, match=told):
        thredds(text, "https://a.org/thredds/catalog.xml")


def test_catalogs_that_refer_to_each_other_end(opened, http_archive):
    for name, other in (("a", "b"), ("b", "a")):
        http_archive.handlers[f"/thredds/catalog/{name}.xml"] = lambda _, other=other: (
            '<catalog xmlns:xlink="http://www.w3.org/1999/xlink">'
            f'<catalogRef xlink:href="{other}.xml"/></catalog>'
        )
    assert opened("/thredds/catalog/a.xml").find() == []


def test_an_index_lists_its_own_folder_only():
    folder = parse("https://a.org/data")
    page = b"""<a href="../">up</a><a href="?C=N;O=D">Name</a><a href="/data/">self</a>
    <a href="a.nc">a</a> <a href='./b%20c.nc'>b</a> <A HREF="/data/d.nc">d</A>
    <a href="sub/">sub</a> <a href="https://a.org/data/e.nc">e</a> <a href="sub/deep.nc">deep</a>
    <a href="https://evil.org/data/f.nc">f</a> <a href="//evil.org/data/g.nc">g</a>
    <a href="%2e%2e/secret">s</a> <a href="javascript:x()">j</a> <a>no</a> <a href="a.nc">a</a>"""
    listing = html_index(page, folder)
    assert [url for url, _, _ in listing.files] == [
        f"https://a.org/data/{name}" for name in ("a.nc", "b%20c.nc", "d.nc", "e.nc")
    ]
    assert listing.folders == ("https://a.org/data/sub",)


@pytest.mark.parametrize("name", ["SHA256SUMS", "files.txt"])
def test_a_list_of_files_stands_for_an_index(opened, http_archive, filled, name):
    http_archive.index = False
    digest = sha(TAS).removeprefix("sha256:")
    (filled / "CMIP6" / name).write_text(
        f"# files\n{digest}  ./CMIP/tas_day.nc\n{digest.upper()} *CMIP/pr day+1.nc\nnotes.txt\n"
    )
    for location in ("/CMIP6", f"/CMIP6/{name}"):
        found = {file.path: file for file in opened(location).find()}
        assert found["CMIP/tas_day.nc"] == ArchiveFile("CMIP/tas_day.nc", len(TAS), sha(TAS))
        assert found["CMIP/pr day+1.nc"].checksum == sha(TAS)
        assert found["notes.txt"] == ArchiveFile("notes.txt", 5)
        assert set(found) == {"CMIP/tas_day.nc", "CMIP/pr day+1.nc", "notes.txt", name}
    with pytest.raises(InvalidData, match=r"line 2 .*'\.\.'"):
        plain_list(b"a.nc\n../b.nc\n", parse("https://a.org/x"))


def test_what_cannot_be_listed_is_told_with_what_to_do(opened, http_archive):
    http_archive.index = False
    with pytest.raises(FailedPrecondition, match=r"cannot be listed.*SHA256SUMS.*name one file"):
        opened("/CMIP6").find()
    one = opened("/CMIP6/CMIP/tas_day.nc")
    assert one.find() == [ArchiveFile("tas_day.nc", len(TAS))]
    assert one.read_range("tas_day.nc", 3, 6) == TAS[3:6]
    known = opened("/CMIP6", files=[ArchiveFile("CMIP/tas_day.nc"), ArchiveFile("notes.txt")])
    assert known.find("CMIP") == [ArchiveFile("CMIP/tas_day.nc")]


def test_a_server_that_is_away_is_unavailable_and_not_empty(opened, http_archive):
    http_archive.always("/CMIP6/", Status(503))
    with pytest.raises(Unavailable):
        opened("/CMIP6").find()


def test_files_are_read_in_place_by_ranges(opened, http_archive):
    archive = opened("/CMIP6")
    http_archive.fail("/CMIP6/CMIP/tas_day.nc", Drop(1000), Status(503, 0))
    with archive.open("CMIP/tas_day.nc") as file:
        assert file.seek(-7, 2) == len(TAS) - 7
        assert file.read() == TAS[-7:]
        assert file.read(1) == b""
        file.seek(300_000)
        assert file.read(10) == TAS[300_000:300_010]
        assert file.tell() == 300_010
        with pytest.raises(ValueError, match="before the start"):
            file.seek(-1)


@pytest.mark.parametrize("faults", [(IgnoreRange(),), (IgnoreRange(), NoHead())])
def test_a_file_is_downloaded_to_be_read_where_there_are_no_ranges(opened, http_archive, faults):
    http_archive.always("/CMIP6/CMIP/tas_day.nc", *faults)
    with opened("/CMIP6").open("CMIP/tas_day.nc") as file:
        file.seek(300_000)
        assert file.read() == TAS[300_000:]


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed(opened, http_archive, filled):
    big = TAS * 8
    (filled / "big.nc").write_bytes(big)
    with opened("").open("big.nc") as file:
        assert file.read(10) == big[:10]
        http_archive.fail("/big.nc", Change(b"z" * len(big)))
        file.seek(3 << 20)
        with pytest.raises(InvalidData, match=r"big\.nc.*has changed"):
            file.read(10)


def test_a_folder_is_not_downloaded_as_a_file(opened, http_archive):
    # As common servers do: the name of a folder leads to its index, which is a page.
    http_archive.always("/CMIP6", Redirect("/CMIP6/"))
    with pytest.raises(NotFound, match="is a folder"):
        opened("").local("CMIP6")


def test_a_query_is_a_name_of_its_own_in_the_cache(opened, http_archive, tmp_path):
    http_archive.handlers["/api/data"] = lambda request: request.query["lat"]
    archive = opened("/api")
    assert archive.read("data?lat=1.5&lon=2") == b"1.5"
    path = archive.local("data?lat=1.5&lon=2")
    assert path.read_bytes() == b"1.5"
    assert path.name == "data?lat=1.5&lon=2"
    assert archive.local("data?lat=2.5&lon=2").read_bytes() == b"2.5"


@pytest.mark.parametrize(("version", "index"), [(2, True), (2, False), (3, True), (3, False)])
def test_zarr_over_http(opened, http_archive, filled, version, index):
    values = np.random.default_rng(1).normal(size=(40, 5, 6)).astype("float32")
    dataset = xr.Dataset({"tas": (("time", "lat", "lon"), values)}).chunk(time=10)
    dataset.to_zarr(filled / "store", zarr_format=version, consolidated=True)
    http_archive.index = index
    http_archive.fail("/store/tas/c/1/0/0", Status(503, 0), Drop(10))
    http_archive.fail("/store/tas/1.0.0", Status(503, 0), Drop(10))
    archive = opened("")
    if index:
        assert ArchiveFile("store") in archive.find()
    assert opened("/store").find() == [ArchiveFile("")] or index
    for store in (archive.store("store"), opened("/store").store("")):
        xr.testing.assert_identical(xr.open_zarr(store).load(), dataset.compute())


def test_a_chunk_that_is_forbidden_is_not_taken_for_empty(opened, http_archive, filled):
    dataset = xr.Dataset({"tas": (("time",), np.arange(10.0))}).chunk(time=5)
    dataset.to_zarr(filled / "store", zarr_format=2, consolidated=True)
    # A bucket that may not be listed forbids what is missing; metadata are looked for all the same.
    http_archive.always("/store/zarr.json", Status(403))
    store = opened("").store("store")
    assert xr.open_zarr(store).load().equals(dataset)
    http_archive.always("/store/tas/1", Status(403))
    with pytest.raises(FailedPrecondition, match="403"):
        xr.open_zarr(store).load()


def test_a_netcdf_file_opens_in_place(opened, http_archive, filled):
    dataset = xr.Dataset({"tas": (("time", "x"), np.arange(6e5).reshape(300, 2000))})
    dataset.to_netcdf(filled / "big.nc", engine="h5netcdf")
    size = (filled / "big.nc").stat().st_size
    http_archive.forget()
    with (
        opened("").open("big.nc") as file,
        xr.open_dataset(file, engine="h5netcdf") as inside,
    ):
        assert float(inside["tas"][0, 5]) == 5.0
    assert 0 < http_archive.sent("/big.nc") < size / 2


def test_only_the_web_is_asked(opened):
    archive = opened("/CMIP6")
    for path in ("file:///etc/passwd", "s3://bucket/x", "ftp://a.org/x"):
        with pytest.raises(InvalidRequest):
            archive.read(path)


def test_compressed_answers_are_taken_as_they_are(opened, http_archive):
    http_archive.handlers["/x.gz"] = lambda request: Reply(
        b"\x1f\x8bnot really", headers={"Content-Encoding": "gzip"}
    )
    archive = opened("")
    assert archive.read("x.gz") == b"\x1f\x8bnot really"
    assert archive.local("x.gz").read_bytes() == b"\x1f\x8bnot really"
