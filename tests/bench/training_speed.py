"""Benchmark of training: our LSTM and loader beside neuralhydrology's, on the same data.

Prints one JSON line; progress goes to stderr. The peer lives in an environment of its own in the
folder ``bench`` of ``CATENA_HOME``; ``--anchor`` makes it there with pip (some GB, minutes) and
measures it, and without that flag the line says that it was not run. Both sides run on one thread,
one after the other, turn by turn, so that a ratio survives a noisy machine. Records are CAMELS-US
where ``CATENA_DATA`` has them, else generated, and the line says which.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from training_speed_cases import BATCH, WIDTH, WINDOW, write_records

from catena.shared.settings import Settings

HERE = Path(__file__).resolve().parent
PEER = "neuralhydrology==1.13"
TURNS = 3

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "ratio_default": (">= 4", lambda v: v >= 4),
    "ratio_forget_bias_3": (">= 1.15", lambda v: v >= 1.15),
    "loader_ratio": (">= 20", lambda v: v >= 20),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def anchor(home: Path) -> Path:
    """Python of the peer's environment, made when it is not there."""
    folder = home / "bench" / "neuralhydrology"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        print("making the environment of neuralhydrology ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q"]
        constraints = HERE.parents[1] / "constraints.txt"
        # torch first: with it in place no other is fetched
        subprocess.run([*pip, "-c", str(constraints), "torch"], check=True)
        subprocess.run([*pip, "-c", str(constraints), PEER], check=True)
        done.touch()
    return python


def figures_of(python: str, script: str, *arguments: str) -> dict[str, float]:
    """What a script prints behind FIGURES, run on one thread in a process of its own."""
    print(f"{script} {' '.join(arguments[1:])} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [python, "-W", "ignore", str(HERE / script), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    return dict(json.loads(line.removeprefix("FIGURES ")))


def measure(peer: Path | None, folder: Path) -> dict[str, float]:
    """Samples per CPU second of both sides; medians over turns, ratios turn by turn."""
    turns: list[dict[str, float]] = []
    for _ in range(TURNS):
        turn = figures_of(sys.executable, "training_speed_ours.py", str(folder))
        if peer is not None:
            for bias in ("default", "3"):
                found = figures_of(
                    str(peer), "training_speed_neuralhydrology.py", str(folder), bias
                )
                turn |= {f"{key}_bias_{bias}": value for key, value in found.items()}
            rate = turn["samples_per_cpu_s"]
            turn["ratio_default"] = rate / turn["peer_samples_per_cpu_s_bias_default"]
            turn["ratio_forget_bias_3"] = rate / turn["peer_samples_per_cpu_s_bias_3"]
            turn["loader_ratio"] = turn["peer_loader_ms_bias_3"] / turn["loader_ms"]
        turns.append(turn)
    return {key: round(statistics.median(t[key] for t in turns), 4) for key in turns[0]}


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
    parser.add_argument("--anchor", action="store_true", help="make and measure the peer as well")
    peer = anchor(Settings().home) if parser.parse_args().anchor else None
    with tempfile.TemporaryDirectory() as folder:
        data = write_records(Path(folder))
        figures = measure(peer, Path(folder))
    line = {
        "bench": "training-speed",
        "data": data,
        "setting": {"width": WIDTH, "window": WINDOW, "batch": BATCH, "threads": 1},
        "anchor": PEER if peer else f"not run: pass --anchor to install {PEER} and measure it",
        "targets": judge(figures),
        "figures": figures,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
