"""ORBIT in the order of its papers: every patch of every variable becomes a token first.

Plain, and of nothing but torch's own layers, as ClimaX publishes it: a convolution for each
variable, and multi-head attention of one query over the variables of a place. With the model whose
weights it takes it shares no arithmetic, only the names of the weights and what their rows mean.
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

        def part(start: str) -> dict[str, Tensor]:
            return {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}

        if present is not None:
            fields = torch.where(present[:, :, None, None], fields, 0.0)
        aggregation = part("embedding.aggregation.")
        every = self.tokens_of_all(fields, variables, aggregation)
        tokens = self.over_variables(every, aggregation, present)
        embedding = part("embedding.")
        lead = F.linear(
            torch.log1p(lead_hours[:, None] / 100.0),
            embedding["lead.weight"],
            embedding["lead.bias"],
        )
        tokens = tokens + embedding["position"] + lead[:, None]
        for place in range(config.depth):
            tokens = _block(tokens, part(f"blocks.{place}."), config.heads)
        return _fields(tokens, part("head."), config.grid, config.patch)

    def tokens_of_all(self, fields: Tensor, variables: Tensor, part: dict[str, Tensor]) -> Tensor:
        """A token of every patch of every variable, (B, L, V, D)."""
        patch, made = self.model.config.patch, []
        for channel, row in enumerate(variables.tolist()):
            kernel = part["tokeniser"][row].t().reshape(-1, 1, patch, patch)
            # The bias is that of the tokeniser and the embedding of the variable together.
            bias = part["offset"][row]
            cut = F.conv2d(fields[:, channel : channel + 1], kernel, bias, stride=patch)
            made.append(cut.flatten(2).transpose(1, 2))
        return torch.stack(made, 2)

    def over_variables(
        self, tokens: Tensor, part: dict[str, Tensor], present: Tensor | None
    ) -> Tensor:
        """One token of the V at each place: (B, L, V, D) to (B, L, D)."""
        batch, places, _, width = tokens.shape
        names = ("to_query", "to_key", "to_value")
        weight = torch.cat([part[f"{name}.weight"] for name in names])
        bias = part["to_query.bias"]
        bias = torch.cat([bias, torch.zeros_like(bias), part["to_value.bias"]])
        looked = tokens.flatten(0, 1).transpose(0, 1)  # (V, B L, D): the sequence comes first
        query = part["query"].expand(1, batch * places, -1)
        hidden, some = None, None
        if present is not None:
            some = present.any(1)
            # A softmax over nothing is NaN: samples without any variable look at all, for nothing.
            hidden = (~present & some[:, None]).repeat_interleave(places, 0)
        mixed, _ = F.multi_head_attention_forward(
            query, looked, looked, width, self.model.config.heads, weight, bias, None, None, False,
            0.0, part["out.weight"], part["out.bias"], key_padding_mask=hidden,
        )  # fmt: skip
        mixed = mixed.view(batch, places, width)
        return mixed if some is None else torch.where(some[:, None, None], mixed, part["out.bias"])


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
