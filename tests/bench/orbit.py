"""Benchmark of ORBIT: each figure beside its anchor, as one JSON line; progress goes to stderr.

Parts are in ``orbit_<part>.py`` and run one after the other, in processes of their own and on one
thread. ``measure()`` of a part gives its figures; what it was measured on or with is among them, in
words. Parts named by ``--parts`` are run alone. What needs a GPU is in ``orbit_gpu.py``.
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

PARTS = ("speed", "loader", "planet", "transfer", "plan")

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "train_step_ratio_fp32": (">= 4", lambda v: v >= 4),
    "train_step_ratio_bf16": (">= 6, where the CPU has bf16 units", lambda v: v >= 6),
    "forward_115m_ratio": (">= 5", lambda v: v >= 5),
    "train_memory_ratio": ("<= 0.33", lambda v: v <= 0.33),
    "fold_error": ("<= 1e-12", lambda v: v <= 1e-12),
    "loader_wait_share": ("<= 0.02", lambda v: v <= 0.02),
    "rmse6_vs_persistence": ("<= 0.75", lambda v: v <= 0.75),
    "rmse24_vs_persistence": ("<= 0.75", lambda v: v <= 0.75),
    "rmse24_vs_climatology": ("< 1", lambda v: v < 1),
    "acc24": (">= 0.5", lambda v: v >= 0.5),
    "downscale_rmse_vs_bicubic": ("<= 0.7", lambda v: v <= 0.7),
    "pretrain_data_efficiency": (">= 2", lambda v: v >= 2),
    "plan_efficiency_error": ("<= 0.10", lambda v: v <= 0.10),
    "plan_seconds": ("<= 60", lambda v: v <= 60),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def measure(part: str) -> dict[str, Any]:
    """Figures of one part, measured in a process of its own."""
    started = time.monotonic()
    print(f"{part} ...", file=sys.stderr, flush=True)
    code = f"import json, orbit_{part} as part; print('FIGURES', json.dumps(part.measure()))"
    here = Path(__file__).resolve().parent
    # The reference order is the one that tests compare with.
    paths = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=here,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return dict(json.loads(line.removeprefix("FIGURES ")))


def judge(figures: dict[str, Any]) -> dict[str, dict[str, object]]:
    """Target, value and verdict; a figure that is missing has not passed."""
    verdicts: dict[str, dict[str, object]] = {}
    for key, (wanted, test) in TARGETS.items():
        value = figures.get(key)
        passed: bool | str = value is not None and test(value)
        if key.endswith("_bf16") and figures.get("bf16_units") is False:
            passed = "reported only: this CPU has no bf16 units"
        verdicts[key] = {"target": wanted, "value": value, "passed": passed}
    return verdicts


def chosen(names: str) -> list[str]:
    """Parts by their names, with commas between."""
    parts = [name for name in names.split(",") if name]
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        raise argparse.ArgumentTypeError(f"{names!r}; wanted some of {','.join(PARTS)}")
    return parts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=chosen, default=list(PARTS), help=",".join(PARTS))
    parts = parser.parse_args().parts
    figures: dict[str, Any] = {}
    for part in parts:
        figures |= measure(part)
    line = {"bench": "orbit", "parts": parts, "targets": judge(figures), "figures": figures}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
