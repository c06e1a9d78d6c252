"""The streamflow networks by name: what an artifact's JSON architecture says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from catena.models.channel_tst import ChannelTST
from catena.models.flow_model import FlowModel
from catena.models.interpretable_lstm import InterpretableLSTM
from catena.models.lstm import LSTM
from catena.models.lstm_ed import LSTMEncoderDecoder
from catena.models.tst import TST

FLOW_MODELS: dict[str, type[FlowModel[Any]]] = {
    "lstm": LSTM,
    "lstm_ed": LSTMEncoderDecoder,
    "interpretable_lstm": InterpretableLSTM,
    "channel_tst": ChannelTST,
    "tst": TST,
}


def flow_model_class(name: str) -> type[FlowModel[Any]]:
    """The class of a network.

    Raises
    ------
    ValueError
        When there is none of this name.
    """
    if name not in FLOW_MODELS:
        raise ValueError(f"no streamflow network {name!r}; there are {', '.join(FLOW_MODELS)}")
    return FLOW_MODELS[name]


def new_flow_model(name: str, config: Mapping[str, Any], seed: int) -> FlowModel[Any]:
    """A network with fresh weights; `config` is JSON-able, see each class's `Config`."""
    model = flow_model_class(name)
    return model(model.Config.from_mapping(config), seed)


def load_flow_model(
    name: str, config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> FlowModel[Any]:
    """A trained network from its architecture and its weights."""
    return flow_model_class(name).from_state(config, state)
