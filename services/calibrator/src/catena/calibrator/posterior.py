"""An amortised posterior: fitted once, it answers any observation in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import chi2

from catena.calibrator.likelihood import Observations, check_observations
from catena.calibrator.sir import Bank, make_bank, sites_per_chunk, systematic, weigh
from catena.calibrator.stages import Checkpoint, ProgressReport, part
from catena.calibrator.surrogate import Surrogate
from catena.calibrator.training import child_seed, torch_generator
from catena.shared.errors import InvalidData

SIR = "sir"
METHODS = ("auto", SIR)
BANK_SIZE = 2**17
MOST_BANK_NUMBERS = 2**27
# below this effective sample size of the bank, `auto` hands a site to the generator
ENOUGH = 500.0
# a well-specified observation is farther from the model's best fit than the flag's limit this rarely
FALSE_ALARM = 0.01
MOST_DRAWS = 100_000


@dataclass(frozen=True, eq=False)
class Draws:
    """Posterior draws of s sites.

    Parameters
    ----------
    values : ndarray, (s, draws, d)
        Parameters in physical units, inside the prior.
    effective_size : ndarray, (s,)
        Effective sample size of the importance weights behind the draws.
    out_of_range : ndarray of bool, (s,)
        No parameters in the prior explain the observation.
    distance_sd : ndarray, (s,)
        Root of the summed squared misfit of the best parameters, in standard deviations of
        observation error and surrogate error together.
    method_used : tuple of str, (s,)
        What made the draws of each site.
    """

    values: np.ndarray
    effective_size: np.ndarray
    out_of_range: np.ndarray
    distance_sd: np.ndarray
    method_used: tuple[str, ...]


class Posterior:
    """Draws parameters given observations; made by :func:`fit_posterior`.

    Parameters
    ----------
    surrogate : Surrogate
    bank : Bank
    """

    def __init__(self, surrogate: Surrogate, bank: Bank) -> None:
        self.surrogate = surrogate
        self.bank = bank

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that this posterior was fitted for."""
        return ("auto", SIR)

    def sample(
        self,
        values: np.ndarray,
        error_sd: np.ndarray,
        observed: np.ndarray | None = None,
        *,
        draws: int = 1000,
        seed: int = 0,
        method: str = "auto",
    ) -> Draws:
        """Draw parameters given the observations of one or many sites.

        Parameters
        ----------
        values : array_like, (s, k) or (k,)
            Observed outputs, physical units; ignored (NaN too) where not observed.
        error_sd : array_like, broadcastable to `values`
            Standard deviation of the observation error, physical units, > 0.
        observed : array_like of bool, broadcastable to `values`, optional
            All outputs, if left out.
        draws : int
            Draws per site.
        seed : int
            The same seed and sites give the same bytes.
        method : str
            One of :attr:`methods`.

        Returns
        -------
        Draws

        Raises
        ------
        InvalidData
            Observations that cannot be used, or a method that was not fitted.
        """
        if method not in self.methods:
            raise InvalidData(
                f"this posterior offers {', '.join(self.methods)}, not {method!r}; "
                "train it with that method"
            )
        if not 1 <= draws <= MOST_DRAWS:
            raise InvalidData(f"{draws} draws; want 1 to {MOST_DRAWS}")
        sites = check_observations(
            values, error_sd, observed, self.surrogate.center, self.surrogate.spread
        )
        torch.set_flush_denormal(True)
        return self._sample_sir(sites, draws, seed)

    def _sample_sir(self, sites: Observations, draws: int, seed: int) -> Draws:
        prior, members = self.surrogate.prior, self.bank.unit
        generator = torch_generator(seed, 1)
        values = np.empty((len(sites), draws, prior.size))
        effective, distance = np.empty(len(sites)), np.empty(len(sites))
        step = sites_per_chunk(len(self.bank))
        for start in range(0, len(sites), step):
            rows = slice(start, start + step)
            weights = weigh(self.bank, sites.rows(rows))
            chosen = systematic(weights.weight, draws, generator).numpy()
            values[rows] = prior.from_unit(members[chosen])
            effective[rows], distance[rows] = weights.effective, weights.distance
        limit = chi2.isf(FALSE_ALARM, sites.observed.sum(1))
        return Draws(
            values, effective, distance > limit, np.sqrt(distance), (SIR,) * len(sites)
        )

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays for safetensors and a JSON-able description; the surrogate is inside."""
        arrays, meta = self.surrogate.to_arrays()
        every = {f"surrogate.{k}": v for k, v in arrays.items()}
        every |= {f"bank.{k}": v for k, v in vars(self.bank).items()}
        return every, {"surrogate": meta, "methods": list(self.methods)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Posterior:
        """Inverse of :meth:`to_arrays`."""

        def group(name: str) -> dict[str, np.ndarray]:
            start = name + "."
            return {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}

        surrogate = Surrogate.from_arrays(group("surrogate"), meta["surrogate"])
        return cls(surrogate, Bank(**group("bank")))


def fit_posterior(
    surrogate: Surrogate,
    *,
    method: str = "auto",
    seed: int = 0,
    bank_size: int = BANK_SIZE,
    progress: ProgressReport | None = None,
    checkpoint: Checkpoint | None = None,
) -> Posterior:
    """Prepare a posterior that answers any observation.

    Parameters
    ----------
    surrogate : Surrogate
    method : str
        What it shall be able to do.
    seed : int
        The same seed gives the same bytes.
    bank_size : int
        Prior draws through the surrogate; a power of two is best.
    progress, checkpoint : optional
        See :mod:`catena.calibrator.stages`.

    Raises
    ------
    InvalidData
        An unknown method, or a bank too small or too large.
    """
    if method not in METHODS:
        raise InvalidData(f"posterior method {method!r}; choose one of {', '.join(METHODS)}")
    if not 256 <= bank_size <= MOST_BANK_NUMBERS // surrogate.outputs:
        raise InvalidData(
            f"a bank of {bank_size} draws with {surrogate.outputs} outputs; want 256 to "
            f"{MOST_BANK_NUMBERS // surrogate.outputs}: aggregate the outputs or take fewer draws"
        )
    report = part(progress, 0.0, 1.0)
    bank = make_bank(surrogate, bank_size, child_seed(seed, 3))
    report(1.0, f"bank of {bank_size} prior draws ready")
    return Posterior(surrogate, bank)
