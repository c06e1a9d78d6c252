"""Learning rate of each step."""

from __future__ import annotations

import math

from catena.orbit_trainer.training.settings import TrainingSettings

__all__ = ["learning_rate"]


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Rate of a step, counted from 0: a linear rise, then half a cosine down to nearly nothing.

    Loshchilov & Hutter 2017 (SGDR, eq. 5), with the warm-up of Goyal et al. 2017.

    The first step already learns, and so does the last.
    """
    rise = math.floor(settings.warmup * settings.steps)
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    done = (step - rise) / (settings.steps - rise)
    return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
