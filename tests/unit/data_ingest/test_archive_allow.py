"""What a server may read, and the ways around that are closed."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http_archive import HttpArchive, Redirect

from catena.data_ingest.archive import PUBLIC, AllowList, Patience, allowed, open_archive
from catena.data_ingest.archive_places import check_path, join, parse
from catena.data_ingest.http import Http
from catena.shared.errors import FailedPrecondition, InvalidRequest, Unavailable, UnsafePath
from catena.shared.settings import Settings

ONCE = Patience(attempts=1, stall_s=3)


@pytest.mark.parametrize("archive", PUBLIC, ids=lambda archive: archive.purpose)
def test_public_archives_may_be_read_without_settings(archive, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for prefix in archive.prefixes:
        assert allowed(f"{prefix}/some/thing.nc", settings).below(parse(prefix))


def test_named_archives_and_folders_may_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CATENA_ARCHIVES", f"https://a.org/data, s3://lab-bucket/x,{tmp_path}/here")
    monkeypatch.setenv("CATENA_DATA", str(tmp_path / "data"))
    settings = Settings()
    for location in (
        "https://a.org/data",
        "https://a.org:443/data/deep/b.nc",
        "HTTPS://A.ORG./data/b.nc",
        "s3://lab-bucket/x/y",
        f"{tmp_path}/here/a",
        f"file://{tmp_path}/data",
    ):
        allowed(location, settings)
    for location in (
        "https://a.org",
        "https://a.org/data2",
        "https://a.org/dat",
        "http://a.org/data",
        "https://a.org:8443/data",
        "https://a.org.evil.net/data",
        "https://evil.net/a.org/data",
        "https://b.a.org/data",
        "s3://lab-bucket/xy",
        "s3://lab-bucket2/x",
        "gs://lab-bucket/x",
        f"{tmp_path}/here2",
        f"{tmp_path}",
        "/etc/passwd",
        "file:///etc",
    ):
        with pytest.raises(InvalidRequest, match="CATENA_ARCHIVES"):
            allowed(location, settings)


def test_the_error_says_what_is_allowed_and_how_to_add(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        allowed("https://data.lab.org/x?", Settings(home=tmp_path))
    for words in ("Pangeo", "ARCO-ERA5", "Daymet", "ESGF", "set CATENA_ARCHIVES", "data.lab.org/x"):
        assert words in str(caught.value)
    with pytest.raises(InvalidRequest) as caught:
        allowed("/secret/place", Settings(home=tmp_path, data=tmp_path / "hidden"))
    assert "hidden" not in str(caught.value)  # no paths of the server in messages


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://0.0.0.0/",
        "http://localhost/",
        "http://LOCALHOST:80/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[fe80::1%25eth0]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/latest",
        "http://2852039166/latest",
        "http://169.254.169.254\\@storage.googleapis.com/cmip6",
        "https://storage.googleapis.com@169.254.169.254/cmip6",
        "https://storage.googleapis.com:x@169.254.169.254/cmip6",
        "https://storage.googleapis.com%2f@169.254.169.254/cmip6",
        "https://169.254.169.254#@storage.googleapis.com/cmip6",
        "https://169.254.169.254?@storage.googleapis.com/cmip6",
        "https://storage.googleapis.com\t.evil.net/cmip6",
        "https://storage.googleapis.com/cmip6/../other-bucket/x",
        "https://storage.googleapis.com/cmip6/%2e%2e/other-bucket/x",
        "https://storage.googleapis.com/cmip6/%252e%252e/other-bucket/x",
        "https://storage.googleapis.com/cmip6/.%2E/other-bucket/x",
        "https://storage.googleapis.com/cmip6/%2e%2e%2fother-bucket/x",
        "https://storage.googleapis.com/cmip6//x",
        "https://storage.googleapis.com/cmip6%2f..%2fother",
        "https://storage.googleapis.com/cmip6?prefix=secret",
        "https:storage.googleapis.com/cmip6",
        "https:///storage.googleapis.com/cmip6",
        "gs://cmip6/../other",
        "gs://cmip6@evil/x",
        "ftp://storage.googleapis.com/cmip6",
        "gopher://127.0.0.1:6379/_x",
        "file://otherhost/data",
        "data:text/plain,x",
        "cmip6",
        "",
    ],
)
def test_ways_around_are_refused(location: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        allowed(location, Settings(home=tmp_path))


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/x", "http://[::ffff:7f00:1]:9/x"])
def test_an_address_inside_may_be_read_when_it_is_named(location: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, archives="http://127.0.0.1:9/x")
    assert allowed(location, settings).host == "127.0.0.1"


def test_a_link_out_of_an_allowed_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    settings = Settings(home=tmp_path, data=tmp_path / "data")
    allowed(str(tmp_path / "data"), settings)
    with pytest.raises(InvalidRequest, match="CATENA_DATA"):
        allowed(str(tmp_path / "data" / "link"), settings)


def test_a_redirect_is_asked_about_like_the_first_place(
    http_archive: HttpArchive, archive_folder: Path, tmp_path: Path
) -> None:
    (archive_folder / "open").mkdir()
    (archive_folder / "open" / "a.nc").write_bytes(b"a")
    (archive_folder / "secret").write_bytes(b"s")
    allow = AllowList([f"{http_archive.url}/open"])
    archive = open_archive(f"{http_archive.url}/open", cache=tmp_path, allow=allow, patience=ONCE)
    assert archive.read("a.nc") == b"a"
    for target in (
        "http://169.254.169.254/latest/meta-data/",
        "/secret",
        "/open/../secret",
        "/open/%2e%2e/secret",
        f"http://localhost:{http_archive.port}/open/a.nc",
        "file:///etc/passwd",
    ):
        http_archive.fail("/open/a.nc", Redirect(target), Redirect(target), Redirect(target))
        with pytest.raises(InvalidRequest):
            archive.read("a.nc")
        with pytest.raises(InvalidRequest):
            archive.read_range("a.nc", 0, 1)
        with pytest.raises(InvalidRequest):
            archive.local("a.nc")
    assert http_archive.count("/secret") == 0
    http_archive.fail("/open/x", Redirect("/open/a.nc"))
    assert archive.read("x") == b"a"


def test_a_public_name_that_leads_inside_is_left_before_a_word_is_said(
    http_archive: HttpArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inside(*_: object, **__: object) -> list[tuple[object, ...]]:
        address = ("127.0.0.1", http_archive.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    for public in ("https://storage.googleapis.com/cmip6", "http://aims3.llnl.gov/thredds/x"):
        with pytest.raises(InvalidRequest, match=r"leads to 127\.0\.0\.1"):
            Http(allow=AllowList(), patience=ONCE).get(public)
    assert http_archive.requests == []
    http_archive.handlers["/x"] = lambda request: b"named"
    named = AllowList(["http://archive.lab.org/x"])
    assert Http(allow=named, patience=ONCE).get("http://archive.lab.org/x") == b"named"


def test_the_proxy_of_the_environment_is_used_for_outside_hosts(
    http_archive: HttpArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    http_archive.handlers["/data/a"] = lambda request: request.headers["Host"]
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", http_archive.url)
    allow = AllowList(["http://archive.example.org/data"])
    assert Http(allow=allow, patience=ONCE).get("http://archive.example.org/data/a") == (
        b"archive.example.org"
    )
    monkeypatch.setenv("no_proxy", "archive.example.org")
    with pytest.raises(Unavailable):
        Http(allow=allow, patience=ONCE).get("http://archive.example.org/data/a")


def test_with_a_mirror_every_place_may_be_named_and_none_is_reached(tmp_path: Path) -> None:
    host = tmp_path / "mirror" / "any.host.org" / "x"
    host.mkdir(parents=True)
    (host / "a.nc").write_bytes(b"a")
    settings = Settings(home=tmp_path, mirror=tmp_path / "mirror")
    location = allowed("https://any.host.org/x", settings).url
    allow = AllowList.of(settings)
    archive = open_archive(location, mirror=settings.mirror, allow=allow)
    assert archive.read("a.nc") == b"a"
    for reach in (
        lambda: open_archive("https://any.host.org/x", allow=allow),
        lambda: open_archive("s3://bucket/x", allow=allow),
        lambda: Http(allow=allow, patience=ONCE).get("https://any.host.org/x"),
    ):
        with pytest.raises(FailedPrecondition, match="CATENA_MIRROR"):
            reach()


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/.", "a\\b", "a\0b", "a\nb", "x://y"]
    + ["%2e%2e/a", "a/%2E./b", "%252e%252e/x", "..%2f..%2fetc", "a/..%5cb", "%2f..", "x" * 300],
)
def test_paths_that_leave_an_archive_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafePath):
        check_path(path)
    for location in (str(tmp_path), "https://a.org/x", "s3://bucket/x") if path else ():
        archive = open_archive(location, cache=tmp_path)
        for act in (archive.read, archive.open, archive.local):
            with pytest.raises(InvalidRequest):
                act(path)


@given(st.text(max_size=40))
def test_whatever_passes_stays_below_its_root(path: str) -> None:
    try:
        check_path(path)
    except UnsafePath:
        return
    root = Path("/archive/root")
    assert (root / path).resolve().is_relative_to(root)
    base = parse("https://a.org/data")
    place = join(base, path.replace("?", "_"))
    assert place.below(base)
    assert parse(place.url) == place


@given(st.lists(st.text(min_size=1, max_size=8), max_size=4))
def test_a_location_is_the_same_when_written_and_read_again(parts: list[str]) -> None:
    location = "/".join(["https://a.org", *(quote(part, safe="") for part in parts)])
    try:
        place = parse(location)
    except InvalidRequest:
        return
    assert parse(place.url) == place
    assert place.below(parse("https://a.org"))
