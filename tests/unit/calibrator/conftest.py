from __future__ import annotations

import numpy as np
import pytest
from support.smooth_model import smooth

from catena.calibrator.mlp_fit import SurrogateConfig
from catena.calibrator.prior import Prior


@pytest.fixture(scope="session")
def prior() -> Prior:
    return Prior(("a", "b", "c"), np.array([-1.0, 0.0, 1e-6]), np.array([1.0, 10.0, 4e-6]))


@pytest.fixture(scope="session")
def quick() -> SurrogateConfig:
    return SurrogateConfig(width=16, depth=2, members=2, fold_members=2, epochs=40)


@pytest.fixture(scope="session")
def runs(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    x = prior.from_unit(prior.sobol_unit(128, 7))
    return x, smooth(prior, x)
