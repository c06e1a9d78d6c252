"""The HTTP client against a server that fails as servers do."""

from __future__ import annotations

import pickle
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.http_archive import (
    Change,
    Drop,
    HttpArchive,
    IgnoreRange,
    NoHead,
    NoLength,
    NoTag,
    Redirect,
    Reply,
    Stall,
    Status,
    Trickle,
    Truncate,
)

from catena.data_ingest.http import Http, Stat
from catena.data_ingest.retries import Patience, Transient, retried
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound, Unavailable

DATA = bytes(range(256)) * 400


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def http(pauses: list[float]) -> Http:
    return Http(patience=Patience(attempts=4, stall_s=0.4, sleep=pauses.append))


@pytest.fixture
def url(http_archive: HttpArchive, archive_folder: Path) -> str:
    (archive_folder / "a.nc").write_bytes(DATA)
    return f"{http_archive.url}/a.nc"


@pytest.mark.parametrize(
    "fault", [Drop(1000), Truncate(70_000), Status(503), Status(429), Status(500), Stall(500, 1.5)]
)
def test_what_fails_once_is_tried_again(http: Http, http_archive: HttpArchive, url: str, fault):
    http_archive.fail("/a.nc", fault)
    assert http.get(url) == DATA
    http_archive.fail("/a.nc", fault)
    assert http.read_range(url, 100, 90_000) == DATA[100:90_000]


@pytest.mark.parametrize("fault", [Drop(1000), Truncate(0), Status(502), Stall(500, 1.0)])
def test_what_fails_always_is_reported_with_a_time(
    http: Http, http_archive: HttpArchive, url: str, fault
):
    http_archive.always("/a.nc", fault)
    with pytest.raises(Unavailable, match=r"a\.nc.*tried 4 times") as caught:
        http.get(url)
    assert caught.value.retry_after_s
    assert http_archive.count("/a.nc") == 4


def test_pauses_grow_to_the_longest_and_are_not_all_the_same():
    patience = Patience(first_s=1.0, longest_s=8.0)
    for failures, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 8.0), (5000, 8.0)):
        pauses = {patience.pause(failures) for _ in range(50)}
        assert len(pauses) > 1
        assert min(pauses) >= most / 2
        assert max(pauses) <= most


def test_the_server_says_how_long_to_wait(http, http_archive, url, pauses):
    later = formatdate(time.time() + 20, usegmt=True)
    http_archive.fail("/a.nc", Status(503, 7), Status(429, later))
    assert http.get(url) == DATA
    assert pauses[0] == 7
    assert 15 < pauses[1] <= 20
    http_archive.fail("/a.nc", Status(503, 3600))
    with pytest.raises(Unavailable, match="503") as caught:
        http.get(url)
    assert caught.value.retry_after_s == 3600
    assert len(pauses) == 2


def test_a_slow_but_steady_server_is_no_failure(http, http_archive, url, pauses):
    http_archive.always("/a.nc", Trickle(len(DATA) // 8, 0.1))
    start = time.monotonic()
    assert http.get(url) == DATA
    assert time.monotonic() - start > 0.4  # longer in all than the longest silence
    assert pauses == []


def test_no_range_is_fetched_twice(http, http_archive, url):
    http_archive.fail("/a.nc", Drop(1000), Truncate(5000), Stall(300, 1.5))
    assert http.read_range(url, 100, 50_000) == DATA[100:50_000]
    asked = [request.range for request in http_archive.of("/a.nc")]
    assert asked == [
        "bytes=100-49999",
        "bytes=1100-49999",
        "bytes=6100-49999",
        "bytes=6400-49999",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.integers(0, len(DATA) + 10), st.integers(0, len(DATA) + 10), st.booleans())
def test_ranges_are_slices(http, http_archive, url, one, other, ignored):
    start, stop = sorted((one, other))
    if ignored:  # the server then sends all of it
        http_archive.fail("/a.nc", *([IgnoreRange()] if stop > start else []))
    assert http.read_range(url, start, stop) == DATA[start:stop]


def test_a_file_that_changes_between_two_ranges_is_noticed(http, http_archive, url):
    tag = http.stat(url).tag
    assert http.read_range(url, 0, 10, tag) == DATA[:10]
    http_archive.fail("/a.nc", Change(b"new" * 100))
    with pytest.raises(InvalidData, match=r"a\.nc.*has changed"):
        http.read_range(url, 10, 20, tag)


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        ((), True),
        ((NoHead(),), True),
        ((NoHead(), IgnoreRange()), False),
        ((IgnoreRange(),), False),
    ],
)
def test_size_and_version_are_known_before_anything_is_fetched(
    http, http_archive, url, faults, ranges
):
    http_archive.always("/a.nc", *faults)
    stat = http.stat(url)
    assert (stat.size, stat.ranges) == (len(DATA), ranges)
    assert stat.tag.startswith('"')


def test_weak_tags_are_no_versions(http, http_archive):
    http_archive.handlers["/x"] = lambda request: Reply(
        b"abc", headers={"ETag": 'W/"1"', "Accept-Ranges": "bytes"}
    )
    assert http.stat(f"{http_archive.url}/x") == Stat(3, "", True)


def test_an_empty_file_has_a_size(http, http_archive, archive_folder):
    (archive_folder / "empty").write_bytes(b"")
    http_archive.always("/empty", NoHead())
    assert http.stat(f"{http_archive.url}/empty").size == 0
    assert http.get(f"{http_archive.url}/empty") == b""


def test_bodies_without_a_length_are_read_to_their_end(http, http_archive, url):
    http_archive.always("/a.nc", NoLength(), NoTag())
    assert http.get(url) == DATA


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, NotFound),
        (410, NotFound),
        (401, FailedPrecondition),
        (403, FailedPrecondition),
        (400, FailedPrecondition),
    ],
)
def test_refusals_are_final(http, http_archive, url, pauses, status, error):
    http_archive.always("/a.nc", Status(status))
    with pytest.raises(error, match=rf"a\.nc.*{status}"):
        http.get(url)
    assert http_archive.count("/a.nc") == 1
    assert pauses == []


def test_messages_do_not_show_queries(http, http_archive):
    with pytest.raises(NotFound) as caught:
        http.get(f"{http_archive.url}/x?signature=s3cret")
    assert "s3cret" not in str(caught.value)


def test_credentials_do_not_follow_to_another_host(http, http_archive, archive_folder):
    (archive_folder / "b").write_bytes(b"b")
    with HttpArchive(archive_folder) as other:
        http_archive.always("/a", Redirect(f"{other.url}/b"))
        http_archive.always("/c", Redirect("/b"))
        secret = {"Authorization": "Bearer s3cret"}
        assert http.get(f"{http_archive.url}/a", headers=secret) == b"b"
        assert http.get(f"{http_archive.url}/c", headers=secret) == b"b"
        assert "Authorization" not in other.of("/b")[0].headers
        assert "Authorization" in http_archive.of("/b")[0].headers


def test_redirects_end(http, http_archive):
    http_archive.always("/a", Redirect("/a"))
    with pytest.raises(FailedPrecondition, match="leads on more than"):
        http.get(f"{http_archive.url}/a")


def test_an_api_is_asked_with_json(http, http_archive):
    http_archive.handlers["/api/*"] = lambda request: Reply(request.body, 201, {"X-Job": "7"})
    answer = http.request("POST", f"{http_archive.url}/api/jobs", json={"a": 1})
    assert (answer.status, answer.headers["x-job"], answer.body) == (201, "7", b'{"a": 1}')
    http_archive.handlers["/busy"] = lambda request: Reply(b"why", 409)
    answer = http.request("GET", f"{http_archive.url}/busy", accept=(409,))
    assert (answer.status, answer.body) == (409, b"why")


def test_a_server_that_is_not_there_is_unavailable(http):
    with pytest.raises(Unavailable, match="the connection failed"):
        http.get("http://127.0.0.1:9/x")


def test_a_client_travels_to_other_processes(http, url):
    other = pickle.loads(pickle.dumps(Http(patience=Patience(stall_s=3))))
    assert other.get(url) == DATA
    assert other.patience.stall_s == 3


def test_retried_gives_up_after_its_attempts(pauses):
    calls = []

    def call() -> None:
        calls.append(1)
        raise Transient("it rains")

    with pytest.raises(Unavailable, match="the picnic: it rains, tried 3 times"):
        retried(call, Patience(attempts=3, sleep=pauses.append), "the picnic")
    assert (len(calls), len(pauses)) == (3, 2)
