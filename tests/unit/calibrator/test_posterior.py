from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linear_model import exact_posterior, linear_surrogate

from catena.calibrator.posterior import Draws, Posterior
from catena.calibrator.posterior_fit import fit_posterior
from catena.calibrator.prior import Prior
from catena.shared.errors import InvalidData

SLOPE = np.array([[1.0, 0.0, 0.5], [0.2, 1.0, 0.0], [0.0, 0.3, 1.0]])
EVERY = ["sir", "generator", "generator_reweighted", "auto"]
VALUES, ERROR = np.array([0.1, -0.2, 0.15]), np.full(3, 0.1)


@pytest.fixture(scope="module")
def posterior(prior: Prior) -> Posterior:
    return fit_posterior(
        linear_surrogate(prior, SLOPE, 0.002), seed=3, bank_size=2**15, labels=2048
    )


def same(a: Draws, b: Draws) -> bool:
    return a.method_used == b.method_used and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("values", "effective_size", "out_of_range", "distance_sd")
    )


@pytest.mark.parametrize("method", EVERY)
def test_draws_follow_the_exact_posterior(posterior: Posterior, method: str) -> None:
    mean, covariance = exact_posterior(SLOPE, VALUES, ERROR**2 + 0.002)
    draws = posterior.sample(VALUES, ERROR, draws=4000, method=method, seed=1)
    unit = posterior.surrogate.prior.to_unit(draws.values[0])
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(unit.mean(0) - mean) < 0.12 * sd).all()
    np.testing.assert_allclose(unit.std(0), sd, rtol=0.1)


@pytest.mark.parametrize("method", EVERY)
@given(
    values=st.lists(st.floats(-50, 50), min_size=3, max_size=3),
    error=st.floats(1e-4, 1e3),
    seed=st.integers(-(2**63), 2**63 - 1),
)
@settings(max_examples=15)
def test_every_draw_is_inside_the_box_whatever_was_observed(
    posterior: Posterior, method: str, values: list[float], error: float, seed: int
) -> None:
    draws = posterior.sample(values, np.full(3, error), draws=50, seed=seed, method=method)
    prior = posterior.surrogate.prior
    assert np.isfinite(draws.values).all() and np.isfinite(draws.effective_size).all()
    assert (draws.values >= prior.low).all() and (draws.values <= prior.high).all()


@pytest.mark.parametrize("method", EVERY)
def test_what_lies_under_the_mask_changes_nothing(posterior: Posterior, method: str) -> None:
    mask = np.array([True, False, True])
    clean = posterior.sample(VALUES, ERROR, mask, draws=64, method=method)
    values, error = VALUES.copy(), ERROR.copy()
    values[1], error[1] = np.nan, -1.0
    assert same(clean, posterior.sample(values, error, mask, draws=64, method=method))


def test_an_unobserved_output_leaves_its_parameter_free(posterior: Posterior) -> None:
    all_seen = posterior.sample(VALUES, ERROR, draws=2000).values[0]
    masked = posterior.sample(VALUES, ERROR, [True, False, True], draws=2000).values[0]
    assert masked[:, 1].std() > 2.0 * all_seen[:, 1].std()


@pytest.mark.parametrize("method", EVERY)
def test_the_same_seed_gives_the_same_bytes(posterior: Posterior, method: str) -> None:
    a, b, c = (
        posterior.sample(VALUES, ERROR, draws=64, seed=seed, method=method) for seed in (1, 1, 2)
    )
    assert same(a, b) and not np.array_equal(a.values, c.values)


def test_arrays_round_trip(posterior: Posterior) -> None:
    arrays, meta = posterior.to_arrays()
    assert all(isinstance(v, np.ndarray) for v in arrays.values())
    again = Posterior.from_arrays(arrays, json.loads(json.dumps(meta)))
    assert again.methods == posterior.methods
    for method in EVERY:
        a, b = (p.sample(VALUES, ERROR, draws=64, method=method) for p in (posterior, again))
        assert same(a, b)


def test_auto_turns_to_the_generator_where_the_bank_is_too_thin(posterior: Posterior) -> None:
    sharp, wide = np.full(3, 1e-3), np.full(3, 0.5)
    draws = posterior.sample(
        np.stack([VALUES, VALUES]), np.stack([sharp, wide]), draws=200, method="auto"
    )
    alone = posterior.sample(VALUES, wide, draws=200, method="sir")
    assert draws.method_used == ("generator_reweighted", "sir")
    assert draws.effective_size[0] > 50
    assert draws.effective_size[1] == pytest.approx(alone.effective_size[0], rel=1e-3)


def test_chunks_of_sites_do_not_change_draws(
    posterior: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = VALUES + 0.05 * np.random.default_rng(0).standard_normal((9, 3))
    whole = posterior.sample(values, ERROR, draws=32, method="sir")
    monkeypatch.setattr("catena.calibrator.sir.CHUNK", 4 * len(posterior.bank))
    chunked = posterior.sample(values, ERROR, draws=32, method="sir")
    np.testing.assert_allclose(chunked.effective_size, whole.effective_size, rtol=1e-3)
    # a product of other sizes may round a weight differently: nearly every draw is the same
    assert (chunked.values == whole.values).mean() > 0.98


def test_impossible_observations_are_flagged_and_possible_ones_are_not(
    posterior: Posterior,
) -> None:
    rng = np.random.default_rng(0)
    mean, sd = posterior.surrogate.predict(
        posterior.surrogate.prior.from_unit(rng.random((300, 3)))
    )
    possible = mean + np.hypot(sd, ERROR) * rng.standard_normal(mean.shape)
    assert posterior.sample(possible, ERROR, draws=4).out_of_range.mean() <= 0.05
    impossible = np.array([[2.0, 0.0, 0.0], [0.0, -1.8, 0.0], [0.0, 0.0, 9.0]])
    told = posterior.sample(impossible, ERROR, draws=4)
    assert told.out_of_range.all() and (told.distance_sd > 3.0).all()


def test_faithful_needs_the_runs_and_stays_in_the_box(prior: Prior) -> None:
    surrogate = linear_surrogate(prior, SLOPE, 0.002)
    with pytest.raises(InvalidData, match="give the ensemble"):
        fit_posterior(surrogate, method="faithful", bank_size=2**12)
    x = prior.from_unit(prior.sobol_unit(64, 0))
    runs = x, surrogate.predict(x)[0]
    fitted = fit_posterior(
        surrogate, method="faithful", bank_size=2**12, labels=1024, ensemble=runs, seed=1
    )
    assert fitted.methods == ("auto", "sir", "faithful")
    draws = fitted.sample(VALUES, ERROR, draws=300, method="faithful")
    assert (draws.values >= prior.low).all() and (draws.values <= prior.high).all()
    arrays, meta = fitted.to_arrays()
    again = Posterior.from_arrays(arrays, json.loads(json.dumps(meta)))
    assert same(draws, again.sample(VALUES, ERROR, draws=300, method="faithful"))
    with pytest.raises(InvalidData, match="cannot leave outputs out"):
        fitted.sample(VALUES, ERROR, [True, False, True], method="faithful")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "magic"}, "choose one of auto, sir"),
        ({"bank_size": 10}, "a bank of 10 draws"),
        ({"bank_size": 2**30}, "aggregate the outputs"),
        ({"labels": 5}, "5 labels; want 1024"),
        ({"min_error_fraction": 0.0}, "want 0 < smallest < largest"),
        ({"min_error_fraction": 2.0, "max_error_fraction": 1.0}, "want 0 < smallest < largest"),
    ],
)
def test_bad_choices_are_refused(prior: Prior, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        fit_posterior(linear_surrogate(prior, SLOPE, 0.01), **options)


def test_a_method_that_was_not_fitted_is_refused(prior: Prior) -> None:
    only = fit_posterior(linear_surrogate(prior, SLOPE, 0.01), method="sir", bank_size=2**12)
    with pytest.raises(InvalidData, match="offers auto, sir, not 'generator'"):
        only.sample(VALUES, ERROR, method="generator")
    with pytest.raises(InvalidData, match="0 draws"):
        only.sample(VALUES, ERROR, draws=0)
