from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from support.flow_networks import SMALL, WEATHER, flow_samples, small_network

from catena.explainer.flow import internals
from catena.explainer.flow.internals import importances, read_internals
from catena.models.flow_features import future, past_flow, past_weather
from catena.shared.errors import InvalidData

SHOWN = {
    "tst": {
        "gate", "fusion_attention", "past_attention", "future_attention", "flow_attention",
        "flow_past_attention", "lead_attention",
    },
    "channel_tst": {"channel_attention"},
    "interpretable_lstm": {"variable_importance", "past_importance", "future_importance"},
    "lstm": set(),
    "lstm_ed": set(),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_each_network_shows_what_it_has_and_rows_sum_to_one(name: str) -> None:
    shown = read_internals(small_network(name), flow_samples(5))
    assert set(shown.data_vars) == SHOWN[name]
    for key, values in shown.data_vars.items():
        assert values.dims[0] == "sample" and values.sizes["sample"] == 5
        for dim in values.dims[1:]:
            assert dim in shown.coords or str(dim).endswith(("head", "layer")) or dim == "key"
        if key != "gate":
            last = values.dims[-1]
            np.testing.assert_allclose(values.sum(last), 1.0, atol=1e-5, err_msg=str(key))
            assert float(values.min()) >= 0
    if not SHOWN[name]:
        assert "no attention, gate or importances" in shown.attrs["note"]


def test_patches_and_keys_of_the_temporal_transformer_have_their_days() -> None:
    shown = read_internals(small_network("tst"), flow_samples(past=20, leads=6))
    assert shown["patch_lag"].values.tolist() == [12, 8, 4, 0]
    assert shown["patch_lag"].attrs["patch_days"] == 8
    assert shown["fusion_attention"].dims == ("sample", "head", "lead", "patch_lag")
    attention = shown["lead_attention"]
    assert attention.dims == ("sample", "decoder_layer", "head", "lead", "key")
    assert attention["key_kind"].values.tolist() == ["flow"] * 4 + ["past"] * 4 + ["fused"] * 6
    assert attention["key_lag"].values.tolist() == [12, 8, 4, 0] * 2 + [-1, -2, -3, -4, -5, -6]
    # a lead does not look at later ones: what it gives to them is 0, to itself it is not
    fused = attention.isel(key=attention["key_kind"].values == "fused")
    later = -fused["key_lag"] > fused["lead"]
    assert float(fused.where(later).max()) == 0.0
    assert float(fused.where(-fused["key_lag"] == fused["lead"]).min()) > 0.0


def test_a_patch_is_named_by_the_days_that_move_it() -> None:
    """Days of the last 4 only are in the patch of lag 0 alone: older tokens see no change."""
    network, samples = small_network("tst"), flow_samples(gaps=0.0)
    inside = {}
    network.past.embed.register_forward_hook(lambda *call: inside.update(tokens=call[2].detach()))

    def tokens(lag: int | None) -> torch.Tensor:
        weather = samples.inputs.past_weather.clone()
        if lag is not None:
            weather[:, -1 - lag, 0] += 1.0
        read_internals(
            network, replace(samples, inputs=replace(samples.inputs, past_weather=weather))
        )
        return inside["tokens"]

    shown = read_internals(network, samples)
    days, before = shown["patch_lag"].values, tokens(None)
    length = shown["patch_lag"].attrs["patch_days"]
    for lag in (0, 3, 4, 11, 19):
        moved = (tokens(lag) != before).any(-1).any(0).numpy()
        assert moved.tolist() == ((days <= lag) & (lag < days + length)).tolist(), lag


@pytest.mark.parametrize("process", [True, False])
def test_channels_have_the_names_of_their_numbers(process: bool) -> None:
    network = small_network("channel_tst", process=process)
    samples = flow_samples(gaps=0.3)
    shown = read_internals(network, samples)
    names = shown["channel"].values.tolist()
    inputs = samples.inputs
    past = torch.cat([past_weather(inputs), past_flow(inputs)], -1)
    ahead = future(inputs, process)
    assert len(names) == past.shape[-1] + ahead.shape[-1] + 1
    assert names == shown["key_channel"].values.tolist() and len(set(names)) == len(names)
    given = {
        "tas": inputs.past_weather[..., 1].nan_to_num(),
        "day_of_year cosine": inputs.past_weather[..., -1],
        "rsds flag": (~inputs.past_weather[..., 2].isnan()).float(),
        "streamflow flag": (~inputs.past_flow.isnan()).float(),
        "forecast pr": inputs.future_weather[..., 0].nan_to_num(),
        "forecast tas flag": (~inputs.future_weather[..., 1].isnan()).float(),
    }
    if process:
        assert inputs.process_flow is not None
        given["process_flow"] = inputs.process_flow.nan_to_num().asinh()
    for name, wanted in given.items():
        place = names.index(name)
        at = past[..., place] if place < past.shape[-1] else ahead[..., place - past.shape[-1]]
        torch.testing.assert_close(at, wanted, msg=name)


@pytest.mark.parametrize("process", [True, False])
def test_importances_name_the_variable_that_a_forecast_rests_on(process: bool) -> None:
    """The share of a variable is planted in the head: its name must get it."""
    samples = flow_samples(gaps=0.0)
    past = [*WEATHER, "day_of_year", "streamflow"]
    ahead = [*(f"forecast {name}" for name in past[:-1]), "forecast_noise"]
    names = [*past, *ahead, *(["process_flow"] if process else []), "attributes"]
    network = small_network("interpretable_lstm", process=process)
    for place, name in enumerate(names):
        with torch.no_grad():
            network.head.bias[:, 2] = 0.0
            network.head.bias[place, 2] = 50.0
        shown = read_internals(network, samples)
        assert shown["importance_variable"].values.tolist() == names
        assert float(shown["variable_importance"].sel(importance_variable=name).min()) > 0.99
    assert shown["past_variable"].values.tolist() == past
    assert shown["future_variable"].values.tolist() == names[len(past) : -1]
    assert shown["past_lag"].values.tolist() == list(range(19, -1, -1))
    later = shown["future_importance"].where(shown["future_lead"] > shown["lead"])
    assert float(later.max()) == 0.0


def test_posterior_importance_is_the_mean_over_what_was_observed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, samples = small_network("interpretable_lstm"), flow_samples(7, basins=2)
    found = importances(network, samples)
    assert found is not None
    assert found.dims == ("importance_variable",)
    np.testing.assert_allclose(float(found.sum()), 1.0, rtol=1e-5)
    # Bayes' rule by hand
    with torch.no_grad():
        mixture = network(samples.inputs)
    z = (samples.observed - samples.flow_mean[:, None]) / samples.flow_scale[:, None]
    scale, mean = mixture.scale.double().numpy(), mixture.location.double().numpy()
    density = np.exp(-0.5 * ((z[..., None] - mean) / scale) ** 2) / scale
    joint = mixture.weight.double().numpy() * density
    posterior = (joint / joint.sum(-1, keepdims=True))[~np.isnan(z)].mean(0)
    np.testing.assert_allclose(found.values, posterior, rtol=1e-3, atol=1e-6)
    # in passes of few rows, one without any observation
    first = np.arange(7)[:, None] < 2
    hidden = replace(samples, observed=np.where(first, np.nan, samples.observed))
    whole, shown = importances(network, hidden), read_internals(network, samples)
    monkeypatch.setattr(internals, "ROWS", 2)
    parts = importances(network, hidden)
    assert whole is not None and parts is not None
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-5)
    xr.testing.assert_allclose(read_internals(network, samples), shown, rtol=1e-4, atol=1e-6)


def test_posterior_importance_needs_the_network_and_observations() -> None:
    samples = flow_samples()
    assert importances(small_network("tst"), samples) is None
    unseen = replace(samples, observed=np.full_like(samples.observed, np.nan))
    assert importances(small_network("interpretable_lstm"), unseen) is None


def test_a_broken_network_and_other_samples_are_refused() -> None:
    network = small_network("tst")
    with torch.no_grad():
        network.fusion.gate.bias[0] = torch.nan
    with pytest.raises(InvalidData, match=r"gate.* of the network are NaN or infinite"):
        read_internals(network, flow_samples())
    with pytest.raises(InvalidData, match="at most 6 leads"):
        read_internals(small_network("channel_tst"), flow_samples(leads=9))
