"""The image branch reads an attribute off chips that carry it, and off no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catena.forecaster.data.splits import Fold, folds
from catena.forecaster.training import TrainingConfig
from catena.forecaster.ungauged import generated_chips, image_recovery
from catena.models.image_net import ImageConfig
from catena.shared.errors import InvalidData

NAMES = tuple(f"b{k:02d}" for k in range(60))
VALUES = np.random.default_rng(1).uniform(0, 1, 60)
DAYS = np.arange(np.datetime64("2001-01-01"), np.datetime64("2005-01-01"))
IMAGE = ImageConfig(width=32, heads=2, layers=1)
TRAINING = TrainingConfig(
    loss="nse", steps=200, batch=20, learning_rate=4e-3, average=0.95, patience=10
)


@pytest.fixture(scope="module")
def fold() -> Fold:
    return folds(NAMES, DAYS, count=2, validate_years=0, seed=0)[0]


@pytest.mark.slow
def test_the_attribute_is_read_in_unseen_basins(fold: Fold) -> None:
    chips = generated_chips(NAMES, VALUES, seed=2)
    r2, read = image_recovery(chips, VALUES, [fold], seed=0, image=IMAGE, training=TRAINING)
    tested = np.isin(NAMES, fold.test_basins)
    assert r2 > 0.9 and np.isfinite(read[tested]).all() and np.isnan(read[~tested]).all()
    truth = VALUES[tested]
    error = ((read[tested] - truth) ** 2).mean() / truth.var()
    assert r2 == pytest.approx(1 - error)


@pytest.mark.slow
def test_an_attribute_that_is_not_in_the_chips_is_not_read(fold: Fold) -> None:
    chips = generated_chips(NAMES, np.random.default_rng(9).permutation(VALUES), seed=2)
    r2, _ = image_recovery(chips, VALUES, [fold], seed=0, image=IMAGE, training=TRAINING)
    assert r2 < 0.3


def test_nothing_is_learned_from_the_chips_and_values_of_test_basins(fold: Fold) -> None:
    quick = replace(TRAINING, steps=2)
    chips = generated_chips(NAMES, VALUES, seed=2)
    rows = np.flatnonzero(np.isin(NAMES, fold.test_basins))
    bands, values = chips.bands.copy(), VALUES.copy()
    bands[rows[1:]], values[rows] = 5.0, 99.0 + np.arange(len(rows))
    a, b = (
        image_recovery(c, v, [fold], seed=0, image=IMAGE, training=quick)[1]
        for c, v in ((chips, VALUES), (replace(chips, bands=bands), values))
    )
    np.testing.assert_allclose(a[rows[0]], b[rows[0]], rtol=1e-5)
    assert not np.allclose(a[rows[1:]], b[rows[1:]])


def test_values_that_do_not_fit_are_refused(fold: Fold) -> None:
    chips = generated_chips(NAMES, VALUES, seed=2)
    with pytest.raises(InvalidData, match="one finite number per chip"):
        image_recovery(chips, VALUES[:-1], [fold], seed=0)
    with pytest.raises(InvalidData, match="all the same"):
        image_recovery(chips, np.ones(60), [fold], seed=0)
