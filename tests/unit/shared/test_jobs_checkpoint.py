"""A checkpoint is the old one or the new one, whenever its writer dies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import InvalidData, JobCancelled
from catena.shared.jobs.checkpoint import Checkpoint
from catena.shared.jobs.safety import VARIABLE

FOLDER = "jobs/demo/Count/0a/checkpoint"


class Died(BaseException):
    """Stands for a SIGKILL: no handler of the code under test runs after it."""


class DyingStore(ArtifactStore):
    """Lets `allowed` changes pass, and dies at the next one: before it, or right after it."""

    def __init__(self, url: str, allowed: int, after: bool) -> None:
        super().__init__(url)
        self.allowed = allowed
        self.after = after

    def _change(self, change: Any, *args: Any, **kwargs: Any) -> Any:
        self.allowed -= 1
        if self.allowed < 0 and not self.after:
            raise Died
        result = change(*args, **kwargs)
        if self.allowed < 0:
            raise Died
        return result

    def write_bytes(self, path: str, data: bytes, **kwargs: Any) -> None:
        self._change(super().write_bytes, path, data, **kwargs)

    def remove_tree(self, path: str) -> None:
        self._change(super().remove_tree, path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_death_at_any_moment_leaves_one_whole_checkpoint(
    url: str, allowed: int, after: bool
) -> None:
    store = ArtifactStore(url)
    Checkpoint(store, FOLDER, 1).save({"w": np.arange(3.0)}, {"step": 1})
    dying = DyingStore(url, allowed, after)
    with pytest.raises(Died):
        Checkpoint(dying, FOLDER, 1).save({"w": np.arange(4.0)}, {"step": 2})
    loaded = Checkpoint(store, FOLDER, 2).load()
    assert loaded is not None
    arrays, meta = loaded
    assert (len(arrays["w"]), meta["step"]) in [(3, 1), (4, 2)]
    # The next attempt goes on, and clears away what the dead one left.
    Checkpoint(store, FOLDER, 2).save({"w": np.arange(5.0)}, {"step": 3})
    assert len(store.ls(FOLDER)) == 2


def test_what_is_saved_comes_back_exactly(url: str) -> None:
    checkpoint = Checkpoint(ArtifactStore(url), FOLDER)
    assert checkpoint.load() is None
    assert checkpoint.position == 0
    generator = np.random.default_rng(3)
    arrays = {
        "scalar": np.array(0.1),
        "columns": np.asfortranarray(generator.normal(size=(3, 4))),
        "whole": np.arange(5, dtype=np.int32),
        "flags": np.array([True, False]),
        "odd": np.array([np.nan, np.inf, -0.0]),
    }
    meta = {"generator": generator.bit_generator.state, "loss": 0.1 + 0.2}
    checkpoint.save(arrays, meta)
    loaded = checkpoint.load()
    assert loaded is not None
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[0][name], array)
        assert loaded[0][name].dtype == array.dtype
        assert loaded[0][name].shape == array.shape
    assert loaded[1] == meta
    assert checkpoint.position == 1


def test_a_damaged_checkpoint_counts_as_none(url: str) -> None:
    store = ArtifactStore(url)
    checkpoint = Checkpoint(store, FOLDER, 1)
    checkpoint.save({"w": np.arange(3.0)})
    file = next(name for name in store.ls(FOLDER) if name.endswith("safetensors"))
    data = bytearray(store.read_bytes(f"{FOLDER}/{file}"))
    data[-1] ^= 1
    store.write_bytes(f"{FOLDER}/{file}", bytes(data))
    assert checkpoint.load() is None
    store.remove_tree(f"{FOLDER}/{file}")
    assert checkpoint.load() is None
    checkpoint.save({"w": np.arange(2.0)})
    assert checkpoint.load() is not None
    assert checkpoint.position == 2, "the position only ever grows"


def test_a_refused_attempt_leaves_the_checkpoint_alone(url: str) -> None:
    store = ArtifactStore(url)
    Checkpoint(store, FOLDER, 1).save({"w": np.arange(3.0)}, {"step": 1})

    def refuse() -> None:
        raise JobCancelled("cancelled")

    with pytest.raises(JobCancelled):
        Checkpoint(store, FOLDER, 1, refuse).save({"w": np.arange(4.0)}, {"step": 2})
    loaded = Checkpoint(store, FOLDER, 2).load()
    assert loaded is not None
    assert loaded[1] == {"step": 1}


@pytest.mark.parametrize(
    ("arrays", "meta"),
    [({"a": np.array(["x"])}, {}), ({"a": np.array([1j])}, {}), ({}, {"loss": float("nan")}),
     ({}, {"model": object()})],
)  # fmt: skip
def test_what_cannot_be_saved_is_said(url: str, arrays: Any, meta: Any) -> None:
    checkpoint = Checkpoint(ArtifactStore(url), FOLDER)
    with pytest.raises(InvalidData):
        checkpoint.save(arrays, meta)
    assert checkpoint.load() is None


def test_the_switch_of_the_drills_hides_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(ArtifactStore(url), FOLDER)
    checkpoint.save({}, {"step": 1})
    monkeypatch.setenv(VARIABLE, "checkpoint")
    assert checkpoint.load() is None
