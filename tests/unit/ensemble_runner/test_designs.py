"""Designs fill the cube evenly, column by column and all together, and can be extended."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, qmc

from catena.ensemble_runner.designs import physical, unit_rows
from catena.shared.errors import InvalidData

DESIGNS = ("sobol", "latin_hypercube")


def strata(column: np.ndarray, count: int) -> np.ndarray:
    """How many rows lie in each of `count` equal strata."""
    return np.bincount((column * count).astype(int), minlength=count)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("members", [1, 2, 3, 100, 1000])
def test_rows_lie_in_the_cube_and_all_differ(design: str, members: int) -> None:
    rows = unit_rows(design, members, 8, seed=4)
    assert rows.shape == (members, 8) and rows.flags.c_contiguous
    assert ((rows >= 0) & (rows < 1)).all()
    assert len(np.unique(rows, axis=0)) == members


@pytest.mark.parametrize("design", DESIGNS)
def test_marginals_are_uniform(design: str) -> None:
    rows = unit_rows(design, 1000, 8, seed=11)
    for column in rows.T:
        assert kstest(column, "uniform").pvalue > 0.5
        assert abs(column.mean() - 0.5) < 1e-3


@pytest.mark.parametrize("members", [7, 100, 1000])
def test_a_latin_hypercube_has_one_row_in_each_stratum(members: int) -> None:
    rows = unit_rows("latin_hypercube", members, 5, seed=3)
    for column in rows.T:
        assert (strata(column, members) == 1).all()


@pytest.mark.parametrize("exponent", [1, 4, 10])
def test_a_sobol_sequence_has_one_row_in_each_stratum_at_powers_of_two(exponent: int) -> None:
    rows = unit_rows("sobol", 2**exponent, 8, seed=3)
    for column in rows.T:
        assert (strata(column, 2**exponent) == 1).all()


@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_a_doubled_latin_hypercube_is_one_again(doublings: int) -> None:
    members = 25 * 2**doublings
    rows = unit_rows("latin_hypercube", members, 6, seed=8, first_size=25)
    for column in rows.T:
        assert (strata(column, members) == 1).all()
    # Between doublings no stratum of the next one is taken twice.
    for column in rows[: members - 7].T:
        assert strata(column, members).max() == 1


@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_a_larger_sobol_ensemble_begins_with_the_smaller_one(seed: int) -> None:
    small, large = (unit_rows("sobol", n, 8, seed=seed) for n in (1000, 1500))
    assert np.array_equal(large[:1000], small)


@pytest.mark.parametrize("members", [20, 64])
def test_few_rows_are_even_in_all_columns_together(members: int) -> None:
    rows = unit_rows("latin_hypercube", members, 8, seed=1)
    plain = [qmc.LatinHypercube(8, rng=seed).random(members) for seed in range(50)]
    assert qmc.discrepancy(rows) < min(qmc.discrepancy(one) for one in plain)
    strata = np.sort((rows * members).astype(int), axis=0)
    assert (strata == np.arange(members)[:, None]).all()
    extended = unit_rows("latin_hypercube", 3 * members, 8, seed=1, first_size=members)
    np.testing.assert_array_equal(extended[:members], rows)


def test_a_latin_hypercube_is_extended_when_it_is_told_the_first_size() -> None:
    small = unit_rows("latin_hypercube", 1000, 8, seed=5)
    named = unit_rows("latin_hypercube", 1000, 8, seed=5, first_size=1000)
    large = unit_rows("latin_hypercube", 1500, 8, seed=5, first_size=1000)
    larger = unit_rows("latin_hypercube", 2600, 8, seed=5, first_size=1000)
    assert np.array_equal(small, named)
    assert np.array_equal(large[:1000], small)
    assert np.array_equal(larger[:1500], large)
    other = unit_rows("latin_hypercube", 1500, 8, seed=5)
    assert not np.isin(small, other).any(), "without it, it is another design"


@pytest.mark.parametrize("design", DESIGNS)
def test_the_seed_decides(design: str) -> None:
    one, again, other = (unit_rows(design, 50, 3, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.isin(one, other).any()


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("first_size", [0, 64])
def test_designs_are_more_even_than_random_rows(design: str, first_size: int) -> None:
    columns = 3
    rng = np.random.default_rng(0)
    random = [qmc.discrepancy(rng.random((256, columns)), method="CD") for _ in range(8)]
    ours = [
        qmc.discrepancy(
            unit_rows(design, 256, columns, seed=seed, first_size=first_size), method="CD"
        )
        for seed in range(8)
    ]
    part = {"sobol": 0.15, "latin_hypercube": 0.6}[design]
    assert np.mean(ours) < part * np.mean(random)


def test_physical_values_stay_inside_their_ranges() -> None:
    low, high = np.array([1.5e-6, 35_000.0, 0.1]), np.array([4e-6, 45_000.0, 0.4])
    unit = np.array([[0.0, 0.0, 0.0], [np.nextafter(1.0, 0.0)] * 3, [0.5] * 3])
    values = physical(unit, low, high)
    assert (values >= low).all() and (values <= high).all()
    assert np.allclose(values[2], (low + high) / 2)


@pytest.mark.parametrize(
    ("members", "columns", "first_size"), [(0, 3, 0), (10, 0, 0), (10, 3, 11), (1 << 21, 3, 0)]
)
def test_numbers_out_of_range_are_refused(members: int, columns: int, first_size: int) -> None:
    with pytest.raises(InvalidData, match="wanted 1 to"):
        unit_rows("latin_hypercube", members, columns, seed=1, first_size=first_size)
