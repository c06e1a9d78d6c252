"""Scales: learned from training days and basins alone, invertible, saved as arrays."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.forecaster.data.memory import rain_means
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.scaling import Scalers, moments
from catena.forecaster.data.splits import YearSplit, folds
from catena.shared.artifacts.arrays import pack_arrays, unpack_arrays
from catena.shared.errors import InvalidData


def equal(one: Scalers, two: Scalers) -> bool:
    return one.about() == two.about() and all(
        np.array_equal(value, two.arrays()[name], equal_nan=True)
        for name, value in one.arrays().items()
    )


def test_scaled_training_days_have_mean_zero_and_spread_one(
    records: BasinRecords, split: YearSplit
) -> None:
    days = split.days(records.days, "train")
    scalers = Scalers.fit(records, days)
    weather = scalers.weather(records.weather[:, days]).reshape(-1, 2)
    flow = scalers.flow(records.flow, records.basins)[:, days]
    np.testing.assert_allclose(weather.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(weather.std(axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(np.nanmean(flow, axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(np.nanstd(flow, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(scalers.attributes(records.attributes).std(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize("flow_by", ["flow", "precipitation"])
def test_scaling_and_saving_are_invertible(
    records: BasinRecords, split: YearSplit, flow_by: str
) -> None:
    days = split.days(records.days, "train")
    scalers = Scalers.fit(records, days, flow_by=flow_by)  # type: ignore[arg-type]
    scaled = scalers.flow(records.flow, records.basins)
    back = scalers.unscaled_flow(scaled, records.basins)
    np.testing.assert_allclose(back, records.flow, rtol=1e-5, atol=1e-5)
    arrays = unpack_arrays(pack_arrays(scalers.arrays(), "scales"), "scales")
    again = Scalers.from_arrays(arrays, json.loads(json.dumps(scalers.about())))
    assert equal(scalers, again)
    with pytest.raises(InvalidData, match="saved scales"):
        Scalers.from_arrays({**arrays, "flow_sd": np.zeros(99)}, scalers.about())
    with pytest.raises(InvalidData, match="incomplete"):
        Scalers.from_arrays({}, scalers.about())


def test_days_of_validation_and_test_do_not_touch_the_scales(
    records: BasinRecords, split: YearSplit
) -> None:
    days = split.days(records.days, "train")
    weather, flow = records.weather.copy(), records.flow.copy()
    weather[:, ~days] = 1e4
    flow[:, ~days] = 1e4
    planted = replace(records, weather=weather, flow=flow)
    for flow_by in ("flow", "precipitation"):
        one, two = (
            Scalers.fit(each, days, flow_by=flow_by)  # type: ignore[arg-type]
            for each in (records, planted)
        )
        assert equal(one, two), flow_by


def test_basins_of_other_folds_do_not_touch_the_scales(records: BasinRecords) -> None:
    fold = folds(records.basins, records.days, count=2, validate_years=1)[0]
    unseen = records.rows(fold.test_basins)
    weather, flow = records.weather.copy(), records.flow.copy()
    attributes = records.attributes.copy()
    weather[unseen] *= 100
    flow[unseen] = 1e4
    attributes[unseen] = 1e4
    planted = replace(records, weather=weather, flow=flow, attributes=attributes)
    one, two = (
        Scalers.fit(each, fold.train_days, basins=fold.train_basins, flow_by="precipitation")
        for each in (records, planted)
    )
    for name, value in one.arrays().items():
        other = two.arrays()[name]
        if name.startswith("flow"):  # of the basin itself, from its rain alone
            seen = records.rows(fold.train_basins)
            np.testing.assert_array_equal(value[seen], other[seen])
        else:
            np.testing.assert_array_equal(value, other)
    assert np.isnan(one.flow_sd[unseen]).all()
    np.testing.assert_allclose(two.flow_scale[unseen], 100 * one.flow_scale[unseen], rtol=1e-5)


def test_basins_that_cannot_be_scaled_are_named(records: BasinRecords, split: YearSplit) -> None:
    days = split.days(records.days, "train")
    flow = records.flow.copy()
    flow[0, days], flow[1, days], flow[2, days] = 0.0, 2.5, np.nan
    bad = records.with_flow(flow)
    with pytest.raises(InvalidData) as caught:
        Scalers.fit(bad, days)
    said = {each.field: each.description for each in caught.value.violations}
    assert said["basins[generated-001]"] == "flow is zero on all days to learn from"
    assert "constant at 2.5 mm d-1" in said["basins[generated-002]"]
    assert said["basins[generated-003]"] == "no flow on the days to learn from"
    assert "basins[generated-004]" not in said
    # By rain, such basins can be scaled: they are ungauged, or dry.
    scalers = Scalers.fit(bad, days, flow_by="precipitation")
    assert np.isfinite(scalers.flow(flow[:2], records.basins[:2])).any()
    with pytest.raises(InvalidData, match="has no scale of flow"):
        Scalers.fit(records, days, basins=records.basins[:2]).rows(records.basins)
    with pytest.raises(InvalidData, match="training days of shape"):
        Scalers.fit(records, np.zeros_like(days))


def test_records_of_other_variables_are_refused(records: BasinRecords, split: YearSplit) -> None:
    scalers = Scalers.fit(records, split.days(records.days, "train"))
    turned = replace(
        records, weather=records.weather[:, :, ::-1], weather_names=records.weather_names[::-1]
    )
    with pytest.raises(InvalidData, match="records with the weather tas, pr came"):
        scalers.check(turned)


@settings(max_examples=30)
@given(data=st.data(), days=st.integers(1, 40), length=st.integers(1, 50))
def test_means_of_rain_are_those_of_a_slow_loop(
    data: st.DataObject, days: int, length: int
) -> None:
    values = st.one_of(st.floats(0, 300, width=32), st.just(float("nan")))
    rain = np.array([data.draw(st.lists(values, min_size=days, max_size=days))])
    found = rain_means(rain, (length, 1))
    for day in range(days):
        last = rain[0, max(0, day - length + 1) : day + 1]
        wanted = np.nan if np.isnan(last).all() else np.nanmean(last)
        np.testing.assert_allclose(found[0, day, 0], wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[0, day, 1], rain[0, day], rtol=1e-4, atol=1e-4)


def test_means_over_no_days_are_refused() -> None:
    with pytest.raises(InvalidData, match="at least 1 day"):
        rain_means(np.zeros((1, 3)), (0,))


def test_columns_without_spread_become_zero() -> None:
    mean, scale = moments(np.array([[0.1, np.nan, 1.0], [0.1, np.nan, 3.0]]))
    np.testing.assert_allclose(mean, [0.1, 0, 2])
    np.testing.assert_allclose(scale, [1, 1, 1])


def test_records_without_attributes_have_scales(records: BasinRecords, split: YearSplit) -> None:
    none = replace(records, attribute_names=(), attributes=np.empty((len(records), 0)))
    scalers = Scalers.fit(none, split.days(none.days, "train"))
    assert scalers.attributes(none.attributes).shape == (len(records), 0)
    assert np.array_equal(
        scalers.flow(none.flow, none.basins),
        Scalers.fit(records, split.days(records.days, "train")).flow(records.flow, records.basins),
        equal_nan=True,
    )
