"""One process: checkpoints are whole or not there, and nothing in them can do harm."""

from __future__ import annotations

import json
import logging
import pickle
import resource
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from support.orbit_meshes import config_for, engine_for, steps_of

from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.training import sharded_checkpoint
from catena.orbit_trainer.training.checkpoint_folder import CheckpointFolder, read_meta, seal
from catena.shared.errors import FailedPrecondition

CONFIG = config_for(MeshShape())


def fresh(**more: Any) -> NativeEngine:
    return engine_for(MeshShape(), replace(CONFIG, **more))


@pytest.fixture(autouse=True)
def _few_words(caplog: pytest.LogCaptureFixture) -> None:
    """Torch logs each step of a checkpoint."""
    caplog.set_level(logging.CRITICAL, "c10d-NullHandler-dcp_logger")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint after two steps."""
    engine, folder = fresh(), CheckpointFolder(tmp_path / "checkpoints").place(2)
    steps_of(engine, CONFIG, range(2))
    engine.save(folder, {"said": [1, "a"]})
    engine.wait()
    return folder


def test_a_resumed_training_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    engine, folder = fresh(), tmp_path / "step-000000002"
    steps_of(engine, CONFIG, range(2))
    engine.save(folder, {"said": [1, "a"]})
    later = steps_of(engine, CONFIG, range(2, 5))  # changes weights while they are written
    engine.wait()
    again = fresh()
    assert again.load(folder) == {"said": [1, "a"]}
    assert steps_of(again, CONFIG, range(2, 5)) == later
    mine, theirs = engine._state(), again._state()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_no_pickle_says_what_is_where(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == [
        "__0_0.distcp",
        "meta.json",
        "tensors.json",
    ]


def edited(folder: Path, change: Any) -> None:
    said = json.loads((folder / "tensors.json").read_text())
    change(said)
    (folder / "tensors.json").write_text(json.dumps(said))
    sealed_again(folder)


def sealed_again(folder: Path) -> None:
    """As one who means harm would: sizes fit."""
    meta = read_meta_as_it_is(folder)
    folder.rename(folder.with_name(folder.name + ".part"))
    seal(folder, meta)


def read_meta_as_it_is(folder: Path) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads((folder / "meta.json").read_text())["meta"]
    return meta


def refused(folder: Path, match: str, **more: Any) -> None:
    engine = fresh(**more)
    before = {name: tensor.clone() for name, tensor in engine._state().items()}
    with pytest.raises(FailedPrecondition, match=match):
        engine.load(folder)
    after = engine._state()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_truncated_checkpoint_is_refused(saved: Path) -> None:
    data = saved / "__0_0.distcp"
    data.write_bytes(data.read_bytes()[:-1])
    refused(saved, r"no whole checkpoint: __0_0\.distcp has \d+ bytes")


@pytest.mark.parametrize("gone", ["meta.json", "tensors.json", "__0_0.distcp"])
def test_a_checkpoint_that_lacks_a_file_is_refused(saved: Path, gone: str) -> None:
    (saved / gone).unlink()
    refused(saved, f"no whole checkpoint: .*{gone}")


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "step-000000007"
    part = tmp_path / "step-000000007.part"
    part.mkdir()
    torch.save({"weights": torch.zeros(3)}, part / "mp_rank_00_model_states.pt")
    seal(folder, {})
    refused(folder, r"no checkpoint of this engine: its tensors\.json is missing")


def test_another_format_is_refused(saved: Path) -> None:
    edited(saved, lambda said: said.update(format="other 2"))
    refused(saved, "format 'other 2'")


def test_a_part_outside_of_the_folder_is_refused(saved: Path) -> None:
    def lead_out(said: dict[str, Any]) -> None:
        first = next(iter(said["tensors"].values()))
        first["parts"][0]["file"] = "../secret"

    edited(saved, lead_out)
    refused(saved, r"lies outside, in \.\./secret")


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harm-was-done"),)


def test_a_pickle_in_the_place_of_numbers_is_not_run(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    data = saved / "__0_0.distcp"
    evil = pickle.dumps(Harm(), protocol=2)
    data.write_bytes(evil)
    (saved / ".metadata").write_bytes(evil)

    def point(said: dict[str, Any]) -> None:
        for tensor in said["tensors"].values():
            for part in tensor["parts"]:
                part.update(offset=0, bytes=len(evil), crc32=zlib.crc32(evil))

    edited(saved, point)
    refused(saved, "cannot be read into this model")
    assert not (tmp_path / "harm-was-done").exists()


def test_damaged_numbers_are_refused(saved: Path) -> None:
    engine = fresh()
    name = "weights.head.out.weight"
    place = json.loads((saved / "tensors.json").read_text())["tensors"][name]["parts"][0]
    data = bytearray((saved / place["file"]).read_bytes())
    data[place["offset"] + place["bytes"] // 2] ^= 1
    (saved / place["file"]).write_bytes(data)
    with pytest.raises(FailedPrecondition, match=r"__0_0\.distcp is damaged at byte"):
        engine.load(saved)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"width": 48}, r"Size mismatch"),
        ({"depth": 3}, r"Missing key .*blocks\.2"),
        ({"depth": 1}, r"48 tensors that the model lacks, e\.g\. first\.blocks\.1"),
    ],
    ids=["narrower", "deeper", "shallower"],
)
def test_a_checkpoint_of_another_model_is_refused(
    saved: Path, other: dict[str, int], said: str
) -> None:
    refused(saved, f"{saved.name} cannot be read into this model: .*{said}", **other)


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file can grow above a size; the system says so as it does when a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_good_checkpoint(saved: Path) -> None:
    engine = fresh()
    engine.load(saved)
    checkpoints = CheckpointFolder(saved.parent)
    with small_disk(100_000):
        engine.save(checkpoints.place(3), {})
        with pytest.raises(FailedPrecondition, match="step-000000003 could not be written"):
            engine.wait()
    assert sorted(path.name for path in saved.parent.iterdir()) == [saved.name]
    assert checkpoints.newest() == (saved, read_meta(saved))
    engine.save(checkpoints.place(4), {})  # there is space again
    engine.wait()
    fresh().load(checkpoints.place(4))


def test_what_a_killed_process_left_is_not_a_checkpoint_and_is_replaced(saved: Path) -> None:
    left = saved.with_name("step-000000003.part")
    left.mkdir()
    (left / "__0_0.distcp").write_bytes(b"half")
    checkpoints, engine = CheckpointFolder(saved.parent), fresh()
    assert checkpoints.newest() == (saved, read_meta(saved))
    engine.save(checkpoints.place(3), {"said": 3})
    engine.wait()
    assert fresh().load(checkpoints.place(3)) == {"said": 3}
    assert not left.exists()


def test_a_process_that_is_lost_meanwhile_is_not_taken_for_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*told: Any, **more: Any) -> None:
        raise RuntimeError("Connection closed by peer")

    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        monkeypatch.setattr(sharded_checkpoint, "save", lost)
        writer = sharded_checkpoint.CheckpointWriter(dist.group.WORLD)
        writer.save(tmp_path / "step-000000005", {"weights.a": torch.zeros(2)}, {})
        # An error of catena's would end the training; of this one its launcher starts all again.
        with pytest.raises(RuntimeError, match="closed by peer"):
            writer.wait()
        writer.wait()
    finally:
        dist.destroy_process_group()
