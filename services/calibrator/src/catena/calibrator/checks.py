"""Can the posterior be believed? Checks against pairs of known truth and simulated observation.

* simulation-based calibration: the truth's rank among the draws is uniform (`sbc_ranks`, `sbc_ks`);
* TARP: coverage of random distance balls, sensitive to the joint posterior (`tarp`);
* coverage and width of central intervals (`interval_coverage`);
* posterior predictive check in the space of the outputs (`posterior_predictive`);
* whether observations that the model cannot make are flagged (`out_of_range_rates`);
* distances between two sets of draws (`c2st`, `sliced_wasserstein`, from `distances`).

All are vectorised over sites. Arrays: s sites, n draws, d parameters, k outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.calibrator.distances import c2st, sliced_wasserstein, unit_cube
from catena.shared.errors import InvalidData

__all__ = [
    "OutOfRangeRates",
    "Predictive",
    "Tarp",
    "c2st",
    "interval_coverage",
    "ks_uniform",
    "out_of_range_rates",
    "posterior_predictive",
    "sbc_ks",
    "sbc_ranks",
    "sliced_wasserstein",
    "tarp",
    "unit_cube",
]

Array = NDArray[np.float64]


def sbc_ranks(draws: Array, truth: Array, *, seed: int = 0) -> Array:
    """Rank of each true parameter among its posterior draws, as a fraction in (0, 1).

    Uniform over sites if the posterior is right; heaped in the middle if it is too wide, at both
    ends if too narrow, at one end if shifted.

    Parameters
    ----------
    draws : (s, n, d) array
    truth : (s, d) array, same units.
    seed : int
        Ties (duplicated draws) and the place inside a rank are broken at random.

    Returns
    -------
    (s, d) array.

    Notes
    -----
    Talts et al. (2018), arXiv 1804.06788, algorithm 1.
    """
    draws, truth = _with_truth(draws, truth)
    below = (draws < truth[:, None, :]).sum(axis=1)
    equal = (draws == truth[:, None, :]).sum(axis=1)
    place = np.random.default_rng(seed).uniform(size=truth.shape)
    return np.asarray((below + place * (equal + 1)) / (draws.shape[1] + 1))


def ks_uniform(fractions: Array) -> Array:
    """Kolmogorov-Smirnov distance between the columns of `fractions` and the uniform law on [0, 1].

    Parameters
    ----------
    fractions : (s,) or (s, d) array

    Returns
    -------
    () or (d,) array.
    """
    ordered = np.sort(np.asarray(fractions, float), axis=0)
    n = len(ordered)
    if n == 0 or not np.isfinite(ordered).all():
        raise InvalidData(
            f"{n} ranks came, some perhaps not finite; at least one and all finite wanted"
        )
    step = np.arange(1, n + 1).reshape(-1, *[1] * (ordered.ndim - 1)) / n
    above, below = (step - ordered).max(axis=0), (ordered - (step - 1.0 / n)).max(axis=0)
    return np.asarray(np.maximum(above, below))


def sbc_ks(ranks: Array) -> Array:
    """KS distance of the SBC ranks from uniform, per parameter; the largest is the headline.

    Parameters
    ----------
    ranks : (s, d) array
        From `sbc_ranks`.

    Returns
    -------
    (d,) array. Chance alone keeps each under about 1.36 / sqrt(s) in 95 % of cases.
    """
    return np.atleast_1d(ks_uniform(ranks))


@dataclass(frozen=True)
class Tarp:
    """Expected coverage of random balls.

    Attributes
    ----------
    credibility : (m,) array
        Nominal levels in [0, 1].
    coverage : (m,) array
        Share of sites whose truth lies in the ball of that credibility.
    deviation : float
        Largest |coverage - credibility| over all levels.
    """

    credibility: Array
    coverage: Array
    deviation: float


def tarp(
    draws: Array,
    truth: Array,
    *,
    low: Array | None = None,
    high: Array | None = None,
    seed: int = 0,
    levels: int = 101,
) -> Tarp:
    """Tests of accuracy with random points: joint coverage in all parameters at once.

    For each site a reference point is drawn uniformly in the prior box; the share of draws nearer
    to it than the truth is uniform over sites exactly if the posterior is right.

    Parameters
    ----------
    draws : (s, n, d) array
    truth : (s, d) array, same units.
    low, high : (d,) arrays, optional
        The prior box; distances are taken in the unit cube. Left out: `draws` are in it already.
    seed : int
        Of the reference points.
    levels : int
        Points of the returned curve.

    Returns
    -------
    Tarp

    Notes
    -----
    Lemos et al. (2023), ICML, arXiv 2302.03026, algorithm 2.
    """
    draws, truth = _with_truth(draws, truth)
    if low is not None and high is not None:
        draws, truth = unit_cube(draws, low, high), unit_cube(truth, low, high)
    rng = np.random.default_rng(seed)
    reference = rng.uniform(size=truth.shape)
    to_truth = ((truth - reference) ** 2).sum(axis=1)
    nearer, equal = np.empty(len(truth)), np.empty(len(truth))
    for i in range(len(truth)):  # no (s, n, d) temporary
        to_draws = ((draws[i] - reference[i]) ** 2).sum(axis=1)
        nearer[i] = (to_draws < to_truth[i]).sum()
        equal[i] = (to_draws == to_truth[i]).sum()
    fraction = (nearer + rng.uniform(size=len(truth)) * (equal + 1)) / (draws.shape[1] + 1)
    credibility = np.linspace(0.0, 1.0, levels)
    coverage = np.searchsorted(np.sort(fraction), credibility, side="right") / len(fraction)
    return Tarp(credibility, coverage, float(ks_uniform(fraction)))


def interval_coverage(draws: Array, truth: Array, *, level: float = 0.9) -> Array:
    """Share of sites whose truth lies in the central interval of the draws, per parameter.

    Parameters
    ----------
    draws : (s, n, d) array
    truth : (s, d) array, same units.
    level : float
        Nominal probability of the interval, in (0, 1).

    Returns
    -------
    (d,) array.
    """
    draws, truth = _with_truth(draws, truth)
    if not 0.0 < level < 1.0:
        raise InvalidData(f"a level of {level} came; between 0 and 1 wanted, such as 0.9")
    tail = (1.0 - level) / 2
    inside = np.empty(truth.shape)
    for i in range(len(truth)):
        lower, upper = np.quantile(draws[i], [tail, 1.0 - tail], axis=0)
        inside[i] = (lower <= truth[i]) & (truth[i] <= upper)
    return np.asarray(inside.mean(axis=0))


@dataclass(frozen=True)
class Predictive:
    """Outputs predicted from posterior draws against what was observed.

    Attributes
    ----------
    rmse : float
        Over sites, draws and observed outputs; units of the outputs.
    rmse_per_output : (k,) array
        The same per output; NaN where an output was observed nowhere.
    z : (s, k) array
        (observed - predictive mean) / predictive standard deviation; the predictive variance is
        that of the draws plus that of the observation error. NaN where not observed.
    """

    rmse: float
    rmse_per_output: Array
    z: Array


def posterior_predictive(
    predicted: Array, values: Array, error_sd: Array, observed: NDArray[np.bool_] | None = None
) -> Predictive:
    """Posterior predictive check in the space of the outputs.

    Parameters
    ----------
    predicted : (s, n, k) array
        Outputs of the model (or of its surrogate) at the posterior draws; physical units.
    values : (s, k) array
        Observations, same units; ignored where not observed.
    error_sd : (k,) or (s, k) array
        Standard deviation of the observation error, same units, > 0.
    observed : (s, k) or (k,) bool array, optional
        Left out: all.

    Returns
    -------
    Predictive

    Raises
    ------
    InvalidData
        Shapes that do not fit, NaN where observed, or an error that is not positive.
    """
    predicted, values = np.asarray(predicted, float), np.asarray(values, float)
    if predicted.ndim != 3 or values.shape != (predicted.shape[0], predicted.shape[2]):
        raise InvalidData(
            f"predictions of shape {predicted.shape} and observations of {values.shape} came; "
            "(sites, draws, outputs) and (sites, outputs) wanted"
        )
    mask = np.broadcast_to(True if observed is None else observed, values.shape)
    sd = np.broadcast_to(np.asarray(error_sd, float), values.shape)
    if not (np.isfinite(values) & np.isfinite(sd) & (sd > 0))[mask].all():
        raise InvalidData(
            "an observed value is NaN or its error is not positive; mask it or correct the error"
        )
    if not np.isfinite(predicted).all():
        raise InvalidData("predictions have NaN or infinite values; check the surrogate's inputs")
    filled = np.where(mask, values, 0.0)
    square = ((predicted - filled[:, None, :]) ** 2).mean(axis=1)
    counts = mask.sum(axis=0)
    per_output = np.where(mask, square, 0.0).sum(axis=0) / np.where(counts > 0, counts, np.nan)
    total = np.where(mask, square, 0.0).sum() / max(int(mask.sum()), 1)
    spread = np.sqrt(predicted.var(axis=1) + np.where(mask, sd, 1.0) ** 2)
    z = np.where(mask, (filled - predicted.mean(axis=1)) / spread, np.nan)
    return Predictive(float(np.sqrt(total)), np.sqrt(per_output), z)


@dataclass(frozen=True)
class OutOfRangeRates:
    """How well flags tell impossible observations from possible ones.

    Attributes
    ----------
    false_alarms : float
        Share of possible observations (simulated from the prior) that were flagged.
    flagged : float
        Share of impossible observations that were flagged; NaN when none were given.
    """

    false_alarms: float
    flagged: float


def out_of_range_rates(
    possible: NDArray[np.bool_], impossible: NDArray[np.bool_] | None = None
) -> OutOfRangeRates:
    """False-alarm and detection rate of out-of-range flags.

    Parameters
    ----------
    possible : (s,) bool array
        Flags of observations simulated inside the prior box.
    impossible : (t,) bool array, optional
        Flags of observations moved out of what the model can give.
    """
    possible = np.asarray(possible, bool)
    if possible.size == 0:
        raise InvalidData("no flags of possible observations came; at least one wanted")
    detected = float(np.mean(impossible)) if impossible is not None and len(impossible) else np.nan
    return OutOfRangeRates(float(possible.mean()), detected)


def _with_truth(draws: Array, truth: Array) -> tuple[Array, Array]:
    draws, truth = np.asarray(draws, float), np.asarray(truth, float)
    if draws.ndim != 3 or truth.shape != (draws.shape[0], draws.shape[2]):
        raise InvalidData(
            f"draws of shape {draws.shape} and truths of shape {truth.shape} came; "
            "(sites, draws, parameters) and (sites, parameters) wanted"
        )
    if not (np.isfinite(draws).all() and np.isfinite(truth).all()):
        raise InvalidData("draws or truths have NaN or infinite values; remove those sites")
    return draws, truth
