"""A forecast of fields in their own units: one pass of an ORBIT model, differentiable."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from catena.models.orbit import Orbit
from catena.models.orbit_config import variable_ids
from catena.models.orbit_statistics import Statistics
from catena.shared.errors import InvalidData

__all__ = ["forecast_fields", "known_fields"]


def forecast_fields(
    model: Orbit,
    statistics: Statistics,
    fields: Tensor,
    lead_hours: Tensor,
    *,
    variables: Sequence[str] = (),
    residual: bool = True,
) -> Tensor:
    """Fields (B, V_out, H, W) at the end of a lead, in the channels' units.

    Fields in double precision are normalised, and predictions brought back to units, in it; the
    model computes in the precision of its weights.

    Parameters
    ----------
    model : Orbit
        In the mode (training or not) that it is to be called in.
    statistics : Statistics
        That it was trained with.
    fields : Tensor, (B, V, H, W)
        In the channels' units; NaN where unknown.
    lead_hours : Tensor, (B,)
        Of those that the model was trained on.
    variables : sequence of str
        Channels that come in; those that the model knows by default.
    residual : bool
        Whether the model predicts normalised changes.

    Raises
    ------
    InvalidData
        When the fields have another grid or number of channels, or lack what is to be changed.
    InvalidRequest
        When there are no statistics of a lead or a channel.
    """
    config = model.config
    names = tuple(variables) or config.variables
    wanted = (len(names), *config.grid)
    if tuple(fields.shape[1:]) != wanted:
        raise InvalidData(
            f"fields of shape {tuple(fields.shape)}; wanted (times, "
            f"{', '.join(map(str, wanted))}): {', '.join(names)} on the model's grid"
        )
    normalised, present = known_fields(statistics.normalised(fields, names))
    ids = variable_ids(config, names).to(fields.device)
    weights = next(model.parameters()).dtype
    made: Tensor = model(normalised.to(weights), ids, lead_hours.to(weights), present)
    made = made.to(fields.dtype)
    if residual:
        places = [names.index(name) for name in config.outputs if name in names]
        if len(places) < len(config.outputs):
            raise InvalidData(
                f"fields of {', '.join(names)}; the model predicts changes of "
                f"{', '.join(config.outputs)}, so wanted all of these too"
            )
        made = statistics.restored(normalised[:, places], made, lead_hours, config.outputs)
    return statistics.physical(made, config.outputs)


def known_fields(normalised: Tensor) -> tuple[Tensor, Tensor | None]:
    """Fields with 0 in the place of NaN, and which variables a sample has, None where all."""
    unknown = normalised.isnan()
    lacking = unknown.all(-1).all(-1)
    present = ~lacking if bool(lacking.any()) else None
    return torch.where(unknown, 0.0, normalised), present
