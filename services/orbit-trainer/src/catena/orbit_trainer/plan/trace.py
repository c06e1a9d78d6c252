"""The real training step as one rank of any number, on one core: what it asks of the network.

The process group is torch's `fake` one, whose collectives return at once, and tensors are fake
ones, which have shapes and no content: so the engine itself runs, with the model, mesh and settings
of a cluster that is not there. What it computes is nothing; what it exchanges is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.distributed import device_mesh
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.debug import _clear_sharding_prop_cache
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from catena.models.orbit import Orbit
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.parallel.mesh import MESH_DIMENSIONS
from catena.orbit_trainer.plan.collectives import Collective, Kind, gathered
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights
from catena.orbit_trainer.training.settings import TrainingSettings

__all__ = ["trace_step"]

_KINDS: dict[str, Kind] = {
    "_allgather_base_": "all_gather",
    "all_gather_into_tensor": "all_gather",
    "_reduce_scatter_base_": "reduce_scatter",
    "reduce_scatter_tensor": "reduce_scatter",
    "allreduce_": "all_reduce",
    "all_reduce": "all_reduce",
    "alltoall_base_": "all_to_all",
    "all_to_all_single": "all_to_all",
    "send": "send",
}
"""Operators of c10d, and their functional forms; a receipt is the other end of a sending."""

_BESIDE = {"recv_", "wait_tensor", "_wrap_tensor_autograd", "barrier"}


def trace_step(
    config: OrbitConfig, settings: TrainingSettings, *, rank: int = 0, variables: int | None = None
) -> list[Collective]:
    """Collectives of one training step of one rank of ``settings.mesh.size``.

    It makes the default process group for as long as it runs, so it needs a process that has none.

    Parameters
    ----------
    config : OrbitConfig
    settings : TrainingSettings
        Mesh, batch, microbatches, precision and recomputation matter.
    rank : int
        Whose; a stage of a pipeline exchanges other things than another.
    variables : int, optional
        In the input; all by default.

    Returns
    -------
    list of Collective
        Alike ones counted together, in the order of their first.

    Raises
    ------
    RuntimeError
        When this process has a process group already.
    ValueError, InvalidRequest
        When the model does not fit the mesh.
    """
    shape = settings.mesh
    shape.check(config, shape.size)
    count = len(config.variables) if variables is None else variables
    with _pretended(shape.size, rank), _Recorder() as recorder:
        engine = NativeEngine(
            lambda: Orbit(config),
            settings,
            lambda predicted, batch: latitude_loss(
                predicted, batch.targets, latitude_weights(torch.linspace(-90, 90, config.grid[0]))
            ),
            "cpu",
            fill=lambda _, sides, dtype: torch.empty(sides, dtype=dtype),
        )
        if engine._mesh is not None:
            recorder.know(engine._mesh)
        samples = settings.batch // shape.data_ranks
        batch = Batch(
            torch.empty(samples, count, *config.grid),
            torch.empty(samples, len(config.outputs), *config.grid),
            torch.arange(count),
            torch.empty(samples),
        )
        recorder.seen.clear()
        engine.step(batch, settings.learning_rate)
    return gathered(recorder.seen)


@contextmanager
def _pretended(ranks: int, rank: int) -> Iterator[None]:
    """A default process group of which this process is one rank, and the others are not there."""
    # Registers the backend `fake`.
    from torch.testing._internal.distributed.fake_pg import FakeStore

    if dist.is_initialized():
        raise RuntimeError(
            "this process is a rank of a process group already; trace in a process of its own"
        )
    real = dist.new_group
    made_by = device_mesh.new_group  # type: ignore[attr-defined]

    def fake_group(*arguments: Any, **named: Any) -> Any:
        return real(*arguments, **{**named, "backend": "fake"})

    def own_group(*, ranks: Sequence[int], **named: Any) -> Any:
        # Of the groups along a direction this rank is in one; the others, up to as many as there
        # are ranks, are not looked at again.
        return made_by(ranks=ranks, **named) if rank in ranks else None

    join, pick = DeviceMesh._concatenate, DeviceMesh.__getitem__
    joined: dict[tuple[int, ...], tuple[DeviceMesh, list[DeviceMesh]]] = {}
    picked: dict[tuple[int, Any], tuple[DeviceMesh, DeviceMesh]] = {}

    # FSDP2 joins the same two meshes for every weight, and takes the same directions out of one;
    # each time all ranks are listed. What a key is of is kept, so that it stays that one's.
    def joined_once(meshes: list[DeviceMesh]) -> DeviceMesh:
        key = tuple(map(id, meshes))
        if key not in joined:
            joined[key] = (join(meshes), meshes)
        return joined[key][0]

    def picked_once(mesh: DeviceMesh, names: str | tuple[str, ...]) -> DeviceMesh:
        key = (id(mesh), names)
        if key not in picked:
            picked[key] = (pick(mesh, names), mesh)
        return picked[key][0]

    # Meshes alike are equal, so DTensor would go on with groups of a trace before.
    _clear_sharding_prop_cache()  # type: ignore[no-untyped-call]
    dist.init_process_group("fake", rank=rank, world_size=ranks, store=FakeStore())
    try:
        with (
            patch.object(dist, "new_group", fake_group),
            patch.object(device_mesh, "new_group", own_group),
            patch.object(DeviceMesh, "_concatenate", staticmethod(joined_once)),
            patch.object(DeviceMesh, "__getitem__", picked_once),
        ):
            yield
    finally:
        dist.destroy_process_group()


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Makes floating-point tensors fake ones, and notes what is exchanged.

    Integers stay real: a mesh is made of them, and looked at.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.seen: list[Collective] = []
        self._directions: dict[str, tuple[str, int]] = {}

    def know(self, mesh: DeviceMesh) -> None:
        """Names of groups of ranks: directions of a mesh, and of pairs of them."""
        for name in MESH_DIMENSIONS:
            self._name(mesh[name].get_group(), name)
        if mesh["sp"].size() > 1:
            self._name(mesh["fsdp", "sp"]._flatten("fsdp_sp").get_group(), "fsdp+sp")
        self._name(dist.group.WORLD, "all")

    def _name(self, group: Any, name: str) -> None:
        if group.size() > 1:
            self._directions.setdefault(group.group_name, (name, group.size()))

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        # DTensor works out the shapes of its results with fake tensors of its own.
        if torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None:
            return func(*args, **kwargs)
        if any(issubclass(one, DTensor) for one in types):
            return NotImplemented
        if func.namespace in ("c10d", "_c10d_functional"):
            tensors = _tensors(args, kwargs)
            if all(one.is_floating_point() for one in tensors):
                self._note(func, args)
            elif func is torch.ops.c10d.recv_.default:
                # Before their first step stages ask each other whether all know their shapes.
                for one in tensors:
                    one.fill_(1)
        if func is torch.ops.aten._local_scalar_dense.default and isinstance(args[0], FakeTensor):
            return 1.0  # a loss and a length that are finite
        device = kwargs.get("device")
        if device is None and args and isinstance(args[0], Tensor):
            return func(*args, **kwargs)  # nearly all of them: what comes in says what it gives
        tensors = _tensors(args, kwargs)
        on_cpu = device is None or torch.device(device).type == "cpu"
        whole = kwargs.get("dtype") in (torch.int32, torch.int64, torch.bool)
        made = not tensors and on_cpu and not whole and "arange" not in str(func)
        # From the meta device to the real one, where there is to be no content either.
        filled = device is not None and on_cpu and all(one.is_meta for one in tensors)
        if made or (tensors and filled):
            with self.fake:
                return func(*args, **kwargs)
        return func(*args, **kwargs)

    def _note(self, func: Any, args: Sequence[Any]) -> None:
        name = func._schema.name.split("::")[-1]
        if name in _BESIDE or not self._directions:
            return
        if name not in _KINDS:
            raise RuntimeError(f"the step calls {func}, which the trace does not know")
        kind = _KINDS[name]
        direction, ranks = self._group(args)
        sizes = [
            one.numel() * one.element_size() for one in tree_leaves(args) if isinstance(one, Tensor)
        ]
        # The functional gather is given what is to be gathered, all others what is whole.
        whole = sizes[0] * ranks if name == "all_gather_into_tensor" else max(sizes)
        if name == "all_to_all_single":
            whole = sizes[0]
        self.seen.append(Collective(kind, direction, ranks, whole))

    def _group(self, args: Sequence[Any]) -> tuple[str, int]:
        for one in args:
            name = one
            if isinstance(one, torch.ScriptObject):
                try:
                    name = dist.ProcessGroup.unbox(one).group_name
                except RuntimeError:
                    continue  # the operator of a reduction
            if isinstance(name, str) and name in self._directions:
                return self._directions[name]
        raise RuntimeError(f"a collective of {args} is along no direction of the mesh")


def _tensors(args: Sequence[Any], kwargs: dict[str, Any]) -> list[Tensor]:
    return [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
