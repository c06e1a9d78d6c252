"""Parts of the temporal transformer: encoders of past and forecast, their fusion, the decoder.

Tokens are of width `d`; days count from the issue time, the past being negative.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from catena.models.attention import (
    Attention,
    CrossBlock,
    FeedForward,
    SelfBlock,
    causal,
    position_code,
)
from catena.models.flow_model import Internals


def patches(series: Tensor, size: int, stride: int) -> tuple[Tensor, Tensor]:
    """Cut a series into overlapping patches that end at the issue time.

    Parameters
    ----------
    series : Tensor, (B, L, C)
        Channels by day, the last day at the end. Days before the first one count as missing: 0.
    size, stride : int
        Days of a patch, and between patches.

    Returns
    -------
    cut : Tensor, (B, n, size C)
    days : Tensor, (n,)
        Last day of each patch: 0 is the day of the issue time, -1 the one before.
    """
    length = series.shape[1]
    more = -(-max(length - size, 0) // stride)
    whole = pad(series, (0, 0, size + more * stride - length, 0))
    cut = whole.unfold(1, size, stride).flatten(2)
    days = torch.arange(-more, 1, device=series.device) * stride
    return cut, days.to(series.dtype)


class PatchEncoder(nn.Module):
    """Patches of a past series as tokens that know of one another.

    The past weather and flow are encoded by one (PastEncoder), the past flow alone by another
    (in the FlowDecoder).

    Parameters
    ----------
    channels, width, heads, layers : int
        Channels of the series, and the sizes of the transformer.
    patch, stride : int
        Days of a patch, and between patches.
    """

    def __init__(
        self, channels: int, width: int, heads: int, layers: int, patch: int, stride: int
    ) -> None:
        super().__init__()
        self._patch, self._stride, self._width = patch, stride, width
        self.embed = nn.Linear(patch * channels, width)
        self.blocks = nn.ModuleList(SelfBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, series: Tensor, basin: Tensor, maps: list[Tensor] | None = None) -> Tensor:
        """Tokens (B, n, d) of `series` (B, L, C) in a basin (B, d)."""
        cut, days = patches(series, self._patch, self._stride)
        tokens = self.embed(cut) + basin[:, None] + position_code(days, self._width)
        for block in self.blocks:
            tokens = block(tokens, None, maps)
        out: Tensor = self.norm(tokens)
        return out


class FutureEncoder(nn.Module):
    """One token per lead, causal over leads: so any number of leads can be asked for."""

    def __init__(self, channels: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self._width = width
        self.embed = nn.Linear(channels, width)
        self.blocks = nn.ModuleList(SelfBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, future: Tensor, basin: Tensor, maps: list[Tensor] | None = None) -> Tensor:
        """Tokens (B, H, d) of `future` (B, H, C) in a basin (B, d)."""
        leads = future.shape[1]
        days = torch.arange(1, leads + 1, device=future.device, dtype=future.dtype)
        tokens = self.embed(future) + basin[:, None] + position_code(days, self._width)
        mask = causal(leads, future.device)
        for block in self.blocks:
            tokens = block(tokens, mask, maps)
        out: Tensor = self.norm(tokens)
        return out


class CrossTemporalFusion(nn.Module):
    """Forecast and past, weighed by a gate: how far the forecast of a lead is trusted.

    ``A = MHA(q = Fut, k = v = Past)``, ``g = sigmoid(W [Fut; A])``, ``g Fut + (1 - g) A``. The
    gate is the denoiser.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.gate = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, future: Tensor, past: Tensor, internals: Internals | None = None) -> Tensor:
        """Fused tokens (B, H, d) of `future` (B, H, d) and `past` (B, n, d)."""
        maps: list[Tensor] | None = None if internals is None else []
        remembered = self.attention(future, past, None, maps)
        gate = torch.sigmoid(self.gate(torch.cat([future, remembered], -1)))
        if internals is not None and maps is not None:
            internals["gate"] = gate.mean(-1)
            internals["fusion_attention"] = maps[0]
        out: Tensor = self.norm(gate * future + (1 - gate) * remembered)
        return out


class FlowDecoder(nn.Module):
    """From past flow and the fused tokens to one token per lead.

    Patches of past flow look at one another and at the past. Each lead, starting from its fused
    token, asks past flow, the past, and the fused tokens of leads up to its own. (Patches of flow
    do not look at fused tokens: they would carry the weather of late leads to early ones.)
    """

    def __init__(
        self, channels: int, width: int, heads: int, layers: int, patch: int, stride: int
    ) -> None:
        super().__init__()
        self.flow = PatchEncoder(channels, width, heads, 1, patch, stride)
        self.look = CrossBlock(width, heads)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(CrossBlock(width, heads) for _ in range(layers))
        self.feed = FeedForward(width)

    def forward(
        self,
        flow: Tensor,
        past: Tensor,
        fused: Tensor,
        basin: Tensor,
        internals: Internals | None = None,
    ) -> Tensor:
        """Tokens (B, H, d) of leads."""
        flow_maps: list[Tensor] | None = None if internals is None else []
        lead_maps: list[Tensor] | None = None if internals is None else []
        tokens = self.norm(self.look(self.flow(flow, basin, flow_maps), past, None, flow_maps))
        memory = torch.cat([tokens, past, fused], 1)
        leads = fused.shape[1]
        before = torch.ones(
            leads, tokens.shape[1] + past.shape[1], dtype=torch.bool, device=fused.device
        )
        mask = torch.cat([before, causal(leads, fused.device)], 1)
        for block in self.blocks:
            fused = block(fused, memory, mask, lead_maps)
        if internals is not None and flow_maps is not None and lead_maps is not None:
            internals["flow_attention"], internals["flow_past_attention"] = flow_maps
            internals["lead_attention"] = torch.stack(lead_maps, 1)
        return self.feed(fused)
