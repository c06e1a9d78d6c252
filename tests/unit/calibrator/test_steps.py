"""Outputs cut out of time series."""

from __future__ import annotations

import numpy as np
import pytest
from support import land_runs as land

from catena.calibrator.steps import Bounds, Step, averages, steps_of
from catena.shared.errors import InvalidData

MONTHS = Bounds.of(land.month_bounds())
NOLEAP = Bounds.of(land.month_bounds("noleap"))


def days(first: str, count: int) -> Bounds:
    edges = (np.datetime64(first) + np.arange(count + 1)).astype("datetime64[us]")
    return Bounds.of(np.stack([edges[:-1], edges[1:]], axis=1))


def test_years_are_called_by_their_number_and_months_by_theirs() -> None:
    years = steps_of("GPP", MONTHS, "yearly")
    assert [step.label() for step in years] == ["2010", "2011", "2012", "2013"]
    months = steps_of("GPP", MONTHS, "as_stored", "2011-03-01", "2011-05-31")
    assert [step.label() for step in months] == ["2011-03", "2011-04", "2011-05"]
    assert [s.label() for s in steps_of("GPP", days("2011-02-27", 2), "as_stored")] == [
        "2011-02-27",
        "2011-02-28",
    ]


def test_a_step_that_the_period_cuts_is_left_out() -> None:
    assert [s.label() for s in steps_of("GPP", MONTHS, "yearly", "2010-02-01", "2012-12-30")] == [
        "2011"
    ]
    assert [s.label() for s in steps_of("x", days("2011-01-20", 60), "monthly")] == ["2011-02"]


def test_a_year_weighs_its_months_by_their_days() -> None:
    series = np.arange(48.0)
    length = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31.0])
    found = averages(steps_of("GPP", MONTHS, "yearly", "2010-01-01", "2010-12-31"), MONTHS, series)
    assert found[0] == pytest.approx((series[:12] * length).sum() / 365, rel=1e-14)
    assert found[0] != pytest.approx(series[:12].mean(), abs=1e-3), "months are not alike"


def test_a_seasonal_cycle_is_the_mean_of_each_month_over_whole_years() -> None:
    steps = steps_of("GPP", MONTHS, "seasonal_cycle", "2010-02-01")
    assert [step.label() for step in steps] == [f"m{month:02d}" for month in range(1, 13)]
    series = np.arange(48.0)
    # Whole years: 2011 to 2013.
    assert averages(steps, MONTHS, series)[0] == pytest.approx(np.mean([12, 24, 36]))
    assert averages(steps, MONTHS, series)[6] == pytest.approx(np.mean([18, 30, 42]))


def test_a_leap_year_is_whole_in_a_calendar_without_leap_days() -> None:
    for aggregation in ("monthly", "yearly", "seasonal_cycle"):
        steps = steps_of("GPP", NOLEAP, aggregation)
        assert steps == steps_of("GPP", MONTHS, aggregation)
        assert np.isfinite(averages(steps, NOLEAP, np.ones(48))).all(), aggregation
    february = Step("GPP", "2012-02-01", "2012-03-01")
    noleap = Bounds.of(land.month_bounds("noleap"))
    assert averages([february], noleap, np.arange(48.0)) == pytest.approx([25.0])


@pytest.mark.parametrize(("least", "seen"), [(1.0, False), (0.9, True)])
def test_a_month_with_gaps_counts_as_far_as_is_wanted(least: float, seen: bool) -> None:
    series = days("2011-06-01", 30)
    there = np.ones(30, bool)
    there[[3, 4]] = False
    found = averages(
        [Step("x", "2011-06-01", "2011-07-01")], series.rows(there), np.ones(28), least
    )
    assert np.isfinite(found[0]) == seen


def test_a_seasonal_cycle_wants_each_of_its_months() -> None:
    steps = steps_of("GPP", MONTHS, "seasonal_cycle")
    there = np.ones(48, bool)
    there[13] = False  # February 2011
    found = averages(steps, MONTHS.rows(there), np.ones(47), 0.9)
    assert np.isnan(found[1]) and np.isfinite(np.delete(found, 1)).all()


@pytest.mark.parametrize(
    ("aggregation", "start", "end"),
    [
        ("yearly", "2010-02-01", "2010-12-31"),
        ("monthly", "2013-12-02", ""),
        ("seasonal_cycle", "2013-02-01", ""),
    ],
)
def test_a_period_without_a_whole_step_is_refused(aggregation: str, start: str, end: str) -> None:
    with pytest.raises(InvalidData, match=r"no whole .* from 2010-01-01 to 2014-01-01"):
        steps_of("GPP", MONTHS, aggregation, start, end)  # type: ignore[arg-type]


def test_months_cannot_be_made_of_years() -> None:
    edges = np.array(["2010", "2011", "2012"], dtype="datetime64[Y]").astype("datetime64[us]")
    years = Bounds.of(np.stack([edges[:-1], edges[1:]], axis=1))
    with pytest.raises(InvalidData, match=r"no whole month .* steps of 365 to 365 days"):
        steps_of("GPP", years, "monthly")


def test_a_year_is_drawn_at_its_number_and_a_month_at_its_middle() -> None:
    assert Step("x", "2011-01-01", "2012-01-01").place() == 2011
    assert Step("x", "2011-07-01", "2011-08-01").place() == pytest.approx(2011 + 6.5 / 12, abs=0.01)
    assert Step("x", "2010-01-01", "2014-01-01", month=3).place() == 3
