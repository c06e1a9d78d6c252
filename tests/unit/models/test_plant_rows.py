"""Sites parted by their plants, and put together again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.models.plant_rows import PRESENCE, PlantRows

PLANTS = ("oak", "grass")
POOLS = ("soil4c", "leafc.oak", "deadstemc.oak", "leafc.grass", "sminn")
INPUTS = {
    "static": ["sand", "clay"],
    "states": ["soil4c", "leafc.oak", "leafc.grass"],
    PRESENCE: list(PLANTS),
}
ROWS = PlantRows.of(PLANTS, POOLS, INPUTS)
THERE = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [np.nan, 1.0]])
NOT = np.nan


def _table() -> np.ndarray:
    return np.array(
        [
            [1.0, 2.0, 3.0, NOT, 4.0],
            [5.0, 6.0, 7.0, 8.0, 9.0],
            [10.0, NOT, NOT, NOT, 11.0],
            [12.0, NOT, NOT, 13.0, 14.0],
        ]
    )


def test_a_row_for_each_plant_of_a_site_and_one_for_a_site_without_any() -> None:
    rows = ROWS.rows({PRESENCE: THERE})
    assert rows.site.tolist() == [0, 1, 1, 2, 3]
    assert rows.plant.tolist() == [0, 0, 1, -1, 1]


def test_a_pool_of_plants_is_one_column() -> None:
    assert ROWS.outputs == ("soil4c", "leafc", "deadstemc", "sminn")
    rows = ROWS.rows({PRESENCE: THERE})
    made = ROWS.targets(_table(), rows)
    expected = np.array(
        [
            [1.0, 2.0, 3.0, 4.0],
            [5.0, 6.0, 7.0, 9.0],
            [5.0, 8.0, NOT, 9.0],
            [10.0, NOT, NOT, 11.0],
            [12.0, 13.0, NOT, 14.0],
        ]
    )
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(ROWS.pools(made, rows), _table())


def test_what_two_rows_say_of_a_column_is_averaged() -> None:
    rows = ROWS.rows({PRESENCE: THERE})
    said = ROWS.targets(_table(), rows)
    said[1, 0], said[2, 0] = 4.0, 8.0
    assert ROWS.pools(said, rows)[1, 0] == 6.0
    np.testing.assert_array_equal(
        ROWS.largest(np.array([1.0, 2.0, 5.0, 0.5, 3.0]), rows), [1.0, 5.0, 0.5, 3.0]
    )


def test_inputs_of_a_row_are_the_columns_and_those_of_its_plant() -> None:
    states = np.arange(12.0).reshape(4, 3)
    series = np.arange(24.0).reshape(4, 3, 2)
    rows = ROWS.rows({PRESENCE: THERE})
    made = ROWS.inputs({"states": states, "series": series, PRESENCE: THERE}, rows)
    np.testing.assert_array_equal(made["states"], [[0, 1], [3, 4], [3, 5], [6, NOT], [9, 11]])
    np.testing.assert_array_equal(made["series"], series[rows.site])
    # The own plant, then the others.
    np.testing.assert_array_equal(
        made[PRESENCE],
        [[1, 0, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]],
    )
    assert ROWS.folded([False, True, True], "states").tolist() == [False, True]
    assert ROWS.folded([True, False], "static").tolist() == [True, False]
    assert ROWS.folded_pools([True, False, True, False, True]).tolist() == [True, False, True, True]


def test_it_is_the_same_from_json() -> None:
    again = PlantRows.from_dict(ROWS.to_dict())
    rows = again.rows({PRESENCE: THERE})
    np.testing.assert_array_equal(again.pools(again.targets(_table(), rows), rows), _table())


def test_inputs_that_do_not_say_what_grows_are_refused() -> None:
    with pytest.raises(ValueError, match="which plants sites have"):
        ROWS.rows({"static": np.ones((2, 2))})
    with pytest.raises(ValueError, match="wanted \\(sites, 2\\) for oak, grass"):
        ROWS.rows({PRESENCE: np.ones((2, 3))})


@given(
    there=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6),
    seed=st.integers(0, 100),
)
def test_parting_and_joining_lose_nothing(there: list[list[bool]], seed: int) -> None:
    plants = ("a", "b", "c")
    pools = ("soil", *(f"{what}.{plant}" for plant in plants for what in ("leaf", "wood")))
    parting = PlantRows.of(plants, pools, {})
    presence = np.array(there, dtype=float)
    table = np.random.default_rng(seed).normal(size=(len(there), len(pools)))
    table[:, 1:][np.repeat(presence, 2, axis=1) == 0.0] = np.nan
    rows = parting.rows({PRESENCE: presence})
    np.testing.assert_allclose(parting.pools(parting.targets(table, rows), rows), table)
