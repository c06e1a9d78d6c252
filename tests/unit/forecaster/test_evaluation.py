"""Scores side by side: the same days for all, no day that was learned, little memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from catena.forecaster import evaluation
from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.evaluation import evaluate
from catena.forecaster.forecast_intervals import Bounds, targets
from catena.forecaster.forecasters import About, Forecaster, Forecasts
from catena.forecaster.queries import EvaluateForecastsQuery
from catena.forecaster.report_evaluation import evaluation_page
from catena.forecaster.scenarios import Weather, no_weather
from catena.forecaster.simple_forecasters import Climatology, Persistence
from catena.forecaster.skill import Evaluation
from catena.forecaster.vocabulary import Period
from catena.shared.errors import InvalidData

LEADS = 3
TRAINING = ("2001-01-01", "2003-12-31")
TEST = ("2004-01-01", "2004-12-31")
RECORDS = generated_records(3, 4, seed=5)


def about(training: tuple[str, str] = TRAINING, records: BasinRecords = RECORDS) -> About:
    return About.of(
        records, model="gr4j", title="", leads=LEADS, training_days=training,
        validation_days=None, seed=0,
    )  # fmt: skip


class Given(Forecaster):
    """A forecaster that says what it is told: the truth and a bias, with holes."""

    def __init__(self, bias: float, hole: Any = None, training: tuple[str, str] = TRAINING) -> None:
        self.about, self.bias, self.hole = about(training), bias, hole

    def forecast(self, records: BasinRecords, issues: Any, weather: Any, states: Any = None) -> Any:
        made = targets(records, issues, LEADS) + self.bias
        for row, basin in enumerate(records.basins):
            if self.hole is not None:
                made[row, self.hole(basin, records.days[issues])] = np.nan
        return Forecasts(made)

    def arrays(self) -> Any:
        return {}

    def meta(self) -> Any:
        return {}

    @classmethod
    def from_arrays(cls, about: Any, arrays: Any, meta: Any) -> Any:
        raise NotImplementedError


def score(*forecasters: tuple[str, Forecaster], **options: Any) -> Evaluation:
    climatology = Climatology.fit(about(), RECORDS)
    return evaluate(forecasters, RECORDS, TEST, no_weather(), climatology, **options)


def in_floods(basin: str, days: np.ndarray) -> np.ndarray:
    """Days of the wet half of the year."""
    return (days.astype("datetime64[M]").astype(int) % 12) < 6


def test_models_are_judged_by_the_days_that_all_of_them_forecast() -> None:
    alone = score(("one", Given(0.3)))
    both = score(("one", Given(0.3)), ("holes", Given(0.3, in_floods)))
    assert np.array_equal(both.nse[0], both.nse[1])
    assert np.array_equal(both.kge[0], both.kge[1])
    assert (both.nse[0] != alone.nse[0]).all()


def test_a_basin_that_a_model_cannot_forecast_at_all_counts_for_the_others() -> None:
    first = RECORDS.basins[0]
    alone = score(("one", Given(0.3)))
    none = Given(0.3, lambda basin, days: np.full(len(days), basin == first))
    both = score(("one", Given(0.3)), ("none", none))
    assert np.array_equal(both.nse[0], alone.nse[0])
    assert np.isnan(both.nse[1, 0]).all() and np.isfinite(both.nse[1, 1:]).all()


def test_days_that_were_learned_are_not_judged() -> None:
    later = ("2004-06-01", "2004-12-31")
    with pytest.raises(InvalidData, match="late was trained on 2004-06-01 to 2004-12-31"):
        score(("fine", Given(0.0)), ("late", Given(0.0, training=later)))
    hybrid = Given(0.0)
    hybrid.process = Given(0.0, training=later)  # type: ignore[attr-defined]
    with pytest.raises(InvalidData, match="the process model inside hybrid was trained on 2004"):
        score(("hybrid", hybrid))


class OfClimate:
    """Intervals that are those of the climate: they have no skill against it."""

    until = TRAINING[1]

    def __init__(self) -> None:
        flow = RECORDS.flow[:, RECORDS.days <= np.datetime64(TRAINING[1])].astype(float)
        self.flow = np.where(np.isnan(flow), np.nanmean(flow, axis=1, keepdims=True), flow)

    def predict(self, records: Any, issues: Any, forecasts: Any, levels: Any) -> Bounds:
        side = []
        for half in (-0.5, 0.5):
            wanted = 0.5 + half * np.asarray(levels, float)
            rows = [np.quantile(self.flow[RECORDS.row(b)], wanted) for b in records.basins]
            shape = (*forecasts.flow.shape, len(levels))
            side.append(np.broadcast_to(np.array(rows)[:, None, None], shape))
        return Bounds(side[0], side[1], np.ones(forecasts.flow.shape))


def constant_climatology() -> Climatology:
    """Quantiles of all training days, the same on each day of the year."""
    made = Climatology.fit(about(), RECORDS)
    levels = made.inner.levels
    quantiles = made.inner.quantiles_by_day
    quantiles[:] = np.quantile(OfClimate().flow, levels, axis=1).T[:, None]
    return made


@pytest.mark.parametrize("levels", [(), (0.33, 0.9)])
def test_the_reference_itself_has_no_skill(levels: tuple[float, ...]) -> None:
    found = evaluate(
        [("one", Given(0.0))], RECORDS, TEST, no_weather(), constant_climatology(),
        intervals=OfClimate(), levels=levels,  # type: ignore[arg-type]
    )  # fmt: skip
    assert found.crpss == pytest.approx(0.0, abs=1e-12)
    assert found.crps.shape == (3, LEADS)
    seen = np.isfinite(targets(RECORDS, np.arange(*days()), LEADS)[:, :, 0]).sum()
    assert np.isfinite(found.pit[1]).sum() == seen


def days() -> tuple[int, int]:
    return RECORDS.day("2003-12-31"), RECORDS.day("2004-12-31") - LEADS + 1


def test_one_issue_time_gives_no_efficiency_and_no_crash() -> None:
    found = evaluate(
        [("one", Persistence.fit(about(), RECORDS))], RECORDS, ("2004-05-01", "2004-05-03"),
        no_weather(), Climatology.fit(about(), RECORDS),
    )  # fmt: skip
    assert found.issues == 1 and np.isnan(found.nse).all()


def test_many_issue_times_are_judged_few_basins_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_FORECASTS", 2 * (days()[1] - days()[0]) * LEADS)
    asked = []

    class Counting(Given):
        def forecast(self, records: BasinRecords, *more: Any) -> Any:
            asked.append(len(records))
            return super().forecast(records, *more)

    score(("one", Counting(0.0)))
    assert asked == [2, 1]


def test_blocks_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(("one", Given(0.3)), intervals=OfClimate(), levels=(0.5, 0.9))
    monkeypatch.setattr(evaluation, "MOST_FORECASTS", 1)
    parts = score(("one", Given(0.3)), intervals=OfClimate(), levels=(0.5, 0.9))
    for name in ("nse", "kge", "picp", "winkler", "crps", "crps_climatology"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert np.array_equal(whole.pit[1], parts.pit[1], equal_nan=True)


@pytest.mark.parametrize(
    ("until", "past", "wanted"),
    [
        ("2003-12-20", 1, "2003-12-18"),  # its forecast of lead 3 is for the day after the fit
        ("2003-12-31", 1, "2003-12-29"),
        ("2001-01-05", 30, "2001-01-30"),  # no earlier day has weather enough
    ],
)
def test_tracking_begins_with_the_first_day_after_the_fit(
    until: str, past: int, wanted: str
) -> None:
    class Tracked(OfClimate):
        def track(self, records: Any, issues: Any, forecasts: Any, levels: Any) -> Bounds:
            self.issues = issues
            return self.predict(records, issues, forecasts, levels)

    one, intervals = Given(0.0), Tracked()
    one.past, intervals.until = past, until
    found = score(("one", one), intervals=intervals, levels=(0.9,), track=True)
    assert str(RECORDS.days[intervals.issues[0]]) == wanted
    assert (np.diff(intervals.issues) == 1).all() and intervals.issues[-1] == days()[1] - 1
    assert found.issues == days()[1] - days()[0]


class EveryOtherDay(Weather):
    """An archive with a forecast on every other day."""

    def issued(self, issues: Any) -> Any:
        return issues[issues % 2 == 0]


def test_intervals_are_tracked_by_forecasts_that_were_issued_alone() -> None:
    class Tracked(OfClimate):
        def track(self, records: Any, issues: Any, forecasts: Any, levels: Any) -> Bounds:
            self.issues = issues
            return self.predict(records, issues, forecasts, levels)

    intervals = Tracked()
    intervals.until = "2003-06-30"
    evaluate(
        [("one", Given(0.0))], RECORDS, TEST, EveryOtherDay(no_weather().forecasts),
        Climatology.fit(about(), RECORDS), intervals=intervals, track=True,  # type: ignore[arg-type]
    )  # fmt: skip
    assert len(intervals.issues) > 200 and (intervals.issues % 2 == 0).all()


def page(found: Evaluation, held: tuple[str, str] | None, intervals: Any) -> str:
    ref = {"uri": "memory://x", "digest": "0" * 64, "kind": "forecaster"}
    query = EvaluateForecastsQuery.model_construct(
        forecasters=(ref,), days=Period(start=TEST[0], end=TEST[1]), track=False
    )
    html, _ = evaluation_page(
        query, "title", replace(about(), validation_days=held), "none", found, intervals
    )
    return html


def test_the_page_says_which_judged_days_were_seen_before() -> None:
    found = score(("one", Given(0.3)), ("holes", Given(0.3, in_floods)), levels=(0.9,))
    clean = page(found, ("2003-01-01", "2003-12-31"), None)
    assert "stopped by them" not in clean and "coverage there is too good" not in clean
    assert "90 % interval" not in clean and "inside 90 %" not in clean, "there are no intervals"
    assert "stopped by them" in page(found, ("2003-07-01", "2004-06-30"), None)
    intervals = OfClimate()
    intervals.until, intervals.method = "2004-02-01", "cqr"  # type: ignore[attr-defined]
    judged = score(("one", Given(0.3)), intervals=intervals, levels=(0.9,))
    seen = page(judged, None, intervals)
    assert "have learned days up to 2004-02-01" in seen and "inside 90 %" in seen
