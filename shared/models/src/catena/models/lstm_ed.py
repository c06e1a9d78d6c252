"""LSTM encoder-decoder for streamflow."""

from __future__ import annotations

from torch import Tensor, nn

from catena.models.lstm import LSTMConfig, LSTMState, RecurrentFlowModel
from catena.models.lstm_layer import LSTMLayer


class LSTMEncoderDecoder(RecurrentFlowModel):
    """An LSTM reads the past, a second one with a start made of the first one's end the leads.

    The common peer of transformers in multi-step streamflow forecasts (Kao et al. 2020, J. Hydrol.
    583, section 2). :meth:`explain` gives ``hidden`` and ``cell`` (B, d) of the encoder.
    """

    def build_ahead(self, config: LSTMConfig) -> None:
        """Make the decoder, and the bridges to it."""
        self.hidden_bridge = nn.Linear(config.width, config.width)
        self.cell_bridge = nn.Linear(config.width, config.width)
        self.decoder = LSTMLayer(config.embedding, config.width)

    def ahead(self, leads: Tensor, basin: Tensor, state: LSTMState) -> Tensor:
        """Run the decoder."""
        hidden = self.hidden_bridge(state.hidden).tanh()
        cell = self.cell_bridge(state.cell)
        out: Tensor = self.decoder(leads, (hidden, cell), through=self.future_in, plus=basin)[0]
        return out
