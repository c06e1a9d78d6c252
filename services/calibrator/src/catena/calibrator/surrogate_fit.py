"""Fits surrogates: networks and Gaussian processes compete on runs that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from catena.calibrator.gp_fit import MAX_RUNS, fit_gp
from catena.calibrator.mlp_fit import SurrogateConfig, Validation, fit_mlp, fold_of_each_run
from catena.calibrator.prior import Prior
from catena.calibrator.runs import check_runs
from catena.calibrator.spread import floored, groups_of
from catena.calibrator.stages import Checkpoint, ProgressReport, Stages, part
from catena.calibrator.surrogate import Emulator, Surrogate
from catena.calibrator.training import no_denormals
from catena.calibrator.variance import VarianceModel, calibrate, gaussian_crps
from catena.models.svd import LinearReduction, leading_directions
from catena.shared.errors import InvalidData

METHODS = ("auto", "mlp", "gp")
ENERGY = 0.9995
MOST_SCORES = 20


@no_denormals()
def fit_surrogate(
    parameters: np.ndarray,
    outputs: np.ndarray,
    prior: Prior,
    *,
    method: str = "auto",
    seed: int = 0,
    folds: int = 5,
    svd_above: int = 50,
    quantities: Sequence[str] = (),
    config: SurrogateConfig | None = None,
    progress: ProgressReport | None = None,
    checkpoint: Checkpoint | None = None,
) -> Surrogate:
    """Fit a surrogate to an ensemble of runs.

    Parameters
    ----------
    parameters : array_like, (n, d)
        One row per run, physical units, inside the prior, no row twice.
    outputs : array_like, (n, k)
        What the model gave, physical units, finite. Leave failed members out.
    prior : Prior
        The parameters' box.
    method : {"auto", "mlp", "gp"}
        ``auto`` keeps the one with the lower mean CRPS over cross-validation folds.
    seed : int
        The same seed gives the same bytes.
    folds : int
        Folds of the cross-validation that chooses, and that calibrates the variance.
    svd_above : int
        With more outputs than this, regress scores of a singular value decomposition
        (Lu & Ricciuto 2019, Geosci. Model Dev. 12:1791, section 2.2).
    quantities : sequence of str
        What each of the k outputs is of; empty: all of one quantity. Outputs of one quantity keep
        their sizes relative to one another, different quantities count alike.
    config : SurrogateConfig, optional
        Hyperparameters of the networks.
    progress, checkpoint : optional
        See :mod:`catena.calibrator.stages`.

    Returns
    -------
    Surrogate

    Raises
    ------
    InvalidData
        The runs cannot be fitted; the message says which and why.
    """
    if method not in METHODS:
        raise InvalidData(f"surrogate method {method!r}; choose one of {', '.join(METHODS)}")
    outputs = np.asarray(outputs, dtype=np.float64)
    reduced = outputs.ndim == 2 and outputs.shape[1] > svd_above
    x, y = check_runs(parameters, outputs, prior, constant_ok=reduced)
    group = groups_of(quantities, y.shape[1])
    n = len(x)
    if not 2 <= folds <= n // 2:
        raise InvalidData(f"{folds} folds for {n} runs; want 2 to {n // 2}")
    if method == "gp" and n > MAX_RUNS:
        raise InvalidData(
            f"a Gaussian process on {n} runs; its cost grows with their cube, at most {MAX_RUNS}: "
            "use method 'mlp' or 'auto'"
        )
    stages = Stages(checkpoint)
    fold = fold_of_each_run(n, folds, seed)
    reduction = _reduce(y, fold, group) if reduced else _standardise(y, group)
    inputs = 2.0 * prior.to_unit(x) - 1.0
    latent = reduction.encode(y)

    candidates: dict[str, tuple[Emulator, Validation]] = {}
    if method in ("auto", "mlp"):
        candidates["mlp"] = fit_mlp(
            inputs,
            latent,
            fold,
            config or SurrogateConfig(),
            seed=seed,
            stages=stages,
            progress=part(progress, 0.0, 0.7 if method == "auto" else 0.98),
        )
    if method == "gp" or (method == "auto" and n <= MAX_RUNS):
        candidates["gp"] = fit_gp(
            inputs,
            latent,
            fold,
            seed=seed,
            stages=stages,
            progress=part(progress, 0.7 if method == "auto" else 0.0, 0.98),
        )
    judged = {
        name: _judge(y, latent, reduction, validation, group)
        for name, (_, validation) in candidates.items()
    }
    chosen = min(judged, key=lambda name: judged[name][2]["crps"])
    variance, inflation, figures = judged[chosen]
    report = {
        **figures,
        "method": chosen,
        "runs": n,
        "folds": folds,
        "scores": None if reduction.basis is None else len(reduction.basis),
        "crps_by_method": {name: result[2]["crps"] for name, result in judged.items()},
        "mean_r2_by_method": {name: result[2]["mean_r2"] for name, result in judged.items()},
    }
    part(progress, 0.0, 1.0)(1.0, f"surrogate chosen: {chosen}")
    return Surrogate(
        prior,
        candidates[chosen][0],
        reduction,
        variance,
        inflation,
        y.mean(0),
        _spread(y, group),
        x,
        report,
    )


def _spread(y: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Standard deviation of each output; dead cells get a little: nothing divides by zero."""
    return floored(y.std(0), group)


def _standardise(y: np.ndarray, group: np.ndarray) -> LinearReduction:
    """Each output is its own score."""
    return LinearReduction(y.mean(0), _spread(y, group), None, np.zeros(y.shape[1]))


def _reduce(y: np.ndarray, fold: np.ndarray, group: np.ndarray) -> LinearReduction:
    """Leading directions of the centred outputs; truncation measured on runs left out of them."""
    offset = y.mean(0)
    centred = y - offset
    most = min(MOST_SCORES, int((fold != 0).sum()) - 1)
    # One scale for all outputs of a quantity keeps the decomposition that of the physical field;
    # one for each quantity keeps watts from hiding grams.
    total = np.bincount(group, (centred**2).sum(0)) / len(y)
    scale = np.sqrt(np.where(total > 0.0, total, 1.0))[group]
    basis, _ = leading_directions(centred / scale, ENERGY, most)
    truncation = np.zeros(y.shape[1])
    for f in range(int(fold.max()) + 1):
        rest = y[fold != f]
        seen_mean = rest.mean(0)
        local, _ = leading_directions((rest - seen_mean) / scale, ENERGY, len(basis))
        unseen = (y[fold == f] - seen_mean) / scale
        truncation += ((unseen - (unseen @ local.T) @ local) ** 2).sum(0)
    floor = 1e-8 / y.shape[1]
    return LinearReduction(offset, scale, basis, truncation / len(y) + floor)


def _judge(
    y: np.ndarray,
    latent: np.ndarray,
    reduction: LinearReduction,
    validation: Validation,
    group: np.ndarray,
) -> tuple[VarianceModel, np.ndarray, dict[str, Any]]:
    """Calibrate the variance on unseen runs, then score the prediction of the outputs there."""
    variance = calibrate(latent - validation.mean, validation.spread, validation.shrink)
    residuals = y - reduction.decode(validation.mean)
    predicted = reduction.decode_variance(variance(validation.spread))
    spread = _spread(y, group)
    if reduction.basis is None:
        inflation = np.ones(y.shape[1])
    else:
        # few scores cannot carry every output's own error: match it output by output
        inflation = np.clip((residuals**2 / predicted).mean(0), 0.1, 10.0)
    predicted = predicted * inflation
    crps = gaussian_crps(residuals / spread, predicted / spread**2).mean(0)
    total = (y - y.mean(0)) ** 2
    alive = total.sum(0) > 0.0
    r2 = np.ones(y.shape[1])
    r2[alive] = 1.0 - (residuals**2).sum(0)[alive] / total.sum(0)[alive]
    figures: dict[str, Any] = {
        "r2": r2.tolist(),
        "mean_r2": float(
            1.0 - (residuals**2 / reduction.scale**2).sum() / (total / reduction.scale**2).sum()
        )
        if reduction.basis is not None
        else float(r2.mean()),
        "crps": float(crps.mean()),
        "cv_rmse": np.sqrt((residuals**2).mean(0)).tolist(),
        "cv_coverage90": float((np.abs(residuals) <= 1.6448536 * np.sqrt(predicted)).mean()),
    }
    return variance, inflation, figures
