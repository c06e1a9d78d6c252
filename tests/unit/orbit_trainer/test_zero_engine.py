"""DeepSpeed trains as the native engine does, and each goes on from the other's checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from support.orbit_meshes import RATE, batch_for
from support.orbit_ranks import Ranks
from support.zero_engines import CONFIG, buffer_of, native, taken, trained_and_resumed, zero

from catena.shared.errors import FailedPrecondition, InvalidRequest

CLOSE = 1e-6


@pytest.fixture(scope="module", autouse=True)
def _no_group_is_left() -> Iterator[None]:
    """DeepSpeed cannot be without a process group; tests of other files are."""
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def near(found: list[tuple[float, float]], wanted: list[tuple[float, float]]) -> None:
    """Losses, and with them lengths of gradients, are the same but for rounding."""
    losses, norms = zip(*found, strict=True)
    wanted_losses, wanted_norms = zip(*wanted, strict=True)
    assert losses == pytest.approx(wanted_losses, rel=CLOSE)
    assert norms == pytest.approx(wanted_norms, rel=10 * CLOSE)


@pytest.mark.parametrize(
    ("stage", "offload"),
    [(0, False), (1, False), (2, True), (3, False), pytest.param(3, True, marks=pytest.mark.slow)],
)
def test_one_process_trains_and_resumes_as_the_native_engine(
    stage: int, offload: bool, tmp_path: Path
) -> None:
    plain = native()
    engine = zero(stage, offload=offload)
    near(taken(engine, 0, 3), taken(plain, 0, 3))
    theirs, ours = tmp_path / "step-000000003", tmp_path / "ours" / "step-000000003"
    engine.save(theirs, {"next": 3})
    plain.save(ours, {"next": 3})
    weights = engine.weights()
    later = taken(engine, 3, 5)
    engine.wait()
    plain.wait()

    other = zero(stage, offload=offload)
    assert other.load(theirs) == {"next": 3}
    assert all(torch.equal(weights[name], value) for name, value in other.weights().items())
    assert taken(other, 3, 5) == later, "to the bit"

    crossed = native()
    assert crossed.load(theirs) == {"next": 3}
    assert all(torch.equal(weights[name], value) for name, value in crossed.weights().items())
    near(taken(crossed, 3, 5), later)
    assert other.load(ours) == {"next": 3}
    near(taken(other, 3, 5), later)


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_what_is_not_finite_changes_nothing(stage: int) -> None:
    engine = zero(stage)
    good = batch_for(CONFIG, 0)
    first = engine.step(good, RATE)
    before = engine.weights()
    for spoiled in (math.nan, math.inf):
        bad = engine.step(replace(good, fields=torch.full_like(good.fields, spoiled)), RATE)
        assert bad.skipped and not first.skipped
    # An infinite error has a finite gradient where the loss is squared in float32.
    far = engine.step(replace(good, targets=torch.full_like(good.targets, 1e20)), RATE)
    assert far.skipped and far.loss == math.inf
    after = engine.weights()
    assert all(torch.equal(before[name], value) for name, value in after.items())
    plain = native()
    plain.step(good, RATE)
    assert engine.step(good, RATE).loss == pytest.approx(plain.step(good, RATE).loss, rel=CLOSE)


@pytest.mark.parametrize("stage", [0, 3])
def test_microbatches_and_recomputed_blocks_are_the_same_training(stage: int) -> None:
    engine = zero(stage, microbatches=2, recompute=True)
    near(taken(engine, 0, 3), taken(native(), 0, 3))
    whole, plain = batch_for(CONFIG, 9), native()
    taken(plain, 0, 3)
    assert engine.evaluate(whole) == pytest.approx(plain.evaluate(whole), rel=CLOSE)


def test_half_precision_is_near_and_weights_stay_in_single() -> None:
    engine = zero(2, precision="bf16")
    norms = [norm for _, norm in taken(engine, 0, 3)]
    exact = [norm for _, norm in taken(native(), 0, 3)]
    assert norms == pytest.approx(exact, rel=0.02) and norms != pytest.approx(exact, rel=1e-5)
    assert {weight.dtype for weight in engine.weights().values()} == {torch.float32}


def test_nothing_is_compiled() -> None:
    zero(1)
    from deepspeed.comm import comm

    assert comm.cdb is not None and comm.cdb.shm_comm_op is None


def test_a_mesh_for_more_processes_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="a mesh of 2 places for 1 processes"):
        zero(1, ranks=2)


def test_a_checkpoint_that_is_not_whole_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    engine = zero(2)
    folder = tmp_path / "step-000000001"
    engine.step(batch_for(CONFIG, 0), RATE)
    engine.save(folder, {})
    engine.wait()
    part = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    part.write_bytes(part.read_bytes()[:-100])
    before = engine.weights()
    with pytest.raises(FailedPrecondition, match="is no whole checkpoint"):
        engine.load(folder)
    assert all(torch.equal(before[name], value) for name, value in engine.weights().items())


@pytest.mark.slow
def test_two_processes_train_as_one_and_their_checkpoints_fit_one(tmp_path: Path) -> None:
    plain = native()
    expected = taken(plain, 0, 20)
    ranks = Ranks(2, tmp_path)
    try:
        for stage in (1, 2, 3):
            folder = tmp_path / str(stage) / "step-000000003"
            everyone = ranks.run(trained_and_resumed, stage, folder)
            found, weights, again = everyone[0]
            near(found, expected)
            assert everyone[1] == (found, {}, again), f"stage {stage}: both say the same"
            assert again == found[3:], f"stage {stage}: resumed, to the bit"
            alone = native()
            assert alone.load(folder) == {"next": 3}
            assert all(torch.equal(weights[name], one) for name, one in alone.weights().items())
            near(taken(alone, 3, 20), expected[3:])
        assert ranks.run(buffer_of, 1) == [[1.0] * 3] * 2, "buffers are there on all"
    finally:
        ranks.close()
