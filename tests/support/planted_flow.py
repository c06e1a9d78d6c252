"""A flow whose drivers are known: P three days ago times T one day ago, and twice Q one day ago."""

from __future__ import annotations

import torch
from torch import Tensor

VARIABLES = ("P", "T", "Q")
LAGS = 6
"""Days 1 to 6 before; a column for each variable and lag, lag 6 first."""
COLUMNS = tuple((variable, lag) for variable in VARIABLES for lag in range(LAGS, 0, -1))
PLACE = {column: place for place, column in enumerate(COLUMNS)}
PAIR = (("P", 3), ("T", 1))
ALONE = ("Q", 1)


def planted_flow(rows: Tensor) -> Tensor:
    """Flow (B, 1) of rows (B, 18)."""
    p, t, q = (rows[:, PLACE[column]] for column in (*PAIR, ALONE))
    return (p * t + 2 * q)[:, None]


def planted_rows(samples: int, seed: int = 0) -> Tensor:
    """Independent standard normal inputs (N, 18), float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, len(COLUMNS), generator=generator, dtype=torch.float64)
