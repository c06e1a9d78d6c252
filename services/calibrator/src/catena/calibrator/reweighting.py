"""Draws of the generator, and their importance weights under the surrogate's likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from catena.calibrator.generator import Generator
from catena.calibrator.likelihood import Observations, gaussian_log_likelihood
from catena.calibrator.moments import Moments, products, temper, weighted_moments
from catena.calibrator.prior import EDGE, Prior
from catena.calibrator.sir import space_filling_order, systematic
from catena.calibrator.surrogate import Surrogate

# candidates per draw that the weights choose from
OVERSAMPLE = 2
# sites whose weights leave fewer effective candidates get a second proposal, from the first one's
# moments
POOR = 300.0
# no weight counts more than this many times the mean (truncated importance sampling, Ionides 2008)
CUT = 8.0
# candidates handled at once: what the networks make of them stays in the processor's cache
CHUNK = 6_000


def quasi_normal(prior: Prior, count: int, seed: int, *, ordered: bool) -> Tensor:
    """`count` scrambled Sobol points of the unit cube (n, d): along a curve, or shuffled."""
    unit = prior.sobol_unit(count, seed)
    if ordered:
        order = space_filling_order(unit)
    else:
        order = np.random.default_rng([seed % 2**63, 29]).permutation(count)
    return torch.as_tensor(unit[order], dtype=torch.float32)


def shifted_normal(base: Tensor, shift: Tensor) -> Tensor:
    """Standard normal points of each site: the base set under a random shift of its own.

    Cranley & Patterson (1976): a shift modulo one keeps the even spread and makes each point
    uniform.

    Parameters
    ----------
    base : Tensor, (n, d)
        In the unit cube.
    shift : Tensor, (s, d)
        Uniform random numbers, one row per site.

    Returns
    -------
    Tensor, (s, n, d)
    """
    unit = torch.remainder(base + shift[:, None, :], 1.0)
    z: Tensor = torch.special.ndtri(unit.clamp(EDGE, 1.0 - EDGE))
    return z


@dataclass(frozen=True, eq=False)
class Candidates:
    """Weighted proposals for s sites: probit points (s, n, d) and log weights (s, n)."""

    probit: Tensor
    log_weight: Tensor

    @property
    def effective(self) -> Tensor:
        """Kish effective sample size of each site, (s,)."""
        weight = torch.exp(self.log_weight - self.log_weight.amax(1, keepdim=True))
        return weight.sum(1) ** 2 / weight.square().sum(1)


def _propose(
    generator: Generator, surrogate: Surrogate, sites: Observations, moments: Moments, z: Tensor
) -> Candidates:
    """Push `z` through the generator and weigh: ``log p(y|x) + log p(x) - log q(x)``."""
    x, log_density = generator.push_with_density(generator.read_sites(sites, moments), z)
    unit = torch.special.ndtr(x)
    mean, variance = surrogate.standard_moments(unit.reshape(-1, x.shape[-1]))
    likelihood = gaussian_log_likelihood(
        mean.view(*x.shape[:2], -1),
        variance.view(*x.shape[:2], -1),
        torch.as_tensor(sites.values, dtype=torch.float32)[:, None],
        torch.as_tensor(sites.error_sd, dtype=torch.float32)[:, None],
        torch.as_tensor(sites.observed)[:, None],
    )
    log_weight = likelihood - 0.5 * (x * x).sum(-1) - log_density
    return Candidates(x, torch.nan_to_num(log_weight, nan=-torch.inf, posinf=-torch.inf))


def _truncated(log_weight: Tensor) -> Tensor:
    """Weights, none above CUT times the mean: a little bias for a lot less variance."""
    weight = torch.exp(log_weight - log_weight.amax(1, keepdim=True))
    return torch.minimum(weight, CUT * weight.mean(1, keepdim=True))


@torch.no_grad()
def sample_generator(
    generator: Generator, sites: Observations, moments: Moments, base: Tensor, shift: Tensor
) -> np.ndarray:
    """One pass of the generator: draws in probit space (s, draws, d) float32."""
    out = torch.empty(len(sites), *base.shape)
    step = max(1, CHUNK // len(base))
    for start in range(0, len(sites), step):
        rows = slice(start, start + step)
        z = shifted_normal(base, shift[rows])
        context = generator.read_sites(sites.rows(rows), _rows(moments, rows))
        out[rows] = generator.push(context, z)
    return out.numpy()


@torch.no_grad()
def sample_reweighted(
    generator: Generator,
    surrogate: Surrogate,
    sites: Observations,
    moments: Moments,
    base: Tensor,
    shift: Tensor,
    draws: int,
    random: torch.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws chosen among the generator's by importance.

    Parameters
    ----------
    generator, surrogate
    sites : Observations
        s sites.
    moments : Moments
        Of their posteriors, from the weighted bank.
    base : Tensor, (n, d)
        Candidates, see :func:`quasi_normal`; n above `draws`.
    shift : Tensor, (s, d)
    draws : int
    random : torch.Generator
        Of the resampling.

    Returns
    -------
    probit : ndarray, (s, draws, d)
    effective : ndarray, (s,)
        Effective size of the candidates' weights.
    """
    d = base.shape[1]
    out, effective = torch.empty(len(sites), draws, d), torch.empty(len(sites))
    step = max(1, CHUNK // len(base))
    for start in range(0, len(sites), step):
        rows = slice(start, start + step)
        here = sites.rows(rows)
        z = shifted_normal(base, shift[rows])
        found = _propose(generator, surrogate, here, _rows(moments, rows), z)
        size = found.effective
        poor = torch.nonzero(size < POOR)[:, 0]
        if len(poor):
            again = _adapt(generator, surrogate, here, found, poor, z)
            better = again.effective > size[poor]
            keep = poor[better]
            found.probit[keep] = again.probit[better]
            found.log_weight[keep] = again.log_weight[better]
        effective[rows] = found.effective
        chosen = systematic(_truncated(found.log_weight), draws, random)
        out[rows] = found.probit.gather(1, chosen[..., None].expand(-1, -1, d))
    return out.numpy(), effective.numpy().astype(np.float64)


def _adapt(
    generator: Generator,
    surrogate: Surrogate,
    sites: Observations,
    found: Candidates,
    poor: Tensor,
    z: Tensor,
) -> Candidates:
    """A second proposal for poor sites, around the weighted candidates of the first."""
    d = z.shape[-1]
    weight = torch.exp(found.log_weight[poor] - found.log_weight[poor].amax(1, keepdim=True))
    size = weight.sum(1) ** 2 / weight.square().sum(1)
    weight = temper(weight, size)
    parts = [
        weighted_moments(weight[i : i + 1], products(found.probit[row]), d)
        for i, row in enumerate(poor)
    ]
    moments = Moments(
        *(torch.cat([getattr(m, name) for m in parts]) for name in ("centre", "axes", "variance"))
    )
    return _propose(generator, surrogate, sites.rows(poor.numpy()), moments, z[poor])


def _rows(moments: Moments, rows: slice) -> Moments:
    return Moments(moments.centre[rows], moments.axes[rows], moments.variance[rows])
