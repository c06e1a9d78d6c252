"""Small networks trained together: every fold and member in one batched pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from catena.models.mlp import MLPConfig, MLPEnsemble

ROWS = 8192
"""Rows per call of a prediction: bounds memory."""
RECENT = 8
"""Step t weighs like t to this power in the average of the weights."""
LOOKS = 6
"""How often a training is judged: after all steps, half of them, a quarter ..."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""(predicted (m, b, o), target (m, b, k)) -> loss of each member, (m,)."""


@dataclass(frozen=True)
class NetworkConfig:
    """Architecture and training of small networks.

    Parameters
    ----------
    width, depth : int
        Units per hidden layer, hidden layers.
    learning_rate, weight_decay : float
        Peak rate and decay of AdamW.
    batch : int
        Rows per step.
    steps : int
        Steps at most.
    """

    width: int = 48
    depth: int = 3
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    batch: int = 128
    steps: int = 3200


@contextmanager
def no_denormals() -> Iterator[None]:
    """Numbers too small for a normal float become zero inside; also a decorator."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def child_seed(seed: int, *path: int) -> int:
    """A seed of its own for each purpose, from the one seed of the fit."""
    state = np.random.SeedSequence([seed % 2**63, *path]).generate_state(1, np.uint64)
    return int(state[0] >> 1)


def new_networks(
    inputs: int, outputs: int, members: int, config: NetworkConfig, seed: int
) -> MLPEnsemble:
    """Networks with initial weights."""
    return MLPEnsemble(
        MLPConfig(inputs, outputs, members, config.width, config.depth),
        torch.Generator().manual_seed(seed),
    )


@no_denormals()
def train_networks(
    networks: MLPEnsemble,
    x: np.ndarray,
    y: np.ndarray,
    rows: np.ndarray,
    loss: Loss,
    config: NetworkConfig,
    seed: int,
    judge: Callable[[MLPEnsemble], float] | None = None,
) -> MLPEnsemble:
    """Minimise each member's loss over its own rows.

    Parameters
    ----------
    networks : MLPEnsemble
        `m` members, trained in place.
    x : ndarray, (n, d) or (m, n, d)
        Inputs, standardised; the same for all members, or each member's own.
    y : ndarray, (n, k) or (m, n, k)
        Targets, likewise; losses skip NaN.
    rows : ndarray of bool, (m, n)
        Rows that a member may see; at least one each.
    loss : callable
        See :data:`Loss`.
    config : NetworkConfig
        Length, rate and batch.
    seed : int
        Of the order of the rows.
    judge : callable, optional
        Error of networks on rows that each has not seen. It is asked at a few steps, twice as far
        each time; the best networks are kept, and training ends once it has risen twice.

    Returns
    -------
    MLPEnsemble
        Weights averaged over the steps, later ones more (Shamir & Zhang 2013, section 4): that
        does what a falling learning rate does, at every length of the training at once.
    """
    inputs = torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float32)
    targets = torch.as_tensor(np.ascontiguousarray(y), dtype=torch.float32)
    batch = min(config.batch, int(rows.sum(1).max()))
    weights = [*networks.weights, *networks.biases]
    optimizer = torch.optim.AdamW(
        [
            {"params": list(networks.weights), "weight_decay": config.weight_decay},
            {"params": list(networks.biases), "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    averaged = networks.select(slice(None))
    mean = [*averaged.weights, *averaged.biases]
    best, best_error, rises = averaged, math.inf, 0
    looks = {config.steps >> k for k in range(LOOKS)} if judge else set()
    member = torch.arange(len(rows))[:, None]
    for step, chosen in zip(
        range(1, config.steps + 1), _minibatches(rows, batch, seed), strict=False
    ):
        optimizer.zero_grad(set_to_none=True)
        own = inputs[member, chosen] if inputs.ndim == 3 else inputs[chosen]
        wanted = targets[member, chosen] if targets.ndim == 3 else targets[chosen]
        torch.autograd.backward(loss(networks(own), wanted).sum())
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(mean, weights, (1.0 + RECENT) / (step + RECENT))
        if judge and step in looks:
            error = judge(averaged)
            rises = 0 if error < best_error else rises + 1
            if error < best_error:
                best, best_error = averaged.select(slice(None)), error
            if rises == 2:
                break
    return best if judge else averaged


def _minibatches(rows: np.ndarray, batch: int, seed: int) -> Iterator[Tensor]:
    """(m, batch) row numbers for ever; a member that has fewer rows repeats them sooner."""
    rng = np.random.default_rng(seed)
    own = [np.flatnonzero(mask) for mask in rows]
    per_epoch = max(1, max(len(r) for r in own) // batch)
    while True:
        order = np.stack([_shuffled(r, per_epoch * batch, rng) for r in own])
        for b in range(per_epoch):
            yield torch.as_tensor(order[:, b * batch : (b + 1) * batch])


def _shuffled(own: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    rounds = -(-length // len(own))
    return np.concatenate([rng.permutation(own) for _ in range(rounds)])[:length]


@torch.no_grad()
def evaluate(networks: MLPEnsemble, x: np.ndarray) -> np.ndarray:
    """Outputs of all members, (members, n, outputs) float64.

    `x` is (n, d), or (members, n, d) where each member has inputs of its own.
    """
    inputs = torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float32)
    starts = range(0, inputs.shape[-2], ROWS)
    parts = [networks(inputs[..., i : i + ROWS, :]).numpy() for i in starts]
    if not parts:
        config = networks.config()
        return np.empty((config["members"], 0, config["outputs"]))
    return np.concatenate(parts, axis=1).astype(np.float64)


def masked_mean(values: Tensor, target: Tensor) -> Tensor:
    """Mean of each member over the targets that are there; `values` (m, b, k) may be NaN."""
    present = ~torch.isnan(target)
    kept = torch.where(present, values, torch.zeros_like(values))
    return kept.sum((1, 2)) / present.sum((1, 2)).clamp_min(1)


def squared_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return masked_mean((predicted - torch.nan_to_num(target)).square(), target)


def size_deviance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean of ``log u + r / u`` for sizes r >= 0 and u = exp(predicted).

    The negative log-likelihood of exponentially distributed sizes. Like the squared error it is
    least where u is the mean size given x, but small sizes count relative to their own scale, and
    u is positive without a floor.
    """
    return masked_mean(predicted + torch.nan_to_num(target) * torch.exp(-predicted), target)
