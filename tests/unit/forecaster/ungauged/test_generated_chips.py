"""Generated chips carry their attribute, and say that they are generated."""

from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.ungauged import generated_chips
from catena.shared.errors import InvalidData

NAMES = tuple(f"b{k}" for k in range(40))
VALUES = np.random.default_rng(1).gamma(2.0, 3.0, 40)


def greenness(chips) -> np.ndarray:
    """Share of clear pixels whose vegetation index tells forest."""
    red, near = chips.bands[:, 2], chips.bands[:, 3]
    clear = ~chips.cloud
    index = np.where(clear, (near - red) / np.where(clear, near + red, 1), 0)
    return ((index > 0.5) & clear).sum((1, 2)) / clear.sum((1, 2))


def test_the_attribute_is_in_the_share_of_forest_and_nowhere_else() -> None:
    chips = generated_chips(NAMES, VALUES, seed=2)
    assert chips.generated and chips.basins == NAMES
    assert np.corrcoef(greenness(chips), VALUES)[0, 1] ** 2 > 0.97
    assert 0.1 < chips.cloud.mean() < 0.2
    # Forest and open ground look the same in every basin, but for the light of the day.
    forest = (chips.bands[:, 3] - chips.bands[:, 2]) > 0.5 * (chips.bands[:, 3] + chips.bands[:, 2])
    ratio = [
        chip[5][where].mean() / chip[3][where].mean()
        for chip, where in zip(chips.bands, forest & ~chips.cloud, strict=True)
    ]
    assert np.std(ratio) < 0.02


def test_a_shuffled_attribute_is_not_in_the_chips() -> None:
    other = np.random.default_rng(3).permutation(VALUES)
    chips = generated_chips(NAMES, other, seed=2)
    assert np.corrcoef(greenness(chips), VALUES)[0, 1] ** 2 < 0.3


def test_the_seed_makes_the_chips() -> None:
    a, b, c = (generated_chips(NAMES[:3], VALUES[:3], seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(a.bands, b.bands)
    assert not np.array_equal(a.bands, c.bands)


@pytest.mark.parametrize("values", [[1.0, 1.0], [1.0, np.nan], [1.0]])
def test_values_that_tell_nothing_are_refused(values: list[float]) -> None:
    with pytest.raises(InvalidData, match="one finite number per basin"):
        generated_chips(["a", "b"], values, seed=0)
    with pytest.raises(InvalidData, match=r"cloudiness of 0\.9"):
        generated_chips(["a", "b"], [0.0, 1.0], seed=0, cloudiness=0.9)
