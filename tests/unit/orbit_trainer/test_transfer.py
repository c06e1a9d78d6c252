"""Which weights of a pre-trained model a new one takes, and which it trains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.orbit_training import built

from catena.models.orbit import Orbit, initialise
from catena.models.orbit_adapters import is_adapter
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_downscale import DownscaleConfig
from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.downscale import downscale_task
from catena.orbit_trainer.tasks.forecast import forecast_task
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.shared.errors import InvalidData, InvalidRequest

CONFIG = OrbitConfig(("tas", "psl", "ua"), ("tas", "ua"), (8, 16), width=32, depth=2, heads=2)
LATITUDES = [-78.75 + 22.5 * row for row in range(8)]


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    model = initialise(Orbit(CONFIG), seed=5)
    with torch.no_grad():
        for weight in model.parameters():  # biases and norms do not begin like this either
            weight.add_(
                0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
            )
    return Pretrained(CONFIG, {n: w.detach() for n, w in model.named_parameters()})


def fields(count: int, grid: tuple[int, int] = (8, 16)) -> torch.Tensor:
    return torch.randn(2, count, *grid, generator=torch.Generator().manual_seed(0))


def test_the_same_shape_is_the_same_model(pretrained: Pretrained) -> None:
    task = forecast_task(CONFIG, LATITUDES, pretrained=pretrained)
    assert (task.transfer.new, task.transfer.unused, task.transfer.fitted) == ((), (), {})
    before = Orbit(CONFIG)
    before.load_state_dict(dict(pretrained.weights))
    torch.testing.assert_close(built(task)(fields(3)), before(fields(3)), rtol=0, atol=0)


def test_variables_and_outputs_go_by_name(pretrained: Pretrained) -> None:
    wider = replace(CONFIG, variables=("zg", "ua", "tas", "psl"), outputs=("zg", "tas"))
    task = forecast_task(wider, LATITUDES, pretrained=pretrained, seed=9)
    assert task.transfer.fitted["embedding.aggregation.offset"] == "new rows for zg"
    assert task.transfer.fitted["head.out.weight"] == "new rows for zg"
    before = Orbit(CONFIG)
    before.load_state_dict(dict(pretrained.weights))
    known = fields(3)
    # Without zg the new model says of tas what the old one said.
    made = built(task)(known[:, [2, 0, 1]], torch.tensor([1, 2, 3]))
    torch.testing.assert_close(made[:, 1], before(known)[:, 0], rtol=0, atol=1e-5)
    again = built(forecast_task(wider, LATITUDES, pretrained=pretrained, seed=9))
    assert all(
        torch.equal(one, other)
        for one, other in zip(built(task).parameters(), again.parameters(), strict=True)
    )


def test_another_grid_and_patch_are_fitted_and_said(pretrained: Pretrained) -> None:
    finer = replace(CONFIG, grid=(16, 32), patch=2)
    task = forecast_task(finer, [0.0] * 16, pretrained=pretrained)
    assert task.transfer.fitted == {
        "embedding.position": "from 2 x 4 patches to 8 x 16",
        "embedding.aggregation.tokeniser": "from 4 x 4 pixels to 2 x 2",
    }
    assert task.transfer.new == ("head.out.weight", "head.out.bias")
    assert built(task)(fields(3, (16, 32))).shape == (2, 2, 16, 32)


def test_downscaling_keeps_blocks_and_aggregation(pretrained: Pretrained) -> None:
    coarse = replace(CONFIG, grid=(4, 8), patch=2)  # the same area in a patch
    config = DownscaleConfig(coarse, factor=2, features=4)
    task = downscale_task(config, LATITUDES, pretrained=pretrained)
    kept = {name.split(".")[0] for name in task.transfer.weights}
    assert kept == {"blocks", "embedding"}
    assert {name.split(".")[0] for name in task.transfer.new} == {
        "embedding", "gather", "head", "linear", "spread",
    }  # fmt: skip
    assert [name for name in task.transfer.new if name.startswith("embedding")] == [
        "embedding.resolution.weight",
        "embedding.resolution.bias",
    ]
    assert task.transfer.fitted == {"embedding.aggregation.tokeniser": "from 4 x 4 pixels to 2 x 2"}
    assert "embedding.lead.weight" in task.transfer.unused


def test_weights_that_lack_or_do_not_fit_are_named(pretrained: Pretrained) -> None:
    with pytest.raises(InvalidData, match=r"no blocks\.2\.attention_norm\.weight, .* and 11 more"):
        forecast_task(replace(CONFIG, depth=3), LATITUDES, pretrained=pretrained)
    with pytest.raises(InvalidData, match=r"blocks\.0\.feed\.up\.weight \(128, 32\) for "):
        forecast_task(replace(CONFIG, feed=2), LATITUDES, pretrained=pretrained)
    with pytest.raises(InvalidData, match=r"position \(8, 32\) for \(8, 64\)"):
        forecast_task(replace(CONFIG, width=64), LATITUDES, pretrained=pretrained)
    cut = {name: w for name, w in pretrained.weights.items() if name != "head.out.bias"}
    with pytest.raises(InvalidData, match=r"has no head\.out\.bias; wanted a whole one"):
        forecast_task(CONFIG, LATITUDES, pretrained=Pretrained(CONFIG, cut))


@pytest.mark.parametrize("kind", ["frozen", "lora"])
def test_only_what_is_to_be_trained_changes(kind: str, pretrained: Pretrained) -> None:
    adaptation = Adaptation(kind, rank=4)
    task = forecast_task(CONFIG, LATITUDES, pretrained=pretrained, adaptation=adaptation)
    model = built(task)
    before = Orbit(CONFIG)
    before.load_state_dict(dict(pretrained.weights))
    torch.testing.assert_close(model(fields(3)), before(fields(3)), rtol=0, atol=0)
    assert [name for name in task.transfer.new if not is_adapter(name)] == []
    batch = Batch(fields(3), fields(2), torch.arange(3), torch.tensor([6.0, 24.0]))
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        task.loss(task.call(model, batch), batch).backward()
        optimiser.step()
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    for name, weight in weights.items():
        if name.startswith("blocks.") and not is_adapter(name):
            assert torch.equal(weight, pretrained.weights[name]), name
    merged = Orbit(CONFIG)
    merged.load_state_dict(adaptation.merged(weights))
    torch.testing.assert_close(merged(fields(3)), model(fields(3)), rtol=0, atol=1e-5)
    changed = not torch.equal(
        merged.state_dict()["blocks.0.feed.up.weight"],
        pretrained.weights["blocks.0.feed.up.weight"],
    )
    assert changed == (kind == "lora")


def test_random_blocks_are_not_frozen() -> None:
    with pytest.raises(InvalidRequest, match="adapter lora without a pre-trained model"):
        forecast_task(CONFIG, LATITUDES, adaptation=Adaptation("lora"))
    with pytest.raises(InvalidRequest, match="adapter 'some'; wanted all, frozen or lora"):
        Adaptation("some")
