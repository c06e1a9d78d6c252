"""Fine-tunes trained by a plain loop: what engines do, on one process and without their care."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from catena.orbit_trainer.tasks.adapters import FineTune


def built(task: FineTune) -> nn.Module:
    """The model with its first weights."""
    with torch.device("meta"):
        model = task.factory()
    model.to_empty(device="cpu")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(task.fill(name, tuple(weight.shape), weight.dtype))
    return model


def trained(task: FineTune, stream: Any, steps: int, rate: float = 1e-3) -> nn.Module:
    """The model after some steps of AdamW with a rate that falls to zero."""
    model = built(task)
    free = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(free, rate, weight_decay=1e-5)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 10) * (1 - step / steps)
        batch = stream.batch(step)
        optimiser.zero_grad()
        task.loss(task.call(model, batch), batch).backward()
        optimiser.step()
    return model
