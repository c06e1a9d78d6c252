"""What every streamflow model has: a forward pass to a distribution, features, internals, state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from catena.models.distributions import Distribution
from catena.models.flow_features import SEASON
from catena.models.forecast_inputs import ForecastInputs

Internals = dict[str, Tensor]
"""Named internals of one pass, such as attention maps; filled by the modules that have them."""


@dataclass(frozen=True)
class HeadConfig:
    """How a model says what it expects.

    Parameters
    ----------
    kind : str
        ``quantiles`` (non-crossing, with exponential tails) or ``cmal`` (mixture of asymmetric
        Laplacians).
    levels : tuple of float
        Levels of the quantiles, rising.
    components : int
        Components of the mixture.
    skip : bool
        The forecast is a change of the last flow, or of the process model's forecast where there
        is one.
    process : bool
        Whether the process model's forecast is used at all.
    """

    kind: str = "quantiles"
    levels: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
    components: int = 3
    skip: bool = True
    process: bool = True


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """Sizes of the inputs, and the head: the part of a configuration that all models share.

    Parameters
    ----------
    past_variables, future_variables : int
        Columns of the observed and of the forecast weather, the two of the season among them.
    statics : int
        Attributes and long sums of a basin.
    head : HeadConfig
        Of the forecast.
    """

    past_variables: int
    future_variables: int
    statics: int
    head: HeadConfig = field(default_factory=HeadConfig)

    @property
    def past_size(self) -> int:
        """Numbers per past day, flags included, without flow."""
        return 2 * self.past_variables - SEASON

    @property
    def future_size(self) -> int:
        """Numbers per lead: weather, flags, noise, and the process model's flow with its flag."""
        return 2 * self.future_variables - SEASON + 1 + (2 if self.head.process else 0)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a configuration from `asdict`, as JSON keeps it.

        Raises
        ------
        TypeError
            When there is a key that the configuration does not have, or one is missing.
        """
        head = dict(values.get("head", {}))
        if "levels" in head:
            head["levels"] = tuple(head["levels"])
        return cls(**{**values, "head": HeadConfig(**head)})


C = TypeVar("C", bound=FlowConfig)


class FlowModel(nn.Module, Generic[C]):
    """Base of the streamflow models.

    Parameters
    ----------
    config : FlowConfig
        The architecture; each model has a class of its own.
    seed : int
        Of the initial weights. The global generator is left as it was.

    Notes
    -----
    A model takes any number of past days and leads. Its forecast of a lead does not depend on the
    forecast weather of later leads, except in the public channel-token form.
    """

    Config: type[C]

    def __init__(self, config: C, seed: int = 0) -> None:
        super().__init__()
        self._config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = self.build(config)

    @abstractmethod
    def build(self, config: C) -> nn.Module:
        """Make the layers; returns the head, which takes features and inputs."""

    @abstractmethod
    def features(self, inputs: ForecastInputs, internals: Internals | None = None) -> Tensor:
        """What the head sees of each lead, (B, H, d).

        Parameters
        ----------
        inputs : ForecastInputs
            The forecasts.
        internals : dict, optional
            Takes what the model can show of this pass.
        """

    def forward(self, inputs: ForecastInputs) -> Distribution:
        """Distribution of scaled flow at each lead."""
        distribution: Distribution = self.head(self.features(inputs), inputs)
        return distribution

    @torch.no_grad()
    def explain(self, inputs: ForecastInputs) -> Internals:
        """Named internals of the forecasts: see :meth:`features` of each model for the names."""
        internals: Internals = {}
        self.head(self.features(inputs, internals), inputs)
        return internals

    def config(self) -> dict[str, Any]:
        """Architecture as JSON-able values; :meth:`from_state` reads it."""
        return asdict(self._config)

    def state(self) -> dict[str, Tensor]:
        """Weights by name, detached: what safetensors stores."""
        return {name: value.detach().contiguous() for name, value in self.state_dict().items()}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """Rebuild a model from :meth:`config` and :meth:`state`.

        Raises
        ------
        TypeError
            When the configuration is another model's.
        RuntimeError
            When a tensor is missing or has another shape than the architecture.
        """
        model = cls(cls.Config.from_mapping(config))
        model.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
        return model
