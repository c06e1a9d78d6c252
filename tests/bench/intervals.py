"""Benchmark of prediction intervals: each figure beside its target, in one run.

Prints one JSON line; progress goes to stderr. Parts are in ``intervals_<part>.py`` and run in
processes of their own, on one thread each: every UCI set, the cubic outside its data, the East
River. Parts named on the command line are run alone (``uci:concrete`` is one set).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

SETS = ("boston", "concrete", "energy", "naval", "power", "protein", "wine")
PARTS = ("uci:protein", *(f"uci:{name}" for name in SETS if name != "protein"), "outside", "river")

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "picp90_mean": (".88 to .95", lambda v: 0.88 <= v <= 0.95),
    "picp95_mean": (".93 to .975", lambda v: 0.93 <= v <= 0.975),
    "worst_set_gap": ("<= .03", lambda v: v <= 0.03),
    "is90_vs_uqnet": ("<= .65", lambda v: v <= 0.65),
    "is90_vs_cqr": ("<= .90", lambda v: v <= 0.90),
    "crps_vs_uqnet": ("<= .70", lambda v: v <= 0.70),
    "width_cv_min": (">= .15", lambda v: v >= 0.15),
    "levels95_ms": ("<= 5", lambda v: v <= 5),
    "cubic_conf_in": (">= .94", lambda v: v >= 0.94),
    "cubic_conf_out": ("<= .20", lambda v: v <= 0.20),
    "cubic_auroc": (">= .99", lambda v: v >= 0.99),
    "qui_picp_1d": (".87 to .94", lambda v: 0.87 <= v <= 0.94),
    "rock_picp_1d": (".87 to .94", lambda v: 0.87 <= v <= 0.94),
    "qui_picp_7d": (">= .85", lambda v: v >= 0.85),
    "rock_picp_7d": (">= .85", lambda v: v >= 0.85),
    "qui_winkler_ratio": ("<= .45", lambda v: v <= 0.45),
    "rock_winkler_ratio": ("<= .45", lambda v: v <= 0.45),
    "qui_nse_gain_1d": (">= 0", lambda v: v >= 0),
    "rock_nse_gain_1d": (">= 0", lambda v: v >= 0),
    "break_recovery_steps": ("<= 60", lambda v: v <= 60),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def measure(part: str) -> dict[str, float | None]:
    """Figures of one part, measured in a process of its own."""
    started = time.monotonic()
    module, _, name = part.partition(":")
    call = f"part.measure({name!r})" if name else "part.measure()"
    code = f"import json, intervals_{module} as part; print('FIGURES', json.dumps({call}))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    print(f"{part}: {time.monotonic() - started:.0f} s {line}", file=sys.stderr, flush=True)
    return dict(json.loads(line.removeprefix("FIGURES ")))


def summarise(figures: dict[str, float | None]) -> dict[str, float | None]:
    """Means over the sets that were measured; ratios as geometric means."""
    sets = [name for name in SETS if f"{name}_crossfit_is90" in figures]
    if not sets:
        return {}

    def of(method: str, key: str) -> list[float]:
        return [float(figures[f"{name}_{method}_{key}"] or 0.0) for name in sets]

    def ratio(key: str, other: str) -> float:
        pairs = zip(of("crossfit", key), of(other, key), strict=True)
        return math.exp(sum(math.log(mine / theirs) for mine, theirs in pairs) / len(sets))

    covered = {level: of("crossfit", f"picp{level}") for level in (90, 95)}
    return {
        "sets": len(sets),
        "picp90_mean": sum(covered[90]) / len(sets),
        "picp95_mean": sum(covered[95]) / len(sets),
        "worst_set_gap": max(abs(v - 0.9) for v in covered[90]),
        "worst_set_shortfall": max(0.9 - v for v in covered[90]),
        "is90_vs_uqnet": ratio("is90", "uqnet"),
        "is90_vs_cqr": ratio("is90", "cqr"),
        "crps_vs_uqnet": ratio("crps", "uqnet"),
        "crps_vs_cqr": ratio("crps", "cqr"),
        "width_cv_min": min(of("crossfit", "cv")),
    }


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
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time")
    asked = parser.parse_args()
    if not os.environ.get("CATENA_DATA"):
        parser.error("CATENA_DATA names no folder: this benchmark is of real data")
    figures: dict[str, float | None] = {}
    with ThreadPoolExecutor(asked.jobs) as pool:
        for found in pool.map(measure, asked.parts):
            figures |= found
    figures |= summarise(figures)
    print(json.dumps({"bench": "intervals", "targets": judge(figures), "figures": figures}))


if __name__ == "__main__":
    main()
