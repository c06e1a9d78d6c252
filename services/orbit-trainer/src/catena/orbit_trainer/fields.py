"""Fields of a hot cache as a model takes them: by name, normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catena.models.orbit_statistics import Statistics
from catena.shared.hot_cache import HotCache

__all__ = ["Fields"]


class Fields:
    """Some variables of a cache, normalised.

    Parameters
    ----------
    cache : HotCache
    variables : sequence of str
    statistics : Statistics
    """

    def __init__(self, cache: HotCache, variables: Sequence[str], statistics: Statistics) -> None:
        self.cache = cache
        places = {channel.label: place for place, channel in enumerate(cache.channels)}
        there = [row for row, name in enumerate(variables) if name in places]
        rows = [places[variables[row]] for row in there]
        self.have = np.isin(np.arange(len(variables)), there)
        # Slices where they will do: numpy copies them twice as fast as lists of places.
        self._out, self._in = _run_of(there), _run_of(rows)
        own = [cache.channels[place] for place in rows]
        names = [variables[row] for row in there]
        # (stored * scale + offset - mean) / std in one go
        mean, std = (np.array(column) for column in statistics.moments(names))
        scale = np.array([channel.scale for channel in own])
        offset = np.array([channel.offset for channel in own])
        self._gain = (scale / std).astype(np.float32)[:, None, None]
        self._shift = ((offset - mean) / std).astype(np.float32)[:, None, None]

    def read(self, step: int, out: NDArray[np.float32]) -> None:
        """Put one step into an array (V, H, W); rows of variables that lack are left alone."""
        values = self.cache.sample(step)[self._in] * self._gain
        values += self._shift
        out[self._out] = values


def _run_of(places: list[int]) -> slice | list[int]:
    if places and places == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return places
