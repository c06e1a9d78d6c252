"""Explanations whose truth is planted, held against process knowledge."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from support.explained import NAMES, explained

from catena.explainer.report.knowledge import (
    EXPECTATIONS,
    LEAST_SAMPLES,
    KnowledgeCheck,
    check_knowledge,
)
from catena.shared.errors import InvalidData

SHORT: dict[str, Any] = {"samples": 16, "window": 60, "leads": 15}


def checks(kinds: tuple[str, ...] = ("snow", "rain", "groundwater"), **changes: Any) -> Any:
    """Checks by class and name."""
    found = check_knowledge(*explained(kinds, **{**SHORT, **changes}))
    return {(check.basin_class, check.name): check for check in found}


@pytest.fixture(scope="module")
def right() -> dict[tuple[str, str], KnowledgeCheck]:
    return checks()


def test_planted_basins_hold_all_that_is_expected_of_them(
    right: dict[tuple[str, str], KnowledgeCheck],
) -> None:
    assert {name for _, name in right} == {one.name for one in EXPECTATIONS}
    assert [check.words for check in right.values() if check.holds is not True] == []


def test_expectations_of_a_class_are_asked_of_no_other(
    right: dict[tuple[str, str], KnowledgeCheck],
) -> None:
    for one in EXPECTATIONS:
        asked = {kind for kind, name in right if name == one.name}
        assert asked == set(one.classes or ("snow", "rain", "groundwater"))


def test_a_snow_model_that_ignores_temperature_fails() -> None:
    found = checks(("snow",), ignores="tas")
    season = found["snow", "temperature_in_melt_season"]
    assert season.holds is False
    assert season.found == 0.0
    assert "no" in season.words
    warmth = found["snow", "warmth_melts_snow"]
    assert warmth.holds is None
    assert math.isnan(warmth.found)


def test_a_model_that_freezes_snow_by_warmth_fails() -> None:
    found = checks(("snow",), flips="tas")
    assert found["snow", "warmth_melts_snow"].holds is False
    assert found["snow", "warmth_melts_snow"].found == pytest.approx(-1.0)
    # it leans on temperature in the right season all the same
    assert found["snow", "temperature_in_melt_season"].holds is True


def test_melt_comes_half_a_year_later_in_the_south() -> None:
    dataset, about = explained(("snow",), southern=True, **SHORT)
    assert _season(dataset, about).holds is True
    about["basins"][NAMES["snow"]]["latitude"] *= -1
    assert _season(dataset, about).holds is False


def test_without_a_latitude_the_season_is_not_known() -> None:
    dataset, about = explained(("snow",), **SHORT)
    del about["basins"][NAMES["snow"]]["latitude"]
    assert _season(dataset, about).holds is None
    assert "latitude" in _season(dataset, about).words


def test_samples_of_one_season_do_not_judge_it() -> None:
    dataset, about = explained(("snow",), **SHORT)
    month = dataset["issue"].dt.month
    winter = dataset.isel(sample=np.flatnonzero((month >= 10) | (month <= 2)))
    assert _season(winter, about).holds is None
    assert "melt season" in _season(winter, about).words


def _season(dataset: Any, about: Any) -> KnowledgeCheck:
    return next(
        one for one in check_knowledge(dataset, about) if one.name == "temperature_in_melt_season"
    )


def test_rain_that_lowers_the_flow_is_seen() -> None:
    found = checks(("rain",), flips="pr")["rain", "rain_gives_flow"]
    assert found.holds is False
    assert found.found == pytest.approx(-1.0)


def test_a_rain_model_without_rain_fails() -> None:
    found = checks(("rain",), ignores="pr")
    assert found["rain", "rain_before_temperature"].holds is False
    assert found["rain", "recent_rain"].holds is None


def test_memory_is_held_against_the_basins_own_recession() -> None:
    dataset, about = explained(("rain",), **SHORT)
    about["basins"][NAMES["rain"]]["recession_days"] = 30.0
    found = {one.name: one for one in check_knowledge(dataset, about)}
    assert found["flow_fades_as_recession"].holds is False
    assert found["flow_fades_as_recession"].found == pytest.approx(0.1, rel=0.2)
    assert found["rain_fades_as_recession"].holds is False
    about["basins"][NAMES["rain"]]["recession_days"] = None
    found = {one.name: one for one in check_knowledge(dataset, about)}
    assert found["flow_fades_as_recession"].holds is None
    assert "not known" in found["flow_fades_as_recession"].words


def test_past_flow_that_never_fades_fails() -> None:
    found = checks(("rain",), lasting=True)["rain", "past_flow_falls_with_lead"]
    assert found.holds is False
    assert found.found == pytest.approx(1.0)


def test_a_model_that_sees_weather_after_its_day_fails() -> None:
    assert checks(("rain",))["rain", "weather_up_to_its_day"].found == 0.0
    leak = checks(("rain",), sees_ahead=True)["rain", "weather_up_to_its_day"]
    assert leak.holds is False
    assert leak.found > 0.2


def test_trust_that_grows_with_lead_fails() -> None:
    assert checks(("rain",), trusts_more=True)["rain", "trust_falls"].holds is False


def test_trust_may_fall_with_noise_instead_of_lead() -> None:
    dataset, about = explained(("rain",), **SHORT)
    rng = np.random.default_rng(0)
    noise = rng.random(dataset["gate"].shape)
    ahead = dataset["lag"].values < 0
    dataset["value"].values[:, 4, ahead] = noise
    dataset["gate"].values[:] = 1.0 - noise
    found = {one.name: one for one in check_knowledge(dataset, about)}["trust_falls"]
    assert found.found == pytest.approx(-1.0)
    assert "noise" in found.words


def test_groundwater_is_told_from_others_only_beside_others() -> None:
    alone = checks(("groundwater",))
    for name in ("past_flow_of_groundwater", "long_lags_of_groundwater", "past_flow_fades_slowly"):
        assert alone["groundwater", name].holds is None
        assert "another class" in alone["groundwater", name].words


def test_basins_of_no_known_class_are_no_others() -> None:
    dataset, about = explained(("groundwater", "rain"), **SHORT)
    about["basins"][NAMES["rain"]]["class"] = None
    found = {one.name: one for one in check_knowledge(dataset, about) if one.basin_class}
    assert found["past_flow_of_groundwater"].holds is None


def test_a_rain_basin_that_is_called_groundwater_fails() -> None:
    dataset, about = explained(**SHORT)
    basins = about["basins"]
    basins[NAMES["rain"]]["class"] = "groundwater"
    basins[NAMES["groundwater"]]["class"] = "rain"
    wrong = [
        one
        for one in check_knowledge(dataset, about)
        if one.basin == NAMES["rain"] and "groundwater" in one.name + one.basin_class
    ]
    by_name = {one.name: one.holds for one in wrong}
    assert by_name["past_flow_of_groundwater"] is False
    assert by_name["long_lags_of_groundwater"] is False
    assert by_name["past_flow_fades_slowly"] is False


def test_few_samples_are_measured_but_not_judged() -> None:
    found = checks(("rain",), samples=LEAST_SAMPLES - 1)
    assert all(check.holds is None for check in found.values())
    assert found["rain", "rain_gives_flow"].found == pytest.approx(1.0)


def test_a_sample_of_nan_changes_nothing() -> None:
    dataset, about = explained(("rain",), **SHORT)
    rest = dataset.isel(sample=slice(1, None))
    dataset["contribution"].values[0] = np.nan
    dataset["prediction"].values[0] = np.nan
    assert check_knowledge(dataset, about) == check_knowledge(rest, about)


def test_parts_that_are_missing_are_not_checked() -> None:
    dataset, about = explained(("rain",), **SHORT)
    names = {one.name for one in check_knowledge(dataset.drop_vars(["gate", "value"]), about)}
    assert "trust_falls" not in names
    assert "rain_gives_flow" not in names
    assert "recent_rain" in names
    bare = dataset.drop_vars(["contribution", "attribute_contribution"])
    assert [one.name for one in check_knowledge(bare, about)] == ["trust_falls"]


def test_an_explanation_of_nothing_is_refused() -> None:
    dataset, about = explained(("rain",), **SHORT)
    with pytest.raises(InvalidData, match="no basin"):
        check_knowledge(dataset.drop_vars("basin"), about)
    dataset["contribution"].values[:] = np.nan
    with pytest.raises(InvalidData, match="none of the 16 samples"):
        check_knowledge(dataset, about)


def test_checks_lie_in_json_without_nan(right: dict[tuple[str, str], KnowledgeCheck]) -> None:
    lonely = checks(("groundwater",), samples=2)
    for check in (*right.values(), *lonely.values()):
        text = json.dumps(check.to_dict(), allow_nan=False)
        assert set(json.loads(text)) == {
            "name", "basin", "class", "wanted", "found", "holds", "words"
        }  # fmt: skip
