"""Forecasts that go to the explainer arrive as they were sent."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from support.forecast_batches import forecast_inputs, with_gaps

from catena.models.flow_samples import FlowSamples
from catena.models.forecast_inputs import ForecastInputs
from catena.shared.errors import InvalidData


def samples(process: bool = True, **other: Any) -> FlowSamples:
    """Six forecasts with gaps: 40 days of the past, 9 leads, three variables, three statics."""
    made = with_gaps(forecast_inputs(process=process))
    # Past and forecast weather have the same columns.
    future = torch.cat([made.future_weather[..., :1], made.future_weather], -1)
    rng = np.random.default_rng(3)
    given: dict[str, Any] = {
        "inputs": replace(made, future_weather=future),
        "basins": ("a", "b", "a", "b", "c", "c"),
        "issues": np.datetime64("2003-02-27") + np.arange(6),
        "weather": ("pr", "tas", "rsds"),
        "statics": ("area", "slope", "rain_of_30_days"),
        "flow_mean": rng.uniform(0.1, 3, 6),
        "flow_scale": rng.uniform(0.1, 3, 6),
        "observed": np.where(rng.random((6, 9)) < 0.2, np.nan, rng.uniform(0, 9, (6, 9))),
    }
    return FlowSamples(**given | other)


def assert_same(one: FlowSamples, two: FlowSamples) -> None:
    """Equal to the last bit, NaN where NaN was, of the same type."""
    assert (one.basins, one.weather, one.statics) == (two.basins, two.weather, two.statics)
    for name in ("issues", "flow_mean", "flow_scale", "observed"):
        left, right = getattr(one, name), getattr(two, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    for field in fields(ForecastInputs):
        left, right = getattr(one.inputs, field.name), getattr(two.inputs, field.name)
        if left is None or right is None:
            assert left is right
        else:
            torch.testing.assert_close(left, right, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("process", [True, False])
def test_samples_come_back_as_they_were_from_a_store(process: bool, tmp_path: Path) -> None:
    made = samples(process)
    assert made.inputs.past_flow.isnan().any() and np.isnan(made.observed).any()
    path = tmp_path / "samples.zarr"
    made.to_dataset().to_zarr(path, mode="w", zarr_format=3)
    with xr.open_zarr(path) as stored:
        assert_same(FlowSamples.from_dataset(stored), made)
        assert stored["lag"].dtype.kind == stored["lead"].dtype.kind == "i"  # numbers, no times


def test_basins_without_attributes_have_samples_too(tmp_path: Path) -> None:
    inputs = replace(samples().inputs, statics=torch.empty(6, 0))
    made = samples(inputs=inputs, statics=())
    made.to_dataset().to_zarr(tmp_path / "samples.zarr", mode="w", zarr_format=3)
    with xr.open_zarr(tmp_path / "samples.zarr") as stored:
        assert_same(FlowSamples.from_dataset(stored), made)


def test_a_dataset_says_days_and_units() -> None:
    made = samples().to_dataset()
    assert made["lag"].values[[0, -1]].tolist() == [39, 0]
    assert made["lead"].values[[0, -1]].tolist() == [1, 9]
    assert made["observed"].attrs["units"] == "mm d-1"
    assert made["past_weather"].dims == ("sample", "lag", "weather")
    # the order of dimensions is not part of what is stored
    assert_same(FlowSamples.from_dataset(made.transpose(*list(made.dims)[::-1])), samples())


@pytest.mark.parametrize(
    "rows", [slice(1, 4), np.array([4, 0]), np.array([True, False] * 3)], ids=str
)
def test_some_of_the_samples_are_the_same_samples(rows: Any) -> None:
    made, part = samples(), samples()[rows]
    places = np.arange(6)[rows]
    assert part.basins == tuple(made.basins[place] for place in places)
    for place, one in enumerate(places):
        assert_same(part[place : place + 1], made[one : one + 1])


def test_scaled_flow_becomes_flow_of_its_own_basin() -> None:
    made = samples()
    scaled = np.random.default_rng(1).normal(size=(6, 9, 2))
    slowly = [
        [[v * s + m for v in lead] for lead in row]
        for row, s, m in zip(scaled, made.flow_scale, made.flow_mean, strict=True)
    ]
    np.testing.assert_allclose(made.unscaled(scaled), slowly, rtol=1e-14)
    np.testing.assert_allclose(made.unscaled(scaled[:, 0, 0]), np.array(slowly)[:, 0, 0])


@pytest.mark.parametrize(
    "other, said",
    [
        ({"issues": np.datetime64("2003-02-27") + np.arange(5)}, r"issues of shape \(5,\)"),
        ({"weather": ("pr", "tas")}, r"inputs.past_weather of shape \(6, 40, 5\), wanted \(6, 40"),
        ({"statics": ("area",)}, r"inputs.statics of shape \(6, 3\), wanted \(6, 1\)"),
        ({"observed": np.zeros((6, 8))}, r"observed of shape \(6, 8\), wanted \(6, 9\)"),
        ({"flow_mean": np.zeros((6, 1))}, r"flow_mean of shape \(6, 1\), wanted \(6,\)"),
        ({"flow_scale": np.array([1, 1, 0.0, 1, 1, 1])}, "flow of a has mean .* scale 0 mm d-1"),
        ({"flow_mean": np.full(6, np.nan)}, "flow of a has mean nan"),
        ({"weather": ("pr", "tas", "pr")}, "weather: pr came twice"),
        ({"weather": ("pr", "tas", "day_of_year_sine")}, "day_of_year_sine came twice"),
        ({"issues": np.full(6, "NaT", "datetime64[D]")}, "day of issue is missing"),
        ({"basins": ()}, "no forecast came"),
    ],
)
def test_samples_that_do_not_fit_are_refused(other: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        samples(**other)


def test_a_dataset_of_something_else_is_refused() -> None:
    made = samples().to_dataset()
    with pytest.raises(InvalidData, match="noise, observed missing"):
        FlowSamples.from_dataset(made.drop_vars(["noise", "observed"]))
    with pytest.raises(InvalidData, match="noise has the dimensions sample; wanted sample, lead"):
        FlowSamples.from_dataset(made.assign(noise=made["noise"].isel(lead=0, drop=True)))
    with pytest.raises(InvalidData, match="wanted the columns of the season"):
        FlowSamples.from_dataset(made.isel(weather=slice(None, None, -1)))
