"""Part of the interval benchmark: the 10-D cubic outside its data, and the time of many levels."""

from __future__ import annotations

import time

import numpy as np
import torch
from intervals_data import cubic

from catena.forecaster.intervals import fit_crossfit
from catena.forecaster.intervals.order_statistics import OrderStatistics
from catena.forecaster.metrics import picp

ROWS, TEST_ROWS, SHIFT = 2400, 1000, 2.0
SEED = 1
"""Of the data; 101 and up were used while the settings were found."""


def measure() -> dict[str, float | None]:
    """Confidence, AUROC of the width and coverage inside and outside; milliseconds of 95 levels."""
    torch.set_num_threads(1)
    started = time.process_time()
    found = outside(SEED)
    found["cubic_cpu_s"] = time.process_time() - started
    return found | {"levels95_ms": levels_ms(100_000)}


def outside(seed: int) -> dict[str, float | None]:
    """Figures of one cubic data set."""
    rng = np.random.default_rng(seed)
    x, y = cubic(ROWS, rng)
    inside, y_in = cubic(TEST_ROWS, rng)
    beyond, y_out = cubic(TEST_ROWS, rng, SHIFT)
    fitted = fit_crossfit(x, y, seed=0)
    width = [fitted.width(v)[:, 0] for v in (inside, beyond)]
    coverage = []
    for rows, target in ((inside, y_in), (beyond, y_out)):
        lower, upper = (b[:, 0, 0] for b in fitted.predict(rows, [0.9]))
        coverage.append(float(picp(lower, upper, target, 0)))
    return {
        "cubic_conf_in": float(fitted.confidence(inside).mean()),
        "cubic_conf_out": float(fitted.confidence(beyond).mean()),
        "cubic_auroc": auroc(*width),
        "cubic_picp90_in": coverage[0],
        "cubic_picp90_out": coverage[1],
        "cubic_flagged_in": float(fitted.is_out_of_distribution(inside).mean()),
        "cubic_flagged_out": float(fitted.is_out_of_distribution(beyond).mean()),
    }


def auroc(inside: np.ndarray, beyond: np.ndarray) -> float:
    """Chance that a width outside is larger than one inside."""
    return float(np.mean(beyond[:, None] > inside[None, :]))


def levels_ms(n: int, repeats: int = 15) -> float:
    """CPU milliseconds, at best, from residuals and sizes to alpha and beta of 95 levels."""
    rng = np.random.default_rng(0)
    residuals = np.round(rng.normal(size=n), 3)  # ties, which made the reference slow
    up, down = rng.uniform(0.5, 2.0, (2, n))
    levels = np.arange(1, 96) / 100.0
    best = np.inf
    for _ in range(repeats):
        started = time.process_time()
        OrderStatistics.of(residuals, up, down).factors(levels)
        best = min(best, time.process_time() - started)
    return 1000.0 * best
