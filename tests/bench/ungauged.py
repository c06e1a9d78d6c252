"""Benchmark of ungauged basins: networks beside donors, on unseen basins in unseen years.

Prints one JSON line; progress goes to stderr. Three folds over basins x blocks of years of CAMELS
(every basin is judged once; scales, weights and calibrations are of other basins and other years).
Basins: of those with less than 5 % of their flow missing as many as asked for, evenly spaced along
the sorted gauge ids, which follow the country's river basins; skill is not looked at.

``donor`` is the process model with parameters of the most similar basins, ``mixture`` the one with
weights of donors that are learned from attributes and distance; ``lstm``, ``attributes``,
``images`` and ``both`` are the networks of Tayal, Renganathan and Lu (2024); ``hybrid`` is the one
with attributes that looks at the donors' flows too and learns what is wrong with them.
``gain_over_donor`` compares its median with that of ``donor``; the plain networks' stand beside it.

No satellite chips are in the data: chips are GENERATED and carry the real attribute `frac_forest`
of each basin, so `images` and `both` show the branch at work, not what images are worth.
``image_branch_recovery`` is R2 of that attribute as an image branch reads it off chips of basins
that it has not seen.

Each fold's scores are kept until the line is printed: one that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

# Before numpy, numba and torch are loaded: CPU seconds of one thread are wanted.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

import numpy as np
import torch

import catena.forecaster
import catena.models
from catena.forecaster.data.files import read_camels
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import folds
from catena.forecaster.process import Search
from catena.forecaster.ungauged import (
    HYBRID,
    MODELS,
    Settings,
    compare,
    generated_chips,
    image_recovery,
    with_pet,
)

FOLDS = 3
SEARCH = Search(members=24, generations=30)
CARRIED = "frac_forest"
MOST_MISSING = 0.05

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "gain_over_donor": (">= 0.05", lambda v: v >= 0.05),
    "image_branch_recovery": (">= 0.90", lambda v: v >= 0.90),
    "median_nse_hybrid": (">= 0.60 (a stretch)", lambda v: v >= 0.60),
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


def kept(file: Path, make: Callable[[], dict[str, object]]) -> dict[str, object]:
    """What the file holds, or else what `make` gives, with its CPU seconds, which is kept then."""
    if file.exists():
        say(f"{file.name} was measured before it was stopped; kept")
        told: dict[str, object] = json.loads(file.read_text())
        return told
    started = time.process_time()
    made = make()
    made["cpu_s"] = time.process_time() - started
    new = file.with_suffix(".new")
    new.write_text(json.dumps(made))
    new.replace(file)
    return made


def measure(
    records: BasinRecords, models: dict[str, Settings], seed: int, folder: Path
) -> dict[str, float]:
    """All figures; parts that are done are kept in the folder."""
    made = folds(records.basins, records.days, count=FOLDS, validate_years=2, seed=seed)
    carried = records.attribute(CARRIED)
    chips = generated_chips(records.basins, carried, seed=seed)

    def judged(number: int) -> dict[str, object]:
        scores = compare(
            records, made[number - 1 : number], models, seed=seed, chips=chips, search=SEARCH,
            progress=lambda message: say(message.replace("fold 1", f"fold {number}")),
        )  # fmt: skip
        tested = records.rows(made[number - 1].test_basins)
        return {"rows": tested.tolist(), "nse": {k: v[tested].tolist() for k, v in scores.items()}}

    def read() -> dict[str, object]:
        return {"r2": image_recovery(chips, carried, made, seed=seed)[0]}

    image = kept(folder / "images.json", read)
    say(f"image branch: R2 {image['r2']:.3f} in unseen basins")
    parts = [kept(folder / f"fold_{n}.json", lambda n=n: judged(n)) for n in range(1, FOLDS + 1)]
    names = ["donor", "mixture", *models]
    scores = {name: np.concatenate([part["nse"][name] for part in parts]) for name in names}
    figures = {f"median_nse_{name}": float(np.nanmedian(s)) for name, s in scores.items()}
    figures |= {f"share_below_0_{name}": float(np.mean(s < 0)) for name, s in scores.items()}
    gain = {name: figures[f"median_nse_{name}"] - figures["median_nse_donor"] for name in models}
    figures |= {
        "gain_over_donor": gain["hybrid"],
        "gain_over_donor_mixture": figures["median_nse_mixture"] - figures["median_nse_donor"],
        "gain_over_donor_attributes": gain["attributes"],
        "gain_over_donor_lstm": gain["lstm"],
        "basins_won_from_donor": float(np.mean(scores["hybrid"] > scores["donor"])),
        "gain_of_attributes": gain["attributes"] - gain["lstm"],
        "gain_of_generated_images": gain["images"] - gain["lstm"],
        "image_branch_recovery": image["r2"],
        "cpu_s": sum(part["cpu_s"] for part in (image, *parts)),
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


def place(setting: dict[str, object]) -> Path:
    """Where parts of a measurement are kept: one folder for these settings and this code."""
    code = hashlib.sha256(json.dumps(setting).encode())
    roots = [
        Path(root) for module in (catena.forecaster, catena.models) for root in module.__path__
    ]
    for file in sorted([Path(__file__), *(f for root in roots for f in root.rglob("*.py"))]):
        code.update(file.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"catena-bench-ungauged-{code.hexdigest()[:16]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--basins", type=int, default=150, help="how many")
    parser.add_argument("--cpu-s", type=float, default=45.0, help="of each plain network in a fold")
    parser.add_argument("--hybrid-cpu-s", type=float, default=240.0, help="of the hybrid in a fold")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = {name: lasting(settings, given.cpu_s) for name, settings in MODELS.items()}
    models["hybrid"] = lasting(HYBRID, given.hybrid_cpu_s / HYBRID.members)
    setting = {
        "basins": given.basins, "folds": FOLDS, "seed": given.seed, "threads": 1,
        "search": asdict(SEARCH), "models": {name: asdict(each) for name, each in models.items()},
    }  # fmt: skip
    folder = place(setting)
    figures = measure(chosen(given.basins), models, given.seed, folder)
    line = {
        "bench": "ungauged",
        "data": "CAMELS-US with ERA5-Land weather; satellite chips are generated",
        "compared": "hybrid: attributes and donors' flows, real data alone",
        "setting": setting,
        "targets": judge(figures),
        "figures": figures,
    }
    print(json.dumps(line))
    shutil.rmtree(folder)


def lasting(settings: Settings, cpu_s: float) -> Settings:
    """The same, trained for so many CPU seconds."""
    return replace(settings, training=replace(settings.training, cpu_s=cpu_s))


if __name__ == "__main__":
    main()
