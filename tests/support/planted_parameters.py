"""A parameter model whose drivers are known: what each parameter does to each output is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from catena.explainer.parameters.surrogate import Named, ParameterModel
from catena.models.mlp import MLPConfig, MLPEnsemble
from catena.models.svd import LinearReduction

NAMES = ("light", "water", "idle", "root")
LOW = np.array([10.0, 0.0, -1.0, 0.5])
HIGH = np.array([20.0, 1.0, 1.0, 4.0])


class Formula(MLPEnsemble):
    """Scores by a formula in place of a network, through the interface of one."""

    def __init__(self, scores: Any) -> None:
        super().__init__(MLPConfig(inputs=4, outputs=1, members=1, width=2, depth=1))
        self.scores = scores

    def mean_and_spread(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.scores(x.double())
        return mean, torch.zeros_like(mean)


def planted_scores(x: torch.Tensor) -> torch.Tensor:
    """(n, 4) in [-1, 1] to three scores: a sum, a product, and nothing."""
    light, water, _, root = x.T
    return torch.stack([3.0 * light + root, 2.0 * light * water, torch.zeros_like(root)], dim=1)


def planted_model(**changes: Any) -> ParameterModel:
    """Outputs: ``sum`` (light 9 : root 1), ``product`` (light with water only), ``still``."""
    known: dict[str, Any] = {
        "parameters": Named(NAMES, ("W m-2", "1", "1", "m"), NAMES),
        "outputs": Named(
            ("sum", "product", "still"), ("g m-2", "W m-2", "K"), ("a sum", "a product", "nothing")
        ),
        "low": LOW,
        "high": HIGH,
        "r2": np.array([0.99, 0.95, 1.0]),
        "emulator": Formula(planted_scores),
        "reduction": LinearReduction(np.array([5.0, -2.0, 280.0]), np.ones(3), None, np.zeros(3)),
        "about": {
            "title": "planted",
            "source_note": "",
            "generated": False,
            "generated_weather": False,
            "model": "",
            "method": "mlp",
            "runs": 100,
            "mean_r2": 0.98,
        },
    }
    return ParameterModel(**(known | changes))


def planted_series(steps: int = 40, groups: tuple[str, ...] = ("GPP", "LH")) -> ParameterModel:
    """Series in which light drives the first steps and water the last."""
    names = tuple(f"{group}_{2000 + step}" for group in groups for step in range(steps))
    fade = torch.linspace(1.0, 0.0, steps, dtype=torch.float64)

    def scores(x: torch.Tensor) -> torch.Tensor:
        one = x[:, :1] * fade + x[:, 1:2] * (1.0 - fade)
        return torch.cat([one] * len(groups), dim=1)

    k = len(names)
    return planted_model(
        outputs=Named(names, ("g m-2",) * k, names),
        r2=np.full(k, 0.97),
        emulator=Formula(scores),
        reduction=LinearReduction(np.zeros(k), np.ones(k), None, np.zeros(k)),
    )
