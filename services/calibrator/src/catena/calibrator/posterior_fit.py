"""Prepares a posterior: bank, limits, generator, and DBUQ as published where asked for."""

from __future__ import annotations

import numpy as np

from catena.calibrator.dbuq import fit_faithful
from catena.calibrator.generator_fit import fit_generator
from catena.calibrator.posterior import AUTO, FAITHFUL, GENERATOR, METHODS, REWEIGHTED, Posterior
from catena.calibrator.range_check import fit_range_limits
from catena.calibrator.runs import check_runs
from catena.calibrator.sir import make_bank
from catena.calibrator.stages import Checkpoint, ProgressReport, Stages, part
from catena.calibrator.surrogate import Surrogate
from catena.calibrator.training import child_seed, no_denormals
from catena.shared.errors import InvalidData

BANK_SIZE = 2**17
LEAST_BANK, MOST_BANK_NUMBERS = 1024, 2**27
LABELS = 32_768
FAITHFUL_LABELS = 20_000
LEAST_LABELS, MOST_LABELS = 1024, 2**20
ERROR_FRACTIONS = (0.05, 1.5)


@no_denormals()
def fit_posterior(
    surrogate: Surrogate,
    *,
    method: str = AUTO,
    seed: int = 0,
    bank_size: int = BANK_SIZE,
    labels: int | None = None,
    min_error_fraction: float = ERROR_FRACTIONS[0],
    max_error_fraction: float = ERROR_FRACTIONS[1],
    ensemble: tuple[np.ndarray, np.ndarray] | None = None,
    progress: ProgressReport | None = None,
    checkpoint: Checkpoint | None = None,
) -> Posterior:
    """Prepare a posterior that answers any observation.

    Parameters
    ----------
    surrogate : Surrogate
    method : {"auto", "sir", "generator", "generator_reweighted", "faithful"}
        What it shall be able to do. ``auto`` and the generators include SIR; ``faithful`` adds
        DBUQ as published to SIR.
    seed : int
        The same seed gives the same bytes.
    bank_size : int
        Prior draws through the surrogate; a power of two is best.
    labels : int, optional
        Labels that the generator (or DBUQ as published) learns from; 32,768 (20,000) if left out.
    min_error_fraction, max_error_fraction : float
        Observation errors that the generator learns, as fractions of each output's spread.
    ensemble : (parameters, outputs), optional
        The runs (n, d) and (n, k), physical units: ``faithful`` learns from them.
    progress, checkpoint : optional
        See :mod:`catena.calibrator.stages`.

    Returns
    -------
    Posterior

    Raises
    ------
    InvalidData
        An unknown method, sizes out of bounds, ``faithful`` without runs.
    """
    _check(surrogate, method, bank_size, labels, (min_error_fraction, max_error_fraction))
    if method == FAITHFUL and ensemble is None:
        raise InvalidData("method 'faithful' learns from the runs; give the ensemble")
    stages = Stages(checkpoint)
    report = part(progress, 0.0, 1.0)
    bank = make_bank(surrogate, bank_size, child_seed(seed, 3))
    limits = fit_range_limits(bank, child_seed(seed, 4))
    report(0.1, f"bank of {bank_size} prior draws ready")
    generator, faithful = None, None
    if method in (AUTO, GENERATOR, REWEIGHTED):
        generator = fit_generator(
            surrogate.prior,
            bank,
            labels=labels or LABELS,
            error_range=(min_error_fraction, max_error_fraction),
            seed=seed,
            stages=stages,
            progress=part(progress, 0.1, 1.0),
        )
    elif method == FAITHFUL and ensemble is not None:
        parameters, outputs = check_runs(*ensemble, surrogate.prior)
        faithful = fit_faithful(
            parameters,
            outputs,
            labels=labels or FAITHFUL_LABELS,
            seed=seed,
            stages=stages,
            progress=part(progress, 0.1, 1.0),
        )
    report(1.0, "posterior ready")
    return Posterior(surrogate, bank, limits, generator, faithful)


def _check(
    surrogate: Surrogate,
    method: str,
    bank_size: int,
    labels: int | None,
    errors: tuple[float, float],
) -> None:
    if method not in METHODS:
        raise InvalidData(f"posterior method {method!r}; choose one of {', '.join(METHODS)}")
    most = MOST_BANK_NUMBERS // surrogate.outputs
    if not LEAST_BANK <= bank_size <= most:
        raise InvalidData(
            f"a bank of {bank_size} draws with {surrogate.outputs} outputs; want {LEAST_BANK} to "
            f"{most}: aggregate the outputs or take fewer draws"
        )
    if labels is not None and not LEAST_LABELS <= labels <= MOST_LABELS:
        raise InvalidData(f"{labels} labels; want {LEAST_LABELS} to {MOST_LABELS}")
    if not 0.0 < errors[0] < errors[1] < 100.0:
        raise InvalidData(
            f"error fractions {errors[0]:g} to {errors[1]:g}; want 0 < smallest < largest < 100"
        )
