"""Checks a user's runs before anything is fitted to them."""

from __future__ import annotations

import numpy as np

from catena.calibrator.prior import Prior
from catena.shared.errors import InvalidData

SHOWN = 5


def runs_needed(parameters: int) -> int:
    """Fewest runs that a surrogate of so many parameters is fitted to."""
    return max(10, 2 * parameters + 2)


def _some(rows: np.ndarray) -> str:
    shown = ", ".join(str(int(row)) for row in rows[:SHOWN])
    return shown if len(rows) <= SHOWN else f"{shown} and {len(rows) - SHOWN} more"


def check_runs(
    parameters: np.ndarray, outputs: np.ndarray, prior: Prior, *, constant_ok: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return both tables as float64, or say what is wrong with them.

    Parameters
    ----------
    parameters : array_like, (n, d)
        One row per run, physical units.
    outputs : array_like, (n, k)
        One row per run, physical units.
    prior : Prior
        The box that runs must lie in.
    constant_ok : bool
        Accept outputs that never change (fields with dead cells); some output must change.

    Raises
    ------
    InvalidData
        Wrong shapes, NaN or infinite numbers, too few runs, repeated rows, runs outside the prior,
        outputs that are the same in all runs.
    """
    x = np.asarray(parameters, dtype=np.float64)
    y = np.asarray(outputs, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or y.shape[-1] == 0:
        raise InvalidData(
            f"parameters have shape {x.shape} and outputs {y.shape}; want (runs, parameters) and "
            "(runs, outputs) with the same runs in the same order"
        )
    if x.shape[1] != prior.size:
        raise InvalidData(
            f"runs have {x.shape[1]} parameters, the prior has {prior.size} "
            f"({', '.join(prior.names)}); give one column per parameter of the prior"
        )
    if len(x) < runs_needed(prior.size):
        raise InvalidData(
            f"{len(x)} runs for {prior.size} parameters; a surrogate needs at least "
            f"{runs_needed(prior.size)}: run more members"
        )
    for name, table in (("parameters", x), ("outputs", y)):
        bad = np.flatnonzero(~np.isfinite(table).all(1))
        if bad.size:
            raise InvalidData(
                f"{name} of {bad.size} runs are NaN or infinite (rows {_some(bad)}); "
                "leave failed runs out"
            )
    outside = np.flatnonzero(~prior.contains(x))
    if outside.size:
        column = int(np.flatnonzero((x[outside[0]] < prior.low) | (x[outside[0]] > prior.high))[0])
        raise InvalidData(
            f"{outside.size} runs lie outside the prior (rows {_some(outside)}); row "
            f"{outside[0]} has {prior.names[column]} = {x[outside[0], column]:g}, the prior is "
            f"[{prior.low[column]:g}, {prior.high[column]:g}]: correct the prior or leave them out"
        )
    _, first, inverse = np.unique(x, axis=0, return_index=True, return_inverse=True)
    repeated = np.flatnonzero(first[inverse.ravel()] != np.arange(len(x)))
    if repeated.size:
        raise InvalidData(
            f"{repeated.size} runs repeat the parameters of an earlier run (rows "
            f"{_some(repeated)}); keep one of each"
        )
    constant = np.flatnonzero(np.ptp(y, axis=0) == 0.0)
    if constant.size and (not constant_ok or constant.size == y.shape[1]):
        raise InvalidData(
            f"{constant.size} of {y.shape[1]} outputs are the same in all runs (columns "
            f"{_some(constant)}); they inform nothing: leave them out"
        )
    return x, y
