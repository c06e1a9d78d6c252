"""Fine-tune for forecasts: other data, variables, outputs, grid or leads than in pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.models.orbit import Orbit, initial
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_forecast import forecast_fields
from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.engines.base import call_orbit
from catena.orbit_trainer.tasks.adapters import Adaptation, FineTune, fine_tune
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights

__all__ = ["OrbitForecaster", "forecast_task"]

Fields = NDArray[Any]


def forecast_task(
    config: OrbitConfig,
    latitudes: Sequence[float],
    *,
    pretrained: Pretrained | None = None,
    adaptation: Adaptation | None = None,
    seed: int = 0,
) -> FineTune:
    """A training of forecasts, from a pre-trained model or from scratch.

    All weights that still have a meaning are taken over: rows of known variables and outputs,
    positions interpolated to the grid.

    Parameters
    ----------
    config : OrbitConfig
        Of the new model; with the width, depth, heads and feed of the pre-trained one.
    latitudes : sequence of float
        Of its rows, degrees north.
    pretrained : Pretrained, optional
    adaptation : Adaptation, optional
        All weights are trained by default.
    seed : int

    Raises
    ------
    InvalidRequest, InvalidData
        See :func:`catena.orbit_trainer.tasks.adapters.fine_tune`.
    """
    weights = latitude_weights(torch.tensor(latitudes))

    def loss(predicted: Tensor, batch: Batch) -> Tensor:
        return latitude_loss(predicted, batch.targets, weights.to(predicted.device))

    return fine_tune(
        lambda: Orbit(config),
        call_orbit,
        loss,
        config=config,
        pretrained=pretrained,
        taken=("blocks.", "embedding.", "head."),
        adaptation=adaptation or Adaptation(),
        initial=partial(initial, config),
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class OrbitForecaster:
    """A trained model in physical units; a :class:`..evaluation.forecasters.Forecaster`.

    It goes to a lead in one call; :class:`..evaluation.forecasters.RollOut` makes steps of it.

    Parameters
    ----------
    model : Orbit
    statistics : Statistics
        That it was trained with.
    variables : sequence of str
        Channels that come in; those that the model knows by default.
    residual : bool
        Whether it predicts normalised changes.
    """

    model: Orbit
    statistics: Statistics
    variables: Sequence[str] = ()
    residual: bool = True

    @torch.no_grad()
    def forecast(self, fields: Fields, lead_hours: Fields) -> Fields:
        """Fields (B, V_out, H, W) at the end of a lead, in the channels' units.

        Parameters
        ----------
        fields : array, (B, V, H, W)
            In the channels' units; NaN where unknown.
        lead_hours : array, (B,)
            Of those that the model was trained on.

        Raises
        ------
        InvalidData
            When the fields have another grid or number of channels.
        InvalidRequest
            When there are no statistics of a lead or a channel.
        """
        device = next(self.model.parameters()).device
        training = self.model.training
        try:
            made = forecast_fields(
                self.model.eval(),
                self.statistics,
                torch.from_numpy(np.ascontiguousarray(fields, np.float32)).to(device),
                torch.as_tensor(np.asarray(lead_hours, np.float32), device=device),
                variables=self.variables,
                residual=self.residual,
            )
        finally:
            self.model.train(training)
        return made.cpu().numpy()
