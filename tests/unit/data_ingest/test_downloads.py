"""Downloads are complete or not there, resumed and never done twice."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.http_archive import (
    NOTHING,
    Change,
    Content,
    Drop,
    HttpArchive,
    IgnoreIfRange,
    IgnoreRange,
    NoLength,
    NoTag,
    Stall,
    Status,
    Trickle,
    Truncate,
)
from support.servers import wait_until

from catena.data_ingest import downloads
from catena.data_ingest.archive import BaseArchive, Patience, open_archive
from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound, Unavailable

DATA = random.Random(1).randbytes(300_000)
SHA = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
MD5 = f"md5:{hashlib.md5(DATA).hexdigest()}"


@pytest.fixture
def served(archive_folder: Path) -> Path:
    (archive_folder / "a.nc").write_bytes(DATA)
    return archive_folder / "a.nc"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def archive(http_archive: HttpArchive, served: Path, cache: Path) -> BaseArchive:
    return opened(http_archive, cache)


def opened(server: HttpArchive, cache: Path, **options: object) -> BaseArchive:
    patience = Patience(attempts=3, stall_s=0.4, sleep=lambda _: None)
    return open_archive(server.url, cache=cache, patience=patience, **options)


def visible(cache: Path) -> list[str]:
    """What a reader of the cache sees."""
    found = (path for path in cache.rglob("*") if path.is_file())
    return sorted(path.name for path in found if not path.name.startswith(downloads.TEMPORARY))


def ranges(server: HttpArchive) -> list[str]:
    return [request.range for request in server.of("/a.nc")]


@pytest.mark.parametrize("checksum", ["", SHA, MD5, SHA.upper().replace("SHA256", "sha256")])
def test_a_file_is_fetched_once(archive: BaseArchive, http_archive, checksum: str):
    file = ArchiveFile("a.nc", len(DATA), checksum)
    path = archive.local(file)
    assert path.read_bytes() == DATA
    assert archive.local(file) == path
    assert http_archive.sent("/a.nc") == len(DATA)
    assert http_archive.count("/a.nc") == 1


@pytest.mark.parametrize(
    "faults",
    [
        (Drop(100_000), Drop(70_000)),
        (Truncate(100_000), Truncate(0), Truncate(10)),
        (Drop(100_000), Status(503, 0), Status(500), Drop(1000)),
        (Stall(100_000, 1.5), Truncate(50_000)),
        tuple(Drop(10_000) for _ in range(20)),  # far more than the attempts: each brings bytes
    ],
)
def test_a_broken_download_goes_on_where_it_was(archive, http_archive, cache, faults):
    http_archive.fail("/a.nc", *faults)
    assert archive.local("a.nc").read_bytes() == DATA
    apologies = sum(len(b"sorry") for fault in faults if isinstance(fault, Status))
    assert http_archive.sent("/a.nc") == len(DATA) + apologies
    assert visible(cache) == ["a.nc"]


def test_nothing_is_seen_of_a_download_that_fails(archive, http_archive, cache):
    http_archive.fail("/a.nc", Drop(100_000), *[Status(503)] * 5)
    with pytest.raises(Unavailable, match=r"a\.nc.*503.*what has arrived is kept"):
        archive.local("a.nc")
    assert visible(cache) == []
    http_archive._faults.clear()
    http_archive.forget()
    assert archive.local("a.nc").read_bytes() == DATA
    assert ranges(http_archive) == ["bytes=100000-"]
    assert http_archive.sent("/a.nc") == len(DATA) - 100_000


def test_a_server_without_ranges_is_read_from_the_start(archive, http_archive):
    http_archive.always("/a.nc", IgnoreRange())
    http_archive.fail("/a.nc", Drop(100_000), Truncate(200_000))
    assert archive.local("a.nc").read_bytes() == DATA
    assert http_archive.sent("/a.nc") == 300_000 + len(DATA)


def test_a_server_without_ranges_that_always_breaks_is_given_up(archive, http_archive, cache):
    http_archive.always("/a.nc", IgnoreRange(), Drop(100_000))
    with pytest.raises(Unavailable):
        archive.local("a.nc")
    assert visible(cache) == []
    assert http_archive.count("/a.nc") == 4  # one that brought new bytes, three that did not


NEW = random.Random(2).randbytes(250_000)


@pytest.mark.parametrize("ignored", [(), (IgnoreIfRange(),)])
def test_a_file_that_has_changed_in_between_is_begun_anew(archive, http_archive, ignored):
    http_archive.always("/a.nc", *ignored)
    http_archive.fail("/a.nc", Drop(100_000), Change(NEW))
    assert archive.local("a.nc").read_bytes() == NEW


def test_a_file_that_changes_all_the_time_is_given_up(archive, http_archive, cache):
    for number in range(20):
        changed = random.Random(number).randbytes(200_000 + number)
        http_archive.fail("/a.nc", Change(changed))
    http_archive.always("/a.nc", Truncate(100_000))
    with pytest.raises(Unavailable, match=r"a\.nc"):
        archive.local("a.nc")
    assert visible(cache) == []


@pytest.mark.parametrize("checksum", ["", SHA])
def test_without_a_version_only_a_checksum_lets_a_download_go_on(
    archive, http_archive, checksum: str
):
    http_archive.always("/a.nc", NoTag())
    http_archive.fail("/a.nc", Drop(100_000))
    assert archive.local(ArchiveFile("a.nc", None, checksum)).read_bytes() == DATA
    assert ranges(http_archive) == ["", "bytes=100000-" if checksum else ""]


def test_a_body_without_a_length_is_measured_by_the_catalog(archive, http_archive, cache):
    http_archive.always("/a.nc", NoLength())
    http_archive.fail("/a.nc", Truncate(100_000))
    assert archive.local(ArchiveFile("a.nc", len(DATA))).read_bytes() == DATA
    assert ranges(http_archive) == ["", "bytes=100000-"]


@pytest.mark.parametrize("checksum", [SHA, MD5])
def test_a_wrong_checksum_is_given_one_fresh_try(archive, http_archive, checksum):
    http_archive.fail("/a.nc", Content(DATA[:-1] + b"x"))
    assert archive.local(ArchiveFile("a.nc", None, checksum)).read_bytes() == DATA
    assert ranges(http_archive) == ["", ""]


def test_a_checksum_that_is_wrong_twice_is_reported(archive, http_archive, cache):
    wrong = DATA[:-1] + b"x"
    http_archive.always("/a.nc", Content(wrong))
    with pytest.raises(InvalidData) as caught:
        archive.local(ArchiveFile("a.nc", None, SHA))
    for words in ("a.nc", SHA, hashlib.sha256(wrong).hexdigest(), "list the archive again"):
        assert words in str(caught.value)
    assert http_archive.count("/a.nc") == 2
    assert visible(cache) == []
    assert not list(cache.rglob("*.part"))


def test_a_mixture_of_two_versions_is_found_by_the_checksum(archive, http_archive):
    http_archive.always("/a.nc", NoTag())
    http_archive.fail("/a.nc", Content(b"y" * len(DATA)), NOTHING)
    http_archive.always("/a.nc", NoTag())
    with pytest.raises(InvalidData):
        archive.local(ArchiveFile("a.nc", None, f"sha256:{'0' * 64}"))
    http_archive.fail("/a.nc", Content(b"y" * len(DATA)))
    assert archive.local(ArchiveFile("a.nc", None, SHA)).read_bytes() == DATA


def test_another_size_than_the_catalogs_is_reported_at_once(archive, http_archive, cache):
    with pytest.raises(InvalidData, match=rf"a\.nc has {len(DATA)} bytes, its catalog says 17"):
        archive.local(ArchiveFile("a.nc", 17))
    assert http_archive.count("/a.nc") == 1
    assert visible(cache) == []


def test_an_unknown_kind_of_checksum_is_refused(archive):
    with pytest.raises(InvalidData, match="wanted sha256"):
        archive.local(ArchiveFile("a.nc", None, "crc32:1234"))


def test_a_file_that_was_replaced_in_the_archive_is_fetched_again(
    archive, http_archive, served, cache
):
    archive.local("a.nc")
    served.write_bytes(NEW)
    assert opened(http_archive, cache).local("a.nc").read_bytes() == NEW
    http_archive.forget()
    assert opened(http_archive, cache).local("a.nc").read_bytes() == NEW
    assert http_archive.count("/a.nc") == 0


def test_a_copy_that_was_damaged_in_the_cache_is_fetched_again(archive, http_archive):
    file = ArchiveFile("a.nc", len(DATA), SHA)
    path = archive.local(file)
    path.write_bytes(b"z" * len(DATA))
    assert archive.local(file).read_bytes() == DATA
    path.write_bytes(DATA)  # put back by hand: right as it is
    http_archive.forget()
    assert archive.local(file).read_bytes() == DATA
    assert http_archive.sent("/a.nc") == 0


def test_a_complete_copy_is_used_while_the_archive_is_away(archive, http_archive, caplog):
    archive.local("a.nc")
    http_archive.always("/a.nc", Status(503))
    assert archive.local("a.nc").read_bytes() == DATA
    assert "the copy in the cache is used" in caplog.text


def test_progress_is_told_in_bytes_and_may_end_the_download(http_archive, served, cache):
    told: list[tuple[str, int, int | None]] = []
    http_archive.fail("/a.nc", Drop(100_000))
    opened(http_archive, cache, progress=lambda *now: told.append(now)).local("a.nc")
    done = [now for _, now, _ in told]
    assert done == sorted(done)
    assert told[-1] == (f"{http_archive.url}/a.nc", len(DATA), len(DATA))

    class Cancelled(Exception):
        pass

    def cancel(_name: str, now: int, _whole: int | None) -> None:
        if now > 50_000:
            raise Cancelled

    served.write_bytes(NEW)
    http_archive.always("/a.nc", Trickle(20_000, 0.001))
    with pytest.raises(Cancelled):
        opened(http_archive, cache, progress=cancel).local("a.nc")
    http_archive.forget()
    assert opened(http_archive, cache).local("a.nc").read_bytes() == NEW
    assert http_archive.sent("/a.nc") < len(NEW)


def test_a_full_disk_is_told_before_it_is_full(archive, http_archive, monkeypatch, cache):
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage())
    with pytest.raises(FailedPrecondition, match=r"a\.nc needs 300000 more bytes.*has 1000"):
        archive.local("a.nc")
    assert visible(cache) == []


def test_a_cache_that_cannot_be_written_is_reported(http_archive, served, cache):
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file in the way")
    with pytest.raises(FailedPrecondition, match=r"a\.nc cannot be kept in the cache"):
        opened(http_archive, cache).local("a.nc")


def test_a_missing_file_is_not_found(archive, cache):
    with pytest.raises(NotFound, match=r"none\.nc"):
        archive.local("none.nc")
    assert visible(cache) == []


def test_names_as_long_as_file_systems_allow(archive, archive_folder):
    name = "n" * 252 + ".nc"
    (archive_folder / name).write_bytes(b"long")
    assert archive.local(name).read_bytes() == b"long"


def test_an_empty_file_is_a_file(archive, archive_folder):
    (archive_folder / "empty").write_bytes(b"")
    assert archive.local("empty").read_bytes() == b""


SCRIPT = """
import sys
from pathlib import Path
from catena.data_ingest.archive import open_archive
print("ready", flush=True)
archive = open_archive(sys.argv[1], cache=Path(sys.argv[2]))
print(archive.local("a.nc"), flush=True)
"""


def in_a_process(server: HttpArchive, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.url, str(cache)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )


@pytest.mark.slow
def test_kill_9_in_the_middle_loses_nothing_that_had_arrived(http_archive, served, cache):
    http_archive.always("/a.nc", Trickle(10_000, 0.05))
    process = in_a_process(http_archive, cache)
    try:
        wait_until(lambda: http_archive.sent("/a.nc") >= 100_000, 60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert visible(cache) == []
    (part,) = cache.rglob("*.part")
    have = part.stat().st_size
    assert 80_000 <= have < len(DATA)
    assert part.read_bytes() == DATA[:have]
    again = in_a_process(http_archive, cache)
    assert again.wait(60) == 0
    assert visible(cache) == ["a.nc"]
    assert next(cache.rglob("a.nc")).read_bytes() == DATA
    assert ranges(http_archive) == ["", f"bytes={have}-"]


@pytest.mark.slow
def test_two_processes_at_once_fetch_once(http_archive, served, cache):
    http_archive.always("/a.nc", Trickle(10_000, 0.05))
    processes = [in_a_process(http_archive, cache) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    for process in processes:
        assert process.stdout is not None
        assert Path(process.stdout.read().split()[-1]).read_bytes() == DATA
    assert http_archive.count("/a.nc") == 1
    assert not list(cache.rglob("*.lock"))


def test_many_threads_fetch_once_and_leave_no_lock(http_archive, served, cache):
    http_archive.always("/a.nc", Trickle(50_000, 0.02))
    results: list[bytes] = []

    def fetch() -> None:
        results.append(opened(http_archive, cache).local("a.nc").read_bytes())

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [DATA] * 6
    assert http_archive.count("/a.nc") == 1
    assert not list(cache.rglob("*.lock"))


def test_without_the_lock_they_would_all_fetch(http_archive, served, cache, monkeypatch):
    import contextlib

    monkeypatch.setattr(downloads, "locked", lambda *_: contextlib.nullcontext())
    http_archive.always("/a.nc", Trickle(50_000, 0.05))
    threads = [
        threading.Thread(target=lambda: _quiet(opened(http_archive, cache))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert http_archive.count("/a.nc") > 1


def _quiet(archive: BaseArchive) -> None:
    import contextlib

    with contextlib.suppress(Exception):
        archive.local("a.nc")
