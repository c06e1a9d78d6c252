"""Skill on the generated planet after ten CPU minutes of pre-training on one core.

The recipe is `catena.orbit_trainer.training.recipes.PLANET`; it was chosen on the validation
period of the planet of seed 0, and the test period of the planet of seed 2 is judged here. The
order of the papers (a token of every patch of every variable first) trains beside it with the same
CPU budget, data and settings.

Figures are means over all 18 fields of each field's own ratio of RMSEs. The planet has no seasons
and no days: its climatology is one mean field of the training period.

    python tests/bench/orbit_planet.py --budget 100 --width 192     # on validation days of seed 0
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))  # of the tests: the reference order

import numpy as np
import torch
from orbit_planet_series import DAYS, SEED, planet_cache, planet_periods
from support.unfolded_orbit import UnfoldedOrbit
from torch import nn

from catena.models.orbit import Orbit, initial
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.batches import BatchStream
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.evaluation.baselines import Climatology
from catena.orbit_trainer.evaluation.evaluate import evaluate
from catena.orbit_trainer.evaluation.forecasters import Direct
from catena.orbit_trainer.evaluation.skill import CLIMATOLOGY, PERSISTENCE, Skill
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.tasks.forecast import OrbitForecaster
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights
from catena.orbit_trainer.training.recipes import PLANET, Recipe
from catena.orbit_trainer.training.schedule import learning_rate
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

BUDGET_S = 600.0
LEADS_H = (6.0, 24.0)
NAME = "ORBIT"


def trained(
    recipe: Recipe,
    cache: HotCache,
    period: Period,
    statistics: Statistics,
    budget_s: float,
    *,
    unfolded: bool = False,
) -> tuple[Orbit, dict[str, float]]:
    """A model after so many CPU seconds of training, and what happened.

    The learning rate follows the part of the budget that is spent, so that it falls to nothing at
    the end however fast the machine is; all else is the loop of a training.
    """
    settings = recipe.settings
    names = [channel.label for channel in cache.channels]
    config = recipe.config(names, names, cache.metadata.sample_shape[1:])
    stream = BatchStream(
        cache,
        names,
        names,
        recipe.leads_h,
        settings.batch,
        settings.seed,
        period,
        residual=True,
        statistics=statistics,
    )
    engine = _engine(recipe, config, cache.metadata.lat, unfolded)
    losses: list[float] = []
    began, started = time.monotonic(), time.process_time()
    with stream.ahead() as batches:
        while (spent := time.process_time() - started) < budget_s:
            rate = learning_rate(settings, int(settings.steps * spent / budget_s))
            losses.append(engine.step(next(batches), rate).loss)
            if len(losses) % 100 == 0:
                line = f"{spent:.0f} s, step {len(losses)}: loss {np.mean(losses[-100:]):.4f}"
                print(line, file=sys.stderr, flush=True)
        waited = batches.waited_s
    model = Orbit(config)
    weights = {name.removeprefix("model."): one for name, one in engine.weights().items()}
    model.load_state_dict(weights)
    return model, {
        "steps": len(losses),
        "samples": len(losses) * settings.batch,
        "cpu_s": time.process_time() - started,
        "wait_share": waited / (time.monotonic() - began),
        "loss": float(np.mean(losses[-100:])),
    }


def _engine(
    recipe: Recipe, config: OrbitConfig, lat: tuple[float, ...], unfolded: bool
) -> NativeEngine:
    weights = latitude_weights(torch.tensor(lat))

    def made() -> nn.Module:
        return UnfoldedOrbit(Orbit(config)) if unfolded else Orbit(config)

    return NativeEngine(
        made,
        recipe.settings,
        lambda predicted, batch: latitude_loss(predicted, batch.targets, weights),
        "cpu",
        fill=lambda name, shape, dtype: initial(
            config, name.removeprefix("model."), shape, recipe.settings.seed, dtype
        ),
    )


def judged(
    model: Orbit, statistics: Statistics, cache: HotCache, train: Period, period: Period
) -> Skill:
    """Skill in a period, from one initial time a day."""
    names = model.config.variables
    forecaster = Direct(OrbitForecaster(model, statistics))
    usual = Climatology.fit(cache, names, train, window_days=None)
    return evaluate(
        {NAME: forecaster}, cache, period, LEADS_H, usual, variables=names, stride=4, batch=16
    )


def figures_of(skill: Skill) -> dict[str, float]:
    """Means over the fields, and the worst of them."""
    of = {reference: skill.ratio(NAME, reference) for reference in (PERSISTENCE, CLIMATOLOGY)}
    clear = skill.ratio(PERSISTENCE, CLIMATOLOGY)
    figures = {}
    for row, lead in enumerate(LEADS_H):
        figures[f"rmse{lead:g}_vs_persistence"] = of[PERSISTENCE][row].mean()
        figures[f"rmse{lead:g}_vs_persistence_worst_field"] = of[PERSISTENCE][row].max()
        figures[f"rmse{lead:g}_vs_climatology"] = of[CLIMATOLOGY][row].mean()
        figures[f"persistence{lead:g}_vs_climatology"] = clear[row].mean()
        figures[f"acc{lead:g}"] = skill.score("acc", NAME)[row].mean()
        figures[f"acc{lead:g}_persistence"] = skill.score("acc", PERSISTENCE)[row].mean()
    figures["rmse24_vs_climatology_worst_field"] = of[CLIMATOLOGY][-1].max()
    return {name: round(float(value), 4) for name, value in figures.items()}


def run(
    recipe: Recipe,
    budget_s: float,
    *,
    test: bool,
    unfolded: bool,
    days: int = DAYS,
    seed: int = SEED,
) -> dict[str, float]:
    """Train within the budget and judge."""
    torch.set_num_threads(1)
    cache = planet_cache(days, seed)
    periods = planet_periods(cache)
    names = [channel.label for channel in cache.channels]
    statistics = measured(cache, names, recipe.leads_h, periods.train)
    model, said = trained(recipe, cache, periods.train, statistics, budget_s, unfolded=unfolded)
    period = periods.test if test else periods.validate
    skill = judged(model, statistics, cache, periods.train, period)
    print(json.dumps(_by_field(skill)), file=sys.stderr, flush=True)
    return {**figures_of(skill), **{key: round(value, 4) for key, value in said.items()}}


def _by_field(skill: Skill) -> dict[str, list[float]]:
    ratios = skill.ratio(NAME, PERSISTENCE)
    return {
        name: [round(float(value), 3) for value in ratios[:, place]]
        for place, name in enumerate(skill.variables)
    }


def measure(budget_s: float = BUDGET_S) -> dict[str, Any]:
    """Both orders on the test period."""
    ours = run(PLANET, budget_s, test=True, unfolded=False)
    theirs = run(PLANET, budget_s, test=True, unfolded=True)
    # Of the reference order, under their own names; RMSE against the same climatology.
    others = {f"unfolded_{name}": value for name, value in theirs.items()}
    others["unfolded_rmse24"] = others["unfolded_rmse24_vs_climatology"]
    about = {"planet": f"generated, T21, seed {SEED}", "planet_cpu_budget_s": budget_s}
    return {**about, **ours, **others}


def main() -> None:
    """Try a recipe on the validation period."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="CPU seconds")
    parser.add_argument("--days", type=int, default=DAYS, help="length of the series")
    parser.add_argument("--seed", type=int, default=0, help="of the planet")
    parser.add_argument("--test", action="store_true", help="judge on the test period")
    parser.add_argument("--unfolded", action="store_true", help="the order of the papers")
    for name in ("patch", "width", "depth", "heads", "decoder_depth", "batch"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("learning_rate", "warmup", "weight_decay"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--leads_h", type=lambda text: tuple(map(float, text.split(","))))
    given = vars(parser.parse_args())
    budget = given.pop("budget")
    how = {name: given.pop(name) for name in ("days", "seed", "test", "unfolded")}
    changes = {name: value for name, value in given.items() if value is not None}
    figures = run(PLANET.changed(**changes), budget, **how)
    print(json.dumps({"changes": changes, **how, **figures}))


if __name__ == "__main__":
    main()
