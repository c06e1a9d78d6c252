"""Requests of the explainer: what is wrong is said at once, under its field."""

from __future__ import annotations

from typing import Any

import pytest

from catena.explainer.queries import ExplainForecastQuery, ExplainParametersQuery
from catena.shared.errors import InvalidRequest
from catena.shared.query import Query
from catena.shared.requests import request_from_dict


def ref(kind: str) -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": "sha256:" + "1" * 64, "kind": kind}


FLOW = {"forecaster": ref("forecaster"), "samples": ref("flow_samples")}
FIELDS = {
    "checkpoint": ref("checkpoint"),
    "cache": ref("hot_cache"),
    "days": {"start": "2001-01-01", "end": "2001-02-01"},
    "targets": [{"variable": "tas", "south": 40, "north": 50, "west": 350, "east": 10}],
}


def query(method: str, request: dict[str, Any]) -> Query:
    model = {"ExplainForecast": ExplainForecastQuery, "ExplainParameters": ExplainParametersQuery}
    return model[method].from_message(request_from_dict("explainer", method, request))


def faults(method: str, request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        query(method, request)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_defaults_are_for_the_kind_of_model() -> None:
    flow = query("ExplainForecast", {"flow": FLOW})
    assert isinstance(flow, ExplainForecastQuery) and flow.flow is not None
    assert flow.asked[0] == "expected_gradients" and "integrated_hessians" in flow.asked
    assert flow.flow.leads == (1, 7, 30)
    fields = query("ExplainForecast", {"fields": FIELDS})
    assert isinstance(fields, ExplainForecastQuery)
    assert "integrated_hessians" not in fields.asked and "importance" not in fields.asked


def test_one_model_is_explained_at_a_time() -> None:
    assert "flow" in faults("ExplainForecast", {})["model"]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"methods": ["permutation", "permutation"]}, "methods[1]", "twice"),
        ({"baselines": -1}, "baselines", "greater"),
        ({"steps": 1}, "steps", "greater"),
        ({"flow": {**FLOW, "leads": [7, 1]}}, "flow.leads", "order"),
        ({"flow": {**FLOW, "quantile": 1.5}}, "flow.quantile", "less"),
        ({"flow": {**FLOW, "samples": ref("forecaster")}}, "flow.samples", "flow_samples"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str, words: str) -> None:
    assert words in faults("ExplainForecast", {"flow": FLOW, **change})[field]


def test_fields_have_no_methods_of_streamflow() -> None:
    asked = {"fields": FIELDS, "methods": ["expected_gradients", "importance"]}
    assert "streamflow" in faults("ExplainForecast", asked)["methods[1]"]


def test_one_forecast_of_fields_has_none_to_swap_with() -> None:
    alone = {"fields": {**FIELDS, "count": 1}}
    found = query("ExplainForecast", alone)
    assert isinstance(found, ExplainForecastQuery) and "permutation" not in found.asked
    asked = {**alone, "methods": ["permutation"]}
    assert "another forecast" in faults("ExplainForecast", asked)["methods[0]"]


def test_a_box_lies_between_south_and_north_and_may_cross_the_edge_of_the_map() -> None:
    query("ExplainForecast", {"fields": FIELDS})
    wrong = {**FIELDS, "targets": [{"variable": "tas", "south": 50, "north": 40}]}
    assert faults("ExplainForecast", {"fields": wrong}).keys() == {"fields.targets[0].north"}
    assert faults("ExplainForecast", {"fields": {**FIELDS, "targets": []}})


@pytest.mark.parametrize("leads", [[24, 6], [6, 6]])
def test_leads_of_fields_come_once_in_order(leads: list[float]) -> None:
    """The words compare the first with the last."""
    found = faults("ExplainForecast", {"fields": {**FIELDS, "leads_h": leads}})
    assert "order" in found["fields.leads_h"]
    query("ExplainForecast", {"fields": {**FIELDS, "leads_h": [6, 24]}})


def test_a_design_has_a_power_of_two_rows() -> None:
    assert (
        "1024"
        in faults("ExplainParameters", {"surrogate": ref("surrogate"), "samples": 1500})["samples"]
    )
    found = query("ExplainParameters", {"surrogate": ref("surrogate"), "samples": 1024})
    assert isinstance(found, ExplainParametersQuery)
    assert found.asked == ("sobol", "pawn", "shap")


def test_a_method_that_is_wrong_on_such_networks_does_not_exist() -> None:
    """DeepExplainer's errors on LSTM and attention reach 222 % of what it explains."""
    with pytest.raises(InvalidRequest):
        query("ExplainForecast", {"flow": FLOW, "methods": ["deep_shap"]})
