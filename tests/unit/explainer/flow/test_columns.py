from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from support.flow_networks import WEATHER, flow_samples, small_network

from catena.explainer.flow.columns import FlowColumns, LagBlock
from catena.shared.errors import InvalidData

VARIABLES = (*WEATHER, "day_of_year", "streamflow", "forecast_noise")


@pytest.mark.parametrize("process", [True, False])
def test_rows_hold_the_inputs_gaps_included_and_give_them_back_as_views(process: bool) -> None:
    samples = flow_samples(process=process)
    columns = FlowColumns.of(samples)
    rows = columns.matrix(samples)
    assert rows.shape == (4, len(columns)) and rows.dtype == torch.float32
    assert rows.isnan().any()
    found = columns.inputs(rows)
    for field in fields(found):
        came, wanted = getattr(found, field.name), getattr(samples.inputs, field.name)
        if wanted is None:
            assert came is None and field.name == "process_flow" and not process
            continue
        torch.testing.assert_close(came, wanted, equal_nan=True, rtol=0, atol=0)
        assert came.untyped_storage().data_ptr() == rows.untyped_storage().data_ptr()


def test_each_column_is_the_variable_and_day_that_it_is_said_to_be() -> None:
    """Change one day of one variable: only its column changes."""
    samples = flow_samples(gaps=0.0)
    columns = FlowColumns.of(samples)
    before = columns.matrix(samples)
    inputs = samples.inputs
    cases = [
        ("past_weather", (slice(None), 17, 1), "tas", 2),
        ("past_weather", (slice(None), 0, 0), "pr", 19),
        ("past_weather", (slice(None), 19, 4), "day_of_year", 0),
        ("past_flow", (slice(None), 19), "streamflow", 0),
        ("future_weather", (slice(None), 0, 2), "rsds", -1),
        ("future_weather", (slice(None), 5, 3), "day_of_year", -6),
        ("noise", (slice(None), 3), "forecast_noise", -4),
        ("process_flow", (slice(None), 1), "process_flow", -2),
        ("statics", (slice(None), 1), "attributes", 0),
    ]
    for name, place, variable, lag in cases:
        changed = getattr(inputs, name).clone()
        changed[place] += 1.0
        other = replace(samples, inputs=replace(inputs, **{name: changed}))
        [column] = (columns.matrix(other) != before).any(0).nonzero().flatten().tolist()
        assert (columns.groups[columns.group[column]], columns.lag[column]) == (variable, lag)


def test_contributions_lie_on_one_axis_of_lags_and_nothing_is_lost() -> None:
    samples = flow_samples()
    columns = FlowColumns.of(samples)
    assert columns.variables == (*VARIABLES, "process_flow")
    assert columns.lags.tolist() == list(range(19, -7, -1))
    values = torch.randn(4, 6, len(columns), dtype=torch.float64)
    contribution, attributes = columns.to_arrays(values)
    assert contribution.shape == (4, 6, 7, 26) and attributes.shape == (4, 6, 2)
    for column, (group, lag) in enumerate(zip(columns.group, columns.lag, strict=True)):
        name = columns.groups[group]
        if name == "day_of_year":
            continue
        found = (
            attributes[..., column - len(columns)]
            if name == "attributes"
            else contribution[..., group, list(columns.lags).index(lag)]
        )
        assert np.array_equal(found, values[..., column].numpy()), (name, lag)
    total = np.nansum(contribution, (-2, -1)) + attributes.sum(-1)
    np.testing.assert_allclose(total, values.sum(-1).numpy(), rtol=1e-12)
    there = ~np.isnan(contribution[0, 0])
    ahead = columns.lags < 0
    for place, name in enumerate(columns.variables):
        wanted = {"streamflow": ~ahead, "forecast_noise": ahead, "process_flow": ahead}
        assert np.array_equal(there[place], wanted.get(name, np.ones_like(ahead))), name


def test_groups_are_variables_or_variables_by_blocks_of_days() -> None:
    columns = FlowColumns.of(flow_samples(past=40, leads=14))
    by_variable = columns.by_variable()
    assert by_variable.names == (*VARIABLES, "process_flow", "attributes")
    assert (by_variable.index == torch.from_numpy(columns.group)).all()

    groups, features = columns.by_blocks(), columns.features()
    assert [f"{f.variable} {f.first_lag} {f.last_lag}" for f in features if f.variable == "pr"] == [
        "pr 39 30", "pr 29 10", "pr 9 3", "pr 2 0", "pr -1 -3", "pr -4 -10", "pr -11 -14",
    ]  # fmt: skip
    assert [f.first_lag for f in features if f.variable == "streamflow"] == [39, 29, 9, 2]
    assert [f.last_lag for f in features if f.variable == "process_flow"] == [-3, -10, -14]
    assert groups.names[0] == "pr, day -39 to -30" and groups.names[-1] == "attributes"
    for column, group in enumerate(groups.index.tolist()):
        feature = features[group]
        assert feature.variable == columns.groups[columns.group[column]]
        assert feature.last_lag <= columns.lag[column] <= feature.first_lag
    # a coarser cut sums to the same as variables
    values = torch.randn(2, len(columns))
    one = columns.by_blocks([LagBlock(100, -100)])
    torch.testing.assert_close(one.sums(values), by_variable.sums(values))


@pytest.mark.parametrize(
    "blocks",
    [[LagBlock(19, 1), LagBlock(-1, -6)], [LagBlock(19, -6), LagBlock(0, 0)], []],
)
def test_blocks_that_miss_a_day_or_overlap_are_refused(blocks: list[LagBlock]) -> None:
    columns = FlowColumns.of(flow_samples())
    with pytest.raises(InvalidData, match=r"lag .* in no block of lags, or in several"):
        columns.by_blocks(blocks)


def test_without_attributes_there_is_no_group_of_them() -> None:
    samples = flow_samples()
    bare = replace(samples, inputs=replace(samples.inputs, statics=torch.zeros(4, 0)), statics=())
    columns = FlowColumns.of(bare)
    assert "attributes" not in columns.by_variable().names
    assert "attributes" not in columns.by_blocks().names
    assert columns.to_arrays(columns.matrix(bare))[1].shape == (4, 0)


def test_inputs_are_shown_by_lag_with_the_day_of_the_year_in_days() -> None:
    samples = flow_samples(gaps=0.3)
    columns = FlowColumns.of(samples)
    value, attributes = columns.input_arrays(columns.matrix(samples))
    np.testing.assert_array_equal(
        value[:, 0, :20], samples.inputs.past_weather[..., 0].double().numpy()
    )
    np.testing.assert_array_equal(
        value[:, 1, 20:], samples.inputs.future_weather[..., 1].double().numpy()
    )
    np.testing.assert_array_equal(attributes, samples.inputs.statics.double().numpy())
    # the samples code day 40 + 97 n of a year that starts at 0
    day = (40 + 97 * np.arange(4))[:, None] - columns.lags
    np.testing.assert_allclose(value[:, 3], day % 365.2425 + 1, atol=1e-3)


def test_other_samples_rows_and_networks_are_refused() -> None:
    samples = flow_samples()
    columns = FlowColumns.of(samples)
    with pytest.raises(InvalidData, match="30 days of pr, tas, rsds"):
        columns.matrix(flow_samples(past=30))
    with pytest.raises(InvalidData, match=rf"\(any number, {len(columns)}\) wanted"):
        columns.inputs(torch.zeros(3, len(columns) + 1))
    with pytest.raises(InvalidData, match="stands for another input"):
        FlowColumns.of(replace(samples, weather=("pr", "tas", "streamflow")))
    bare = replace(samples, inputs=replace(samples.inputs, statics=torch.zeros(4, 0)), statics=())
    with pytest.raises(InvalidData, match="2 attributes cannot take"):
        FlowColumns.of(bare).check(small_network("lstm"))
    with pytest.raises(InvalidData, match="at most 6 leads cannot take"):
        FlowColumns.of(flow_samples(leads=7)).check(small_network("channel_tst"))
