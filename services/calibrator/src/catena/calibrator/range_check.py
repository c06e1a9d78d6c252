"""Says when an observation lies outside what the model can give anywhere in the prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, gamma, norm

from catena.calibrator.likelihood import Observations
from catena.calibrator.sir import Bank, weigh

# fractions of the spread at which limits are simulated, and simulations of each
FRACTIONS = np.array([0.03, 0.1, 0.3, 1.0, 3.0])
SIMULATIONS = 192
MEMBERS = 2**14
# an error of so many spreads of an output: no observation of it can tell members apart
UNINFORMED = 100.0
# chance that an observation within the model's reach is flagged
FALSE_ALARM = 0.02


@dataclass(frozen=True, eq=False)
class RangeLimits:
    """Largest misfit of the best member that chance explains.

    Parameters
    ----------
    counts : ndarray, (q,)
        Numbers of observed outputs that were simulated.
    limits : ndarray, (len(FRACTIONS), q)
        Limit of the squared misfit there.
    """

    counts: np.ndarray
    limits: np.ndarray

    def exceeded(self, sites: Observations, distance: np.ndarray) -> np.ndarray:
        """Whether each site's squared misfit `distance` (s,) is beyond its limit."""
        mask = sites.observed
        number = mask.sum(1)
        # Outputs that hardly differ between members say nothing about the level of the others.
        told = mask & (sites.error_sd < UNINFORMED)
        told = np.where(told.any(1, keepdims=True), told, mask)
        level = np.exp((np.log(sites.error_sd) * told).sum(1) / told.sum(1))
        place = np.interp(np.log(level), np.log(FRACTIONS), np.arange(len(FRACTIONS)))
        low = np.minimum(place.astype(int), len(FRACTIONS) - 2)
        share = (place - low)[:, None]
        rows = (1.0 - share) * self.limits[low] + share * self.limits[low + 1]
        limit = [np.interp(n, self.counts, row) for n, row in zip(number, rows, strict=True)]
        return distance > np.asarray(limit)


def beyond_all(bank: Bank, sites: Observations) -> np.ndarray:
    """Whether one output of each site (s,) lies beyond what any member gives of it.

    Among many outputs a single impossible one hardly moves the misfit of all together. The limit is
    that which the largest of so many normal errors passes with :data:`FALSE_ALARM`.
    """
    low, high, variance = bank.reach
    outside = np.maximum(np.maximum(low - sites.values, sites.values - high), 0.0)
    far = np.where(sites.observed, outside / np.sqrt(sites.error_sd**2 + variance), 0.0)
    limit = norm.isf(FALSE_ALARM / (2 * sites.observed.sum(1)))
    return np.asarray(far.max(1) > limit)


def fit_range_limits(bank: Bank, seed: int) -> RangeLimits:
    """Simulate observations of members and measure how well the best other member fits them.

    Parameters of the model absorb part of the noise, how much depends on the model, the error and
    how many outputs are seen: so the limit is simulated. A gamma law through mean and variance of
    the squared misfit gives the far quantile.
    """
    rng = np.random.default_rng([seed % 2**63, 31])
    k = bank.mean.shape[1]
    skip = slice(None, None, max(1, len(bank) // MEMBERS))
    small = Bank(bank.unit[skip], bank.mean[skip], bank.variance[skip])
    counts = np.unique(np.clip(np.round(np.geomspace(1, k, min(k, 6))).astype(int), 1, k))
    limits = np.empty((len(FRACTIONS), len(counts)))
    for i, fraction in enumerate(FRACTIONS):
        for j, count in enumerate(counts):
            observed = np.tile(rng.permutation(k) < count, (SIMULATIONS, 1))
            row = rng.integers(0, len(bank), SIMULATIONS)
            sd = np.sqrt(fraction**2 + bank.variance[row])
            values = bank.mean[row] + sd * rng.standard_normal((SIMULATIONS, k))
            sites = Observations(
                np.where(observed, values, 0.0), np.where(observed, fraction, 1.0), observed
            )
            distance = weigh(small, sites).distance.numpy()
            mean, variance = distance.mean(), max(distance.var(ddof=1), 1e-12)
            far = gamma.isf(FALSE_ALARM, mean**2 / variance, scale=variance / mean)
            # few outputs are fitted exactly by some member; never flag less than one noisy number
            # would
            limits[i, j] = max(far, chi2.isf(FALSE_ALARM, 1))
    return RangeLimits(counts, limits)
