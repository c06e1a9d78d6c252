"""Weights of a pre-trained model in a model for another task, grid or set of variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_grids import resized_patches, resized_positions
from catena.shared.errors import InvalidData

__all__ = ["Fresh", "Pretrained", "Transfer", "transferred"]

Fresh = Callable[[str, tuple[int, ...]], Tensor]
"""First values of a weight that is not taken over, by name and shape."""


@dataclass(frozen=True)
class Pretrained:
    """A model to begin from.

    Parameters
    ----------
    config : OrbitConfig
    weights : mapping of str to Tensor
        As its state dict names them.
    """

    config: OrbitConfig
    weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class Transfer:
    """What became of pre-trained weights.

    Parameters
    ----------
    weights : dict of str to Tensor
        All that were taken over, as the new model has them.
    fitted : dict of str to str
        Of those, the ones that had to be changed, and how.
    new : tuple of str
        Weights of the new model that begin afresh.
    unused : tuple of str
        Pre-trained weights that it has no place for.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    fitted: dict[str, str] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def transferred(
    pretrained: Pretrained,
    config: OrbitConfig,
    shapes: Mapping[str, tuple[int, ...]],
    taken: Sequence[str],
    fresh: Fresh,
) -> Transfer:
    """Weights of a new model, as far as a pre-trained one has them.

    Tokenisers, offsets and outputs go by the names of variables; tokenisers are interpolated to
    another size of patches, positions to another grid.

    Parameters
    ----------
    pretrained : Pretrained
    config : OrbitConfig
        Variables, outputs, grid and patch of the new model.
    shapes : mapping of str to tuple of int
        Of all its weights.
    taken : sequence of str
        Beginnings of the names of weights that are taken over; all of these must be there.
    fresh : callable
        First values of rows of variables that are new.

    Raises
    ------
    InvalidData
        When a weight to be taken lacks or has a shape that cannot be fitted; names all of them.
    """
    old = pretrained.weights
    wanted = [name for name in shapes if name.startswith(tuple(taken))]
    missing = [name for name in wanted if name not in old]
    if missing:
        raise InvalidData(
            f"the pre-trained model has no {_listed(missing)}; wanted a whole one that is as deep "
            "as the new model: look at its config, or write the checkpoint again"
        )
    weights, fitted, wrong = {}, {}, []
    for name in wanted:
        made, how = _fitted(name, pretrained, config, shapes[name], fresh)
        if made is None:
            continue
        if tuple(made.shape) != shapes[name]:
            wrong.append(f"{name} {tuple(old[name].shape)} for {shapes[name]}")
            continue
        weights[name] = made
        if how:
            fitted[name] = how
    if wrong:
        raise InvalidData(
            f"pre-trained weights do not fit: {'; '.join(wrong)}; give the new model the width, "
            "heads and feed of the pre-trained one"
        )
    new = tuple(name for name in shapes if name not in weights)
    unused = tuple(name for name in old if name not in weights)
    return Transfer(weights, fitted, new, unused)


def _fitted(
    name: str,
    pretrained: Pretrained,
    config: OrbitConfig,
    shape: tuple[int, ...],
    fresh: Fresh,
) -> tuple[Tensor | None, str]:
    """A weight as the new model takes it, and what was done to it; None: it begins afresh.

    One of another width comes back as it is: the caller compares shapes.
    """
    before, weight = pretrained.config, pretrained.weights[name]
    leaf = name.rsplit(".", 1)[-1]
    if name == "embedding.position":
        old, new = (_patches(one) for one in (before, config))
        return resized_positions(weight, old, new), _said(old, new, "patches")
    if leaf == "tokeniser":
        weight = resized_patches(weight, config.patch)
        how = _said((before.patch,) * 2, (config.patch,) * 2, "pixels")
        made, more = _by_name(name, weight, before.variables, config.variables, shape, fresh)
        return made, ", ".join(filter(None, (how, more)))
    if leaf == "offset":
        return _by_name(name, weight, before.variables, config.variables, shape, fresh)
    if name.startswith("head.out."):
        if before.patch != config.patch:
            return None, ""
        if weight.shape[1:] != shape[1:]:
            return weight, ""
        pixels = config.patch**2
        rows = weight.reshape(len(before.outputs), pixels, *weight.shape[1:])
        whole = (len(config.outputs), pixels, *shape[1:])
        made, how = _by_name(
            name,
            rows,
            before.outputs,
            config.outputs,
            whole,
            lambda name, _: fresh(name, shape).reshape(whole),
        )
        return made.reshape(shape), how
    return weight, ""


def _by_name(
    name: str,
    weight: Tensor,
    before: Sequence[str],
    now: Sequence[str],
    shape: tuple[int, ...],
    fresh: Fresh,
) -> tuple[Tensor, str]:
    """Rows of variables, in their new order; those that were not known begin afresh."""
    if tuple(before) == tuple(now):
        return weight, ""
    known = [row for row, variable in enumerate(now) if variable in before]
    places = [before.index(now[row]) for row in known]
    if weight.shape[1:] != shape[1:]:
        return weight, ""
    made = fresh(name, shape).to(weight.dtype).clone()
    made[known] = weight[places]
    added = [variable for variable in now if variable not in before]
    return made, f"new rows for {', '.join(added)}" if added else "rows in another order"


def _patches(config: OrbitConfig) -> tuple[int, int]:
    return config.grid[0] // config.patch, config.grid[1] // config.patch


def _said(old: tuple[int, ...], new: tuple[int, ...], what: str) -> str:
    if old == new:
        return ""
    return f"from {old[0]} x {old[1]} {what} to {new[0]} x {new[1]}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def shapes_of(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Shape of each weight of a model."""
    return {name: tuple(weight.shape) for name, weight in model.named_parameters()}
