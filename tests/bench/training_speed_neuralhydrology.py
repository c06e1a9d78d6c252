"""Speed of neuralhydrology's cudalstm and loader; runs in its environment, knows nothing of ours.

Arguments: the folder with the records, and the forget bias or "default".
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path

import torch
from neuralhydrology.training.basetrainer import BaseTrainer
from neuralhydrology.utils.config import Config

BASINS_FIRST, LAST = "01/10/1990", "30/09/1999"
WIDTH, WINDOW, BATCH, STEPS = 64, 365, 256, 12


def config(folder: Path, bias: str) -> Config:
    """The defaults of cudalstm with our sizes."""
    basins = str(folder / "basins.txt")
    weather = (folder / "weather.txt").read_text().split()
    attributes = (folder / "attributes" / "attributes.csv").read_text().splitlines()[0]
    settings = {
        "experiment_name": "speed",
        "run_dir": str(folder / "runs"),
        "train_basin_file": basins,
        "validation_basin_file": basins,
        "test_basin_file": basins,
        "train_start_date": BASINS_FIRST,
        "train_end_date": LAST,
        "validation_start_date": BASINS_FIRST,
        "validation_end_date": LAST,
        "test_start_date": BASINS_FIRST,
        "test_end_date": LAST,
        "device": "cpu",
        "model": "cudalstm",
        "head": "regression",
        "output_activation": "linear",
        "hidden_size": WIDTH,
        "optimizer": "Adam",
        "loss": "NSE",
        "learning_rate": {0: 1e-3},
        "batch_size": BATCH,
        "epochs": 1,
        "clip_gradient_norm": 1,
        "predict_last_n": 1,
        "seq_length": WINDOW,
        "num_workers": 0,
        "seed": 0,
        "log_interval": 1000,
        "log_tensorboard": False,
        "validate_every": 0,
        "metrics": ["NSE"],
        "dataset": "generic",
        "data_dir": str(folder),
        "dynamic_inputs": [*weather, "sine", "cosine"],
        "target_variables": ["flow"],
        "static_attributes": attributes.split(",")[1:],
    }
    if bias != "default":
        settings["initial_forget_bias"] = float(bias)
    return Config(settings)


def main() -> None:
    """Train some steps with its own trainer, then load some batches with its own loader."""
    torch.set_num_threads(1)
    folder, bias = Path(sys.argv[1]), sys.argv[2]
    trainer = BaseTrainer(config(folder, bias))
    trainer.initialize_training()

    def cpu_s(steps: int) -> float:
        """CPU seconds of the first steps of an epoch, with its loader."""
        trainer._max_updates_per_epoch = steps
        started = time.process_time()
        trainer._train_epoch(epoch=1)
        return time.process_time() - started

    cpu_s(2)
    short, long = cpu_s(2), cpu_s(2 + STEPS)
    batches = iter(trainer.loader)
    next(batches)
    started = time.process_time()
    loaded = sum(1 for _ in islice(batches, 20))
    loader = (time.process_time() - started) / loaded
    figures = {
        "peer_samples_per_cpu_s": STEPS * BATCH / (long - short),
        "peer_loader_ms": 1e3 * loader,
    }
    print("FIGURES", json.dumps(figures))


if __name__ == "__main__":
    main()
