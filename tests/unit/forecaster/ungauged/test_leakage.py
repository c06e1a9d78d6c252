"""Signals planted in test basins and test years are not found; planted elsewhere, they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import Search
from catena.forecaster.ungauged import Chips, FoldTables, Settings, donor_flow, fit, simulate


def planted(records: BasinRecords, basins: tuple[str, ...], days: np.ndarray) -> BasinRecords:
    """Other weather and other flow in some basins on some days."""
    weather, flow = records.weather.copy(), records.flow.copy()
    at = np.ix_(records.rows(basins), np.flatnonzero(days))
    weather[at], flow[at] = 777.0, 555.0
    return replace(records, weather=weather, flow=flow)


def weights(
    records: BasinRecords, fold: Fold, chips: Chips, settings: Settings
) -> dict[str, torch.Tensor]:
    return fit(FoldTables.of(records, fold, chips), fold, "both", settings, seed=1).state()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def learned(
    records: BasinRecords, made_folds: list[Fold], chips: Chips, quick: Settings
) -> dict[str, torch.Tensor]:
    return weights(records, made_folds[1], chips, quick)


def test_a_network_learns_nothing_from_test_basins_and_test_days(
    records: BasinRecords, made_folds: list[Fold], chips: Chips, quick: Settings,
    learned: dict[str, torch.Tensor],
) -> None:  # fmt: skip
    """Weather, flow, attributes and images, through scales, batches and early stopping."""
    fold = made_folds[1]
    other = planted(records, fold.test_basins, np.ones(len(records.days), bool))
    other = planted(other, fold.train_basins, fold.test_days)
    rows = records.rows(fold.test_basins)
    attributes, bands, cloud = other.attributes.copy(), chips.bands.copy(), chips.cloud.copy()
    attributes[rows], bands[rows], cloud[rows, :30] = 333.0, 9.0, True
    other = replace(other, attributes=attributes)
    images = replace(chips, bands=bands, cloud=cloud)
    assert same(weights(other, fold, images, quick), learned)


def test_the_same_signals_in_training_are_found(
    records: BasinRecords, made_folds: list[Fold], chips: Chips, quick: Settings,
    learned: dict[str, torch.Tensor],
) -> None:  # fmt: skip
    """So the test above can fail."""
    fold = made_folds[1]
    one = fold.train_basins[:1]
    assert not same(weights(planted(records, one, fold.train_days), fold, chips, quick), learned)
    bands = chips.bands.copy()
    bands[records.row(one[0])] *= 1.5
    assert not same(weights(records, fold, replace(chips, bands=bands), quick), learned)


def test_the_flow_of_a_test_basin_is_simulated_without_its_flow_and_without_later_weather(
    records: BasinRecords, made_folds: list[Fold], chips: Chips, quick: Settings
) -> None:
    fold = made_folds[1]
    tables = FoldTables.of(records, fold, chips)
    net = fit(tables, fold, "both", quick, seed=1)
    span = {"warm_up": quick.warm_up, "scored": quick.scored}

    def flow(of: BasinRecords) -> np.ndarray:
        return simulate(
            net, FoldTables.of(of, fold, chips), fold.test_basins, fold.test_days, **span
        )

    blind = records.flow.copy()
    blind[records.rows(fold.test_basins)] = 99.0
    a = flow(records)
    np.testing.assert_array_equal(a, flow(records.with_flow(blind)))
    middle = int(np.flatnonzero(fold.test_days)[400])
    later = fold.test_days & (np.arange(len(records.days)) >= middle)
    b = flow(planted(records, fold.test_basins, later))
    np.testing.assert_allclose(a[:, :middle], b[:, :middle], rtol=1e-5)
    assert (np.abs(a[:, middle] - b[:, middle]) > 1e-6).all()


def test_donors_are_calibrated_without_the_test(
    records: BasinRecords, made_folds: list[Fold]
) -> None:
    fold = made_folds[1]
    flow = records.flow.copy()
    flow[records.rows(fold.test_basins)] = 55.0
    flow[:, fold.test_days] = 55.0
    search = Search(members=8, generations=2)
    a, b = (
        donor_flow(each, fold, seed=1, search=search, worst_misfit=9.0)
        for each in (records, records.with_flow(flow))
    )
    np.testing.assert_array_equal(a, b)
    assert a.shape == (len(fold.test_basins), len(records.days)) and (a >= 0).all()
