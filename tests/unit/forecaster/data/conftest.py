from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import YearSplit


@pytest.fixture(scope="session")
def records() -> BasinRecords:
    """Four basins, 2001 to 2008, with missing flow."""
    made = generated_records(4, 8, seed=3, missing_flow=0.1)
    assert np.isnan(made.flow).any(axis=1).all()
    return made


@pytest.fixture(scope="session")
def split() -> YearSplit:
    return YearSplit(train=(2001, 2004), validate=(2005, 2006), test=(2007, 2008))
