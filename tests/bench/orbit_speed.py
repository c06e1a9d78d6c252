"""Speed and memory of ORBIT beside the order of its papers, turn by turn in one process.

All sides are one model: the same weights, the same blocks and head, the same optimiser. The
reference makes a token of every patch of every variable, of torch's own layers, as ClimaX and ORBIT
publish it; the tuned reference makes them too, of products that are fused as far as they go.
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from orbit_unfolded import TunedUnfoldedOrbit
from support.unfolded_orbit import UnfoldedOrbit
from torch import Tensor, nn

from catena.models.orbit import Orbit, initialise
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.plan.flops import step_flops
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights

VARIABLES = 48
GRID = (32, 64)
BATCH = 8
DEPTHS = (4, 8)
"""Blocks at width 256; the first has the targets, the last is the published 8M."""
TURNS = 5
FORWARD_TURNS = 2
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}

Sides = dict[str, Callable[[], object]]


def measure() -> dict[str, Any]:
    """All figures."""
    torch.set_num_threads(1)
    units = has_bf16_units()
    figures: dict[str, Any] = {"bf16_units": units, **fold_error()}
    for depth in DEPTHS:
        figures |= training(depth, units)
    figures |= forward_115m(units)
    figures["speed_setting"] = (
        f"{VARIABLES} variables, {GRID[0]} x {GRID[1]}, patch 4, width 256, depth {DEPTHS[0]}, "
        f"batch {BATCH}, AdamW; 115M: 91 variables, 128 x 256, {'bf16' if units else 'fp32'}"
    )
    return figures


def has_bf16_units() -> bool:
    """Whether the processor multiplies matrices in bfloat16; without, bfloat16 is emulated."""
    info = Path("/proc/cpuinfo")
    return info.exists() and bool(BF16_FLAGS & set(info.read_text().split()))


def sides_of(config: OrbitConfig) -> dict[str, nn.Module]:
    """A model, and the same weights in the order of the papers."""
    model = initialise(Orbit(config), seed=0)
    tuned = TunedUnfoldedOrbit(model)
    return {"folded": model, "reference": UnfoldedOrbit(model), "tuned": tuned}


def inputs_of(config: OrbitConfig, batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random fields, their rows and lead times."""
    random = torch.Generator().manual_seed(0)
    count = len(config.variables)
    fields = torch.randn(batch, count, *config.grid, generator=random)
    return fields, torch.arange(count), torch.full((batch,), 6.0)


def config_of(depth: int) -> OrbitConfig:
    """The model of the training step."""
    names = [f"v{number}" for number in range(VARIABLES)]
    return OrbitConfig.of_size("8M", names, grid=GRID, depth=depth)


def fold_error() -> dict[str, float]:
    """Largest difference of the two orders, outputs and gradients, in float64."""
    config = config_of(2)
    sides = sides_of(config)
    model, reference = sides["folded"].double(), sides["reference"]
    fields, rows, lead = (t.double() if t.is_floating_point() else t for t in inputs_of(config, 2))
    present = torch.rand(2, VARIABLES, generator=torch.Generator().manual_seed(1)) < 0.8
    weights = list(model.parameters())
    found: list[list[Tensor]] = []
    for side in (model, reference):
        out = side(fields, rows, lead, present)
        found.append([out.detach(), *torch.autograd.grad(out.square().mean(), weights)])
    # Of each its largest value; a weight without effect has rounding for a gradient.
    scale = [max(float(b.abs().max()), 1e-3) for b in found[1]]
    off = [float((a - b).abs().max()) for a, b in zip(*found, strict=True)]
    return {"fold_error": max(o / s for o, s in zip(off, scale, strict=True))}


def training(depth: int, units: bool) -> dict[str, float]:
    """CPU seconds of a step of both sides, and memory; ratios turn by turn."""
    config = config_of(depth)
    sides = sides_of(config)
    inputs = inputs_of(config, BATCH)
    targets = inputs[0].roll(1, -1)
    weights = latitude_weights(torch.linspace(-90, 90, GRID[0] + 1)[1:] - 90 / GRID[0])
    optimizer = torch.optim.AdamW(sides["folded"].parameters(), lr=1e-4, fused=True)

    def step(side: nn.Module, low: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                predicted = side(*inputs)
            latitude_loss(predicted, targets, weights).backward()
            optimizer.step()
            optimizer.zero_grad()

        return run

    full = {key: step(side, False) for key, side in sides.items()}
    low = {key: step(side, True) for key, side in sides.items()}
    first = depth == DEPTHS[0]
    name = "" if first else f"_depth_{depth}"
    figures = {f"train_flop_ratio{name}": flop_ratio(config, BATCH)}
    figures |= compared(f"train_step_{{}}_fp32{name}", interleaved(full, TURNS))
    # Emulated, bfloat16 is many times slower than float32: once is enough to be told of.
    if units:
        figures |= compared(f"train_step_{{}}_bf16{name}", interleaved(low, TURNS))
    elif first:
        figures |= compared(f"train_step_{{}}_bf16{name}", interleaved(low, 1))
    memory = {key: peak_bytes(run) for key, run in full.items()}
    figures |= {f"train_peak_mb_{key}{name}": value / 1e6 for key, value in memory.items()}
    figures[f"train_memory_ratio{name}"] = memory["folded"] / memory["reference"]
    return {key: round(value, 4) for key, value in figures.items()}


def forward_115m(units: bool) -> dict[str, float]:
    """CPU seconds of a forecast with 115M weights."""
    config = OrbitConfig.of_size("115M", [f"v{number}" for number in range(91)])
    inputs = inputs_of(config, 1)

    def run(side: nn.Module) -> Callable[[], None]:
        def forecast() -> None:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=units):
                side(*inputs)

        return forecast

    sides = {key: run(side) for key, side in sides_of(config).items()}
    figures = compared("forward_115m_{}", interleaved(sides, FORWARD_TURNS, warm=False))
    step = [step_flops(config, 1, order).forward.total for order in ("reference", "folded")]
    figures["forward_115m_flop_ratio"] = step[0] / step[1]
    return {key: round(value, 4) for key, value in figures.items()}


def compared(name: str, turns: list[dict[str, float]]) -> dict[str, float]:
    """Medians over turns: CPU seconds of the folded order, and ratios of the others to it."""
    of_turns = {
        "cpu_s": [turn["folded"] for turn in turns],
        "ratio": [turn["reference"] / turn["folded"] for turn in turns],
        "ratio_tuned": [turn["tuned"] / turn["folded"] for turn in turns],
    }
    return {name.format(key): statistics.median(every) for key, every in of_turns.items()}


def flop_ratio(config: OrbitConfig, batch: int) -> float:
    """What the ratio would be if only products of matrices took time."""
    return step_flops(config, batch, "reference").model / step_flops(config, batch).model


def interleaved(sides: Sides, turns: int, *, warm: bool = True) -> list[dict[str, float]]:
    """CPU seconds of each side, turn by turn."""
    if warm:
        for run in sides.values():
            run()
    spent: list[dict[str, float]] = []
    for _ in range(turns):
        turn = {}
        for key, run in sides.items():
            started = time.process_time()
            run()
            turn[key] = time.process_time() - started
        spent.append(turn)
    return spent


def peak_bytes(run: Callable[[], object]) -> int:
    """Memory that a step takes at most, above what the process holds before it.

    What the kernel counts (Linux): its high-water mark is set back before, and pages that the
    allocator keeps are given back first, so that both sides begin alike.
    """
    run()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    """Bytes of an entry of the process's status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {key}; memory is measured on Linux only")
