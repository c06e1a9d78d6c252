"""Processes in a grid of five directions, one for each kind of parallelism."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from catena.models.orbit_config import OrbitConfig
from catena.shared.errors import FieldViolation, InvalidRequest

__all__ = ["MESH_DIMENSIONS", "MeshShape", "build_mesh", "data_mesh"]

MESH_DIMENSIONS = ("pp", "ddp", "fsdp", "sp", "tp")
"""Directions of a mesh, from the one whose processes talk least to the one that talks most."""


@dataclass(frozen=True)
class MeshShape:
    """Processes along each direction, outermost first; neighbours in `tp` are closest.

    Parameters
    ----------
    pp : int
        Stages of a pipeline: each holds some of the blocks.
    ddp : int
        Replicas, each with samples of its own.
    fsdp : int
        Processes that share the weights between them, each with samples of its own.
    sp : int
        Processes that share the tokens of a sample (Ulysses).
    tp : int
        Processes that share the heads and the feed-forward parts of a block.

    Raises
    ------
    InvalidRequest
        When a number is below 1.
    """

    pp: int = 1
    ddp: int = 1
    fsdp: int = 1
    sp: int = 1
    tp: int = 1

    def __post_init__(self) -> None:
        wrong = [
            FieldViolation(f"mesh.{name}", f"{count}; wanted at least 1")
            for name, count in asdict(self).items()
            if count < 1
        ]
        if wrong:
            raise InvalidRequest("there is no such mesh of processes", violations=wrong)

    @property
    def size(self) -> int:
        """Processes altogether."""
        return math.prod(asdict(self).values())

    @property
    def data_ranks(self) -> int:
        """Processes with samples of their own: `ddp` times `fsdp`."""
        return self.ddp * self.fsdp

    def check(self, config: OrbitConfig, size: int) -> None:
        """Refuse a model, or a number of processes, that this mesh does not fit.

        Raises
        ------
        InvalidRequest
            With everything that does not fit, by name.
        """
        wrong = []
        if self.size != size:
            wrong.append(
                FieldViolation("mesh", f"has {self.size} places for {size} processes; wanted equal")
            )
        if config.heads % (self.sp * self.tp):
            wrong.append(
                FieldViolation(
                    "mesh.tp",
                    f"sp {self.sp} x tp {self.tp} share {config.heads} heads; wanted a divisor",
                )
            )
        if config.tokens % self.sp:
            wrong.append(
                FieldViolation(
                    "mesh.sp", f"{self.sp} share {config.tokens} tokens; wanted a divisor"
                )
            )
        if self.pp > max(config.depth, 1):
            wrong.append(
                FieldViolation(
                    "mesh.pp", f"{self.pp} stages for {config.depth} blocks; wanted no more"
                )
            )
        if wrong:
            raise InvalidRequest("the model and the mesh do not fit", violations=wrong)


def build_mesh(shape: MeshShape, device: str) -> DeviceMesh:
    """Processes of the default group as a mesh with the names of :data:`MESH_DIMENSIONS`.

    Parameters
    ----------
    shape : MeshShape
    device : str
        Kind of device, "cpu" or "cuda".

    Raises
    ------
    InvalidRequest
        When there are more or fewer processes than the mesh has places.
    """
    size = dist.get_world_size() if dist.is_initialized() else 1
    if size != shape.size:
        raise InvalidRequest(
            f"a mesh of {shape.size} places for {size} processes; wanted equal numbers: start "
            f"{shape.size} processes, or choose another mesh"
        )
    sides = tuple(getattr(shape, name) for name in MESH_DIMENSIONS)
    return init_device_mesh(device, sides, mesh_dim_names=MESH_DIMENSIONS)


def data_mesh(mesh: DeviceMesh) -> DeviceMesh:
    """Processes that hold replicas ("ddp") of shards of weights ("fsdp"; with "sp", flattened).

    Processes that share the tokens of a sample have all weights in common, as those that share
    samples have; so they share the weights too.
    """
    shards = mesh["fsdp"] if mesh["sp"].size() == 1 else mesh["fsdp", "sp"]._flatten("fsdp_sp")
    if mesh["ddp"].size() == 1:
        return shards
    return DeviceMesh._concatenate([mesh["ddp"], shards])
