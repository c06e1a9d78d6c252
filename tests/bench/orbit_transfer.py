"""What pre-training is worth: samples of another planet that it saves, and fields made finer.

A model is pre-trained on the generated planet of seed 2 and fine-tuned for two tasks.

- Forecasts 24 hours ahead on the planet of seed 3, with other hills and weather, from 16 to 1,024
  samples, beside the same model from random weights, which has three times as many steps. Both keep
  the weights that were best on validation days. `pretrain_data_efficiency` is how many times more
  samples random weights need for the same RMSE, as the median over the fine-tunes; where they do
  not get there with all samples, it is counted with those, and said to be a lower bound.
- Downscaling of the first planet, to cells 2 and 4 times smaller, on its test period, beside
  bicubic interpolation; `downscale_rmse_vs_bicubic` is the ratio of RMSEs, as the mean over all
  fields, of the worse of the two factors.

    python tests/bench/orbit_transfer.py --small            # minutes, to see that it works
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from orbit_planet import trained
from orbit_planet_series import DAYS, planet_cache
from safetensors.torch import load_file, save_file
from torch import Tensor

from catena.models.orbit import Orbit
from catena.models.orbit_downscale import DownscaleConfig, OrbitDownscale
from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.batches import Batch, BatchStream
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.evaluation.baselines import Climatology
from catena.orbit_trainer.evaluation.downscaling import DownscalingScores
from catena.orbit_trainer.evaluation.evaluate import evaluate
from catena.orbit_trainer.evaluation.evaluate_downscaling import BICUBIC, evaluate_downscaling
from catena.orbit_trainer.evaluation.forecasters import Direct
from catena.orbit_trainer.evaluation.skill import CLIMATOLOGY
from catena.orbit_trainer.periods import Periods, split
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.tasks.adapters import FineTune
from catena.orbit_trainer.tasks.downscale import (
    Downscaler,
    DownscaleStream,
    coarse_config,
    downscale_task,
    spacing_of,
)
from catena.orbit_trainer.tasks.forecast import OrbitForecaster, forecast_task
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.loop import train
from catena.orbit_trainer.training.recipes import PLANET, Recipe
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

OTHER_SEED = 3
LEAD_H = 24.0
GAP_H = 120.0
FACTORS = (2, 4)
LOOKS = 8


@dataclass(frozen=True)
class Size:
    """How much is spent.

    Parameters
    ----------
    recipe : Recipe
        Of pre-training, and of trainings from random weights.
    days, other_days : int
        Of the first planet and of the second.
    validate_days, test_days : int
        Of each, after those of training.
    pretrain_s : float
        CPU seconds of pre-training.
    few, many : tuple of int
        Samples of the fine-tunes, and of the trainings from random weights.
    steps, downscale_steps : int
        Of a fine-tune; from random weights three times as many.
    """

    recipe: Recipe = PLANET
    days: int = DAYS
    other_days: int = 340
    validate_days: int = 20
    test_days: int = 50
    pretrain_s: float = 300.0
    few: tuple[int, ...] = (16, 64, 256)
    many: tuple[int, ...] = (64, 256, 1024)
    steps: int = 400
    downscale_steps: int = 1600

    def periods(self, cache: HotCache) -> Periods:
        """What is trained on, what weights are chosen on, what is judged on."""
        days = len(cache) / 4
        return split(
            cache, gap_h=GAP_H, validate=self.validate_days / days, test=self.test_days / days
        )

    def settings(self, steps: int, rate: float) -> TrainingSettings:
        """Settings of a training after the pre-training."""
        return TrainingSettings(
            steps=steps,
            batch=self.recipe.settings.batch,
            learning_rate=rate,
            validate_every=max(steps // 6, 1),
            checkpoint_every=steps,
        )


FULL = Size()
SMALL = Size(
    PLANET.changed(width=64, depth=2),
    days=150,
    other_days=110,
    validate_days=8,
    test_days=20,
    pretrain_s=60.0,
    few=(16, 64),
    many=(64, 256),
    steps=200,
    downscale_steps=600,
)


def pretrained(cache: HotCache, size: Size) -> Pretrained:
    """A model of the first planet, kept beside its series for later runs."""
    names = [channel.label for channel in cache.channels]
    recipe = size.recipe
    config = recipe.config(names, names, cache.metadata.sample_shape[1:])
    kind = f"{recipe.width}x{recipe.depth}-{size.pretrain_s:g}s"
    place = cache.folder.with_name(f"{cache.folder.name}-orbit-{kind}.safetensors")
    if not place.exists():
        period = size.periods(cache).train
        statistics = measured(cache, names, recipe.leads_h, period)
        model, said = trained(recipe, cache, period, statistics, size.pretrain_s)
        _say(f"pre-trained: {said}")
        save_file(dict(model.state_dict()), place)
    return Pretrained(config, load_file(place))


def fitted(
    task: FineTune, stream: Any, looks: Sequence[Batch], settings: TrainingSettings
) -> dict[str, Tensor]:
    """The best weights on validation days."""
    engine = NativeEngine(task.factory, settings, task.loss, "cpu", fill=task.fill, call=task.call)
    with tempfile.TemporaryDirectory() as folder:
        made = train(engine, stream, settings, folder=Path(folder), validation=looks)
    return task.adaptation.merged(made.weights)


def forecast_error(
    cache: HotCache, statistics: Statistics, samples: int, start: Pretrained | None, size: Size
) -> float:
    """RMSE over that of climatology in the test period, mean over the fields."""
    names = [channel.label for channel in cache.channels]
    config = size.recipe.config(names, names, cache.metadata.sample_shape[1:])
    periods = size.periods(cache)
    if start is None:
        settings = size.settings(3 * size.steps, size.recipe.settings.learning_rate)
    else:
        settings = size.settings(size.steps, 5e-4)

    def stream(period: Period, seed: int, some: int | None) -> BatchStream:
        return BatchStream(
            cache, names, names, (LEAD_H,), settings.batch, seed, period,
            residual=True, statistics=statistics, samples=some,
        )  # fmt: skip

    held_out = stream(periods.validate, 1, None)
    weights = fitted(
        forecast_task(config, cache.metadata.lat, pretrained=start),
        stream(periods.train, 0, samples),
        [held_out.batch(step) for step in range(LOOKS)],
        settings,
    )
    model = Orbit(config)
    model.load_state_dict(weights)
    skill = evaluate(
        {"ORBIT": Direct(OrbitForecaster(model, statistics))},
        cache,
        periods.test,
        (LEAD_H,),
        Climatology.fit(cache, names, periods.train, window_days=None),
        variables=names,
        stride=4,
        batch=16,
    )
    return float(skill.ratio("ORBIT", CLIMATOLOGY)[0].mean())


def samples_needed(error: float, curve: dict[int, float]) -> tuple[float, bool]:
    """Samples at which a curve of errors comes down to one, and whether it does.

    Between two numbers of samples the error is a straight line over their logarithms. A curve that
    is below the error at its first number needs no more than that; the ratio is then not flattered.
    """
    counts = sorted(curve)
    if curve[counts[0]] <= error:
        return float(counts[0]), True
    for few, many in itertools.pairwise(counts):
        if curve[many] <= error:
            share = (curve[few] - error) / (curve[few] - curve[many])
            return float(few * (many / few) ** share), True
    return float(counts[-1]), False


def efficiency(cache: HotCache, start: Pretrained, size: Size) -> dict[str, Any]:
    """Errors by the number of samples, with and without pre-training."""
    names = [channel.label for channel in cache.channels]
    statistics = measured(cache, names, (LEAD_H,), size.periods(cache).train)
    figures: dict[str, Any] = {"transfer_planet": f"generated, T21, seed {OTHER_SEED}"}
    curves: dict[str, dict[int, float]] = {}
    for name, counts, begin in (("pretrained", size.few, start), ("scratch", size.many, None)):
        curves[name] = {}
        for count in counts:
            began = time.process_time()
            error = forecast_error(cache, statistics, count, begin, size)
            curves[name][count] = error
            figures[f"rmse24_vs_climatology_{name}_{count}_samples"] = round(error, 4)
            _say(f"{name}, {count} samples: {error:.4f}, {time.process_time() - began:.0f} s")
    needed = {
        count: samples_needed(error, curves["scratch"])
        for count, error in curves["pretrained"].items()
    }
    ratios = {count: samples / count for count, (samples, _) in needed.items()}
    middle = sorted(ratios, key=lambda count: ratios[count])[(len(ratios) - 1) // 2]
    figures["pretrain_data_efficiency"] = round(ratios[middle], 2)
    figures["pretrain_data_efficiency_is_lower_bound"] = not needed[middle][1]
    return figures


def downscaling(cache: HotCache, start: Pretrained, size: Size) -> dict[str, Any]:
    """The talk's table for each factor, and the ratio to bicubic interpolation."""
    names = [channel.label for channel in cache.channels]
    periods = size.periods(cache)
    statistics = measured(cache, names, (), periods.train)
    grid = cache.metadata.sample_shape[1:]
    settings = size.settings(size.downscale_steps, 1e-3)
    figures: dict[str, Any] = {}
    ratios = []
    for factor in FACTORS:
        began = time.process_time()
        config = DownscaleConfig(coarse_config(start.config, names, names, grid, factor), factor)
        stream, held_out = (
            DownscaleStream(cache, config, period, settings.batch, seed, statistics)
            for seed, period in enumerate((periods.train, periods.validate))
        )
        weights = fitted(
            downscale_task(config, cache.metadata.lat, pretrained=start),
            stream,
            [held_out.batch(step) for step in range(LOOKS)],
            settings,
        )
        model = OrbitDownscale(config)
        model.load_state_dict(weights)
        skill = evaluate_downscaling(
            "ORBIT",
            Downscaler(model, statistics, spacing_of(cache.metadata.lat) * factor),
            cache,
            periods.test,
            factor,
            variables=names,
            stride=4,
        )
        ours, plain = skill.scores["ORBIT"], skill.scores[BICUBIC]
        ratio = float((ours.rmse / plain.rmse).mean())
        ratios.append(ratio)
        figures[f"downscale{factor}_rmse_vs_bicubic"] = round(ratio, 4)
        figures |= _table(f"downscale{factor}", ours, statistics)
        figures |= _table(f"bicubic{factor}", plain, statistics)
        _say(f"{factor}x: {ratio:.4f} of bicubic, {time.process_time() - began:.0f} s")
    figures["downscale_rmse_vs_bicubic"] = round(max(ratios), 4)
    return figures


def _table(name: str, scores: DownscalingScores, statistics: Statistics) -> dict[str, float]:
    """Means over the fields, RMSEs in their standard deviations."""
    std = np.array(statistics.std)
    rows = {
        "correlation": scores.correlation,
        "rmse": scores.rmse / std,
        "ssim": scores.ssim,
        **{
            f"rmse_above_{level:g}": above / std
            for level, above in zip(scores.levels, scores.above, strict=True)
        },
    }
    return {f"{name}_{key}": round(float(np.mean(value)), 4) for key, value in rows.items()}


def measure(
    size: Size = FULL, parts: Sequence[str] = ("efficiency", "downscale")
) -> dict[str, Any]:
    """Both tasks."""
    torch.set_num_threads(1)
    cache = planet_cache(size.days)
    start = pretrained(cache, size)
    figures: dict[str, Any] = {"transfer_pretrain_cpu_s": size.pretrain_s}
    if "efficiency" in parts:
        figures |= efficiency(planet_cache(size.other_days, OTHER_SEED), start, size)
    if "downscale" in parts:
        figures |= downscaling(cache, start, size)
    return figures


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    """A part alone, or a small model of short series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--parts", default="efficiency,downscale")
    given = parser.parse_args()
    print(json.dumps(measure(SMALL if given.small else FULL, given.parts.split(","))))


if __name__ == "__main__":
    main()
