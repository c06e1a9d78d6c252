"""Solutions one after the other: where each closes a third of the gap, mixing closes it at once."""

from __future__ import annotations

import numpy as np
import pytest

from catena.coupler.spin_up.case import Cascade, Stretch
from catena.coupler.spin_up.layout import Pool, PoolLayout
from catena.coupler.spin_up.polish import Polisher

LAYOUT = PoolLayout((Pool("soil3c", "gC m-2"), Pool("soil4c", "gC m-2")))
SIZE = np.array([[3000.0, 20000.0], [500.0, 4000.0], [1000.0, 9000.0]])
RATE = np.array([1.0 / 20.0, 1.0 / 300.0]) / 365.0
YEARS = 10


def cycle(pools: np.ndarray, feedback: np.ndarray, nitrogen: bool) -> Stretch[None]:
    """A cycle in which litter follows what mineralises: the logarithm of growth has a feedback."""
    short = np.log(pools[:, 1] / SIZE[:, 1])
    litter = SIZE * RATE * np.exp(feedback * short)[:, np.newaxis]
    kept = np.exp(-RATE * YEARS * 365.0)
    ended = litter / RATE + (pools - litter / RATE) * kept
    matrix = np.broadcast_to(-np.eye(2), (len(pools), 2, 2))
    losses = np.broadcast_to(RATE, pools.shape)
    means = litter / RATE - (ended - pools) / (RATE * YEARS * 365.0)
    balance = {
        "NFIX_TO_SMINN": np.full(len(pools), 0.5),
        "NDEP_TO_SMINN": np.full(len(pools), 0.5),
        "DENIT": 0.5 * np.exp(5.0 * short),
        "SMINN_LEACHED": 0.5 * np.exp(5.0 * short),
    }
    nothing = np.zeros((len(pools), 1))
    return Stretch(
        None,
        1,
        nothing,
        nothing,
        balance if nitrogen else {},
        ended,
        Cascade(matrix, losses, litter, means, LAYOUT.names),
    )


def distance(rounds: int, feedback: float, nitrogen: bool, mix: bool) -> np.ndarray:
    """How far soil4c is from its equilibrium after some solutions, as logarithms."""
    pools = SIZE * np.array([[0.9], [1.2], [0.7]])
    every = np.arange(3)
    polisher = Polisher(3, LAYOUT)
    for _ in range(rounds):
        run = cycle(pools, np.full(3, feedback), nitrogen)
        if not mix:
            polisher = Polisher(3, LAYOUT)
        better = polisher.pools(run, pools, YEARS, every)
        pools = np.where(np.isnan(better), run.pools, better)
    return np.abs(np.log(pools[:, 1] / SIZE[:, 1]))


def test_the_first_solution_is_the_steady_state_of_the_cycle() -> None:
    pools = SIZE * 0.8
    run = cycle(pools, np.zeros(3), nitrogen=True)
    made = Polisher(3, LAYOUT).pools(run, pools, YEARS, np.arange(3))
    np.testing.assert_allclose(made, SIZE, rtol=1e-9)


@pytest.mark.parametrize("nitrogen", [False, True])
def test_mixed_solutions_come_closer_than_single_ones(nitrogen: bool) -> None:
    plain = distance(4, 0.7, nitrogen, mix=False)
    mixed = distance(4, 0.7, nitrogen, mix=True)
    assert (plain > 0.02).all(), "the plain map is slow"
    assert (mixed < 0.05 * plain).all()


def test_sites_keep_what_they_know_when_others_leave() -> None:
    pools = SIZE * np.array([[0.9], [1.2], [0.7]])
    whole, part = Polisher(3, LAYOUT), Polisher(3, LAYOUT)
    first = cycle(pools, np.full(3, 0.6), True)
    every, some = np.arange(3), np.array([0, 2])
    begun = whole.pools(first, pools, YEARS, every)
    part.pools(first, pools, YEARS, every)
    second = cycle(begun, np.full(3, 0.6), True)
    both = whole.pools(second, begun, YEARS, every)
    chosen = Stretch(
        None,
        1,
        second.nee[some],
        second.carbon[some],
        {name: values[some] for name, values in second.means.items()},
        second.pools[some],
        Cascade(
            second.cascade.matrix[some],  # type: ignore[union-attr]
            second.cascade.losses[some],  # type: ignore[union-attr]
            second.cascade.litter[some],  # type: ignore[union-attr]
            second.cascade.means[some],  # type: ignore[union-attr]
            LAYOUT.names,
        ),
    )
    np.testing.assert_array_equal(part.pools(chosen, begun[some], YEARS, some), both[some])


def test_pools_that_are_not_there_stay_out_of_it() -> None:
    pools = SIZE.copy()
    pools[1] = 0.0
    run = cycle(np.maximum(pools, 1.0), np.zeros(3), True)
    made = Polisher(3, LAYOUT).pools(run, pools, YEARS, np.arange(3))
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made[[0, 2]], SIZE[[0, 2]], rtol=1e-9)
