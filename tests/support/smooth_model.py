"""A model of three parameters and three outputs in closed form."""

from __future__ import annotations

import numpy as np

from catena.calibrator.prior import Prior


def smooth(prior: Prior, x: np.ndarray) -> np.ndarray:
    """Three outputs of three parameters: linear, curved, and a product."""
    u = prior.to_unit(x)
    return np.stack(
        [
            10.0 + 4.0 * u[:, 0] + u[:, 1],
            np.sin(3.0 * u[:, 0]) + u[:, 2] ** 2,
            100.0 * u[:, 1] * (0.5 + u[:, 2]),
        ],
        axis=1,
    )
