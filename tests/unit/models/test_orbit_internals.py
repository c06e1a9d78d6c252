"""What an ORBIT model shows of a pass is what the pass did."""

from __future__ import annotations

import pytest
import torch
from support.unfolded_orbit import UnfoldedOrbit
from torch import Tensor, nn
from torch.nn import functional as F

from catena.models.orbit import Orbit, initialise
from catena.models.orbit_config import OrbitConfig

NAMES = ("tas", "psl", "ua")
CONFIG = OrbitConfig(NAMES, NAMES, (8, 16), patch=4, width=32, depth=3, heads=4)
LEADS = torch.tensor([6.0, 24.0]).double()


def model_of(config: OrbitConfig = CONFIG) -> Orbit:
    """A model that attends to some places and variables much more than to others."""
    model = initialise(Orbit(config).double(), seed=0).requires_grad_(False)
    random = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight += 0.3 * torch.randn(weight.shape, generator=random, dtype=torch.float64)
    return model


def fields_of(config: OrbitConfig = CONFIG) -> Tensor:
    random = torch.Generator().manual_seed(2)
    shape = (len(LEADS), len(config.variables), *config.grid)
    return torch.randn(shape, generator=random, dtype=torch.float64)


class Watched(nn.Module):
    """Attention whose values are unit vectors gives its own map."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        unit = torch.eye(query.shape[2], dtype=query.dtype).expand(*query.shape[:3], -1)
        self.maps.append(F.scaled_dot_product_attention(query, key, unit.contiguous()))
        return F.scaled_dot_product_attention(query, key, value)


def test_the_maps_are_those_of_the_attention_that_was_paid() -> None:
    model, fields = model_of(), fields_of()
    shown = model.explain(fields, torch.arange(3), LEADS)
    watched = Watched()
    for block in model.blocks.values():
        block.attention.core = watched
    model(fields, torch.arange(3), LEADS)
    maps = torch.stack(watched.maps, 1)
    torch.testing.assert_close(shown["attention"], maps, rtol=1e-10, atol=1e-12)
    # The product of the maps, each with half of the token passed on, in the order of the blocks.
    unit = torch.eye(CONFIG.tokens, dtype=torch.float64)
    first, second, third = (0.5 * (maps[:, k].mean(1) + unit) for k in range(3))
    torch.testing.assert_close(shown["rollout"], third @ second @ first)
    torch.testing.assert_close(shown["rollout"].sum(-1), torch.ones_like(shown["rollout"][..., 0]))


@pytest.mark.parametrize("masked", [False, True], ids=["all there", "some lack"])
def test_shares_of_variables_are_those_of_the_unfolded_model(masked: bool) -> None:
    model, fields = model_of(), fields_of()
    present = torch.tensor([[True, False, True], [True, True, True]]) if masked else None
    found = model.explain(fields, torch.arange(3), LEADS, present)["variable_share"]
    weights = dict(model.embedding.aggregation.named_parameters())  # type: ignore[union-attr]
    known = fields if present is None else torch.where(present[..., None, None], fields, 0.0)
    tokens = UnfoldedOrbit(model).tokens_of_all(known, torch.arange(3), weights)
    score = torch.einsum(
        "hd,blvhd->bhvl",
        (weights["to_query.weight"] @ weights["query"] + weights["to_query.bias"]).view(4, 8),
        (tokens @ weights["to_key.weight"].T).unflatten(-1, (4, 8)),
    )
    if present is not None:
        score = score.masked_fill(~present[:, None, :, None], -torch.inf)
    torch.testing.assert_close(found, (score / 8**0.5).softmax(2))
    assert float(found.std()) > 0.05, "they are not all alike"


def test_a_pass_is_the_same_before_and_after_it_was_looked_at() -> None:
    model, fields = model_of(), fields_of()
    before = model(fields, None, LEADS)
    some = model.explain(fields, torch.arange(3), LEADS, places=torch.tensor([5, 0]))
    every = model.explain(fields, torch.arange(3), LEADS)
    assert torch.equal(before, model(fields, None, LEADS))
    assert torch.equal(some["attention"], every["attention"][:, :, :, [5, 0]])
    assert torch.equal(some["rollout"], every["rollout"][:, [5, 0]])


def test_without_blocks_a_place_sees_itself_and_a_stage_cannot_be_looked_at() -> None:
    flat = OrbitConfig(NAMES, NAMES, (8, 16), patch=4, width=32, depth=0, heads=4)
    shown = model_of(flat).explain(fields_of(flat), torch.arange(3), LEADS)
    assert shown["attention"].shape == (2, 0, 4, 8, 8)
    assert torch.equal(shown["rollout"][0], torch.eye(8, dtype=torch.float64))
    stage = model_of()
    stage.head = None
    with pytest.raises(ValueError, match="stage of a pipeline"):
        stage.explain(fields_of(), torch.arange(3), LEADS)
