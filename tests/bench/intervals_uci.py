"""Part of the interval benchmark: UCI sets, beside UQnet's recipe and CQR in the same run."""

from __future__ import annotations

import time

import intervals_uqnet
import numpy as np
import torch
from intervals_data import load, split

from catena.forecaster.intervals import fit_cqr, fit_crossfit
from catena.forecaster.metrics import crps_quantiles, picp, winkler

SPLITS = {"naval": (1,), "power": (1,), "protein": (1,)}
"""Seeds of the splits; others than these were used while the settings were found (101 and up)."""
SEEDS = (1, 2, 3)
SEED = 10
LEVELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])
METHODS = ("crossfit", "uqnet", "cqr")


def predict(method: str, x: np.ndarray, y: np.ndarray, x_test: np.ndarray):
    """Centre (n,), lower and upper (n, levels)."""
    if method == "uqnet":
        return intervals_uqnet.fit_predict(x, y, x_test, LEVELS, SEED)
    fitted = (fit_crossfit if method == "crossfit" else fit_cqr)(x, y, seed=SEED)
    lower, upper = fitted.predict(x_test, LEVELS)
    return fitted.centre(x_test)[:, 0], lower[:, 0], upper[:, 0]


def scores(centre: np.ndarray, lower: np.ndarray, upper: np.ndarray, y: np.ndarray):
    """Coverage and interval score at 90 and 95 %, CRPS, variation of the width."""
    at = {level: int(np.flatnonzero(np.isclose(LEVELS, level))[0]) for level in (0.9, 0.95)}
    taus = np.concatenate([(1.0 - LEVELS[::-1]) / 2.0, [0.5], (1.0 + LEVELS) / 2.0])
    quantiles = np.concatenate([lower[:, ::-1], centre[:, None], upper], axis=1)
    width = (upper - lower)[:, at[0.9]]
    return {
        "picp90": float(picp(lower[:, at[0.9]], upper[:, at[0.9]], y, 0)),
        "picp95": float(picp(lower[:, at[0.95]], upper[:, at[0.95]], y, 0)),
        "is90": float(winkler(lower[:, at[0.9]], upper[:, at[0.9]], y, 0.9, 0)),
        "crps": float(np.mean(crps_quantiles(quantiles, taus, y))),
        "cv": float(width.std() / width.mean()),
        "rmse": float(np.sqrt(np.mean((centre - y) ** 2))),
    }


def measure(name: str) -> dict[str, float | None]:
    """Figures of one set: means over its splits."""
    torch.set_num_threads(1)
    x, y = load(name)
    figures: dict[str, float | None] = {}
    for method in METHODS:
        started = time.process_time()
        each = []
        for seed in SPLITS.get(name, SEEDS):
            x_train, y_train, x_test, y_test = split(x, y, seed)
            each.append(scores(*predict(method, x_train, y_train, x_test), y_test))
        for key in each[0]:
            figures[f"{name}_{method}_{key}"] = float(np.mean([e[key] for e in each]))
        figures[f"{name}_{method}_cpu_s"] = time.process_time() - started
    return figures
