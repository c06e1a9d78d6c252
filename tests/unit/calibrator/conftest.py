from __future__ import annotations

import numpy as np
import pytest

from catena.calibrator.mlp_fit import SurrogateConfig
from catena.calibrator.prior import Prior


@pytest.fixture(scope="session")
def prior() -> Prior:
    return Prior(("a", "b", "c"), np.array([-1.0, 0.0, 1e-6]), np.array([1.0, 10.0, 4e-6]))


@pytest.fixture(scope="session")
def quick() -> SurrogateConfig:
    return SurrogateConfig(width=16, depth=2, members=2, fold_members=2, epochs=40)


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


@pytest.fixture(scope="session")
def runs(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    x = prior.from_unit(prior.sobol_unit(128, 7))
    return x, smooth(prior, x)
