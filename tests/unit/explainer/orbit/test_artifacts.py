"""A checkpoint and a hot cache as the trainer and data-ingest leave them are explained."""

from __future__ import annotations

import numpy as np
import pytest
from support import orbit as small

from catena.explainer.orbit.explain import explain_fields
from catena.explainer.orbit.loading import (
    open_cache,
    read_ahead,
    read_checkpoint,
    read_fields,
    spread_steps,
    training_period,
)
from catena.explainer.orbit.prediction import Target
from catena.shared.errors import InvalidData
from catena.shared.hot_cache_period import Period

pytestmark = pytest.mark.slow  # a model is trained first


def test_a_fine_tuned_model_is_explained_on_days_that_it_has_not_seen() -> None:
    store = small.made().store
    forecast = read_checkpoint(store.open(small.forecast()["uri"]))
    artifact = store.open(small.waves_cache()["uri"])
    cache = open_cache(artifact)
    leads = forecast.about.leads_h
    steps = spread_steps(cache, Period(small.TEST["start"], small.TEST["end"]), 4, max(leads))
    usual = training_period(forecast.about, artifact.manifest.digest)
    made = explain_fields(
        forecast,
        [Target("tas", 0, 60, 0, 90), Target.point("psl", -20, 180)],
        read_fields(forecast, cache, steps),
        read_fields(forecast, cache, spread_steps(cache, usual, 3)),
        ahead=read_ahead(forecast, cache, steps, leads),
        methods=("expected_gradients", "attention", "permutation"),
    )
    data = made.to_dataset()
    assert data.contribution.shape == (4, 2, 2, 3, *small.GRID)
    assert data.target_units.values.tolist() == ["K", "Pa"]
    assert made.methods["expected_gradients"]["completeness_max"] <= 1e-4
    assert all("2001-02-02" <= time <= "2001-02-09" for time in data.time.values)
    assert made.background.endswith("from 2001-01-05 to 2001-01-21")
    # Fields hardly change in six hours: what is forecast is the error of a young model beside it.
    assert np.isfinite(data.observed).all() and np.isfinite(data.permutation).all()
    error = (data.prediction - data.observed).sel(target="tas 0°-60°N 0°-90°E").values
    assert np.abs(error).max() < 8.0


def test_checkpoints_of_other_tasks_are_refused() -> None:
    store = small.made().store
    for ref, task in ((small.pretrained(), "pretrain"), (small.downscale(), "downscale")):
        with pytest.raises(InvalidData, match=f"task '{task}' came"):
            read_checkpoint(store.open(ref["uri"]))
    with pytest.raises(InvalidData, match="kind 'hot_cache' came, a checkpoint"):
        read_checkpoint(store.open(small.waves_cache()["uri"]))
