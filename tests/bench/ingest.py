"""Benchmark of data ingest: each figure beside its anchor, in one run.

Prints one JSON line; progress goes to stderr. Parts are in ``ingest_<part>.py`` and run one after
the other in processes of their own, on one thread, so that none warms another's caches.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

PARTS = ("regrid", "loader", "catalog", "references")

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "loader_samples_ratio": (">= 5", lambda v: v >= 5),
    "regrid_fields_per_s": (">= 100", lambda v: v >= 100),
    "regrid_constant_error": ("<= 1e-12", lambda v: v <= 1e-12),
    "regrid_mean_error": ("<= 1e-12", lambda v: v <= 1e-12),
    "catalog_search_s": ("<= 1", lambda v: v <= 1),
    "open_1000_files_ratio": (">= 10", lambda v: v >= 10),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def measure(part: str) -> dict[str, float]:
    """Figures of one part, measured in a process of its own."""
    started = time.monotonic()
    print(f"{part} ...", file=sys.stderr, flush=True)
    code = f"import json, ingest_{part} as part; print('FIGURES', json.dumps(part.measure()))"
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
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    figures: dict[str, float] = {}
    for part in parser.parse_args().parts:
        figures |= measure(part)
    print(json.dumps({"bench": "ingest", "targets": judge(figures), "figures": figures}))


if __name__ == "__main__":
    main()
