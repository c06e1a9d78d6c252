"""Words are drawn from the numbers, and are honest about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.explained import NAMES, VARIABLES, explained

from catena.explainer.report.reading import label
from catena.explainer.report.words import explanation_words, span_words

SHORT: dict[str, Any] = {"samples": 16, "window": 60, "leads": 15}


@pytest.mark.parametrize(("name", "lag"), [("pr", 3), ("tas", 1), ("streamflow", 12)])
def test_words_name_the_planted_variable_and_lag(name: str, lag: int) -> None:
    dataset, about = explained(("snow",), only=(name, lag), **SHORT)
    text = explanation_words(dataset, about)
    assert f"rest on {label(name)} (100 %, all of it at lag {lag})" in text
    others = [label(other) for other in VARIABLES if other != name]
    sentence = next(one for one in text.split(". ") if "rest on" in one)
    assert not any(other in sentence for other in others)


def test_words_name_the_planted_day_ahead() -> None:
    text = explanation_words(*explained(("snow",), only=("pr", -4), **SHORT))
    assert "precipitation (100 %, all of it on day 4 ahead)" in text


def test_each_basin_has_its_own_first_input() -> None:
    text = explanation_words(*explained(**SHORT))
    for kind, first in (
        ("snow", "temperature"), ("rain", "precipitation"), ("groundwater", "past streamflow"),
    ):  # fmt: skip
        assert f"forecasts of {NAMES[kind]} ({kind}) rest on {first}" in text


def test_many_basins_are_told_by_class() -> None:
    dataset, about = explained(("snow", "rain"), **SHORT)
    names = [f"b{place % 6}" for place in range(dataset.sizes["sample"])]
    about["basins"] = {name: {"class": "rain", "latitude": 35.0} for name in names}
    text = explanation_words(dataset.assign_coords(basin=("sample", names)), about)
    assert "forecasts of rain (6 basins) rest on" in text


def test_the_strongest_pair_is_named() -> None:
    text = explanation_words(*explained(("rain",), **SHORT))
    assert "strongest pair is precipitation with temperature" in text


def test_inputs_that_act_alone_are_no_pair() -> None:
    dataset, about = explained(("rain",), **SHORT)
    own = np.eye(dataset.sizes["group"])
    dataset["interaction"].values[:] = own
    assert "each adds its own part" in explanation_words(dataset, about)


def test_generated_basins_are_called_generated() -> None:
    dataset, about = explained(("rain",), **SHORT)
    assert "GENERATED" in explanation_words(dataset, about)
    about["generated"] = False
    assert "GENERATED" not in explanation_words(dataset, about)


@pytest.mark.parametrize(
    ("worst", "said"),
    [
        (2e-7, "add up to the forecast, to 2 × 10⁻⁷"),
        (3e-3, "only roughly"),
        (0.3, "do NOT add up"),
        (float("nan"), "NOT KNOWN"),
    ],
)
def test_completeness_is_told_as_it_is(worst: float, said: str) -> None:
    dataset, about = explained(("rain",), **SHORT)
    about["methods"]["expected_gradients"]["completeness_max"] = worst
    assert said in explanation_words(dataset, about)


@pytest.mark.parametrize(
    ("lowest", "said"),
    [(0.95, "The methods agree on"), (0.6, "agree in part"), (-0.2, "do NOT agree")],
)
def test_disagreement_is_told_as_it_is(lowest: float, said: str) -> None:
    dataset, about = explained(("rain",), **SHORT)
    about["agreement"] = {
        "methods": ["expected_gradients", "permutation", "kernel_shap"],
        "spearman": [[1.0, 0.99, lowest], [0.99, 1.0, np.nan], [lowest, np.nan, 1.0]],
    }
    text = explanation_words(dataset, about)
    assert said in text
    assert f"rank correlation {lowest:.2f} between expected gradients and kernel SHAP" in text


def test_checks_that_fail_are_named_with_their_basin() -> None:
    text = explanation_words(*explained(("snow",), ignores="tas", **SHORT))
    assert "not so: “Temperature counts more while snow melts" in text
    assert f"in {NAMES['snow']}" in text


def test_checks_that_hold_are_counted() -> None:
    assert "all 25 checks hold" in explanation_words(*explained(**SHORT))


def test_weather_that_comes_through_a_process_model_is_told() -> None:
    dataset, about = explained(("groundwater",), **SHORT)
    dataset = dataset.assign_coords(
        variable=[*VARIABLES[:3], "process_flow", VARIABLES[4]],
    )
    assert "the process model's forecast, which was made of the same weather" in explanation_words(
        dataset, about
    )


def test_one_sample_of_one_lead_without_optional_parts_has_words() -> None:
    dataset, about = explained(("rain",), samples=1, window=20, leads=1)
    kept = ["prediction", "contribution"]
    dataset = dataset[kept]
    about |= {"methods": {}, "agreement": {}}
    text = explanation_words(dataset, about)
    assert text.startswith("1 forecast of 1 GENERATED basin by TST was explained. ")
    assert "At lead 1, forecasts of" in text
    assert "nan" not in text.lower()


def test_spans_read_as_days() -> None:
    assert span_words(3, 3) == "at lag 3"
    assert span_words(-2, -2) == "on day 2 ahead"
    assert span_words(9, 0) == "at lags 0 to 9"
    assert span_words(-2, -5) == "on days 2 to 5 ahead"
    assert span_words(4, -3) == "from lag 4 to day 3 ahead"


def test_the_method_of_the_contributions_is_named_in_any_order() -> None:
    dataset, about = explained(("rain",), **SHORT)
    about["methods"] = {name: {} for name in ("expected_gradients", "integrated_gradients")}
    further = dataset["contribution"].rename("contribution_expected_gradients")
    text = explanation_words(dataset.assign({str(further.name): further}), about)
    assert "were explained, by integrated gradients" in text
