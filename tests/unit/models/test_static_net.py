from __future__ import annotations

import numpy as np
import pytest
import torch

from catena.models.static_net import StaticConfig, StaticNet


@pytest.fixture
def net() -> StaticNet:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return StaticNet(StaticConfig(attributes=4, width=7, outputs=5))


def test_it_is_a_perceptron_with_one_hidden_layer(net: StaticNet) -> None:
    x = np.array([[0.5, -1.0, np.nan, 2.0], [0.0, 3.0, 1.0, np.nan]], np.float32)
    w, b, v, c = (p.detach().numpy() for p in net.parameters())
    hidden = np.concatenate([np.nan_to_num(x), ~np.isnan(x)], axis=1) @ w.T + b
    wanted = np.tanh((hidden / (1 + np.exp(-hidden))) @ v.T + c)
    np.testing.assert_allclose(net(torch.from_numpy(x)).detach().numpy(), wanted, atol=1e-6)


def test_missing_is_not_the_mean_and_spoils_no_gradient(net: StaticNet) -> None:
    known, lost = torch.zeros(1, 4), torch.tensor([[0.0, 0.0, torch.nan, 0.0]])
    assert (net(known) - net(lost)).abs().max() > 1e-3
    net(lost).sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


def test_an_outlandish_basin_has_an_encoding_in_bounds(net: StaticNet) -> None:
    assert net(torch.full((1, 4), 1e6)).abs().max() <= 1.0


def test_other_numbers_of_attributes_are_refused(net: StaticNet) -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) came; \(basins, 4\) wanted"):
        net(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="at least 1"):
        StaticNet(StaticConfig(attributes=0))
