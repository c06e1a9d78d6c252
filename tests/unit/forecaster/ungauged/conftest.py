from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold, folds
from catena.forecaster.training import TrainingConfig
from catena.forecaster.ungauged import Chips, Settings, generated_chips, with_pet
from catena.models.image_net import ImageConfig


@pytest.fixture(scope="session")
def records() -> BasinRecords:
    """Six basins, 2001 to 2009, with missing flow."""
    made = with_pet(generated_records(6, 9, seed=3, missing_flow=0.1))
    assert np.isnan(made.flow).any(axis=1).all()
    return made


@pytest.fixture(scope="session")
def chips(records: BasinRecords) -> Chips:
    return generated_chips(records.basins, records.attribute("slope_mean"), seed=4)


@pytest.fixture(scope="session")
def made_folds(records: BasinRecords) -> list[Fold]:
    return folds(records.basins, records.days, count=3, validate_years=1, seed=0)


@pytest.fixture(scope="session")
def quick() -> Settings:
    """A few steps of small networks."""
    return Settings(
        width=8,
        image=ImageConfig(width=8, heads=2, layers=1, outputs=4),
        warm_up=40,
        scored=50,
        training=TrainingConfig(
            loss="nse", steps=3, batch=8, evaluations=1, average=0.0, validation_samples=8
        ),
    )
