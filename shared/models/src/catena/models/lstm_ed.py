"""LSTM encoder-decoder for streamflow."""

from __future__ import annotations

from torch import Tensor, nn

from catena.models.lstm import LSTMConfig, LSTMState, RecurrentFlowModel, fused_lstm


class LSTMEncoderDecoder(RecurrentFlowModel):
    """An LSTM reads the past, a second one with a start made of the first one's end the leads.

    The common peer of transformers in multi-step streamflow forecasts (Kao et al. 2020, J. Hydrol.
    583, section 2). :meth:`explain` gives ``hidden`` and ``cell`` (B, d) of the encoder.
    """

    def build_ahead(self, config: LSTMConfig) -> None:
        """Make the decoder, and the bridges to it."""
        self.hidden_bridge = nn.Linear(config.width, config.width)
        self.cell_bridge = nn.Linear(config.width, config.width)
        self.decoder = fused_lstm(config.embedding, config.width)

    def ahead(self, days: Tensor, state: LSTMState) -> Tensor:
        """Run the decoder."""
        hidden = self.hidden_bridge(state.hidden).tanh()[None]
        cell = self.cell_bridge(state.cell)[None]
        out: Tensor = self.decoder(days, (hidden, cell))[0]
        return out
