"""Whether the image branch sees what is to be seen: a known attribute read from unseen chips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from catena.forecaster.data.records import Array32, Index
from catena.forecaster.data.splits import Fold
from catena.forecaster.training import TrainingConfig, train
from catena.forecaster.ungauged.chips import Chips
from catena.forecaster.ungauged.fold_tables import turned
from catena.models.image_net import ImageConfig, ImageNet
from catena.models.ungauged_lstm import PointFlow
from catena.shared.errors import InvalidData
from catena.shared.shuffle import Order

Array = NDArray[np.float64]

TRAINING = TrainingConfig(
    loss="nse", steps=250, batch=32, learning_rate=3e-3, average=0.98, patience=10,
    validation_samples=256,
)  # fmt: skip
HELD = 5
"""One in so many training basins chooses when to stop."""


class _Reading(nn.Module):
    """An encoding of a chip and one number that is linear in it."""

    def __init__(self, config: ImageConfig, seed: int) -> None:
        super().__init__()
        self._config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.image = ImageNet(config)
            self.out = nn.Linear(config.outputs, 1)

    def forward(self, chips: Tensor) -> PointFlow:
        """Scaled attribute, (B, 1)."""
        return PointFlow(self.out(self.image(chips)))

    def config(self) -> dict[str, Any]:
        """Architecture as JSON-able values."""
        return asdict(self._config)


class _ChipSamples:
    """Chips of some basins with the attribute that they carry."""

    def __init__(self, chips: Array32, values: Array, *, turn: bool) -> None:
        self.chips, self.values, self.turn = chips, values.astype(np.float32), turn

    def __len__(self) -> int:
        return len(self.chips)

    def batch(self, rows: Index, *, epoch: int = 0) -> tuple[Tensor, Tensor]:
        """Chips, and scaled values (B, 1)."""
        chips = self.chips[rows]
        if self.turn:
            chips = turned(chips, np.random.default_rng([epoch, *map(int, rows)]))
        return torch.from_numpy(chips), torch.from_numpy(self.values[rows, None])

    def batches(
        self, size: int, *, seed: int | None = None, epoch: int = 0, first: int = 0
    ) -> Iterator[Index]:
        """Rows of one epoch from batch `first` on, shuffled by seed and epoch."""
        order = Order(len(self), seed or 0, epoch)
        for start in range(first * size, len(self), size):
            yield order.take(start, size)

    def scaled_sd(self, rows: Index) -> Array32:
        """1: values are scaled by their standard deviation."""
        return np.ones(len(rows), np.float32)


def image_recovery(
    chips: Chips,
    values: ArrayLike,
    folds: Sequence[Fold],
    *,
    seed: int,
    image: ImageConfig | None = None,
    training: TrainingConfig = TRAINING,
) -> tuple[float, Array]:
    """How well the image branch reads an attribute from chips of basins it has not seen.

    In each fold an :class:`ImageNet` with a linear readout learns from the chips of the training
    basins, with scales of these alone, and reads those of the test basins.

    Parameters
    ----------
    chips : Chips
    values : (N,) array
        The attribute, in the order of the chips.
    folds : sequence of Fold
    seed : int
    image : ImageConfig, optional
    training : TrainingConfig

    Returns
    -------
    r2 : float
        ``1 - sum of squared errors / sum of squares about the mean`` over all test basins.
    read : (N,) array
        What was read; NaN in basins that no fold tests.

    Raises
    ------
    InvalidData
        When values are missing, do not vary over the training basins, or are not one per chip.
    """
    values = np.asarray(values, np.float64)
    if values.shape != (len(chips.basins),) or not np.isfinite(values).all():
        raise InvalidData(
            f"values of shape {values.shape} for {len(chips.basins)} chips came; one finite number "
            "per chip wanted"
        )
    places = {basin: row for row, basin in enumerate(chips.basins)}
    read = np.full(len(values), np.nan)
    for fold in folds:
        chips.select([*fold.train_basins, *fold.test_basins])
        scaled = chips.scaled(fold.train_basins)
        train_rows = np.array([places[basin] for basin in fold.train_basins])
        test_rows = np.array([places[basin] for basin in fold.test_basins])
        mean, sd = values[train_rows].mean(), values[train_rows].std()
        if not sd > 0:
            raise InvalidData("the values of a fold's training basins are all the same")
        held = np.arange(len(train_rows)) % HELD == HELD - 1
        learn, look = (
            _ChipSamples(scaled[rows], (values[rows] - mean) / sd, turn=turn)
            for rows, turn in ((train_rows[~held], True), (train_rows[held], False))
        )
        net = _Reading(image or ImageConfig(), seed)
        # The loop asks of model and samples only what these have.
        train(cast(Any, net), cast(Any, learn), cast(Any, look), training, seed=seed)
        with torch.no_grad():
            told = net(torch.from_numpy(scaled[test_rows])).mean()[:, 0].numpy()
        read[test_rows] = told * sd + mean
    tested = ~np.isnan(read)
    truth = values[tested]
    error = ((read[tested] - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    return float(1.0 - error), read
