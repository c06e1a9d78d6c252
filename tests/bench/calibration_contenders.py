"""The package's methods, fitted once and timed; what they cost per site, beside emcee."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from calibration_truth import DRAWS, Data, Setting
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from catena.calibrator import generated
from catena.calibrator.mcmc import run_mcmc
from catena.calibrator.posterior import Posterior
from catena.calibrator.posterior_fit import fit_posterior
from catena.calibrator.prior import Prior
from catena.calibrator.surrogate import Surrogate
from catena.calibrator.surrogate_fit import fit_surrogate
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

METHODS = ("sir", "generator", "generator_reweighted", "faithful")
SEED = 3
EMCEE_SITES = 4


@dataclass(frozen=True)
class Contenders:
    """Fitted posteriors by method (they may be one and the same), and what fitting cost."""

    surrogate: Surrogate
    posteriors: dict[str, Posterior]
    train_cpu_s: dict[str, float]


def fit_contenders(data: Data) -> Contenders:
    """Fit on the training rows: surrogate, bank, generator; the faithful method on its own."""
    prior = Prior(tuple(p.name for p in generated.PARAMETERS), data.low, data.high)
    began = time.process_time()
    surrogate = fit_surrogate(*data.training, prior, seed=SEED)
    surrogate_s = time.process_time() - began
    posteriors: dict[str, Posterior] = {}
    cost: dict[str, float] = {}
    for method in ("sir", "generator_reweighted", "faithful"):
        began = time.process_time()
        ensemble = data.training if method == "faithful" else None
        posteriors[method] = fit_posterior(surrogate, method=method, seed=SEED, ensemble=ensemble)
        cost[method] = surrogate_s + time.process_time() - began
    # one network, with and without weights
    posteriors["generator"] = posteriors["generator_reweighted"]
    cost["generator"] = cost["generator_reweighted"]
    posteriors["auto"] = posteriors["generator_reweighted"]
    return Contenders(surrogate, posteriors, cost)


def sample(
    contenders: Contenders, method: str, setting: Setting, *, draws: int = DRAWS
) -> tuple[Array, Array, float] | None:
    """Draws (s, n, d), effective sizes (s,) and CPU seconds; None where a method cannot answer."""
    began = time.process_time()
    try:
        drawn = contenders.posteriors[method].sample(
            setting.values,
            setting.error_sd,
            setting.observed,
            draws=draws,
            seed=SEED,
            method=method,
        )
    except InvalidData as refusal:
        print(f"{method} cannot answer: {refusal}", file=sys.stderr)
        return None
    return drawn.values, drawn.effective_size, time.process_time() - began


def emcee_ratio(
    contenders: Contenders, setting: Setting, cost: dict[str, tuple[float, Array]]
) -> tuple[dict[str, float | None], dict[str, float]]:
    """CPU per effective draw of emcee over that of each method.

    emcee runs on the same surrogate, vectorised over walkers, for a few sites; its warm-up counts.
    Resampling n draws with weights of effective size e is worth 1 / (1/e + 1/n) draws.

    Parameters
    ----------
    cost : dict
        Method to (CPU seconds for all sites of `setting`, effective sizes (s,)).
    """
    spent, effective, rhat = [], [], []
    for site in np.linspace(0, len(setting.values) - 1, EMCEE_SITES).astype(int):
        chains = run_mcmc(
            contenders.surrogate,
            setting.values[site],
            setting.error_sd,
            method="ensemble",
            chains=2,
            draws=1000,
            warmup=300,
            seed=SEED,
        )
        spent.append(chains.cost["cpu_s"])
        effective.append(float(np.median(chains.ess_bulk)))
        rhat.append(float(chains.rhat.max()))
    per_draw = float(np.sum(spent) / np.sum(effective))
    ratio: dict[str, float | None] = {}
    for method, (cpu_s, size) in cost.items():
        if method == "faithful":
            ratio[method] = None  # its draws are of another quality
            continue
        worth = float((1.0 / (1.0 / size + 1.0 / DRAWS)).mean())
        ratio[method] = per_draw / (cpu_s / len(size) / worth)
    about = {
        "cpu_s_per_site": float(np.mean(spent)),
        "effective_size": float(np.mean(effective)),
        "largest_rhat": float(np.max(rhat)),
        "cpu_s_per_effective_draw": per_draw,
    }
    return ratio, about


def many_sites(
    contenders: Contenders, method: str, setting: Setting, sites: int
) -> dict[str, float]:
    """CPU seconds and peak memory of a fresh process that draws 1,000 times for each of `sites`."""
    arrays, meta = contenders.posteriors[method].to_arrays()
    rng = np.random.default_rng(SEED)
    rows = rng.integers(len(setting.values), size=sites)
    jitter = rng.standard_normal((sites, setting.values.shape[1])) * 0.1 * setting.error_sd
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posterior.npz"
        np.savez(
            path,
            **{f"array.{k}": v for k, v in arrays.items()},
            values=setting.values[rows] + jitter,
            error_sd=setting.error_sd,
        )
        (Path(folder) / "meta.json").write_text(json.dumps(meta))
        done = subprocess.run(
            [sys.executable, __file__, folder, method],
            capture_output=True,
            text=True,
            check=True,
        )
    return dict(json.loads(done.stdout))


def _child(folder: Path, method: str) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    with np.load(folder / "posterior.npz") as saved:
        arrays = {k[6:]: saved[k] for k in saved.files if k.startswith("array.")}
        values, error_sd = saved["values"], saved["error_sd"]
    posterior = Posterior.from_arrays(arrays, json.loads((folder / "meta.json").read_text()))
    began = time.process_time()
    drawn = posterior.sample(values, error_sd, draws=DRAWS, seed=SEED, method=method)
    spent = time.process_time() - began
    if not np.isfinite(drawn.values).all():
        raise RuntimeError("draws with NaN")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"cpu_s": spent, "gib": peak}


if __name__ == "__main__":
    with threadpool_limits(1):
        answer = _child(Path(sys.argv[1]), sys.argv[2])
    print(json.dumps(answer))
