"""Benchmark of land models and ensembles: each figure beside its target, in one run.

Prints one JSON line; progress goes to stderr. Parts are in ``ensemble_<part>.py`` and run one after
the other in processes of their own, on one thread unless they say otherwise. Compiling is not
counted but reported (``compile_s``). Parts named on the command line are run alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

PARTS = ("speed", "ray", "sites", "region")

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "member_day_us": ("<= 0.7", lambda v: v <= 0.7),
    "speedup_vs_python_reference": (">= 50", lambda v: v >= 50),
    "cells1422_30y_cpu_s": ("<= 15", lambda v: v <= 15),
    "spinup450_1000_cpu_s": ("<= 150", lambda v: v <= 150),
    "ray_overhead": ("<= 1.15", lambda v: v <= 1.15),
    "svd_r2_20": (">= 0.80, stretch 0.93", lambda v: v >= 0.80),
    "svd_r2_200": (">= 0.95", lambda v: v >= 0.95),
    "conservation_max": ("<= 1e-9", lambda v: v <= 1e-9),
    "elm_gpp_bias": ("within 0.20", lambda v: abs(v) <= 0.20),
    "elm_lh_bias": ("within 10 W m-2", lambda v: abs(v) <= 10),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def measure(part: str) -> dict[str, float | None]:
    """Figures of one part, measured in a process of its own."""
    started = time.monotonic()
    print(f"{part} ...", file=sys.stderr, flush=True)
    code = f"import json, ensemble_{part} as part; print('FIGURES', json.dumps(part.measure()))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return dict(json.loads(line.removeprefix("FIGURES ")))


def judge(figures: dict[str, float | None]) -> dict[str, dict[str, object]]:
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
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    figures: dict[str, float | None] = {}
    for part in parser.parse_args().parts:
        figures |= measure(part)
    print(json.dumps({"bench": "ensemble", "targets": judge(figures), "figures": figures}))


if __name__ == "__main__":
    main()
