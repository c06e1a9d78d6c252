"""LSTM for basins without a gauge: weather, what is known of the basin, and the flow of donors."""

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
from catena.models.lstm_layer import LSTMLayer, recur
from catena.models.static_net import StaticConfig, StaticNet

DONOR_FLOOR = 0.1
"""Added to scaled flow of donors before its logarithm is taken."""
MOST_CHANGE = 3.0
"""Largest change of the logarithm of the donors' flow."""
FIRST_START = 2.0
"""Score of the first flow by donors at the start: e^2 times the weight of any other."""
OWN_START = -4.0
"""Where flow of the network's own starts, before softplus: next to none."""


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
    donor_flow : Tensor, (B, L, K), optional
        Flow by a process model with the parameters of gauged basins, the best guess first; scaled
        like the flow that is asked for.
    """

    weather: Tensor
    scored: int
    basin: Tensor
    attributes: Tensor
    chips: Tensor | None = None
    donor_flow: Tensor | None = None


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
    donors : int
        Flows by donors on every day; 0 to go without.
    """

    weather: int
    attributes: StaticConfig | None = None
    image: ImageConfig | None = None
    width: int = 64
    entity_gate: bool = False
    donors: int = 0

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

    With flows by donors the network starts from a mean in which the first weighs most, and learns
    what is wrong with it::

        flow = exp(a) sum_k w_k donor_k + softplus(b)

    where the weights `w` (a softmax), `a` and `b` of each day are linear in the hidden state, which
    sees the donors' flows too. `a` is bounded, so that an odd basin cannot blow a flood up.
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
            columns += config.donors
            self.lstm = LSTMLayer(columns + config.encoding, width)
            self.flow = nn.Linear(width, config.donors + 2 if config.donors else 1)
        if config.donors:
            with torch.no_grad():
                self.flow.weight.zero_()
                self.flow.bias.zero_()[0] = FIRST_START
                self.flow.bias[-1] = OWN_START
        inputs = torch.zeros(4 * width, columns + config.encoding)
        inputs[:width, columns:] = 1.0
        inputs[width:, :columns] = 1.0
        hidden = torch.ones(4 * width, width)
        hidden[:width] = 0.0
        self.entity_mask = (inputs, hidden)

    @property
    def donors(self) -> int:
        """Flows by donors that the model looks at on every day."""
        return self._config.donors

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

    def simulate(
        self, weather: Tensor, encoding: Tensor, donor_flow: Tensor | None = None
    ) -> Tensor:
        """Scaled flow of each day, (B, L), from a cold start.

        Parameters
        ----------
        weather : Tensor, (B, L, F)
        encoding : Tensor, (B, encoding)
            From :meth:`encode`.
        donor_flow : Tensor, (B, L, donors), optional
            See :class:`BasinSequences`; left out exactly where the model has no donors.

        Raises
        ------
        ValueError
            When flows by donors are missing, or as many as the model has not been made for.
        """
        came = 0 if donor_flow is None else donor_flow.shape[-1]
        if came != self._config.donors:
            raise ValueError(
                f"flows by {came} donors came; {self._config.donors} wanted on every day"
            )
        values, present = filled(weather)
        parts = [values, present[..., :-SEASON]]
        if donor_flow is not None:
            parts.append((donor_flow + DONOR_FLOOR).log())
        days = torch.cat(parts, -1)
        layer, columns = self.lstm, days.shape[2]
        of_input: Tensor = layer.weight_ih_l0
        of_hidden: Tensor = layer.weight_hh_l0
        if self._config.entity_gate:
            of_input = of_input * self.entity_mask[0].to(of_input)
            of_hidden = of_hidden * self.entity_mask[1].to(of_hidden)
        # what is known of the basin is the same every day
        offset = layer.bias_ih_l0 + layer.bias_hh_l0 + encoding @ of_input[:, columns:].T
        return self._head(recur(days, of_input[:, :columns], of_hidden, offset)[0], donor_flow)

    def _head(self, hidden: Tensor, donor_flow: Tensor | None) -> Tensor:
        out: Tensor = self.flow(hidden)
        own = softplus(out[..., -1])  # flow is not negative
        if donor_flow is None:
            return own
        mixed = (out[..., :-2].softmax(-1) * donor_flow).sum(-1)
        change = MOST_CHANGE * (out[..., -2] / MOST_CHANGE).tanh()
        return mixed * change.exp() + own

    def forward(self, inputs: BasinSequences) -> Distribution:
        """Scaled flow of the last days of each sequence, (B, scored)."""
        encoding = self.encode(inputs.attributes, inputs.chips)[inputs.basin]
        flow = self.simulate(inputs.weather, encoding, inputs.donor_flow)
        return PointFlow(flow[:, -inputs.scored :])

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
