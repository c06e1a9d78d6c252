from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from catena.models.image_net import ImageConfig
from catena.models.static_net import StaticConfig
from catena.models.ungauged_lstm import BasinSequences, PointFlow, UngaugedConfig, UngaugedLSTM

STATIC = StaticConfig(attributes=3, width=8, outputs=4)
IMAGE = ImageConfig(size=8, patch=4, bands=2, width=8, heads=2, layers=1, outputs=5)
KINDS = {
    "lstm": UngaugedConfig(weather=4, width=6),
    "attributes": UngaugedConfig(weather=4, width=6, attributes=STATIC),
    "images": UngaugedConfig(weather=4, width=6, image=IMAGE),
    "both": UngaugedConfig(weather=4, width=6, attributes=STATIC, image=IMAGE),
    "gate": UngaugedConfig(weather=4, width=6, attributes=STATIC, image=IMAGE, entity_gate=True),
    "donors": UngaugedConfig(weather=4, width=6, attributes=STATIC, donors=3),
    "gated donors": UngaugedConfig(
        weather=4, width=6, attributes=STATIC, entity_gate=True, donors=3
    ),
}


def network(name: str) -> UngaugedLSTM:
    """With weights everywhere: those of donors start from zero."""
    net = UngaugedLSTM(KINDS[name], 1)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        net.flow.weight.normal_(0.0, 0.5)
    return net


def sequences(length: int = 20, donors: int = 0) -> BasinSequences:
    generator = torch.Generator().manual_seed(0)
    weather = torch.randn(5, length, 4, generator=generator)
    weather[1, 3, 0] = torch.nan
    return BasinSequences(
        weather=weather,
        scored=8,
        basin=torch.tensor([0, 2, 1, 2, 0]),
        attributes=torch.randn(3, 3, generator=generator),
        chips=torch.rand(3, 3, 8, 8, generator=generator),
        donor_flow=torch.rand(5, length, donors, generator=generator) if donors else None,
    )


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(net: UngaugedLSTM, inputs: BasinSequences, entity: bool) -> np.ndarray:
    """Day by day: Kratzert et al. (2019), eq. 10 to 15, or the plain LSTM of eq. 1 to 6."""
    w, u, b, c = (p.detach().numpy() for p in net.lstm.parameters())
    known = net.encode(inputs.attributes, inputs.chips)[inputs.basin].detach().numpy()
    raw = inputs.weather.numpy()
    x = np.concatenate([np.nan_to_num(raw), ~np.isnan(raw[..., :-2])], axis=-1)
    lent = None if inputs.donor_flow is None else inputs.donor_flow.numpy()
    if lent is not None:
        x = np.concatenate([x, np.log(lent + 0.1)], axis=-1)
    f, width = x.shape[-1], u.shape[1]
    rows = {gate: slice(k * width, (k + 1) * width) for k, gate in enumerate("ifgo")}
    hidden = cell = np.zeros((len(x), width))
    flows = []
    for day in range(x.shape[1]):

        def gate(name: str, x: np.ndarray = x[:, day], h: np.ndarray = hidden) -> np.ndarray:
            at = rows[name]
            bias = b[at] + c[at]
            if entity:
                if name == "i":
                    return known @ w[at, f:].T + bias
                return x @ w[at, :f].T + h @ u[at].T + bias
            return np.concatenate([x, known], axis=1) @ w[at].T + h @ u[at].T + bias

        i, forget, g, o = (gate(name) for name in "ifgo")
        cell = sigmoid(forget) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        out = hidden @ net.flow.weight.detach().numpy().T + net.flow.bias.detach().numpy()
        flow = np.log1p(np.exp(out[:, -1]))
        if lent is not None:
            share = np.exp(out[:, :-2]) / np.exp(out[:, :-2]).sum(axis=1, keepdims=True)
            flow += np.exp(3 * np.tanh(out[:, -2] / 3)) * (share * lent[:, day]).sum(axis=1)
        flows.append(flow)
    return np.stack(flows, axis=1)[:, -inputs.scored :]


@pytest.mark.parametrize("name", KINDS)
def test_flow_follows_the_equations_day_by_day(name: str) -> None:
    net, inputs = network(name), sequences(donors=KINDS[name].donors)
    wanted = by_hand(net, inputs, entity=KINDS[name].entity_gate)
    np.testing.assert_allclose(net(inputs).mean().detach().numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_flow_knows_no_weather_of_later_days(name: str) -> None:
    net, inputs = network(name), sequences(donors=KINDS[name].donors)
    later = inputs.weather.clone()
    later[:, 15:] = 9.0
    a, b = net(inputs).mean(), net(replace(inputs, weather=later)).mean()
    torch.testing.assert_close(a[:, :3], b[:, :3])
    assert (a[:, 3:] - b[:, 3:]).abs().min() > 0


@pytest.mark.parametrize(
    ("name", "attributes", "images"),
    [("lstm", False, False), ("attributes", True, False), ("images", False, True),
     ("both", True, True), ("gate", True, True)],
)  # fmt: skip
def test_a_model_looks_at_what_it_is_named_after(name: str, attributes: bool, images: bool) -> None:
    net, inputs = UngaugedLSTM(KINDS[name], 1), sequences()
    assert inputs.chips is not None
    flow = net(inputs).mean()
    for looks, changed in (
        (attributes, replace(inputs, attributes=inputs.attributes + 1)),
        (images, replace(inputs, chips=1 - inputs.chips)),
    ):
        assert bool((net(changed).mean() != flow).any()) == looks


def test_one_encoding_per_basin_serves_all_its_sequences() -> None:
    net, inputs = UngaugedLSTM(KINDS["both"], 1), sequences()
    kept = net.encode(inputs.attributes, inputs.chips)
    assert kept.shape == (3, 9)
    whole = net.simulate(inputs.weather, kept[inputs.basin])
    torch.testing.assert_close(whole[:, -8:], net(inputs).mean())


def test_weights_that_an_entity_gate_holds_at_zero_are_not_learned() -> None:
    net = UngaugedLSTM(KINDS["gate"], 1)
    net(sequences()).mean().sum().backward()
    inputs, hidden = (net.lstm.get_parameter(f"weight_{which}h_l0").grad for which in "ih")
    assert inputs is not None and hidden is not None
    assert not inputs[:6, :6].any() and not inputs[6:, 6:].any() and not hidden[:6].any()
    assert inputs[:6, 6:].any() and inputs[6:, :6].any() and hidden[6:].any()


@pytest.mark.parametrize("name", KINDS)
def test_state_rebuilds_the_same_flow(name: str) -> None:
    net, inputs = network(name), sequences(donors=KINDS[name].donors)
    config = json.loads(json.dumps(net.config()))
    again = UngaugedLSTM.from_state(config, load(save(net.state())))
    assert torch.equal(again(inputs).mean(), net(inputs).mean())


def test_seeds_make_weights_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = (UngaugedLSTM(KINDS["both"], seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.flow.weight, c.flow.weight)


@pytest.mark.parametrize("name", ["donors", "gated donors"])
def test_a_fresh_network_gives_a_mean_flow_of_donors_and_learns_at_once(name: str) -> None:
    net, inputs = UngaugedLSTM(KINDS[name], 1), sequences(donors=3)
    assert inputs.donor_flow is not None
    flow = net(inputs).mean()
    share = torch.tensor([np.exp(2.0), 1.0, 1.0]) / (np.exp(2.0) + 2)
    wanted = (inputs.donor_flow[:, -8:] * share.float()).sum(-1)
    torch.testing.assert_close(flow, wanted, atol=0.02, rtol=0)
    flow.square().sum().backward()
    assert net.flow.weight.grad is not None and bool(net.flow.weight.grad.abs().sum(1).all())


def test_flow_of_donors_is_changed_within_bounds() -> None:
    net, inputs = UngaugedLSTM(KINDS["donors"], 1), sequences(donors=3)
    assert inputs.donor_flow is not None
    with torch.no_grad():
        net.flow.bias[-2] = 1000.0
        net.flow.bias[0] = 1000.0
    most = np.exp(3.0) * inputs.donor_flow[:, -8:, 0]
    torch.testing.assert_close(net(inputs).mean(), most, atol=0.02, rtol=0)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="neither attributes nor images"):
        UngaugedLSTM(UngaugedConfig(weather=4, entity_gate=True))
    with pytest.raises(ValueError, match="no chips came"):
        UngaugedLSTM(KINDS["images"], 1)(replace(sequences(), chips=None))
    for name, donors in (("donors", 0), ("donors", 2), ("lstm", 3)):
        with pytest.raises(ValueError, match=f"flows by {donors} donors came; [03] wanted"):
            network(name)(sequences(donors=donors))
    with pytest.raises(TypeError, match="depth"):
        UngaugedLSTM.from_state({"weather": 4, "depth": 2}, {})


def test_flow_without_a_spread_is_scored_by_its_error() -> None:
    flow, came = PointFlow(torch.tensor([[1.0, 2.0]])), torch.tensor([[1.5, torch.nan]])
    torch.testing.assert_close(flow.crps(came), torch.tensor([[0.5, torch.nan]]), equal_nan=True)
    torch.testing.assert_close(flow.cdf(came), torch.tensor([[1.0, torch.nan]]), equal_nan=True)
    assert flow.quantile([0.1, 0.9]).tolist() == [[[1.0, 1.0], [2.0, 2.0]]]
    # What the levels miss is an error on one side of them: half of the absolute one on average.
    torch.testing.assert_close(flow.pinball(came, [0.25, 0.75])[0, 0], torch.tensor(0.25))
