from __future__ import annotations

import pytest
import torch
from torch import Tensor

from catena.models.orbit import Orbit, initialise
from catena.models.orbit_adapters import (
    add_adapters,
    freeze_backbone,
    is_adapter,
    merge_adapters,
    merged_weights,
)
from catena.models.orbit_config import OrbitConfig

CONFIG = OrbitConfig(("a", "b"), ("a", "b"), (8, 16), width=32, depth=2, heads=2)


@pytest.fixture
def model() -> Orbit:
    return initialise(Orbit(CONFIG).double(), seed=1)


@pytest.fixture
def fields() -> Tensor:
    return torch.randn(3, 2, 8, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def stirred(model: Orbit) -> Orbit:
    """A model whose adapters change something, and whose head lets it through."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if is_adapter(name) or name.startswith("head.hidden"):
                weight.add_(torch.randn(weight.shape, generator=random) * 0.2)
    return model


def test_a_model_with_new_adapters_is_what_it_was(model: Orbit, fields: Tensor) -> None:
    before = model(fields)
    torch.testing.assert_close(add_adapters(model, rank=4)(fields), before, rtol=0, atol=0)


def test_a_merged_model_is_the_adapted_one(model: Orbit, fields: Tensor) -> None:
    names = set(model.state_dict())
    adapted = stirred(add_adapters(model, rank=4, alpha=6.0))
    wanted, weights = adapted(fields), adapted.state_dict()
    other = Orbit(CONFIG).double()
    other.load_state_dict({n: weight for n, weight in weights.items() if not is_adapter(n)})
    assert (other(fields) - wanted).abs().max() > 0.01
    merged = merge_adapters(adapted)
    assert set(merged.state_dict()) == names
    torch.testing.assert_close(merged(fields), wanted, rtol=0, atol=1e-12)
    other.load_state_dict(merged_weights(weights, rank=4, alpha=6.0))
    torch.testing.assert_close(other(fields), merged(fields), rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in merged.parameters())


@pytest.mark.parametrize("way", ["adapters", "frozen"])
def test_the_backbone_stays_and_costs_no_gradients(way: str, model: Orbit, fields: Tensor) -> None:
    (freeze_backbone if way == "frozen" else lambda m: add_adapters(m, rank=4))(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimiser = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
    for _ in range(2):  # adapters begin at zero: the inward ones move from the second step on
        optimiser.zero_grad()
        (model(fields) - 1.0).square().mean().backward()
        optimiser.step()
    for name, weight in model.named_parameters():
        free = is_adapter(name) or not name.startswith("blocks.")
        assert (weight.grad is not None) == free == weight.requires_grad, name
        assert bool((weight != before[name]).any()) == free, name


def test_adapters_are_refused_where_they_cannot_be(model: Orbit) -> None:
    with pytest.raises(ValueError, match="rank 33; wanted 1 to 32"):
        add_adapters(model, rank=33)
    add_adapters(model, rank=2)
    with pytest.raises(ValueError, match="adapters already"):
        add_adapters(model, rank=2)
    with pytest.raises(ValueError, match="Linear has no blocks"):
        add_adapters(torch.nn.Linear(2, 2), rank=1)
