"""Multi-head attention whose map can be looked at, and pre-norm blocks made of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention


class Attention(nn.Module):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017, section 3.2).

    Parameters
    ----------
    width, heads : int
        Length of a token; heads, of which it is a multiple.

    Raises
    ------
    ValueError
        When the width is no multiple of the heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} of a token is no multiple of its {heads} heads")
        self._heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        tokens: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Each of `tokens` (B, n, d) takes what it needs from `memory` (B, m, d).

        Parameters
        ----------
        tokens, memory : Tensor
            Who asks, and who is asked.
        mask : Tensor, (n, m), bool
            True where a token may look; everywhere if left out.
        maps : list, optional
            Takes the attention map, (B, heads, n, m); rows sum to 1.
        """
        query = self._split(self.query(tokens))
        key, value = (self._split(x) for x in self.key_value(memory).chunk(2, -1))
        if maps is not None:
            score = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
            if mask is not None:
                score = score.masked_fill(~mask, -torch.inf)
            maps.append(score.softmax(-1))
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self._heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """Two layers with a GELU, added to what they are given, normed before."""

    def __init__(self, width: int, factor: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, factor * width)
        self.down = nn.Linear(factor * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of the same shape."""
        out: Tensor = x + self.down(gelu(self.up(self.norm(x))))
        return out


class SelfBlock(nn.Module):
    """Self-attention and a feed-forward part, pre-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed = FeedForward(width)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, maps: list[Tensor] | None = None
    ) -> Tensor:
        """Tokens (B, n, d); `mask` and `maps` as in :class:`Attention`."""
        normed = self.norm(x)
        out: Tensor = self.feed(x + self.attention(normed, normed, mask, maps))
        return out


class CrossBlock(nn.Module):
    """Cross-attention to a memory that is normed already, and a feed-forward part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed = FeedForward(width)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Tokens (B, n, d) that asked `memory` (B, m, d)."""
        out: Tensor = self.feed(x + self.attention(self.norm(x), memory, mask, maps))
        return out


def causal(leads: int, device: torch.device) -> Tensor:
    """Mask (leads, leads) in which a lead sees itself and earlier ones."""
    return torch.ones(leads, leads, dtype=torch.bool, device=device).tril()


def position_code(days: Tensor, width: int) -> Tensor:
    """Sines and cosines of positions in days, (n, width), with periods of 2 to about 2000 days.

    Any position can be coded, so no length of a window is fixed in the weights (Vaswani et al.
    2017, section 3.5).
    """
    half = (width + 1) // 2
    rate = math.pi * 1000.0 ** (-torch.arange(half, device=days.device) / max(half - 1, 1))
    angle = days[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], -1)[:, :width]
