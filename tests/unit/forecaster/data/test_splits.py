"""Splits by years and folds of basins x years; basins spread over the country."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import (
    YearSplit,
    folds,
    issues_within,
    spread_basins,
    year_of,
)
from catena.shared.errors import InvalidData

DAYS = np.arange(np.datetime64("2001-01-01"), np.datetime64("2013-01-01"))


@given(
    days=st.lists(st.booleans(), max_size=60),
    leads=st.integers(1, 8),
    past=st.integers(0, 8),
)
def test_issue_times_are_those_whose_window_lies_all_inside(
    days: list[bool], leads: int, past: int
) -> None:
    wanted = [
        t
        for t in range(len(days))
        if t - past + 1 >= 0
        and t + leads < len(days)
        and all(days[t + 1 : t + 1 + leads])
        and all(days[t - past + 1 : t + 1])
    ]
    found = issues_within(np.array(days, bool), leads=leads, past=past)
    assert found.tolist() == wanted


def test_no_target_belongs_to_two_parts() -> None:
    split = YearSplit(train=(2001, 2006), validate=(2007, 2008), test=(2009, 2012))
    targets = {}
    for part in ("train", "validate", "test"):
        issues = split.issues(DAYS, part, leads=30, past=90)
        targets[part] = set((issues[:, None] + 1 + np.arange(30)).ravel().tolist())
        inside = set(np.flatnonzero(split.days(DAYS, part)).tolist())
        assert targets[part] <= inside and targets[part]
        # Validation and test use all of their days; training gives up its first past.
        assert len(inside - targets[part]) == (90 if part == "train" else 0)
    assert not targets["train"] & targets["validate"] and not targets["validate"] & targets["test"]


def test_training_behind_held_out_years_does_not_look_back_on_them() -> None:
    split = YearSplit(train=(2005, 2012), validate=(2003, 2004), test=(2001, 2002))
    issues = split.issues(DAYS, "train", leads=30, past=90)
    first = (issues.min() - 89 + DAYS[0]).astype("datetime64[D]")
    assert first == np.datetime64("2005-01-01")


@pytest.mark.parametrize(
    ("train", "validate", "message"),
    [((2001, 2005), (2005, 2006), "overlap"), ((2004, 2001), (2005, 2006), "first <= last")],
)
def test_periods_that_overlap_or_are_empty_are_refused(
    train: tuple[int, int], validate: tuple[int, int], message: str
) -> None:
    with pytest.raises(InvalidData, match=message):
        YearSplit(train, validate, (2007, 2008))
    with pytest.raises(InvalidData, match="part 'all'"):
        YearSplit((2001, 2002), (2003, 2004), (2005, 2006)).days(DAYS, "all")


@given(
    count=st.integers(2, 4), basins=st.integers(4, 30), held=st.integers(0, 2),
    seed=st.integers(0, 5),
)  # fmt: skip
def test_folds_test_on_unseen_basins_and_unseen_years(
    count: int, basins: int, held: int, seed: int
) -> None:
    names = [f"{number:02d}" for number in range(basins)]
    made = folds(names, DAYS, count=count, validate_years=held, seed=seed)
    tested = [name for fold in made for name in fold.test_basins]
    assert sorted(tested) == names
    years = np.stack([fold.test_days for fold in made])
    np.testing.assert_array_equal(years.sum(axis=0), 1)
    for fold in made:
        assert not set(fold.train_basins) & set(fold.test_basins)
        assert len(fold.train_basins) + len(fold.test_basins) == basins
        parts = np.stack([fold.train_days, fold.validate_days, fold.test_days])
        np.testing.assert_array_equal(parts.sum(axis=0), 1)
        for part in parts:  # whole years
            inside = year_of(DAYS)[part]
            assert len(inside) == np.isin(year_of(DAYS), inside).sum()
        assert len(np.unique(year_of(DAYS)[fold.validate_days])) == held
    assert len({fold.test_basins for fold in folds(names, DAYS, count=count, seed=seed)}) == count


def test_folds_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidData, match="9 years"):
        folds(["a", "b", "c"], DAYS[:1500], count=3, validate_years=2)
    with pytest.raises(InvalidData, match="a basin per fold"):
        folds(["a", "b"], DAYS, count=3)


@pytest.fixture(scope="module")
def country() -> BasinRecords:
    return generated_records(60, 1, seed=8, missing_flow=0.0)


def closest(records: BasinRecords, names: tuple[str, ...]) -> float:
    aridity = np.log(records.attribute("aridity"))
    points = np.stack([records.latitude, records.longitude, aridity], axis=1)
    points = (points / points.std(axis=0))[records.rows(names)]
    apart = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    return float(apart[np.triu_indices(len(names), 1)].min())


def test_spread_basins_are_farther_apart_than_basins_drawn_at_random(country: BasinRecords) -> None:
    chosen = spread_basins(country, 12)
    assert chosen == spread_basins(country, 12) and len(set(chosen)) == 12
    rng = np.random.default_rng(0)
    drawn = [tuple(rng.choice(country.basins, 12, replace=False)) for _ in range(200)]
    assert closest(country, chosen) > max(closest(country, names) for names in drawn)


def test_spread_basins_do_not_look_at_how_flow_behaves(country: BasinRecords) -> None:
    other = country.with_flow(np.random.default_rng(1).gamma(0.1, 50.0, country.flow.shape))
    assert spread_basins(other, 10) == spread_basins(country, 10)


def test_basins_with_missing_flow_dry_streams_or_no_position_are_not_chosen(
    country: BasinRecords,
) -> None:
    chosen = spread_basins(country, 8)
    flow, latitude = country.flow.copy(), country.latitude.copy()
    gone, dry, lost = (country.row(name) for name in chosen[:3])
    flow[gone, :40] = np.nan
    flow[dry, :100] = 0
    latitude[lost] = np.nan
    worse = replace(country, flow=flow, latitude=latitude)
    assert {chosen[0], chosen[2]}.isdisjoint(spread_basins(worse, 58))
    assert chosen[1] in spread_basins(worse, 58)
    assert chosen[1] not in spread_basins(worse, 57, max_zero=0.1)
    late = np.arange(len(country.days)) >= 100
    assert chosen[1] in spread_basins(worse, 59, max_zero=0.1, days=late)
    with pytest.raises(InvalidData, match="59 basins were asked for; 58 have"):
        spread_basins(worse, 59)
