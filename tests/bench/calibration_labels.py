"""Speed of making labels: the package's matrix form beside the published broadcast form."""

from __future__ import annotations

import time

import torch
from calibration_reference import ERROR_SD, LABELS, STEPS, broadcast_labels
from calibration_truth import Data

from catena.calibrator.dbuq import probability_flow

COMPARED = 2000  # labels that both forms make; their costs grow linearly
ROUNDS = 3


def label_speed(data: Data) -> dict[str, float]:
    """Ratio of CPU seconds, the largest difference of a label, and what 20,000 labels cost.

    Both get the same runs, observations and starting points, and take turns; the quickest round of
    each counts.
    """
    x, y = (torch.as_tensor(table, dtype=torch.float64) for table in data.training)
    x, y = (((table - table.mean(0)) / table.std(0)).float() for table in (x, y))
    generator = torch.Generator().manual_seed(0)
    observed = y[torch.randint(len(y), (COMPARED,), generator=generator)]
    z = torch.randn(COMPARED, x.shape[1], generator=generator)
    published, ours = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        slow = broadcast_labels(z, observed, x, y)
        middle = time.process_time()
        fast = probability_flow(z, observed, x, y, sigma_y=ERROR_SD, steps=STEPS)
        published.append(middle - began)
        ours.append(time.process_time() - middle)
    return {
        "label_speedup": min(published) / min(ours),
        "label_difference": float((slow - fast).abs().max()),
        "label_cpu_s": min(ours) * LABELS / COMPARED,
    }
