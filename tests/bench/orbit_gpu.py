"""Benchmark of ORBIT on one GPU: training and forecasts, and the order of its papers beside them.

Prints one JSON line; without a GPU it says so and ends with 1. Utilisation (MFU) counts the folded
order's FLOPs, forward and backward, against the dense bfloat16 peak of the device. Fields are
random numbers that lie on the device: what is measured is the model, not a loader.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))  # of the tests: the reference order

import torch
from orbit_speed import inputs_of, sides_of
from torch import nn

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.plan.flops import step_flops
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights

VARIABLES = 91
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12}
"""Dense bfloat16 FLOP/s (the vendor's data sheets) by a part of the device's name."""
WARM, STEPS = 3, 10

TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "mfu_115m": (">= 0.45", lambda v: v >= 0.45),
    "samples_s_115m": (">= 255", lambda v: v >= 255),
    "mfu_1b": (">= 0.55", lambda v: v >= 0.55),
    "forecast_ms_115m": ("<= 2", lambda v: v <= 2),
    "train_ratio_115m": (">= 6", lambda v: v >= 6),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def config_of(size: str) -> OrbitConfig:
    """A published size, of 91 variables on 128 x 256."""
    return OrbitConfig.of_size(size, [f"v{number}" for number in range(VARIABLES)])


def seconds(run: Callable[[], object], count: int = STEPS) -> float:
    """Median seconds of a call, after some that compile and warm up."""
    for _ in range(WARM):
        run()
    spent = []
    for _ in range(count):
        torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        torch.cuda.synchronize()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


def training(side: nn.Module, config: OrbitConfig, batch: int, compiled: bool) -> float:
    """Samples per second of training steps: bfloat16, fused AdamW."""
    fields, rows, lead = (tensor.cuda() for tensor in inputs_of(config, batch))
    targets = fields.roll(1, -1)
    weights = latitude_weights(torch.linspace(-89.3, 89.3, config.grid[0])).cuda()
    optimizer = torch.optim.AdamW(side.parameters(), lr=1e-4, fused=True)
    model = torch.compile(side) if compiled else side

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            predicted = model(fields, rows, lead)
        latitude_loss(predicted, targets, weights).backward()
        optimizer.step()
        optimizer.zero_grad()

    return batch / seconds(step)


def forecast_ms(side: nn.Module, config: OrbitConfig) -> float:
    """Milliseconds of a forecast of one sample, weights in bfloat16, as a CUDA graph."""
    side = side.bfloat16().eval()
    fields, rows, lead = (tensor.cuda() for tensor in inputs_of(config, 1))
    model = torch.compile(side, mode="reduce-overhead")
    with torch.inference_mode():
        return 1e3 * seconds(lambda: model(fields.bfloat16(), rows, lead), 50)


def measure(peak: float, batch: int, batch_1b: int) -> dict[str, float]:
    """All figures."""
    config = config_of("115M")
    sides = {key: side.cuda() for key, side in sides_of(config).items()}
    model = sides["folded"]
    rate = training(model, config, batch, compiled=True)
    figures = {"samples_s_115m": rate}
    figures["mfu_115m"] = rate * step_flops(config, batch).model / batch / peak
    figures["train_peak_gb_115m"] = torch.cuda.max_memory_allocated() / 1e9
    # A quarter of the batch: the references keep every variable's tokens. All sides alike.
    few = max(batch // 4, 1)
    for compiled, name, key in (
        (False, "train_ratio_115m", "reference"),
        (False, "train_ratio_115m_tuned", "tuned"),
        (True, "train_ratio_115m_tuned_compiled", "tuned"),
    ):
        ours, theirs = (training(sides[k], config, few, compiled) for k in ("folded", key))
        figures[name] = ours / theirs
    figures["forecast_ms_115m"] = forecast_ms(model, config)
    del model, sides
    torch.cuda.empty_cache()
    config = config_of("1B")
    model = sides_of(config)["folded"].cuda()
    rate = training(model, config, batch_1b, compiled=True)
    figures["samples_s_1b"] = rate
    figures["mfu_1b"] = rate * step_flops(config, batch_1b).model / batch_1b / peak
    return {key: round(value, 4) for key, value in figures.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32, help="samples of a step of 115M")
    parser.add_argument("--batch-1b", type=int, default=16, help="samples of a step of 1B")
    parser.add_argument("--peak", type=float, help="dense bfloat16 FLOP/s of the device")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("bench-orbit-gpu: no GPU is there (torch sees none); nothing was measured")
    device = torch.cuda.get_device_name()
    known = [peak for part, peak in PEAKS.items() if part in device]
    peak = given.peak or (known[0] if known else None)
    if peak is None:
        raise SystemExit(f"bench-orbit-gpu: peak of {device} is not known; give it with --peak")
    figures = measure(peak, given.batch, given.batch_1b)
    verdicts: dict[str, Any] = {
        key: {"target": wanted, "value": figures[key], "passed": test(figures[key])}
        for key, (wanted, test) in TARGETS.items()
    }
    line = {"bench": "orbit-gpu", "device": device, "peak_flops": peak, "torch": torch.__version__}
    print(json.dumps(line | {"targets": verdicts, "figures": figures}))


if __name__ == "__main__":
    main()
