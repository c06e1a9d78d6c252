"""Extremely randomised trees for the pools of the equilibrium.

Source: Geurts et al. (2006), Mach. Learn. 63, 3; for spin-ups SPINacc, Sun et al. (2023), Geosci.
Model Dev. 16, which takes trees per pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from catena.coupler.spin_up.analogue import begun, spread_of, units_of
from catena.coupler.spin_up.case import Floats
from catena.coupler.spin_up.learned import Guess, Learned
from catena.coupler.spin_up.sites_space import Features, Logarithms, edge, nearest
from catena.coupler.spin_up.training_sites import TrainingSites

TREES = 100
LEAF = 2
"""Sites of training in a leaf at least."""
SHARE = 0.3
"""Of the inputs, that are tried at a fork."""


class Trees(Learned):
    """Logarithms of pools, or of their growth after the first years, by trees.

    Pools that stand at the same sites (those of the column, those of a plant) share their trees:
    a leaf gives all of them from the same sites, so that they fit together.

    Parameters
    ----------
    sites : TrainingSites
    trees, seed : int
    options
        As for :class:`Learned`.
    """

    name: ClassVar[str] = "trees"

    def __init__(
        self, sites: TrainingSites, *, trees: int = TREES, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(sites.about, **options)
        training, held_out = sites.rows("training"), sites.rows("validation")
        self._features = Features.of(sites.some(training), sites.about["logarithmic_inputs"])
        self._rows = self._features.rows(sites.some(training))
        self._scale = Logarithms.of(sites.targets[training], sites.about["signed"])
        start = self._begun(sites.inputs)
        grown = self._scale.shaped(sites.targets[training]) - start[training]
        self._fits = self._fitted(grown, trees, seed)
        rows = self._features.rows(sites.some(held_out))
        self._edge = edge(self._rows, rows)
        errors = self._shaped(rows, start[held_out]) - self._scale.shaped(sites.targets[held_out])
        self._error = spread_of(errors)

    def predict(self, inputs: Mapping[str, Floats]) -> Guess:
        """Means of the leaves."""
        rows = self._features.rows(inputs)
        shaped = self._shaped(rows, self._begun(inputs))
        _, away = nearest(rows, self._rows)
        return Guess(
            self._scale.pools(shaped), away / self._edge, units_of(self._scale, shaped, self._error)
        )

    def _fitted(self, grown: Floats, trees: int, seed: int) -> list[tuple[Any, Any]]:
        from sklearn.ensemble import ExtraTreesRegressor

        patterns, group = np.unique(np.isfinite(grown), axis=1, return_inverse=True)
        made = []
        for n, pattern in enumerate(patterns.T):
            if not pattern.any():
                continue
            mine = np.flatnonzero(group.ravel() == n)
            wanted = grown[np.ix_(pattern, mine)]
            spread = np.where(wanted.std(axis=0) > 0.0, wanted.std(axis=0), 1.0)
            middle = wanted.mean(axis=0)
            model = ExtraTreesRegressor(
                trees, min_samples_leaf=LEAF, max_features=SHARE, random_state=seed, n_jobs=1
            )
            goal = (wanted - middle) / spread
            model.fit(self._rows[pattern], goal if mine.size > 1 else goal[:, 0])
            made.append((mine, (model, middle, spread)))
        return made

    def _shaped(self, rows: Floats, start: Floats) -> Floats:
        made = np.full(start.shape, np.nan)
        for mine, (model, middle, spread) in self._fits:
            said = model.predict(rows).reshape(len(rows), -1)
            made[:, mine] = said * spread + middle
        return made + start

    def _begun(self, inputs: Mapping[str, Floats]) -> Floats:
        names = list(self.about["case"]["inputs"].get("states", []))
        return begun(inputs, self._scale, names, list(self.layout.names))
