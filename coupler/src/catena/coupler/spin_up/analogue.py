"""The equilibrium of the most similar site that is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from catena.coupler.spin_up.case import Floats
from catena.coupler.spin_up.learned import Guess, Learned
from catena.coupler.spin_up.sites_space import Features, Logarithms, edge, nearest
from catena.coupler.spin_up.training_sites import TrainingSites


class Analogue(Learned):
    """Each pool of a site is that of the nearest site of training that has the plant.

    With first years it is the pool that these years left, times the factor by which that of the
    nearest site still grew: the same help that the other learned methods have.

    Parameters
    ----------
    sites : TrainingSites
        Neighbours are sites of training; what is familiar, and how large errors are, is measured on
        those of validation.
    options
        As for :class:`Learned`.
    """

    name: ClassVar[str] = "analogue"

    def __init__(self, sites: TrainingSites, **options: Any) -> None:
        super().__init__(sites.about, **options)
        training, held_out = sites.rows("training"), sites.rows("validation")
        self._features = Features.of(sites.some(training), sites.about["logarithmic_inputs"])
        self._rows = self._features.rows(sites.some(training))
        self._scale = Logarithms.of(sites.targets[training], sites.about["signed"])
        begun = self._begun(sites.inputs)
        self._grown = self._scale.shaped(sites.targets[training]) - begun[training]
        rows = self._features.rows(sites.some(held_out))
        self._edge = edge(self._rows, rows)
        said = self._shaped(rows, begun[held_out])
        errors = said - self._scale.shaped(sites.targets[held_out])
        self._error = spread_of(errors)

    def predict(self, inputs: Mapping[str, Floats]) -> Guess:
        """Pools of the nearest sites of training."""
        rows = self._features.rows(inputs)
        shaped = self._shaped(rows, self._begun(inputs))
        _, away = nearest(rows, self._rows)
        return Guess(
            self._scale.pools(shaped), away / self._edge, units_of(self._scale, shaped, self._error)
        )

    def _begun(self, inputs: Mapping[str, Floats]) -> Floats:
        return begun(
            inputs,
            self._scale,
            list(self.about["case"]["inputs"].get("states", [])),
            list(self.layout.names),
        )

    def _shaped(self, rows: Floats, begun: Floats) -> Floats:
        made = np.full(begun.shape, np.nan)
        has = np.isfinite(self._grown)
        # Pools with the same sites (those of the column, those of a plant) have the same neighbour.
        patterns, group = np.unique(has, axis=1, return_inverse=True)
        for n, pattern in enumerate(patterns.T):
            mine = np.flatnonzero(group.ravel() == n)
            own = np.flatnonzero(pattern)
            if own.size:
                place, _ = nearest(rows, self._rows[own])
                made[:, mine] = self._grown[np.ix_(own[place], mine)]
        return made + begun


def begun(
    inputs: Mapping[str, Floats], scale: Logarithms, names: list[str], pools: list[str]
) -> Floats:
    """Logarithms of the pools that the first years left, 0 without such years, (site, pool).

    A pool that may be negative counts as it is. Units of acceleration are a constant factor of a
    pool here, which what is learned on top of it takes in.
    """
    count = len(next(iter(inputs.values())))
    if "states" not in inputs:
        return np.zeros((count, len(pools)))
    at = [names.index(pool) for pool in pools]
    return np.where(scale.signed, 0.0, np.nan_to_num(scale.shaped(inputs["states"][:, at])))


def spread_of(errors: Floats) -> Floats:
    """Standard deviation of errors by the middle 68 % of them, float64 (pool,); 0 without any."""
    made = np.zeros(errors.shape[1])
    for n, column in enumerate(errors.T):
        own = np.abs(column[np.isfinite(column)])
        if own.size:
            made[n] = np.quantile(own, 0.683)
    return made


def units_of(scale: Logarithms, shaped: Floats, error: Floats) -> Floats:
    """Spread in the units of the pools, (site, pool), of a spread of their logarithms."""
    return np.asarray((scale.pools(shaped + error) - scale.pools(shaped - error)) / 2.0)
