"""Weights, gradients and moments shared by the processes that have samples of their own."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from catena.orbit_trainer.parallel.blocks import blocks_of

__all__ = ["reduce_in_last", "release", "shard_weights"]


def shard_weights(model: nn.Module, mesh: DeviceMesh, *, bf16: bool, keep: bool) -> None:
    """Share the weights over the processes of `mesh`, block by block, in place (FSDP2).

    Parameters
    ----------
    model : Module
    mesh : DeviceMesh
        Shards, or replicas x shards (HSDP).
    bf16 : bool
        Compute and gather in bfloat16; shards, and sums of gradients, are float32.
    keep : bool
        Keep gathered weights between forward and backward pass.
    """
    low = torch.bfloat16 if bf16 else None
    policy = MixedPrecisionPolicy(low, torch.float32 if bf16 else None)
    for block in blocks_of(model):
        fully_shard(block, mesh=mesh, mp_policy=policy, reshard_after_forward=not keep)
    fully_shard(model, mesh=mesh, mp_policy=policy, reshard_after_forward=False)


def reduce_in_last(model: nn.Module, last: bool) -> None:
    """Whether replicas sum their gradients now: of several microbatches only the last needs to."""
    if isinstance(model, FSDPModule):
        model.set_requires_all_reduce(last)


def release(model: nn.Module) -> None:
    """Give gathered weights back: after a forward pass alone they would outlive their shards."""
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.reshard()
