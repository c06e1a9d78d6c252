"""Heads of streamflow models: from the features of a lead to its distribution."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from catena.models.distributions import Distribution, Quantiles
from catena.models.flow_features import LastFlow, last_flow, noise_of_leads, process_flow
from catena.models.flow_model import HeadConfig
from catena.models.forecast_inputs import ForecastInputs
from catena.models.mixtures import AsymmetricLaplaceMixture

MEMORY_D = 10.0
"""Days over which a fresh skip forgets the last flow."""
DOUBT = 0.3
"""What a fresh skip takes from a process forecast made of weather that is all noise."""


class Skip(nn.Module):
    """Where the forecast starts from: the process model's flow, else the fading last flow.

    Before training, lead 1 without a process model is persistence, and a process forecast from
    perfect weather is passed on. The noisier the weather of a lead, the less its process forecast
    counts: a flood that came out of another year's rain is worth little.

    Parameters
    ----------
    width : int
        Length of a lead's features, which may change both shares.
    process : bool
        Whether the process model's forecast is used.
    """

    def __init__(self, width: int, process: bool) -> None:
        super().__init__()
        self.memory = nn.Parameter(torch.tensor(MEMORY_D).log())
        self.doubt = nn.Parameter(torch.tensor(DOUBT).logit()) if process else None
        self.shares = nn.Linear(width, 2)
        nn.init.zeros_(self.shares.weight)
        nn.init.zeros_(self.shares.bias)

    def forward(self, features: Tensor, inputs: ForecastInputs, last: LastFlow) -> Tensor:
        """Start of the forecast, (B, H)."""
        memory = self.memory.exp()
        known = (last.value * torch.exp(-last.age / memory))[:, None]
        ahead = torch.arange(inputs.leads, device=features.device, dtype=features.dtype)
        start = known * torch.exp(-ahead / memory)
        of_process, of_last = self.shares(features).unbind(-1)
        if self.doubt is not None:
            flow, present = process_flow(inputs).unbind(-1)
            doubt = self.doubt.sigmoid() * noise_of_leads(inputs).square()
            mixed = (1 - doubt) * (1 + of_process) * flow + doubt * start
            start = torch.where(present.bool(), mixed, start)
        return start + of_last * known


class Head(nn.Module):
    """A linear map of the features, and the skip.

    Parameters
    ----------
    config : HeadConfig
        See there.
    width : int
        Length of a lead's features.
    numbers : int
        Numbers of a distribution.
    """

    def __init__(self, config: HeadConfig, width: int, numbers: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, numbers)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)
        self.skip = Skip(width, config.process) if config.skip else None

    def forward(
        self, features: Tensor, inputs: ForecastInputs, last: LastFlow | None = None
    ) -> Distribution:
        """Distribution of each lead.

        Parameters
        ----------
        features : Tensor, (B, H, d)
            Of the leads.
        inputs : ForecastInputs
            The forecasts.
        last : LastFlow, optional
            The newest flow, where it is older than the inputs; theirs if left out.
        """
        raw, start = self._numbers(features, inputs, last)
        return self.distribution(raw, start)

    @abstractmethod
    def distribution(self, raw: Tensor, start: Tensor) -> Distribution:
        """From raw numbers (B, H, n) and the skip (B, H, 1)."""

    def _numbers(
        self, features: Tensor, inputs: ForecastInputs, last: LastFlow | None
    ) -> tuple[Tensor, Tensor]:
        normed = self.norm(features)
        raw = self.out(normed)
        if self.skip is None:
            return raw, raw.new_zeros(*raw.shape[:-1], 1)
        return raw, self.skip(normed, inputs, last or last_flow(inputs))[..., None]


class QuantileHead(Head):
    """Quantiles that cannot cross: the middle one, and positive steps away from it."""

    def __init__(self, config: HeadConfig, width: int) -> None:
        levels = torch.tensor(config.levels, dtype=torch.float64)
        inside = bool(((levels > 0) & (levels < 1)).all())
        if len(levels) < 3 or not inside or not bool((levels.diff() > 0).all()):
            raise ValueError(
                f"levels of a quantile head are three or more, rising, between 0 and 1; "
                f"got {list(config.levels)}"
            )
        super().__init__(config, width, len(levels))
        self._middle = int((levels - 0.5).abs().argmin())
        self._levels = levels
        # fresh steps follow a normal distribution of sd 0.3
        steps = 0.3 * torch.special.ndtri(levels).diff()
        with torch.no_grad():
            self.out.bias[1:] = torch.log(torch.expm1(steps)).to(self.out.bias)

    def distribution(self, raw: Tensor, start: Tensor) -> Distribution:
        """Distribution of each lead."""
        steps = softplus(raw[..., 1:])
        centre = start + raw[..., :1]
        below, above = steps[..., : self._middle], steps[..., self._middle :]
        lower = centre - below.flip(-1).cumsum(-1).flip(-1)
        upper = centre + above.cumsum(-1)
        return Quantiles(torch.cat([lower, centre, upper], -1), self._levels)


class MixtureHead(Head):
    """Countable mixture of asymmetric Laplacians (Klotz et al. 2022, HESS 26, section 3.2)."""

    def __init__(self, config: HeadConfig, width: int) -> None:
        if config.components < 1:
            raise ValueError(f"a mixture has one component or more, got {config.components}")
        super().__init__(config, width, 4 * config.components)
        self._components = config.components
        with torch.no_grad():  # start apart, or all components stay the same
            self.out.bias[self._components : 2 * self._components] = torch.linspace(
                -0.1, 0.1, self._components
            )
            self.out.bias[2 * self._components : 3 * self._components] = -2.0

    def distribution(self, raw: Tensor, start: Tensor) -> Distribution:
        """Distribution of each lead."""
        weight, location, scale, asymmetry = raw.chunk(4, -1)
        return AsymmetricLaplaceMixture(
            weight.softmax(-1),
            start + location,
            softplus(scale) + 1e-4,
            # away from 0 and 1, where the mean is infinite
            0.05 + 0.9 * asymmetry.sigmoid(),
        )


def make_head(config: HeadConfig, width: int) -> Head:
    """The head that `config` names.

    Raises
    ------
    ValueError
        When there is no such head, or its levels or components make no sense.
    """
    heads = {"quantiles": QuantileHead, "cmal": MixtureHead}
    if config.kind not in heads:
        raise ValueError(f"no head {config.kind!r}; there are {', '.join(heads)}")
    return heads[config.kind](config, width)
