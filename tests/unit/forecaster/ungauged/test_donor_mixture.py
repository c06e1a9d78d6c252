"""Weights of donors: their fit without a simulation, and what they learn of similarity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from catena.forecaster import metrics
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import ProcessForecaster, Search, fit_process
from catena.forecaster.ungauged.donor_mixture import (
    Fits,
    Lending,
    fits_of,
    learn,
    mixed_flow,
    pairs_of,
)
from catena.models.donor_weights import DonorPairs, DonorWeights
from catena.shared.errors import InvalidData


@pytest.fixture(scope="module")
def fitted(records: BasinRecords, made_folds: list[Fold]) -> ProcessForecaster:
    fold = made_folds[1]
    gauged = records.select(fold.train_basins)
    return fit_process(gauged, fold.train_days, seed=0, search=Search(members=8, generations=2))


def test_the_fit_of_a_mixture_is_that_of_its_flow(
    records: BasinRecords, made_folds: list[Fold], fitted: ProcessForecaster
) -> None:
    fold = made_folds[1]
    gauged = records.select(fold.train_basins)
    lending = Lending(fitted, gauged, fold.train_days)
    weights = np.random.default_rng(0).random((4, 4))
    told = fits_of(lending, gauged, fold.train_days).misfit(torch.from_numpy(weights))
    days = fold.train_days & (np.arange(len(gauged.days)) >= 730)
    for row in range(4):
        flow = weights[row] @ lending.flow(row, np.arange(4))
        nse = metrics.nse(flow[days], gauged.flow[row, days], over=-1)
        assert float(told[row]) == pytest.approx(1 - float(nse), rel=1e-6)


def test_a_basin_that_lends_to_itself_gets_its_own_simulation(
    records: BasinRecords, made_folds: list[Fold], fitted: ProcessForecaster
) -> None:
    gauged = records.select(made_folds[1].train_basins)
    lending = Lending(fitted, gauged, made_folds[1].train_days)
    wanted = fitted.simulate(gauged).flow
    for row in range(4):
        np.testing.assert_allclose(lending.flow(row, np.array([row]))[0], wanted[row], rtol=1e-9)


def made_up(basins: int, donors: int, excess: float) -> tuple[Fits, DonorPairs]:
    """Flows that are the more alike the nearer the first of four attributes; the rest is noise."""
    rng = np.random.default_rng(3)
    theirs, ours = rng.normal(size=(donors, 4)), rng.normal(size=(basins, 4))
    between = np.exp(-((theirs[:, None, 0] - theirs[None, :, 0]) ** 2))
    across = np.exp(-((ours[:, None, 0] - theirs[None, :, 0]) ** 2))
    fits = Fits(
        torch.from_numpy(np.repeat(excess**2 * between[None], basins, axis=0)),
        torch.from_numpy(excess * across),
        torch.ones(basins, dtype=torch.float64),
    )
    values = (
        ours, (ours[:, None] - theirs) ** 2, rng.random((basins, donors)), np.zeros(donors),
        np.zeros((basins, donors), bool),
    )  # fmt: skip
    return fits, DonorPairs(*map(torch.from_numpy, values))


@pytest.mark.parametrize("excess", [1.0, 1.3])
def test_what_makes_basins_alike_is_learned_and_serves_unseen_basins(excess: float) -> None:
    fits, pairs = made_up(90, 40, excess)

    def part(rows: slice) -> tuple[Fits, DonorPairs]:
        few = DonorPairs(
            pairs.attributes[rows], pairs.apart[rows], pairs.distance[rows], pairs.misfit,
            pairs.barred[rows],
        )  # fmt: skip
        return fits.part(np.arange(90)[rows], np.arange(40)), few

    model = learn(*part(slice(60)))
    unseen, beside = part(slice(60, None))
    with torch.no_grad():
        plain = unseen.misfit(DonorWeights(4).double()(beside)).mean()
        found = unseen.misfit(model(beside)).mean()
        total = model(beside).sum(1).mean()
    assert float(found) < 0.6 * float(plain), (plain, found)
    assert int(model.importance.argmax()) == 0
    # Donors that all give too much are taken down.
    assert float(total) == pytest.approx(1 / excess, abs=0.12)


def test_badly_calibrated_basins_lend_nothing(
    records: BasinRecords, made_folds: list[Fold], fitted: ProcessForecaster
) -> None:
    fold = made_folds[1]
    gauged, rest = records.select(fold.train_basins), records.select(fold.test_basins)
    pairs = pairs_of(rest, gauged, np.array([0.1, 0.9, 0.2, 0.3]), 0.7)
    assert pairs.barred.tolist() == [[False, True, False, False]] * 2
    poor = replace(fitted, misfit=np.array([0.9, 0.9, 0.1, 0.9]))
    with pytest.raises(InvalidData, match=r"1 of 3 others .* a misfit of 0\.7 or less"):
        mixed_flow(records, fold, poor, worst_misfit=0.7)
