"""Large datasets: every element in exactly one part, equal bytes however they are written."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.shared.artifacts import ArtifactStore
from catena.shared.artifacts import shards as shards_module
from catena.shared.artifacts.datasets import write_dataset
from catena.shared.artifacts.parts import PartWriter, write_parts
from catena.shared.artifacts.shards import (
    CHUNK_BYTES,
    SHARD_BYTES,
    WHOLE_BYTES,
    ShardPlan,
    plan_shards,
)
from catena.shared.errors import (
    ArtifactCorrupt,
    FailedPrecondition,
    InvalidData,
    Unavailable,
)
from catena.shared.testing import Fault, FaultyStore, Killed

NAME = "data-ingest/IngestDataset/0a"

shapes = st.lists(st.integers(0, 5000), max_size=5).map(tuple)
itemsizes = st.sampled_from([1, 2, 4, 8])


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 4 kB, chunks of 256 bytes, whole arrays up to 512 bytes."""
    for name, size in (("SHARD_BYTES", 4096), ("CHUNK_BYTES", 256), ("WHOLE_BYTES", 512)):
        monkeypatch.setattr(shards_module, name, size)
    monkeypatch.setattr("catena.shared.artifacts.parts.WHOLE_BYTES", 512)


# ---- plans -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 14), max_size=5).map(tuple), itemsizes, st.data())
def test_every_element_is_in_exactly_one_part(shape: tuple[int, ...], item: int, data) -> None:
    sides = tuple(data.draw(st.integers(1, 6)) for _ in shape)
    multiple = tuple(side * data.draw(st.integers(1, 3)) for side in sides)
    plan = data.draw(st.sampled_from([plan_shards(shape, item), ShardPlan(shape, sides, None),
                                      ShardPlan(shape, sides, multiple)]))  # fmt: skip
    count = np.zeros(shape, dtype=int)
    labels = set()
    for part in plan.parts():
        count[part.region] += 1
        assert count[part.region].size == part.size > 0
        labels.add(part.label)
        for piece, side in zip(part.region, plan.shards or plan.chunks, strict=True):
            assert piece.start % side == 0, "a part begins where a shard does"
    assert (count == 1).all()
    assert len(labels) == sum(1 for _ in plan.parts())


@given(shapes, itemsizes, st.one_of(st.none(), st.integers(1, 400)))
@settings(max_examples=300)
def test_plans_are_aligned_and_of_bounded_size(
    shape: tuple[int, ...], item: int, source: int | None
) -> None:
    plan = plan_shards(shape, item, None if source is None else (source,) * len(shape))
    assert len(plan.chunks) == len(shape)
    assert min(plan.chunks, default=1) >= 1
    size = math.prod(shape) * item
    if plan.shards is None:
        assert size <= WHOLE_BYTES
        assert all(side >= extent for side, extent in zip(plan.chunks, shape, strict=True))
        return
    assert size > WHOLE_BYTES
    assert all(s % c == 0 for s, c in zip(plan.shards, plan.chunks, strict=True))
    assert math.prod(plan.chunks) * item <= CHUNK_BYTES
    held = math.prod(min(s, n) for s, n in zip(plan.shards, shape, strict=True)) * item
    assert held <= 4 / 3 * SHARD_BYTES
    # Shards are contiguous: one axis at most is cut, those after it are whole, those before single.
    cut = [axis for axis, (s, n) in enumerate(zip(plan.shards, shape, strict=True)) if s < n]
    if cut:
        last = cut[-1]
        assert all(plan.shards[axis] == 1 for axis in range(last))
        assert held >= min(SHARD_BYTES / 4, size / 2) or plan.shards[last] == 1 or source, plan


@pytest.mark.parametrize(
    ("shape", "source", "rows"),
    [
        ((36500, 90, 180), (365, 90, 180), 730),
        ((36500, 90, 180), (1, 90, 180), 776),
        ((3650, 180, 360), (30, 180, 360), 180),
        ((3650, 360, 720), (60, 360, 720), 60),  # a third larger at most
        ((3650, 360, 720), (70, 360, 720), 48),
    ],
)
def test_shards_begin_where_chunks_of_the_source_do(
    shape: tuple[int, ...], source: tuple[int, ...], rows: int
) -> None:
    plan = plan_shards(shape, 4, source)
    assert plan.shards is not None
    assert plan.shards[0] == rows
    assert plan.chunks[0] * (plan.shards[0] // plan.chunks[0]) == rows


def test_a_map_and_a_series_both_read_few_chunks() -> None:
    plan = plan_shards((36500, 180, 360), 4)
    per_map = math.prod(-(-n // c) for n, c in zip((180, 360), plan.chunks[1:], strict=True))
    per_series_in_shard = plan.shards[0] // plan.chunks[0]
    assert per_map <= 16
    assert per_series_in_shard <= 4


# ---- what is written comes back ----------------------------------------------------------------


def mixed(rows: int = 200) -> xr.Dataset:
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "tas": (("time", "lat", "lon"), rng.normal(size=(rows, 5, 7)).astype("f4"),
                    {"units": "K", "cell_methods": "time: mean"}),
            "wet": (("time", "lat"), rng.random((rows, 5)) > 0.5),
            "count": (("lon", "time"), rng.integers(-9, 9, (7, rows)).astype("i2")),
            "gaps": (("time", "lat", "lon"), np.where(rng.random((rows, 5, 7)) > 0.9, 1.0, np.nan)),
            "empty": (("time", "lat", "lon"), np.full((rows, 5, 7), np.nan)),
            "name": ("lat", np.array(["a", "b", "ü", "", "e"], dtype=object)),
            "time_bnds": (("time", "bnds"), np.stack([_days(rows), _days(rows, 1)], axis=1)),
            "crs": ((), 0),
        },
        coords={
            "time": _days(rows),
            "lat": np.linspace(-60, 60, 5),
            "height": 2.0,
            "area": (("lat", "lon"), rng.random((5, 7))),
        },
        attrs={"title": "mixed", "missing": np.nan},
    )  # fmt: skip


def _days(rows: int, shift: int = 0) -> np.ndarray:
    return xr.date_range(
        f"2000-01-{1 + shift:02d}", periods=rows, calendar="360_day", use_cftime=True
    ).values


def lazily(dataset: xr.Dataset, chunks: dict[str, int]) -> xr.Dataset:
    return dataset.chunk({name: chunks.get(name, -1) for name in dataset.dims})


def test_a_dataset_in_parts_comes_back(store: ArtifactStore, small_shards: None) -> None:
    writer = store.writer(NAME, 1)
    written: list[str] = []
    write_parts(
        writer,
        "d.zarr",
        lazily(mixed(), {"time": 33}),
        on_part=lambda key, part, entries: written.append(f"{key}/{part.label}"),
    )
    assert len(written) > 20
    artifact = store.open(writer.commit(kind="dataset"))
    artifact.verify()
    found = artifact.open_dataset("d.zarr").load()
    xr.testing.assert_identical(found, mixed())
    for name in mixed().variables:
        if mixed()[name].dtype.kind != "O":
            assert found[name].dtype == mixed()[name].dtype, name
    stored = json.loads(artifact.read_bytes("d.zarr/tas/zarr.json"))
    assert (stored["data_type"], stored["codecs"][0]["name"]) == ("float32", "sharding_indexed")
    # Also a bit at a time, through ranges of the shards.
    opened = artifact.open_dataset("d.zarr")
    for row in (0, 17, 199):
        np.testing.assert_array_equal(opened["tas"][row, 2], mixed()["tas"][row, 2])
        assert float(opened["count"][3, row]) == float(mixed()["count"][3, row])
    assert np.isnan(opened["empty"][3:5].values).all()
    if (local := store.local(artifact.path("d.zarr"))) is not None:
        xr.testing.assert_identical(xr.open_zarr(local).load(), mixed())


def test_equal_datasets_are_equal_bytes_however_they_are_written(
    folder_store: ArtifactStore, small_shards: None
) -> None:
    digests = set()
    data = mixed()
    orders = [list, lambda parts: parts[::-1]]
    sources = [
        data,
        lazily(data, {"time": 50}),
        lazily(
            data.assign(tas=data["tas"].copy(data=np.asfortranarray(data["tas"]))), {"time": 50}
        ),
    ]
    for number, ((order, source), threads) in enumerate(
        zip(itertools.product(orders, sources), itertools.cycle([1, 3]), strict=False)
    ):
        writer = folder_store.writer(f"data-ingest/Ingest/{number}", number)
        parts = PartWriter(writer, "d.zarr", source, threads=threads)
        parts.write_frame()
        for key, part in order(list(parts.plan())):
            parts.write(key, part)
        digests.add(writer.commit(kind="dataset").digest)
    # Shards follow the chunks of the source (50 rows); within one layout all bytes are equal.
    assert len(digests) == 2


def test_the_source_is_read_once(folder_store: ArtifactStore, small_shards: None) -> None:
    reads: list[tuple[int, ...]] = []

    def block(block_id: tuple[int, ...]) -> np.ndarray:
        reads.append(block_id)
        return np.full((20, 5, 7), block_id[0], dtype="f4")

    data = da.map_blocks(
        lambda block_id=None: block(block_id), chunks=((20,) * 10, (5,), (7,)), dtype="f4",
        meta=np.empty((0, 0, 0), "f4"),
    )  # fmt: skip
    reads.clear()
    writer = folder_store.writer(NAME, 1)
    write_parts(writer, "d.zarr", xr.Dataset({"v": (("t", "y", "x"), data)}))
    assert sorted(reads) == [(n, 0, 0) for n in range(10)]


def test_parts_need_their_frame_and_names_are_given_once(folder_store: ArtifactStore) -> None:
    writer = folder_store.writer(NAME, 1)
    big = xr.Dataset({"v": (("t",), da.zeros(2_000_000, dtype="f8", chunks=-1))})
    parts = PartWriter(writer, "d.zarr", big)
    with pytest.raises(FailedPrecondition, match="write the frame"):
        parts.write(*next(parts.plan()))
    writer.write_bytes("e.zarr", b"")
    with pytest.raises(FailedPrecondition, match=r"'e\.zarr' was written before"):
        write_parts(writer, "e.zarr", big)


@pytest.mark.parametrize("write", [write_parts, write_dataset])
def test_objects_are_refused_and_leave_nothing(folder_store: ArtifactStore, write) -> None:
    writer = folder_store.writer(NAME, 1)
    with pytest.raises(InvalidData, match=r"variable 'v' holds objects"):
        write(writer, "d.zarr", xr.Dataset({"v": ("x", np.array([{}, 1], dtype=object))}))
    assert writer.names == []


def test_a_failure_in_the_middle_leaves_no_half_dataset(tmp_path: Path, small_shards: None) -> None:
    store = FaultyStore(f"file://{tmp_path}", Fault("write", at=40))
    writer = store.writer(NAME, 1)
    with pytest.raises(Unavailable):
        write_parts(writer, "d.zarr", mixed())
    assert writer.names == []
    store.repair()
    write_parts(writer, "d.zarr", mixed())
    xr.testing.assert_identical(
        store.open(writer.commit(kind="x")).open_dataset("d.zarr").load(), mixed()
    )


# ---- reading ranges ----------------------------------------------------------------------------


def committed(store: ArtifactStore) -> tuple:
    writer = store.writer(NAME, 1)
    write_parts(writer, "d.zarr", mixed())
    artifact = store.open(writer.commit(kind="x"))
    shard = next(name for name in artifact.names if "/tas/c/1" in name)
    return artifact, shard


def test_ranges_are_what_the_file_has(store: ArtifactStore, small_shards: None) -> None:
    artifact, shard = committed(store)
    data = artifact.read_bytes(shard)
    for part in (slice(0, 10), slice(5, None), slice(-7, None), slice(3, 3), slice(None, None)):
        assert artifact.read_range(shard, part) == data[part]


@pytest.mark.parametrize("after_first_read", [False, True])
def test_a_changed_shard_is_noticed_by_a_range(
    folder_store: ArtifactStore, small_shards: None, after_first_read: bool
) -> None:
    artifact, shard = committed(folder_store)
    if after_first_read:
        artifact.read_range(shard, slice(0, 4))
    data = bytearray(artifact.read_bytes(shard))
    data[-1] ^= 1
    folder_store.write_bytes(artifact.path(shard), bytes(data))
    with pytest.raises(ArtifactCorrupt, match="was changed"):
        artifact.read_range(shard, slice(0, 4))
    with pytest.raises(ArtifactCorrupt, match="was changed"):
        artifact.open_dataset("d.zarr")["tas"][20:60].load()
    folder_store.remove_tree(artifact.path(shard))
    with pytest.raises(ArtifactCorrupt, match="is missing"):
        artifact.read_range(shard, slice(0, 4))


def test_one_value_does_not_cost_a_shard(tmp_path: Path) -> None:
    store = FaultyStore(f"file://{tmp_path}")
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**31, (40, 500, 500)).astype("i4")
    writer = store.writer(NAME, 1)
    write_parts(writer, "d.zarr", xr.Dataset({"v": (("t", "y", "x"), values)}))
    opened = store.open(writer.commit(kind="x")).open_dataset("d.zarr")
    sizes: list[int] = []
    inner = store.files.read
    store.files.read = lambda *where: sizes.append(len(data := inner(*where))) or data  # type: ignore[method-assign]
    assert int(opened["v"][20, 30, 40]) == values[20, 30, 40]
    assert 0 < sum(sizes) < 3 << 20, "a chunk and the index, of 40 MB"


# ---- adoption ----------------------------------------------------------------------------------


def test_files_of_an_earlier_attempt_are_taken_over(store: ArtifactStore) -> None:
    first = store.writer(NAME, 1)
    first.write_bytes("data/a", b"1" * 100)
    first.write_bytes("data/b", b"2" * 100)
    second = store.writer(NAME, 2)
    assert second.adopt([first.entry("data/a"), first.entry("data/b")], 1) == []
    second.write_bytes("data/c", b"3")
    artifact = store.open(second.commit(kind="x"))
    assert {name: artifact.read_bytes(name)[:1] for name in artifact.names} == {
        "data/a": b"1", "data/b": b"2", "data/c": b"3",
    }  # fmt: skip
    store.remove_tree(f"jobs/{NAME}/attempts/1")
    artifact.verify()


def test_what_is_not_as_it_was_is_not_taken_over(store: ArtifactStore) -> None:
    first = store.writer(NAME, 1)
    for name in ("changed", "short", "gone", "good"):
        first.write_bytes(name, b"0123456789")
    entries = [first.entry(name) for name in first.names]
    store.write_bytes(f"jobs/{NAME}/attempts/1/changed", b"012345678x")
    store.write_bytes(f"jobs/{NAME}/attempts/1/short", b"01234")
    store.remove_tree(f"jobs/{NAME}/attempts/1/gone")
    second = store.writer(NAME, 2)
    assert sorted(second.adopt(entries, 1)) == ["changed", "gone", "short"]
    assert second.names == ["good"]
    for name in ("changed", "gone", "short"):
        second.write_bytes(name, b"again")
    artifact = store.open(second.commit(kind="x"))
    artifact.verify()
    assert artifact.read_bytes("changed") == b"again"
    # A link shares no bytes with what is written over it.
    second_good = f"jobs/{NAME}/attempts/2/good"
    store.write_bytes(second_good, b"other")
    assert store.read_bytes(f"jobs/{NAME}/attempts/1/good") == b"0123456789"


def test_a_name_is_adopted_once(folder_store: ArtifactStore) -> None:
    first = folder_store.writer(NAME, 1)
    first.write_bytes("a", b"1")
    with pytest.raises(FailedPrecondition, match="written before"):
        first.adopt([first.entry("a")], 1)
    entry = first.entry("a")
    first.forget("a")
    assert first.names == []
    assert first.adopt([entry], 1) == []
    assert first.names == ["a"]


def test_a_kill_while_adopting_leaves_the_earlier_files(tmp_path: Path) -> None:
    store = ArtifactStore(f"file://{tmp_path}")
    first = store.writer(NAME, 1)
    for name in "abc":
        first.write_bytes(name, name.encode())
    entries = [first.entry(name) for name in "abc"]
    dying = FaultyStore(f"file://{tmp_path}", Fault("write", at=2, error=Killed, stays=True))
    with pytest.raises(Killed):
        dying.writer(NAME, 2).adopt(entries, 1)
    third = store.writer(NAME, 3)
    assert third.adopt(entries, 1) == []
    store.open(third.commit(kind="x")).verify()
