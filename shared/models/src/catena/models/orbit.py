"""ORBIT: a vision transformer over fields of the Earth system, for one device.

Wang et al. 2024 (ORBIT, SC24), which is ClimaX (Nguyen et al. 2023) with a layer norm of queries
and keys. Parts that parallel training replaces or leaves out are members of their own: `embedding`
and `head` may be None in a stage of a pipeline, and `Block.attention.core` is where heads are
exchanged between processes.

Weights begin as a function of (seed, name, shape), so that any split over processes begins alike.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_embedding import FieldEmbedding, patches, unpatched

__all__ = ["Block", "FieldHead", "Orbit", "drawn", "initial", "initialise", "stacked_blocks"]

SPREAD = 0.02
"""Standard deviation at the start of weights that shall hardly be felt (ViT)."""


class AttentionCore(nn.Module):
    """Attention between queries, keys and values that are there already."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Mixed values, (B, heads, L, d), of queries, keys and values of that shape."""
        return scaled_dot_product_attention(query, key, value)


class SelfAttention(nn.Module):
    """Self-attention with a layer norm of each head's queries and keys (Dehghani et al. 2023).

    Rows of `qkv` come head by head, (heads, 3, d): a share of the rows is a share of the heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.query_norm = nn.LayerNorm(self.head_width)
        self.key_norm = nn.LayerNorm(self.head_width)
        self.core = AttentionCore()
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, L, D) that looked at one another."""
        mixed = self.core(*self._heads(tokens))
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def maps(self, tokens: Tensor) -> Tensor:
        """Which token (second L) each token looks at, (B, heads, L, L); rows add up to 1."""
        query, key, _ = self._heads(tokens)
        return (query @ key.transpose(-1, -2) / math.sqrt(self.head_width)).softmax(-1)

    def _heads(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Normed queries and keys, and values, (B, heads, L, d)."""
        # Heads are counted, not remembered: with a share of the rows there are fewer.
        made = self.qkv(tokens).unflatten(-1, (-1, 3, self.head_width))
        # (B, L, heads, d) as they lie, gradients too: nothing large is put in another order.
        query, key, value = made.unbind(-2)
        heads = self.query_norm(query), self.key_norm(key), value
        return tuple(one.transpose(1, 2) for one in heads)


class _GeluLinear(torch.autograd.Function):
    """``gelu(x) W^T + b``: of the two, x is kept, and gelu(x) made again for the gradient.

    Both are as wide as the feed-forward part, the widest of a block.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Of x (..., in), W (out, in) and b (out,)."""
        ctx.save_for_backward(hidden, weight)
        return linear(gelu(hidden), weight, bias)

    @staticmethod
    def backward(ctx: Any, asked: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Gradients of the three."""
        hidden, weight = ctx.saved_tensors
        rows = asked.flatten(0, -2)
        to_hidden = to_weight = to_bias = None
        # Weights are in single precision where the computation is in half (autocast).
        if ctx.needs_input_grad[1]:
            to_weight = (rows.T @ gelu(hidden).flatten(0, -2)).to(weight.dtype)
        if ctx.needs_input_grad[2]:
            to_bias = rows.sum(0).to(weight.dtype)
        if ctx.needs_input_grad[0]:
            to_hidden = torch.ops.aten.gelu_backward(asked @ weight.to(asked.dtype), hidden)
        return to_hidden, to_weight, to_bias


class FeedForward(nn.Module):
    """Two layers with a GELU between."""

    remakes_gelu = True
    """Whether GELU is made again for the gradient; of no use where the whole block is."""

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, factor * width)
        self.down = nn.Linear(factor * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens of the same shape."""
        hidden, down = self.up(tokens), self.down
        # Whatever stands in the layer's place, or before it (shares of other processes, weights
        # that are to be gathered), is asked as a layer.
        plain = type(down) is nn.Linear and not down._forward_pre_hooks
        out: Tensor = (
            _GeluLinear.apply(hidden, down.weight, down.bias)  # type: ignore[no-untyped-call]
            if plain and self.remakes_gelu
            else down(gelu(hidden))
        )
        return out


class Block(nn.Module):
    """Pre-norm transformer block.

    Parameters
    ----------
    width, heads, factor : int
        Length of a token, heads, width of the feed-forward part in tokens' widths.
    skip : float
        Share of samples that skip each half of the block while training (drop path).
    """

    def __init__(self, width: int, heads: int, factor: int, skip: float = 0.0) -> None:
        super().__init__()
        self.skip = skip
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = FeedForward(width, factor)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, L, D)."""
        tokens = tokens + self._kept(self.attention(self.attention_norm(tokens)))
        return tokens + self._kept(self.feed(self.feed_norm(tokens)))

    def _kept(self, change: Tensor) -> Tensor:
        if not self.training or self.skip == 0.0:
            return change
        kept = torch.rand(len(change), 1, 1, device=change.device) >= self.skip
        return change * kept / (1.0 - self.skip)


def stacked_blocks(
    width: int, heads: int, feed: int, depth: int, drop_path: float
) -> nn.ModuleDict:
    """Blocks by their place in the whole model: a stage of a pipeline keeps the names.

    The share of samples that skip a block rises from 0 in the first to `drop_path` in the last.
    """
    last = max(depth - 1, 1)
    return nn.ModuleDict(
        {str(place): Block(width, heads, feed, drop_path * place / last) for place in range(depth)}
    )


class FieldHead(nn.Module):
    """Tokens to fields."""

    def __init__(self, config: OrbitConfig) -> None:
        super().__init__()
        self.config = config
        self.norm = nn.LayerNorm(config.width)
        self.hidden = nn.ModuleList(
            nn.Linear(config.width, config.width) for _ in range(config.decoder_depth)
        )
        self.out = nn.Linear(config.width, len(config.outputs) * config.patch**2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Fields (B, V_out, H, W) of tokens (B, L, D)."""
        tokens = self.norm(tokens)
        for layer in self.hidden:
            tokens = gelu(layer(tokens))
        return unpatched(self.out(tokens), self.config.grid, self.config.patch)


class Orbit(nn.Module):
    """Fields at one time to fields a lead time later.

    Parameters
    ----------
    config : OrbitConfig
    """

    def __init__(self, config: OrbitConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding: FieldEmbedding | None = FieldEmbedding(config)
        self.blocks = stacked_blocks(
            config.width, config.heads, config.feed, config.depth, config.drop_path
        )
        self.head: FieldHead | None = FieldHead(config)

    def forward(
        self,
        fields: Tensor,
        variables: Tensor | None = None,
        lead_hours: Tensor | None = None,
        present: Tensor | None = None,
    ) -> Tensor:
        """Predicted fields, (B, V_out, H, W), in the units of the targets of training.

        Parameters
        ----------
        fields : Tensor, (B, V, H, W)
            Normalised fields; in a stage without embedding, tokens (B, L, D).
        variables : Tensor, (V,), int64
            Which they are (:func:`catena.models.orbit_config.variable_ids`); all by default.
        lead_hours : Tensor, (B,)
            Hours ahead; 0 by default.
        present : Tensor, (B, V), bool, optional
            False where a sample lacks a variable; whatever stands there is not looked at.
        """
        tokens = fields
        if self.embedding is not None:
            if variables is None:
                variables = torch.arange(fields.shape[1], device=fields.device)
            if lead_hours is None:
                lead_hours = fields.new_zeros(len(fields))
            tokens = self.embedding(fields, variables, lead_hours, present)
        for block in self.blocks.values():
            tokens = block(tokens)
        return tokens if self.head is None else self.head(tokens)

    @torch.no_grad()
    def explain(
        self,
        fields: Tensor,
        variables: Tensor,
        lead_hours: Tensor,
        present: Tensor | None = None,
        places: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Named internals of a pass of a whole model, which :meth:`forward` does not make.

        Parameters
        ----------
        fields, variables, lead_hours, present
            As in :meth:`forward`.
        places : Tensor, (Q,), int64, optional
            Patches (rows of patches first) whose attention is asked for; all by default.

        Returns
        -------
        variable_share : Tensor, (B, heads, V, L)
            How much the aggregation listens to each variable at each place.
        attention : Tensor, (B, depth, heads, Q, L)
            Which places each of `places` looks at, block by block.
        rollout : Tensor, (B, Q, L)
            The same through all blocks: the product of their maps, mean over heads, with half of
            each token passed on by the residual (Abnar & Zuidema 2020, section 3).

        Raises
        ------
        ValueError
            When the model is a stage of a pipeline.
        """
        if self.embedding is None or self.head is None:
            raise ValueError("a stage of a pipeline came; only a whole model can be explained")
        cut = patches(
            fields if present is None else torch.where(present[..., None, None], fields, 0.0),
            self.config.patch,
        )
        share = self.embedding.aggregation.shares(cut, variables, present)
        tokens = self.embedding(fields, variables, lead_hours, present)
        if places is None:
            places = torch.arange(tokens.shape[1], device=tokens.device)
        asked = []
        rollout = torch.eye(tokens.shape[1], dtype=tokens.dtype, device=tokens.device)[None]
        for block in cast("Iterable[Block]", self.blocks.values()):
            maps = block.attention.maps(block.attention_norm(tokens))
            asked.append(maps[:, :, places])
            rollout = (rollout + maps.mean(1) @ rollout) / 2
            tokens = block(tokens)
        empty = tokens.new_zeros(len(tokens), 0, self.config.heads, len(places), tokens.shape[1])
        return {
            "variable_share": share,
            "attention": torch.stack(asked, 1) if asked else empty,
            "rollout": rollout.expand(len(tokens), -1, -1)[:, places],
        }


def initial(
    config: OrbitConfig, name: str, shape: tuple[int, ...], seed: int, dtype: torch.dtype
) -> Tensor:
    """Weights to begin with: a function of the seed and the parameter's name and shape.

    Norms begin as the identity, biases at 0, positions as sines and cosines of row and column
    (Vaswani et al. 2017, section 3.5). All else is normal. Weights of layers keep the variance of
    what comes in (LeCun et al. 1998), those that add to the tokens of a block by
    ``1 / sqrt(2 depth)`` less (Radford et al. 2019), and the tokeniser by ``sqrt(V)`` more, which
    the mean over V variables takes away again: fields are then as loud as places from the first
    step, where the usual 0.02 has to be learned away for hundreds. The last layer has 0.02, so that
    hardly anything is predicted at first.
    """
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "bias":
        return torch.zeros(shape, dtype=dtype)
    if "norm" in name:
        return torch.ones(shape, dtype=dtype)
    if leaf == "position":
        return _places(config).to(dtype)
    spread = SPREAD
    if leaf == "tokeniser":
        spread = math.sqrt(len(config.variables)) / config.patch
    elif leaf == "weight" and not name.startswith("head.out."):
        spread = 1.0 / math.sqrt(shape[1])
        if name.endswith(("attention.out.weight", "feed.down.weight")):
            spread /= math.sqrt(2 * config.depth)
    return drawn(name, shape, seed, spread, dtype)


def drawn(
    name: str, shape: tuple[int, ...], seed: int, spread: float, dtype: torch.dtype
) -> Tensor:
    """Normal numbers with a standard deviation: a function of seed, name and shape."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    random = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") % 2**63)
    return torch.empty(shape, dtype=torch.float32).normal_(0.0, spread, generator=random).to(dtype)


def _places(config: OrbitConfig) -> Tensor:
    """Sines and cosines of the row and the column of each patch, (L, D)."""
    quarter = config.width // 4
    rate = torch.exp(-math.log(10000.0) * torch.arange(quarter) / quarter)
    rows, columns = (side // config.patch for side in config.grid)
    row, column = (
        torch.arange(count, dtype=torch.float32)[:, None] * rate for count in (rows, columns)
    )
    row = row[:, None].expand(-1, columns, -1).flatten(0, 1)
    column = column.repeat(rows, 1)
    return torch.cat([row.sin(), row.cos(), column.sin(), column.cos()], -1)


def initialise(model: Orbit, seed: int) -> Orbit:
    """Give all weights of a model (or of a stage of one) their first values, in place."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(initial(model.config, name, tuple(weight.shape), seed, weight.dtype))
    return model
