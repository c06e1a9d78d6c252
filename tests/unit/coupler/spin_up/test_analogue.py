"""The nearest site that is known, and how far it is."""

from __future__ import annotations

import numpy as np
import pytest
from support.toy_land import ToyLand, ToyState

from catena.coupler.spin_up.analogue import Analogue
from catena.coupler.spin_up.sites_space import Features, Logarithms, nearest
from catena.coupler.spin_up.training_sites import training_sites

CASE = ToyLand.drawn(300)


@pytest.mark.parametrize("years", [0, 20])
def test_a_site_of_training_gets_its_own_pools(years: int) -> None:
    sites = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=years)
    method = Analogue(sites)
    rows = sites.rows("training")
    made = method.predict(sites.some(rows))
    own = np.isfinite(sites.targets[rows])
    np.testing.assert_allclose(made.pools[own], sites.targets[rows][own], rtol=1e-9)
    assert made.unfamiliar.max() < 1e-6


def test_a_plant_is_taken_from_the_nearest_site_that_has_it() -> None:
    sites = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=0)
    made = Analogue(sites).predict(sites.some(sites.rows("test")))
    own = sites.targets[sites.rows("training")]
    for column in range(own.shape[1]):
        known = own[np.isfinite(own[:, column]), column]
        away = np.abs(made.pools[:, [column]] - known).min(axis=1)
        assert (away <= 1e-6 * np.abs(known).max()).all()


def test_a_site_unlike_all_is_unfamiliar() -> None:
    sites = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=0)
    method = Analogue(sites)
    held_out = sites.some(sites.rows("test"))
    assert np.median(method.predict(held_out).unfamiliar) < 1.0
    strange = {**held_out, "climate": held_out["climate"] + 60.0}
    assert method.predict(strange).unfamiliar.min() > 2.0


def test_first_years_help() -> None:
    errors = []
    for years in (0, 20):
        sites = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=years)
        rows = sites.rows("test")
        made = Analogue(sites).predict(sites.some(rows)).pools[:, 1]
        errors.append(np.abs(np.log(made / sites.targets[rows, 1])).mean())
    assert errors[1] < 0.5 * errors[0]


def test_nearest_is_that_of_all_distances() -> None:
    rng = np.random.default_rng(0)
    rows, others = rng.normal(size=(40, 7)), rng.normal(size=(90, 7))
    place, away = nearest(rows, others)
    every = np.linalg.norm(rows[:, None] - others, axis=2)
    np.testing.assert_array_equal(place, every.argmin(axis=1))
    np.testing.assert_allclose(away, every.min(axis=1))


def test_kinds_weigh_alike_whatever_their_size() -> None:
    rng = np.random.default_rng(1)
    inputs = {"climate": rng.normal(size=(500, 12, 9)), "parameters": rng.normal(size=(500, 8))}
    rows = Features.of(inputs, {}).rows(inputs)
    weights = [(rows[:, :18] ** 2).sum(axis=1).mean(), (rows[:, 18:] ** 2).sum(axis=1).mean()]
    np.testing.assert_allclose(weights, 1.0, rtol=1e-6)


def test_logarithms_come_back_and_are_never_negative() -> None:
    rng = np.random.default_rng(2)
    pools = np.stack([rng.lognormal(5, 2, 50), rng.normal(0, 3, 50), np.zeros(50)], axis=1)
    scale = Logarithms.of(pools, [False, True, False])
    np.testing.assert_allclose(scale.pools(scale.shaped(pools)), pools, rtol=1e-9, atol=1e-9)
    far = scale.pools(scale.shaped(pools) - 100.0)
    assert (far[:, [0, 2]] == 0.0).all()
    assert (far[:, 1] < 0.0).all()
