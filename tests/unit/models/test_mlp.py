from __future__ import annotations

import numpy as np
import pytest
import torch

from catena.models.mlp import MLPConfig, MLPEnsemble

CONFIG = MLPConfig(inputs=4, outputs=3, members=5, width=7, depth=2)


def model(seed: int = 1) -> MLPEnsemble:
    return MLPEnsemble(CONFIG, torch.Generator().manual_seed(seed))


def by_hand(net: MLPEnsemble, member: int, x: np.ndarray) -> np.ndarray:
    hidden = x
    for layer, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        hidden = hidden @ w[member].detach().numpy() + b[member].detach().numpy()
        if layer < len(net.weights) - 1:
            hidden = hidden / (1.0 + np.exp(-hidden))
    return hidden


def test_each_member_is_an_ordinary_network() -> None:
    net, x = model(), torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    out = net(x).detach().numpy()
    for member in range(CONFIG.members):
        np.testing.assert_allclose(out[member], by_hand(net, member, x.numpy()), atol=1e-5)


def test_members_may_have_inputs_of_their_own() -> None:
    net = model()
    x = torch.randn(5, 6, 4, generator=torch.Generator().manual_seed(0))
    out = net(x)
    for member in range(5):
        torch.testing.assert_close(out[member], net(x[member])[member])


def test_mean_and_spread_are_those_over_members() -> None:
    net, x = model(), torch.rand(9, 4)
    mean, spread = net.mean_and_spread(x)
    members = net(x).detach().numpy()
    np.testing.assert_allclose(mean.detach(), members.mean(0), atol=1e-6)
    np.testing.assert_allclose(spread.detach(), members.var(0, ddof=1), atol=1e-6)


def test_a_single_member_has_no_spread() -> None:
    net = MLPEnsemble(MLPConfig(4, 3, members=1, width=7, depth=2))
    assert not net.mean_and_spread(torch.rand(9, 4))[1].any()


def test_selected_members_keep_their_weights() -> None:
    net, x = model(), torch.rand(3, 4)
    torch.testing.assert_close(net.select(slice(1, 3))(x), net(x)[1:3])


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = model(1), model(1), model(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.weights[0], c.weights[0])


def test_state_rebuilds_the_same_outputs() -> None:
    net, x = model(), torch.rand(3, 4)
    again = MLPEnsemble.from_state(net.config(), net.state())
    assert torch.equal(net(x), again(x))


def test_a_missing_tensor_is_refused() -> None:
    state = model().state()
    state.pop("weights.0")
    with pytest.raises(RuntimeError, match=r"weights\.0"):
        MLPEnsemble.from_state(model().config(), state)
