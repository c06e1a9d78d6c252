"""A generated land model: a smooth closed-form stand-in, 8 parameters to 5 years of latent heat.

For trying things out where no runs of a real model are at hand. It has the parameters, ranges and
units of a calibration of the E3SM Land Model at the Missouri Ozark flux site (Lu et al. 2024,
J. Geophys. Res. Mach. Learn. Comput., section 3) and answers in its magnitudes, but it is made up:
whatever is shown from it must be called generated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

TITLE = "generated ensemble: a closed-form stand-in for a land model, not a run of one"


@dataclass(frozen=True)
class GeneratedParameter:
    """One parameter with its uniform prior [low, high] in `units`."""

    name: str
    low: float
    high: float
    units: str
    long_name: str


PARAMETERS = (
    GeneratedParameter("rootb_par", 0.5, 4.0, "m-1", "root distribution with depth"),
    GeneratedParameter("slatop", 0.01, 0.05, "m2 gC-1", "specific leaf area at the canopy top"),
    GeneratedParameter("flnr", 0.1, 0.4, "1", "share of leaf nitrogen in Rubisco"),
    GeneratedParameter("frootcn", 25.0, 60.0, "gC gN-1", "carbon to nitrogen ratio of fine roots"),
    GeneratedParameter("froot_leaf", 0.3, 1.5, "1", "new fine-root carbon per new leaf carbon"),
    GeneratedParameter(
        "br_mr", 1.5e-6, 4.0e-6, "gC gN-1 s-1", "base rate of maintenance respiration"
    ),
    GeneratedParameter("crit_dayl", 35000.0, 45000.0, "s", "day length at which leaves fall"),
    GeneratedParameter("crit_onset_gdd", 600.0, 1000.0, "degC d", "warmth at which leaves unfold"),
)
YEARS = (2006, 2007, 2008, 2009, 2010)
OUTPUTS = tuple(f"EFLX_LH_TOT_{year}" for year in YEARS)
OUTPUT_UNITS = "W m-2"
LOW: Array = np.array([p.low for p in PARAMETERS])
HIGH: Array = np.array([p.high for p in PARAMETERS])


@dataclass(frozen=True)
class Climate:
    """What the weather of k made-up years (or places) offers; each a (k,) array.

    Attributes
    ----------
    demand : evaporative demand, W m-2.
    shallow_water : soil water in reach of shallow roots, 0 to 1.
    warmth : of the spring, 1 = ordinary.
    """

    demand: Array
    shallow_water: Array
    warmth: Array


CLIMATE = Climate(
    demand=np.array([108.0, 104.0, 110.0, 106.0, 120.0]),
    shallow_water=np.array([0.20, 0.08, 0.75, 0.85, 0.95]),
    warmth=np.array([1.02, 1.15, 0.92, 0.97, 1.08]),
)
"""The climate of `YEARS`."""


def latent_heat(parameters: Array, climate: Climate = CLIMATE) -> Array:
    """Annual mean latent heat flux of the generated model.

    Transpiration is demand x canopy cover x photosynthetic capacity x length of the season x water
    that the roots reach; soil evaporation takes a share of what the canopy leaves.

    Parameters
    ----------
    parameters : (n, 8) array
        Physical units, columns as in `PARAMETERS`, inside their ranges.
    climate : Climate
        Of k years; left out, that of the five `YEARS`.

    Returns
    -------
    (n, k) array, W m-2, one column per year.

    Raises
    ------
    InvalidData
        A wrong number of columns, NaN, or values outside the ranges.
    """
    parameters = np.asarray(parameters, float)
    if parameters.ndim != 2 or parameters.shape[1] != len(PARAMETERS):
        raise InvalidData(
            f"parameters of shape {parameters.shape} came; (runs, {len(PARAMETERS)}) wanted"
        )
    slack = 1e-9 * (HIGH - LOW)
    if not ((parameters >= LOW - slack) & (parameters <= HIGH + slack)).all():
        raise InvalidData("a parameter is NaN or outside its range; see generated.PARAMETERS")
    rootb, slatop, flnr, frootcn, froot_leaf, br_mr, crit_dayl, onset = parameters.T[:, :, None]

    respiration = br_mr / 2.75e-6 * (0.4 + 0.6 * 42.0 / frootcn)
    leaf_carbon = 150.0 / (1.0 + 0.35 * froot_leaf) * (1.15 - 0.15 * respiration)
    cover = 1.0 - np.exp(-0.5 * leaf_carbon * slatop)
    nitrogen_per_area = 1.0 / (1.0 + 45.0 * slatop)
    capacity = flnr * nitrogen_per_area / (0.05 + flnr * nitrogen_per_area)
    leaf_on = np.exp(-0.45 * (onset / (800.0 * climate.warmth) - 1.0))
    leaf_off = 1.0 / (1.0 + np.exp((crit_dayl - 42500.0 * climate.warmth**0.3) / 2500.0))
    season = leaf_on * (0.72 + 0.28 * leaf_off)
    # Deep roots (small rootb) reach water when the top of the soil is dry.
    deep = np.exp(-0.7 * rootb) * (0.8 + 0.2 * froot_leaf)
    water = climate.shallow_water + (1.0 - climate.shallow_water) * deep
    stress = 1.3 * water / (water + 0.4)
    canopy = cover * capacity * season * stress
    soil = 0.34 * (1.0 - 0.45 * cover) * (0.6 + 0.4 * climate.shallow_water)
    return np.asarray(climate.demand * (canopy + soil))


def draw_parameters(runs: int, low: Array, high: Array, *, seed: int) -> Array:
    """Latin hypercube design of an ensemble.

    Parameters
    ----------
    runs : int
        Number of runs, >= 1.
    low, high : (d,) arrays
        Ranges, physical units, low < high.
    seed : int

    Returns
    -------
    (runs, d) array, physical units, strictly inside the ranges.

    Notes
    -----
    McKay, Beckman and Conover (1979), Technometrics 21:239; `scipy.stats.qmc.LatinHypercube`.
    """
    low, high = np.asarray(low, float), np.asarray(high, float)
    if runs < 1:
        raise InvalidData(f"{runs} runs were asked for; at least 1 wanted")
    if low.ndim != 1 or low.shape != high.shape or not (low < high).all():
        raise InvalidData("ranges are wrong: one low below one high per parameter wanted")
    unit = qmc.LatinHypercube(d=len(low), rng=np.random.default_rng(seed)).random(runs)
    return np.asarray(np.clip(low + unit * (high - low), low, high))


def generated_ensemble(runs: int, *, seed: int) -> tuple[Array, Array]:
    """Draw and run a generated ensemble.

    Parameters
    ----------
    runs : int
    seed : int

    Returns
    -------
    parameters : (runs, 8) array, physical units.
    outputs : (runs, 5) array, W m-2.
    """
    parameters = draw_parameters(runs, LOW, HIGH, seed=seed)
    return parameters, latent_heat(parameters)
