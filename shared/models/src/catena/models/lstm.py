"""LSTM for streamflow: one recurrence through the past and on through the leads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from catena.models import flow_features
from catena.models.distributions import Distribution
from catena.models.flow_features import LastFlow
from catena.models.flow_heads import Head, make_head
from catena.models.flow_model import FlowConfig, FlowModel, Internals
from catena.models.forecast_inputs import ForecastInputs
from catena.models.lstm_layer import LSTMLayer, State


@dataclass(frozen=True)
class LSTMState:
    """Where the recurrence stands at an issue time: what a hot start needs.

    Parameters
    ----------
    hidden, cell : Tensor, (B, d)
        Of the LSTM.
    flow, age : Tensor, (B,)
        The newest flow that is known and its age in days, as in :class:`LastFlow`.
    """

    hidden: Tensor
    cell: Tensor
    flow: Tensor
    age: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """What safetensors stores."""
        return {
            "hidden": self.hidden.detach().contiguous(),
            "cell": self.cell.detach().contiguous(),
            "flow": self.flow.detach().contiguous(),
            "age": self.age.detach().contiguous(),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> LSTMState:
        """Rebuild a state from :meth:`tensors`."""
        return cls(tensors["hidden"], tensors["cell"], tensors["flow"], tensors["age"])

    @property
    def last(self) -> LastFlow:
        """The newest flow."""
        return LastFlow(self.flow, self.age)

    @property
    def carry(self) -> State:
        """Hidden and cell state."""
        return self.hidden, self.cell


@dataclass(frozen=True, kw_only=True)
class LSTMConfig(FlowConfig):
    """Architecture of an :class:`LSTM` and of an `LSTMEncoderDecoder`.

    Parameters
    ----------
    width : int
        Length of the hidden state.
    embedding : int
        Length of the vector made of the inputs of a day.
    """

    width: int = 64
    embedding: int = 24


class RecurrentFlowModel(FlowModel[LSTMConfig]):
    """An LSTM reads the past; what reads the leads is left to the subclass."""

    Config = LSTMConfig

    def build(self, config: LSTMConfig) -> Head:
        """Make the layers; returns the head."""
        self.past_in = nn.Linear(config.past_size + 2, config.embedding)
        self.basin = nn.Linear(2 * config.statics, config.embedding, bias=False)
        self.future_in = nn.Linear(config.future_size, config.embedding)
        self.past = LSTMLayer(config.embedding, config.width)
        self.build_ahead(config)
        return make_head(config.head, config.width)

    def build_ahead(self, config: LSTMConfig) -> None:
        """Make the layers that read the leads, if there are more."""

    @abstractmethod
    def ahead(self, leads: Tensor, basin: Tensor, state: LSTMState) -> Tensor:
        """Features (B, H, d) of leads.

        Parameters
        ----------
        leads : Tensor, (B, H, n)
            What is known of each, to go through `future_in`.
        basin : Tensor, (B, e)
            Added to the inputs of every lead.
        state : LSTMState
            At the issue time.
        """

    def warm_up(self, inputs: ForecastInputs, start: LSTMState | None = None) -> LSTMState:
        """State at the issue time.

        Parameters
        ----------
        inputs : ForecastInputs
            Their past follows on `start`.
        start : LSTMState, optional
            State before the first day; a cold start if left out. A past in two parts gives the
            same state as the whole.
        """
        flow = flow_features.past_flow(inputs, start.last if start else None)
        days = torch.cat([flow_features.past_weather(inputs), flow], -1)
        carry = start.carry if start else None
        _, (hidden, cell) = self.past(days, carry, through=self.past_in, plus=self._basin(inputs))
        value, age = flow_features.carried_forward(inputs.past_flow, start.last if start else None)
        return LSTMState(hidden, cell, value[:, -1], age[:, -1])

    def features(
        self,
        inputs: ForecastInputs,
        internals: Internals | None = None,
        start: LSTMState | None = None,
    ) -> Tensor:
        """Hidden state at each lead, (B, H, d)."""
        state = self.warm_up(inputs, start)
        if internals is not None:
            internals |= {"hidden": state.hidden, "cell": state.cell}
        return self._ahead(inputs, state)

    def forward(self, inputs: ForecastInputs, start: LSTMState | None = None) -> Distribution:
        """Distribution of scaled flow at each lead, from a cold start or a hot one."""
        state = self.warm_up(inputs, start)
        distribution: Distribution = self.head(self._ahead(inputs, state), inputs, state.last)
        return distribution

    def _ahead(self, inputs: ForecastInputs, state: LSTMState) -> Tensor:
        leads = flow_features.future(inputs, self._config.head.process)
        return self.ahead(leads, self._basin(inputs), state)

    def _basin(self, inputs: ForecastInputs) -> Tensor:
        out: Tensor = self.basin(flow_features.statics(inputs))
        return out


class LSTM(RecurrentFlowModel):
    """One LSTM that runs on through the leads, without flow, on the forecast weather.

    :meth:`explain` gives ``hidden`` and ``cell`` (B, d) at the issue time.
    """

    def ahead(self, leads: Tensor, basin: Tensor, state: LSTMState) -> Tensor:
        """The recurrence goes on."""
        out: Tensor = self.past(leads, state.carry, through=self.future_in, plus=basin)[0]
        return out
