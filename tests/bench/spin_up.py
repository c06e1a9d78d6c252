"""Benchmark of spin-ups: the emulator beside the others, as one JSON line; progress to stderr.

``region``: the embedded model on sites that nothing was learned from (``spin_up_region.py``).
``casa``: the real spin-up of CASA-CNP by folds of space (``spin_up_casa.py``); left out where the
data are not at hand. Parts run one after the other, each on one thread in a process of its own.
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

PARTS = ("region", "casa")

TARGETS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **{
        f"{name}_{years}": target
        for years, saved in (("20", 9), ("0", 20))
        for name, target in (
            ("r2_median_pools", (">= 0.97", lambda v: v >= 0.97)),
            ("nee_abs_median", ("<= 1 gC m-2 yr-1", lambda v: v <= 1)),
            ("cells_within_criterion", (">= 0.97", lambda v: v >= 0.97)),
            ("years_saved_ratio", (f">= {saved}", lambda v, saved=saved: v >= saved)),
            ("uncertainty_coverage90", ("0.85 to 0.95", lambda v: 0.85 <= v <= 0.95)),
        )
    },
    **{
        f"casa_{variant}_targets_missed": ("none of six pools", lambda v: v == [])
        for variant in ("pools", "no_pools")
    },
}
"""Figure -> what is wanted, in words and as a test; all others are reported only. Numbers at the
end are the years of accelerated decomposition that the emulator reads."""


def measure(part: str) -> dict[str, Any]:
    """Figures of one part."""
    started = time.monotonic()
    print(f"{part} ...", file=sys.stderr, flush=True)
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", Path(__file__).with_name(f"spin_up_{part}.py")],
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
    print(json.dumps({"bench": "spin-up", "targets": judge(figures), "figures": figures}))


if __name__ == "__main__":
    main()
