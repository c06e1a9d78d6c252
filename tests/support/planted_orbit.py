"""A small foundation model that has learned a rule, and fields for it.

The rule: ``tas`` changes by ``CHANGES[lead]`` times normalised ``ua``; of the same place after
6 hours, of the place ``SHIFT`` columns to the west after 24. ``psl`` and ``va`` do nothing. The
wind blows eastward everywhere, so what comes from the west comes up the wind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from support.orbit_caches import cached
from torch import Tensor

from catena.explainer.orbit.loading import Fields
from catena.models.orbit import Orbit, initialise
from catena.models.orbit_checkpoint import ABOUT, WEIGHTS, About
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_statistics import Statistics
from catena.shared.hot_cache import HotCache

GRID = (16, 32)
NAMES = ("tas", "psl", "ua", "va")
UNITS = {"tas": "K", "psl": "Pa", "ua": "m s-1", "va": "m s-1"}
MEAN = {"tas": 280.0, "psl": 101325.0, "ua": 20.0, "va": 0.0}
STD = {"tas": 8.0, "psl": 900.0, "ua": 4.0, "va": 4.0}
LEADS = (6.0, 24.0)
CHANGES = {6.0: 2.0, 24.0: 4.0}
"""K a standard deviation of ua, by lead."""
SHIFT = 4
LAT = np.linspace(-90, 90, 2 * GRID[0] + 1)[1::2]
LON = np.arange(GRID[1]) * 360.0 / GRID[1]
SHAPE = {"width": 64, "depth": 1, "heads": 2, "patch": 4, "decoder_depth": 1, "feed": 2}


def smooth(count: int, seed: int, channels: int = len(NAMES)) -> Tensor:
    """Normalised random fields (N, V, H, W), smooth over a cell or two."""
    random = torch.Generator().manual_seed(seed)
    waves = torch.fft.rfft2(torch.randn(count, channels, *GRID, generator=random))
    rows = torch.fft.fftfreq(GRID[0])[:, None] * GRID[0]
    columns = torch.fft.rfftfreq(GRID[1])[None] * GRID[1]
    fields = torch.fft.irfft2(waves * torch.exp(-(rows**2 + columns**2) / 60), s=GRID)
    return fields / fields.std((2, 3), keepdim=True)


def physical(fields: Tensor) -> NDArray[np.float32]:
    """Normalised fields in their units."""
    mean, std = (torch.tensor([part[name] for name in NAMES]) for part in (MEAN, STD))
    made: NDArray[np.float32] = (fields * std[:, None, None] + mean[:, None, None]).numpy()
    return made


def fields(count: int, seed: int) -> Fields:
    """Random fields at times every 6 hours, as they are read."""
    times = 978307200 + 21600 * np.arange(count)
    values = physical(smooth(count, seed))
    return Fields(NAMES, tuple(UNITS.values()), LAT, LON, times, "standard", values)


def later(fields: NDArray[np.float32]) -> NDArray[np.float32]:
    """``tas`` after each lead by the rule, (N, L, 1, H, W), of fields (N, V, H, W)."""
    wind = (fields[:, 2] - MEAN["ua"]) / STD["ua"]
    near = fields[:, 0] + CHANGES[6.0] * wind
    far = fields[:, 0] + CHANGES[24.0] * np.roll(wind, SHIFT, -1)
    return np.stack([near, far], 1)[:, :, None].astype(np.float32)


@cache
def about(**changes: Any) -> About:
    """What the checkpoint says of itself."""
    config = OrbitConfig(NAMES, ("tas",), GRID, **SHAPE)
    return About(
        **{
            "task": "forecast",
            "title": "A model that learned a rule",
            "config": config,
            "statistics": Statistics(
                NAMES,
                tuple(UNITS.values()),
                tuple(MEAN.values()),
                tuple(STD.values()),
                LEADS,
                tuple((CHANGES[lead], 1.0, 1.0, 1.0) for lead in LEADS),
            ),
            "leads_h": LEADS,
            "residual": True,
            "lat": tuple(LAT),
            "lon": tuple(LON),
            "step_s": 21600,
            "seen": (("first", "", ""), ("0" * 64, "2001-01-01", "2001-01-15")),
            "generated": True,
            "parameters": 1,
            **changes,
        }
    )


@cache
def trained(steps: int = 420) -> Orbit:
    """The model, after some seconds of training."""
    model = initialise(Orbit(about().fields), seed=0)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=1e-4)
    random = torch.Generator().manual_seed(7)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1, (step + 1) / 30) * (1 - step / steps)
        fields = smooth(16, seed=1000 + step)
        far = torch.rand(16, generator=random) < 0.65
        wanted = torch.where(far[:, None, None], torch.roll(fields[:, 2], SHIFT, -1), fields[:, 2])
        made = model(fields, None, torch.where(far, 24.0, 6.0))[:, 0]
        optimiser.zero_grad()
        (made - wanted).square().mean().backward()
        optimiser.step()
    return model.eval().requires_grad_(False)


@dataclass(frozen=True, eq=False)
class PlainFiles:
    """The files of an artifact, in memory; a cache in a folder."""

    kind: str
    json: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    folder: Path = Path()

    def read_json(self, path: str) -> Any:
        assert path == ABOUT
        return self.json

    def read_arrays(self, path: str) -> dict[str, NDArray[Any]]:
        assert path == WEIGHTS
        return self.arrays

    def local_path(self, path: str = "") -> Path:
        return self.folder / path


def checkpoint(model: Orbit, **changes: Any) -> PlainFiles:
    """A model as a checkpoint artifact holds it."""
    weights = {name: one.numpy() for name, one in model.state_dict().items()}
    return PlainFiles("checkpoint", about().to_dict() | changes, weights)


def series(steps: int = 60, names: tuple[str, ...] = NAMES) -> xr.Dataset:
    """Fields every 6 hours; what comes next follows no rule."""
    fields = physical(smooth(steps, seed=5))
    time = np.datetime64("2001-01-01", "ns") + np.arange(steps) * np.timedelta64(6, "h")
    return xr.Dataset(
        {
            name: (("time", "lat", "lon"), fields[:, NAMES.index(name)], {"units": UNITS[name]})
            for name in names
        },
        coords={"time": time, "lat": LAT, "lon": LON},
    )


def put_cache(dataset: xr.Dataset, folder: Path) -> tuple[PlainFiles, HotCache]:
    """A dataset as the artifact of a hot cache."""
    (folder / "cache").mkdir(parents=True)
    return PlainFiles("hot_cache", {}, {}, folder), cached(dataset, folder / "cache")
