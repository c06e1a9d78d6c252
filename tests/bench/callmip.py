"""Benchmark of CalLMIP's Phase 1: from forcing to submission files, with each figure's target.

Prints one JSON line; what the flow says goes to stderr. A system of its own is started in an empty
folder, so nothing is reused; the wall minutes are those of the flow alone. Where there are no data
it runs the small generated case, and says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CATENA = Path(sys.executable).parent / "catena"
NEEDED = ("callmip", "flux_sites/drivers", "flux_sites/monthly_fluxnet2015")
PERIODS = {"calibration": "calibration", "validation": "held_back"}
FLUXES = {"nee": "nee", "hfls": "le", "hfss": "h"}

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "wall_minutes": ("<= 30", lambda v: v <= 30),
    **{
        f"rmse_reduction_{flux}_{period}": ("> 0", lambda v: v > 0)
        for period in PERIODS.values()
        for flux in FLUXES.values()
    },
    "coverage90": ("0.85 to 0.95", lambda v: 0.85 <= v <= 0.95),
    "checklist_failures": ("0", lambda v: v == 0),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""

PEER = {"rmse_reduction_nee_calibration": 0.27, "rmse_reduction_nee_held_back": 0.35}
"""A published calibration of another land model at one site (ClimaLand)."""


def main() -> None:
    """Measure and print."""
    folder = Path(os.environ.get("CATENA_DATA", "/nowhere"))
    real = all((folder / name).is_dir() for name in NEEDED)
    name = "phase1" if real else "generated"
    with tempfile.TemporaryDirectory(prefix="cb-", dir="/tmp") as home:
        minutes, found = run(name, Path(home))
    figures = measure(found) | {"wall_minutes": minutes}
    line = {
        "bench": "callmip",
        "data": "real" if real else "generated",
        "targets": judge(figures),
        "figures": figures,
        "peer": PEER,
    }
    print(json.dumps(line))


def run(name: str, home: Path) -> tuple[float, dict[str, Any]]:
    """Wall minutes of the flow, and what its report says."""
    config = ROOT / "deploy" / "callmip" / f"{name}.yaml"
    environment = {
        **os.environ,
        "CATENA_HOME": str(home / "home"),
        "CATENA_RUN_DIR": str(home / "r"),
        "PATH": f"{CATENA.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }

    def catena(*words: str) -> None:
        subprocess.run(
            [str(CATENA), *words], cwd=home, env=environment, stdout=sys.stderr, check=True
        )

    catena("up")
    try:
        started = time.monotonic()
        catena("flow", "run", "callmip", "--config", str(config))
        minutes = (time.monotonic() - started) / 60
    finally:
        catena("down")
    submission = home / "reports" / "callmip" / name
    keep_report(submission)
    return minutes, json.loads((submission / "submission.json").read_text())


def keep_report(submission: Path) -> None:
    """Copy the submission to ``reports/callmip`` of this checkout."""
    target = ROOT / "reports" / "callmip" / submission.name
    target.mkdir(parents=True, exist_ok=True)
    for file in submission.iterdir():
        (target / file.name).write_bytes(file.read_bytes())


def measure(found: dict[str, Any]) -> dict[str, float | None]:
    """Figures of a report."""
    figures: dict[str, float | None] = {
        f"rmse_reduction_{FLUXES[flux]}_{PERIODS[period]}": value
        for period, fluxes in found["rmse_reduction"].items()
        for flux, value in fluxes.items()
    }
    for one in found["changes"]:
        label = f"{one['site'].replace('-', '').lower()}_{FLUXES[one['flux']]}"
        label += f"_{PERIODS[one['period']]}"
        for figure in ("rmse_before", "rmse_after", "rmse_reduction"):
            figures[f"{label}_{figure}"] = one[figure]
        for figure in ("bias_after", "correlation_after"):
            figures[f"{label}_{figure}"] = one[figure]
    for one in found["monthly"]:
        label = f"{one['site'].replace('-', '').lower()}_{one['flux']}_{one['stage']}"
        for figure in ("rmse", "bias", "correlation"):
            figures[f"{label}_{figure}"] = one[figure]
    figures["coverage90"] = found["coverage90"]["day_validation"]
    figures["coverage90_months"] = found["coverage90"]["month_validation"]
    figures["checklist_failures"] = found["checklist_failures"]
    figures["rhat_max"] = found["chains"]["rhat"]
    figures["effective_draws"] = found["chains"]["effective"]
    figures["parameters"] = len(found["parameters"])
    return figures


def judge(figures: dict[str, float | None]) -> dict[str, dict[str, object]]:
    """Target, value and verdict; a figure that is missing has not passed."""
    verdicts: dict[str, dict[str, object]] = {}
    for key, (wanted, test) in TARGETS.items():
        value = figures.get(key)
        passed = value is not None and test(value)
        verdicts[key] = {"target": wanted, "value": value, "passed": passed}
    return verdicts


if __name__ == "__main__":
    main()
