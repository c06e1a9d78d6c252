"""Whatever a method predicts, what is put in can be; and nothing of the acceleration stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.toy_land import SLOW, ToyLand, ToyState

from catena.coupler.spin_up.learned import POOREST, RICHEST, Guess, Learned
from catena.coupler.spin_up.training_sites import training_sites
from catena.shared.errors import FailedPrecondition, InvalidData


class _Says(Learned):
    """Predicts given numbers."""

    name: ClassVar[str] = "says"

    def __init__(self, about: Mapping[str, Any], pools: Any, **options: Any) -> None:
        super().__init__(about, **options)
        self.pools = pools
        self.seen: dict[str, Any] = {}

    def predict(self, inputs: Mapping[str, Any]) -> Guess:
        self.seen = dict(inputs)
        return Guess(self.pools, np.full(len(self.pools), 0.5), np.abs(self.pools) * 0.1)


CASE = ToyLand.drawn(60)
ABOUT = {
    years: training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=years).about
    for years in (0, 20)
}
numbers = st.one_of(
    st.floats(width=64),
    st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, -1e-12, 1e300, 5e-324, 1e-3, 100.0]),
)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (60, 6), elements=numbers), st.sampled_from([0, 20]))
def test_whatever_is_predicted_the_state_can_be(pools: Any, years: int) -> None:
    spun = _Says(ABOUT[years], pools).run(CASE)
    assert spun.state.spinup_state == 0
    values = spun.state.values
    # A site has the pools of its own plant, and no others.
    np.testing.assert_array_equal(np.isnan(values), np.isnan(CASE.equilibrium()))
    signed = [pool.signed for pool in CASE.layout.pools]
    own = np.isfinite(values)
    assert (values[:, ~np.array(signed)][own[:, ~np.array(signed)]] >= 0.0).all()
    assert spun.unfamiliar is not None
    taken = np.isfinite(spun.unfamiliar)
    carbon, nitrogen = values[taken, 0], values[taken, 2]
    assert (nitrogen * POOREST + 1e-300 >= carbon * (1 - 1e-9)).all()
    assert (nitrogen * RICHEST <= carbon * (1 + 1e-9)).all()
    # What was not predicted whole is left to the native spin-up, and told.
    whole = (np.isfinite(pools) | ~own).all(axis=1)
    assert not taken[~whole].any()
    assert bool(spun.notes) == (not taken.all())
    CASE.run(spun.state, 1)


def test_a_plant_owes_less_carbon_than_it_has() -> None:
    said = CASE.equilibrium()
    oak = np.isfinite(said[:, 4])
    said[oak, 4] = -10.0 * said[oak, 3]
    values = _Says(ABOUT[0], said).run(CASE).state.values
    np.testing.assert_array_equal(values[oak, 4], -0.5 * said[oak, 3])


@pytest.mark.parametrize("years", [0, 20])
def test_what_can_be_is_put_in_as_it_is_and_nothing_is_multiplied(years: int) -> None:
    truth = CASE.equilibrium()
    spun = _Says(ABOUT[years], truth).run(CASE)
    np.testing.assert_array_equal(spun.state.values, truth)
    assert spun.state.values[0, SLOW] == truth[0, SLOW]
    assert (spun.years == years).all()
    # An equilibrium of the free run, not of the accelerated one.
    assert np.abs(CASE.run(spun.state, 1).nee).max() < 1e-9


def test_the_variant_without_years_runs_nothing() -> None:
    case = ToyLand.drawn(60)
    method = _Says(ABOUT[0], case.equilibrium())
    method.run(case)
    assert case.runs == []
    assert set(method.seen) == {"climate", "static", "parameters", "plants"}


def test_years_that_are_read_are_run_in_acceleration_and_left_by_the_swap_alone() -> None:
    case = ToyLand.drawn(60)
    method = _Says(ABOUT[20], case.equilibrium())
    method.run(case)
    assert case.runs == [(1, True, True), (1, True, False)]
    first = case.run(case.run(case.cold_start(), 1, accelerated=True, supplement=True).state, 1,
                     accelerated=True)  # fmt: skip
    np.testing.assert_array_equal(method.seen["states"], first.pools)
    assert case.cost.cpu_s > 0.0


def test_sites_that_failed_stay_failed_and_are_told() -> None:
    case = ToyLand.drawn(60, failing=(3,))
    spun = _Says(ABOUT[20], CASE.equilibrium()).run(case)
    assert np.isnan(spun.state.values[3]).all()
    assert "1 sites failed" in spun.notes[0]


def test_a_case_with_less_plants_is_put_in_by_name() -> None:
    case = ToyLand.drawn(60, pools_of_plants=("grass",))
    case.oak[:] = False
    whole = np.full((60, 6), 777.0)
    whole[:, [0, 1, 2, 5]] = case.equilibrium()
    spun = _Says(ABOUT[20], whole).run(case)
    np.testing.assert_array_equal(spun.state.values, case.equilibrium())
    assert spun.spread is not None
    np.testing.assert_allclose(spun.spread, 0.1 * case.equilibrium())


def test_plants_that_were_not_learned_are_refused_or_left_to_the_native_spin_up() -> None:
    grass = ToyLand.drawn(60)
    grass.oak[:] = False
    about = training_sites(grass, ToyState(grass.equilibrium())).about
    said = np.nan_to_num(CASE.equilibrium()[:, [0, 1, 2, 5]], nan=1.0)
    with pytest.raises(FailedPrecondition, match="not learned: oak"):
        _Says(about, said).run(CASE)
    spun = _Says(about, said, strange_plants="fall back").run(CASE)
    assert spun.unfamiliar is not None
    np.testing.assert_array_equal(np.isinf(spun.unfamiliar), CASE.oak)
    assert "left to the native spin-up" in spun.notes[0]


def test_another_case_is_refused_before_anything_is_run() -> None:
    case = ToyLand.drawn(60, version="2")
    method = _Says(ABOUT[20], case.equilibrium())
    with pytest.raises(FailedPrecondition, match="version of the land model"):
        method.run(case)
    assert case.runs == []


def test_a_method_that_does_not_say_what_it_learned_is_refused() -> None:
    with pytest.raises(InvalidData, match="does not say for which case"):
        _Says({"pools": []}, np.zeros((1, 1)))


def test_pools_are_never_put_into_an_accelerated_state() -> None:
    state = CASE.run(CASE.cold_start(), 1, accelerated=True).state
    with pytest.raises(FailedPrecondition):
        CASE.with_pools(state, CASE.equilibrium())
    assert CASE.with_pools(replace(CASE.leave_ad(state)), CASE.equilibrium()).spinup_state == 0
