"""Flow of basins without a gauge by a process model with the parameters of basins that have one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import Search, fit_process, regionalise
from catena.forecaster.ungauged.donor_mixture import mixed_flow

Array = NDArray[np.float64]

DONORS = 7
"""Donors of each basin, as far as there are so many."""


@dataclass(frozen=True, eq=False)
class DonorFlows:
    """Flow of `N` basins by their donors, mm d-1; NaN in basins that the fold does not name.

    Parameters
    ----------
    similar : (N, T, K) array
        With the parameters of the most similar basins, these first.
    mixed : (N, T) array
        With learned weights of many donors; see
        :mod:`catena.forecaster.ungauged.donor_mixture`.
    """

    similar: Array
    mixed: Array

    def mean(self) -> Array:
        """The usual way to simulate a basin without a gauge (Oudin et al. 2008), (N, T)."""
        return np.asarray(self.similar.mean(axis=-1))

    def all(self) -> Array:
        """The mixture, then the similar ones, (N, T, 1 + K): what networks look at."""
        return np.concatenate([self.mixed[..., None], self.similar], axis=-1)


def donor_flows(
    records: BasinRecords,
    fold: Fold,
    *,
    seed: int,
    search: Search | None = None,
    worst_misfit: float = 0.7,
    count: int = DONORS,
) -> DonorFlows:
    """Flow of all basins of a fold by donors.

    The training basins are calibrated, once each, on the days of training and of validation. Those
    most similar to a basin lend it their parameters, and the process model runs through all days
    with the basin's own weather. Training basins are treated as if they had no gauge: their donors
    are other training basins, so that donors' flow is as wrong in them as it is where nothing is
    known, and who learns from it learns that.

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
    rows = records.rows(basins)
    similar = np.full((len(records), len(records.days), len(donors.members)), np.nan)
    mixed = np.full(similar.shape[:2], np.nan)
    similar[rows] = donors.simulate_each(every)
    mixed[rows] = mixed_flow(records, fold, fitted, worst_misfit=worst_misfit)
    return DonorFlows(similar, mixed)
