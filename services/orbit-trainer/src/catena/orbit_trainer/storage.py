"""What the trainer's artifacts hold: from models to files and back.

================  =================================================================================
kind              files
================  =================================================================================
checkpoint        ``checkpoint.json``, ``weights.safetensors``: see
                  :mod:`catena.models.orbit_checkpoint`
spin_up_emulator  ``emulator.json``, ``weights.safetensors``: what
                  :meth:`catena.models.spin_up_emulator.SpinUpEmulator.from_parts` takes
evaluation        ``evaluation.json``, ``skill.zarr``, ``report.html``
plan              ``plan.json``, ``report.html``
================  =================================================================================

No pickle: a checkpoint is numbers and JSON, and may come from anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from catena.models.orbit_checkpoint import ABOUT, WEIGHTS, About, Checkpoint
from catena.shared.errors import ArtifactCorrupt, InvalidData
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_format import METADATA, Metadata

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact, ArtifactWriter

CACHE = "cache"
"""Folder of a hot cache in its artifact."""


def write_checkpoint(writer: ArtifactWriter, checkpoint: Checkpoint) -> None:
    """Write a checkpoint.

    Raises
    ------
    InvalidData
        When a weight is not finite: such a model predicts nothing.
    """
    for name, weight in checkpoint.weights.items():
        if not torch.isfinite(weight).all():
            raise InvalidData(
                f"weight {name} is not finite after training; lower the learning rate, or look "
                "for values in the cache that cannot be"
            )
    arrays = {name: weight.cpu().numpy() for name, weight in checkpoint.weights.items()}
    writer.write_arrays(WEIGHTS, arrays)
    writer.write_json(ABOUT, checkpoint.about.to_dict())


def read_about(artifact: Artifact) -> About:
    """What a checkpoint is.

    Raises
    ------
    ArtifactCorrupt
        When the file is not as :func:`write_checkpoint` writes it.
    """
    plain = artifact.read_json(ABOUT)
    try:
        return About.from_dict(plain)
    except InvalidData as error:
        raise ArtifactCorrupt(f"'{artifact.uri}': {error}") from None


def read_checkpoint(artifact: Artifact) -> Checkpoint:
    """A checkpoint with its weights.

    Raises
    ------
    ArtifactCorrupt
        When the weights are not those of the architecture; names the first that differs.
    """
    about = read_about(artifact)
    arrays = artifact.read_arrays(WEIGHTS)
    try:
        return Checkpoint.from_arrays(about, arrays)
    except InvalidData as error:
        raise ArtifactCorrupt(f"'{artifact.uri}': {error}") from None


# ------------------------------------------------------------------ hot caches


def cache_metadata(artifact: Artifact) -> Metadata:
    """Channels, grid, times and statistics of a hot cache, without its blocks."""
    return Metadata.from_json(artifact.read_bytes(f"{CACHE}/{METADATA}").decode())


def open_cache(artifact: Artifact) -> HotCache:
    """A hot cache on this machine; every byte is checked."""
    return HotCache.open(artifact.local_path(CACHE))
