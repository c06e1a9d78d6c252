"""Signals planted in test basins and test years are not found; planted elsewhere, they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold
from catena.forecaster.process import Search
from catena.forecaster.ungauged import (
    Chips,
    FoldTables,
    Settings,
    donor_flows,
    fit,
    simulate,
)

ALL = {"attributes": True, "images": True, "donor_flow": True}


def planted(
    records: BasinRecords, basins: tuple[str, ...], days: np.ndarray, *, weather: bool = True
) -> BasinRecords:
    """Other flow, and other weather, in some basins on some days."""
    values, flow = records.weather.copy(), records.flow.copy()
    at = np.ix_(records.rows(basins), np.flatnonzero(days))
    flow[at] = 555.0
    if weather:
        values[at] = 33.0
    return replace(records, weather=values, flow=flow)


def lent(records: BasinRecords, fold: Fold) -> np.ndarray:
    search = Search(members=8, generations=2)
    return donor_flows(records, fold, seed=1, search=search, worst_misfit=9.0).all()


def weights(
    records: BasinRecords, fold: Fold, chips: Chips, settings: Settings
) -> dict[str, torch.Tensor]:
    tables = FoldTables.of(records, fold, chips, lent(records, fold))
    return fit(tables, fold, replace(settings, **ALL), seed=1).state()


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
    """Weather, flow, attributes and images, through scales, donors, batches and early stopping."""
    fold = made_folds[1]
    other = planted(records, fold.test_basins, np.ones(len(records.days), bool))
    other = planted(other, fold.train_basins, fold.test_days, weather=False)
    rows = records.rows(fold.test_basins)
    attributes, bands, cloud = other.attributes.copy(), chips.bands.copy(), chips.cloud.copy()
    attributes[rows], bands[rows], cloud[rows, :30] = 333.0, 9.0, True
    other = replace(other, attributes=attributes)
    images = replace(chips, bands=bands, cloud=cloud)
    assert same(weights(other, fold, images, quick), learned)


def test_weather_of_test_days_is_nothing_to_learn_from(
    records: BasinRecords, made_folds: list[Fold], chips: Chips, quick: Settings
) -> None:
    """But for what donors' stores remember of it in later years, which is weather, not flow."""
    fold = made_folds[1]
    settings = replace(quick, attributes=True, images=True)
    a, b = (
        fit(FoldTables.of(each, fold, chips), fold, settings, seed=1).state()
        for each in (records, planted(records, records.basins, fold.test_days))
    )
    assert same(a, b)


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
    tables = FoldTables.of(records, fold, chips, lent(records, fold))
    net = fit(tables, fold, replace(quick, **ALL), seed=1)
    span = {"warm_up": quick.warm_up, "scored": quick.scored}

    def flow(of: BasinRecords) -> np.ndarray:
        seen = FoldTables.of(of, fold, chips, lent(of, fold))
        return simulate(net, seen, fold.test_basins, fold.test_days, **span)

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
    other = planted(records, fold.test_basins, np.ones(len(records.days), bool), weather=False)
    other = planted(other, fold.train_basins, fold.test_days, weather=False)
    flow = lent(records, fold)
    np.testing.assert_array_equal(flow, lent(other, fold))
    assert flow.shape == (6, len(records.days), 4) and (flow >= 0).all()


def test_flow_by_donors_of_a_training_basin_knows_nothing_of_its_own_flow(
    records: BasinRecords, made_folds: list[Fold]
) -> None:
    """Else the network would learn to trust donors as it cannot where there is no gauge."""
    fold = made_folds[1]
    before = lent(records, fold)
    for basin in fold.train_basins:
        row = records.row(basin)
        flow = records.flow.copy()
        flow[row] = np.random.default_rng(row).gamma(0.3, 5.0, len(records.days))
        after = lent(records.with_flow(flow), fold)
        np.testing.assert_array_equal(before[row], after[row])
        others = [r for r in records.rows(fold.train_basins) if r != row]
        assert (before[others] != after[others]).any(axis=(1, 2)).all()  # they see it
