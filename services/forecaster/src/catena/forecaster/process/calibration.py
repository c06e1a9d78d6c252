"""Calibration by differential evolution, all basins side by side."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from catena.forecaster.process import kernels
from catena.forecaster.process.model import ProcessModel, checked_weather, fresh_states
from catena.forecaster.process.parameters import PARAMETERS, from_unit
from catena.forecaster.process.pet import oudin_pet
from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]
Misfit = Callable[[Array, Array], Array]

LEAST_DAYS = 365
"""Observed days after the warm-up that a calibration needs."""


@dataclass(frozen=True)
class Search:
    """How the search is made.

    Parameters
    ----------
    members, generations : int
        Size of each basin's population, and the most generations.
    tolerance : float
        A basin is done when its population's misfits lie within this fraction of the best.
    best_fraction : float
        Members drift towards one of the best, which are this fraction of the population.
    root_weight : float
        Share of the misfit that is about the root of flow, which sees low flow; the rest is about
        flow itself. 0 maximises NSE.
    """

    members: int = 40
    generations: int = 70
    tolerance: float = 2e-3
    best_fraction: float = 0.15
    root_weight: float = 0.2


@dataclass(frozen=True, eq=False)
class Calibration:
    """Parameters found.

    Parameters
    ----------
    parameters : Array, (basin, 9)
    misfit : Array, (basin,)
        ``(1 - w) (1 - NSE) + w (1 - NSE of roots)`` on the days used.
    generations : NDArray, (basin,)
        Generations that were run.
    """

    parameters: Array
    misfit: Array
    generations: NDArray[np.int64]


def unusable_basins(flow: Array, warmup: int, names: Sequence[str]) -> dict[str, str]:
    """Basins that cannot be calibrated, and why.

    Parameters
    ----------
    flow : array_like, (basin, day)
        mm d-1, NaN where missing.
    warmup : int
        Leading days that do not count.
    names : sequence of str
    """
    reasons = {}
    for name, record in zip(names, np.asarray(flow, float)[:, warmup:], strict=True):
        seen = record[np.isfinite(record)]
        if len(seen) < LEAST_DAYS:
            reasons[name] = f"{len(seen)} observed days after the warm-up; want {LEAST_DAYS}"
        elif (seen < 0.0).any():
            reasons[name] = f"negative flow ({seen.min():g} mm d-1)"
        elif seen.max() == seen.min():
            kind = "zero" if seen.max() == 0.0 else "constant"
            reasons[name] = f"{kind} flow on all {len(seen)} observed days"
    return reasons


def calibrate(
    precipitation: Array,
    temperature: Array,
    flow: Array,
    days: NDArray[np.datetime64],
    latitude: Array,
    band_warmth: Array,
    *,
    names: Sequence[str],
    seed: int,
    warmup: int = 730,
    search: Search | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Parameters that bring the model nearest to observed flow on the days given.

    Give training days only. The misfit is that of Nash and Sutcliffe (1970), of flow and of its
    root (`Search.root_weight`). Each basin has random numbers of its own, from its name, so that it
    finds the same parameters alone and among others.

    Parameters
    ----------
    precipitation, temperature : array_like, (basin, day)
        mm d-1 and degC, without gaps.
    flow : array_like, (basin, day)
        mm d-1, NaN where missing.
    days : array_like of datetime64[D], (day,)
    latitude : array_like, (basin,)
        Degrees north.
    band_warmth : array_like, (basin, BANDS)
        See :mod:`catena.forecaster.process.bands`.
    names : sequence of str
        Of the basins.
    seed : int
    warmup : int
        Leading days whose flow does not count.
    search : Search, optional
    progress : callable, optional
        Told after each basin how many of how many are done.

    Raises
    ------
    InvalidData
        Basins that :func:`unusable_basins` names; forcing with gaps.
    """
    search = search or Search()
    shape = (len(names), len(days))
    p = checked_weather("precipitation", precipitation, shape)
    t = checked_weather("temperature", temperature, shape)
    observed = np.array(flow, float)
    bad = unusable_basins(observed, warmup, names)
    if bad:
        raise InvalidData(
            "basins cannot be calibrated; leave them out",
            violations=[FieldViolation(name, reason) for name, reason in bad.items()],
        )
    # through the model's own checks and order of bands
    middle = from_unit(np.full((len(names), len(PARAMETERS)), 0.5))
    warmth = ProcessModel(middle, latitude, band_warmth).band_warmth
    pet = oudin_pet(t, latitude, days)
    observed[:, :warmup] = np.nan
    observed[~np.isfinite(observed)] = np.nan
    found = []
    for b, name in enumerate(names):
        misfit = _misfit_of(p[b], t[b], pet[b], observed[b], warmth[b], search.root_weight)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        found.append(_evolve(misfit, rng, search))
        if progress is not None:
            progress(b + 1, len(names))
    unit, misfits, generations = zip(*found, strict=True)
    return Calibration(from_unit(np.array(unit)), np.array(misfits), np.array(generations))


def _misfit_of(
    p: Array, t: Array, pet: Array, observed: Array, warmth: Array, root_weight: float
) -> Misfit:
    """Misfit of a population of one basin, given up where it passes a bound."""
    root = np.sqrt(observed)
    weights = np.array([1.0 - root_weight, root_weight])
    weights /= [np.nansum((x - np.nanmean(x)) ** 2) for x in (observed, root)]

    def misfit(unit: Array, bound: Array) -> Array:
        parameters = from_unit(unit)
        start = fresh_states(parameters)
        return np.asarray(
            kernels.misfit(start, p, t, pet, observed, root, weights, parameters, warmth, bound)
        )

    return misfit


def _evolve(misfit: Misfit, rng: np.random.Generator, search: Search) -> tuple[Array, float, int]:
    """Differential evolution in the unit cube: best point, its misfit, generations.

    "Current to p-best" (Zhang and Sanderson 2009, IEEE Trans. Evol. Comput. 13, 945-958, eq. 6)
    with binomial crossover; weights are drawn anew for each trial. A trial stops as soon as it is
    worse than its parent, which it then does not replace: nothing is lost by that.
    """
    n, d = search.members, len(PARAMETERS)
    rows, best_few = np.arange(n), max(2, round(search.best_fraction * n))
    unit = qmc.LatinHypercube(d, rng=rng).random(n)
    value = misfit(unit, np.full(n, np.inf))
    generation = 0
    while generation < search.generations:
        if value.max() - value.min() <= search.tolerance * value.min():
            break
        generation += 1
        best = np.argsort(value)[rng.integers(best_few, size=n)]
        # two others: shifts that are neither zero nor the same
        first = rng.integers(1, n, n)
        second = (first - 1 + rng.integers(1, n - 1, n)) % (n - 1) + 1
        one, other = unit[(rows + first) % n], unit[(rows + second) % n]
        pull, spread = rng.uniform(0.3, 0.9, (2, n, 1))
        trial = unit + pull * (unit[best] - unit) + spread * (one - other)
        cross = rng.random((n, d)) < rng.uniform(0.6, 1.0, (n, 1))
        cross[rows, rng.integers(d, size=n)] = True
        trial = np.where(cross, trial, unit)
        # beyond a bound: halfway between the parent and the bound
        trial = np.where(trial < 0.0, 0.5 * unit, np.where(trial > 1.0, 0.5 * (unit + 1.0), trial))
        tried = misfit(trial, value)
        better = tried <= value
        unit, value = np.where(better[:, None], trial, unit), np.where(better, tried, value)
    return unit[np.argmin(value)], float(value.min()), generation
