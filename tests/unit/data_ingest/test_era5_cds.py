"""The Climate Data Store: waiting, resuming, failing with a reason, and never showing the key."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.climate_store import CONTENT, KEY, ClimateStore, reply
from support.http_archive import Drop, HttpArchive, Reply, Status

from catena.data_ingest.http import Http
from catena.data_ingest.retries import Patience
from catena.data_ingest.sources.cds_account import CdsAccount
from catena.data_ingest.sources.era5_cds import Cds
from catena.data_ingest.sources.era5_retrieve import retrieve
from catena.shared.errors import (
    CatenaError,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    Unavailable,
)

DATASET = "reanalysis-era5-single-levels"
EXECUTION = f"/api/retrieve/v1/processes/{DATASET}/execution"
REQUEST = {"variable": ["2m_temperature"], "year": ["2019"]}


@pytest.fixture
def store() -> Iterator[ClimateStore]:
    with HttpArchive() as server:
        yield ClimateStore(server)


@pytest.fixture
def cds(store: ClimateStore) -> Cds:
    patience = Patience(attempts=4, first_s=0.001, longest_s=0.01)
    return Cds(CdsAccount(KEY, f"{store.server.url}/api"), Http(patience=patience))


def test_a_request_is_queued_computed_and_downloaded_with_progress(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    said: list[str] = []
    path = retrieve(cds, DATASET, REQUEST, tmp_path, progress=said.append)
    assert path.read_bytes() == CONTENT
    assert path.suffix == ".nc"
    assert store.inputs == {"job-1": (DATASET, REQUEST)}
    words = "\n".join(said)
    assert "is accepted" in words
    assert "is running" in words
    assert f"{len(CONTENT)} of {len(CONTENT)} bytes" in words
    # The state is told when it changes, not at each look.
    assert sum("is running" in line for line in said) == 1


def test_the_same_request_is_not_asked_twice(cds: Cds, store: ClimateStore, tmp_path: Path) -> None:
    first = retrieve(cds, DATASET, REQUEST, tmp_path)
    assert retrieve(cds, DATASET, dict(reversed(REQUEST.items())), tmp_path) == first
    assert store.submitted == 1


def test_after_a_restart_the_accepted_job_is_waited_for(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def die(line: str) -> None:
        if "running" in line:
            raise Killed

    with pytest.raises(Killed):
        retrieve(cds, DATASET, REQUEST, tmp_path, progress=die)
    said: list[str] = []
    assert retrieve(cds, DATASET, REQUEST, tmp_path, progress=said.append).is_file()
    assert said[0] == "Climate Data Store: waiting again for job job-1"
    assert store.submitted == 1


def test_a_job_that_the_store_forgot_is_asked_for_anew(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    def die(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrieve(cds, DATASET, REQUEST, tmp_path, progress=die)
    del store.states["job-1"]
    assert retrieve(cds, DATASET, REQUEST, tmp_path).read_bytes() == CONTENT
    assert store.submitted == 2


def test_a_job_dismissed_there_twice_is_reported(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    store.plan = ["dismissed"]
    with pytest.raises(NotFound, match="job-2 is dismissed"):
        retrieve(cds, DATASET, REQUEST, tmp_path)


def test_a_failed_job_says_why_and_is_not_waited_for_again(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    store.plan = ["accepted", "failed"]
    store.reason = {"title": "The job has failed", "traceback": "cost limits exceeded"}
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="cost limits exceeded"):
            retrieve(cds, DATASET, REQUEST, tmp_path)
    assert store.submitted == 2
    assert not list(tmp_path.iterdir())


def test_a_download_that_breaks_off_goes_on_where_it_was(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    store.server.fail("/files/job-1.nc", Drop(200_000), Drop(100_000))
    assert retrieve(cds, DATASET, REQUEST, tmp_path).read_bytes() == CONTENT
    starts = [request.headers.get("Range", "") for request in store.server.of("/files/job-1.nc")]
    assert starts[0] == ""
    assert all(start.startswith("bytes=") for start in starts[1:])
    assert store.server.sent("/files/job-1.nc") < 1.5 * len(CONTENT)


def test_a_download_that_never_ends_leaves_the_job_to_be_resumed(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    store.server.always("/files/job-1.nc", Status(503))
    with pytest.raises(Unavailable):
        retrieve(cds, DATASET, REQUEST, tmp_path)
    assert not list(tmp_path.glob("*.nc")), "nothing half-written is visible"
    store.server._always.clear()
    assert retrieve(cds, DATASET, REQUEST, tmp_path).read_bytes() == CONTENT
    assert store.submitted == 1


def test_a_packed_result_becomes_a_folder_and_cannot_leave_it(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data_stream-oper_stepType-instant.nc", b"one")
        archive.writestr("../../data_stream-oper_stepType-accum.nc", b"two")
    store.make = lambda dataset, inputs: packed.getvalue()
    folder = retrieve(cds, DATASET, REQUEST, tmp_path / "kept")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "data_stream-oper_stepType-instant.nc": b"one",
        "data_stream-oper_stepType-accum.nc": b"two",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert retrieve(cds, DATASET, REQUEST, tmp_path / "kept") == folder
    assert store.submitted == 1


def test_a_busy_store_is_asked_again_and_then_given_up(
    cds: Cds, store: ClimateStore, tmp_path: Path
) -> None:
    busy = [Reply(b"", status=503), Reply(b"", status=429)]
    execute = store.execute
    store.server.handlers[EXECUTION] = lambda r: busy.pop() if busy else execute(r)
    assert retrieve(cds, DATASET, REQUEST, tmp_path).is_file()
    assert store.submitted == 3
    store.server.handlers[EXECUTION] = lambda _: Reply(b"", status=503)
    with pytest.raises(Unavailable, match="it answered 503") as caught:
        cds.submit(DATASET, REQUEST)
    assert caught.value.retry_after_s


def test_a_broken_connection_does_not_queue_a_request_twice(cds: Cds, store: ClimateStore) -> None:
    store.server.always(EXECUTION, Drop(5))
    with pytest.raises(Unavailable):
        cds.submit(DATASET, REQUEST)
    assert store.submitted == 1


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (403, FailedPrecondition, "accept the licence"),
        (404, NotFound, "check the name"),
        (400, InvalidRequest, "change the request"),
        (422, InvalidRequest, "change the request"),
    ],
)
def test_refusals_say_what_to_do(
    cds: Cds, store: ClimateStore, status: int, error: type[CatenaError], words: str
) -> None:
    store.server.handlers[EXECUTION] = lambda _: reply(status, {"detail": "year 1900 is not there"})
    with pytest.raises(error, match=words) as caught:
        cds.submit(DATASET, REQUEST)
    assert "year 1900 is not there" in str(caught.value)


def test_the_key_is_in_no_message_log_or_traceback(
    store: ClimateStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import traceback

    wrong = "wrong-personal-token"
    account = CdsAccount(wrong, f"{store.server.url}/api")
    cds = Cds(account, Http(patience=Patience(attempts=1)))
    with caplog.at_level(logging.DEBUG), pytest.raises(FailedPrecondition) as caught:
        retrieve(cds, DATASET, REQUEST, tmp_path)
    everything = "".join(traceback.format_exception(caught.value)) + caplog.text
    everything += repr(cds) + repr(account) + str(list(tmp_path.iterdir()))
    assert wrong not in everything
    assert "<key>" in str(caught.value), "the server did repeat it"
    # The drill can fail: without scrubbing the server's words would have carried it.
    assert wrong in store.server.of(EXECUTION, "POST")[0].headers["PRIVATE-TOKEN"]


def test_the_key_comes_from_the_environment_or_the_users_file(tmp_path: Path) -> None:
    file = tmp_path / "cdsapirc"
    file.write_text("url: https://example.org/api/\nkey: in-the-file\n")
    account = CdsAccount.from_environment({"CDSAPI_RC": str(file)})
    assert (account.url, account.key) == ("https://example.org/api", "in-the-file")
    account = CdsAccount.from_environment({"CDSAPI_RC": str(file), "CDSAPI_KEY": "set"})
    assert (account.url, account.key) == ("https://example.org/api", "set")
    with pytest.raises(FailedPrecondition, match="no key"):
        CdsAccount.from_environment({"CDSAPI_RC": str(tmp_path / "none")})
    with pytest.raises(FailedPrecondition, match="closed in 2024") as caught:
        CdsAccount.from_environment({"CDSAPI_KEY": "1234:old-key"})
    assert "old-key" not in str(caught.value)
