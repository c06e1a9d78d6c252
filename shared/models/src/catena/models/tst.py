"""TST: a temporal transformer with two encoders, cross-temporal fusion and a flow decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from catena.models import flow_features
from catena.models.flow_heads import Head, make_head
from catena.models.flow_model import FlowConfig, FlowModel, Internals
from catena.models.forecast_inputs import ForecastInputs
from catena.models.tst_parts import CrossTemporalFusion, FlowDecoder, FutureEncoder, PatchEncoder


@dataclass(frozen=True, kw_only=True)
class TSTConfig(FlowConfig):
    """Architecture of a :class:`TST`.

    Parameters
    ----------
    width, heads : int
        Length of a token and heads of attention: few wide ones are fast on a CPU.
    past_layers, future_layers, decoder_layers : int
        Blocks of the two encoders and of the lead queries.
    patch, stride : int
        Days of a patch of the past, and between patches.
    """

    width: int = 48
    heads: int = 3
    past_layers: int = 2
    future_layers: int = 1
    decoder_layers: int = 1
    patch: int = 16
    stride: int = 8


class TST(FlowModel[TSTConfig]):
    """Two encoders read past and forecast weather, a fusion weighs them, a decoder adds past flow.

    One set of weights serves perfect, noisy, partial or no forecasts: what is missing is flagged,
    and the noise of the forecast is an input. The head's skips make it a hybrid: the forecast is a
    change of the last flow, or of a process model's forecast where one is given.

    Notes
    -----
    :meth:`explain` gives ``gate`` (B, H), the trust in the forecast of each lead;
    ``fusion_attention`` (B, heads, H, n) of leads to past patches; ``past_attention`` (B, layers,
    heads, n, n) and ``future_attention`` (B, layers, heads, H, H) of the encoders;
    ``flow_attention`` (B, heads, m, m), ``flow_past_attention`` (B, heads, m, n); and
    ``lead_attention`` (B, layers, heads, H, m + n + H) of the lead queries to flow patches, past
    patches and fused tokens. Patches end at the issue time, see :func:`tst_parts.patches`.
    """

    Config = TSTConfig

    def build(self, config: TSTConfig) -> Head:
        """Make the layers; returns the head."""
        d, heads = config.width, config.heads
        self.basin = nn.Linear(2 * config.statics, d)
        self.past = PatchEncoder(
            config.past_size + 2, d, heads, config.past_layers, config.patch, config.stride
        )
        self.future = FutureEncoder(config.future_size, d, heads, config.future_layers)
        self.fusion = CrossTemporalFusion(d, heads)
        self.decoder = FlowDecoder(2, d, heads, config.decoder_layers, config.patch, config.stride)
        return make_head(config.head, d)

    def features(self, inputs: ForecastInputs, internals: Internals | None = None) -> Tensor:
        """Tokens of the lead queries, (B, H, d)."""
        past_maps: list[Tensor] | None = None if internals is None else []
        future_maps: list[Tensor] | None = None if internals is None else []
        basin = self.basin(flow_features.statics(inputs))
        flow = flow_features.past_flow(inputs)
        weather = flow_features.past_weather(inputs)
        past = self.past(torch.cat([weather, flow], -1), basin, past_maps)
        ahead = flow_features.future(inputs, self._config.head.process)
        future = self.future(ahead, basin, future_maps)
        fused = self.fusion(future, past, internals)
        if internals is not None and past_maps is not None and future_maps is not None:
            internals["past_attention"] = torch.stack(past_maps, 1)
            internals["future_attention"] = torch.stack(future_maps, 1)
        tokens: Tensor = self.decoder(flow, past, fused, basin, internals)
        return tokens
