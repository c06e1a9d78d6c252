"""Trees find the formula that the sites follow, in places that they have not seen."""

from __future__ import annotations

import numpy as np
from support.toy_land import ToyLand, ToyState

from catena.coupler.spin_up.plug_in import SpunUp
from catena.coupler.spin_up.training_sites import TrainingSites, training_sites
from catena.coupler.spin_up.trees import Trees

CASE = ToyLand.drawn(600)


def _r2(made, truth) -> float:
    known = np.isfinite(truth)
    return float(1 - ((made - truth)[known] ** 2).mean() / truth[known].var())


def _sites(years: int) -> TrainingSites:
    return training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=years)


def test_a_planted_function_is_found_on_held_out_blocks() -> None:
    sites = _sites(0)
    rows = sites.rows("test")
    made = Trees(sites, trees=60).predict(sites.some(rows))
    found = [_r2(made.pools[:, n], sites.targets[rows, n]) for n in range(6)]
    assert min(found) > 0.75
    assert np.median(found) > 0.9


def test_growth_after_first_years_is_nearly_exact() -> None:
    sites = _sites(20)
    rows = sites.rows("test")
    made = Trees(sites, trees=30).predict(sites.some(rows))
    assert min(_r2(made.pools[:, n], sites.targets[rows, n]) for n in (0, 1, 2, 3, 5)) > 0.98


def test_the_same_seed_makes_the_same_trees() -> None:
    sites = _sites(0)
    held_out = sites.some(sites.rows("test"))
    one, two, other = (Trees(sites, trees=5, seed=s).predict(held_out).pools for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_spread_is_that_of_errors_on_held_out_sites() -> None:
    sites = _sites(0)
    rows = sites.rows("test")
    made = Trees(sites, trees=60).predict(sites.some(rows))
    assert made.spread is not None
    known = np.isfinite(sites.targets[rows])
    inside = np.abs(made.pools - sites.targets[rows]) <= 1.645 * made.spread
    assert 0.75 < inside[known].mean() <= 1.0


def test_a_whole_case_is_spun_up_near_its_equilibrium() -> None:
    other = ToyLand.drawn(80, seed=5)
    spun: SpunUp[ToyState] = Trees(_sites(20), trees=30).run(other)
    nee = np.abs(other.run(spun.state, 1).nee[:, 0])
    bare = np.abs(other.run(other.cold_start(), 1).nee[:, 0])
    assert np.median(nee) < 0.1 * np.median(bare)
