"""From fields to tokens: patches of each variable, aggregated over variables, folded.

ClimaX (Nguyen et al. 2023, section 3.1) turns every patch of every variable into a token of width
D, and lets one learned query attend over the V tokens of a place. The query is the same everywhere
and the tokeniser is linear, so keys and values need not be made: with ``e_v`` the patch of variable
v, ``E_v`` its tokeniser, ``c_v`` its bias and variable embedding,

``score_vh = e_v . (E_v u_h) + c_v . u_h``,   ``u_h = Wk_h^T q_h / sqrt(d_h)``

``value_h = sum_v softmax(score)_vh [e_v, 1] G_vh``,   ``G_vh = [E_v; c_v] Wv_h^T``

which is the same function, gradients included, at p^2 + 1 in the place of D numbers a variable. The
bias of the keys adds the same to each score of a head and drops out of the softmax, so there is
none. A norm of the keys would break the fold: there is none here either.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from catena.models.orbit_config import OrbitConfig

__all__ = ["FieldEmbedding", "VariableAggregation", "patches", "unpatched"]

LEAD_HOURS = 100.0
"""Lead times are given to the embedding in units of 100 hours (ClimaX)."""


def patches(fields: Tensor, size: int) -> Tensor:
    """Fields (B, V, H, W) cut into patches, (B, L, V, p^2); L counts rows of patches first."""
    batch, count, height, width = fields.shape
    cut = fields.view(batch, count, height // size, size, width // size, size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, count, size * size)


def unpatched(tokens: Tensor, grid: tuple[int, int], size: int) -> Tensor:
    """Patches (B, L, V p^2) put together again, (B, V, H, W)."""
    batch, rows, columns = len(tokens), grid[0] // size, grid[1] // size
    cut = tokens.view(batch, rows, columns, -1, size, size)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, *grid)


class VariableAggregation(nn.Module):
    """One token per place out of the patches of all variables there.

    Parameters
    ----------
    variables : int
        Rows of the tables: variables that are known.
    pixels : int
        Numbers in a patch, p^2.
    width, heads : int
        Length of a token, and heads of the attention over variables.
    """

    def __init__(self, variables: int, pixels: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.tokeniser = nn.Parameter(torch.empty(variables, pixels, width))
        self.offset = nn.Parameter(torch.empty(variables, width))
        self.query = nn.Parameter(torch.empty(width))
        self.to_query = nn.Linear(width, width)
        self.to_key = nn.Linear(width, width, bias=False)
        self.to_value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, cut: Tensor, variables: Tensor, present: Tensor | None = None) -> Tensor:
        """Tokens (B, L, D).

        Parameters
        ----------
        cut : Tensor, (B, L, V, p^2)
            Patches. Those of variables that are not present must be finite (zero).
        variables : Tensor, (V,), int64
            Row of each in the tables.
        present : Tensor, (B, V), bool, optional
            False where a sample lacks a variable. A sample without any has tokens that do not
            depend on fields.
        """
        batch, places, count, _ = cut.shape
        heads, width = self.heads, len(self.query)
        rows = torch.cat([self.tokeniser[variables], self.offset[variables][:, None]], 1)
        query = self.to_query(self.query).view(heads, -1) / math.sqrt(width // heads)
        asked = torch.einsum("hd,hdc->ch", query, self.to_key.weight.view(heads, -1, width))
        folded_key = rows @ asked.to(rows.dtype)
        # (V, p^2 + 1, D) -> one matrix per head that takes all variables' pixels at once.
        folded_value = (rows @ self.to_value.weight.T).view(-1, heads, width // heads)
        folded_value = folded_value.transpose(0, 1)
        cut = torch.cat([cut, cut.new_ones(batch, places, count, 1)], -1)
        hidden = None if present is None else ~present[:, None, :, None]
        mixed = _mixed(cut, folded_key, folded_value, hidden)
        if present is None:
            share: Tensor | None = None
        else:
            share = present.any(-1)[:, None, None].to(mixed.dtype)
        bias = self.to_value.bias if share is None else self.to_value.bias * share
        out: Tensor = self.out(mixed.view(batch, places, width) + bias)
        return out


def _mixed(cut: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
    """Values of all heads side by side, (B L, D); what is large is made again for the gradient."""
    if torch.is_grad_enabled() and (cut.requires_grad or value.requires_grad):
        mixed: Tensor = checkpoint(
            _mix, cut, key, value, hidden, use_reentrant=False, preserve_rng_state=False
        )
        return mixed
    return _mix(cut, key, value, hidden)


def _mix(cut: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None) -> Tensor:
    batch, places, count, pixels = cut.shape
    heads = len(value)
    cut = cut.to(key.dtype)
    # (V, B L, p^2 + 1) x (V, p^2 + 1, heads)
    score = torch.bmm(cut.view(-1, count, pixels).transpose(0, 1), key)
    score = score.permute(2, 1, 0).reshape(heads, batch, places, count)
    if hidden is not None:
        score = score.masked_fill(hidden.permute(3, 0, 1, 2), -torch.inf)
    share = score.softmax(-1)
    if hidden is not None:
        # A sample without any variable: shares of nothing are nothing, not NaN.
        share = share.masked_fill(hidden.permute(3, 0, 1, 2), 0.0)
    weighed = share.unsqueeze(-1) * cut
    mixed = torch.bmm(weighed.view(heads, batch * places, count * pixels), value)
    return mixed.transpose(0, 1).flatten(1)


class FieldEmbedding(nn.Module):
    """Fields to tokens that know their place and the lead time.

    Parameters
    ----------
    config : OrbitConfig
    """

    def __init__(self, config: OrbitConfig) -> None:
        super().__init__()
        self.config = config
        self.aggregation = VariableAggregation(
            len(config.variables), config.patch**2, config.width, config.heads
        )
        self.position = nn.Parameter(torch.empty(config.tokens, config.width))
        self.lead = nn.Linear(1, config.width)

    def forward(
        self,
        fields: Tensor,
        variables: Tensor,
        lead_hours: Tensor,
        present: Tensor | None = None,
    ) -> Tensor:
        """Tokens (B, L, D) of fields (B, V, H, W).

        Parameters
        ----------
        fields : Tensor, (B, V, H, W)
            Normalised. Whatever stands in a variable that is not present is not looked at.
        variables : Tensor, (V,), int64
        lead_hours : Tensor, (B,)
        present : Tensor, (B, V), bool, optional
        """
        if present is not None:
            fields = torch.where(present[..., None, None], fields, 0.0)
        tokens = self.aggregation(patches(fields, self.config.patch), variables, present)
        lead = self.lead((lead_hours / LEAD_HOURS)[:, None].to(self.lead.weight.dtype))
        out: Tensor = tokens + self.position + lead[:, None]
        return out
