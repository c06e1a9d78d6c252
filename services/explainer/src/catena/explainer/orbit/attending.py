"""What the foundation model attended to on the way to a target: variables, and places.

Attention says what a model looked at, not what it did with it. It stands beside contributions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from catena.explainer.orbit.loading import Fields, ForecastModel
from catena.models.orbit_config import variable_ids
from catena.models.orbit_forecast import known_fields

__all__ = ["Attended", "attended"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Attended:
    """Attention of one lead; P patches are (rows, columns), the first from `lat[0]` and `lon[0]`.

    Parameters
    ----------
    maps : array, (N, T, depth, heads, rows, columns)
        Which patches the target's patches look at in each block; adds up to 1 over patches.
    rollout : array, (N, T, rows, columns)
        The same through all blocks (attention rollout, Abnar & Zuidema 2020); adds up to 1.
    variables : array, (N, V, rows, columns)
        Share of each variable in what the aggregation takes up at a patch, mean over heads.
    importance : array, (N, T, V)
        Shares of variables at the patches that the rollout leads to; adds up to 1.
    """

    maps: Array
    rollout: Array
    variables: Array
    importance: Array


def attended(forecast: ForecastModel, fields: Fields, cells: Array, lead_h: float) -> Attended:
    """What the model attends to for boxes with these shares of cells, (T, H, W)."""
    about, config = forecast.about, forecast.model.config
    rows, columns = (side // config.patch for side in config.grid)
    shares = cells.reshape(len(cells), rows, config.patch, columns, config.patch).sum((2, 4))
    shares = shares.reshape(len(cells), rows * columns)
    places = np.flatnonzero(shares.any(0))
    weights = torch.from_numpy(shares[:, places]).float()
    ids = variable_ids(config, config.variables)
    found = []
    for values in fields.values:  # one at a time: maps are large
        field = torch.from_numpy(values)[None]
        known, present = known_fields(about.statistics.normalised(field, config.variables))
        lead = known.new_full((1,), lead_h)
        shown = forecast.model.explain(known, ids, lead, present, torch.from_numpy(places))
        maps = torch.einsum("tq,dhql->tdhl", weights, shown["attention"][0])
        rollout = weights @ shown["rollout"][0]
        share = shown["variable_share"][0].mean(0)
        found.append((maps, rollout, share, rollout @ share.T))
    every = [torch.stack(one).double().numpy() for one in zip(*found, strict=True)]
    by_place = [one.reshape(*one.shape[:-1], rows, columns) for one in every[:3]]
    return Attended(by_place[0], by_place[1], by_place[2], every[3])
