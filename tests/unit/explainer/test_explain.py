"""Explanations of streamflow forecasts, from a request to the numbers and the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support import explanations as made
from support import forecasts as small

from catena.explainer import jobs
from catena.explainer.explain import explain_flow
from catena.explainer.flow.basin import FlowSettings
from catena.explainer.flow.loading import (
    LoadedNetwork,
    LoadedSamples,
    read_network,
    read_samples,
)
from catena.explainer.report.page import explanation_page
from catena.forecaster.basins import read_basins
from catena.forecaster.issue import weather_of
from catena.forecaster.storage import read_forecaster
from catena.forecaster.vocabulary import Basins
from catena.shared.errors import InvalidData

Found = tuple[xr.Dataset, dict[str, Any], str]


@pytest.fixture(scope="module")
def found() -> Found:
    return made.explain(
        methods=[
            "expected_gradients",
            "integrated_gradients",
            "integrated_hessians",
            "permutation_shap",
            "attention",
            "importance",
            "permutation",
        ]
    )


def test_contributions_add_up_to_what_they_explain_at_every_lead(found: Found) -> None:
    dataset, about, _ = found
    assert dataset["contribution"].dims == ("sample", "lead", "variable", "lag")
    total = dataset["contribution"].sum(("variable", "lag")) + dataset[
        "attribute_contribution"
    ].sum("attribute")
    change = dataset["prediction"] - dataset["reference"]
    span = float(dataset["prediction"].max() - dataset["prediction"].min())
    assert float(abs(total - change).max()) < 1e-4 * span
    assert about["methods"]["expected_gradients"]["completeness_max"] <= 1e-4
    assert (
        float(abs(dataset["completeness"].sel({"method": "expected_gradients"})).max())
        < 1e-4 * span
    )


def test_what_is_explained_is_what_the_forecaster_forecasts(found: Found) -> None:
    dataset, _, _ = found
    store = small.made().store
    forecaster = read_forecaster(store.open(made.network()["uri"]))
    records = read_basins(Basins.model_validate(small.BASINS), store.open)
    days = dataset["issue"].values.astype("datetime64[D]")
    issues = np.unique(np.searchsorted(records.days, days))
    flow = forecaster.forecast(records, issues, weather_of(forecaster, records)).flow
    for row in range(dataset.sizes["sample"]):
        basin = records.basins.index(str(dataset["basin"].values[row]))
        place = np.searchsorted(records.days[issues], days[row])
        wanted = np.maximum(dataset["prediction"].values[row], 0.0)
        np.testing.assert_allclose(flow[basin, place], wanted, rtol=1e-4, atol=1e-5)


def test_pairs_add_up_and_are_symmetric_on_the_samples_they_were_asked_for(found: Found) -> None:
    dataset, _, _ = found
    pairs = dataset["interaction"].dropna("sample", how="all")
    assert pairs.sizes["sample"] == 4  # two of each basin
    assert list(dataset["interaction_lead"].values) == [1, 5]
    swapped = pairs.transpose("sample", "interaction_lead", "other_group", "group").values
    np.testing.assert_allclose(pairs.values, swapped, atol=1e-5)
    asked = dataset["interaction"].notnull().all(("interaction_lead", "group", "other_group"))
    change = (dataset["prediction"] - dataset["reference"]).sel(lead=[1, 5])[asked.values]
    total = pairs.sum(("group", "other_group"))
    np.testing.assert_allclose(total.values, change.values, atol=2e-3)


def test_every_method_is_in_the_numbers_with_its_cost(found: Found) -> None:
    dataset, about, _ = found
    for name in (
        "contribution_integrated_gradients",
        "shap_permutation",
        "permutation",
        "permutation_of_gauge",
        "gate",
        "fusion_attention",
    ):
        assert name in dataset
    assert all(entry["cpu_s"] >= 0 for entry in about["methods"].values())
    assert list(dataset["gauge"].values) == ["generated-001", "generated-002"]
    added = dataset["completeness"].sel({"method": "permutation_shap", "lead": [1, 5]})
    errors = dataset["shap_permutation"].sum("feature", skipna=False) - (
        dataset["prediction"] - dataset["reference"]
    ).sel(lead=[1, 5]).rename(lead="shap_lead")
    asked = added.notnull().all("lead").values
    assert asked.sum() == 4  # two of each basin
    np.testing.assert_allclose(added[asked], errors.transpose("sample", ...)[asked], atol=1e-5)
    methods = about["agreement"]["methods"]
    assert {"expected_gradients", "permutation", "permutation_shap"} <= set(methods)
    matrix = np.array(about["agreement"]["spearman"], float)
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    assert any("importances" in note for note in about["notes"])  # a TST has none


def test_the_page_says_what_it_is_of(found: Found) -> None:
    _, about, page = found
    assert about["generated"] and "generated" in page.lower()
    assert about["words"][:60] in page.replace("&#x27;", "'")
    assert page.count("<svg") >= 5


def test_the_same_request_gives_the_same_numbers() -> None:
    asked = {"methods": ["expected_gradients", "permutation"]}
    one, two = (made.explain(**asked)[0] for _ in range(2))
    xr.testing.assert_identical(one, two)


@pytest.mark.slow
def test_an_interpretable_lstm_says_itself_what_it_rests_on() -> None:
    dataset, about, _ = made.explain("interpretable_lstm", methods=["importance", "permutation"])
    shares = dataset["variable_importance"].sum("importance_variable")
    np.testing.assert_allclose(shares, 1.0, atol=1e-5)
    assert "importance" in about["agreement"]["methods"]
    assert "contribution" not in dataset


@pytest.mark.slow
def test_a_quantile_can_be_explained() -> None:
    flow = {**made.flow_request()["flow"], "quantile": 0.9}
    high = made.explain(flow=flow, methods=["expected_gradients"])[0]
    mean = made.explain(methods=["expected_gradients"])[0]
    assert float((high["prediction"] - mean["prediction"]).mean()) > 0


def loaded(**drawn: Any) -> tuple[LoadedNetwork, LoadedSamples]:
    """A network, and samples that were drawn in another way."""
    store = small.made().store
    forecaster = store.open(made.network()["uri"])
    artifact = store.open((made.draw(**drawn) if drawn else made.samples())["uri"])
    return read_network(forecaster), read_samples(artifact, forecaster)


def test_a_basin_that_permutation_can_say_nothing_of_does_not_stop_the_others() -> None:
    found = explain_flow(*loaded(count=3), FlowSettings(("permutation",)))
    rise = found.dataset["permutation_of_gauge"]
    assert found.dataset["basin"].values.tolist() == ["generated-001", *["generated-002"] * 2]
    assert rise.sel(gauge="generated-001").isnull().all()
    assert rise.sel(gauge="generated-002").notnull().all()
    np.testing.assert_array_equal(found.dataset["permutation"], rise.sel(gauge="generated-002"))
    notes = found.about["notes"]
    assert any("generated-001" in note and "one forecast" in note for note in notes)


def test_flow_that_nobody_observed_is_explained_without_permutation() -> None:
    network, samples = loaded()
    unseen = replace(samples.explained, observed=np.full_like(samples.explained.observed, np.nan))
    settings = FlowSettings(("expected_gradients", "permutation"), baselines=2)
    found = explain_flow(network, replace(samples, explained=unseen), settings)
    assert found.dataset["contribution"].notnull().any(("variable", "lag")).all()
    assert found.dataset["permutation"].isnull().all()
    assert sum("was observed" in note for note in found.about["notes"]) == 2
    page = explanation_page(found.dataset, found.about)
    assert "100 % of the days that are forecast have no observation" in page
    assert ">nan<" not in page


def test_only_basins_with_forecasts_are_said_to_be_explained() -> None:
    found = explain_flow(*loaded(count=1), FlowSettings(("permutation",)))
    assert list(found.about["basins"]) == ["generated-002"]
    assert found.about["title"].endswith("forecast of 1 basin explained")


def test_fewer_baselines_than_asked_for_are_said() -> None:
    few = explain_flow(*loaded(background=3), FlowSettings(("attention",), baselines=3))
    [note] = few.about["notes"]
    assert "1 to 2 baselines" in note and "3 were asked for" in note
    enough = explain_flow(*loaded(), FlowSettings(("attention",), baselines=3))
    assert enough.about["notes"] == []


def test_basins_without_a_baseline_are_named_before_anything_is_explained() -> None:
    with pytest.raises(InvalidData, match=r"1 of 2 basins \(generated-00\d\).*larger background"):
        explain_flow(*loaded(background=1), FlowSettings(("expected_gradients",)))


def test_maps_stand_beside_their_own_sample_in_whatever_order_samples_come() -> None:
    network, samples = loaded()
    all_of_them = samples.explained
    mixed = replace(samples, explained=all_of_them[np.array([4, 0, 5, 1])])
    found = explain_flow(network, mixed, FlowSettings(("attention",))).dataset
    for row, (basin, issue) in enumerate(
        zip(found["basin"].values, found["issue"].values.astype("datetime64[D]"), strict=True)
    ):
        one = (np.array(all_of_them.basins) == basin) & (all_of_them.issues == issue)
        gate = network.network.explain(all_of_them[one].inputs)["gate"][0]
        np.testing.assert_allclose(found["gate"][row], gate, rtol=1e-5)


def test_a_quantile_is_permuted_by_its_own_loss() -> None:
    """The squared error is lowest for the mean: by it a quantile's inputs may seem to harm."""
    network, samples = loaded()
    found = explain_flow(network, samples, FlowSettings(("permutation",), quantile=0.9))
    assert "pinball loss of the 0.9" in found.dataset["permutation_of_gauge"].attrs["long_name"]
    assert found.about["words"].startswith("The 0.9 quantile of 8 forecasts")
    mean = explain_flow(network, samples, FlowSettings(("permutation",)))
    assert not np.allclose(found.dataset["permutation"], mean.dataset["permutation"])


@pytest.mark.slow
def test_gradient_shap_that_is_refused_is_complete_with_the_points_it_asks_for() -> None:
    network, samples = loaded()
    few = FlowSettings(("gradient_shap",), baselines=3, leads=(5,), dear_samples=1)
    with pytest.raises(InvalidData, match=r"With 200 random points.*steps times baselines"):
        explain_flow(network, samples, few)
    found = explain_flow(network, samples, replace(few, steps=2000))
    assert found.about["methods"]["gradient_shap"]["completeness_max"] <= 0.01


def test_a_forecaster_without_a_network_is_refused() -> None:
    flow = {**made.flow_request()["flow"], "forecaster": small.gr4j()}
    with pytest.raises(InvalidData, match="gr4j"):
        made.run(jobs.explain_forecast, {"flow": flow})


def test_samples_of_another_forecaster_are_refused() -> None:
    flow = {**made.flow_request()["flow"], "forecaster": made.network("lstm")}
    with pytest.raises(InvalidData, match="drawn from"):
        made.run(jobs.explain_forecast, {"flow": flow})
