"""A model learned a rule; its explanation tells the rule: which variable, where, up the wind."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support import planted_orbit as planted

from catena.explainer.orbit.explain import explain_fields
from catena.explainer.orbit.explanation import OrbitExplanation
from catena.explainer.orbit.loading import ForecastModel, read_checkpoint
from catena.explainer.orbit.methods import METHODS
from catena.explainer.orbit.page import page
from catena.explainer.orbit.prediction import Target
from catena.shared.errors import InvalidData

pytestmark = pytest.mark.slow  # the model is trained first

# Rows 8 to 11 and columns 8 to 11; SHIFT columns to the west of it are columns 4 to 7.
BOX = Target("tas", 0.0, 45.0, 85.0, 130.0)
INSIDE = (slice(8, 12), slice(8, 12))
WEST = (slice(8, 12), slice(4, 8))
TAS, PSL, UA, VA = range(4)


SAMPLES, BACKGROUND = planted.fields(12, seed=21), planted.fields(6, seed=22)


@cache
def forecast() -> ForecastModel:
    return read_checkpoint(planted.checkpoint(planted.trained()))


def explained(**changes: Any) -> OrbitExplanation:
    wanted = {
        "forecast": forecast(),
        "targets": [BOX],
        "samples": SAMPLES,
        "background": BACKGROUND,
        "ahead": planted.later(SAMPLES.values),
        "methods": METHODS,
        **changes,
    }
    return explain_fields(**wanted)


@cache
def explanation() -> OrbitExplanation:
    return explained(methods=[name for name in METHODS if name != "gradient_shap"])


@cache
def data() -> xr.Dataset:
    return explanation().to_dataset()


def test_the_model_has_learned_the_rule() -> None:
    error = (data().prediction - data().observed).values
    change = data().observed - data().value[:, TAS].weighted(data().cell_share[0]).mean(
        ("lat", "lon")
    )
    assert np.sqrt((error**2).mean()) < 0.3 * float(change.std())


def test_contributions_add_up_and_are_those_of_the_rule() -> None:
    found = data()
    total = found.contribution.sum(("variable", "lat", "lon"), dtype=np.float64)
    miss = abs(total - (found.prediction - found.reference)).max()
    spread = float(found.prediction.max() - found.prediction.min())
    assert miss < 1e-4 * spread, "as stored, in single precision"
    assert float(abs(found.completeness).max()) <= 1e-4 * spread
    for facts in explanation().methods.values():
        assert facts.get("completeness_max", 0.0) <= 1e-4 and facts["cpu_s"] >= 0.0
    # By the rule, forecasts are linear: each cell's departure times its share and its factor.
    share = found.cell_share.values[0]
    usual = (found.value - found.background_mean).values
    parts = found.contribution.values[:, :, 0]
    for lead, shift in ((0, 0), (1, planted.SHIFT)):
        own = usual[:, TAS] * share
        factor = planted.CHANGES[planted.LEADS[lead]] / planted.STD["ua"]
        wind = factor * usual[:, UA] * np.roll(share, -shift, 1)
        for wanted, variable in ((own, TAS), (wind, UA)):
            made = parts[:, lead, variable]
            # Fields are smooth, so a model may take a cell's neighbour for it: patches are judged.
            part = WEST if shift and variable == UA else INSIDE
            for where in ((), part):
                sums = [one[:, *where].sum((1, 2)) for one in (made, wanted)]
                assert np.corrcoef(*sums)[0, 1] > 0.95
            assert np.std(made.sum((1, 2)) - wanted.sum((1, 2))) < 0.25 * np.std(wanted.sum((1, 2)))


def test_influence_goes_up_the_wind_with_the_lead() -> None:
    found = data().isel(target=0)
    squares = (found.contribution.astype(np.float64) ** 2).mean("sample").values
    near, far = (squares[lead, UA] / squares[lead, UA].sum() for lead in (0, 1))
    assert near[INSIDE].sum() > 0.9 and far[WEST].sum() > 0.6 and far[INSIDE].sum() < 0.4
    wind = found.sel(source="ua")
    outside, east, upwind = (wind[f"influence_{n}"].values for n in ("outside", "east", "upwind"))
    assert outside[0] < 0.1 and outside[1] > 0.6
    assert abs(east[0]) < 1000.0 and -4600.0 < east[1] < -2200.0
    assert upwind[1] == pytest.approx(-east[1], rel=0.1)
    np.testing.assert_allclose(found.wind_travel[1], 20.0 * 86.4, rtol=0.1)
    own = found.sel(source="tas")
    assert (own.influence_outside < 0.1).all() and (own.influence_half == 0.0).all()
    rings = found.influence_by_distance.sum("distance")
    np.testing.assert_allclose(rings, np.ones_like(rings))


@pytest.mark.parametrize("method", ["expected_gradients", "kernel_shap", "permutation"])
def test_methods_find_the_variables_of_the_rule(method: str) -> None:
    name = {"expected_gradients": "variable_contribution", "kernel_shap": "shap_kernel"}
    found = abs(data()[name.get(method, method)].isel(target=0))
    sizes = (found.mean("sample") if "sample" in found.dims else found).values
    for lead in (0, 1):
        assert set(np.argsort(-sizes[lead])[:2]) == {TAS, UA}
        assert sizes[lead, [PSL, VA]].max() < 0.15 * sizes[lead, [TAS, UA]].min()


def test_expected_gradients_and_shapley_values_of_a_linear_rule_are_alike() -> None:
    # Of a linear function both are the departure times the slope.
    sums, values = data().variable_contribution.values, data().shap_kernel.values
    assert np.corrcoef(sums.ravel(), values.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(data().shap_permutation.values, values, atol=0.05 * values.std())
    spearman = np.array(explanation().agreement["spearman"])
    names = explanation().agreement["methods"]
    place = names.index("kernel_shap")
    assert names[0] == "expected_gradients" and spearman[0, place] >= 0.8
    assert spearman[0, names.index("permutation")] >= 0.8


def test_attention_goes_to_the_patch_that_the_rule_needs() -> None:
    # Patches are 4 x 4 cells: the box is patch (2, 2), what comes to it is in patch (2, 1).
    found = data().isel(target=0)
    np.testing.assert_allclose(found.attention_rollout.sum(("patch_lat", "patch_lon")), 1.0,
                               rtol=1e-5)  # fmt: skip
    maps = found.attention.mean(("sample", "head")).isel(block=0).values
    assert np.unravel_index(maps[1].argmax(), maps[1].shape) == (2, 1)
    assert maps[1, 2, 1] > 5 / 32, "five times as much as if all were alike"
    np.testing.assert_allclose(found.attention_importance.sum("variable"), 1.0, rtol=1e-5)
    np.testing.assert_allclose(found.attention_variable.sum("variable"), 1.0, rtol=1e-5)


def test_the_same_request_has_the_same_answer() -> None:
    some = {"methods": ("expected_gradients", "permutation_shap", "permutation"), "seed": 3}
    samples = replace(SAMPLES, values=SAMPLES.values[:3], times_s=SAMPLES.times_s[:3])
    ahead = planted.later(samples.values)
    first, second = (explained(samples=samples, ahead=ahead, **some).data for _ in range(2))
    xr.testing.assert_identical(first, second)


def test_coordinates_and_units_say_what_numbers_are() -> None:
    found = data()
    assert found.time.values[1] == "2001-01-01T06:00:00" and found.lead.attrs["units"] == "h"
    assert found.target_units.values.tolist() == ["K"]
    assert found.variable_units.values.tolist() == ["K", "Pa", "m s-1", "m s-1"]
    assert found.contribution.dims == ("sample", "lead", "target", "variable", "lat", "lon")
    assert found.contribution.attrs["units"] == "those of target_units"
    assert found.influence_half.attrs["units"] == "km"
    assert found.permutation.attrs["units"] == "1"
    np.testing.assert_array_equal(found.lat, planted.LAT)
    about = json.loads(json.dumps(explanation().about()))
    assert about["targets"] == [{"label": "tas 0°-45°N 85°E-130°E", "units": "K"}]
    assert about["leads_h"] == [6.0, 24.0] and about["generated"]


def test_the_words_tell_the_rule() -> None:
    words = explanation().words
    assert "24 h ahead leaned on tas" in words and ", ua (" in words
    assert "it spreads with the lead" in words
    assert "That of ua, most of what comes from outside" in words
    assert "km west of the box" in words and "km upwind" in words
    assert "down the wind" not in words


def test_the_page_shows_it() -> None:
    html = page(explanation())
    assert html.count("<svg") + html.count("data:image/png") >= 5
    assert explanation().words[:40] in html and "GENERATED" in html
    assert "tas 0°-45°N 85°E-130°E" in html and "Spearman" in html
    assert ">nan" not in html and " nan" not in html


def test_gradient_shap_is_refused_with_its_figure_or_adds_up() -> None:
    samples = replace(SAMPLES, values=SAMPLES.values[:1], times_s=SAMPLES.times_s[:1])
    try:
        made = explained(samples=samples, ahead=None, methods=("gradient_shap",), leads_h=(6.0,))
    except InvalidData as error:
        assert "% of the range of the prediction" in str(error)
    else:
        assert made.methods["gradient_shap"]["completeness_max"] <= 0.01
