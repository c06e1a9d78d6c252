"""Normal scores: where an observation lies among the quantiles of its own forecast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import kstest, norm

from catena.forecaster.forecasters import QUANTILES, Forecasts
from catena.forecaster.normal_scores import NormalScores, flow, root

SCALE = np.array([2.0, 0.5])
AT = ndtri(np.array(QUANTILES))


def said(centre: np.ndarray, doubt: float) -> Forecasts:
    """Forecasts whose scaled root is normal about `centre` (N, I, H)."""
    quantiles = flow(centre[..., None] + doubt * AT, SCALE)
    return Forecasts(flow(centre, SCALE), quantiles.astype(np.float32))


def test_a_quantile_has_the_score_of_its_level() -> None:
    centre = np.full((2, 3, 4), 5.0)
    made = said(centre, 0.7)
    space = NormalScores.of(made, SCALE)
    for number, wanted in enumerate(AT):
        assert made.quantiles is not None
        found = space.scores(made.quantiles[..., number])
        assert found == pytest.approx(np.full(centre.shape, wanted), abs=0.01)


def test_scores_of_a_forecaster_that_is_right_about_itself_are_standard_normal() -> None:
    rng = np.random.default_rng(3)
    centre = 6.0 + rng.random((2, 4000, 1))
    truth = flow(centre + 0.7 * rng.standard_normal(centre.shape), SCALE)
    scores = NormalScores.of(said(centre, 0.7), SCALE).scores(truth)
    assert kstest(scores.ravel(), norm.cdf).pvalue > 0.01


def test_without_quantiles_the_score_is_the_error_of_the_root() -> None:
    made = Forecasts(np.array([[[4.0, 9.0]], [[1.0, 0.25]]]))
    space = NormalScores.of(made, SCALE)
    truth = np.array([[[5.0, 100.0]], [[0.0, 0.3]]])
    wanted = root(truth, SCALE) - root(made.flow, SCALE)
    assert space.scores(truth) == pytest.approx(wanted, abs=1e-5)


@given(st.lists(st.floats(0.0, 50.0), min_size=9, max_size=9), st.floats(-6.0, 6.0))
def test_flow_of_a_score_has_that_score(values: list[float], score: float) -> None:
    """Whatever the quantiles, equal ones included; below zero there is no flow."""
    quantiles = np.sort(np.array(values, np.float32)).reshape(1, 1, 1, 9)
    space = NormalScores.of(Forecasts(quantiles[..., 4].astype(float), quantiles), np.ones(1))
    made = space.flow(np.full((1, 1, 1, 1), score))
    back = space.scores(made[..., 0])[0, 0, 0]
    if made.item() > 0.0:
        assert back == pytest.approx(score, abs=0.02)
    else:
        assert back >= score - 0.02


@given(st.lists(st.floats(0.0, 50.0), min_size=9, max_size=9))
def test_more_flow_never_has_a_lower_score(values: list[float]) -> None:
    quantiles = np.sort(np.array(values, np.float32)).reshape(1, 1, 1, 9)
    space = NormalScores.of(Forecasts(quantiles[..., 4].astype(float), quantiles), np.ones(1))
    every = [float(space.scores(np.full((1, 1, 1), y))[0, 0, 0]) for y in np.linspace(0, 60, 61)]
    assert (np.diff(every) >= 0).all()


def test_a_stream_that_is_dry_for_certain_is_in_the_middle_of_its_forecast() -> None:
    dry = np.zeros((2, 1, 1, 9), np.float32)
    scores = NormalScores.of(Forecasts(dry[..., 4].astype(float), dry), SCALE).scores(dry[..., 4])
    assert scores == pytest.approx(np.zeros((2, 1, 1)), abs=1e-6)


def test_what_is_missing_stays_missing() -> None:
    made = said(np.full((2, 2, 1), 3.0), 0.5)
    assert made.quantiles is not None
    made.quantiles[0, 0] = np.nan
    space = NormalScores.of(made, SCALE)
    truth = np.ones((2, 2, 1))
    truth[1, 1] = np.nan
    gone = np.array([[True, False], [False, True]])[..., None]
    assert np.array_equal(np.isnan(space.scores(truth)), gone)
    bounds = space.flow(np.zeros((2, 2, 1, 3)))
    assert np.isnan(bounds[0, 0]).all() and np.isfinite(bounds[0, 1]).all()
    assert np.isinf(space.flow(np.full((2, 2, 1, 1), np.inf))[0, 1]).all(), "no bound stays none"
