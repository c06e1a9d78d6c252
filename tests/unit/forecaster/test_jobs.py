"""What the forecaster's jobs leave: archives in CF style, scores, pages that say what they show."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support import forecasts as small

from catena.forecaster import jobs, storage
from catena.forecaster.evaluation import as_quantiles, evaluate
from catena.forecaster.forecast_intervals import targets
from catena.forecaster.metrics import nse
from catena.forecaster.scenarios import no_weather
from catena.forecaster.simple_forecasters import Climatology, Persistence
from catena.shared.artifacts import Artifact
from catena.shared.errors import InvalidData

MADE = small.made()


def opened(ref: small.Ref) -> Artifact:
    return MADE.store.open(ref["uri"])


@pytest.fixture(scope="module")
def issued() -> Artifact:
    return opened(
        MADE.issue(
            small.hybrid(),
            small.intervals(),
            issues={"start": "2006-02-01", "end": small.DAY},
            levels=[0.5, 0.9],
        )
    )


@pytest.fixture(scope="module")
def evaluation() -> Artifact:
    request = {
        "forecasters": [small.hybrid(), small.gr4j()],
        "intervals": small.intervals(),
        "basins": small.BASINS,
        "days": small.TEST,
        "stride": 7,
        "track": True,
    }
    return opened(MADE.run(jobs.evaluate_forecasts, request))


def test_an_archive_of_forecasts_is_by_issue_time_and_lead(issued: Artifact) -> None:
    dataset = issued.open_dataset("forecasts.zarr")
    assert dataset["streamflow"].dims == ("basin", "forecast_reference_time", "leadtime")
    assert dataset["streamflow"].shape == (2, 10, small.LEADS)
    assert dataset["forecast_reference_time"].attrs["standard_name"] == "forecast_reference_time"
    assert dataset["leadtime"].attrs["standard_name"] == "forecast_period"
    assert dataset["streamflow"].attrs["units"] == "mm d-1"
    assert dataset.attrs["generated"] == "true"
    ahead = dataset["time"].values - dataset["forecast_reference_time"].values[:, None]
    assert (ahead / np.timedelta64(1, "D") == dataset["leadtime"].values).all()
    low, high = dataset["streamflow_lower"], dataset["streamflow_upper"]
    assert (low.values <= high.values).all()
    assert (low.sel(level=0.9).values <= low.sel(level=0.5).values).all()


def test_states_of_each_issue_time_are_kept(issued: Artifact) -> None:
    about = issued.read_json("forecasts.json")
    assert about["states"]["of"] == "GR4J"
    assert about["states"]["days"][0] == "2006-02-01" and len(about["states"]["days"]) == 10
    states = storage.read_states(issued, np.datetime64("2006-02-05"))
    assert states["states"].shape[0] == 2
    day = np.datetime64(int(states[storage.STATE_DAY][0]), "D")
    assert day == np.datetime64("2006-02-04"), "the newest before that day"


def test_archived_forecasts_go_on_from_states_as_from_a_warm_up(issued: Artifact) -> None:
    states = MADE.issue(small.gr4j(), None, issues={"start": "2005-06-01", "end": "2005-06-01"})
    cold, hot = (
        opened(MADE.issue(small.gr4j(), None, **more)).open_dataset("forecasts.zarr")["streamflow"]
        for more in ({}, {"states": states})
    )
    assert np.array_equal(cold.values, hot.values)


def test_updated_intervals_know_more_and_stay_those_of_their_forecaster() -> None:
    request = {
        "intervals": small.intervals(),
        "forecaster": small.hybrid(),
        "basins": small.BASINS,
        "end": small.DAY,
    }
    new = opened(MADE.run(jobs.update_intervals, request))
    old = opened(small.intervals())
    assert storage.intervals_belong_to(new) == small.hybrid()["digest"]
    before, after = storage.read_intervals(old), storage.read_intervals(new)
    assert before.until < after.until == small.DAY
    assert (before.tracker.factor != after.tracker.factor).any()
    again = MADE.run(jobs.update_intervals, {**request, "intervals": small.plain(new.ref)})
    assert storage.read_intervals(opened(again)).until == small.DAY, "nothing is learned twice"
    late = {**request, "end": "2030-01-01"}
    with pytest.raises(InvalidData, match="the records end on 2006-12-31"):
        MADE.run(jobs.update_intervals, late)


def test_scores_are_those_of_the_archive(evaluation: Artifact) -> None:
    """NSE from the page's figures against NSE from forecasts that were issued one by one."""
    skill = evaluation.open_dataset("skill.zarr")
    assert list(skill["model"].values) == [
        "TST with GR4J",
        "GR4J + MOS",
        "persistence",
        "climatology",
    ]
    forecaster = storage.read_forecaster(opened(small.gr4j()))
    records = jobs.known_basins(_basins(), forecaster.about, MADE.store.open)
    first = records.day("2005-06-30")  # its first target is the first day of the period
    issues = np.arange(first, records.day("2006-12-31") - small.LEADS + 1, 7)
    persistence = Persistence.fit(forecaster.about, records)
    made = persistence.forecast(records, issues, no_weather()).flow
    wanted = nse(made, targets(records, issues, small.LEADS))
    assert np.allclose(skill["nse"].sel(model="persistence").values, wanted)


def _basins() -> Any:
    from catena.forecaster.vocabulary import Basins

    return Basins.model_validate(small.BASINS)


def test_intervals_hold_and_beat_climatology(evaluation: Artifact) -> None:
    summary = evaluation.read_json("evaluation.json")
    narrow, wide = (np.array(row) for row in summary["coverage"])
    assert (np.abs(wide - 0.9) < 0.08).all() and (np.abs(narrow - 0.5) < 0.15).all()
    assert (np.array(summary["crpss"]) > 0.2).all()
    assert set(summary["pit"]) == {"1"}
    assert sum(summary["pit"]["1"]) > 100


def test_the_page_says_what_it_shows(evaluation: Artifact, issued: Artifact) -> None:
    for artifact in (evaluation, issued):
        page = artifact.read_bytes("report.html").decode()
        assert "GENERATED" in page
        assert "noised more with each lead" in page
        assert not re.search(r'(src|href)="https?:', page), "it loads nothing"
        assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()
    page = evaluation.read_bytes("report.html").decode()
    summary = evaluation.read_json("evaluation.json")
    shown = f"{summary['median_nse']['persistence'][0]:.2f}"
    assert shown in page
    assert json.dumps(summary), "plain JSON"


def test_the_same_request_gives_the_same_digest() -> None:
    from catena.shared.artifacts import ArtifactStore

    elsewhere = small.Made(ArtifactStore("memory://forecasts-again"))
    again = elsewhere.train("tst", process=elsewhere.train("gr4j"))
    assert again["digest"] == small.hybrid()["digest"]


def test_baselines_that_are_given_are_not_shown_twice() -> None:
    forecaster = storage.read_forecaster(opened(small.gr4j()))
    records = jobs.known_basins(_basins(), forecaster.about, MADE.store.open)
    simple = [kind.fit(forecaster.about, records) for kind in (Persistence, Climatology)]
    named = jobs._named([forecaster, forecaster, *simple, *simple])
    assert [name for name, _ in named] == [
        "GR4J + MOS",
        "GR4J + MOS (2)",
        "persistence",
        "climatology",
    ]


def test_basins_in_blocks_are_scored_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    forecaster = storage.read_forecaster(opened(small.hybrid()))
    records = jobs.known_basins(_basins(), forecaster.about, MADE.store.open)
    climatology = Climatology.fit(forecaster.about, records)
    intervals = storage.read_intervals(opened(small.intervals()))

    def score() -> xr.Dataset:
        found = evaluate(
            [("one", forecaster)],
            records,
            ("2005-07-01", "2006-03-01"),
            no_weather(),
            climatology,
            intervals=intervals,
            levels=(0.9,),
            stride=5,
        )
        return found.to_xarray()

    whole = score()
    monkeypatch.setattr("catena.forecaster.evaluation.BLOCK", 1)
    xr.testing.assert_allclose(whole, score(), rtol=1e-4)


def test_bounds_become_quantiles_in_order() -> None:
    lower = np.array([[1.0, 0.5], [1.0, 0.0]])
    upper = np.array([[2.0, 3.0], [2.0, np.inf]])
    quantiles, probabilities = as_quantiles(lower, upper, [0.5, 0.9])
    assert np.allclose(probabilities, [0.05, 0.25, 0.75, 0.95])
    assert quantiles.tolist() == [[0.5, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 2.0]]


def test_basins_that_cannot_be_learned_are_named() -> None:
    short = small.train_request("gr4j", training_days={"start": "1991-01-01", "end": "1995-12-31"})
    with pytest.raises(InvalidData, match="records are of 2001-01-01 to 2006-12-31"):
        MADE.run(jobs.train_forecaster, short)
    outside = {
        "forecaster": small.hybrid(),
        "basins": small.BASINS,
        "days": {"start": "2010-01-01", "end": "2011-01-01"},
    }
    with pytest.raises(InvalidData, match="holds no forecast of 5 days"):
        MADE.run(jobs.fit_intervals, outside)
