"""A model for one device becomes this process's part of it, and gets its first weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from catena.orbit_trainer.parallel.blocks import blocks_of, compiled, recomputed
from catena.orbit_trainer.parallel.mesh import MeshShape, data_mesh
from catena.orbit_trainer.parallel.sequence import share_tokens
from catena.orbit_trainer.parallel.shard import shard_weights
from catena.orbit_trainer.parallel.tensor import share_layers

if TYPE_CHECKING:
    from catena.orbit_trainer.engines.base import Fill

__all__ = ["fill_weights", "local", "parallelize", "shards_data"]


def shards_data(shape: MeshShape) -> bool:
    """Whether weights are sharded or have replicas; if not, no process shares a whole layer."""
    return shape.data_ranks * shape.sp > 1


def parallelize(
    model: nn.Module,
    mesh: DeviceMesh | None,
    shape: MeshShape,
    *,
    recompute: bool = False,
    compile: bool = False,
    precision: str = "fp32",
) -> nn.Module:
    """Leave in a model this process's part of it, in place.

    Whatever holds :class:`catena.models.orbit.Block` can be parallelized; stages of a pipeline are
    made of :class:`catena.models.orbit.Orbit` only. From the inside out: stage, tokens and heads,
    recomputed activations, compilation, shards (Liang et al. 2024, TorchTitan, section 2).

    Parameters
    ----------
    model : Module
        On the meta device, or the same on all processes.
    mesh : DeviceMesh or None
        Of :func:`catena.orbit_trainer.parallel.mesh.build_mesh`; None for one process.
    shape : MeshShape
    recompute, compile : bool
        Of each block.
    precision : {"fp32", "bf16"}
        Of shards that are gathered; without such, autocast where the model is called.

    Returns
    -------
    Module
        The same.

    Raises
    ------
    ValueError
        When the model does not fit the mesh.
    """
    if mesh is not None and shape.pp > 1:
        # It brings torch's compiler with it, which servers would start with for nothing.
        from catena.orbit_trainer.parallel.pipeline import cut_stage

        cut_stage(model, mesh["pp"].get_local_rank(), shape.pp)
    if mesh is not None and shape.tp > 1:
        share_layers(model, mesh["tp"])
    if mesh is not None and shape.sp > 1:
        stage = mesh["pp"].get_local_rank()
        first, last = stage == 0, stage == shape.pp - 1
        share_tokens(model, mesh["sp"].get_group(), split=first, gather=last)
    for block in blocks_of(model):
        if recompute:
            recomputed(block)
        if compile:
            compiled(block)
    if mesh is not None and shards_data(shape):
        # Stages use their weights many times in a step, and replicas have them all.
        keep = shape.pp > 1 or shape.fsdp * shape.sp == 1
        shard_weights(model, data_mesh(mesh), bf16=precision == "bf16", keep=keep)
    return model


def local(tensor: Tensor) -> Tensor:
    """What this process has of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def fill_weights(model: nn.Module, fill: Fill, device: torch.device) -> None:
    """Take a parallelized model from the meta device to a real one, with its first weights.

    Of one parameter after the other the whole tensor is made, and this process's part kept: so
    every mesh begins alike, and none needs memory for the whole model.

    Parameters
    ----------
    model : Module
    fill : callable
        Values by name, of parameters and of buffers.
    device : torch.device
    """
    model.to_empty(device=device)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        whole = fill(name, tuple(tensor.shape), tensor.dtype)
        if tuple(whole.shape) != tuple(tensor.shape):
            raise ValueError(
                f"{name} has the shape {tuple(tensor.shape)}; {tuple(whole.shape)} came to fill it"
            )
        if isinstance(tensor, DTensor):
            sides, starts = compute_local_shape_and_global_offset(
                tensor.shape, tensor.device_mesh, tensor.placements
            )
            for dimension, (start, side) in enumerate(zip(starts, sides, strict=True)):
                whole = whole.narrow(dimension, min(start, whole.shape[dimension]), side)
        local(tensor).copy_(whole)
