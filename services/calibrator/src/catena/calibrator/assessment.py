"""Can this posterior be believed? All checks of one posterior, as numbers.

Two kinds of pairs of truth and observation are used: *simulated* ones (parameters from the prior,
outputs from the surrogate with its own error), which test the sampler alone, and *held-out* runs of
the model itself, which test surrogate and sampler together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.calibrator import checks
from catena.calibrator.ensemble import EnsembleData
from catena.calibrator.posterior import Posterior
from catena.calibrator.spread import groups_of, typical
from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]
Progress = Callable[[float, str], None]

LEVEL = 0.9
IMPOSSIBLE_SD = 5.0
"""Standard deviations (observation and surrogate error together) beyond everything that the model
gives at which an observation counts as impossible."""

HARDLY_VARIES = 0.05
"""Outputs whose spread is a smaller part of their quantity's are not asked what of it the surrogate
explains: a month in which hardly a tree has leaves."""

_IMPOSSIBLE = 100
_SEARCHED = 4096  # points of the prior at which the extremes of the outputs are looked for
_PREDICTED_DRAWS = 400


@dataclass(frozen=True, eq=False)
class Pairs:
    """Known truths with noisy observations of them.

    Parameters
    ----------
    truth : (s, d) array
        Parameters, physical units.
    values : (s, k) array
        Observations, physical units.
    error_sd : (k,) array
        Standard deviation of their noise.
    """

    truth: Array
    values: Array
    error_sd: Array


def simulated_pairs(posterior: Posterior, count: int, error_sd: Array, *, seed: int) -> Pairs:
    """Draw parameters from the prior and observe them through the surrogate, its error included."""
    rng = np.random.default_rng([seed, 1])
    prior = posterior.surrogate.prior
    truth = prior.from_unit(rng.uniform(size=(count, prior.size)))
    mean, sd = posterior.surrogate.predict(truth)
    noise = rng.standard_normal(mean.shape) * np.sqrt(sd**2 + error_sd**2)
    return Pairs(truth, mean + noise, error_sd)


def held_out_pairs(ensemble: EnsembleData, error_sd: Array, *, seed: int) -> Pairs:
    """Observe the held-out runs of the model with noise."""
    truth, outputs = ensemble.testing()
    rng = np.random.default_rng([seed, 2])
    return Pairs(truth, outputs + rng.standard_normal(outputs.shape) * error_sd, error_sd)


def assess(
    posterior: Posterior,
    ensemble: EnsembleData,
    *,
    pairs: int,
    draws: int,
    noise_fraction: float,
    seed: int,
    method: str = "auto",
    observation: tuple[Array, Array, NDArray[np.bool_]] | None = None,
    progress: Progress = lambda fraction, message: None,
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Run all checks.

    Parameters
    ----------
    posterior : Posterior
    ensemble : EnsembleData
        The runs that it was trained on, with held-out ones (or without: then that part is missing).
    pairs : int
        Simulated pairs.
    draws : int
        Posterior draws per pair.
    noise_fraction : float
        Noise on the observations, as a fraction of each output's spread over the training runs.
    method : str
        Method of sampling that is checked.
    observation : tuple of arrays, optional
        Values, error standard deviations and mask (k,) of the observation to predict.

    Returns
    -------
    figures : dict
        Numbers and lists, JSON.
    arrays : dict of arrays
        ``simulated.ranks`` (pairs, d), ``simulated.tarp_coverage``, ``tarp_credibility``, the same
        for ``held_out``, ``predictive_quantiles`` (5, k).

    Raises
    ------
    InvalidData
        When the ensemble has other parameters or outputs than the posterior.
    """
    _same_problem(posterior, ensemble)
    error_sd = noise_fraction * ensemble.spread()
    figures: dict[str, Any] = {
        "noise_fraction": noise_fraction,
        "draws": draws,
        "method": method,
        "seed": seed,
    }
    arrays: dict[str, Array] = {"tarp_credibility": np.linspace(0.0, 1.0, 101)}
    progress(0.05, f"sampling {pairs} simulated pairs")
    simulated = simulated_pairs(posterior, pairs, error_sd, seed=seed)
    figures["simulated"], found = _judge(posterior, simulated, draws, seed, method)
    arrays |= {f"simulated.{name}": value for name, value in found.items()}
    progress(0.6, "sampling observations that the model cannot give")
    figures["out_of_range"] = _out_of_range(
        posterior, ensemble, simulated, figures["simulated"].pop("flags"), seed, method
    )
    figures["held_out"] = None
    if ensemble.held_out.any():
        progress(0.7, "sampling held-out runs of the model")
        held = held_out_pairs(ensemble, error_sd, seed=seed)
        figures["held_out"], found = _judge(posterior, held, draws, seed, method)
        figures["held_out"].pop("flags")
        figures["held_out"] |= _surrogate_on(posterior, ensemble)
        arrays |= {f"held_out.{name}": value for name, value in found.items()}
    figures["observation"] = None
    if observation is not None:
        progress(0.95, "predicting the observation")
        figures["observation"], arrays["predictive_quantiles"] = _predict(
            posterior, observation, seed, method
        )
    progress(1.0, "checked")
    return figures, arrays


def _same_problem(posterior: Posterior, ensemble: EnsembleData) -> None:
    ours, theirs = posterior.surrogate.prior.names, ensemble.prior.names
    outputs = ensemble.outputs.shape[1]
    if ours != theirs or posterior.surrogate.outputs != outputs:
        raise InvalidData(
            "the posterior belongs to another ensemble",
            violations=[
                FieldViolation(
                    "ensemble",
                    f"has parameters {', '.join(theirs[:12])} and {outputs} outputs, the posterior "
                    f"{', '.join(ours[:12])} and {posterior.surrogate.outputs}; give the ensemble "
                    "that the surrogate was trained on",
                )
            ],
        )


def _judge(
    posterior: Posterior, pairs: Pairs, draws: int, seed: int, method: str
) -> tuple[dict[str, Any], dict[str, Array]]:
    sample = posterior.sample(pairs.values, pairs.error_sd, draws=draws, seed=seed, method=method)
    prior = posterior.surrogate.prior
    ranks = checks.sbc_ranks(sample.values, pairs.truth, seed=seed)
    tarp = checks.tarp(sample.values, pairs.truth, low=prior.low, high=prior.high, seed=seed)
    effective = np.asarray(sample.effective_size, float)
    used = [str(name) for name in np.broadcast_to(sample.method_used, len(pairs.truth))]
    figures = {
        "pairs": len(pairs.truth),
        "ks": checks.sbc_ks(ranks).tolist(),
        "tarp": tarp.deviation,
        "coverage90": checks.interval_coverage(sample.values, pairs.truth, level=LEVEL).tolist(),
        "outside_prior": int((~prior.contains(sample.values.reshape(-1, prior.size))).sum()),
        "effective_size_median": float(np.median(effective)),
        "effective_size_lowest": float(effective.min()),
        "methods_used": {name: used.count(name) for name in sorted(set(used))},
        "flags": np.asarray(sample.out_of_range, bool),
    }
    return figures, {"ranks": ranks, "tarp_coverage": tarp.coverage}


def _out_of_range(
    posterior: Posterior,
    ensemble: EnsembleData,
    possible: Pairs,
    flags: NDArray[np.bool_],
    seed: int,
    method: str,
) -> dict[str, Any]:
    """Move one output of possible observations beyond all runs and see whether it is flagged."""
    rng = np.random.default_rng([seed, 3])
    values = possible.values[:_IMPOSSIBLE].copy()
    column = rng.integers(values.shape[1], size=len(values))
    above = rng.uniform(size=len(values)) < 0.5
    prior = posterior.surrogate.prior
    mean, sd = posterior.surrogate.predict(prior.from_unit(prior.sobol_unit(_SEARCHED, seed)))
    given = np.concatenate([ensemble.outputs, mean])
    lowest, highest = given.min(axis=0), given.max(axis=0)
    error = np.sqrt(possible.error_sd**2 + (sd**2).mean(axis=0))
    step = IMPOSSIBLE_SD * error[column]
    values[np.arange(len(values)), column] = np.where(
        above, highest[column] + step, lowest[column] - step
    )
    sample = posterior.sample(values, possible.error_sd, draws=50, seed=seed, method=method)
    rates = checks.out_of_range_rates(flags, np.asarray(sample.out_of_range, bool))
    return {
        "false_alarms": rates.false_alarms,
        "flagged": rates.flagged,
        "tried": len(values),
    }


def _surrogate_on(posterior: Posterior, ensemble: EnsembleData) -> dict[str, Any]:
    """How well the surrogate predicts runs that it has not seen."""
    truth, outputs = ensemble.testing()
    mean, sd = posterior.surrogate.predict(truth)
    residual = outputs - mean
    spread = ensemble.spread()
    inside = np.abs(residual) <= 1.6449 * sd
    quantities = ensemble.quantities()
    varies = spread > HARDLY_VARIES * typical(spread, groups_of(quantities, len(quantities)))
    r2 = 1.0 - residual.var(axis=0) / spread**2
    return {
        "surrogate_r2": [
            float(part) if told else None for part, told in zip(r2, varies, strict=True)
        ],
        "surrogate_rmse": np.sqrt((residual**2).mean(axis=0)).tolist(),
        "surrogate_coverage90": float(inside.mean()),
    }


def _predict(
    posterior: Posterior,
    observation: tuple[Array, Array, NDArray[np.bool_]],
    seed: int,
    method: str,
) -> tuple[dict[str, Any], Array]:
    values, error_sd, observed = observation
    sample = posterior.sample(
        values, error_sd, observed, draws=_PREDICTED_DRAWS, seed=seed, method=method
    )
    predicted, sd = posterior.surrogate.predict(sample.values[0])
    noisy = predicted + sd * np.random.default_rng([seed, 4]).standard_normal(predicted.shape)
    result = checks.posterior_predictive(
        noisy[None], values[None], np.where(observed, error_sd, 1.0)[None], observed[None]
    )
    figures = {
        "z": [None if np.isnan(z) else float(z) for z in result.z[0]],
        "rmse": result.rmse,
        "out_of_range": bool(np.ravel(sample.out_of_range)[0]),
        "distance_sd": float(np.ravel(sample.distance_sd)[0]),
        "effective_size": float(np.ravel(sample.effective_size)[0]),
        "extrapolates": float(posterior.surrogate.extrapolates(sample.values[0]).mean()),
        "method_used": str(np.ravel(sample.method_used)[0]),
    }
    return figures, np.quantile(noisy, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
