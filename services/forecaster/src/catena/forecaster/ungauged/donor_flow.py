"""Flow of basins without a gauge by a process model with the parameters of basins that have one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import Search, fit_process, regionalise

DONORS = 7
"""Donors of each basin, as far as there are so many."""


def donor_flows(
    records: BasinRecords,
    fold: Fold,
    *,
    seed: int,
    search: Search | None = None,
    worst_misfit: float = 0.7,
    count: int = DONORS,
) -> NDArray[np.float64]:
    """Flow, mm d-1, (N, T, K), of all basins of a fold by their donors, the most similar first.

    The training basins are calibrated, once each, on the days of training and of validation. Those
    most similar to a basin lend it their parameters, and the process model runs through all days
    with the basin's own weather. Training basins are treated as if they had no gauge: their donors
    are other training basins, so that donors' flow is as wrong in them as it is where nothing is
    known, and who learns from it learns that. The mean over donors is the usual way of simulating a
    basin without a gauge (Oudin et al. 2008).

    Parameters
    ----------
    records : BasinRecords
    fold : Fold
    seed : int
    search : Search, optional
        How parameters are searched.
    worst_misfit : float
        See :func:`catena.forecaster.process.regionalise`.
    count : int
        Donors of each basin, `K`, as far as there are so many.

    Returns
    -------
    array
        NaN in basins that the fold does not name.

    Raises
    ------
    InvalidData
        Training basins that cannot be calibrated (by name), or too few good donors.
    """
    gauged = records.select(fold.train_basins)
    known = fold.train_days | fold.validate_days
    fitted = fit_process(gauged, known, seed=seed, search=search)
    basins = [*fold.train_basins, *fold.test_basins]
    every = records.select(basins)
    donors = regionalise(
        fitted,
        gauged,
        every,
        fold.train_days,
        attributes=records.attribute_names,
        count=count,
        worst_misfit=worst_misfit,
        leave_out=True,
    )
    made = donors.simulate_each(every)
    flow = np.full((len(records), *made.shape[1:]), np.nan)
    flow[records.rows(basins)] = made
    return flow
