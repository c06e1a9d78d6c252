"""What a training did, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from catena.orbit_trainer.engines.base import StepResult

__all__ = ["History"]

_CURVES = ("loss", "gradient_norm", "learning_rate", "samples_per_s", "wait_share")


@dataclass
class History:
    """Curves of a training, one number per step, and its looks at the validation batches.

    Parameters
    ----------
    loss, gradient_norm, learning_rate : list of float
        NaN where a step had no finite one.
    samples_per_s : list of float
        Of all processes together.
    wait_share : list of float
        Share of the step's time that the process waited for its batch.
    skipped : list of int
        Steps, from 0, that changed nothing.
    validation : list of (int, float)
        Steps that were done, and the loss then.
    """

    loss: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    samples_per_s: list[float] = field(default_factory=list)
    wait_share: list[float] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)

    def add(
        self, result: StepResult, learning_rate: float, samples_per_s: float, wait_share: float
    ) -> None:
        """One more step."""
        if result.skipped:
            self.skipped.append(self.steps)
        self.loss.append(result.loss)
        self.gradient_norm.append(result.gradient_norm)
        self.learning_rate.append(learning_rate)
        self.samples_per_s.append(samples_per_s)
        self.wait_share.append(wait_share)

    @property
    def steps(self) -> int:
        """Steps that were done."""
        return len(self.loss)

    @property
    def best(self) -> tuple[int, float] | None:
        """Steps done and loss at the best look at validation; None before the first finite one."""
        finite = [look for look in self.validation if math.isfinite(look[1])]
        return min(finite, key=lambda look: (look[1], look[0]), default=None)

    def skipped_last(self) -> int:
        """How many steps in a row, up to the last one, were skipped."""
        count = 0
        for step in reversed(self.skipped):
            if step != self.steps - 1 - count:
                break
            count += 1
        return count

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, which has no NaN: null in its place."""
        plain: dict[str, Any] = {
            name: [_plain(value) for value in getattr(self, name)] for name in _CURVES
        }
        plain["skipped"] = list(self.skipped)
        plain["validation"] = [[step, _plain(loss)] for step, loss in self.validation]
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        curves = {name: [_number(value) for value in values[name]] for name in _CURVES}
        looks = [(int(step), _number(loss)) for step, loss in values["validation"]]
        return cls(**curves, skipped=[int(n) for n in values["skipped"]], validation=looks)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
