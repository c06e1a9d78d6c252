from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from support.smooth_model import smooth

from catena.calibrator.gp_fit import cross_validate
from catena.calibrator.mlp_fit import SurrogateConfig, fold_of_each_run
from catena.calibrator.prior import Prior
from catena.calibrator.surrogate import Surrogate
from catena.calibrator.surrogate_fit import fit_surrogate
from catena.calibrator.variance import calibrate, gaussian_crps
from catena.models.gp import GaussianProcess, GPHyperparameters
from catena.shared.errors import InvalidData

Runs = tuple[np.ndarray, np.ndarray]


def bytes_of(surrogate: Surrogate) -> tuple[dict[str, bytes], str]:
    arrays, meta = surrogate.to_arrays()
    return {k: v.tobytes() for k, v in arrays.items()}, json.dumps(meta, sort_keys=True)


@pytest.mark.parametrize("method", ["mlp", "gp"])
def test_predicts_unseen_runs_with_an_honest_variance(
    runs: Runs, prior: Prior, method: str
) -> None:
    surrogate = fit_surrogate(*runs, prior, method=method, seed=1)
    x = prior.from_unit(np.random.default_rng(5).random((400, 3)))
    mean, sd = surrogate.predict(x)
    truth = smooth(prior, x)
    r2 = 1 - ((mean - truth) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)
    assert surrogate.method == method and (r2 > 0.98).all()
    # cross-validation may be cautious here, never much too sure
    assert (np.abs(mean - truth) < 2.6 * sd).mean() > 0.95
    assert (sd < 0.3 * truth.std(0)).all()


def test_auto_keeps_the_better_score(runs: Runs, prior: Prior, quick: SurrogateConfig) -> None:
    chosen = fit_surrogate(*runs, prior, method="auto", seed=1, config=quick)
    scores = chosen.report["crps_by_method"]
    assert set(scores) == {"mlp", "gp"}
    assert scores[chosen.method] == min(scores.values())


def test_the_same_seed_gives_the_same_bytes(
    runs: Runs, prior: Prior, quick: SurrogateConfig
) -> None:
    torch.manual_seed(1)
    a = fit_surrogate(*runs, prior, method="auto", seed=4, config=quick)
    torch.manual_seed(2)
    b = fit_surrogate(*runs, prior, method="auto", seed=4, config=quick)
    c = fit_surrogate(*runs, prior, method="mlp", seed=5, config=quick)
    assert bytes_of(a) == bytes_of(b) != bytes_of(c)


class Interrupted(Exception):
    pass


class Memory:
    """A checkpoint that dies after some saves, as a killed process does."""

    def __init__(self, saves: int) -> None:
        self.state: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None
        self.left = saves

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        return self.state

    def save(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        self.state = {k: v.copy() for k, v in arrays.items()}, json.loads(json.dumps(meta))
        self.left -= 1
        if self.left == 0:
            raise Interrupted


@pytest.mark.parametrize("when", [0.0, 0.4, 0.95])
def test_an_interrupted_fit_resumes_to_the_same_bytes(
    runs: Runs,
    prior: Prior,
    quick: SurrogateConfig,
    monkeypatch: pytest.MonkeyPatch,
    when: float,
) -> None:
    # Saved at every step, so that the number of saves does not depend on the machine's speed.
    monkeypatch.setattr("catena.calibrator.training.SAVE_EVERY_S", -1.0)
    untouched = Memory(10**9)
    whole = fit_surrogate(*runs, prior, method="auto", seed=4, config=quick, checkpoint=untouched)
    saves = 10**9 - untouched.left
    memory = Memory(1 + int(when * saves))
    with pytest.raises(Interrupted):
        fit_surrogate(*runs, prior, method="auto", seed=4, config=quick, checkpoint=memory)
    resumed = fit_surrogate(*runs, prior, method="auto", seed=4, config=quick, checkpoint=memory)
    assert bytes_of(resumed) == bytes_of(whole)


def test_arrays_round_trip(runs: Runs, prior: Prior, quick: SurrogateConfig) -> None:
    x = prior.from_unit(np.random.default_rng(2).random((7, 3)))
    for method in ("mlp", "gp"):
        a = fit_surrogate(*runs, prior, method=method, seed=4, config=quick)
        arrays, meta = a.to_arrays()
        b = Surrogate.from_arrays(arrays, json.loads(json.dumps(meta)))
        for one, other in zip(a.predict(x), b.predict(x), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("outputs", [3, 200])
def test_standardised_moments_are_the_prediction_in_other_units(
    runs: Runs, prior: Prior, quick: SurrogateConfig, outputs: int
) -> None:
    y = runs[1] @ np.random.default_rng(0).standard_normal((3, outputs))
    surrogate = fit_surrogate(runs[0], y, prior, method="mlp", seed=4, config=quick)
    assert (surrogate.reduction.basis is None) == (outputs == 3)
    unit = np.random.default_rng(2).random((7, 3))
    mean, sd = surrogate.predict(prior.from_unit(unit))
    m, v = surrogate.standard_moments(torch.as_tensor(unit))
    np.testing.assert_allclose(
        m.detach().numpy() * surrogate.spread + surrogate.center, mean, rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(v.detach().sqrt().numpy() * surrogate.spread, sd, rtol=1e-4)


def test_a_large_field_is_fitted_from_twenty_runs(prior: Prior) -> None:
    x = prior.from_unit(prior.sobol_unit(32, 3)[:20])
    cells = np.random.default_rng(0).standard_normal((3, 4000)) / np.array([[4.0], [1.0], [60.0]])
    surrogate = fit_surrogate(x, smooth(prior, x) @ cells, prior, seed=0)
    new = prior.from_unit(np.random.default_rng(9).random((100, 3)))
    truth = smooth(prior, new) @ cells
    mean, sd = surrogate.predict(new)
    r2 = 1 - ((mean - truth) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum()
    assert r2 > 0.8
    assert 0.75 < (np.abs(mean - truth) < 1.645 * sd).mean() <= 1.0


@pytest.mark.parametrize("told", [True, False])
def test_watts_do_not_hide_grams_in_the_decomposition(prior: Prior, told: bool) -> None:
    """Latent heat varies by tens of W m-2, photosynthesis by 1e-5 gC m-2 s-1."""
    x = prior.from_unit(prior.sobol_unit(64, 3))
    rng = np.random.default_rng(0)
    heat, carbon = rng.standard_normal((2, 30)) * 50, rng.standard_normal((1, 30)) * 1e-5
    two = smooth(prior, x)[:, :2]
    outputs = np.hstack([two @ heat, prior.to_unit(x)[:, 2:] @ carbon])
    quantities = ("heat",) * 30 + ("carbon",) * 30 if told else ()
    surrogate = fit_surrogate(x, outputs, prior, method="gp", seed=0, quantities=quantities)
    new = prior.from_unit(np.random.default_rng(9).random((100, 3)))
    truth = prior.to_unit(new)[:, 2:] @ carbon
    mean, _ = surrogate.predict(new)
    r2 = 1 - ((mean[:, 30:] - truth) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum()
    # Untold, the outputs are one field, in which so small a part is noise.
    assert (r2 > 0.98) == told
    if told:
        np.testing.assert_allclose(surrogate.spread, outputs.std(0), rtol=1e-12)


def test_a_quantity_for_each_output_is_wanted(runs: Runs, prior: Prior) -> None:
    with pytest.raises(InvalidData, match="2 quantities for 3 outputs"):
        fit_surrogate(*runs, prior, quantities=("a", "b"))


def test_extrapolation_is_told(prior: Prior, quick: SurrogateConfig) -> None:
    unit = np.random.default_rng(0).random((200, 3))
    unit[:, 0] *= 0.5  # nobody ran the upper half of the first parameter
    x = prior.from_unit(unit)
    surrogate = fit_surrogate(x, smooth(prior, x), prior, method="mlp", seed=0, config=quick)
    inside = np.random.default_rng(1).random((200, 3)) * [0.5, 1, 1]
    assert surrogate.extrapolates(prior.from_unit(inside)).mean() < 0.03
    assert surrogate.extrapolates(prior.from_unit(np.array([[0.95, 0.5, 0.5]]))).all()
    assert surrogate.extrapolates(prior.high[None] * 1.01).all()


def test_variance_calibration_recovers_a_known_law() -> None:
    rng = np.random.default_rng(0)
    spread = rng.gamma(2.0, 0.5, (20_000, 1))
    truth = 0.3 + 0.6 * spread
    model = calibrate(rng.standard_normal(truth.shape) * np.sqrt(truth), spread, np.ones(1))
    np.testing.assert_allclose(model(spread), truth, rtol=0.12)


def test_crps_equals_its_integral() -> None:
    grid = np.linspace(-12, 12, 200_001)
    from scipy.stats import norm

    for residual, sd in ((0.7, 1.3), (-2.0, 0.5)):
        step = (grid >= residual).astype(float)
        integral = ((norm.cdf(grid / sd) - step) ** 2).sum() * (grid[1] - grid[0])
        assert gaussian_crps(np.array(residual), np.array(sd**2)) == pytest.approx(
            integral, abs=1e-3
        )


def test_fold_predictions_in_closed_form_equal_refits() -> None:
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.uniform(-1, 1, (30, 2)))
    y = torch.stack([x[:, 0] ** 2, x[:, 1]], 1)
    hyper = GPHyperparameters(
        torch.zeros(2, 2), torch.zeros(2), torch.tensor([-1.0, -2.0]), torch.tensor([-4.0, -5.0])
    )
    fold = fold_of_each_run(30, 4, 0)
    closed = cross_validate(GaussianProcess(x, y, hyper), fold)
    for f in range(4):
        out = torch.as_tensor(fold == f)
        mean, variance = GaussianProcess(x[~out], y[~out], hyper).predict(x[out])
        np.testing.assert_allclose(closed.mean[fold == f], mean, atol=1e-7)
        np.testing.assert_allclose(closed.spread[fold == f], variance, atol=1e-7)


def spoilt(runs: Runs, what: str) -> Runs:
    x, y = runs[0].copy(), runs[1].copy()
    if what == "nan output":
        y[3, 1] = np.nan
    elif what == "infinite parameter":
        x[3, 1] = np.inf
    elif what == "too few":
        x, y = x[:7], y[:7]
    elif what == "repeated":
        x[9] = x[4]
    elif what == "outside":
        x[2, 1] = 11.0
    elif what == "constant":
        y[:, 2] = 5.0
    elif what == "columns":
        x = x[:, :2]
    elif what == "rows":
        y = y[:-1]
    elif what == "flat":
        y = y[:, 0]
    return x, y


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nan output", r"outputs of 1 runs are NaN.*rows 3.*leave failed runs out"),
        ("infinite parameter", r"parameters of 1 runs are NaN or infinite"),
        ("too few", r"7 runs for 3 parameters.*at least 10"),
        ("repeated", r"repeat the parameters of an earlier run \(rows 9\)"),
        ("outside", r"row 2 has b = 11, the prior is \[0, 10\]"),
        ("constant", r"1 of 3 outputs are the same in all runs \(columns 2\)"),
        ("columns", r"runs have 2 parameters, the prior has 3 \(a, b, c\)"),
        ("rows", r"with the same runs in the same order"),
        ("flat", r"want \(runs, parameters\) and"),
    ],
)
def test_bad_runs_are_refused_with_the_reason(
    runs: Runs, prior: Prior, what: str, said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        fit_surrogate(*spoilt(runs, what), prior)


def test_bad_choices_are_refused(runs: Runs, prior: Prior) -> None:
    with pytest.raises(InvalidData, match="choose one of auto, mlp, gp"):
        fit_surrogate(*runs, prior, method="forest")
    with pytest.raises(InvalidData, match="want 2 to 64"):
        fit_surrogate(*runs, prior, folds=100)
