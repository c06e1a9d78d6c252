"""Scores of spin-ups, against what is known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from catena.ensemble_runner.spin_result import (
    ARRAYS,
    FAILED,
    SpunUpSites,
    familiar,
    joined,
    residual_years,
    validate,
    vegetated,
    verify,
)

SITES, NAMES = 400, ("soil1c", "soil4c")


def made(pools: np.ndarray, **changes: np.ndarray) -> SpunUpSites:
    sites = len(pools)
    fields = {name: np.zeros(sites) for name in ARRAYS}
    fields |= {"pools": pools, "ended": pools, "free_nee": np.zeros((sites, 2))}
    fields |= {"used": np.zeros(sites, np.int64), "spread": np.full(pools.shape, np.nan)}
    return SpunUpSites(**(fields | changes), cpu_s={"method": 1.0})


@pytest.fixture
def truth() -> SpunUpSites:
    random = np.random.default_rng(1)
    return made(np.exp(random.normal([5.0, 9.0], 0.5, (SITES, 2))))


def test_errors_of_a_known_size_have_a_known_r2(truth: SpunUpSites) -> None:
    random = np.random.default_rng(2)
    sd = 0.2 * truth.ended.std(axis=0)
    guess = truth.ended + random.normal(0.0, sd, truth.ended.shape)
    spread = np.broadcast_to(sd, guess.shape)
    found = verify(made(guess, spread=spread), truth, np.ones(SITES, bool), NAMES)
    assert found.sites == SITES
    for score in found.r2.values():
        assert score == pytest.approx(1 - 0.2**2, abs=0.01)
    assert found.coverage90 == pytest.approx(0.9, abs=0.03)
    assert found.median >= found.worst[1] and found.worst[0] in NAMES


def test_only_unseen_vegetated_sites_at_equilibrium_count(truth: SpunUpSites) -> None:
    pools = truth.ended.copy()
    pools[:50] = 0.0  # a desert: R2 of zeros would flatter
    used = np.zeros(SITES, np.int64)
    used[50:60] = FAILED
    there = made(pools, used=used)
    assert not vegetated(there)[:50].any() and vegetated(there)[50:].all()
    unseen = np.arange(SITES) < 200
    wrong = pools.copy()
    wrong[:60] = 1e6
    wrong[200:] = 1e6
    found = verify(made(wrong), there, unseen, NAMES)
    assert found.sites == 140
    assert all(score == 1.0 for score in found.r2.values())


def test_a_lost_site_is_not_forgiven(truth: SpunUpSites) -> None:
    guess = truth.ended.copy()
    guess[:40] = np.nan
    found = verify(made(guess), truth, np.ones(SITES, bool), NAMES)
    assert all(score < 0.7 for score in found.r2.values())


def test_what_is_unlike_all_that_was_learned_is_told_apart(truth: SpunUpSites) -> None:
    guess, unfamiliar = truth.ended.copy(), np.full(SITES, 0.5)
    guess[:40], unfamiliar[:40] = 0.0, np.inf
    unfamiliar[40], unfamiliar[41] = 1.0, 1.2
    here = made(guess, unfamiliar=unfamiliar)
    assert familiar(here).sum() == SITES - 41
    every, known = (
        verify(here, truth, some, NAMES) for some in (np.ones(SITES, bool), familiar(here))
    )
    assert max(every.r2.values()) < 0.7 and min(known.r2.values()) == 1.0
    assert familiar(made(guess, unfamiliar=np.full(SITES, np.nan))).all(), "nothing was learned"


def test_pools_of_few_sites_or_without_contrast_have_no_score(truth: SpunUpSites) -> None:
    pools = truth.ended.copy()
    pools[:, 0] = 100.0
    pools[5:, 1] = np.nan
    assert verify(made(pools), made(pools), np.ones(SITES, bool), NAMES).r2 == {}


def test_a_free_run_is_judged_by_whole_cycles() -> None:
    nee = np.array([[5.0, -5.0], [0.5, 0.4], [3.0, 3.0], [np.nan, np.nan]])
    drift = np.array([0.0, 2.0, 0.0, np.nan])
    found = validate(nee, drift, 1.0)
    assert found.within == 0.25, "cycles that balance pass; drift, NEE and failure do not"
    assert found.nee_abs_median == pytest.approx(0.45)
    assert validate(nee, drift, 1.0, np.zeros(4, bool)).sites == 0


def test_blocks_are_put_back_where_they_belong(truth: SpunUpSites) -> None:
    order = np.random.default_rng(3).permutation(SITES)
    parts = []
    for rows in (order[:100], order[100:]):
        own = made(truth.ended[rows])
        parts.append((rows, SpunUpSites.of(own.arrays(), own.about() | {"why": {"7": "NEE"}})))
    whole = joined(parts, SITES)
    np.testing.assert_array_equal(whole.ended, truth.ended)
    assert set(whole.why) == {int(order[7]), int(order[107])} and whole.cpu_s == {"method": 2.0}


def test_years_that_are_missing_are_without_end_where_equilibrium_is() -> None:
    used = np.array([0, 2, FAILED])
    found = residual_years(made(np.ones((3, 2)), used=used, fallback_years=np.array([0, 50, 300])))
    assert found.tolist() == [0.0, 50.0, np.inf]
