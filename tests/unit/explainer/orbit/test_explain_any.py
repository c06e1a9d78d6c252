"""Of any model contributions add up, the same request has one answer, and nonsense is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from support import planted_orbit as planted

from catena.explainer.orbit import page as module
from catena.explainer.orbit.explain import explain_fields
from catena.explainer.orbit.explanation import OrbitExplanation
from catena.explainer.orbit.loading import ForecastModel, read_checkpoint
from catena.explainer.orbit.page import page
from catena.explainer.orbit.prediction import Target
from catena.models.orbit import Orbit, initialise
from catena.shared.errors import InvalidData, InvalidRequest

BOX = Target("tas", 0.0, 45.0, 85.0, 130.0)
TAS, PSL = 0, 1
SAMPLES, BACKGROUND = planted.fields(3, seed=21), planted.fields(2, seed=22)


@cache
def untrained(residual: bool = True) -> ForecastModel:
    """A model of random weights that heeds all fields, and not only a little."""
    model = initialise(Orbit(planted.about().fields), seed=0)
    with torch.no_grad():
        model.head.out.weight *= 20.0  # type: ignore[union-attr]
    checkpoint = planted.checkpoint(model.eval().requires_grad_(False), residual=residual)
    return read_checkpoint(checkpoint)


def explained(**changes: Any) -> OrbitExplanation:
    wanted = {
        "forecast": untrained(),
        "targets": [BOX, Target.point("tas", -30, 200)],
        "samples": SAMPLES,
        "background": BACKGROUND,
        "methods": ("expected_gradients",),
        **changes,
    }
    return explain_fields(**wanted)


@pytest.mark.parametrize("residual", [True, False], ids=["changes", "fields"])
def test_contributions_add_up_of_any_model(residual: bool) -> None:
    methods = ("integrated_gradients", "expected_gradients")
    made = explained(forecast=untrained(residual), methods=methods)
    spread = float(np.ptp(made.data.prediction.values))
    for other in ("", "_expected_gradients"):
        parts = made.data[f"contribution{other}"]
        total = parts.sum(("variable", "lat", "lon"), dtype=np.float64)
        change = made.data.prediction - made.data[f"reference{other}"]
        assert float(abs(total - change).max()) <= 1e-4 * spread
        assert float(total.std()) > 0.05 * spread
    np.testing.assert_allclose(made.data.completeness, 0.0, atol=1e-4 * spread)
    assert all(facts["completeness_max"] <= 1e-4 for facts in made.methods.values())
    # From the mean of the background, and from each of its fields: not the same.
    differ = made.data.reference - made.data.reference_expected_gradients
    assert float(abs(differ).max()) > 1e-3 * spread


def test_without_gradients_the_usual_is_the_mean_forecast_of_the_background() -> None:
    made = explained(methods=("attention",))
    usual = explained(samples=BACKGROUND, methods=("attention",)).data.prediction.mean("sample")
    np.testing.assert_allclose(made.data.reference, usual.broadcast_like(made.data.reference))
    assert "contribution" not in made.data and "influence_share" not in made.data
    assert ", by attention" in made.words and "tas 0°-45°N 85°E-130°E" in made.words
    assert page(made).count("<svg") == 4, "bars and attention of two targets"


def test_the_same_request_has_the_same_answer() -> None:
    first, second = (explained(methods=("expected_gradients", "attention")).data for _ in "ab")
    xr.testing.assert_identical(first, second)
    # A sample is explained by itself.
    one = replace(SAMPLES, values=SAMPLES.values[1:2], times_s=SAMPLES.times_s[1:2])
    alone = explained(samples=one).data.contribution[0]
    np.testing.assert_allclose(alone, first.contribution[1], atol=1e-5)


def test_a_variable_that_lacks_contributes_nothing() -> None:
    values = SAMPLES.values.copy()
    values[:, PSL] = np.nan
    made = explained(
        samples=replace(SAMPLES, values=values), methods=("expected_gradients", "attention")
    )
    assert not made.data.contribution[:, :, :, PSL].any()
    assert made.data.contribution[:, :, :, 2].any()
    assert not made.data.attention_variable[:, PSL].any()
    assert made.notes == ("The hot cache lacks psl: the model did without.",)
    assert float(made.data.completeness.max()) < 1e-3


def test_a_page_says_which_targets_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TARGETS", 1)
    few, many = (
        page(explained(targets=[BOX] * count, methods=("attention",), leads_h=(6.0,)))
        for count in (1, 2)
    )
    assert "The first 1 of 2 targets are shown" in many and "targets are shown" not in few


def test_what_cannot_be_explained_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="wanted one at least, each once, of expected_grad"):
        explained(methods=("deep_shap",))
    with pytest.raises(InvalidRequest, match="two forecasts or more at each lead"):
        explained(methods=("permutation",))
    with pytest.raises(InvalidRequest, match="12 h was asked for"):
        explained(leads_h=(12.0,))
    with pytest.raises(InvalidRequest, match="the shortest first"):
        explained(leads_h=(24.0, 6.0))
    with pytest.raises(InvalidRequest, match="is of psl; the model forecasts tas"):
        explained(targets=[Target("psl")])
    with pytest.raises(InvalidData, match=r"have units.*the model was trained on"):
        explained(samples=replace(SAMPLES, units=("degC", "Pa", "m s-1", "m s-1")))
    with pytest.raises(InvalidData, match=r"background of shape \(2, 4, 16, 31\)"):
        explained(background=replace(BACKGROUND, values=BACKGROUND.values[..., 1:]))
    with pytest.raises(InvalidData, match=r"fields a lead later of shape \(3, 2, 1, 16, 32\)"):
        explained(leads_h=(6.0,), ahead=planted.later(SAMPLES.values))
    values = SAMPLES.values.copy()
    values[1, TAS] = np.nan
    with pytest.raises(InvalidData, match="a time of the samples lacks tas"):
        explained(samples=replace(SAMPLES, values=values))
    values = SAMPLES.values.copy()
    values[1, TAS, 0, 0] = np.inf
    with pytest.raises(InvalidData, match="are NaN or infinite"):
        explained(samples=replace(SAMPLES, values=values))


def test_a_model_that_heeds_no_field_is_refused() -> None:
    # It predicts fields, not changes, and its last layer is nothing: the mean, whatever comes.
    model = initialise(Orbit(planted.about().fields), seed=0)
    with torch.no_grad():
        model.head.out.weight.zero_()  # type: ignore[union-attr]
    files = planted.checkpoint(model.eval().requires_grad_(False), residual=False)
    with pytest.raises(InvalidData, match=r"is the same .* there is nothing to explain"):
        explained(forecast=read_checkpoint(files))
