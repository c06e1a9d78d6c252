"""The order of ORBIT's papers, written as fast as that order goes: the same products, fused."""

from __future__ import annotations

import torch
from support.unfolded_orbit import UnfoldedOrbit
from torch import Tensor
from torch.nn import functional as F


class TunedUnfoldedOrbit(UnfoldedOrbit):
    """One product for the tokens of all variables, one query for all places, fused attention."""

    def tokens_of_all(self, fields: Tensor, variables: Tensor, part: dict[str, Tensor]) -> Tensor:
        """A token of every patch of every variable, (B, L, V, D)."""
        batch, count = fields.shape[:2]
        patch = self.model.config.patch
        cut = F.unfold(fields.flatten(0, 1).unsqueeze(1), patch, stride=patch)
        cut = cut.view(batch, count, patch * patch, -1)
        tokens = torch.einsum("bvpl,vpd->blvd", cut, part["tokeniser"][variables])
        return tokens + part["offset"][variables]

    def over_variables(
        self, tokens: Tensor, part: dict[str, Tensor], present: Tensor | None
    ) -> Tensor:
        """One token of the V at each place; all variables are there."""
        if present is not None:
            raise ValueError("present came; the tuned reference is for whole inputs only")
        batch, places, count, width = tokens.shape
        heads = self.model.config.heads
        query = F.linear(part["query"], part["to_query.weight"], part["to_query.bias"])
        key = F.linear(tokens, part["to_key.weight"])
        value = F.linear(tokens, part["to_value.weight"], part["to_value.bias"])
        query = query.view(1, heads, 1, -1).expand(batch * places, -1, -1, -1)
        key, value = (
            t.view(batch * places, count, heads, -1).transpose(1, 2) for t in (key, value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return F.linear(mixed.reshape(batch, places, width), part["out.weight"], part["out.bias"])
