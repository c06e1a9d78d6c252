"""Claims about the calibrator on 900 real runs of the E3SM Land Model at Missouri Ozark.

A short form of the benchmark's protocol: fit on rows 0 to 799, test on the other 100, observations
made of their outputs plus noise of 0.3 standard deviations.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from catena.calibrator import checks, generated
from catena.calibrator.mcmc import run_mcmc
from catena.calibrator.posterior_fit import fit_posterior
from catena.calibrator.prior import Prior
from catena.calibrator.surrogate_fit import fit_surrogate

FOLDER = Path(os.environ.get("CATENA_DATA") or "absent") / "elm_calibration"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason="needs CATENA_DATA with elm_calibration (900 real runs)"
    ),
]

PRIOR = Prior(tuple(p.name for p in generated.PARAMETERS), generated.LOW, generated.HIGH)
NOISE = 0.3
METHODS = ("sir", "generator_reweighted")


@pytest.fixture(scope="module")
def runs():
    parameters = np.load(FOLDER / "InputPara.npy", allow_pickle=False)
    outputs = np.load(FOLDER / "Observations.npy", allow_pickle=False)
    return parameters, outputs


@pytest.fixture(scope="module")
def surrogate(runs):
    parameters, outputs = runs
    return fit_surrogate(parameters[:800], outputs[:800], PRIOR, seed=1)


@pytest.fixture(scope="module")
def posterior(surrogate):
    return fit_posterior(surrogate, method="auto", seed=1)


@pytest.fixture(scope="module")
def observed(runs):
    parameters, outputs = runs
    error_sd = NOISE * outputs[:800].std(axis=0)
    noise = np.random.default_rng(5).standard_normal((100, 5)) * error_sd
    return parameters[800:], outputs[800:], outputs[800:] + noise, error_sd


def test_the_surrogate_explains_every_year_even_the_hard_one(surrogate, observed):
    truth, clean, _, _ = observed
    mean, sd = surrogate.predict(truth)
    r2 = 1 - ((mean - clean) ** 2).mean(axis=0) / clean.var(axis=0)
    # 2007, a dry year, is the hard output: a Gaussian process reaches 0.85 to 0.92 there
    assert r2[1] > 0.92
    assert r2[[0, 2, 3, 4]].min() > 0.96
    inside = np.abs(mean - clean) < 1.645 * sd
    assert 0.82 < inside.mean() < 0.98


@pytest.mark.parametrize("method", METHODS)
def test_held_out_runs_are_covered_and_no_draw_leaves_the_box(posterior, observed, method):
    truth, clean, values, error_sd = observed
    drawn = posterior.sample(values, error_sd, draws=1000, seed=2, method=method)
    assert drawn.values.shape == (100, 1000, 8)
    assert np.isfinite(drawn.values).all()
    assert (drawn.values >= PRIOR.low).all() and (drawn.values <= PRIOR.high).all()
    assert 0.86 < checks.interval_coverage(drawn.values, truth).mean() < 0.94
    assert checks.sbc_ks(checks.sbc_ranks(drawn.values, truth)).max() < 0.18
    assert checks.tarp(drawn.values, truth, low=PRIOR.low, high=PRIOR.high).deviation < 0.15
    assert drawn.out_of_range.mean() <= 0.05
    predicted = surrogate_outputs(posterior, drawn.values[:, :100])
    rmse = checks.posterior_predictive(predicted, values, error_sd).rmse
    # the noise alone is 0.3 sd; prior draws would miss by 1.4 sd
    assert rmse < 0.4 * clean.std()


def surrogate_outputs(posterior, draws: np.ndarray) -> np.ndarray:
    mean, _ = posterior.surrogate.predict(draws.reshape(-1, draws.shape[-1]))
    return mean.reshape(*draws.shape[:2], -1)


def test_masked_years_and_nan_are_no_trouble(posterior, observed):
    truth, _, values, error_sd = observed
    mask = np.ones(values.shape, bool)
    mask[np.arange(100), np.arange(100) % 5] = False
    hidden = np.where(mask, values, np.nan)
    drawn = posterior.sample(hidden, error_sd, mask, draws=500, seed=3)
    assert np.isfinite(drawn.values).all()
    assert 0.86 < checks.interval_coverage(drawn.values, truth).mean() < 0.95


def test_observations_beyond_all_runs_are_flagged(posterior, runs, observed):
    _, _, values, error_sd = observed
    column = np.arange(100) % 5

    def flags(step: np.ndarray) -> np.ndarray:
        beyond = values.copy()
        beyond[np.arange(100), column] = (runs[1].max(axis=0) + step)[column]
        return posterior.sample(beyond, error_sd, draws=10, seed=4).out_of_range

    assert flags(5 * runs[1][:800].std(axis=0)).all()
    # 5 errors beyond is nearer: the surrogate's own error excuses one here and there
    assert flags(5 * error_sd).mean() > 0.9


@pytest.mark.parametrize("site", [0, 2])
def test_markov_chains_and_resampling_agree(surrogate, posterior, observed, site):
    _, _, values, error_sd = observed
    chains = run_mcmc(
        surrogate, values[site], error_sd, method="ensemble", draws=2000, warmup=500, seed=6
    )
    assert chains.converged, chains.remarks
    drawn = posterior.sample(values[site], error_sd, draws=8000, seed=7, method="sir").values[0]
    unit = [PRIOR.to_unit(x)[None] for x in (chains.draws, drawn)]
    assert checks.c2st(*unit)[0] < 0.54
    # and in what they predict
    a, b = (surrogate.predict(x)[0] for x in (chains.draws, drawn))
    assert (a.mean(axis=0) - b.mean(axis=0)) / error_sd == pytest.approx(np.zeros(5), abs=0.1)
    assert a.std(axis=0) / b.std(axis=0) == pytest.approx(np.ones(5), abs=0.08)


def test_nuts_finds_the_same_posterior_as_the_ensembles(surrogate, observed):
    _, _, values, error_sd = observed
    nuts, ensembles = (
        run_mcmc(surrogate, values[0], error_sd, method=m, chains=4, draws=400, warmup=300, seed=6)
        for m in ("nuts", "ensemble")
    )
    assert nuts.rhat.max() < 1.03, nuts.remarks
    unit = [PRIOR.to_unit(c.draws)[None] for c in (nuts, ensembles)]
    assert checks.c2st(*unit)[0] < 0.57
