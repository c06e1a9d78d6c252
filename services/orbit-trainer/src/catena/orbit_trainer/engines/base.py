"""What every engine can do: the loop of a training knows no more of processes than this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from catena.orbit_trainer.batches import Batch

__all__ = [
    "Call",
    "Engine",
    "Fill",
    "Loss",
    "ModelFactory",
    "StepResult",
    "call_orbit",
]

ModelFactory = Callable[[], nn.Module]
"""Makes the whole model; called under ``torch.device("meta")``, so that it costs no memory."""

Fill = Callable[[str, tuple[int, ...], torch.dtype], Tensor]
"""First values of the parameter (or buffer) of a name, of its whole shape, on the CPU."""

Call = Callable[[nn.Module, "Batch"], Tensor]
"""Gives the model what it takes of a batch, returns what it predicts."""

Loss = Callable[[Tensor, "Batch"], Tensor]
"""Scalar of what was predicted for a batch; of equal parts of a batch, the mean is the whole's."""


@dataclass(frozen=True)
class StepResult:
    """What one step did, the same on all processes.

    Parameters
    ----------
    loss : float
        Mean over the batch of all processes, before the update.
    gradient_norm : float
        Before clipping.
    skipped : bool
        Whether weights and moments were left as they were, because the loss or the norm was not
        finite.
    """

    loss: float
    gradient_norm: float
    skipped: bool


class Engine(Protocol):
    """A model, its optimiser and the processes that train it.

    All processes call all methods, in the same order.
    """

    @property
    def data_rank(self) -> int:
        """Which share of each batch is this process's (:meth:`Batch.part`)."""
        ...

    @property
    def data_ranks(self) -> int:
        """Shares that each batch has."""
        ...

    def step(self, batch: Batch, learning_rate: float) -> StepResult:
        """Update the weights by this process's share of a batch and the others'.

        Where the loss or its gradient is not finite, none is updated: all processes say so.
        """
        ...

    def evaluate(self, batch: Batch) -> float:
        """Loss of a batch, mean over all processes' shares, with the weights left alone."""
        ...

    def save(self, folder: Path, meta: Mapping[str, Any]) -> None:
        """Begin to save everything that the training goes on from; a copy is taken at once.

        An earlier save is waited for first. The folder is there only once all of it is
        (:func:`catena.orbit_trainer.training.checkpoint_folder.seal`).

        Raises
        ------
        FailedPrecondition
            When an earlier save failed.
        """
        ...

    def wait(self) -> None:
        """Return when the last save is whole on the disk, on all processes.

        Raises
        ------
        FailedPrecondition
            When it could not be written, on all processes alike.
        """
        ...

    def load(self, folder: Path) -> dict[str, Any]:
        """Go on from what was saved; the `meta` that was saved with it.

        Raises
        ------
        FailedPrecondition
            When it is another model's, or damaged.
        """
        ...

    def weights(self) -> dict[str, Tensor]:
        """All weights, whole, float32, on the CPU of the first process; empty on the others."""
        ...


def call_orbit(model: nn.Module, batch: Batch) -> Tensor:
    """Prediction of an :class:`catena.models.orbit.Orbit`."""
    predicted: Tensor = model(batch.fields, batch.variables, batch.lead_hours, batch.present)
    return predicted
