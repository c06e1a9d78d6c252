"""Training of streamflow networks: one loop, deterministic by seed, resumable to the bit."""

from catena.forecaster.training.checkpoint import FileCheckpoint
from catena.forecaster.training.config import TrainingConfig
from catena.forecaster.training.loop import Training, train

__all__ = ["FileCheckpoint", "Training", "TrainingConfig", "train"]
