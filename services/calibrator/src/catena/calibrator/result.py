"""One calibration, gathered from its artifacts, as numbers for a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.calibrator import checks
from catena.calibrator.ensemble import EnsembleData
from catena.calibrator.mcmc import Chains
from catena.calibrator.model_runs import RUNS, outputs_at
from catena.calibrator.predictive import ModelPredictive, surrogate_at
from catena.calibrator.queries import WriteReportQuery
from catena.calibrator.storage import About, read_chains, read_check, read_ensemble, read_posterior
from catena.calibrator.surrogate import Surrogate
from catena.shared.artifacts import Artifact

Array = NDArray[np.float64]

SPUN_UP = "spin_up.json"
"""Where the ensemble runner keeps the summary of a spin-up."""
_COMPARED = 2000
_PREDICTED = 1000
_TIMED_CALLS = 5


@dataclass(frozen=True, eq=False)
class Result:
    """What a report shows.

    Parameters
    ----------
    about : About
        Names, units, data.
    ensemble : EnsembleData
    surrogate : Surrogate
    draws : (n, d) array
        Posterior draws for the observation.
    seen : dict
        Findings' numbers about this observation.
    predictive : (5, k) array
        Quantiles 5, 25, 50, 75, 95 % of the posterior predictive, the surrogate's error included.
    chains : Chains, optional
    c2st : float, optional
        How far a classifier tells posterior and chains apart.
    figures, arrays
        Of the check; None without one.
    truth : (d,) array, optional
        Parameters of the run that a synthetic observation was made from.
    site_s : float
        Seconds to draw for one site, measured here.
    model : ModelPredictive, optional
        Runs of the model itself with draws of this posterior, beside those of the prior.
    spun_up : dict, optional
        Summary of the spin-up that these runs began from.
    """

    about: About
    ensemble: EnsembleData
    surrogate: Surrogate
    draws: Array
    seen: dict[str, Any]
    predictive: Array
    chains: Chains | None
    c2st: float | None
    figures: dict[str, Any] | None
    arrays: dict[str, Array]
    truth: Array | None
    site_s: float
    model: ModelPredictive | None = None
    spun_up: dict[str, Any] | None = None

    def shrinkage(self) -> Array:
        """By how much the observation narrows each parameter: 1 - sd / (sd of the prior), (d,)."""
        prior = self.about.prior
        return np.asarray(1.0 - self.draws.std(axis=0) * np.sqrt(12.0) / (prior.high - prior.low))

    def prior_predictive(self) -> Array:
        """5 and 95 % quantiles of the ensemble's outputs, (2, k)."""
        return np.quantile(self.ensemble.outputs, [0.05, 0.95], axis=0)


def gather(
    query: WriteReportQuery,
    opened: dict[str, Artifact],
    progress: Callable[[float, str], None],
) -> Result:
    """Load, draw and compare.

    Parameters
    ----------
    query : WriteReportQuery
    opened : dict
        The artifacts of the query, by field.
    progress : callable
    """
    progress(0.05, "reading the results")
    posterior, about = read_posterior(opened["posterior"])
    ensemble = read_ensemble(opened["ensemble"])
    values, error_sd, observed = query.observation.arrays()

    def draw() -> Any:
        return posterior.sample(values, error_sd, observed, draws=query.draws, seed=query.seed)

    progress(0.2, "drawing from the posterior")
    sample = draw()
    site_s = _seconds(draw)
    draws = np.asarray(sample.values[0], float)
    predictive, z = _predict(posterior.surrogate, draws, values, error_sd, observed, query.seed)
    seen = {
        "draws": query.draws,
        "effective_size": float(np.ravel(sample.effective_size)[0]),
        "out_of_range": bool(np.ravel(sample.out_of_range)[0]),
        "distance_sd": float(np.ravel(sample.distance_sd)[0]),
        "method_used": str(np.ravel(sample.method_used)[0]),
        "extrapolates": float(posterior.surrogate.extrapolates(draws[:_COMPARED]).mean()),
        "z": [None if np.isnan(value) else float(value) for value in z],
    }
    chains = c2st = None
    if "chains" in opened:
        progress(0.4, "comparing with the Markov chains")
        chains, _ = read_chains(opened["chains"])
        c2st = _tell_apart(draws, chains.draws, about, query.seed)
    figures, arrays = read_check(opened["check"]) if "check" in opened else (None, {})
    truth = None
    if query.observation.synthetic and query.observation.run is not None:
        truth = ensemble.parameters[ensemble.index_of(query.observation.run)]
    return Result(
        about=about,
        ensemble=ensemble,
        surrogate=posterior.surrogate,
        draws=draws,
        seen=seen,
        predictive=predictive,
        chains=chains,
        c2st=c2st,
        figures=figures,
        arrays=arrays,
        truth=truth,
        site_s=site_s,
        model=_model_runs(query, opened, ensemble, posterior.surrogate, progress),
        spun_up=opened["spin_up"].read_json(SPUN_UP) if "spin_up" in opened else None,
    )


def _model_runs(
    query: WriteReportQuery,
    opened: dict[str, Artifact],
    ensemble: EnsembleData,
    surrogate: Surrogate,
    progress: Callable[[float, str], None],
) -> ModelPredictive | None:
    """Runs of the posterior at the ensemble's outputs, against what was used and held back."""
    if "predictive" not in opened:
        return None
    progress(0.5, "reading the model's runs of the posterior")
    dataset = opened["predictive"].open_dataset(RUNS)
    names = [str(name) for name in dataset["parameter"].to_numpy()]
    order = [names.index(name) for name in ensemble.prior.names]
    parameters = dataset["parameters"].to_numpy().astype(np.float64)[:, order]
    outputs = outputs_at(dataset, ensemble.steps)
    good = np.isfinite(outputs).all(axis=1)
    values, error_sd, used = query.observation.arrays()
    withheld = np.zeros_like(used)
    if query.withheld is not None:
        other, other_sd, withheld = query.withheld.arrays()
        values, error_sd = np.where(used, values, other), np.where(used, error_sd, other_sd)
    return ModelPredictive(
        steps=ensemble.steps,
        prior=ensemble.outputs,
        posterior=outputs[good],
        failed=int((~good).sum()),
        values=values,
        error_sd=error_sd,
        used=used,
        withheld=withheld,
        surrogate=surrogate_at(surrogate, parameters[good], outputs[good], error_sd, used),
    )


def _seconds(call: Callable[[], Any]) -> float:
    """Median of a few calls; the first, which warms caches, is the caller's."""
    found = []
    for _ in range(_TIMED_CALLS):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def _predict(
    surrogate: Surrogate,
    draws: Array,
    values: Array,
    error_sd: Array,
    observed: NDArray[np.bool_],
    seed: int,
) -> tuple[Array, Array]:
    mean, sd = surrogate.predict(draws[:_PREDICTED])
    noisy = mean + sd * np.random.default_rng([seed, 5]).standard_normal(mean.shape)
    result = checks.posterior_predictive(noisy[None], values[None], error_sd[None], observed[None])
    return np.quantile(noisy, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0), result.z[0]


def _tell_apart(draws: Array, chains: Array, about: About, seed: int) -> float:
    rng = np.random.default_rng([seed, 6])
    count = min(_COMPARED, len(draws), len(chains))
    low, high = about.prior.low, about.prior.high
    pair = [
        checks.unit_cube(values[rng.choice(len(values), count, replace=False)], low, high)
        for values in (draws, chains)
    ]
    return float(np.ravel(checks.c2st(pair[0][None], pair[1][None], seed=seed))[0])
