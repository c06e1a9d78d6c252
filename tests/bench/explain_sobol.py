"""Sobol indices against the analytic ones of Ishigami's function and Sobol's G.

Also what SALib gives in the same run, where it is installed (catena does not need it): with the
next power of two of base points whose evaluations are at least as many as ours.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.analytic_sensitivity import (
    ishigami,
    ishigami_indices,
    sobol_g,
    sobol_g_indices,
)

from catena.explainer.parameters.sobol import sobol_indices

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

CASES: dict[str, tuple[Function, tuple[Array, Array, Array], int]] = {
    "ishigami": (ishigami, ishigami_indices(), 3),
    "sobol_g": (sobol_g, sobol_g_indices(), 8),
}
SEEDS = range(10)


def sobol_benchmark() -> dict[str, Any]:
    """Largest error of first-order and total indices over ten seeds, per function and over both.

    Returns
    -------
    dict
        ``sobol_error`` over both functions and all seeds; for each function ours (and SALib's)
        ``error_max``, ``error_mean`` over seeds, ``evaluations`` and ``cpu_s`` of one run.
    """
    figures: dict[str, Any] = {}
    for name, (function, truth, d) in CASES.items():
        ours = _run(lambda seed, f=function, n=d: _ours(f, n, seed), truth)
        figures[name] = {"ours": ours}
        if importlib.util.find_spec("SALib") is not None:
            base = 1 << (-(-ours["evaluations"] // (2 * d + 2)) - 1).bit_length()
            salib = _run(lambda seed, f=function, n=d, b=base: _salib(f, n, b, seed), truth)
            figures[name]["salib"] = salib
    figures["sobol_error"] = max(figures[name]["ours"]["error_max"] for name in CASES)
    return figures


def _run(
    estimate: Callable[[int], tuple[Array, Array, int]], truth: tuple[Array, Array, Array]
) -> dict[str, float]:
    errors, evaluations = [], 0
    began = time.process_time()
    for seed in SEEDS:
        first, total, asked = estimate(seed)
        errors.append(max(np.abs(first - truth[0]).max(), np.abs(total - truth[1]).max()))
        evaluations = max(evaluations, asked)
    return {
        "error_max": float(max(errors)),
        "error_mean": float(np.mean(errors)),
        "evaluations": evaluations,
        "cpu_s": (time.process_time() - began) / len(SEEDS),
    }


def _ours(function: Function, d: int, seed: int) -> tuple[Array, Array, int]:
    found = sobol_indices(function, d, seed=seed)
    return found.first[:, 0], found.total[:, 0], found.evaluations


def _salib(function: Function, d: int, base: int, seed: int) -> tuple[Array, Array, int]:
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as sample

    problem = {"num_vars": d, "names": [f"x{i}" for i in range(d)], "bounds": [[0.0, 1.0]] * d}
    points = sample.sample(problem, base, calc_second_order=True, seed=seed)
    found = analyze.analyze(problem, function(points)[:, 0], seed=seed)
    return np.asarray(found["S1"]), np.asarray(found["ST"]), len(points)


if __name__ == "__main__":
    print(json.dumps(sobol_benchmark()))
