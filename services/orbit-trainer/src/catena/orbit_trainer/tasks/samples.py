"""Batches of samples that are not pairs in time, as a function of seed and step."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from catena.orbit_trainer.ahead import Ahead
from catena.orbit_trainer.batches import Batch
from catena.shared.errors import InvalidRequest
from catena.shared.shuffle import Order

__all__ = ["SampleStream"]


class SampleStream(ABC):
    """Endless batches of some samples, in a new order each epoch.

    Parameters
    ----------
    count : int
        Samples.
    size : int
        Of a batch, over all ranks.
    seed : int

    Raises
    ------
    InvalidRequest
        When there are no samples, or no size.
    """

    def __init__(self, count: int, size: int, seed: int) -> None:
        if count < 1 or size < 1:
            raise InvalidRequest(f"batches of {size} out of {count} samples; wanted 1 of each")
        self.count, self.size, self.seed = count, size, seed

    @abstractmethod
    def made(self, places: NDArray[np.int64]) -> Batch:
        """Batch of the samples at these places, 0 .. count - 1."""

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """Batch of one step, counted from 0; only the samples of a rank are made.

        Raises
        ------
        InvalidRequest
            When the ranks do not divide the batch.
        """
        if self.size % ranks or not 0 <= rank < ranks or step < 0:
            raise InvalidRequest(
                f"step {step} of rank {rank} of {ranks} asked of batches of {self.size} samples; "
                "wanted a number of ranks that divides the batch"
            )
        turns = np.arange(step * self.size + rank, (step + 1) * self.size, ranks)
        epochs, places = np.divmod(turns, self.count)
        for epoch in np.unique(epochs).tolist():
            now = epochs == epoch
            places[now] = Order(self.count, self.seed, epoch).at(places[now])
        return self.made(places)

    def ahead(self, first: int = 0, rank: int = 0, ranks: int = 1, depth: int = 2) -> Ahead[Batch]:
        """Batches of steps first, first + 1, ..., made by a thread while others are used."""
        return Ahead(lambda step: self.batch(step, rank, ranks), first, depth)
