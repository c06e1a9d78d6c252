"""Permutation importance: how much the error rises when a group of columns tells nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.explainer.attribution.prediction import (
    ROWS,
    Groups,
    Predict,
    check_inputs,
    predictions,
)
from catena.shared.errors import InvalidData

Pair = tuple[str, str]
"""Names of two groups."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""From predictions and targets to the loss of each."""


def squared_error(present: Tensor, wanted: Tensor) -> Tensor:
    """Lowest on average where the prediction is the mean."""
    return (present - wanted).square()


def pinball_loss(level: float) -> Loss:
    """A loss that is lowest on average where the prediction is the quantile of a level.

    Koenker & Bassett (1978), Econometrica 46:33. By the squared error a quantile looks wrong, and
    an input that moves it rightly may seem to harm.
    """

    def loss(present: Tensor, wanted: Tensor) -> Tensor:
        less = wanted - present
        return torch.maximum(level * less, (level - 1) * less)

    return loss


@dataclass(frozen=True)
class PermutationImportance:
    """Rises of the mean loss by permutation, in its units: of the prediction squared by default.

    Parameters
    ----------
    names : tuple of str, (G,)
        Names of the groups.
    error : Tensor, (K,), float64
        Mean loss of each output as it is; NaN for outputs without a target.
    rise : Tensor, (K, G), float64
        How much it rises when a group comes from another sample; mean over the repeats.
    spread : Tensor, (K, G), float64
        Standard deviation of that rise between the repeats; NaN for one repeat.
    pairs : tuple of pairs of str, (P,)
        Names of the groups of each pair.
    joint : Tensor, (K, P), float64
        Rise when both groups of a pair come from the same other sample, less the sum of their own
        rises. 0 where the two act by themselves and vary by themselves; groups that act through a
        product share a rise, which makes it negative.
    """

    names: tuple[str, ...]
    error: Tensor
    rise: Tensor
    spread: Tensor
    pairs: tuple[Pair, ...]
    joint: Tensor

    @property
    def relative(self) -> Tensor:
        """Rises (K, G) over the loss as it is; NaN where that is 0 or has no target."""
        return self._relative(self.rise)

    @property
    def relative_joint(self) -> Tensor:
        """Joint rises (K, P) of pairs, in the same way."""
        return self._relative(self.joint)

    def _relative(self, rise: Tensor) -> Tensor:
        return torch.where(self.error > 0, rise.T / self.error, torch.nan).T


def permutation_importance(
    predict: Predict,
    inputs: Tensor,
    targets: Tensor,
    groups: Groups,
    *,
    pairs: Sequence[Pair] = (),
    within: Sequence[Hashable] | None = None,
    loss: Loss = squared_error,
    repeats: int = 5,
    seed: int = 0,
    rows: int = ROWS,
) -> PermutationImportance:
    """Rise of a loss when a group's columns are taken from another sample.

    Breiman (2001), Mach. Learn. 45:5, section 10, for whole blocks of columns: the series of a
    variable moves as one, so that it stays a likely series. Fisher et al. (2019), J. Mach. Learn.
    Res. 20:177, equation 3 (here as a difference). In each repeat all groups come from the same
    other samples, so that groups and pairs are compared without the noise of different draws.

    Parameters
    ----------
    predict : callable
        From rows (B, D) to predictions (B, K).
    inputs : Tensor, (N, D)
        Samples; a missing value (NaN) moves with its block, since models flag those themselves.
    targets : Tensor, (N, K)
        What was observed, in units of the prediction; NaN where it was not.
    groups : Groups
        The group of each column.
    pairs : sequence of pairs of str
        Names of groups that are also permuted together.
    within : sequence of hashable, (N,), optional
        Label of each sample, such as its basin: columns come from samples of the same label.
    loss : callable
        The squared error; :func:`pinball_loss` where the prediction is a quantile.
    repeats : int
        Times that all is done, with other samples each time.
    seed : int
        Of the draws.
    rows : int
        Rows of inputs in one pass.

    Raises
    ------
    InvalidData
        When targets or labels do not fit the inputs, no target is observed, a label has one sample
        only, a pair has an unknown name, or a prediction is not finite.
    """
    check_inputs(inputs, inputs)
    groups.check(inputs.shape[1])
    if repeats < 1:
        raise InvalidData(f"{repeats} repeats; 1 or more are wanted")
    present = predictions(predict, inputs, rows)
    wanted = _targets(targets, present)
    strata = _strata(within, len(inputs))
    blocks = [(g,) for g in range(len(groups))] + [_places(pair, groups) for pair in pairs]

    draws = np.random.default_rng(seed % 2**63)
    error = _mean(loss(present, wanted))
    rises = torch.empty(repeats, len(blocks), len(error), dtype=torch.float64)
    for repeat in range(repeats):
        others = inputs[torch.as_tensor(_others(strata, draws)).to(inputs.device)]
        for b, block in enumerate(blocks):
            moved = torch.isin(groups.index, torch.tensor(block)).to(inputs.device)
            changed = predictions(predict, torch.where(moved, others, inputs), rows)
            rises[repeat, b] = _mean(loss(changed, wanted)) - error

    mean = rises.mean(0).T
    own = mean[:, : len(groups)]
    joint = [
        mean[:, len(groups) + p] - own[:, list(blocks[len(groups) + p])].sum(1)
        for p in range(len(pairs))
    ]
    spread = rises[:, : len(groups)].std(0).T if repeats > 1 else torch.full_like(own, torch.nan)
    return PermutationImportance(
        names=groups.names,
        error=error,
        rise=own,
        spread=spread,
        pairs=tuple((first, second) for first, second in pairs),
        joint=torch.stack(joint, 1) if joint else own.new_empty(len(error), 0),
    )


def _targets(targets: Tensor, present: Tensor) -> Tensor:
    """Targets (N, K) in float64, where predictions are."""
    if targets.shape != present.shape:
        raise InvalidData(
            f"targets of shape {tuple(targets.shape)} do not fit predictions of shape "
            f"{tuple(present.shape)}; give each prediction its observation, NaN where there is none"
        )
    if targets.isinf().any() or not targets.isfinite().any():
        raise InvalidData(
            "targets have an infinite number, or none is observed; a squared error needs finite "
            "observations, and NaN where there are none"
        )
    return targets.to(present)


def _strata(within: Sequence[Hashable] | None, size: int) -> list[NDArray[np.int64]]:
    """Places of the samples of each label."""
    labels = list(within) if within is not None else [""] * size
    if len(labels) != size:
        raise InvalidData(f"{len(labels)} labels do not fit {size} samples; give each sample one")
    places: dict[Hashable, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    alone = [label for label, found in places.items() if len(found) < 2]
    if alone:
        where = f" of {', '.join(str(label) for label in alone[:8])}" if within is not None else ""
        raise InvalidData(
            f"there is one sample only{where}: another one is needed to take columns from. Give "
            "two samples or more of each"
        )
    return [np.array(found) for found in places.values()]


def _places(pair: Pair, groups: Groups) -> tuple[int, ...]:
    if len(set(pair)) != 2 or not set(pair) <= set(groups.names):
        raise InvalidData(
            f"the pair {' and '.join(pair)} is not one of two different groups; there are "
            f"{', '.join(groups.names[:40])}"
        )
    return tuple(groups.names.index(name) for name in pair)


def _others(strata: list[NDArray[np.int64]], draws: np.random.Generator) -> NDArray[np.int64]:
    """For each sample another one of its stratum, each taken once: a random cycle."""
    others = np.empty(sum(map(len, strata)), dtype=np.int64)
    for places in strata:
        order = draws.permutation(places)
        others[order] = np.roll(order, 1)
    return others


def _mean(losses: Tensor) -> Tensor:
    """Mean (K,) over the samples with a target."""
    return losses.nanmean(0).cpu()
