"""The equilibrium of the most similar site that is known."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from catena.coupler.spin_up.case import Floats
from catena.coupler.spin_up.from_sites import FromSites, same_sites
from catena.coupler.spin_up.sites_space import nearest


class Analogue(FromSites):
    """Each pool of a site is that of the nearest site of training that has the plant.

    With first years it is the pool that these years left, times the factor by which that of the
    nearest site still grew: the same help that the other methods have. Parameters: see
    :class:`FromSites`.
    """

    name: ClassVar[str] = "analogue"

    def _fit(self, grown: Floats) -> None:
        self._known = grown

    def _grown(self, rows: Floats) -> Floats:
        made = np.full((len(rows), self._known.shape[1]), np.nan)
        for columns, own in same_sites(self._known):
            place, _ = nearest(rows, self._rows[own])
            made[:, columns] = self._known[np.ix_(own[place], columns)]
        return made
