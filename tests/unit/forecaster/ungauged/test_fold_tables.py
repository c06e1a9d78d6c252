"""Sequences are what slicing by hand gives, scaled by training alone."""

from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import Fold
from catena.forecaster.process.pet import oudin_pet
from catena.forecaster.ungauged import Chips, FoldTables
from catena.forecaster.ungauged.fold_tables import Sequences, turned
from catena.shared.errors import InvalidData

WARM_UP, SCORED = 40, 50


@pytest.fixture(scope="module")
def tables(records: BasinRecords, chips: Chips, made_folds: list[Fold]) -> FoldTables:
    return FoldTables.of(records, made_folds[1], chips)


def sequences(tables: FoldTables, fold: Fold, noise: float = 0.0) -> Sequences:
    return Sequences(
        tables, fold.train_basins, fold.train_days, warm_up=WARM_UP, scored=SCORED,
        attribute_noise=noise,
    )  # fmt: skip


def test_evaporation_joins_the_weather(records: BasinRecords) -> None:
    warmth = records.weather[:, :, records.column("tas")].astype(float)
    wanted = oudin_pet(warmth, records.latitude, records.days)
    np.testing.assert_allclose(
        records.weather[:, :, records.column("evspsblpot")], wanted, rtol=1e-6
    )


def test_sequences_are_slices_in_the_scales_of_training(
    records: BasinRecords, tables: FoldTables, made_folds: list[Fold]
) -> None:
    fold = made_folds[1]
    made = sequences(tables, fold)
    rows = np.arange(0, len(made), 97)
    inputs, targets = made.batch(rows)
    train = records.rows(fold.train_basins)
    learned = records.weather[train][:, fold.train_days].astype(float)
    mean, sd = learned.mean((0, 1)), learned.std((0, 1))
    rain = records.weather[:, :, 0][:, fold.train_days].mean(1, dtype=float)
    assert inputs.scored == SCORED
    for k, row in enumerate(rows):
        basin, last = made.basin[row], made.last[row]
        days = slice(last - WARM_UP + 1, last + SCORED + 1)
        assert fold.train_days[days].all() and basin in train
        np.testing.assert_allclose(
            inputs.weather[k, :, :-2], (records.weather[basin, days] - mean) / sd, atol=1e-4
        )
        flow = records.flow[basin, last + 1 : last + 1 + SCORED] / rain[basin]
        np.testing.assert_allclose(targets[k], flow, rtol=1e-4)
        at = inputs.basin[k]
        np.testing.assert_array_equal(inputs.attributes[at], tables.attributes[basin])
        np.testing.assert_array_equal(inputs.chips[at], tables.chips[basin])
        spread = np.nanstd(records.flow[basin, fold.train_days].astype(float)) / rain[basin]
        np.testing.assert_allclose(made.scaled_sd(rows[k : k + 1]), spread, rtol=1e-4)


def test_each_sequence_comes_once_an_epoch_and_any_batch_can_be_gone_on_from(
    tables: FoldTables, made_folds: list[Fold]
) -> None:
    made = sequences(tables, made_folds[1])
    whole = list(made.batches(64, seed=1, epoch=2))
    assert sorted(np.concatenate(whole)) == list(range(len(made)))
    rest = list(made.batches(64, seed=1, epoch=2, first=3))
    assert all(np.array_equal(a, b) for a, b in zip(whole[3:], rest, strict=True))
    assert not np.array_equal(whole[0], next(made.batches(64, seed=1, epoch=3)))


def test_noise_is_a_function_of_rows_and_epoch_and_of_its_size(
    tables: FoldTables, made_folds: list[Fold]
) -> None:
    plain, noisy = (sequences(tables, made_folds[1], noise) for noise in (0.0, 0.1))
    rows = np.arange(0, len(plain), 50)
    a, b, c = (noisy.batch(rows, epoch=epoch)[0] for epoch in (0, 0, 1))
    clean = plain.batch(rows)[0]
    assert bool((a.attributes == b.attributes).all()) and bool((a.chips == b.chips).all())
    assert bool((a.attributes != c.attributes).any())
    assert 0.05 < float((a.attributes - clean.attributes).std()) < 0.2
    assert bool((a.weather == clean.weather).all())


def test_turned_chips_are_the_eight_views_of_a_square() -> None:
    chip = np.arange(7 * 16, dtype=np.float32).reshape(7, 4, 4)
    views = {
        np.rot90(side, k, axes=(1, 2)).tobytes()
        for side in (chip, chip[:, :, ::-1])
        for k in range(4)
    }
    seen = turned(np.stack([chip] * 200), np.random.default_rng(0))
    assert {each.tobytes() for each in seen} == views and len(views) == 8


def test_validation_looks_back_on_any_weather_but_scores_its_own_days(
    tables: FoldTables, made_folds: list[Fold]
) -> None:
    fold = made_folds[1]
    held = Sequences(
        tables, fold.train_basins, fold.validate_days, warm_up=WARM_UP, scored=SCORED, within=False
    )
    first = int(np.flatnonzero(fold.validate_days)[0])
    assert held.last.min() == first - 1
    assert all(fold.validate_days[last + 1 : last + 1 + SCORED].all() for last in held.last)


def test_sequences_that_do_not_fit_are_refused(tables: FoldTables, made_folds: list[Fold]) -> None:
    fold = made_folds[1]
    with pytest.raises(InvalidData, match=r"no sequence of 4000 \+ 50 days"):
        Sequences(tables, fold.train_basins, fold.train_days, warm_up=4000, scored=50)
    with pytest.raises(InvalidData, match="far-away"):
        Sequences(tables, ["far-away"], fold.train_days, warm_up=40, scored=50)
