"""A streamflow network as a function of flat rows, in mm d-1: what methods of attribution take."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from catena.explainer.flow.columns import FlowColumns
from catena.models.distributions import Distribution
from catena.models.flow_model import FlowModel
from catena.models.flow_samples import FlowSamples
from catena.models.lstm import RecurrentFlowModel
from catena.models.mixtures import Mixture
from catena.shared.errors import InvalidData

Target = Literal["mean"] | float


class FlowPrediction:
    """Streamflow (B, H) in mm d-1 that a network expects of rows (B, D), for one basin's flow.

    It is the mean of the network's distribution, or one of its quantiles, and is not cut at 0: a
    cut would hide from gradients what drives a forecast that is just below. It can be
    differentiated, and twice within :func:`catena.models.derivatives.second_derivatives`.

    Parameters
    ----------
    network : FlowModel
        A copy is taken; its weights are fixed.
    columns : FlowColumns
        What the rows are.
    mean, scale : float
        Of the basin's flow, mm d-1: ``flow = scaled * scale + mean``. With 0 and 1 the prediction
        is in scaled units.
    target : "mean" or float
        What of the distribution; a number is the level of a quantile.

    Raises
    ------
    InvalidData
        When the network takes other inputs, the scale is not positive, or the level is not between
        0 and 1.

    Notes
    -----
    Flow is scaled basin by basin, and methods evaluate rows of samples, of baselines and between
    them in an order of their own. So one prediction serves the samples of one basin, and every row
    is read with the scale of that basin. A baseline of another basin then stands for "if scaled
    inputs were those": its past flow counts in standard deviations of the sample's basin, not in
    mm d-1, and its attributes and weather (which are scaled for all basins alike) are the other
    basin's. With baselines of the same basin, which are better where there are enough, nothing has
    to be read so.
    """

    def __init__(
        self,
        network: FlowModel[Any],
        columns: FlowColumns,
        mean: float,
        scale: float,
        target: Target = "mean",
    ) -> None:
        columns.check(network)
        if not (np.isfinite(mean) and np.isfinite(scale) and scale > 0):
            raise InvalidData(
                f"flow of mean {mean:g} and scale {scale:g} mm d-1 came; wanted a finite mean and "
                "a scale above 0"
            )
        if not (target == "mean" or (isinstance(target, float) and 0 < target < 1)):
            raise InvalidData(
                f"{target!r} of the distribution was asked for; wanted 'mean', or the level of a "
                "quantile between 0 and 1"
            )
        self.columns, self.mean, self.scale, self.target = columns, mean, scale, target
        self._network = deepcopy(network).eval().requires_grad_(False)
        self._dtype = next(self._network.parameters()).dtype
        # the compiled recurrence shares work among gradients of many leads
        self.gradients_together = isinstance(network, RecurrentFlowModel)

    @classmethod
    def of_basin(
        cls, network: FlowModel[Any], samples: FlowSamples, target: Target = "mean"
    ) -> Self:
        """For samples of one basin, with its mean and scale.

        Raises
        ------
        InvalidData
            When the samples are of several basins; otherwise as the class.
        """
        if len(set(samples.basins)) > 1 or np.ptp(samples.flow_scale) or np.ptp(samples.flow_mean):
            raise InvalidData(
                f"samples of {len(set(samples.basins))} basins ({', '.join(samples.basins[:3])}, "
                "...) came; their flow is scaled basin by basin: explain one basin after the other"
            )
        mean, scale = float(samples.flow_mean[0]), float(samples.flow_scale[0])
        return cls(network, FlowColumns.of(samples), mean, scale, target)

    def __call__(self, rows: Tensor) -> Tensor:
        """Streamflow (B, H), mm d-1, of rows (B, D).

        Raises
        ------
        InvalidData
            When the rows have another number of columns.
        """
        distribution: Distribution = self._network(self.columns.inputs(rows.to(self._dtype)))
        if self.target == "mean":
            scaled = distribution.mean()
        else:
            scaled = _quantile(distribution, float(self.target))
        return scaled * self.scale + self.mean


def _quantile(distribution: Distribution, level: float) -> Tensor:
    """A quantile (B, H) with its first and second derivatives.

    Those of mixtures are found by bisection, without gradients. Newton's steps from there change
    the value by nothing, but carry the derivatives of the implicit function: one step the first,
    two the second.
    """
    value = distribution.quantile([level])[..., 0]
    if not isinstance(distribution, Mixture) or not distribution.location.requires_grad:
        return value
    value = value.detach().requires_grad_()
    for _ in range(2):
        below = distribution.cdf(value)
        density = torch.autograd.grad(below.sum(), value, create_graph=True)[0]
        value = value - (below - level) / density
    return value
