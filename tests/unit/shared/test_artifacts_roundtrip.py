"""What a writer commits a reader gets back, and equal content has an equal digest."""

from __future__ import annotations

import itertools
import pickle
import secrets
import time
import warnings
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from catena.shared.artifacts import ArtifactStore, ArtifactWriter, Lineage
from catena.shared.artifacts.manifest import content_digest
from catena.shared.errors import InvalidData, NotFound

NAME = "calibrator/TrainSurrogate/0a1b"

segments = st.text("abcXYZ019._-", min_size=1, max_size=8).filter(
    lambda text: text not in (".", "..") and not text.startswith(".tmp-")
)
contents = st.dictionaries(segments, st.binary(max_size=50), min_size=1, max_size=6)
numbers = hnp.arrays(
    dtype=st.one_of(
        hnp.floating_dtypes(endianness="?"),
        hnp.integer_dtypes(endianness="?"),
        hnp.unsigned_integer_dtypes(endianness="?"),
        hnp.boolean_dtypes(),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def memory() -> ArtifactStore:
    return ArtifactStore(f"memory://{secrets.token_hex(8)}")


def committed(store: ArtifactStore, files: dict[str, bytes], attempt: int = 1, **how: Any) -> Any:
    writer = store.writer(NAME, attempt)
    for name, data in files.items():
        writer.write_bytes(name, data)
    return writer.commit(kind=how.pop("kind", "files"), **how)


def dataset() -> xr.Dataset:
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "lh": (("run", "year"), rng.normal(size=(300, 40)), {"units": "W m-2", "b": 1, "a": 2}),
            "ok": ("run", rng.random(300) > 0.5),
            "count": ("year", np.arange(40, dtype="int16")),
            "gappy": ("year", np.where(np.arange(40) % 3 == 0, np.nan, 1.0).astype("float32")),
        },
        coords={
            "year": np.arange(2000, 2040),
            "parameter": ("parameter", ["flnr", "slatop", "leafcn"]),
            "time": (
                "year",
                np.array("2000-01-01", dtype="datetime64[ns]") + np.arange(40) * 86400 * 10**9,
            ),
        },
        attrs={"title": "runs", "Conventions": "CF-1.8"},
    )


# ---- round trips ---------------------------------------------------------------------------


def test_a_whole_artifact_comes_back(store: ArtifactStore, writer: ArtifactWriter) -> None:
    lineage = Lineage(
        service="calibrator",
        method="TrainSurrogate",
        request={"seed": 3},
        code_version="src-1",
        seed=3,
    )
    before = datetime.now(UTC)
    writer.write_json("report.json", {"r2": 0.99})
    writer.write_arrays("weights.safetensors", {"w": np.eye(3), "n": np.array(7)})
    writer.write_dataset("runs.zarr", dataset())
    with writer.local_file("deep/er/raw.bin") as path:
        path.write_bytes(b"raw" * 1000)
    ref = writer.commit(
        kind="surrogate",
        units={"lh": "W m-2"},
        title="A surrogate",
        lineage=lineage,
        timed_files=["report.json"],
        costs={"wall_s": 1.5},
    )
    assert (ref.uri, ref.kind) == (f"jobs/{NAME}", "surrogate")
    artifact = store.open(ref)
    assert artifact.ref == ref
    artifact.verify()
    assert artifact.read_json("report.json") == {"r2": 0.99}
    arrays = artifact.read_arrays("weights.safetensors")
    np.testing.assert_array_equal(arrays["w"], np.eye(3))
    assert arrays["n"].shape == ()
    xr.testing.assert_identical(artifact.open_dataset("runs.zarr").load(), dataset())
    assert artifact.read_bytes("deep/er/raw.bin") == b"raw" * 1000
    assert artifact.local_path("deep/er/raw.bin").read_bytes() == b"raw" * 1000
    local = artifact.local_path("runs.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        xr.testing.assert_identical(xr.open_zarr(local).load(), dataset())
    manifest = artifact.manifest
    assert manifest.lineage == lineage
    assert manifest.units == {"lh": "W m-2"}
    assert (manifest.title, manifest.costs) == ("A surrogate", {"wall_s": 1.5})
    assert before <= manifest.create_time <= datetime.now(UTC)
    assert [entry.path for entry in manifest.files if entry.timed] == ["report.json"]
    assert sum(info.size for info in store.find(f"jobs/{NAME}/attempts")) == manifest.size
    pickle.loads(pickle.dumps(artifact)).verify()


@given(contents)
def test_any_files_come_back(files: dict[str, bytes]) -> None:
    store = memory()
    artifact = store.open(committed(store, files))
    artifact.verify()
    assert {name: artifact.read_bytes(name) for name in artifact.names} == files


@given(
    st.dictionaries(st.text(max_size=10).filter(lambda k: k != "__metadata__"), numbers, max_size=4)
)
def test_any_numbers_come_back(arrays: dict[str, np.ndarray]) -> None:
    store = memory()
    writer = store.writer(NAME, 1)
    writer.write_arrays("a.safetensors", arrays)
    read = store.open(writer.commit(kind="x")).read_arrays("a.safetensors")
    assert set(read) == set(arrays)
    for key, array in arrays.items():
        assert read[key].shape == array.shape
        assert read[key].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(read[key], array)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(1, 5))),
    st.sampled_from(["f4", "f8", "i4", "?", "U3"]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_dataset_comes_back(values: np.ndarray, dtype: str) -> None:
    with np.errstate(all="ignore"):
        data = xr.Dataset(
            {
                "v": (("x", "y"), values),
                "w": ("y", np.nan_to_num(values[:1]).sum(0).clip(-9, 9).astype(dtype)),
            }
        )
    store = memory()
    writer = store.writer(NAME, 1)
    writer.write_dataset("d.zarr", data)
    xr.testing.assert_identical(
        store.open(writer.commit(kind="x")).open_dataset("d.zarr").load(), data
    )


def test_arrays_in_any_layout_are_the_same_bytes() -> None:
    values = np.arange(12.0).reshape(3, 4)
    digests = set()
    for same in (
        values,
        np.asfortranarray(values),
        values.astype(">f8"),
        np.repeat(values, 2, 1)[:, ::2],
    ):
        store = memory()
        writer = store.writer(NAME, 1)
        writer.write_arrays("a.safetensors", {"v": same})
        digests.add(writer.commit(kind="x").digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    "bad",
    [np.array(["text"]), np.array([object()]), np.array([1j]), np.array(["2001"], dtype="M8[D]")],
)
def test_what_is_no_number_is_refused(writer: ArtifactWriter, bad: np.ndarray) -> None:
    with pytest.raises(InvalidData, match=r"array 'v' has type .* wanted floats"):
        writer.write_arrays("a.safetensors", {"v": bad})
    assert writer.names == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1, 2}, np.float32(1), b"bytes"])
def test_what_is_no_json_is_refused(writer: ArtifactWriter, bad: object) -> None:
    with pytest.raises(InvalidData, match=r"a\.json"):
        writer.write_json("a.json", {"v": bad})
    assert writer.names == []


def test_files_of_another_kind_are_said_so(store: ArtifactStore) -> None:
    artifact = store.open(committed(store, {"x": b"\xff\x00 nothing"}))
    with pytest.raises(InvalidData, match="JSON"):
        artifact.read_json("x")
    with pytest.raises(InvalidData, match="safetensors"):
        artifact.read_arrays("x")
    with pytest.raises(NotFound, match="no dataset 'x'"):
        artifact.open_dataset("x")
    with pytest.raises(NotFound, match="it has: x"):
        artifact.read_bytes("y")
    with pytest.raises(NotFound, match="it has: x"):
        artifact.local_path("y")


# ---- the digest ----------------------------------------------------------------------------


@given(contents, st.randoms(use_true_random=False), st.sampled_from([1, 2, 7]))
def test_the_digest_does_not_depend_on_order_attempt_or_place(
    files: dict[str, bytes], random: Any, attempt: int
) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)
    first = committed(memory(), files)
    second = committed(memory(), dict(shuffled), attempt)
    assert first.digest == second.digest


def test_the_digest_does_not_depend_on_the_clock() -> None:
    digests = set()
    for number in range(2):
        digests.add(
            committed(
                memory(),
                {"x": b"1", "report.html": f"took {number} s".encode()},
                timed_files=["report.html"],
                costs={"wall_s": float(number)},
                title=f"run {number}",
                lineage=Lineage(code_version=str(number)),
            ).digest
        )
        time.sleep(0.01)
    assert len(digests) == 1


def test_the_digest_depends_on_all_that_is_content() -> None:
    base: dict[str, Any] = {"files": {"x": b"1", "y": b"2"}}
    variants = [
        base,
        {"files": {"x": b"1", "y": b"3"}},
        {"files": {"x": b"2", "y": b"1"}},
        {"files": {"x": b"1", "z": b"2"}},
        {"files": {"x": b"1"}},
        base | {"kind": "ensemble"},
        base | {"units": {"lh": "W m-2"}},
        base | {"units": {"lh": "J m-2"}},
        base | {"timed_files": ["y"]},
    ]
    digests = [committed(memory(), **variant).digest for variant in variants]
    for one, other in itertools.combinations(range(len(variants)), 2):
        if {one, other} != {4, 8}:  # leaving out y and calling it timed is the same content
            assert digests[one] != digests[other], (variants[one], variants[other])
    assert content_digest("files", {}, []) != content_digest("", {"files": ""}, [])


def test_equal_datasets_are_equal_bytes() -> None:
    data = dataset()
    reordered = xr.Dataset(
        {name: data[name] for name in reversed(list(data.data_vars))},
        coords={name: data[name] for name in reversed(list(data.coords))},
        attrs=dict(reversed(data.attrs.items())),
    )
    reordered["lh"].attrs = dict(reversed(data["lh"].attrs.items()))
    reordered["lh"].encoding = {"chunks": (7, 7), "source": "elsewhere.nc", "dtype": "float32"}
    reordered["lh"].values = np.asfortranarray(data["lh"].values)
    digests = set()
    for same in (data, data.copy(deep=True), reordered):
        store = memory()
        writer = store.writer(NAME, 1)
        writer.write_dataset("d.zarr", same)
        digests.add(writer.commit(kind="x").digest)
        time.sleep(0.01)
    assert len(digests) == 1
    store = memory()
    writer = store.writer(NAME, 1)
    writer.write_dataset("d.zarr", data.assign(lh=data["lh"] + 1e-9))
    assert writer.commit(kind="x").digest not in digests


def test_a_dataset_of_many_chunks_comes_back(folder_store: ArtifactStore) -> None:
    big = xr.Dataset({"v": (("a", "b"), np.random.default_rng(1).normal(size=(2000, 1500)))})
    digests = set()
    for attempt in (1, 2):
        writer = folder_store.writer(f"s/M/{attempt}", attempt)
        writer.write_dataset("d.zarr", big)
        ref = writer.commit(kind="x")
        digests.add(ref.digest)
    assert len(digests) == 1
    artifact = folder_store.open(ref)
    assert len(artifact.names) > 4
    part = artifact.open_dataset("d.zarr")["v"][1990:, -3:]
    np.testing.assert_array_equal(part, big["v"][1990:, -3:])
