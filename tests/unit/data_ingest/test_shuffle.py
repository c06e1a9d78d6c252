"""The order of samples is a bijection that depends on (seed, epoch, index) only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from catena.shared.errors import InvalidData
from catena.shared.shuffle import Order, hashed

numbers = st.integers(0, 2**63 - 1)


@settings(deadline=None, max_examples=150)
@given(size=st.integers(0, 3000), seed=numbers, epoch=numbers)
def test_every_number_comes_once(size: int, seed: int, epoch: int) -> None:
    order = Order(size, seed, epoch).at(np.arange(size))
    assert np.array_equal(np.sort(order), np.arange(size))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 1023, 1024, 1025, 65536, 65537])
def test_sizes_around_powers_of_two(size: int) -> None:
    assert np.array_equal(np.sort(Order(size, 7, 3).take(0, size)), np.arange(size))


@settings(deadline=None, max_examples=50)
@given(size=st.integers(2**40, 2**62), seed=numbers, data=st.data())
def test_huge_orders_need_no_memory_and_keep_places_apart(
    size: int, seed: int, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=20, unique=True))
    values = Order(size, seed, 0).at(places)
    assert len(set(values.tolist())) == len(places)
    assert values.min() >= 0
    assert values.max() < size


def test_one_place_asked_alone_is_the_same_as_among_others() -> None:
    order = Order(1000, 3, 4)
    together = order.at(np.arange(1000))
    assert [order[place] for place in (0, 1, 499, 999)] == together[[0, 1, 499, 999]].tolist()
    assert np.array_equal(order.take(900, 500), together[900:])


def test_epochs_and_seeds_differ_and_are_not_interchangeable() -> None:
    orders = [
        tuple(Order(200, seed, epoch).take(0, 200))
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (0, 2))
    ]
    assert len(set(orders)) == len(orders)


def test_order_is_fixed_for_ever() -> None:
    # Written down when the code was first run: a change would shuffle every resumed training anew.
    assert Order(10, seed=1, epoch=2).take(0, 10).tolist() == [9, 0, 1, 5, 4, 8, 7, 3, 2, 6]


def test_each_number_is_as_likely_at_each_place() -> None:
    size, epochs = 6, 6000
    table = np.zeros((size, size))
    for epoch in range(epochs):
        table[np.arange(size), Order(size, 11, epoch).take(0, size)] += 1
    assert stats.chisquare(table.ravel(), ddof=2 * size - 2).pvalue > 1e-3


def test_neighbours_are_not_correlated() -> None:
    values = Order(100_000, 5, 0).take(0, 100_000)
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4 / np.sqrt(values.size)
    assert abs(np.corrcoef(values, np.arange(values.size))[0, 1]) < 4 / np.sqrt(values.size)


def test_hash_is_uniform_and_depends_on_its_words() -> None:
    values = hashed(np.arange(30_000), 1, 2) % np.uint64(3)
    assert stats.chisquare(np.bincount(values.astype(int), minlength=3)).pvalue > 1e-3
    assert not np.array_equal(hashed(np.arange(9), 1, 2), hashed(np.arange(9), 2, 1))


@pytest.mark.parametrize("place", [-1, 10])
def test_places_outside_are_refused(place: int) -> None:
    with pytest.raises(InvalidData, match="wanted 0 to 9"):
        Order(10).at([place])


def test_negative_size_is_refused() -> None:
    with pytest.raises(InvalidData, match="-1"):
        Order(-1)
