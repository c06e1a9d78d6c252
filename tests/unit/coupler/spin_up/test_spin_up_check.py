"""Bad spin-ups are caught, site by site, and the run still ends at equilibrium."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest
from support.linear_land import LAYOUT, LinearLand, LinearState
from support.spin_up_cases import case

from catena.coupler.spin_up.case import Floats, Sites, Stretch
from catena.coupler.spin_up.check import AS_IT_WAS, NATIVE, POLISHED, CheckPlan, check_and_fall_back
from catena.coupler.spin_up.judge import Criterion, judge
from catena.coupler.spin_up.native import Native
from catena.coupler.spin_up.plug_in import SpunUp
from catena.coupler.spin_up.sasu import Sasu
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest

LITTER = np.array([100.0, 350.0, 20.0, 700.0])
LONG = Native(ad_years=400, final_years=400)
PLAN = CheckPlan(polish=0, chunk_cycles=5, native=LONG)


def spun(pools: Floats | None = None, **more: Any) -> tuple[LinearLand, SpunUp[LinearState]]:
    """A method that took 20 years; by default it found the equilibrium."""
    land = LinearLand(LITTER)
    values = land.equilibrium() if pools is None else pools
    return land, SpunUp(LinearState(values), np.full(4, 20.0), **more)


def at_equilibrium(land: LinearLand, pools: Floats) -> None:
    assert (np.abs(land.run(LinearState(pools), 1).nee) < 1.0).all()


def test_a_good_spin_up_passes_as_it_was() -> None:
    land, good = spun()
    checked = check_and_fall_back(land, good, PLAN)
    assert checked.used == (AS_IT_WAS,) * 4
    assert checked.why == ((),) * 4
    assert checked.passed_first.all()
    assert checked.years.tolist() == [40.0] * 4
    assert np.abs(checked.nee_before).max() < 1e-6
    assert str(checked).startswith("4 sites: 4 as it was, 0 polished, 0 native; 4 passed at first")
    assert land.cost.site_years == 4 * 20


def planted(kind: str) -> Floats:
    """Pools of a bad method."""
    made = LinearLand(LITTER).equilibrium()
    if kind == "three times the pools":
        made[:, :3] *= 3.0
    elif kind == "shuffled sites":
        made = made[[3, 2, 1, 0]]
    elif kind == "one site NaN":
        made[1] = np.nan
    elif kind == "one pool NaN":
        made[1, 2] = np.nan
    elif kind == "one pool negative":
        made[1, 1] *= -1.0
    elif kind == "one pool infinite":
        made[1, 0] = np.inf
    return made


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        ("three times the pools", [0, 1, 2, 3]),
        ("shuffled sites", [0, 1, 2, 3]),
        ("one site NaN", [1]),
        ("one pool NaN", [1]),
        ("one pool negative", [1]),
        ("one pool infinite", [1]),
    ],
)
def test_a_planted_bad_method_is_caught_and_the_run_ends_at_equilibrium(
    kind: str, caught: list[int]
) -> None:
    land, bad = spun(planted(kind))
    checked = check_and_fall_back(land, bad, PLAN)
    assert [n for n, why in enumerate(checked.why) if why] == caught
    assert np.flatnonzero(~checked.passed_first).tolist() == caught
    assert checked.passed.all()
    assert [n for n, used in enumerate(checked.used) if used == NATIVE] == caught
    assert (checked.years[caught] > 40.0).all()
    others = np.setdiff1d(np.arange(4), caught)
    assert (checked.years[others] == 40.0).all()
    at_equilibrium(land, checked.pools)


def test_without_the_fallback_a_bad_method_stays_bad() -> None:
    """The drill can fail: what mends it is the fallback and nothing else."""
    land, bad = spun(planted("three times the pools"))
    checked = check_and_fall_back(land, bad, replace(PLAN, tries=0))
    assert not checked.passed.any()
    assert "soil" not in checked.why[0][0]
    assert checked.why[0][0].startswith("NEE +")
    assert "passivec drifts" in checked.why[3][1] or "slowc drifts" in checked.why[3][1]


def test_a_little_native_spin_up_is_enough_for_a_near_miss() -> None:
    pools = LinearLand(LITTER).equilibrium()
    pools[1, 1] *= 1.02
    land, near = spun(pools)
    checked = check_and_fall_back(land, near, PLAN)
    assert np.flatnonzero(~checked.passed_first).tolist() == [1]
    assert 40.0 < checked.years[1] <= 140.0


def test_what_leads_nowhere_begins_again_from_bare_ground() -> None:
    land, bad = spun(planted("three times the pools"))
    plan = replace(PLAN, patience=1, criterion=Criterion(nee=0.5))
    checked = check_and_fall_back(land, bad, plan)
    assert checked.passed.all()
    # 20 of the method, 20 of the check, one try, the native spin-up, one try or more.
    assert (checked.years[[1, 3]] >= 20 + 20 + 50 + 800 + 50).all()


def test_pools_that_drift_against_each_other_are_caught() -> None:
    """NEE is near 0 while litter goes into the soil: the sum alone would pass."""
    pools = LinearLand(LITTER).equilibrium()
    stretch = Stretch(
        LinearState(pools), 1, np.zeros((4, 1)), np.zeros((4, 1)), {}, pools + [[40.0, -40.0, 0, 0]]
    )
    found = judge(stretch, pools, 10, LAYOUT)
    np.testing.assert_allclose(found.drift, 4.0)
    assert not found.passes(Criterion()).any()
    assert found.why(0, Criterion(), LAYOUT) == ("litterc drifts by 4 gC m-2 yr-1",)
    assert found.passes(Criterion(drift=5.0)).all()


def test_a_rhythm_of_several_cycles_is_judged_as_a_whole() -> None:
    pools = LinearLand(LITTER).equilibrium()
    nee = np.tile([3.0, -1.4, -1.3], (4, 1))
    whole = np.full_like(nee, pools[:, :3].sum(axis=1).min())
    stretch = Stretch(LinearState(pools), 3, nee, whole, {}, pools)
    assert judge(stretch, pools, 30, LAYOUT).passes(Criterion()).all()
    one = Stretch(LinearState(pools), 1, nee[:, :1], whole[:, :1], {}, pools)
    assert not judge(one, pools, 10, LAYOUT).passes(Criterion()).any()
    lost = Stretch(LinearState(pools), 3, nee * np.nan, whole, {}, pools * np.nan)
    assert not judge(lost, pools, 30, LAYOUT).passes(Criterion()).any()


class Rhythm(LinearLand):
    """Every other cycle gives back what the one before has taken up."""

    swing = np.array([0.0, 1.5, 1.5, 4.0])
    ran = 0

    def run(self, state: LinearState, cycles: int, **modes: Any) -> Stretch[LinearState]:
        made = super().run(state, cycles, **modes)
        signs = np.where((self.ran + np.arange(cycles)) % 2 == 0, 1.0, -1.0)
        type(self).ran += cycles
        return replace(made, nee=made.nee + self.swing[: self.sites, np.newaxis] * signs)

    def part(self, sites: Sites) -> Self:
        made = super().part(sites)
        made.swing = self.swing[sites]
        return made


def test_a_site_that_is_near_after_a_solution_settles_and_both_cycles_count() -> None:
    land = Rhythm(LITTER)
    Rhythm.ran = 0
    good = SpunUp(LinearState(land.equilibrium()), np.full(4, 20.0))
    plan = CheckPlan(polish=1, chunk_cycles=4, tries=2, native=LONG)
    checked = check_and_fall_back(land, good, plan)
    assert checked.passed.all()
    # One solution after the settling cycle, one cycle that is near, one more: judged together.
    assert checked.used[1] == checked.used[2] == POLISHED
    np.testing.assert_allclose(checked.nee[1:3], 0.0, atol=0.05)
    # A swing beyond twice the limit is not near: the fallback's even number of cycles balances it.
    assert checked.used == (AS_IT_WAS, POLISHED, POLISHED, NATIVE)


def test_small_fluxes_of_what_has_hardly_grown_are_no_equilibrium() -> None:
    pools = LinearLand(LITTER).equilibrium()
    nee = np.array([[-0.5], [-0.5], [-0.005], [0.0]])
    carbon = np.array([[20.0], [2000.0], [0.1], [0.0]])
    found = judge(Stretch(LinearState(pools), 1, nee, carbon, {}, pools), pools, 10, LAYOUT)
    assert found.passes(Criterion()).tolist() == [False, True, True, True]
    (why,) = found.why(0, Criterion(), LAYOUT)
    assert why == "NEE -0.5 gC m-2 yr-1 of 20 gC m-2 in all: it has hardly grown"
    assert not found.why(1, Criterion(), LAYOUT)
    assert found.passes(Criterion(nee=900.0)).all()


def test_bare_ground_passes_by_no_way() -> None:
    """Seedlings breathe less than the limits: by that alone a tenth of a per cent would do."""
    made = case(members=1, cells=3, years=2)
    right = made.stocks(Native().run(made).state).carbon
    bare = SpunUp(made.cold_start(), np.zeros(made.sites))
    for unfamiliar in (0.5, np.inf):
        spun = replace(bare, unfamiliar=np.full(made.sites, unfamiliar))
        checked = check_and_fall_back(made, spun, CheckPlan(polish=0, patience=1))
        assert checked.passed.all()
        np.testing.assert_allclose(made.stocks(checked.state).carbon, right, rtol=0.02)
        assert checked.used == (NATIVE,) * 3


def test_what_is_unlike_anything_learned_is_not_trusted() -> None:
    land, strange = spun(unfamiliar=np.array([0.3, 1.0, 1.7, np.nan]))
    checked = check_and_fall_back(land, strange, PLAN)
    assert np.flatnonzero(~checked.passed_first).tolist() == [2, 3]
    assert checked.why[2] == ("unlike what was learned (1.7)",)
    assert checked.used == (AS_IT_WAS, AS_IT_WAS, NATIVE, NATIVE)
    assert checked.passed.all()


def test_the_matrix_polishes_what_the_settling_cycle_shows_to_be_off() -> None:
    pools = LinearLand(LITTER).equilibrium()
    pools[[1, 3], :3] *= 1.15
    land, bad = spun(pools)
    plan = replace(PLAN, polish=1)
    checked = check_and_fall_back(land, bad, plan)
    assert checked.used == (AS_IT_WAS, POLISHED, AS_IT_WAS, POLISHED)
    assert checked.passed_first.all()
    assert checked.years.tolist() == [40.0] * 4
    np.testing.assert_allclose(checked.pools[:, :3], land.equilibrium()[:, :3], rtol=5e-3)
    blind = LinearLand(LITTER, has_cascade=False)
    assert POLISHED not in check_and_fall_back(blind, bad, plan).used


def test_what_is_unlike_anything_learned_is_not_polished_when_it_fails() -> None:
    pools = LinearLand(LITTER).equilibrium()
    pools[:, 2] *= 20.0
    land, bad = spun(pools, unfamiliar=np.array([0.3, 1.7, 0.3, 0.3]))
    plan = replace(PLAN, polish=2, settle_cycles=0, tries=0)
    checked = check_and_fall_back(land, bad, plan)
    assert checked.used == (POLISHED, AS_IT_WAS, POLISHED, POLISHED)
    assert checked.passed.tolist() == [True, False, True, True]
    assert checked.pools[1, 2] > 15.0 * land.equilibrium()[1, 2]


class Short(LinearLand):
    """In cycles of two years."""

    cycle_years = 2


def test_a_short_cycle_after_a_solution_is_not_the_last_word() -> None:
    """What the solution balances itself is followed by years that decide: ten in all."""
    land = Short(LITTER)
    pools = land.equilibrium()
    pools[[1, 3], 2] *= 1.15
    plan = replace(PLAN, polish=1, tries=0)
    checked = check_and_fall_back(land, SpunUp(LinearState(pools), np.full(4, 20.0)), plan)
    assert checked.passed_first.all()
    assert checked.used == (AS_IT_WAS, POLISHED, AS_IT_WAS, POLISHED)
    assert checked.years.tolist() == [24.0, 32.0, 24.0, 32.0]


def test_what_passes_by_its_solution_alone_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    land = Short(LITTER)
    pools = land.equilibrium()
    pools[[1, 3], 2] *= 1.15
    runs = iter(range(9))
    whole = Short.run

    def later_worse(self: Short, state: LinearState, cycles: int, **modes: bool) -> Any:
        made = whole(self, state, cycles, **modes)
        made.nee[...] += 40.0 * (next(runs) == 2)  # after settling and the first judgement
        return made

    monkeypatch.setattr(Short, "run", later_worse)
    plan = replace(PLAN, polish=1, tries=0)
    checked = check_and_fall_back(land, SpunUp(LinearState(pools), np.full(4, 20.0)), plan)
    assert checked.passed.tolist() == [True, False, True, False]
    assert checked.why[1][0].startswith("NEE +4")


def test_a_check_without_settling_judges_the_first_cycle() -> None:
    land, good = spun()
    checked = check_and_fall_back(land, good, replace(PLAN, settle_cycles=0))
    assert checked.years.tolist() == [30.0] * 4
    np.testing.assert_array_equal(checked.nee_before, checked.nee)


def test_a_site_that_can_not_run_is_left_with_its_cause() -> None:
    land = LinearLand(np.array([100.0, np.nan]))
    state = LinearState(np.nan_to_num(land.equilibrium(), nan=5.0))
    checked = check_and_fall_back(land, SpunUp(state, np.full(2, 20.0)), replace(PLAN, tries=3))
    assert checked.passed.tolist() == [True, False]
    assert checked.why[1]
    # Two cycles of the check, the native spin-up, and one try: no other could run either.
    assert checked.years[1] == 20 + 20 + 800 + 50


def test_a_state_of_accelerated_decomposition_is_not_checked() -> None:
    land, good = spun()
    accelerated = replace(good, state=replace(good.state, spinup_state=1))
    with pytest.raises(InvalidData, match="the other mode"):
        check_and_fall_back(land, accelerated, PLAN)
    with pytest.raises(FailedPrecondition, match="4 sites came for a case of 2"):
        check_and_fall_back(land.part(np.array([0, 1])), good, PLAN)


def test_plans_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="1 cycle a try"):
        CheckPlan(chunk_cycles=0)
    with pytest.raises(InvalidRequest, match="positive ones"):
        Criterion(nee=0.0)
    with pytest.raises(InvalidRequest, match="positive ones"):
        Criterion(drift=np.nan)


@pytest.mark.slow
def test_the_embedded_model_ends_at_equilibrium_whatever_a_method_made() -> None:
    """Three times the pools, shuffled sites and a broken one, in cells of four plants."""
    made = case(members=2, cells=3, years=2)
    good = Sasu(start_years=60, rounds=30, settle_years=10).run(made)
    pools = made.pools(good.state)
    soil = made.layout.at(["soil3c", "soil4c"])
    bad = np.full_like(pools, np.nan)
    bad[:, soil] = pools[[4, 3, 5, 1, 0, 2]][:, soil] * 3.0
    state = made.with_pools(good.state, bad)
    broken = state.values.copy()
    broken[2] = np.nan
    broken[3, 0, made._places._index[3, soil[0]]] = -50.0
    planted = replace(good, state=replace(state, values=broken))
    for polish in (0, 3):
        checked = check_and_fall_back(made, planted, CheckPlan(polish=polish, chunk_cycles=25))
        assert checked.passed.all()
        assert not checked.passed_first[[2, 3]].any()
        assert checked.why[3] == ("soil3c is -50",)
        assert (np.abs(checked.nee) < 1.0).all()
        # A free run from there on stays near; cycles of two years alone still swing.
        assert (np.abs(made.run(checked.state, 10).nee.mean(axis=1)) < 3.0).all()
        assert checked.state.spinup_state == 0
    assert not check_and_fall_back(made, planted, CheckPlan(polish=0, tries=0)).passed.any()
