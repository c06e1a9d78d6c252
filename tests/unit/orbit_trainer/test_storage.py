"""A checkpoint comes back as it was, or it is said what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from support import orbit as small

from catena.models.orbit_checkpoint import ABOUT, WEIGHTS, Checkpoint
from catena.orbit_trainer import storage
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import ArtifactCorrupt, InvalidData


def opened(ref: small.Ref) -> Artifact:
    return small.made().store.open(ref["uri"])


def written(checkpoint: Checkpoint, **changes: Any) -> Artifact:
    """The checkpoint as an artifact of a store of its own, with other fields or weights."""
    store = ArtifactStore(f"memory://{id(changes)}")
    writer = store.writer("orbit-trainer/Pretrain/" + "0" * 64, 1)
    about = checkpoint.about.to_dict() | changes.get("about", {})
    weights = {name: one.numpy() for name, one in checkpoint.weights.items()}
    for name in changes.get("without", ()):
        del weights[name]
    writer.write_json(ABOUT, json.loads(json.dumps(about)))
    writer.write_arrays(WEIGHTS, weights | changes.get("weights", {}))
    return store.open(writer.commit(kind="checkpoint"))


@pytest.mark.parametrize("made", [small.pretrained, small.forecast, small.downscale])
def test_a_checkpoint_comes_back_as_it_was(made: Any) -> None:
    first = storage.read_checkpoint(opened(made()))
    second = storage.read_checkpoint(written(first))
    assert first.about == second.about
    assert all(torch.equal(one, second.weights[name]) for name, one in first.weights.items())
    model = second.model()
    assert not model.training and not any(one.requires_grad for one in model.parameters())
    assert first.about.parameters == sum(one.numel() for one in model.parameters())


def test_it_knows_what_its_weights_have_seen() -> None:
    about = storage.read_about(opened(small.forecast()))
    days = (small.TRAINING["start"], small.TRAINING["end"])
    # In pre-training, and in fine-tuning.
    assert about.seen == ((small.waves_cache()["digest"], *days),) * 2
    assert about.days() == "2001-01-01 to 2001-01-25"
    assert about.leads_h == (6.0, 24.0) and not about.generated


def test_foreign_or_damaged_checkpoints_are_refused() -> None:
    good = storage.read_checkpoint(opened(small.pretrained()))
    with pytest.raises(ArtifactCorrupt, match="is not that of a checkpoint"):
        storage.read_about(written(good, about={"task": "play chess"}))
    config = good.about.to_dict()["config"] | {"width": 31}
    with pytest.raises(ArtifactCorrupt, match="is not that of a checkpoint"):
        storage.read_about(written(good, about={"config": config}))
    name = "blocks.0.attention.qkv.weight"
    with pytest.raises(ArtifactCorrupt, match=r"blocks.0.attention.qkv.weight has shape nothing"):
        storage.read_checkpoint(written(good, without=[name]))
    with pytest.raises(ArtifactCorrupt, match=r"shape \(3, 3\), the architecture wants \(96, 32\)"):
        storage.read_checkpoint(written(good, weights={name: np.zeros((3, 3), np.float32)}))
    with pytest.raises(ArtifactCorrupt, match=r"weight extra has shape \(1,\)"):
        storage.read_checkpoint(written(good, weights={"extra": np.zeros(1, np.float32)}))


def test_weights_that_are_not_finite_become_no_checkpoint() -> None:
    good = storage.read_checkpoint(opened(small.pretrained()))
    bad = dict(good.weights)
    bad["head.norm.bias"] = torch.full_like(bad["head.norm.bias"], torch.nan)
    writer = ArtifactStore("memory://bad").writer("orbit-trainer/Pretrain/" + "1" * 64, 1)
    with pytest.raises(InvalidData, match=r"head.norm.bias is not finite.*learning rate"):
        storage.write_checkpoint(writer, Checkpoint(good.about, bad))
