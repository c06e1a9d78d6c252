"""Benchmark of explanations: speed and correctness, as one JSON line; progress to stderr.

``gradients``: integrated gradients and Hessians of networks of 30 leads, beside shap and captum
(``explain_gradients.py``). ``agreement``: methods against one another, on planted truth and on real
basins (``explain_agreement.py``). ``sobol``: indices against their analytic values
(``explain_sobol.py``). Parts run one after the other, each on one thread in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = ("gradients", "agreement", "sobol")

TARGETS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "ig_speedup_vs_shap_gradient": (">= 10, 30 outputs", lambda v: v >= 10),
    "ig_vs_captum_ratio": (">= 3, same quadrature and steps", lambda v: v >= 3),
    "ig_vs_captum_difference": ("<= 1e-6 of the range", lambda v: v <= 1e-6),
    "completeness_max": ("<= 1e-4 of the range, all leads", lambda v: v <= 1e-4),
    "hessian_cpu_s_per_sample": ("<= 0.5", lambda v: v <= 0.5),
    "rank_agreement_permutation": (">= 0.8 on planted truth", lambda v: v >= 0.8),
    "sobol_error": ("<= 0.01, Ishigami and Sobol G", lambda v: v <= 0.01),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def measure(part: str) -> dict[str, Any]:
    """Figures of one part."""
    started = time.monotonic()
    print(f"{part} ...", file=sys.stderr, flush=True)
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", Path(__file__).with_name(f"explain_{part}.py")],
        env={**os.environ, **dict.fromkeys(threads, "1")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def judge(figures: dict[str, Any]) -> dict[str, dict[str, object]]:
    """Target, value and verdict; a figure that is missing has not passed."""
    return {
        key: {
            "target": wanted,
            "value": figures.get(key),
            "passed": figures.get(key) is not None and bool(test(figures[key])),
        }
        for key, (wanted, test) in TARGETS.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="all by default")
    parts = parser.parse_args().part or list(PARTS)
    figures: dict[str, Any] = {}
    for part in parts:
        figures |= measure(part)
    print(json.dumps({"bench": "explain", "targets": judge(figures), "figures": figures}))


if __name__ == "__main__":
    main()
