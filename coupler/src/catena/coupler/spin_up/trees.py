"""Extremely randomised trees for the pools of the equilibrium.

Source: Geurts et al. (2006), Mach. Learn. 63, 3; trees for spin-ups as in SPINacc (specs: elm 5).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from catena.coupler.spin_up.case import Floats
from catena.coupler.spin_up.from_sites import FromSites, same_sites
from catena.coupler.spin_up.training_sites import TrainingSites

TREES = 100
LEAF = 2
"""Sites of training in a leaf at least."""
SHARE = 0.3
"""Of the inputs, that are tried at a fork."""


class Trees(FromSites):
    """Logarithms of pools, or of their growth after the first years, by trees.

    Pools that stand at the same sites (those of the column, those of a plant) share their trees:
    a leaf gives all of them from the same sites, so that they fit together.

    Parameters
    ----------
    sites : TrainingSites
    trees, seed : int
    options
        As for :class:`FromSites`.
    """

    name: ClassVar[str] = "trees"

    def __init__(
        self, sites: TrainingSites, *, trees: int = TREES, seed: int = 0, **options: Any
    ) -> None:
        self._trees, self._seed = trees, seed
        super().__init__(sites, **options)

    def _fit(self, grown: Floats) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        self._width = grown.shape[1]
        self._models = []
        for columns, own in same_sites(grown):
            wanted = grown[np.ix_(own, columns)]
            middle, spread = wanted.mean(axis=0), wanted.std(axis=0)
            spread[spread <= 0.0] = 1.0
            model = ExtraTreesRegressor(
                self._trees,
                min_samples_leaf=LEAF,
                max_features=SHARE,
                random_state=self._seed,
                n_jobs=1,
            )
            goal = (wanted - middle) / spread
            model.fit(self._rows[own], goal if columns.size > 1 else goal[:, 0])
            self._models.append((columns, model, middle, spread))

    def _grown(self, rows: Floats) -> Floats:
        made = np.full((len(rows), self._width), np.nan)
        for columns, model, middle, spread in self._models:
            said = model.predict(rows).reshape(len(rows), -1)
            made[:, columns] = said * spread + middle
        return made
