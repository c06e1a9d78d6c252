"""Nodes and weights of integrals over the unit interval."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.shared.errors import InvalidData

Rule = tuple[Tensor, Tensor]
"""Nodes in (0, 1) and their weights, (S,) each, float64."""


def gauss_legendre(steps: int) -> Rule:
    """Exact for polynomials of degree ``2 steps - 1``; weights sum to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)


def midpoint(steps: int) -> Rule:
    """The middle of each of `steps` equal parts: for predictions that are not smooth."""
    nodes = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    return nodes, torch.full((steps,), 1 / steps, dtype=torch.float64)


RULES: dict[str, Callable[[int], Rule]] = {"gauss_legendre": gauss_legendre, "midpoint": midpoint}


def rule_named(name: str, steps: int) -> Rule:
    """Nodes and weights of a rule.

    Raises
    ------
    InvalidData
        When there is no such rule, or no step.
    """
    if name not in RULES or steps < 1:
        raise InvalidData(
            f"no rule {name!r} of {steps} steps; there are {', '.join(RULES)}, of one step or more"
        )
    return RULES[name](steps)


def gauss_logarithmic(steps: int) -> Rule:
    """Integrals of ``-ln(u) p(u)``, exact for polynomials p of degree ``2 steps - 1``.

    A double integral of h(ab) over a and b in (0, 1) is the single one of ``-ln(u) h(u)``. Its
    integrand is singular at 0, where Gauss-Legendre converges slowly; this rule has the logarithm
    in its weights.

    Notes
    -----
    Golub & Welsch (1969), with the recurrence of the orthogonal polynomials by Stieltjes'
    procedure (Gautschi 2004, section 2.2): inner products are sums over Gauss-Legendre rules on
    pieces that halve towards 0.
    """
    nodes, weights = _gauss_logarithmic(steps)
    return torch.from_numpy(nodes.copy()), torch.from_numpy(weights.copy())


@lru_cache(maxsize=32)
def _gauss_logarithmic(steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    fine, share = _fine_rule(steps)
    mass = share * -np.log(fine)
    centre, width = np.zeros(steps), np.zeros(steps)
    before, now = np.zeros_like(fine), np.ones_like(fine) / np.sqrt(mass.sum())
    for degree in range(steps):
        centre[degree] = (mass * fine * now * now).sum()
        after = (fine - centre[degree]) * now - width[degree] * before
        size = np.sqrt((mass * after * after).sum())
        if degree + 1 < steps:
            width[degree + 1] = size
        before, now = now, after / size
    jacobi = np.diag(centre) + np.diag(width[1:], 1) + np.diag(width[1:], -1)
    nodes, vectors = np.linalg.eigh(jacobi)
    return nodes, mass.sum() * vectors[0] ** 2


def _fine_rule(steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A rule that integrates polynomials of degree 2 `steps` times a logarithm to rounding.

    On each of the pieces (2^-(j+1), 2^-j) the logarithm is smooth; below the last the integral is
    of the size of rounding errors.
    """
    x, w = np.polynomial.legendre.leggauss(steps + 24)
    edges = np.concatenate([[0.0], 2.0 ** np.arange(-60.0, 1.0)])
    low, length = edges[:-1, None], np.diff(edges)[:, None]
    return (low + length * (x + 1) / 2).ravel(), (length * w / 2).ravel()
