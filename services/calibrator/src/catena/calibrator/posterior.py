"""An amortised posterior: fitted once, it answers any observation in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr

from catena.calibrator.dbuq import FaithfulMap, inside
from catena.calibrator.generator import Generator
from catena.calibrator.likelihood import Observations, check_observations
from catena.calibrator.moments import Moments, products, temper, weighted_moments
from catena.calibrator.range_check import RangeLimits, beyond_all
from catena.calibrator.reweighting import (
    OVERSAMPLE,
    quasi_normal,
    sample_generator,
    sample_reweighted,
)
from catena.calibrator.sir import Bank, sites_per_chunk, systematic, weigh
from catena.calibrator.surrogate import Surrogate
from catena.calibrator.training import child_seed, no_denormals, torch_generator
from catena.shared.errors import InvalidData

AUTO, SIR, GENERATOR, REWEIGHTED, FAITHFUL = (
    "auto",
    "sir",
    "generator",
    "generator_reweighted",
    "faithful",
)
METHODS = (AUTO, SIR, GENERATOR, REWEIGHTED, FAITHFUL)
# below this effective sample size of the bank, `auto` hands a site to the generator
ENOUGH = 500.0
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
        Prior draws through it.
    limits : RangeLimits
        Of the out-of-range flag.
    generator : Generator, optional
        For the methods that need one.
    faithful : FaithfulMap, optional
        DBUQ as published.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        bank: Bank,
        limits: RangeLimits,
        generator: Generator | None = None,
        faithful: FaithfulMap | None = None,
    ) -> None:
        self.surrogate = surrogate
        self.bank = bank
        self.limits = limits
        self.generator = generator
        self.faithful = faithful
        self._products: torch.Tensor | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that this posterior was fitted for."""
        with_generator = (GENERATOR, REWEIGHTED) if self.generator is not None else ()
        as_published = (FAITHFUL,) if self.faithful is not None else ()
        return (AUTO, SIR, *with_generator, *as_published)

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
        return self._sample(sites, draws, seed, method)

    @no_denormals()
    def _sample(self, sites: Observations, draws: int, seed: int, method: str) -> Draws:
        prior, members = self.surrogate.prior, self.bank.unit
        count = len(sites)
        values = np.empty((count, draws, prior.size))
        effective, distance = np.empty(count), np.empty(count)
        used = np.full(count, SIR if method == AUTO else method, dtype=object)
        random = torch_generator(seed, 1)
        proposals = _Proposals(self, draws, seed) if self.generator is not None else None
        step = sites_per_chunk(len(self.bank))
        for start in range(0, count, step):
            rows = np.arange(start, min(start + step, count))
            weights = weigh(self.bank, sites.rows(rows))
            effective[rows], distance[rows] = weights.effective, weights.distance
            if method in (AUTO, SIR):
                chosen = systematic(weights.weight, draws, random).numpy()
                values[rows] = prior.from_unit(members[chosen])
            if method == FAITHFUL or proposals is None:
                continue
            if method == AUTO:
                mine = np.flatnonzero(effective[rows] < ENOUGH)
            else:
                mine = np.arange(len(rows)) if method != SIR else np.arange(0)
            if len(mine):
                moments = self._moments(weights.weight[mine], weights.effective[mine])
                way = REWEIGHTED if method == AUTO else method
                x, size = proposals.draw(sites.rows(rows[mine]), moments, rows[mine], way)
                values[rows[mine]] = prior.from_unit(ndtr(x))
                effective[rows[mine]], used[rows[mine]] = size, way
        if method == FAITHFUL:
            values, effective = self._sample_faithful(sites, draws, seed)
        return Draws(
            values,
            effective,
            self.limits.exceeded(sites, distance) | beyond_all(self.bank, sites),
            np.sqrt(distance),
            tuple(str(name) for name in used),
        )

    def _moments(self, weight: torch.Tensor, effective: torch.Tensor) -> Moments:
        if self._products is None:
            probit = self.surrogate.prior.unit_to_probit(self.bank.unit)
            self._products = products(torch.as_tensor(probit, dtype=torch.float32))
        return weighted_moments(
            temper(weight, effective), self._products, self.surrogate.prior.size
        )

    def _sample_faithful(
        self, sites: Observations, draws: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.faithful is None:  # pragma: no cover - `sample` has refused already
            raise InvalidData("this posterior has no map of DBUQ as published")
        if not sites.observed.all():
            raise InvalidData(
                "DBUQ as published cannot leave outputs out; observe all, or use another method"
            )
        surrogate = self.surrogate
        x = self.faithful.sample(
            sites, surrogate.center, surrogate.spread, draws, torch_generator(seed, 4)
        )
        return inside(surrogate.prior, x), np.full(len(sites), float(draws))

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays for safetensors and a JSON-able description; the surrogate is inside."""
        arrays, meta = self.surrogate.to_arrays()
        every = {f"surrogate.{k}": v for k, v in arrays.items()}
        every |= {f"bank.{field.name}": getattr(self.bank, field.name) for field in fields(Bank)}
        every |= {f"limits.{k}": v for k, v in vars(self.limits).items()}
        described: dict[str, Any] = {"surrogate": meta, "methods": list(self.methods)}
        for name, part in ((GENERATOR, self.generator), (FAITHFUL, self.faithful)):
            if part is not None:
                every |= {f"{name}.{k}": v for k, v in part.state().items()}
                described[name] = part.describe()
        return {k: np.ascontiguousarray(v) for k, v in every.items()}, described

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Posterior:
        """Inverse of :meth:`to_arrays`."""

        def group(name: str) -> dict[str, np.ndarray]:
            start = name + "."
            return {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}

        return cls(
            Surrogate.from_arrays(group("surrogate"), meta["surrogate"]),
            Bank(**group("bank")),
            RangeLimits(**group("limits")),
            Generator.from_state(meta[GENERATOR], group(GENERATOR)) if GENERATOR in meta else None,
            FaithfulMap.from_state(meta[FAITHFUL], group(FAITHFUL)) if FAITHFUL in meta else None,
        )


class _Proposals:
    """The generator at work for one call of `sample`: common points, a shift per site."""

    def __init__(self, posterior: Posterior, draws: int, seed: int) -> None:
        self._posterior, self._draws, self._seed = posterior, draws, seed
        self._bases: dict[str, torch.Tensor] = {}

    def draw(
        self, sites: Observations, moments: Moments, numbers: np.ndarray, method: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws in probit space (s, draws, d), effective sizes (s,), of sites `numbers`."""
        generator, surrogate = self._posterior.generator, self._posterior.surrogate
        if generator is None:  # pragma: no cover - not constructed then
            raise InvalidData("this posterior has no generator")
        prior, seed = surrogate.prior, self._seed
        if method not in self._bases:
            often = OVERSAMPLE if method == REWEIGHTED else 1
            self._bases[method] = quasi_normal(
                prior, often * self._draws, child_seed(seed, 2), ordered=method == REWEIGHTED
            )
        base = self._bases[method]
        # a generator of random numbers per site: its draws do not depend on who else is in the call
        randoms = [torch_generator(seed, 3, int(number)) for number in numbers]
        shift = torch.stack([torch.rand(prior.size, generator=random) for random in randoms])
        if method == GENERATOR:
            x = sample_generator(generator, sites, moments, base, shift)
            return x, np.full(len(sites), float(self._draws))
        return sample_reweighted(
            generator, surrogate, sites, moments, base, shift, self._draws, randoms[0]
        )
