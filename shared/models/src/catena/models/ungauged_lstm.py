"""LSTM for basins without a gauge: weather alone, and what is known of the basin as one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from catena.models.distributions import Distribution, as_levels
from catena.models.flow_features import SEASON, filled
from catena.models.image_net import ImageConfig, ImageNet
from catena.models.lstm import fused_lstm
from catena.models.static_net import StaticConfig, StaticNet

_WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


@dataclass(frozen=True)
class BasinSequences:
    """Days of weather of `B` sequences in `U` basins.

    Parameters
    ----------
    weather : Tensor, (B, L, F)
        Scaled, the two columns of the season last; NaN where missing.
    scored : int
        Days at the end whose flow is asked for; those before warm the model up.
    basin : Tensor, (B,), int
        Row of each sequence's basin in what follows.
    attributes : Tensor, (U, S)
        Scaled, NaN where missing.
    chips : Tensor, (U, bands + 1, size, size), optional
        See :meth:`ImageNet.forward`.
    """

    weather: Tensor
    scored: int
    basin: Tensor
    attributes: Tensor
    chips: Tensor | None = None


class PointFlow(Distribution):
    """Flow that is told without a spread: all probability on one value, (B, H)."""

    def __init__(self, value: Tensor) -> None:
        self._value = value

    def mean(self) -> Tensor:
        """The value."""
        return self._value

    def quantile(self, levels: Tensor | Sequence[float]) -> Tensor:
        """The value, at every level."""
        tau = as_levels(levels, self._value)
        return self._value[..., None].expand(*self._value.shape, len(tau))

    def cdf(self, value: Tensor) -> Tensor:
        """A step from 0 to 1; NaN where `value` is."""
        return torch.where(value.isnan(), value, (value >= self._value).to(value.dtype))

    def crps(self, observed: Tensor) -> Tensor:
        """The absolute error."""
        return (observed - self._value).abs()


@dataclass(frozen=True, kw_only=True)
class UngaugedConfig:
    """Architecture of an :class:`UngaugedLSTM`.

    Parameters
    ----------
    weather : int
        Columns of the weather, the two of the season among them.
    attributes : StaticConfig, optional
    image : ImageConfig, optional
        What is left out is not looked at.
    width : int
        Length of the hidden state.
    entity_gate : bool
        The input gate is set by the basin alone, in place of an encoding that is an input of every
        day.
    """

    weather: int
    attributes: StaticConfig | None = None
    image: ImageConfig | None = None
    width: int = 64
    entity_gate: bool = False

    @property
    def encoding(self) -> int:
        """Length of what is known of a basin."""
        return sum(part.outputs for part in (self.attributes, self.image) if part is not None)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> UngaugedConfig:
        """Rebuild a configuration from `asdict`, as JSON keeps it.

        Raises
        ------
        TypeError
            When there is a key that the configuration does not have, or one is missing.
        """
        parts = dict(values)
        for name, kind in (("attributes", StaticConfig), ("image", ImageConfig)):
            if parts.get(name) is not None:
                parts[name] = kind(**parts[name])
        return cls(**parts)


class UngaugedLSTM(nn.Module):
    """Flow of each day from the weather up to it; past flow is no input.

    Flow is scaled by the mean precipitation of the basin, which is known without a gauge.

    Parameters
    ----------
    config : UngaugedConfig
    seed : int
        Of the initial weights. The global generator is left as it was.

    Raises
    ------
    ValueError
        When an input gate is to be set by a basin of which nothing is known.

    Notes
    -----
    Tayal, Renganathan and Lu (2024, Environ. Res. Lett.) concatenate encodings of attributes and
    images. The entity-aware form (Kratzert et al. 2019, HESS 23, 5089-5110, eq. 10 to 15) is the
    same recurrence with weights that are held at zero: the input gate sees the encoding alone, the
    other gates and the candidate see weather and hidden state alone. So it too is one operation.
    """

    entity_mask: tuple[Tensor, Tensor]

    def __init__(self, config: UngaugedConfig, seed: int = 0) -> None:
        super().__init__()
        if config.entity_gate and not config.encoding:
            raise ValueError(
                "the input gate is to be set by the basin, but neither attributes nor images came; "
                "give one, or leave entity_gate out"
            )
        self._config = config
        columns, width = 2 * config.weather - SEASON, config.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.static = StaticNet(config.attributes) if config.attributes else None
            self.image = ImageNet(config.image) if config.image else None
            self.lstm = fused_lstm(columns + config.encoding, width)
            self.flow = nn.Linear(width, 1)
        inputs = torch.zeros(4 * width, columns + config.encoding)
        inputs[:width, columns:] = 1.0
        inputs[width:, :columns] = 1.0
        hidden = torch.ones(4 * width, width)
        hidden[:width] = 0.0
        self.entity_mask = (inputs, hidden)

    def encode(self, attributes: Tensor, chips: Tensor | None = None) -> Tensor:
        """What the model knows of basins, (U, encoding): once per basin, for any number of days.

        Raises
        ------
        ValueError
            When the model looks at images and none came.
        """
        parts = [attributes.new_empty(len(attributes), 0)]
        if self.static is not None:
            parts.append(self.static(attributes))
        if self.image is not None:
            if chips is None:
                raise ValueError("the model looks at images and no chips came; give one per basin")
            parts.append(self.image(chips))
        return torch.cat(parts, 1)

    def simulate(self, weather: Tensor, encoding: Tensor) -> Tensor:
        """Scaled flow of each day, (B, L), from a cold start.

        Parameters
        ----------
        weather : Tensor, (B, L, F)
        encoding : Tensor, (B, encoding)
            From :meth:`encode`.
        """
        values, present = filled(weather)
        known = encoding[:, None].expand(-1, weather.shape[1], -1)
        days = torch.cat([values, present[..., :-SEASON], known], -1)
        if not self._config.entity_gate:
            return self._head(self.lstm(days)[0])
        w, u, b, c = (self.lstm.get_parameter(name) for name in _WEIGHTS)
        weights = [w * self.entity_mask[0].to(w), u * self.entity_mask[1].to(u), b, c]
        start = days.new_zeros(1, len(days), self._config.width)
        hidden = torch.lstm(days, (start, start), weights, True, 1, 0.0, False, False, True)[0]
        return self._head(hidden)

    def _head(self, hidden: Tensor) -> Tensor:
        # Flow is not negative.
        return softplus(self.flow(hidden)[..., 0])

    def forward(self, inputs: BasinSequences) -> Distribution:
        """Scaled flow of the last days of each sequence, (B, scored)."""
        encoding = self.encode(inputs.attributes, inputs.chips)[inputs.basin]
        return PointFlow(self.simulate(inputs.weather, encoding)[:, -inputs.scored :])

    def config(self) -> dict[str, Any]:
        """Architecture as JSON-able values; :meth:`from_state` reads it."""
        return asdict(self._config)

    def state(self) -> dict[str, Tensor]:
        """Weights by name, detached: what safetensors stores."""
        return {name: value.detach().contiguous() for name, value in self.state_dict().items()}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> UngaugedLSTM:
        """Rebuild a model from :meth:`config` and :meth:`state`.

        Raises
        ------
        TypeError
            When the configuration is another model's.
        RuntimeError
            When a tensor is missing or has another shape than the architecture.
        """
        model = cls(UngaugedConfig.from_mapping(config))
        model.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
        return model
