"""Batches of fields for training: which samples make up a batch is a function of seed and step.

Sample number n of a training comes from a cache, a place in that cache's shuffled order and a lead
time that all follow from (seed, n) alone. So a training goes on anywhere with nothing but the
number of its step, and batches are the same whatever number of processes shares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.ahead import Ahead
from catena.orbit_trainer.fields import Fields
from catena.orbit_trainer.sources import Source, sources_of
from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import HOUR_S, Period
from catena.shared.shuffle import Order, hashed

__all__ = ["Batch", "BatchStream"]


@dataclass(frozen=True)
class Batch:
    """Samples for one step of training.

    Parameters
    ----------
    fields : Tensor, (B, V, H, W)
        Normalised inputs; 0, which is the mean, where unknown.
    targets : Tensor, (B, V_out, H', W')
        Normalised, NaN where unknown.
    variables : Tensor, (V,), int64
        Rows of the model's tables (:func:`catena.models.orbit_config.variable_ids`).
    lead_hours : Tensor, (B,)
    present : Tensor, (B, V), bool, optional
        False where a sample lacks a variable altogether; None when none does.
    extra : mapping of str to Tensor, (B, ...)
        Inputs of models that take more.
    """

    fields: Tensor
    targets: Tensor
    variables: Tensor
    lead_hours: Tensor
    present: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.fields)

    def part(self, rank: int, ranks: int) -> Batch:
        """Samples rank, rank + ranks, ... of the batch."""
        if ranks == 1:
            return self

        def taken(values: Tensor) -> Tensor:
            return values[rank::ranks].contiguous()

        return replace(
            self,
            fields=taken(self.fields),
            targets=taken(self.targets),
            lead_hours=taken(self.lead_hours),
            present=None if self.present is None else taken(self.present),
            extra={name: taken(values) for name, values in self.extra.items()},
        )

    def to(self, device: torch.device | str) -> Batch:
        """The batch on a device."""

        def moved(values: Tensor) -> Tensor:
            return values.to(device, non_blocking=True)

        return Batch(
            moved(self.fields),
            moved(self.targets),
            moved(self.variables),
            moved(self.lead_hours),
            None if self.present is None else moved(self.present),
            {name: moved(values) for name, values in self.extra.items()},
        )


class BatchStream:
    """Endless batches of pairs (fields, fields a lead time later) out of one or several caches.

    Parameters
    ----------
    cache : HotCache, or sequence of HotCache or Source
        Of one grid. Several, e.g. of several climate models, are dealt out by their shares in a
        fixed interleaved pattern; each is gone through in epochs of its own.
    variables, outputs : sequence of str
        Channels (``ua_85000``) that are inputs and those that are predicted. A cache that lacks
        an input has it marked as not present; one that lacks an output has NaN as its target.
    leads_h : sequence of float
        Lead times, hours; one is drawn for each sample.
    size : int
        Samples in a batch, of all ranks together.
    seed : int
    period : Period
        Inputs and targets lie in it.
    residual : bool
        Targets are ``x(t + lead) - x(t)`` over that difference's standard deviation (Stormer,
        Nguyen et al. 2024); else ``x(t + lead)``, normalised.
    statistics : Statistics
        Of the training period.
    ids : Tensor, (V,), int64, optional
        The inputs' rows in the model's tables; 0 .. V - 1 by default.
    samples : int, optional
        Only so many inputs of each cache, evenly spread over the period.

    Raises
    ------
    InvalidRequest
        When a variable is in no cache, or a period or a batch is empty.
    InvalidData
        When grids differ, or a lead is no whole number of steps.
    """

    def __init__(
        self,
        cache: HotCache | Sequence[HotCache | Source],
        variables: Sequence[str],
        outputs: Sequence[str],
        leads_h: Sequence[float],
        size: int,
        seed: int,
        period: Period,
        residual: bool,
        statistics: Statistics,
        ids: Tensor | None = None,
        samples: int | None = None,
    ) -> None:
        if size < 1 or not leads_h or not outputs:
            raise InvalidRequest(
                f"batches of {size} samples with leads {list(leads_h)} h and outputs "
                f"{list(outputs)}; wanted one of each at least"
            )
        self.variables, self.outputs = tuple(variables), tuple(outputs)
        self.size, self.seed, self.residual = size, seed, residual
        self.statistics = statistics
        self.ids = torch.arange(len(self.variables)) if ids is None else ids
        absent = [name for name in outputs if name not in variables]
        if absent:
            raise InvalidRequest(
                f"outputs {absent} are not among the inputs {list(variables)}; add them there"
            )
        self._output_rows = [self.variables.index(name) for name in outputs]
        self._leads_h = np.array(sorted(set(leads_h)), dtype=np.float64)
        self._parts = [
            _Part(source, self.variables, self.outputs, self._leads_h, period, statistics, samples)
            for source in sources_of(cache, (*self.variables, *self.outputs))
        ]
        self._deal = Deal([part.share for part in self._parts])
        # (L, V_out): change of a normalised field -> target
        self._gain = np.ones((len(self._leads_h), len(outputs)))
        if residual:
            self._gain /= statistics.difference_scales(self._leads_h, self.outputs)

    @property
    def samples(self) -> int:
        """Inputs of all caches together: an epoch, where there is one cache."""
        return sum(part.count for part in self._parts)

    @property
    def lat(self) -> tuple[float, ...]:
        """Degrees north of the rows."""
        return self._parts[0].cache.metadata.lat

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """Batch of one step, counted from 0; only the samples of a rank are read.

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
        numbers = np.arange(step * self.size + rank, (step + 1) * self.size, ranks)
        leads = (hashed(numbers, self.seed, 1) % np.uint64(self._leads_h.size)).astype(np.int64)
        owners, turns = self._deal(numbers)
        height_width = self._parts[0].cache.metadata.sample_shape[1:]
        fields = np.full((len(numbers), len(self.variables), *height_width), np.nan, np.float32)
        targets = np.full((len(numbers), len(self.outputs), *height_width), np.nan, np.float32)
        for number, part in enumerate(self._parts):
            rows = np.flatnonzero(owners == number)
            starts = part.starts(turns[rows], int(hashed([number], self.seed)[0]))
            stops = starts + part.lead_steps[leads[rows]]
            for row, start, stop in zip(rows, starts.tolist(), stops.tolist(), strict=True):
                part.inputs.read(start, fields[row])
                part.outcomes.read(stop, targets[row])
        if self.residual:
            targets -= fields[:, self._output_rows]
            targets *= self._gain[leads][:, :, None, None].astype(np.float32)
        unknown = np.isnan(fields)
        present = None
        if unknown.any():
            lacking = unknown.all((2, 3))
            present = torch.from_numpy(~lacking) if lacking.any() else None
            fields[unknown] = 0.0
        return Batch(
            torch.from_numpy(fields),
            torch.from_numpy(targets),
            self.ids,
            torch.from_numpy(self._leads_h[leads].astype(np.float32)),
            present,
        )

    def ahead(self, first: int = 0, rank: int = 0, ranks: int = 1, depth: int = 2) -> Ahead[Batch]:
        """Batches of steps first, first + 1, ..., made by a thread while others are used."""
        return Ahead(lambda step: self.batch(step, rank, ranks), first, depth)


class _Part:
    """What one cache gives: its pairs in the period, in a new order each epoch."""

    def __init__(
        self,
        source: Source,
        variables: Sequence[str],
        outputs: Sequence[str],
        leads_h: NDArray[np.float64],
        period: Period,
        statistics: Statistics,
        samples: int | None,
    ) -> None:
        self.cache, self.share = source.cache, source.share
        self.inputs = Fields(source.cache, variables, statistics)
        self.outcomes = Fields(source.cache, outputs, statistics)
        start, stop = period.steps(source.cache)
        leads_s = [round(lead * HOUR_S) for lead in leads_h.tolist()]
        # Inputs are the steps that have a target at the longest lead.
        all_pairs = [source.cache.pairs(lead, start, stop) for lead in leads_s]
        self.lead_steps = np.array([pairs.lead_steps for pairs in all_pairs])
        self.pairs = all_pairs[-1]
        if not len(self.pairs):
            raise InvalidRequest(
                f"no pair of fields {leads_h[-1]:g} h apart lies in the period {period}; choose a "
                "longer period or shorter leads"
            )
        self.count = len(self.pairs) if samples is None else samples
        if not 1 <= self.count <= len(self.pairs):
            raise InvalidRequest(
                f"{samples} samples of a period with {len(self.pairs)}; wanted no more"
            )

    def starts(self, turns: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Steps of the inputs that this cache gives at its turns, counted over all epochs."""
        starts = np.empty(len(turns), np.int64)
        epochs, places = np.divmod(turns, self.count)
        for epoch in np.unique(epochs).tolist():
            now = epochs == epoch
            starts[now] = Order(self.count, seed, epoch).at(places[now])
        return self.pairs.starts(starts * len(self.pairs) // self.count)


class Deal:
    """Deals samples out to sources by their shares: a fixed interleaved pattern, over and over.

    Parameters
    ----------
    shares : sequence of float
        Kept to within a thousandth of their sum.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        parts = np.maximum(np.round(1000 * np.array(shares) / sum(shares)), 1).astype(np.int64)
        self.counts = parts // np.gcd.reduce(parts)
        owners = np.repeat(np.arange(len(parts)), self.counts)
        before = np.concatenate([np.arange(count) for count in self.counts])
        order = np.argsort((before + 0.5) / self.counts[owners], kind="stable")
        self._owners, self._before = owners[order], before[order]

    def __call__(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Source of each sample, and how many of that source came before it."""
        rounds, places = np.divmod(numbers, len(self._owners))
        owners = self._owners[places]
        return owners, rounds * self.counts[owners] + self._before[places]
