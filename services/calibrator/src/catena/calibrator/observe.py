"""Synthetic observations: one run of the model plus noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.calibrator.ensemble import EnsembleData


@dataclass(frozen=True, eq=False)
class SyntheticObservation:
    """A run with noise on it.

    Parameters
    ----------
    values, error_sd : (k,) array
        Physical units.
    truth : (d,) array
        Parameters of the run.
    source : str
        How it was made, in words.
    """

    values: NDArray[np.float64]
    error_sd: NDArray[np.float64]
    truth: NDArray[np.float64]
    source: str


def observe_run(
    ensemble: EnsembleData, run: int, error_fraction: float, *, seed: int
) -> SyntheticObservation:
    """Add noise to one run.

    Parameters
    ----------
    ensemble : EnsembleData
    run : int
        Row in the user's table, from 0.
    error_fraction : float
        Noise standard deviation as a fraction of each output's spread over the training runs.
    seed : int
        Of the noise.

    Raises
    ------
    InvalidData
        When there is no such run, or it failed.
    """
    row = ensemble.index_of(run)
    error_sd = error_fraction * ensemble.spread()
    rng = np.random.default_rng([seed, run])
    values = ensemble.outputs[row] + error_sd * rng.standard_normal(len(error_sd))
    what = "the formula" if ensemble.generated else "the model"
    kept = (
        "held out of training"
        if ensemble.held_out[row]
        else "which IS a training run, so it flatters the result"
    )
    source = f"run {run} of {what}, {kept}, plus noise of {error_fraction:g} spread (seed {seed})"
    return SyntheticObservation(values, error_sd, ensemble.parameters[row], source)
