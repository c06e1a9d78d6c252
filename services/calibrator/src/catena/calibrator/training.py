"""One training loop for every network here: AdamW, one-cycle rate, resumable to the bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from catena.calibrator.stages import ProgressReport, Stages, part

WARM_UP = 0.1
SAVE_EVERY_S = 1.0


@contextmanager
def no_denormals() -> Iterator[None]:
    """Numbers too small for a normal float become zero inside; weights underflow, and slow ones
    cost.

    Also a decorator. The switch belongs to the process: it is put back, others may need such
    numbers.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def child_seed(seed: int, *path: int) -> int:
    """A seed of its own for each purpose, from the one seed of the request."""
    return int(np.random.SeedSequence([seed % 2**63, *path]).generate_state(1, np.uint64)[0] >> 1)


def torch_generator(seed: int, *path: int) -> torch.Generator:
    """A torch generator for one purpose; the global one is never touched."""
    return torch.Generator().manual_seed(child_seed(seed, *path))


def one_cycle(fraction: float) -> float:
    """Learning-rate factor: a short linear rise, then a half cosine to zero."""
    rise = min(1.0, (fraction + 1e-3) / WARM_UP)
    return rise * 0.5 * (1.0 + math.cos(math.pi * fraction))


def train(
    parameters: Sequence[Tensor],
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    stages: Stages,
    stage: str,
    progress: ProgressReport | None = None,
    message: str = "training",
) -> None:
    """Minimise ``loss(step)`` over `parameters` in place.

    Parameters
    ----------
    parameters : sequence of Tensor
        Leaves with gradients. Weight decay acts on those with a name of a matrix: more than one
        row.
    loss : callable
        Loss of the minibatch of a step. It must depend on the step number and the parameters only:
        then a resumed training gives the bytes of an uninterrupted one.
    steps : int
        Number of minibatches.
    learning_rate, weight_decay : float
        Peak rate, and decoupled decay (Loshchilov & Hutter 2019).
    stages, stage : Stages, str
        Where the state is kept, at most every second.
    progress, message
        Reports the fraction done.
    """
    report = part(progress, 0.0, 1.0)
    matrices = [p for p in parameters if p.ndim > 1 and p.shape[-2] > 1]
    vectors = [p for p in parameters if not (p.ndim > 1 and p.shape[-2] > 1)]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    ordered = [*matrices, *vectors]
    first = _resume(optimizer, ordered, stages, stage)
    report(first / steps, message)
    saved_at = time.monotonic()
    for step in range(first, steps):
        rate = learning_rate * one_cycle(step / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss(step))
        optimizer.step()
        if time.monotonic() - saved_at > SAVE_EVERY_S:
            _save(optimizer, ordered, stages, stage, step + 1)
            report((step + 1) / steps, message)
            saved_at = time.monotonic()
    if first < steps:
        _save(optimizer, ordered, stages, stage, steps)
    report(1.0, message)


def _save(
    optimizer: torch.optim.Optimizer, ordered: list[Tensor], stages: Stages, stage: str, step: int
) -> None:
    arrays = {}
    for i, p in enumerate(ordered):
        arrays[f"{i}.value"] = p.detach().numpy().copy()
        for moment in ("exp_avg", "exp_avg_sq"):
            arrays[f"{i}.{moment}"] = optimizer.state[p][moment].numpy().copy()
    stages.put(stage, arrays, {"step": step})


def _resume(
    optimizer: torch.optim.Optimizer, ordered: list[Tensor], stages: Stages, stage: str
) -> int:
    saved = stages.get(stage)
    if saved is None:
        return 0
    arrays, meta = saved
    for i, p in enumerate(ordered):
        with torch.no_grad():
            p.copy_(torch.as_tensor(arrays[f"{i}.value"]))
        optimizer.state[p] = {
            "step": torch.tensor(float(meta["step"])),
            "exp_avg": torch.as_tensor(arrays[f"{i}.exp_avg"]).clone(),
            "exp_avg_sq": torch.as_tensor(arrays[f"{i}.exp_avg_sq"]).clone(),
        }
    return int(meta["step"])
