"""What methods have in common that are fitted on the sites themselves, in seconds, when they run.

They see sites as points (:mod:`.sites_space`) and predict logarithms of pools: with first years the
growth of a pool from what these years left, wherever that tells more than the pool alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Floats, Sites
from catena.coupler.spin_up.learned import Guess, Learned
from catena.coupler.spin_up.sites_space import Features, Logarithms, edge, nearest
from catena.coupler.spin_up.training_sites import TrainingSites

NORMAL_90 = 1.6449
"""Half width of the interval of 90 % in standard deviations of a normal distribution."""


class FromSites(Learned):
    """Fitted on sites of training; what is familiar, and how large errors are, is measured on those
    of validation.

    Parameters
    ----------
    sites : TrainingSites
    options
        As for :class:`Learned`.
    """

    def __init__(self, sites: TrainingSites, **options: Any) -> None:
        super().__init__(sites.about, **options)
        training, held_out = sites.rows("training"), sites.rows("validation")
        self._features = Features.of(sites.some(training), sites.about["logarithmic_inputs"])
        self._rows = self._features.rows(sites.some(training))
        self._scale = Logarithms.of(sites.targets[training], sites.about["signed"])
        shaped, start = self._scale.shaped(sites.targets), self._left_by_first_years(sites.inputs)
        self._relative = _helpful(shaped[training], start[training], self._scale.signed)
        start = np.where(self._relative, start, 0.0)
        self._fit(shaped[training] - start[training])
        rows = self._features.rows(sites.some(held_out))
        self._edge = edge(self._rows, rows)
        self._error = _spread(self._grown(rows) + start[held_out] - shaped[held_out])

    @abstractmethod
    def _fit(self, grown: Floats) -> None:
        """Learn numbers (site, pool) of the sites of training; NaN where one lacks a plant."""

    @abstractmethod
    def _grown(self, rows: Floats) -> Floats:
        """Predict them for other sites."""

    def predict(self, inputs: Mapping[str, Floats]) -> Guess:
        """Pools of sites, see :meth:`Learned.predict`."""
        rows = self._features.rows(inputs)
        start = np.where(self._relative, self._left_by_first_years(inputs), 0.0)
        shaped, scale = self._grown(rows) + start, self._scale
        _, away = nearest(rows, self._rows)
        spread = (scale.pools(shaped + self._error) - scale.pools(shaped - self._error)) / 2.0
        return Guess(scale.pools(shaped), away / self._edge, spread)

    def _left_by_first_years(self, inputs: Mapping[str, Floats]) -> Floats:
        """Logarithms of the pools that the first years left, (site, pool); 0 without such years.

        Units of acceleration are a constant factor of a pool here, which what is learned on top of
        it takes in.
        """
        count = len(next(iter(inputs.values())))
        if "states" not in inputs:
            return np.zeros((count, len(self.layout.pools)))
        names = list(self.about["case"]["inputs"]["states"])
        at = [names.index(pool) for pool in self.layout.names]
        return np.nan_to_num(self._scale.shaped(inputs["states"][:, at]))


def same_sites(numbers: Floats) -> Iterator[tuple[Sites, Sites]]:
    """Groups of columns that have numbers at the same sites: of the column, of one plant.

    Yields
    ------
    columns, sites : int64
        Columns that have no number at all do not come.
    """
    patterns, group = np.unique(np.isfinite(numbers), axis=1, return_inverse=True)
    for n, pattern in enumerate(patterns.T):
        if pattern.any():
            yield np.flatnonzero(group.ravel() == n), np.flatnonzero(pattern)


def _helpful(shaped: Floats, start: Floats, signed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pools whose growth varies less than they do, bool (pool,).

    Mineral nitrogen, for one, is what the day left of it, and tells nothing. What may be negative
    does not grow by a factor.
    """
    made = np.zeros(len(signed), dtype=bool)
    for n in np.flatnonzero(~signed):
        known = np.isfinite(shaped[:, n])
        growth = shaped[known, n] - start[known, n]
        made[n] = growth.size > 0 and growth.var() < shaped[known, n].var()
    return made


def _spread(errors: Floats) -> Floats:
    """Standard deviation of errors that 90 % of them agree with, float64 (pool,); 0 without any."""
    made = np.zeros(errors.shape[1])
    for n, column in enumerate(errors.T):
        own = np.abs(column[np.isfinite(column)])
        if own.size:
            made[n] = np.quantile(own, 0.9) / NORMAL_90
    return made
