"""How fast inputs fade, which way they push, which days hold most."""

from __future__ import annotations

import numpy as np
import pytest

from catena.explainer.report.memory import direction, efolding, season_month, shortest_span

DAYS = np.arange(90)


@pytest.mark.parametrize("days", [2.0, 7.0, 30.0, 80.0])
def test_efolding_of_an_exponential_is_its_constant(days: float) -> None:
    assert efolding(3.0 * np.exp(-DAYS / days), DAYS) == pytest.approx(days, rel=0.04)


def test_a_floor_of_noise_does_not_lengthen_a_short_memory() -> None:
    noise = 0.05 + 0.02 * np.random.default_rng(0).random(90)
    profile = np.exp(-DAYS / 4.0) + noise
    line = np.polyfit(DAYS, np.log(profile), 1)
    assert efolding(profile, DAYS) == pytest.approx(4.0, rel=0.1)
    assert -1 / line[0] > 20  # what a straight line through logarithms would say


def test_the_order_of_the_days_does_not_matter() -> None:
    profile = np.exp(-DAYS / 9.0)
    assert efolding(profile[::-1], DAYS[::-1]) == efolding(profile, DAYS)


def test_a_profile_that_does_not_fall_has_the_longest_memory() -> None:
    assert efolding(1.0 + DAYS.astype(float), DAYS) == pytest.approx(4 * 89)


def test_nothing_and_too_little_have_no_memory() -> None:
    assert np.isnan(efolding(np.zeros(90), DAYS))
    assert np.isnan(efolding(np.array([1.0, 0.5, np.nan, 0.1]), DAYS[:4]))
    assert np.isnan(efolding(np.full(90, np.nan), DAYS))


def test_direction_of_a_linear_model_is_the_sign_of_its_weight() -> None:
    value = np.random.default_rng(0).standard_normal((50, 6))
    weight = np.array([1.0, 0.2, 3.0, 0.0, 0.5, 0.1])
    # baselines far from the samples make every contribution positive; the direction stays
    assert direction(weight * (value + 10.0), value) == pytest.approx(1.0)
    assert direction(-weight * (value + 10.0), value) == pytest.approx(-1.0)


def test_direction_of_shuffled_inputs_is_near_zero() -> None:
    rng = np.random.default_rng(1)
    value = rng.standard_normal((200, 30))
    assert abs(direction(rng.permuted(value, axis=0), value)) < 0.1


def test_direction_leaves_missing_inputs_out() -> None:
    value = np.random.default_rng(2).standard_normal((20, 3))
    contribution = 2.0 * value
    contribution[:, 1] = np.nan
    value[3, 0] = np.nan
    assert direction(contribution, value) == pytest.approx(1.0)
    assert np.isnan(direction(np.zeros((20, 3)), value))


def test_southern_months_are_half_a_year_off() -> None:
    days = np.array(["2011-01-15", "2011-06-30", "2011-07-01", "2011-12-31"], "datetime64[D]")
    assert season_month(days, 45.0).tolist() == [1, 6, 7, 12]
    assert season_month(days, -45.0).tolist() == [7, 12, 1, 6]


def test_the_shortest_span_is_found_by_trying_all() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        profile = rng.random(12) ** 3
        runs = [
            (j - i, -profile[i : j + 1].sum(), i, j)
            for i in range(12)
            for j in range(i, 12)
            if profile[i : j + 1].sum() >= 0.5 * profile.sum()
        ]
        assert shortest_span(profile) == min(runs)[2:]
    assert shortest_span(np.zeros(5)) is None
    assert shortest_span(np.array([0.0, np.nan, 2.0, 0.0])) == (2, 2)
