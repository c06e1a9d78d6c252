"""ORBIT in the order of its papers: every patch of every variable becomes a token first.

Plain, and of nothing but torch's own layers (a convolution for each variable, multi-head attention
with one query over the variables of a place, LayerNorm, Linear). With the model whose weights it
takes it shares no arithmetic, only the names of the weights and what their rows mean.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from catena.models.orbit import Orbit


class UnfoldedOrbit(nn.Module):
    """The same function as a model, with that model's own weights (ClimaX, section 3.1)."""

    def __init__(self, model: Orbit) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        fields: Tensor,
        variables: Tensor,
        lead_hours: Tensor,
        present: Tensor | None = None,
    ) -> Tensor:
        config, weights = self.model.config, dict(self.model.named_parameters())
        part = {name.removeprefix("embedding."): w for name, w in weights.items()}
        if present is not None:
            fields = torch.where(present[:, :, None, None], fields, 0.0)
        made = []
        for channel, row in enumerate(variables.tolist()):
            kernel = part["aggregation.tokeniser"][row].t().reshape(-1, 1, *2 * [config.patch])
            bias = part["aggregation.offset"][row]  # of the tokeniser, and the variable's embedding
            cut = F.conv2d(fields[:, channel : channel + 1], kernel, bias, stride=config.patch)
            made.append(cut.flatten(2).transpose(1, 2))
        tokens = _over_variables(torch.stack(made, 2), part, config.heads, present)
        lead = F.linear(lead_hours[:, None] / 100.0, part["lead.weight"], part["lead.bias"])
        tokens = tokens + part["position"] + lead[:, None]
        for place in range(config.depth):
            start = f"blocks.{place}."
            part = {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}
            tokens = _block(tokens, part, config.heads)
        part = {n.removeprefix("head."): w for n, w in weights.items() if n.startswith("head.")}
        return _fields(tokens, part, config.grid, config.patch)


def _over_variables(
    tokens: Tensor, part: dict[str, Tensor], heads: int, present: Tensor | None
) -> Tensor:
    """One token of the V at each place: (B, L, V, D) to (B, L, D)."""
    batch, places, count, width = tokens.shape
    start = "aggregation."
    asked = F.linear(
        part[start + "query"], part[start + "to_query.weight"], part[start + "to_query.bias"]
    )
    key = F.linear(tokens, part[start + "to_key.weight"])
    value = F.linear(tokens, part[start + "to_value.weight"], part[start + "to_value.bias"])
    query = asked.view(1, heads, 1, -1).expand(batch * places, -1, -1, -1)
    key, value = (t.view(batch * places, count, heads, -1).transpose(1, 2) for t in (key, value))
    seen, some = None, None
    if present is not None:
        some = present.any(1)
        # A softmax over nothing is NaN: samples without any variable look at one, for nothing.
        seen = torch.where(some[:, None], present, True)
        seen = seen.repeat_interleave(places, 0)[:, None, None]
    mixed = F.scaled_dot_product_attention(query, key, value, seen).reshape(batch, places, width)
    if some is not None:
        mixed = torch.where(some[:, None, None], mixed, 0.0)
    return F.linear(mixed, part[start + "out.weight"], part[start + "out.bias"])


def _block(tokens: Tensor, part: dict[str, Tensor], heads: int) -> Tensor:
    def norm(x: Tensor, name: str) -> Tensor:
        weight = part[name + ".weight"]
        return F.layer_norm(x, weight.shape, weight, part[name + ".bias"])

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, part[name + ".weight"], part[name + ".bias"])

    batch, places, width = tokens.shape
    made = linear(norm(tokens, "attention_norm"), "attention.qkv")
    made = made.view(batch, places, heads, 3, width // heads)
    query = norm(made[:, :, :, 0], "attention.query_norm").transpose(1, 2)
    key = norm(made[:, :, :, 1], "attention.key_norm").transpose(1, 2)
    value = made[:, :, :, 2].transpose(1, 2)
    mixed = F.scaled_dot_product_attention(query, key, value)
    tokens = tokens + linear(mixed.transpose(1, 2).reshape(tokens.shape), "attention.out")
    hidden = F.gelu(linear(norm(tokens, "feed_norm"), "feed.up"))
    return tokens + linear(hidden, "feed.down")


def _fields(tokens: Tensor, part: dict[str, Tensor], grid: tuple[int, int], patch: int) -> Tensor:
    tokens = F.layer_norm(tokens, tokens.shape[-1:], part["norm.weight"], part["norm.bias"])
    layers = len([name for name in part if name.startswith("hidden.")]) // 2
    for place in range(layers):
        name = f"hidden.{place}."
        tokens = F.gelu(F.linear(tokens, part[name + "weight"], part[name + "bias"]))
    tokens = F.linear(tokens, part["out.weight"], part["out.bias"])
    pixels = tokens.transpose(1, 2)  # (B, V p p, L): what `fold` takes
    return F.fold(pixels, grid, patch, stride=patch)
