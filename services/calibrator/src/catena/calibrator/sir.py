"""Sampling importance resampling: prior draws through the surrogate, weighted, drawn again.

Rubin (1988), Using the SIR algorithm to simulate posterior distributions. One bank serves all
sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from catena.calibrator.likelihood import Observations
from catena.calibrator.prior import Prior
from catena.calibrator.surrogate import Surrogate

# numbers per chunk of the (sites x bank) weight table: 64 MiB of float32
CHUNK = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Bank:
    """Prior draws and what the surrogate says of them.

    Parameters
    ----------
    unit : ndarray, (n, d) float32
        Points of the unit cube, ordered along a space-filling curve.
    mean, variance : ndarray, (n, k) float32
        Standardised outputs and the surrogate's variance.
    """

    unit: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    def __len__(self) -> int:
        return len(self.unit)

    @cached_property
    def reach(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lowest and highest value of each output, and its mean variance, (k,) each."""
        return self.mean.min(0), self.mean.max(0), self.variance.mean(0)


def space_filling_order(unit: np.ndarray, bits: int = 4) -> np.ndarray:
    """Order of points (n, d) along the Morton curve: neighbours in the list are neighbours in
    space.

    A comb over weights cumulated in this order is stratified in all d directions at once, which
    takes a third off the noise of resampled draws.
    """
    cell = np.clip((unit * 2**bits).astype(np.int64), 0, 2**bits - 1)
    code = np.zeros(len(unit), dtype=np.uint64)
    # 64 bits hold `bits` levels of up to 16 parameters; of more, the first 16 lead
    for level in range(bits - 1, -1, -1):
        for j in range(min(unit.shape[1], 64 // bits)):
            code = (code << np.uint64(1)) | ((cell[:, j] >> level) & 1).astype(np.uint64)
    return np.argsort(code, kind="stable")


def make_bank(surrogate: Surrogate, size: int, seed: int) -> Bank:
    """`size` scrambled Sobol points of the prior through the surrogate."""
    prior: Prior = surrogate.prior
    # float32 rounds the last points up to 1; from_unit clips, so that bounds stay exact
    unit = prior.sobol_unit(size, seed).astype(np.float32)
    unit = unit[space_filling_order(unit)]
    mean, variance = surrogate.standard_table(unit)
    return Bank(unit, mean, variance)


def log_likelihood_table(bank: Bank, sites: Observations) -> Tensor:
    """Log likelihood of every bank member for every site, (s, n), up to a constant per site.

    Sites that share their errors and masks share the precision ``p = 1 / (error^2 + variance)``;
    then ``-1/2 sum_k p (y - m)^2`` is one matrix product of ``[y, -y^2/2, 1]`` with
    ``[p m, p, -1/2 sum p m^2 + 1/2 sum log p]``.
    """
    table = torch.empty(len(sites), len(bank))
    mean, variance = torch.as_tensor(bank.mean), torch.as_tensor(bank.variance)
    key = np.concatenate([sites.error_sd, sites.observed], axis=1)
    _, group = np.unique(key, axis=0, return_inverse=True)
    group = group.ravel()
    for g in range(int(group.max()) + 1):
        rows = np.flatnonzero(group == g)
        used = np.flatnonzero(sites.observed[rows[0]])
        error = torch.as_tensor(sites.error_sd[rows[0], used], dtype=torch.float32)
        m = mean[:, used]
        p = 1.0 / (error**2 + variance[:, used])
        rest = 0.5 * (p.log() - p * m * m).sum(1, keepdim=True)
        features = torch.cat([p * m, p, rest], dim=1)
        y = torch.as_tensor(sites.values[rows][:, used], dtype=torch.float32)
        query = torch.cat([y, -0.5 * y * y, torch.ones(len(y), 1)], dim=1)
        if len(rows) == len(sites):
            return torch.mm(query, features.T, out=table)
        table[torch.as_tensor(rows)] = query @ features.T
    return table


@dataclass(frozen=True, eq=False)
class Weights:
    """Importance of every bank member for every site.

    Parameters
    ----------
    weight : Tensor, (s, n)
        Likelihood over the largest one of the site.
    effective : Tensor, (s,)
        Kish effective sample size, ``(sum w)^2 / sum w^2``.
    distance : Tensor, (s,)
        Misfit of the best member: ``sum_k (y - m)^2 / (error^2 + variance)`` over observed k.
    """

    weight: Tensor
    effective: Tensor
    distance: Tensor


def weigh(bank: Bank, sites: Observations) -> Weights:
    """Weights of the whole bank for some sites; the caller chunks, see :func:`sites_per_chunk`."""
    table = log_likelihood_table(bank, sites)
    top, best = table.max(1, keepdim=True)
    weight = table.sub_(top).exp_()
    effective = weight.sum(1) ** 2 / weight.square().sum(1)
    row = best[:, 0].numpy()
    misfit = (sites.values - bank.mean[row]) ** 2 / (sites.error_sd**2 + bank.variance[row])
    distance = torch.as_tensor((misfit * sites.observed).sum(1))
    return Weights(weight, effective.double(), distance)


def systematic(weight: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Indices of `draws` members per row, by systematic resampling, in random order.

    One uniform number per row and an even comb over the cumulated weights: the least noisy of the
    unbiased schemes (Douc & Cappe 2005, section 2.4).

    Parameters
    ----------
    weight : Tensor, (s, n)
        Not normalised.
    draws : int
    generator : torch.Generator

    Returns
    -------
    Tensor, (s, draws) int64
    """
    cumulated = weight.cumsum(1, dtype=torch.float64)
    # one table of uniforms, row by row: how rows are chunked does not change anyone's numbers
    uniform = torch.rand(len(weight), draws + 1, generator=generator, dtype=torch.float64)
    comb = torch.arange(draws, dtype=torch.float64) + uniform[:, :1]
    comb *= cumulated[:, -1:] / draws
    chosen = torch.searchsorted(cumulated, comb, right=True).clamp_max(weight.shape[1] - 1)
    return chosen.gather(1, uniform[:, 1:].argsort(1))


def sites_per_chunk(members: int) -> int:
    """Sites whose weights over `members` fit into one chunk."""
    return max(1, CHUNK // max(members, 1))
