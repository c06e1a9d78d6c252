"""Benchmark of ungauged basins: four networks beside donors, on unseen basins in unseen years.

Prints one JSON line; progress goes to stderr. Three folds over basins x blocks of years of CAMELS
(every basin is judged once; scales, weights and calibrations are of other basins and other years).
Basins: of those with less than 5 % of their flow missing as many as asked for, evenly spaced along
the sorted gauge ids, which follow the country's river basins; skill is not looked at.

No satellite chips are in the data: chips are GENERATED and carry the real attribute `frac_forest`
of each basin, so `images` and `both` show the branch at work, not what images are worth.
``image_branch_recovery`` is R2 of that attribute as an image branch reads it off chips of basins
that it has not seen. ``gain_over_donor`` compares medians of the model with attributes, which uses
real data alone, with the process model run with parameters of its most similar basins.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

# Before numpy, numba and torch are loaded: CPU seconds of one thread are wanted.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

import numpy as np
import torch

from catena.forecaster.data.files import read_camels
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import folds
from catena.forecaster.process import Search
from catena.forecaster.ungauged import (
    MODELS,
    Settings,
    compare,
    generated_chips,
    image_recovery,
    with_pet,
)

CARRIED = "frac_forest"
MOST_MISSING = 0.05

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "gain_over_donor": (">= 0.05", lambda v: v >= 0.05),
    "image_branch_recovery": (">= 0.90", lambda v: v >= 0.90),
    "median_nse_attributes": (">= 0.60 (a stretch)", lambda v: v >= 0.60),
    "cpu_s": ("<= 3600", lambda v: v <= 3600),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def chosen(count: int) -> BasinRecords:
    """The basins of the benchmark."""
    folder = Path(os.environ.get("CATENA_DATA") or "absent") / "camels_us"
    if not folder.is_dir():
        raise SystemExit("the benchmark needs CAMELS: set CATENA_DATA to a folder with camels_us")
    every = read_camels(folder)
    whole = every.missing_flow() < MOST_MISSING
    names = sorted(b for b, good in zip(every.basins, whole, strict=True) if good)
    if not 3 <= count <= len(names):
        raise SystemExit(f"{count} basins were asked for; 3 to {len(names)} can be had")
    at = np.linspace(0, len(names) - 1, count).round().astype(int)
    return with_pet(every.select([names[k] for k in at]))


def say(message: str) -> None:
    """Tell on stderr how far it is, with the CPU seconds so far."""
    print(f"{time.process_time():6.0f} s  {message}", file=sys.stderr, flush=True)


def measure(records: BasinRecords, settings: Settings, seed: int) -> dict[str, float]:
    """All figures."""
    made = folds(records.basins, records.days, count=3, validate_years=2, seed=seed)
    carried = records.attribute(CARRIED)
    chips = generated_chips(records.basins, carried, seed=seed)
    recovery, _ = image_recovery(chips, carried, made, seed=seed)
    say(f"image branch: R2 {recovery:.3f} in unseen basins")
    scores = compare(
        records, made, settings, seed=seed, chips=chips,
        search=Search(members=24, generations=30), progress=say,
    )  # fmt: skip
    figures = {f"median_nse_{name}": float(np.nanmedian(s)) for name, s in scores.items()}
    figures |= {f"share_below_0_{name}": float(np.mean(s < 0)) for name, s in scores.items()}
    plain, known = figures["median_nse_lstm"], figures["median_nse_attributes"]
    donor = figures["median_nse_donor"]
    won = scores["attributes"] > scores["donor"]
    figures |= {
        "gain_over_donor": known - donor,
        "gain_over_donor_lstm": plain - donor,
        "basins_won_from_donor": float(np.mean(won)),
        "gain_of_attributes": known - plain,
        "gain_of_generated_images": figures["median_nse_images"] - plain,
        "image_branch_recovery": recovery,
        "cpu_s": time.process_time(),
    }
    return {key: round(value, 4) for key, value in figures.items()}


def judge(figures: dict[str, float]) -> dict[str, dict[str, object]]:
    """Target, value and verdict; a figure that is missing has not passed."""
    verdicts: dict[str, dict[str, object]] = {}
    for key, (wanted, test) in TARGETS.items():
        value = figures.get(key)
        passed = value is not None and test(value)
        verdicts[key] = {"target": wanted, "value": value, "passed": passed}
    return verdicts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--basins", type=int, default=240, help="how many")
    parser.add_argument("--cpu-s", type=float, default=200.0, help="of each network in each fold")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings()
    settings = replace(settings, training=replace(settings.training, cpu_s=given.cpu_s))
    records = chosen(given.basins)
    figures = measure(records, settings, given.seed)
    setting = {
        "basins": given.basins, "folds": 3, "seed": given.seed, "models": list(MODELS),
        "cpu_s_per_network_and_fold": given.cpu_s, "warm_up": settings.warm_up,
        "scored": settings.scored, "width": settings.width, "threads": 1,
    }  # fmt: skip
    line = {
        "bench": "ungauged",
        "data": "CAMELS-US with ERA5-Land weather; satellite chips are generated",
        "setting": setting,
        "targets": judge(figures),
        "figures": figures,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
