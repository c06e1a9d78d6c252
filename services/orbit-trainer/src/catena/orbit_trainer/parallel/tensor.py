"""Tensor parallelism: heads and feed-forward parts of a block shared by processes.

Of ``Y = act(X A) B`` each process has columns of A and the rows of B that go with them, so that
``Y = sum_k act(X A_k) B_k`` takes one sum over processes, and one more in the backward pass
(Shoeybi et al. 2019, Megatron-LM, section 3). With the shards of :mod:`.shard` on top, only
1/tp of a layer is ever gathered: the Hybrid-STOP of ORBIT (Wang et al. 2024, section III).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import (
    DTensor,
    Placement,
    Replicate,
    Shard,
    distribute_module,
    distribute_tensor,
)

from catena.models.orbit import Block
from catena.orbit_trainer.parallel.blocks import blocks_of

__all__ = ["partial_gradients", "share_layers", "sum_gradients"]

_BY_ROWS: dict[str, Placement] = {"weight": Shard(0), "bias": Shard(0), "adapter_out": Shard(0)}
"""Of a layer whose outputs are shared out; its weight is stored transposed."""
_BY_COLUMNS: dict[str, Placement] = {"weight": Shard(1), "adapter_in": Shard(1)}
"""Of a layer whose inputs are shared out. What is not named is whole everywhere."""


def share_layers(model: nn.Module, mesh: DeviceMesh) -> None:
    """Share the linear layers of all blocks over the processes of `mesh`, in place.

    Raises
    ------
    ValueError
        When they do not divide the heads.
    """
    for block in blocks_of(model):
        attention, count = block.attention, mesh.size()
        heads = attention.out.weight.shape[1] // attention.head_width
        if heads % count:
            raise ValueError(f"tp {count} shares {heads} heads of a block; wanted a divisor")
        for layer in (attention.qkv, block.feed.up):
            _share(layer, mesh, _BY_ROWS, Replicate(), Shard(-1))
        for layer in (attention.out, block.feed.down):
            _share(layer, mesh, _BY_COLUMNS, Shard(-1), Replicate())


def _share(
    layer: nn.Module,
    mesh: DeviceMesh,
    placements: dict[str, Placement],
    taken: Placement,
    given: Placement,
) -> None:
    def spread(_: str, module: nn.Module, mesh: DeviceMesh) -> None:
        for name, weight in module.named_parameters(recurse=False):
            place = [placements.get(name, Replicate())]
            share = distribute_tensor(weight.detach(), mesh, place, src_data_rank=None)
            module.register_parameter(name, nn.Parameter(share, weight.requires_grad))

    def enter(_: nn.Module, inputs: Any, mesh: DeviceMesh) -> Any:
        return DTensor.from_local(inputs[0], mesh, [taken], run_check=False)

    def leave(_: nn.Module, output: Any, mesh: DeviceMesh) -> Any:
        return output.redistribute(placements=[given]).to_local()

    distribute_module(layer, mesh, spread, enter, leave)


def partial_gradients(model: nn.Module) -> list[nn.Parameter]:
    """Weights that are whole on each process but saw its heads only: their gradients are parts."""
    return [
        weight for block in blocks_of(model) for weight in _norms(block) if weight.requires_grad
    ]


def _norms(block: Block) -> list[nn.Parameter]:
    attention = block.attention
    return [*attention.query_norm.parameters(), *attention.key_norm.parameters()]


def sum_gradients(weights: Sequence[nn.Parameter], group: dist.ProcessGroup) -> None:
    """Make gradients of which each process has a part whole, in one exchange."""
    parts = [
        weight.grad.to_local() if isinstance(weight.grad, DTensor) else weight.grad
        for weight in weights
        if weight.grad is not None
    ]
    if not parts:
        return
    flat = torch.cat([part.reshape(-1) for part in parts])
    dist.all_reduce(flat, group=group)
    start = 0
    for part in parts:
        part.copy_(flat[start : start + part.numel()].view_as(part))
        start += part.numel()
