"""The fault-injecting server itself: a test that trusts it must be able to."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from support.http_archive import (
    Change,
    Content,
    Drop,
    HttpArchive,
    IgnoreRange,
    Redirect,
    Reply,
    Status,
    Trickle,
    Truncate,
)

DATA = bytes(range(256)) * 40


@pytest.fixture
def server(tmp_path: Path):
    (tmp_path / "a b.nc").write_bytes(DATA)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.nc").write_bytes(b"cc")
    with HttpArchive(tmp_path) as server:
        yield server


def get(server: HttpArchive, path: str, **headers: str) -> requests.Response:
    return requests.get(server.url + path, headers=headers, timeout=5, allow_redirects=False)


def test_files_ranges_and_counts(server: HttpArchive) -> None:
    assert get(server, "/a%20b.nc").content == DATA
    part = get(server, "/a%20b.nc", Range="bytes=5-8")
    assert (part.status_code, part.content) == (206, DATA[5:9])
    assert part.headers["Content-Range"] == f"bytes 5-8/{len(DATA)}"
    assert get(server, "/a%20b.nc", Range="bytes=-3").content == DATA[-3:]
    assert get(server, "/a%20b.nc", Range="bytes=999999-").status_code == 416
    assert get(server, "/%2e%2e/%2e%2e/etc/passwd").status_code in (403, 404)
    assert server.count("/a%20b.nc") == 4
    assert server.sent("/a%20b.nc") == len(DATA) + 4 + 3


def test_a_changed_file_is_sent_whole_where_if_range_says_so(server: HttpArchive) -> None:
    tag = get(server, "/a%20b.nc").headers["ETag"]
    server.fail("/a%20b.nc", Change(b"new"))
    assert get(server, "/a%20b.nc", Range="bytes=1-", **{"If-Range": tag}).content == b"new"
    tag = get(server, "/a%20b.nc").headers["ETag"]
    assert get(server, "/a%20b.nc", Range="bytes=1-", **{"If-Range": tag}).content == b"ew"


def test_faults_come_once_each_in_order(server: HttpArchive) -> None:
    path = "/sub/c.nc"
    server.fail(path, Status(503, retry_after=7), Content(b"xx"), Redirect("/a%20b.nc"))
    first = get(server, path)
    assert (first.status_code, first.headers["Retry-After"]) == (503, "7")
    assert get(server, path).content == b"xx"
    assert get(server, path).headers["Location"] == "/a%20b.nc"
    assert get(server, path).content == b"cc"


@pytest.mark.parametrize("fault", [Drop(1000), Truncate(1000)])
def test_broken_bodies_are_seen_by_clients(server: HttpArchive, fault) -> None:
    server.fail("/a%20b.nc", fault)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        get(server, "/a%20b.nc")
    assert server.sent("/a%20b.nc") == 1000


def test_standing_faults(server: HttpArchive) -> None:
    server.always("/a%20b.nc", IgnoreRange(), Trickle(4000, 0.001))
    for _ in range(2):
        assert get(server, "/a%20b.nc", Range="bytes=5-8").content == DATA


def test_handlers_come_first_and_the_longest_prefix_wins(server: HttpArchive) -> None:
    server.handlers |= {
        "/sub/*": lambda request: {"path": request.path, "q": request.query.get("q")},
        "/sub/x/*": lambda request: Reply(request.body, 201),
    }
    assert get(server, "/sub/c.nc?q=1").json() == {"path": "/sub/c.nc", "q": "1"}
    posted = requests.post(server.url + "/sub/x/y", data=b"hello", timeout=5)
    assert (posted.status_code, posted.content) == (201, b"hello")


def test_thredds_and_index_list_the_folder(server: HttpArchive) -> None:
    catalog = get(server, "/thredds/catalog/catalog.xml").text
    assert 'urlPath="a b.nc"' in catalog
    assert "sub/catalog.xml" in catalog
    assert get(server, "/thredds/fileServer/sub/c.nc").content == b"cc"
    assert 'href="sub/"' in get(server, "/").text
