"""Reading by reference: only from the archive, only while it is as it was, through bad networks."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
from support.http_archive import (
    Change,
    Drop,
    HttpArchive,
    IgnoreRange,
    NoTag,
    Status,
    Truncate,
)

from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.artifacts import ranges as ranges_module
from catena.shared.artifacts import references as references_module
from catena.shared.artifacts.ranges import FileStamp, Ranges
from catena.shared.artifacts.references import ReferenceStore, open_store, reference_files
from catena.shared.checks.findings import Fix
from catena.shared.errors import (
    ArtifactCorrupt,
    CatenaError,
    FailedPrecondition,
    InvalidData,
    NotFound,
    Unavailable,
    UnsafePath,
)

NAME = "data-ingest/IngestDataset/0a"
VALUES = np.arange(40, dtype="<f4").reshape(4, 10)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges_module, "PAUSE_S", 0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive of two files, each with half of the values behind a header."""
    made = tmp_path / "archive"
    made.mkdir()
    (made / "a.bin").write_bytes(b"header__" + VALUES[:2].tobytes())
    (made / "b.bin").write_bytes(b"header__" + VALUES[2:].tobytes())
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[HttpArchive]:
    with HttpArchive(folder) as running:
        yield running


def refs(top: str, **more: Any) -> dict[str, Any]:
    zarray = {"zarr_format": 2, "shape": [4, 10], "chunks": [1, 10], "dtype": "<f4", "order": "C",
              "compressor": None, "filters": None, "fill_value": None}  # fmt: skip
    return {
        ".zgroup": json.dumps({"zarr_format": 2}),
        ".zattrs": {"title": "by hand"},
        "v/.zarray": json.dumps(zarray),
        "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["t", "x"], "units": "K"}),
        "v/0.0": [f"{top}/a.bin", 8, 40],
        "v/1.0": [f"{top}/a.bin", 48, 40],
        "v/2.0": "base64:" + base64.b64encode(VALUES[2].tobytes()).decode(),
        "v/3.0": [f"{top}/b.bin", 48, 40],
        **more,
    }


def artifact_of(tmp_path: Path, top: str, fixes: tuple[Fix, ...] = (), **more: Any) -> Artifact:
    store = ArtifactStore(f"file://{tmp_path / 'store'}")
    writer = store.writer(NAME, 1)
    ranges = Ranges(top)
    stamps = [ranges.stamp(f"{top}/{name}") for name in ("a.bin", "b.bin")]
    plain = {"version": 1, "refs": refs(top, **more)}
    for name, data in reference_files("r.json", plain, location=top, files=stamps,
                                      fixes=fixes).items():  # fmt: skip
        writer.write_bytes(name, data)
    return store.open(writer.commit(kind="dataset"))


def test_values_come_from_the_archive_and_the_json(tmp_path: Path, folder: Path) -> None:
    double = Fix("scale", {"variable": "v", "factor": 2.0, "units": "2 K"})
    artifact = artifact_of(tmp_path, f"file://{folder}", (double,))
    opened = artifact.open_dataset("r.json")
    np.testing.assert_array_equal(opened["v"], 2 * VALUES)
    assert opened["v"].attrs["units"] == "2 K"
    assert opened.attrs == {"title": "by hand"}
    assert opened["v"].chunks is not None, "lazy"
    with pytest.raises(NotFound):
        artifact.open_dataset("r.json.fixes.json")


def test_over_http_too(tmp_path: Path, server: HttpArchive) -> None:
    artifact = artifact_of(tmp_path, server.url)
    server.forget()
    opened = artifact.open_dataset("r.json")
    assert server.sent("/a.bin") == 0, "opening reads no data"
    np.testing.assert_array_equal(opened["v"], VALUES)
    assert server.sent("/a.bin") == 80, "only what was asked for"


# ---- the archive changes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_bytes(bytes(89)), r"b\.bin: it has 89 bytes, .* 88"),
        (lambda path: os.utime(path, ns=(1, 1)), r"b\.bin: it was changed at 1,"),
        (lambda path: path.unlink(), r"b\.bin: it is gone"),
    ],
)  # fmt: skip
def test_a_changed_file_is_named_when_the_dataset_is_opened(
    tmp_path: Path, folder: Path, change: Any, said: str
) -> None:
    artifact = artifact_of(tmp_path, f"file://{folder}")
    change(folder / "b.bin")
    with pytest.raises(FailedPrecondition, match=said):
        artifact.open_dataset("r.json")


def test_a_changed_file_on_the_web_is_named(tmp_path: Path, server: HttpArchive, folder: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    artifact = artifact_of(tmp_path, server.url)
    time.sleep(0.01)
    (folder / "b.bin").write_bytes(b"header__" + VALUES[:2].tobytes())
    with pytest.raises(FailedPrecondition, match=r"b\.bin: its ETag is .*, it was"):
        artifact.open_dataset("r.json")
    # Of very many files each is looked at before its first bytes are used.
    monkeypatch.setattr(references_module, "CHECKED_AT_ONCE", 1)
    opened = artifact.open_dataset("r.json")
    np.testing.assert_array_equal(opened["v"][:3], VALUES[:3])
    with pytest.raises(FailedPrecondition, match=r"b\.bin: its ETag is"):
        opened["v"][3].load()


def test_stamps_compare_what_both_have() -> None:
    then = FileStamp("u", 5, "tag", "1")
    assert then.difference(FileStamp("u", 5, "tag", "2")) == ""
    assert "ETag" in then.difference(FileStamp("u", 5, "other", "1"))
    assert "changed at 2" in then.difference(FileStamp("u", 5, "", "2"))
    assert then.difference(FileStamp("u", None, "", "")) == ""
    assert FileStamp.from_dict(then.to_dict()) == then


# ---- only the archive --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "file://{folder}/../secret", "file://{folder}x/a.bin",
     "http://127.0.0.1/a.bin", "/etc/passwd", "file://{folder}/%2e%2e/secret",
     "file://{folder}/link", "s3://bucket/key", "file://{folder}"],
)  # fmt: skip
def test_nothing_outside_of_the_archive_is_read(tmp_path: Path, folder: Path, target: str) -> None:
    (tmp_path / "secret").write_bytes(b"s" * 100)
    (folder / "link").symlink_to(tmp_path / "secret")
    url = target.format(folder=folder)
    artifact = artifact_of(tmp_path, f"file://{folder}", **{"v/1.0": [url, 0, 40]})
    opened = artifact.open_dataset("r.json")
    np.testing.assert_array_equal(opened["v"][0], VALUES[0])
    with pytest.raises(CatenaError) as caught:
        opened["v"][1].load()
    assert isinstance(caught.value, UnsafePath | NotFound)
    assert isinstance(caught.value, UnsafePath) or target == "file://{folder}"


@pytest.mark.parametrize("bad", ["ftp://host/a", "/folder", "file:///a/../b", "https://h/%2e%2e/b"])
def test_odd_locations_are_refused(bad: str) -> None:
    with pytest.raises(UnsafePath, match="location"):
        Ranges(bad)


def test_references_from_outside_are_not_followed(tmp_path: Path, folder: Path) -> None:
    store = ArtifactStore(f"file://{tmp_path / 'store'}")
    top = f"file://{folder}"
    files = reference_files("r.json", {"version": 1, "refs": refs(top)}, location=top, files=())
    artifact = store.open(store.put_files(files))
    with pytest.raises(FailedPrecondition, match="imported from outside"):
        artifact.open_dataset("r.json")


# ---- bad networks ------------------------------------------------------------------------------


def test_a_network_that_recovers_is_waited_for(tmp_path: Path, server: HttpArchive) -> None:
    opened = artifact_of(tmp_path, server.url).open_dataset("r.json")
    server.fail("/a.bin", Status(503), Drop(10), Status(429), Truncate(20))
    np.testing.assert_array_equal(opened["v"][0], VALUES[0])
    assert server.count("/a.bin") >= 5


def test_a_network_that_does_not_recover_is_reported(tmp_path: Path, server: HttpArchive) -> None:
    opened = artifact_of(tmp_path, server.url).open_dataset("r.json")
    server.forget()
    server.fail("/a.bin", *[Status(503)] * 9)
    with pytest.raises(Unavailable, match=r"a\.bin: .*status 503.*5 attempts") as caught:
        opened["v"][0].load()
    assert caught.value.retry_after_s
    assert server.count("/a.bin") == ranges_module.ATTEMPTS


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Status(404), NotFound, r"a\.bin: it is not there any more"),
        (Status(403), FailedPrecondition, r"a\.bin: .*(refused|not let us)"),
        (IgnoreRange(), InvalidData, r"40 bytes were asked for, 88 came.*byte ranges"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(
    tmp_path: Path, server: HttpArchive, fault: Any, error: type, said: str
) -> None:
    opened = artifact_of(tmp_path, server.url).open_dataset("r.json")
    server.forget()
    server.fail("/a.bin", fault)
    with pytest.raises(error, match=said):
        opened["v"][0].load()
    assert server.count("/a.bin") == 1


def test_a_file_that_ends_too_early_is_named(server: HttpArchive, folder: Path) -> None:
    for location in (server.url, f"file://{folder}"):
        with pytest.raises(InvalidData, match=r"a\.bin: bytes 60 to 100 .* ends after 88"):
            Ranges(location).read(f"{location}/a.bin", 60, 40)
        assert Ranges(location).read(f"{location}/a.bin", 60, 0) == b""
        assert Ranges(location).read(f"{location}/a.bin", 0, 8) == b"header__"
        assert len(Ranges(location).read(f"{location}/a.bin")) == 88


def test_a_server_without_tags_is_compared_by_size(tmp_path: Path, server: HttpArchive) -> None:
    server.always("/b.bin", NoTag())
    artifact = artifact_of(tmp_path, server.url)
    artifact.open_dataset("r.json")
    server.fail("/b.bin", Change(b"short"))
    with pytest.raises(CatenaError):
        artifact.open_dataset("r.json")["v"].load()
    with pytest.raises(FailedPrecondition, match=r"b\.bin: it has 5 bytes, .* 88"):
        artifact.open_dataset("r.json")


# ---- odd references ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [("base64:!!!", "not base64"), ([1, 2], "neither bytes nor"), (7, "neither bytes nor"),
     (["u", 1], "neither bytes nor")],
)  # fmt: skip
def test_odd_references_are_corrupt(folder: Path, value: Any, said: str) -> None:
    top = f"file://{folder}"
    store = ReferenceStore(refs(top, **{"v/0.0": value}), top)
    with pytest.raises(ArtifactCorrupt, match=said):
        store.fetch("v/0.0")
    assert store.fetch("v/9.9") is None


def test_a_file_of_fixes_that_is_none(tmp_path: Path, folder: Path) -> None:
    store = ArtifactStore(f"file://{tmp_path / 'store'}")
    writer = store.writer(NAME, 1)
    writer.write_json("r.json", {"version": 1})
    writer.write_json("r.json.fixes.json", {"files": [{"nonsense": 1}], "fixes": []})
    with pytest.raises(ArtifactCorrupt, match="is no reference"):
        store.open(writer.commit(kind="x")).open_dataset("r.json")


def test_scales_in_single_precision_decode_as_from_the_file(folder: Path) -> None:
    packed = np.arange(40, dtype="<i2")
    (folder / "p.bin").write_bytes(packed.tobytes())
    top = f"file://{folder}"
    zarray = {"zarr_format": 2, "shape": [40], "chunks": [40], "dtype": "<i2", "order": "C",
              "compressor": None, "filters": None, "fill_value": None}  # fmt: skip
    scale = np.float32(0.013)
    attrs = {"_ARRAY_DIMENSIONS": ["x"], "scale_factor": float(scale), "add_offset": 2.0,
             "_packing_types": {"scale_factor": "float32", "add_offset": "float32"}}  # fmt: skip
    some = {".zgroup": '{"zarr_format": 2}', "v/.zarray": json.dumps(zarray),
            "v/.zattrs": json.dumps(attrs), "v/0": [f"{top}/p.bin"]}  # fmt: skip
    found = open_store(ReferenceStore(some, top))["v"]
    wanted = xr.decode_cf(
        xr.Dataset({"v": ("x", packed, {"scale_factor": scale, "add_offset": np.float32(2.0)})})
    )["v"]
    assert found.dtype == wanted.dtype == np.float32
    np.testing.assert_array_equal(found, wanted)
    assert "_packing_types" not in found.attrs


# ---- several references at once ----------------------------------------------------------------


def test_two_references_into_one_file_are_told_apart_when_computed_together(folder: Path) -> None:
    top = f"file://{folder}"
    stamp = Ranges(top).stamp(f"{top}/a.bin")
    rows = ({"v/0.0": [f"{top}/a.bin", start, 40]} for start in (8, 48))
    first, other = (open_store(ReferenceStore(refs(top, **row), top, [stamp])) for row in rows)
    one, two = dask.compute(first["v"], other["v"])
    np.testing.assert_array_equal(one, VALUES)
    np.testing.assert_array_equal(two, VALUES[[1, 1, 2, 3]])


@pytest.mark.parametrize(
    "change",
    [
        {"location": "file:///b"},
        {"stamps": [FileStamp("file:///a/x", 5, "", "2")]},
        {"stamps": [FileStamp("file:///a/x", 6, "", "1")]},
        {"stamps": []},
        {"refs": {"v/0": ["file:///a/x", 4, 4]}},
        {"refs": {"v/0": "base64:AAAA"}},
        {"refs": {"v/1": ["file:///a/x", 0, 4]}},
        {"refs": {"v/0": ["file:///a/x", 0, 4], "v/.zattrs": {"scale_factor": 2.0}}},
    ],
)
def test_a_token_depends_on_all_that_a_store_reads(change: dict[str, Any]) -> None:
    same: dict[str, Any] = {
        "refs": {"v/0": ["file:///a/x", 0, 4], "v/.zattrs": {"scale_factor": 1.0}},
        "location": "file:///a",
        "stamps": [FileStamp("file:///a/x", 5, "", "1")],
    }
    store, again = ReferenceStore(**same), ReferenceStore(**same)
    assert store == again
    assert store.token == again.token
    assert hash(store) == hash(again)
    changed = ReferenceStore(**(same | change))
    assert store != changed
    assert store.token != changed.token


def test_the_order_of_references_is_no_content() -> None:
    some = {"a/0": "x", "a/1": "y"}
    turned = dict(reversed(some.items()))
    assert ReferenceStore(some, "file:///a").token == ReferenceStore(turned, "file:///a").token
