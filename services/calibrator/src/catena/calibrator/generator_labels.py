"""Training labels of the generator: the probability flow of DBUQ on a bank, smoothed by a kernel.

The reference recipe lets a finite set of members stand for the posterior; the flow then ends
exactly on members, and narrow posteriors collapse onto a handful of them. Here each member is a
small Gaussian (the mixture kernel of arXiv:2506.18227), with the shrinkage of West (1993, J. R.
Stat. Soc. B 55:409) that keeps the mean and covariance of the weighted members.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from catena.calibrator.moments import Moments, products, weighted_moments
from catena.calibrator.sir import Bank, sites_per_chunk, systematic

# the flow runs from this noise level down to this one, in probit space, then lands in one step
NOISE_FROM, NOISE_TO = 12.0, 0.01
# a posterior that rests on fewer effective members than this counts less in the training
FULL_TRUST = 100.0


@dataclass(frozen=True)
class LabelConfig:
    """How labels are made.

    Parameters
    ----------
    members : int
        Members that stand for one posterior.
    steps : int
        Steps of the flow.
    kernel : float
        Kernel width as a fraction of Silverman's rule.
    """

    members: int = 128
    steps: int = 12
    kernel: float = 1.0


@dataclass(frozen=True, eq=False)
class Labels:
    """Pairs (z, x) for c observations; all float32.

    Parameters
    ----------
    values, error_sd, observed : Tensor, (c, k)
        Standardised simulated observations.
    z, bent : Tensor, (c, r, d)
        Where the flow starts, and where it ends in whitened space.
    trust : Tensor, (c,)
        Weight of each observation in the loss, 0 to 1.
    """

    values: Tensor
    error_sd: Tensor
    observed: Tensor
    z: Tensor
    bent: Tensor
    trust: Tensor


def simulate_observations(
    bank: Bank, contexts: int, error_range: tuple[float, float], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Observations of bank members: half fully observed, half with a random mask.

    The error level is log-uniform over `error_range` (fractions of the outputs' spread), and each
    output's own error differs from it by a factor with log sd 0.3.

    Returns
    -------
    values, error_sd, observed : Tensor, (contexts, k)
    """
    k = bank.mean.shape[1]
    low, high = np.log(error_range)
    level = rng.uniform(low, high, (contexts, 1)) + 0.3 * rng.standard_normal((contexts, k))
    error = np.exp(np.clip(level, low, high))
    hidden = np.where(rng.random(contexts) < 0.5, 0, rng.integers(0, k, contexts))
    observed = rng.random((contexts, k)).argsort(1) >= hidden[:, None]
    row = rng.integers(0, len(bank), contexts)
    noise = rng.standard_normal((contexts, k))
    values = bank.mean[row] + np.sqrt(error**2 + bank.variance[row]) * noise
    return (
        torch.as_tensor(np.where(observed, values, 0.0), dtype=torch.float32),
        torch.as_tensor(np.where(observed, error, 1.0), dtype=torch.float32),
        torch.as_tensor(observed),
    )


def posterior_members(
    probit: Tensor,
    mean: Tensor,
    floor: Tensor,
    observations: tuple[Tensor, Tensor, Tensor],
    members: int,
    generator: torch.Generator,
) -> tuple[Moments, Tensor, Tensor]:
    """Moments of each posterior, and members that stand for it.

    Parameters
    ----------
    probit, mean : Tensor, (n, d), (n, k)
        The bank in probit space, and its standardised outputs.
    floor : Tensor, (k,)
        Mean surrogate variance: with one variance for all members the log weight
        ``-1/2 sum_k p (y - m)^2`` is the product of ``[p y, -p/2]`` with ``[m, m^2]``.
    observations : values, error_sd, observed
        Of c sites.
    members : int
    generator : torch.Generator

    Returns
    -------
    moments : Moments
    chosen : Tensor, (c, members) int64
    effective : Tensor, (c,)
    """
    values, error, observed = observations
    features = torch.cat([mean, mean * mean], dim=1).T.contiguous()
    table = products(probit)
    parts, chosen, effective = [], [], []
    # small chunks: the weight table then stays in the processor's cache
    step = max(1, sites_per_chunk(len(probit)) // 16)
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        precision = observed[rows] / (error[rows] ** 2 + floor)
        weight = torch.cat([precision * values[rows], -0.5 * precision], dim=1) @ features
        weight.sub_(weight.amax(1, keepdim=True)).exp_()
        effective.append(weight.sum(1) ** 2 / weight.square().sum(1))
        parts.append(weighted_moments(weight, table, probit.shape[1]))
        chosen.append(systematic(weight, members, generator))
    moments = Moments(*(torch.cat([getattr(m, f.name) for m in parts]) for f in fields(Moments)))
    return moments, torch.cat(chosen), torch.cat(effective)


def mixture_flow(
    z: Tensor, members: Tensor, variance: Tensor, kernel: Tensor, steps: int
) -> Tensor:
    """Probability flow from N(0, I) to a mixture of equal Gaussians, in its principal axes.

    With noise level ``eta = beta/alpha`` and ``w = z/alpha`` the flow of DBUQ's forward process is
    ``dw/d eta = (w - D(w, eta))/eta``, D the mean of x given w (Karras et al. 2022, eq. 1). The
    part that a Gaussian of the same variance would have is taken out: ``g = w / sqrt(variance +
    eta^2)`` would stand still, so only the correction is integrated (two-step Adams-Bashforth in
    log eta).

    Parameters
    ----------
    z : Tensor, (c, r, d)
        Start, standard normal, in the principal axes.
    members : Tensor, (c, m, d)
        Centres of the mixture, mean zero.
    variance : Tensor, (c, d)
        Variance of the whole mixture along each axis.
    kernel : Tensor, (c, d)
        Variance of each Gaussian along each axis.
    steps : int

    Returns
    -------
    Tensor, (c, r, d)
        End of the flow: distributed as the mixture.
    """
    grid = np.geomspace(NOISE_FROM, NOISE_TO, steps + 1)
    variance, kernel = variance[:, None, :], kernel[:, None, :]
    transposed = members.transpose(1, 2).contiguous()
    g, before, width_before = z, None, 0.0
    for eta, after in pairwise(grid):
        total = (variance + eta**2).sqrt()
        w = g * total
        inverse = 1.0 / (kernel + eta**2)
        logits = torch.baddbmm(
            -0.5 * ((members * members) @ inverse.transpose(1, 2)).transpose(1, 2),
            w * inverse,
            transposed,
        )
        centre = torch.softmax(logits, dim=-1) @ members
        rate = eta**2 / total * ((w - centre) * inverse - w / total**2)
        width = float(np.log(after / eta))
        if before is None:
            g = g + width * rate
        else:
            g = g + width * (rate + 0.5 * width / width_before * (rate - before))
        before, width_before = rate, width
    return g * variance.sqrt()


def make_labels(
    bank: Bank,
    probit: np.ndarray,
    *,
    contexts: int,
    per_context: int,
    error_range: tuple[float, float],
    config: LabelConfig,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Labels:
    """Labels for `contexts` simulated observations, `per_context` draws each.

    Parameters
    ----------
    bank : Bank
    probit : ndarray, (n, d)
        The bank's points in probit space.
    contexts, per_context : int
    error_range : (float, float)
        Observation errors, as fractions of the outputs' spread.
    config : LabelConfig
    rng, generator
        Sources of randomness.
    """
    x = torch.as_tensor(probit, dtype=torch.float32)
    floor = torch.as_tensor(bank.variance.mean(0))
    observations = simulate_observations(bank, contexts, error_range, rng)
    moments, chosen, effective = posterior_members(
        x, torch.as_tensor(bank.mean), floor, observations, config.members, generator
    )
    d = x.shape[1]
    z = torch.randn(contexts, per_context, d, generator=generator)
    # Silverman's rule for the members that really differ
    count = torch.minimum(effective, torch.tensor(float(config.members))).clamp_min(1.0)
    width = config.kernel * (4.0 / ((d + 2.0) * count)) ** (1.0 / (d + 4.0))
    share = (width**2).clamp_max(1.0)[:, None]
    bent = torch.empty_like(z)
    for start in range(0, contexts, 64):
        rows = slice(start, start + 64)
        axes, variance = moments.axes[rows], moments.variance[rows]
        members = (x[chosen[rows]] - moments.centre[rows, None, :]) @ axes
        members = (members - members.mean(1, keepdim=True)) * (1.0 - share[rows, None]).sqrt()
        end = mixture_flow(z[rows] @ axes, members, variance, share[rows] * variance, config.steps)
        bent[rows] = (end / variance.sqrt()[:, None, :]) @ axes.transpose(1, 2)
    return Labels(*observations, z, bent, (effective / FULL_TRUST).clamp_max(1.0))
