"""Native, analytic and accelerated spin-ups end where the model itself goes in the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.linear_land import LinearLand, LinearState
from support.spin_up_cases import case

from catena.coupler.spin_up import anderson
from catena.coupler.spin_up.anderson import Anderson, mixed
from catena.coupler.spin_up.case import Cascade, Floats, Sites, Stretch
from catena.coupler.spin_up.native import Native
from catena.coupler.spin_up.plug_in import SpinUp, spin_up_method, spin_ups
from catena.coupler.spin_up.sasu import Sasu, can_live, steady_pools, steady_state
from catena.shared.errors import FailedPrecondition, InvalidRequest, NotFound

LITTER = np.array([100.0, 350.0, 20.0, 900.0])


def distance(land: LinearLand, pools: Floats) -> float:
    """Largest relative error of a pool."""
    return float(np.abs(pools[:, :3] / land.equilibrium()[:, :3] - 1.0).max())


def test_methods_are_found_by_name() -> None:
    assert {"native", "sasu", "anderson"} <= set(spin_ups())
    for name in ("native", "sasu", "anderson"):
        found = spin_up_method(name)
        assert issubclass(found, SpinUp)
        assert found.name == name
    with pytest.raises(NotFound, match=r"no spin-up 'magic'; installed are .*native"):
        spin_up_method("magic")


def test_lengths_of_a_native_spin_up_are_whole_cycles() -> None:
    land = LinearLand(LITTER)
    spun = Native(ad_years=21, final_years=11, supplemented_years=5).run(land)
    assert spun.years.tolist() == [50.0] * 4
    assert land.cost.site_years == 4 * 50
    assert spun.state.spinup_state == 0
    assert Native(ad_years=0, final_years=5).run(land).years[0] == 10.0
    with pytest.raises(InvalidRequest, match="one stage at least"):
        Native(0, 0)


def test_each_method_finds_a_known_equilibrium() -> None:
    """Slow carbon lives for 500 years: centuries as it is are not enough, the methods are."""
    land = LinearLand(LITTER)
    plain = Native(ad_years=0, final_years=450).run(land)
    assert distance(land, land.pools(plain.state)) > 0.3
    analytic = Sasu(start_years=10, rounds=5, settle_years=10).run(land)
    assert distance(land, land.pools(analytic.state)) < 1e-3
    assert analytic.years[0] == 70.0
    faster = Anderson(start_years=10, cycles=20, depth=3).run(land)
    assert distance(land, land.pools(faster.state)) < 1e-3
    assert faster.years[0] == 210.0


def test_the_analytic_way_needs_a_matrix_and_the_black_box_does_not() -> None:
    land = LinearLand(LITTER, has_cascade=False)
    with pytest.raises(FailedPrecondition, match="'sasu' needs the matrix"):
        Sasu().run(land)
    spun = Anderson(start_years=10, cycles=20, depth=3).run(land)
    assert distance(land, land.pools(spun.state)) < 1e-3


def test_the_steady_state_is_that_of_the_matrix() -> None:
    """Two pools in closed form; a site that lacks a pool or loses nothing says so."""
    matrix = np.repeat(np.array([[[-1.0, 0.0], [0.3, -1.0]]]), 3, axis=0)
    losses = np.array([[0.1, 0.01], [0.1, np.nan], [0.0, 0.01]])
    litter = np.array([[2.0, 0.5], [2.0, np.nan], [2.0, 0.5]])
    got = steady_state(Cascade(matrix, losses, litter, np.ones_like(losses), ("a", "b")))
    np.testing.assert_allclose(got[0], [20.0, (0.3 * 2.0 + 0.5) / 0.01], rtol=1e-12)
    assert got[1, 0] == pytest.approx(20.0)
    assert np.isnan(got[1, 1])
    assert np.isnan(got[2]).all()


def test_what_hardly_decays_keeps_its_pool() -> None:
    land = LinearLand(LITTER)
    stretch = land.run(land.with_pools(land.cold_start(), land.equilibrium()), 1)
    assert stretch.cascade is not None
    stretch.cascade.losses[2, 2] = 1e-300
    made = steady_pools(stretch, land.layout, 10)
    assert np.isnan(made[2, 2])
    assert np.isfinite(made[[0, 1, 3], 2]).all() and not np.isinf(made).any()


def test_a_site_that_dies_keeps_its_soil() -> None:
    """Its steady state is nothing, from which no run can begin."""
    made = case(members=2, cells=2, years=2)
    run = made.run(Native(ad_years=40, final_years=2).run(made).state, 1)
    assert run.cascade is not None
    litter = run.cascade.litter.copy()
    litter[1] *= 1e-6
    dies = replace(run, cascade=replace(run.cascade, litter=litter))
    pools = steady_pools(dies, made.layout, made.cycle_years)
    assert np.isnan(pools[1]).all() and not np.isnan(pools[0]).all()
    assert made.run(made.with_pools(run.state, pools), 1).failed == {}
    # Debts of a plant count: what is left of the column has to be more than they are.
    wood = made.layout.names.index("soil4c")
    few = np.full_like(run.pools, np.nan)
    few[:, :wood] = 0.0
    few[:, wood] = 60.0
    assert can_live(few, np.zeros_like(run.pools), made.layout).all()
    owing = np.where([pool.signed for pool in made.layout.pools], -20.0, 0.0)
    assert not can_live(few, np.broadcast_to(owing, few.shape), made.layout).any()


def test_the_analytic_state_leaves_an_equilibrium_alone() -> None:
    """Means of a cycle are no state at its end; the ratio of means is."""
    land = LinearLand(LITTER)
    state = land.with_pools(Native(200, 400).run(land).state, land.equilibrium())
    settled = land.run(state, 40)
    pools = steady_pools(settled, land.layout, 10)
    np.testing.assert_allclose(pools[:, :3], settled.pools[:, :3], rtol=1e-6)


def test_mixing_solves_a_linear_map_in_as_many_steps_as_it_has_directions() -> None:
    """x -> M x + b with three slow directions of twelve: after six steps the fixed point."""
    random = np.random.default_rng(3)
    axes = np.linalg.qr(random.normal(size=(12, 12)))[0]
    values = np.concatenate([[0.99, 0.97, 0.9], np.zeros(9)])
    matrix = axes @ np.diag(values) @ axes.T
    target = random.normal(size=12)
    constant = target - matrix @ target
    x = [random.normal(size=12)]
    g = [matrix @ x[0] + constant]
    for _ in range(6):
        dx = np.diff(np.array(x), axis=0).reshape(1, -1, 12)
        df = np.diff(np.array(g) - np.array(x), axis=0).reshape(1, -1, 12)
        step = mixed(g[-1][None], (g[-1] - x[-1])[None], dx, df, np.ones((1, 12)))[0]
        x.append(step)
        g.append(matrix @ step + constant)
    assert np.abs(x[-1] - target).max() < 1e-5
    plain = x[0]
    for _ in range(50):
        plain = matrix @ plain + constant
    assert np.abs(plain - target).max() > 0.1


def test_a_bad_guess_is_given_up_and_the_site_goes_on_from_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land = LinearLand(LITTER)
    few = 6
    # The plain way to the same number of cycles that were not thrown away.
    start = Native(ad_years=10, final_years=0).run(land).state

    def wild(g: Floats, *_: object) -> Floats:
        return g + np.array([0.9, -0.9, 0.9, 0.0])

    monkeypatch.setattr(anderson, "mixed", wild)
    spun = Anderson(start_years=10, cycles=2 * few, depth=3).run(land)
    plain = land.run(start, few).pools
    given_up = int(spun.notes[0].split()[0])
    assert given_up >= 4 * (few - 1)
    # Never worse than where the plain iteration stands after the cycles that count.
    wild_error = np.abs(np.log(land.pools(spun.state)[:, :3] / land.equilibrium()[:, :3]))
    plain_error = np.abs(np.log(plain[:, :3] / land.equilibrium()[:, :3]))
    assert (wild_error.max(axis=1) <= plain_error.max(axis=1) + 0.2).all()


class Together(LinearLand):
    """Its sites run together only, as the cells of a case of ELM."""

    divisible = False

    def take(self, state: LinearState, sites: Sites) -> LinearState:
        assert sites.tolist() == list(range(self.sites))
        return state

    def put(self, state: LinearState, sites: Sites, part: LinearState) -> LinearState:
        assert sites.tolist() == list(range(self.sites))
        return part


def wild_once(monkeypatch: pytest.MonkeyPatch, number: int, step: float) -> None:
    """One guess of the first site is far off."""
    right, calls = anderson.mixed, iter(range(100))

    def made(g: Floats, *rest: Floats) -> Floats:
        guess = right(g, *rest)
        guess[0] += step * (next(calls) == number)
        return guess

    monkeypatch.setattr(anderson, "mixed", made)


def test_sites_that_run_together_go_back_together(monkeypatch: pytest.MonkeyPatch) -> None:
    wild_once(monkeypatch, 10, 3.0)
    land = Together(LITTER)
    spun = Anderson(start_years=10, cycles=24, depth=3, largest=5.0).run(land)
    given_up = int(spun.notes[0].split()[0])
    assert given_up == 12, "four sites, three times: one of them for the wild guess"
    assert distance(land, land.pools(spun.state)) < 1e-3


class Frail(LinearLand):
    """Too much litter breaks its run."""

    def run(self, state: LinearState, cycles: int, **modes: bool) -> Stretch[LinearState]:
        broken = state.values.copy()
        broken[broken[:, 0] > 1e6] = np.nan
        return super().run(replace(state, values=broken), cycles, **modes)


def test_a_guess_that_cannot_be_run_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    wild_once(monkeypatch, 10, 20.0)
    land = Frail(LITTER)
    spun = Anderson(start_years=10, cycles=24, depth=3, largest=30.0).run(land)
    assert int(spun.notes[0].split()[0]) > 8, "the sound guesses that are given up without it"
    assert distance(land, land.pools(spun.state)) < 1e-3


@pytest.mark.parametrize("wrong", [{"worse": -1.0}, {"worse": np.nan}, {"largest": np.nan}])
def test_limits_of_the_safeguard_are_positive_numbers(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest, match="a positive step and growth were wanted"):
        Anderson(**wrong)  # type: ignore[arg-type]


def test_pools_stay_positive_under_acceleration(monkeypatch: pytest.MonkeyPatch) -> None:
    land = LinearLand(LITTER)
    given: list[Floats] = []
    true = LinearLand.with_pools

    def watched(self: LinearLand, state: object, pools: Floats) -> object:
        given.append(pools)
        return true(self, state, pools)  # type: ignore[arg-type]

    monkeypatch.setattr(LinearLand, "with_pools", watched)
    Anderson(start_years=10, cycles=10).run(land)
    assert len(given) == 9
    for pools in given:
        assert ((pools[:, :3] > 0.0) | np.isnan(pools[:, :3])).all()  # NaN: a guess given up
        assert np.isnan(pools[:, 3]).all()  # signed: left as the run leaves it


def test_a_failed_site_does_not_spoil_the_others() -> None:
    litter = LITTER.copy()
    litter[1] = np.nan
    for method in (Sasu(10, 3, 10), Anderson(10, 14, 3), Native(100, 50)):
        whole = LinearLand(litter)
        sound = np.array([0, 2, 3])
        alone = LinearLand(LITTER[sound])
        got = whole.pools(method.run(whole).state)
        np.testing.assert_allclose(got[sound], alone.pools(method.run(alone).state), rtol=1e-12)
        assert np.isnan(got[1]).any()


@pytest.mark.slow
def test_the_embedded_model_reaches_its_own_equilibrium_by_each_way() -> None:
    """Weather of one year over and over: analytic and accelerated states against 2,000 years."""
    made = case(members=2, cells=1, years=1)
    long = made.pools(Native(ad_years=300, final_years=2000).run(made).state)
    soil = made.layout.at(["soil3c", "soil4c", "cwdc"])
    for method, error in (
        (Native(250, 200), 0.02),
        (Sasu(start_years=150, rounds=60, settle_years=20), 0.03),
        (Anderson(start_years=150, cycles=60), 0.03),
    ):
        spun = method.run(made)
        judged = made.run(spun.state, 1)
        assert (np.abs(judged.nee) < 1.0).all(), method.name
        found = made.pools(spun.state)
        np.testing.assert_allclose(found[:, soil], long[:, soil], rtol=error, err_msg=method.name)
