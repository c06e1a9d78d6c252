"""Targets of the calibration benchmark, and whether figures meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# methods that the targets apply to; the worse of the two is the headline
JUDGED = ("sir", "generator_reweighted")

# key: (wanted, in words; test). Keys with None are reported only.
TARGETS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "sliced_w_over_floor": ("<= 1.8", lambda v: v <= 1.8),
    "ppc_over_reference": ("<= 1.10", lambda v: v <= 1.10),
    "cover90": ("0.86 to 0.94", lambda v: 0.86 <= v <= 0.94),
    "sbc_ks": ("<= 0.165", lambda v: v <= 0.165),
    "sbc_ks_1000": ("<= 0.055", lambda v: v <= 0.055),
    "tarp": ("<= 0.135", lambda v: v <= 0.135),
    "c2st": ("<= 0.60", lambda v: v <= 0.60),
    "outside_box": ("0", lambda v: v == 0),
    "train_cpu_ratio": ("<= 0.1", lambda v: v <= 0.1),
    "label_speedup": (">= 7", lambda v: v >= 7),
    "label_difference": ("< 1e-4", lambda v: v < 1e-4),
    "sites100_cpu_s": ("<= 2", lambda v: v <= 2),
    "sites10000_cpu_s": ("<= 60", lambda v: v <= 60),
    "sites10000_gib": ("< 2", lambda v: v < 2),
    "emcee_cost_ratio": (">= 100", lambda v: v >= 100),
    "sigma_sweep_worst_sliced_w": ("<= 2.0", lambda v: v <= 2.0),
    "cover90_at_point1_sd": ("0.86 to 0.94", lambda v: 0.86 <= v <= 0.94),
    "mask_worst_sliced_w": ("<= 2.0", lambda v: v <= 2.0),
    "out_of_range_flagged": ("1.0", lambda v: v == 1.0),
    "out_of_range_false_alarms": ("<= 0.05", lambda v: v <= 0.05),
    "generator_sliced_w_over_floor": ("<= 2.0", lambda v: v <= 2.0),
}

_MORE_IS_BETTER = {"emcee_cost_ratio", "out_of_range_flagged"}
_NEAR_ONE_VALUE = {"cover90": 0.9, "cover90_at_point1_sd": 0.9}


def worse(key: str, by_method: dict[str, float | None]) -> float | None:
    """The worse figure of the judged methods; None when one of them has none."""
    values = [by_method.get(method) for method in JUDGED]
    if any(value is None for value in values):
        return None
    numbers = [float(value) for value in values if value is not None]
    if key in _NEAR_ONE_VALUE:
        return max(numbers, key=lambda v: abs(v - _NEAR_ONE_VALUE[key]))
    return min(numbers) if key in _MORE_IS_BETTER else max(numbers)


def judge(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Target, value and verdict per key; a figure that is missing has not passed."""
    verdicts = {}
    for key, (wanted, test) in TARGETS.items():
        value = figures.get(key)
        verdicts[key] = {
            "target": wanted,
            "value": value,
            "passed": bool(value is not None and test(float(value))),
        }
    return verdicts
