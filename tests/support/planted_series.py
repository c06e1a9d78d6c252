"""Planted truth: y = P_lag3 * T_lag1 + 2 * Q_lag1 of white series, and an LSTM that learned it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from catena.explainer.attribution.prediction import Groups

VARIABLES = ("P", "T", "Q")
DAYS = 8
LABELS = tuple((name, lag) for lag in range(DAYS, 0, -1) for name in VARIABLES)
PLACE = {label: place for place, label in enumerate(LABELS)}
GROUPS = Groups.of(LABELS)
"""Each variable on each day by itself."""
PLANTED = tuple(str(label) for label in (("Q", 1), ("P", 3), ("T", 1)))
"""Names of the groups that the truth hangs on, the most important one first."""
NOISE = 0.5


def series(rows: int, seed: int) -> Tensor:
    """Standard normal days (rows, 3 DAYS), the oldest first."""
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(rows, len(LABELS), generator=draws)


def planted(rows: Tensor) -> Tensor:
    """The truth (rows, 1)."""
    p, t, q = (rows[:, PLACE[label]] for label in (("P", 3), ("T", 1), ("Q", 1)))
    return (p * t + 2 * q)[:, None]


def observed(rows: Tensor, seed: int) -> Tensor:
    """The truth with noise (rows, 1)."""
    draws = torch.Generator().manual_seed(seed)
    return planted(rows) + NOISE * torch.randn(len(rows), 1, generator=draws)


class PlantedLstm(nn.Module):
    """From rows of days to one output."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.lstm = nn.LSTM(len(VARIABLES), width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """Output (B, 1) of rows (B, 3 DAYS)."""
        days = rows.view(len(rows), DAYS, len(VARIABLES))
        return self.head(self.lstm(days)[0][:, -1])


def trained_lstm(rows: Tensor, seed: int, steps: int = 800) -> PlantedLstm:
    """An LSTM that learned the truth from noisy observations of `rows`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = PlantedLstm()
    targets = observed(rows, seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
    draws = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(rows), (256,), generator=draws)
        optimizer.zero_grad()
        (network(rows[batch]) - targets[batch]).square().mean().backward()
        optimizer.step()
        schedule.step()
    return network.eval()
