"""Flow of basins without a gauge by donors whose weights are learned from basins that have one.

For every training basin all other training basins are tried as donors. How well a mixture of their
flows fits is a quadratic form of the weights, so that it takes one matrix per basin, and no more
simulations, to learn how weights depend on attributes and distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.forecaster.data.records import BasinRecords, Mask, refuse
from catena.forecaster.data.scaling import moments
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import ProcessForecaster, ProcessModel
from catena.forecaster.process.donors import great_circle
from catena.forecaster.process.forecaster import (
    WARM_UP,
    band_warmth_of,
    observed_forcing,
    weather_climate,
)
from catena.models.donor_weights import DonorPairs, DonorWeights

Array = NDArray[np.float64]
Index = NDArray[np.int64]

PARTS = 10
"""Training basins get their weights from what was learned without this part of them."""
HEAVIEST = 20
"""Donors of a mixture."""
STEPS, RATE = 150, 0.05
SMOOTHNESS = 0.3
"""Weight of :meth:`DonorWeights.roughness` in the loss."""
_MOST_APART = 4.0  # scaled attributes beyond this count as this


@dataclass(frozen=True)
class Fits:
    """How well mixtures of donors' flows fit the flow of basins, in variances of the flow.

    Parameters
    ----------
    square : Tensor, (B, D, D)
    cross : Tensor, (B, D)
    own : Tensor, (B,)
        Mean products of donors' flows with each other, with the flow, and of the flow with itself.
    """

    square: Tensor
    cross: Tensor
    own: Tensor

    def misfit(self, weights: Tensor) -> Tensor:
        """``1 - NSE`` of mixtures, (B,), of weights (B, D)."""
        curved = torch.einsum("bi,bij,bj->b", weights, self.square, weights)
        return curved - 2 * (weights * self.cross).sum(1) + self.own

    def part(self, basins: Index, donors: Index) -> Fits:
        """Of some basins by some donors."""
        b, d = torch.from_numpy(basins), torch.from_numpy(donors)
        return Fits(self.square[b][:, d][:, :, d], self.cross[b][:, d], self.own[b])


class Lending:
    """Simulations of basins with the parameters of others.

    Parameters
    ----------
    fitted : ProcessForecaster
        Of the donors.
    records : BasinRecords
    days : (T,) boolean array
        Whose mean weather stands in for gaps.
    """

    def __init__(self, fitted: ProcessForecaster, records: BasinRecords, days: Mask) -> None:
        self._parameters = fitted.model.parameters
        self._records = records
        self._warmth, _ = band_warmth_of(records)
        self._forcing = observed_forcing(records, weather_climate(records, days))

    def flow(self, row: int, donors: Index) -> Array:
        """Flow of one basin by some donors, mm d-1, (donor, T)."""
        one = slice(row, row + 1)
        latitude, warmth, p, t = (
            np.repeat(values[one], len(donors), axis=0)
            for values in (self._records.latitude, self._warmth, *self._forcing)
        )
        model = ProcessModel(self._parameters[donors], latitude, warmth)
        return model.run(p, t, self._records.days).flow


def fits_of(lending: Lending, records: BasinRecords, days: Mask) -> Fits:
    """How each basin is fitted by all donors on the days given, after a warm-up."""
    days = days.copy()
    days[: 2 * WARM_UP] = False
    every = np.arange(len(records))
    square, cross, own = [], [], []
    for row in range(len(records)):
        seen = days & ~np.isnan(records.flow[row])
        came = records.flow[row, seen].astype(np.float64)
        made = lending.flow(row, every)[:, seen]
        unit = len(came) * came.var()
        square.append(made @ made.T / unit)
        cross.append(made @ came / unit)
        own.append(came @ came / unit)
    return Fits(*(torch.from_numpy(np.array(values)) for values in (square, cross, own)))


def pairs_of(
    records: BasinRecords, gauged: BasinRecords, misfit: Array, worst_misfit: float
) -> DonorPairs:
    """Basins beside donors, in scales of the donors."""
    mean, scale = moments(gauged.attributes)
    ours, theirs = (
        np.clip(np.nan_to_num((r.attributes - mean) / scale), -_MOST_APART, _MOST_APART)
        for r in (records, gauged)
    )
    there = (gauged.latitude, gauged.longitude)
    between = great_circle(*there, *there)
    middle = np.median(between[~np.eye(len(between), dtype=bool)])
    distance = great_circle(records.latitude, records.longitude, *there) / middle
    itself = np.array(records.basins)[:, None] == np.array(gauged.basins)
    barred = itself | (misfit > worst_misfit)
    lonely = barred.all(axis=1)
    good = int((misfit <= worst_misfit).sum())
    refuse(
        {records.basins[row]: "has no donor" for row in np.flatnonzero(lonely)},
        f"basins have no donor: {good} of {len(gauged)} others that were calibrated have a misfit "
        f"of {worst_misfit:g} or less",
    )
    return DonorPairs(
        attributes=torch.from_numpy(ours),
        apart=torch.from_numpy((ours[:, None] - theirs) ** 2),
        distance=torch.from_numpy(distance),
        misfit=torch.from_numpy(misfit),
        barred=torch.from_numpy(barred),
    )


def learn(fits: Fits, pairs: DonorPairs) -> DonorWeights:
    """Weights that fit the basins.

    A basin counts by its misfit over one plus what the plain distance gives: else the few that no
    donor fits would rule.
    """
    model = DonorWeights(pairs.attributes.shape[1]).double()
    with torch.no_grad():
        plain = fits.misfit(model(pairs))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = (fits.misfit(model(pairs)) / (1 + plain)).mean()
        torch.autograd.backward(loss + SMOOTHNESS * model.roughness())
        optimizer.step()
    return model


def mixed_flow(
    records: BasinRecords, fold: Fold, fitted: ProcessForecaster, *, worst_misfit: float
) -> Array:
    """Flow, mm d-1, (basin, T), of the training basins of a fold and then its test basins.

    Test basins get weights that were learned from all training basins. Each part of the training
    basins gets weights that were learned without it, neither as basins nor as donors: nothing that
    was made of its flow is in its mixture.

    Parameters
    ----------
    records : BasinRecords
    fold : Fold
    fitted : ProcessForecaster
        The training basins, calibrated.
    worst_misfit : float
        Basins whose calibration ended above this misfit are no donors.
    """
    gauged = records.select(fold.train_basins)
    every = records.select([*fold.train_basins, *fold.test_basins])
    known = fold.train_days | fold.validate_days
    fits = fits_of(Lending(fitted, gauged, fold.train_days), gauged, known)
    count = len(gauged)
    rows, weights = np.arange(count), np.zeros((len(every), count))
    # Neighbours in the order of names lie in one river basin: dealt out, no part lacks a region.
    parts = [rows[k::PARTS] for k in range(min(PARTS, count))]
    for wanted, left_out in [*((part, part) for part in parts),
                             (np.arange(count, len(every)), rows[:0])]:  # fmt: skip
        donors = np.setdiff1d(rows, left_out)
        lenders = gauged.select([gauged.basins[row] for row in donors])
        misfit = fitted.misfit[donors]
        model = learn(fits.part(donors, donors), pairs_of(lenders, lenders, misfit, worst_misfit))
        asking = every.select([every.basins[row] for row in wanted])
        with torch.no_grad():
            found = model(pairs_of(asking, lenders, misfit, worst_misfit))
        weights[np.ix_(wanted, donors)] = found.numpy()
    lending = Lending(fitted, every, fold.train_days)
    flow = np.empty((len(every), len(records.days)))
    for row, share in enumerate(weights):
        heaviest = np.argsort(-share, kind="stable")[:HEAVIEST]
        few = share[heaviest] * (share.sum() / share[heaviest].sum())
        flow[row] = few @ lending.flow(row, heaviest)
    return flow
