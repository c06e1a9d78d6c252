"""What each method cost, how complete it was, and what it found important."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class Ledger:
    """Entries of methods, over all basins.

    Parameters
    ----------
    cpu_s : dict of str to float
    completeness : dict of str to float
        Largest error of a sum, as a share of the range of the forecast.
    importance : dict of str to list of (G,) array
        Of the groups, summing to 1, basin by basin.
    remarks : list of str
        What a reader must know of results that are missing.
    """

    cpu_s: dict[str, float] = field(default_factory=dict)
    completeness: dict[str, float] = field(default_factory=dict)
    importance: dict[str, list[Array]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @contextmanager
    def cost(self, method: str) -> Iterator[None]:
        """Add the processor time of what is done inside to a method."""
        start = time.process_time()
        yield
        self.cpu_s[method] = self.cpu_s.get(method, 0.0) + time.process_time() - start

    def note(self, method: str, importance: Array, completeness: float | None = None) -> None:
        """Take in what a method found in one basin; its importances count as shares."""
        total = float(np.nansum(importance))
        if total > 0:
            self.importance.setdefault(method, []).append(importance / total)
        if completeness is not None:
            self.completeness[method] = max(self.completeness.get(method, 0.0), completeness)

    def mean_importance(self) -> dict[str, Array]:
        """Importance of the groups by each method, mean over basins."""
        return {name: np.mean(found, axis=0) for name, found in self.importance.items()}
