"""Draws of Markov chains, and in plain words whether to believe them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RHAT_LIMIT = 1.01  # Vehtari et al. (2021), Bayesian Analysis 16:667
ESS_PER_CHAIN = 100  # ibid.


@dataclass(frozen=True, eq=False)
class Chains:
    """Draws of several independent chains, and whether to believe them.

    Attributes
    ----------
    values : (c, n, d) array
        Draws in physical units, exactly inside the prior's box, in the order in which they were
        made. A chain of method "ensemble" is an ensemble: its walkers' positions at evenly spaced
        steps.
    rhat, ess_bulk, ess_tail : (d,) arrays
        Rank-normalised split R-hat, and effective sizes of all chains together (at most c n).
    acceptance : float
        Share of accepted moves ("ensemble"); NaN for "nuts".
    divergences : int
        Diverging trajectories after warm-up ("nuts").
    cost : dict
        ``wall_s``, ``cpu_s``, ``evaluations`` (points at which the surrogate was asked).
    method : str
    names : tuple of str
    """

    values: Array
    rhat: Array
    ess_bulk: Array
    ess_tail: Array
    acceptance: float
    divergences: int
    cost: dict[str, float] = field(repr=False)
    method: str
    names: tuple[str, ...]

    @property
    def draws(self) -> Array:
        """All chains end to end, (c n, d)."""
        return self.values.reshape(-1, self.values.shape[-1])

    @property
    def converged(self) -> bool:
        """No remark to make."""
        return not self.remarks

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is wrong with the chains, in plain words; empty if nothing is."""
        found = []
        bad = np.flatnonzero(~(self.rhat <= RHAT_LIMIT))
        if bad.size:
            worst = bad[np.argmax(np.nan_to_num(self.rhat[bad], nan=np.inf))]
            found.append(
                f"the chains have not mixed: R-hat of {self.names[worst]} is "
                f"{self.rhat[worst]:.3f}, wanted at most {RHAT_LIMIT}; run them longer"
            )
        wanted = ESS_PER_CHAIN * len(self.values)
        smallest = np.fmin(self.ess_bulk, self.ess_tail)
        low = int(np.argmin(np.nan_to_num(smallest, nan=0.0)))
        if not smallest[low] >= wanted:
            found.append(
                f"too few effective draws: {smallest[low]:.0f} for {self.names[low]}, wanted "
                f"{wanted}; ask for more draws"
            )
        if self.divergences > 0.01 * self.values.shape[0] * self.values.shape[1]:
            found.append(
                f"{self.divergences} trajectories diverged: parts of the posterior are too sharp "
                "for the step; give a longer warm-up"
            )
        return tuple(found)

    def to_arrays(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, Any]]:
        """Arrays for safetensors, the rest for JSON; costs are left to the caller."""
        arrays: dict[str, NDArray[np.generic]] = {
            name: np.ascontiguousarray(getattr(self, name))
            for name in ("values", "rhat", "ess_bulk", "ess_tail")
        }
        meta = {
            "method": self.method,
            "parameters": list(self.names),
            "acceptance": None if np.isnan(self.acceptance) else self.acceptance,
            "divergences": self.divergences,
            "remarks": list(self.remarks),
        }
        return arrays, meta

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]], meta: dict[str, Any]) -> Chains:
        """Inverse of :meth:`to_arrays`; costs are not known any more."""
        acceptance = meta["acceptance"]
        return cls(
            values=np.array(arrays["values"], float),
            rhat=np.array(arrays["rhat"], float),
            ess_bulk=np.array(arrays["ess_bulk"], float),
            ess_tail=np.array(arrays["ess_tail"], float),
            acceptance=np.nan if acceptance is None else float(acceptance),
            divergences=int(meta["divergences"]),
            cost={},
            method=str(meta["method"]),
            names=tuple(meta["parameters"]),
        )
