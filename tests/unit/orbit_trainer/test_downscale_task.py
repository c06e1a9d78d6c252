"""Downscaling: coarse fields are area means, and fine ones are learned from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.orbit_caches import cached, waves
from support.orbit_training import built, trained

from catena.models.orbit import Orbit, initialise
from catena.models.orbit_adapters import is_adapter
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_downscale import DownscaleConfig, OrbitDownscale
from catena.models.orbit_statistics import Statistics
from catena.models.orbit_tiles import Tiles
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.downscale import (
    Downscaler,
    DownscaleStream,
    coarse_config,
    coarse_means,
    downscale_task,
    total_variation,
)
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

NAMES = ("tas", "psl")
PRETRAINED = OrbitConfig(NAMES, NAMES, (8, 16), width=32, depth=1, heads=2)
CONFIG = DownscaleConfig(coarse_config(PRETRAINED, NAMES, ("psl",), (8, 16), 2), 2, features=16)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> HotCache:
    """Pressure has a pattern as fine as the grid, as strong as temperature is there."""
    fields = waves(NAMES)
    pattern = (-1.0) ** (np.arange(8)[:, None] + np.arange(16))
    fields["psl"] += 50.0 * pattern * (fields["tas"] - 280.0)
    return cached(fields, tmp_path_factory.mktemp("fine") / "c")


@pytest.fixture(scope="module")
def statistics(cache: HotCache) -> Statistics:
    return measured(cache, NAMES, (), Period())


def test_coarse_fields_are_means_by_area() -> None:
    latitudes = [-80.0, -40.0, 40.0, 80.0]
    fields = np.random.default_rng(0).standard_normal((3, 4, 6))
    area = np.cos(np.radians(latitudes))[:, None] * np.ones(6)
    means = coarse_means(fields, 2, latitudes)
    assert means.shape == (3, 2, 3)
    for row in range(2):
        for column in range(3):
            cut = (slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
            wanted = np.average(fields[1][cut], weights=area[cut])
            assert means[1, row, column] == pytest.approx(wanted)
    with pytest.raises(InvalidRequest, match="4 x 4 cells of a grid of 4 x 6"):
        coarse_means(fields, 4, latitudes)


def test_total_variation_of_known_fields() -> None:
    # A ramp along the columns: 5 steps of 0.5 in each of the 4 rows, and the way back of 2.5.
    ramp = (0.5 * torch.arange(6.0)).expand(2, 1, 4, 6)
    assert total_variation(ramp).item() == pytest.approx(4 * 5 * 0.5 / 24)
    assert total_variation(ramp, periodic=True).item() == pytest.approx(4 * 5.0 / 24)
    checked = (-1.0) ** (torch.arange(4)[:, None] + torch.arange(6))
    assert total_variation(checked).item() == pytest.approx(2 * (3 * 6 + 4 * 5) / 24)
    halves = torch.randn(4, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    parts = (total_variation(halves[:2]) + total_variation(halves[2:])) / 2
    torch.testing.assert_close(parts, total_variation(halves))


def test_patches_cover_what_they_covered() -> None:
    assert (CONFIG.coarse.grid, CONFIG.coarse.patch) == ((4, 8), 2)
    assert coarse_config(PRETRAINED, NAMES, NAMES, (24, 48), 3).patch == 4  # 3 does not divide it
    with pytest.raises(InvalidRequest, match="a factor of 3 for a grid of 8 x 16"):
        coarse_config(PRETRAINED, NAMES, NAMES, (8, 16), 3)


def test_batches_are_the_fields_of_the_same_time(cache: HotCache, statistics: Statistics) -> None:
    stream = DownscaleStream(cache, CONFIG, Period(), 6, 3, statistics)
    batch = stream.batch(4)
    truth = statistics.normalised(torch.from_numpy(cache.gather(range(60), dtype="f4")), NAMES)
    for fine, coarse in zip(batch.targets, batch.fields, strict=True):
        errors = (truth[:, 1:] - fine).abs().amax((1, 2, 3))
        step = int(errors.argmin())
        assert errors[step] < 1e-4
        wanted = coarse_means(truth[step].numpy(), 2, cache.metadata.lat)
        np.testing.assert_allclose(coarse, wanted, atol=1e-4)
    torch.testing.assert_close(batch.extra["spacing"], torch.full((6,), 45.0))
    # A share is a part of the whole batch, and an epoch holds each time once.
    torch.testing.assert_close(stream.batch(4, 1, 3).targets, batch.part(1, 3).targets)
    epoch = torch.cat([stream.batch(step).targets for step in range(10)])
    assert len({one.numpy().tobytes() for one in epoch}) == 60


def test_a_pair_of_caches_is_matched_by_time(
    cache: HotCache, statistics: Statistics, tmp_path: Path
) -> None:
    """A coarse cache that begins five steps later, of fields that say which step they are."""
    later = waves(NAMES, steps=40, grid=(4, 8), start="2001-01-02T06:00")
    for name in NAMES:
        later[name][:] = np.arange(40.0)[:, None, None]
    pair = DownscaleStream(
        cache, CONFIG, Period(), 5, 0, statistics, coarse=cached(later, tmp_path / "coarse")
    )
    assert pair.count == 40
    batch = pair.batch(0)
    physical = statistics.physical(batch.fields, NAMES)[:, 0, 0, 0].round().long()
    truth = torch.from_numpy(cache.gather(physical + 5, dtype="f4"))[:, 1:]
    torch.testing.assert_close(
        batch.targets, statistics.normalised(truth, ("psl",)), rtol=0, atol=1e-4
    )


def test_few_samples_are_spread_over_the_period(cache: HotCache, statistics: Statistics) -> None:
    stream = DownscaleStream(cache, CONFIG, Period(), 2, 0, statistics, samples=4)
    assert stream.steps[:, 0].tolist() == [0, 15, 30, 45]
    with pytest.raises(InvalidRequest, match="61 samples of a period with 60"):
        DownscaleStream(cache, CONFIG, Period(), 2, 0, statistics, samples=61)
    other = DownscaleConfig(coarse_config(PRETRAINED, NAMES, NAMES, (16, 16), 2), 2)
    with pytest.raises(InvalidData, match="the fine cache has a grid of 8 x 16; wanted 16"):
        DownscaleStream(cache, other, Period(), 2, 0, statistics)


def test_it_learns_and_comes_back_in_units_whole_or_in_tiles(
    cache: HotCache, statistics: Statistics
) -> None:
    """Better than the interpolation it begins as, on times that were not trained on."""
    stream = DownscaleStream(cache, CONFIG, Period(stop="2001-01-13"), 8, 0, statistics)
    task = downscale_task(CONFIG, cache.metadata.lat, variation=0.0)
    held_out = DownscaleStream(cache, CONFIG, Period("2001-01-13"), 12, 0, statistics)
    batch = held_out.batch(0)
    model = trained(task, stream, 60, rate=5e-3)
    with torch.no_grad():
        before, after = (
            (task.call(one, batch) - batch.targets).square().mean().sqrt().item()
            for one in (built(task), model)
        )
    assert after < 0.7 * before
    coarse = statistics.physical(batch.fields, NAMES).numpy()
    whole = Downscaler(model, statistics, 45.0).downscale(coarse)  # type: ignore[arg-type]
    truth = statistics.physical(batch.targets, ("psl",)).numpy()
    error = np.sqrt(((whole - truth) ** 2).mean()) / statistics.std[1]
    assert error == pytest.approx(after, rel=1e-3)
    tiles = Tiles((4, 4), halo=2)
    tiled = Downscaler(model, statistics, 45.0, tiles).downscale(coarse)  # type: ignore[arg-type]
    assert np.sqrt(((tiled - whole) ** 2).mean()) < 0.5 * error * statistics.std[1]
    with pytest.raises(InvalidData, match=r"wanted \(times, 2, rows, columns\): tas, psl"):
        Downscaler(model, statistics, 45.0).downscale(coarse[:, :1])  # type: ignore[arg-type]


def test_an_engine_trains_adapters_alone(cache: HotCache, statistics: Statistics) -> None:
    """What is trained with adapters is a downscaling like any other once they are merged."""
    start = Pretrained(PRETRAINED, initialise(Orbit(PRETRAINED), 1).state_dict())
    adaptation = Adaptation("lora", rank=2)
    task = downscale_task(CONFIG, cache.metadata.lat, pretrained=start, adaptation=adaptation)
    settings = TrainingSettings(steps=3, batch=4)
    engine = NativeEngine(task.factory, settings, task.loss, "cpu", fill=task.fill, call=task.call)
    stream = DownscaleStream(cache, CONFIG, Period(), 4, 0, statistics)
    losses = [engine.step(stream.batch(step), 1e-3).loss for step in range(3)]
    assert np.isfinite(losses).all()
    weights = engine.weights()
    kept = [name for name in weights if name.startswith("blocks.") and not is_adapter(name)]
    assert all(torch.equal(weights[name], start.weights[name]) for name in kept)
    assert any(weights[name].abs().max() > 0 for name in weights if name.endswith("adapter_out"))
    model = OrbitDownscale(CONFIG)
    model.load_state_dict(adaptation.merged(weights))
    batch = stream.batch(3)
    with torch.no_grad():
        made = task.loss(task.call(model, batch), batch).item()
    assert made == pytest.approx(engine.evaluate(batch), rel=1e-5)
