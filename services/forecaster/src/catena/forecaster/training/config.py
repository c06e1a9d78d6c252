"""Settings of a training."""

from __future__ import annotations

from dataclasses import dataclass

from catena.forecaster.training.losses import LOSSES


@dataclass(frozen=True)
class TrainingConfig:
    """How long, how fast, and by what a network learns.

    Parameters
    ----------
    loss : str
        One of :data:`~catena.forecaster.training.losses.LOSSES`, or several joined by ``+``.
    steps : int, optional
        Minibatches of the whole training.
    cpu_s : float, optional
        CPU seconds instead: turned into steps at the start, by timing some on this machine. With
        both, the smaller counts.
    batch : int
        Forecasts per step.
    learning_rate, weight_decay : float
        Peak rate of AdamW; decoupled decay of matrices.
    warm_up : float
        Share of the steps in which the rate rises.
    clip : float
        Longest gradient.
    average : float
        Decay of the running mean of the weights that is validated and kept; 0 for none.
    evaluations : int
        How often validation looks at the weights, evenly spread.
    patience : int
        Evaluations without a better one after which the training stops.
    validation_samples : int
        Forecasts that validation looks at, at most, spread evenly.
    balance_leads : bool
        Whether each lead counts relative to the error of the model as it starts: errors of the
        first days are a tenth of those of late ones, and would not be worked on.

    Raises
    ------
    ValueError
        With what is wrong.
    """

    loss: str = "nse+crps"
    steps: int | None = None
    cpu_s: float | None = None
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warm_up: float = 0.05
    clip: float = 1.0
    average: float = 0.995
    evaluations: int = 10
    patience: int = 4
    validation_samples: int = 4096
    balance_leads: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.loss.split("+") if name not in LOSSES]
        if unknown:
            raise ValueError(f"no loss {unknown[0]!r}; there are {', '.join(LOSSES)}")
        if self.steps is None and self.cpu_s is None:
            raise ValueError("a training has an end: give steps, or cpu_s")
        counts = {name: getattr(self, name) for name in ("batch", "evaluations", "patience")}
        counts["validation_samples"] = self.validation_samples
        if self.steps is not None:
            counts["steps"] = self.steps
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; at least 1 wanted")
        positive = {"learning_rate": self.learning_rate, "clip": self.clip}
        for name, number in positive.items():
            if not number > 0:
                raise ValueError(f"{name} is {number:g}; more than 0 wanted")
        for name in ("warm_up", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name):g}; wanted in [0, 1)")
