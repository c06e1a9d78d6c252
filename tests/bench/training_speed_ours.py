"""Speed of our LSTM's training and of our loader, in a process of its own."""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from training_speed_cases import BATCH, FIRST, LAST, STEPS, WIDTH, WINDOW, records

from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.splits import issues_within
from catena.forecaster.data.windows import Windows
from catena.forecaster.training import TrainingConfig, train
from catena.models.flow_models import new_flow_model

LOADED = 200
"""Batches that the loader is timed with."""


def main() -> None:
    """Train some steps, then load some batches."""
    torch.set_num_threads(1)
    found, _ = records()
    days = (found.days >= np.datetime64(FIRST)) & (found.days <= np.datetime64(LAST))
    scalers = Scalers.fit(found, days)
    issues = issues_within(days, leads=1)
    windows = Windows(found, scalers, past=WINDOW, leads=1, issues=issues)
    few = windows.at(issues=issues[:2])
    sizes = windows.sizes
    config = {
        "past_variables": sizes.past_weather,
        "future_variables": sizes.future_weather,
        "statics": sizes.statics,
        "head": {"process": False},
        "width": WIDTH,
    }

    def cpu_s(steps: int) -> float:
        """CPU seconds of a training; its one look at validation is at two forecasts a basin."""
        started = time.process_time()
        settings = TrainingConfig(loss="nse", steps=steps, batch=BATCH, evaluations=1)
        train(new_flow_model("lstm", config, seed=0), windows, few, settings, seed=0)
        return time.process_time() - started

    cpu_s(2)  # code is compiled
    short, long = cpu_s(2), cpu_s(2 + STEPS)
    rows = windows.batches(BATCH, seed=0)
    windows.batch(next(rows))
    started, loaded = time.process_time(), 0
    for epoch in range(100):
        for some in windows.batches(BATCH, seed=0, epoch=epoch):
            windows.batch(some, epoch=epoch)
            loaded += 1
            if loaded == LOADED:
                break
        if loaded == LOADED:
            break
    loader = (time.process_time() - started) / loaded
    figures = {
        "samples_per_cpu_s": STEPS * BATCH / (long - short),
        "loader_ms": 1e3 * loader,
    }
    print("FIGURES", json.dumps(figures))


if __name__ == "__main__":
    main()
