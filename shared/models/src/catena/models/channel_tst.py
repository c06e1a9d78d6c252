"""The public channel-token transformer, for comparison."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from catena.models import flow_features
from catena.models.attention import SelfBlock
from catena.models.flow_heads import Head, make_head
from catena.models.flow_model import FlowConfig, FlowModel, Internals
from catena.models.forecast_inputs import ForecastInputs


@dataclass(frozen=True, kw_only=True)
class ChannelTSTConfig(FlowConfig):
    """Architecture of a :class:`ChannelTST`.

    Parameters
    ----------
    window, max_leads : int
        Days of past and leads that the weights are made for.
    width, heads, layers : int
        Sizes of the transformer.
    lead_width : int
        Length of a lead's features.
    """

    window: int = 90
    max_leads: int = 30
    width: int = 64
    heads: int = 4
    layers: int = 2
    lead_width: int = 16


class ChannelTST(FlowModel[ChannelTSTConfig]):
    """One encoder over one token per channel, and a flat head: the form of the public code.

    A channel is a whole series: past weather, past flow, forecast weather, each with its flags
    (tokens of whole series: Liu et al. 2024, iTransformer, section 3). Window and leads are fixed
    in the weights: longer pasts are cut, shorter ones and fewer leads count as missing. There is
    no fusion of past and forecast, and forecasts of early leads see the weather of late ones.

    :meth:`explain` gives ``channel_attention`` (B, layers, heads, n, n).
    """

    Config = ChannelTSTConfig

    def build(self, config: ChannelTSTConfig) -> Head:
        """Make the layers; returns the head."""
        d = config.width
        channels = config.past_size + 2 + config.future_size
        self.past_embed = nn.Linear(config.window, d)
        self.future_embed = nn.Linear(config.max_leads, d)
        self.channel = nn.Parameter(torch.randn(channels, d) * 0.1)
        self.basin = nn.Linear(2 * config.statics, d)
        self.blocks = nn.ModuleList(SelfBlock(d, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d)
        self.flat = nn.Linear((channels + 1) * d, config.max_leads * config.lead_width)
        return make_head(config.head, config.lead_width)

    def features(self, inputs: ForecastInputs, internals: Internals | None = None) -> Tensor:
        """Parts of the flat head's output, (B, H, d).

        Raises
        ------
        ValueError
            When more leads are asked for than the weights have.
        """
        config = self._config
        if inputs.leads > config.max_leads:
            raise ValueError(
                f"{inputs.leads} leads asked of a channel-token transformer made for at most "
                f"{config.max_leads}; ask for fewer, or train one with more max_leads"
            )
        weather = flow_features.past_weather(inputs)
        past = torch.cat([weather, flow_features.past_flow(inputs)], -1)[:, -config.window :]
        past = pad(past, (0, 0, config.window - past.shape[1], 0))
        future = flow_features.future(inputs, config.head.process)
        future = pad(future, (0, 0, 0, config.max_leads - inputs.leads))
        series = [self.past_embed(past.transpose(1, 2)), self.future_embed(future.transpose(1, 2))]
        tokens = torch.cat(series, 1) + self.channel
        basin = self.basin(flow_features.statics(inputs))[:, None]
        tokens = torch.cat([tokens, basin], 1)
        maps: list[Tensor] | None = None if internals is None else []
        for block in self.blocks:
            tokens = block(tokens, None, maps)
        if internals is not None and maps is not None:
            internals["channel_attention"] = torch.stack(maps, 1)
        leads: Tensor = self.flat(self.norm(tokens).flatten(1))
        return leads.view(len(leads), config.max_leads, -1)[:, : inputs.leads]
