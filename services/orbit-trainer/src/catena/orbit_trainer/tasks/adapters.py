"""What of a model is trained in a fine-tune, and the parts that an engine makes its model from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from catena.models.orbit_adapters import (
    add_adapters,
    freeze_backbone,
    is_adapter,
    merged_weights,
)
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.engines.base import Call, Fill, Loss, ModelFactory
from catena.orbit_trainer.tasks.transfer import Pretrained, Transfer, shapes_of, transferred
from catena.shared.errors import InvalidRequest

__all__ = ["Adaptation", "FineTune", "fine_tune"]

Initial = Callable[[str, tuple[int, ...], int, torch.dtype], Tensor]
"""First weights of a model by name, shape, seed and type."""


@dataclass(frozen=True)
class Adaptation:
    """What is trained.

    Parameters
    ----------
    kind : {"all", "frozen", "lora"}
        All weights; embeddings and heads around frozen blocks; these and low-rank adapters.
    rank : int
        Of the adapters.

    Raises
    ------
    InvalidRequest
        When there is no such kind.
    """

    kind: str = "all"
    rank: int = 8

    def __post_init__(self) -> None:
        if self.kind not in ("all", "frozen", "lora"):
            raise InvalidRequest(f"adapter {self.kind!r}; wanted all, frozen or lora")

    def applied(self, model: nn.Module) -> nn.Module:
        """The model with its adapters, or its blocks frozen, in place."""
        if self.kind == "frozen":
            return freeze_backbone(model)
        if self.kind == "lora":
            return add_adapters(model, self.rank)
        return model

    def merged(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of the ordinary model out of those that were trained."""
        return merged_weights(weights, self.rank) if self.kind == "lora" else dict(weights)


@dataclass(frozen=True)
class FineTune:
    """What an engine makes a model from, and judges it by.

    Parameters
    ----------
    factory : callable
        Makes the model; to be called on the meta device.
    fill : callable
        Its first weights by name, shape and type.
    call : callable
        Gives the model a batch.
    loss : callable
        Of what was predicted and the batch.
    adaptation : Adaptation
    transfer : Transfer
        What became of the pre-trained weights; empty from scratch.
    """

    factory: ModelFactory
    fill: Fill
    call: Call
    loss: Loss
    adaptation: Adaptation
    transfer: Transfer


def fine_tune(
    factory: ModelFactory,
    call: Call,
    loss: Loss,
    *,
    config: OrbitConfig | None,
    pretrained: Pretrained | None,
    taken: Sequence[str],
    adaptation: Adaptation,
    initial: Initial,
    seed: int,
) -> FineTune:
    """A fine-tune of a model that takes its blocks, and maybe more, from a pre-trained one.

    Parameters
    ----------
    factory, call, loss
        See :class:`FineTune`; the model without adapters.
    config : OrbitConfig or None
        Fields of the new model; None where it has none.
    pretrained : Pretrained, optional
        None: from scratch.
    taken : sequence of str
        Beginnings of the names of weights that are taken over.
    adaptation : Adaptation
    initial : callable
    seed : int

    Raises
    ------
    InvalidRequest
        When blocks are to be kept that were never trained.
    InvalidData
        When pre-trained weights lack or do not fit.
    """
    if pretrained is None and adaptation.kind != "all":
        raise InvalidRequest(
            f"adapter {adaptation.kind} without a pre-trained model; wanted one, or all"
        )

    def adapted() -> nn.Module:
        return adaptation.applied(factory())

    def fresh(name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        if is_adapter(name) and name.endswith("_out"):
            return torch.zeros(shape, dtype=dtype)
        return initial(name, shape, seed, dtype)

    transfer = Transfer()
    if pretrained is not None:
        with torch.device("meta"):
            plain, whole = shapes_of(factory()), shapes_of(adapted())
        transfer = transferred(pretrained, config or pretrained.config, plain, taken, fresh)
        new = tuple(name for name in whole if name not in transfer.weights)
        transfer = Transfer(transfer.weights, transfer.fitted, new, transfer.unused)

    def fill(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        known = transfer.weights.get(name)
        return fresh(name, shape, dtype) if known is None else known.to(dtype)

    return FineTune(adapted, fill, call, loss, adaptation, transfer)
