"""Losses of streamflow networks; targets that are missing count for nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from catena.models.distributions import Distribution

PINBALL_LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
SD_FLOOR = 0.1
"""Added to the standard deviation of a basin, so that nearly dry ones do not rule the loss."""


def squared(forecast: Distribution, target: Tensor, sd: Tensor) -> Tensor:
    """Squared error of the mean over the variance of the basin: the NSE loss.

    Kratzert et al. 2019 (HESS 23, Eq. 3); scaled flow, (B, H).
    """
    return ((forecast.mean() - target) / (sd + SD_FLOOR)).square()


def pinball(forecast: Distribution, target: Tensor, sd: Tensor) -> Tensor:
    """Quantile loss at fixed levels over the standard deviation of the basin, (B, H)."""
    return forecast.pinball(target, PINBALL_LEVELS) / (sd + SD_FLOOR)


def crps(forecast: Distribution, target: Tensor, sd: Tensor) -> Tensor:
    """Continuous ranked probability score over the standard deviation of the basin, (B, H)."""
    return forecast.crps(target) / (sd + SD_FLOOR)


LOSSES: dict[str, Callable[[Distribution, Tensor, Tensor], Tensor]] = {
    "nse": squared,
    "pinball": pinball,
    "crps": crps,
}


def loss_by_lead(
    name: str, forecast: Distribution, targets: Tensor, sd: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum of a loss over targets that are there, and their number, lead by lead.

    Parameters
    ----------
    name : str
        One of :data:`LOSSES`, or several joined by ``+``.
    forecast : Distribution
    targets : Tensor, (B, H)
        NaN where there is none.
    sd : Tensor, (B,), optional
        Standard deviation of the scaled flow of each forecast's basin; 1 if left out.

    Returns
    -------
    total, count : Tensor, (H,)
        The total is 0 where there is no target.
    """
    there = ~targets.isnan()
    # NaN times 0 is NaN in gradients: put a number in its place before anything is computed
    known = torch.where(there, targets, 0.0)
    spread = torch.ones_like(known[:, :1]) if sd is None else sd[:, None]
    score = sum((LOSSES[part](forecast, known, spread) for part in name.split("+")), known * 0)
    return torch.where(there, score, 0.0).sum(0), there.sum(0)


def loss_sum(
    name: str,
    forecast: Distribution,
    targets: Tensor,
    sd: Tensor | None = None,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As :func:`loss_by_lead`, all leads together; `weights` (H,) say how much each one counts."""
    total, count = loss_by_lead(name, forecast, targets, sd)
    return (total if weights is None else total * weights).sum(), count.sum()
