"""CASA-CNP's real spin-up: ORBIT's emulator beside trees, on regions that neither has seen.

2,873 vegetated cells in 5 folds of 30-degree blocks. Of each fold the cells of the other four are
learned from; one in five of their blocks is for choosing the best weights and for intervals (ORBIT)
and for choosing among trees, never the fold that is judged. R2 is over all cells together, of
amounts in gC m-2. How the network learns (`SETTINGS`, `SHAPE`, and what
:mod:`catena.orbit_trainer.tasks.spin_up` does) was chosen inside the blocks that the first fold
learns from: ``*_first_fold`` are of cells that no choice has seen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.model_selection import GroupKFold
from sklearn.multioutput import MultiOutputRegressor

from catena.coupler.spin_up.casa import LOGARITHMIC, CasaSpinUp, read_casa
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.tasks.spin_up import SpinUpSamples, fit_emulator
from catena.orbit_trainer.training.settings import TrainingSettings

FOLDS = 5
VARIANTS = {"pools": ("cell", "class", "fluxes", "pools"), "no_pools": ("cell", "class", "fluxes")}
JUDGED = {
    "woodc": 0.981,
    "cwdc": 0.988,
    "strc": 0.986,
    "passc": 0.960,
    "micc": 0.977,
    "slowc": 0.968,
}
WITHOUT = {"woodc": 0.98, "cwdc": 0.94, "strc": 0.90, "passc": 0.89, "micc": 0.87, "slowc": 0.85}
TARGETS = {"pools": JUDGED, "no_pools": WITHOUT}

SHAPE = OrbitConfig(
    ("none",), ("none",), (4, 4), width=64, depth=2, heads=4, feed=2, decoder_depth=1
)
SETTINGS = TrainingSettings(
    steps=500,
    batch=64,
    learning_rate=2e-3,
    weight_decay=1e-2,
    validate_every=50,
    checkpoint_every=500,
)
MEMBERS = 3

Array = NDArray[Any]
Trees = Callable[[Array, Array], Callable[[Array], Array]]


@dataclass
class Found:
    """What a contender says of all cells, each judged in its fold."""

    pools: Array
    seconds: float = 0.0


def measure(folder: Path, variants: Sequence[str] = tuple(VARIANTS)) -> dict[str, Any]:
    """Figures of both contenders."""
    casa = read_casa(folder)
    figures: dict[str, Any] = {"casa_cells": len(casa.lat)}
    folds = list(GroupKFold(FOLDS).split(casa.lat, groups=casa.blocks()))
    for variant in variants:
        trees, orbit = (Found(np.full(casa.targets.shape, np.nan)) for _ in range(2))
        inside = np.zeros(casa.targets.shape, bool)
        familiar = np.zeros(len(casa.lat), bool)
        for number, (learned, judged) in enumerate(folds):
            own, chosen_on = _divided(casa, learned)
            started = time.process_time()
            trees.pools[judged] = _of_trees(casa, VARIANTS[variant], own, chosen_on, judged)
            trees.seconds += time.process_time() - started
            started = time.process_time()
            made = _of_orbit(casa, VARIANTS[variant], own, chosen_on, judged)
            orbit.seconds += time.process_time() - started
            orbit.pools[judged] = made.mean
            there = casa.targets[judged]
            inside[judged] = (made.lower <= there) & (there <= made.upper)
            familiar[judged] = made.unfamiliar <= 1
            print(f"{variant}: fold {number + 1} of {FOLDS} is judged", file=sys.stderr)
        figures |= _figures(casa, variant, trees, orbit, inside, folds[0][1])
        figures[f"casa_{variant}_familiar"] = float(familiar.mean())
    return figures


def _divided(casa: CasaSpinUp, learned: Array) -> tuple[Array, Array]:
    """Cells to learn from, and whole blocks of others to choose on."""
    inner = GroupKFold(FOLDS).split(learned, groups=casa.blocks()[learned])
    own, chosen_on = next(iter(inner))
    return learned[own], learned[chosen_on]


def _of_orbit(
    casa: CasaSpinUp, kinds: Sequence[str], own: Array, chosen_on: Array, judged: Array
) -> Any:
    inputs = {kind: casa.inputs[kind] for kind in kinds}
    samples = SpinUpSamples(
        inputs, casa.targets, True, {kind: list(LOGARITHMIC[kind]) for kind in kinds}
    )
    with TemporaryDirectory() as folder:
        emulator, _ = fit_emulator(
            samples,
            SHAPE,
            SETTINGS,
            Path(folder),
            rows=own,
            validation=chosen_on,
            members=MEMBERS,
            pools=casa.pools,
        )
    return emulator.judged({kind: values[judged] for kind, values in inputs.items()})


def _of_trees(
    casa: CasaSpinUp, kinds: Sequence[str], own: Array, chosen_on: Array, judged: Array
) -> Array:
    """The best of each pool's trees on the blocks to choose on, learned again from all cells."""
    table = np.concatenate([casa.inputs[kind] for kind in kinds if kind != "class"], 1)
    table = np.concatenate([table, casa.classes[:, None]], 1)
    tried = []
    for trees in CANDIDATES:
        made = trees(table[own], casa.targets[own])(table[chosen_on])
        tried.append(((made - casa.targets[chosen_on]) ** 2).mean(0))
    best = np.argmin(tried, 0)
    learned = np.concatenate([own, chosen_on])
    found = np.empty((len(judged), casa.targets.shape[1]))
    for number in np.unique(best):
        pools = best == number
        fitted = CANDIDATES[number](table[learned], casa.targets[np.ix_(learned, pools)])
        found[:, pools] = fitted(table[judged]).reshape(len(judged), -1)
    return found


def _extra(features: float, logarithms: bool = False) -> Trees:
    """Geurts et al. 2006: trees with random cuts."""

    def fit(table: Array, pools: Array) -> Callable[[Array], Array]:
        model = ExtraTreesRegressor(200, max_features=features, random_state=0)
        model.fit(table, np.log1p(pools) if logarithms else pools)
        return lambda new: np.expm1(model.predict(new)) if logarithms else model.predict(new)

    return fit


def _boosted(table: Array, pools: Array) -> Callable[[Array], Array]:
    """Friedman 2002: trees of the errors of those before."""
    one = GradientBoostingRegressor(
        n_estimators=300, learning_rate=0.05, max_depth=5, subsample=0.5, max_features=0.5,
        random_state=0,
    )  # fmt: skip
    model = MultiOutputRegressor(one).fit(table, pools)
    return lambda new: np.asarray(model.predict(new))


CANDIDATES: tuple[Trees, ...] = (_extra(0.33), _extra(1.0), _extra(1.0, logarithms=True), _boosted)


def _figures(
    casa: CasaSpinUp, variant: str, trees: Found, orbit: Found, inside: Array, first: Array
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    missed, behind = [], []
    for pool, bar in TARGETS[variant].items():
        place = casa.pools.index(pool)
        truth, key = casa.targets[:, place], f"casa_{variant}_{pool}"
        ours, theirs = (_r2(one.pools[:, place], truth) for one in (orbit, trees))
        missed += [pool] if ours <= bar else []
        behind += [pool] if ours <= theirs else []
        found |= {f"{key}_r2": ours, f"{key}_r2_trees": theirs, f"{key}_target": bar}
        found[f"{key}_r2_first_fold"] = _r2(orbit.pools[first, place], truth[first])
        found[f"{key}_coverage90"] = float(inside[:, place].mean())
    found |= {
        f"casa_{variant}_targets_missed": missed,
        f"casa_{variant}_trees_are_better": behind,
        f"casa_{variant}_coverage90": float(inside.mean()),
        f"casa_{variant}_cpu_s": orbit.seconds,
        f"casa_{variant}_cpu_s_trees": trees.seconds,
    }
    return found


def _r2(made: Array, truth: Array) -> float:
    return float(1 - ((made - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def main() -> None:
    """Print one line."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data = os.environ.get("CATENA_DATA")
    folder = Path(data or "absent", "land_model", "casa_spinup")
    if not folder.is_dir():
        print("casa: CATENA_DATA has no land_model/casa_spinup; left out", file=sys.stderr)
        print("{}")
        return
    variants = sys.argv[1:] or list(VARIANTS)
    figures = measure(folder, variants)
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
