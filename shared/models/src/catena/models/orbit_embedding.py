"""From fields to tokens: patches of each variable, aggregated over variables, folded.

ClimaX (Nguyen et al. 2023, section 3.1) turns every patch of every variable into a token of width
D, and lets one learned query attend over the V tokens of a place. The query is the same everywhere
and the tokeniser is linear, so keys and values need not be made: with ``e_v`` the patch of variable
v, ``E_v`` its tokeniser, ``c_v`` its bias and variable embedding,

``score_vh = e_v . (E_v u_h) + c_v . u_h``,   ``u_h = Wk_h^T q_h / sqrt(d_h)``

``value_h = sum_v softmax(score)_vh (e_v E_v Wv_h^T + c_v Wv_h^T + b_v)``

which is the same function, gradients included, at p^2 + 1 in the place of D numbers a variable. The
bias of the keys adds the same to each score of a head and drops out of the softmax, so there is
none. A norm of the keys would break the fold: there is none here either.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from catena.models.orbit_config import OrbitConfig

__all__ = ["FieldEmbedding", "VariableAggregation", "patches", "unpatched"]

LEAD_HOURS = 100.0
"""The embedding is given ``ln(1 + lead / 100 h)``: hours as in ClimaX (Nguyen et al. 2023, section
3.2), which gives ``lead / 100 h``; of months that would be numbers that drown the fields."""


def patches(fields: Tensor, size: int) -> Tensor:
    """Fields (B, V, H, W) cut into patches, (B, L, V, p^2); L counts rows of patches first.

    In memory samples and places come last: what :class:`VariableAggregation` works along.
    """
    batch, count, height, width = fields.shape
    cut = fields.reshape(batch, count, height // size, size, width // size, size)
    cut = cut.permute(1, 3, 5, 0, 2, 4).reshape(count, size * size, batch, -1)
    return cut.permute(2, 3, 0, 1)


def unpatched(tokens: Tensor, grid: tuple[int, int], size: int) -> Tensor:
    """Patches (B, L, V p^2) put together again, (B, V, H, W)."""
    batch, rows, columns = len(tokens), grid[0] // size, grid[1] // size
    cut = tokens.reshape(batch, rows, columns, -1, size, size)
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
        batch, places, count, pixels = cut.shape
        heads, width = self.heads, len(self.query)
        tokeniser = self.tokeniser.index_select(0, variables)
        offset = self.offset.index_select(0, variables)
        # N = B L places come last throughout, so that all that is large is read as it lies.
        cut = cut.permute(2, 3, 0, 1).reshape(count, pixels, batch * places)
        share = _shares(self._scores(cut, tokeniser, offset), present)
        # Shares add up to 1, so the bias of the values can be added to each; or to 0, without it.
        value = self.to_value(offset).view(count, heads, -1).permute(1, 2, 0)
        pixel_value = (tokeniser @ self.to_value.weight.T).view(count, pixels, heads, -1)
        pixel_value = pixel_value.permute(2, 0, 1, 3).reshape(heads, count * pixels, -1)
        share, cut = share.to(value.dtype).transpose(0, 1), cut.to(value.dtype)
        weighed = _Weighed.apply(share, cut, pixel_value)  # type: ignore[no-untyped-call]
        mixed = torch.baddbmm(weighed, value, share)
        out: Tensor = self.out(mixed.view(width, -1).T)
        return out.view(batch, places, width)

    def shares(self, cut: Tensor, variables: Tensor, present: Tensor | None = None) -> Tensor:
        """How much each head listens to each variable at each place, (B, heads, V, L).

        Shares of the variables that a sample has add up to 1. Parameters as in :meth:`forward`.
        """
        batch, places, count, pixels = cut.shape
        tokeniser = self.tokeniser.index_select(0, variables)
        offset = self.offset.index_select(0, variables)
        cut = cut.permute(2, 3, 0, 1).reshape(count, pixels, batch * places)
        share = _shares(self._scores(cut, tokeniser, offset), present)
        return share.view(count, self.heads, batch, places).permute(2, 1, 0, 3)

    def _scores(self, cut: Tensor, tokeniser: Tensor, offset: Tensor) -> Tensor:
        """Scores (V, heads, N) of patches (V, p^2, N)."""
        heads, width = self.heads, len(self.query)
        query = self.to_query(self.query).view(heads, 1, -1) / math.sqrt(width // heads)
        asked = torch.bmm(query, self.to_key.weight.view(heads, -1, width)).squeeze(1).T
        key, about = (tokeniser @ asked).transpose(1, 2), (offset @ asked)[:, :, None]
        return torch.baddbmm(about, key, cut.to(key.dtype))


def _shares(score: Tensor, present: Tensor | None) -> Tensor:
    """Softmax over the variables that are present, of scores (V, heads, B L); else 0."""
    precise = torch.promote_types(score.dtype, torch.float32)
    if present is None:
        return score.softmax(0, dtype=precise)
    hidden = ~present.T[:, None, :, None]
    score = score.view(*score.shape[:2], len(present), -1).masked_fill(hidden, -torch.inf)
    # Where a sample has no variable, the softmax over nothing is NaN, and shares are 0 even so.
    return score.softmax(0, dtype=precise).masked_fill(hidden, 0.0).flatten(2)


class _Weighed(torch.autograd.Function):
    """Values of patches, weighed: ``sum_vp share_hvn cut_vpn value_h(vp)d``, (heads, d, N).

    Patches weighed by the shares of each head are far larger than either. They are made again for
    the gradient and not kept; a CPU makes those of one head at a time, which its cache holds.
    """

    @staticmethod
    def forward(ctx: Any, share: Tensor, cut: Tensor, value: Tensor) -> Tensor:
        """Of shares (heads, V, N), patches (V, p^2, N) and values (heads, V p^2, d)."""
        ctx.save_for_backward(share, cut, value)
        return torch.cat(
            [
                torch.bmm(part.transpose(1, 2), (some[:, :, None] * cut).flatten(1, 2))
                for some, part in _of_heads(share, value)
            ]
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, asked: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """Gradients of the three."""
        share, cut, value = ctx.saved_tensors
        to_share, to_value = [], []
        to_cut = torch.zeros_like(cut) if ctx.needs_input_grad[1] else None
        for some, part, wanted in _of_heads(share, value, asked):
            weighed = (some[:, :, None] * cut).flatten(1, 2)
            to_value.append(torch.bmm(weighed, wanted.transpose(1, 2)))
            to_weighed = torch.bmm(part, wanted).view(-1, *cut.shape)
            if to_cut is not None:
                to_cut += (to_weighed * some[:, :, None]).sum(0)
            to_share.append((to_weighed * cut).sum(2))
        return torch.cat(to_share), to_cut, torch.cat(to_value)


def _of_heads(*of_all: Tensor) -> list[tuple[Tensor, ...]]:
    """Tensors by head where there are caches to fill, all heads at once where there are cores."""
    step = 1 if of_all[0].device.type == "cpu" else len(of_all[0])
    return list(zip(*(torch.split(one, step) for one in of_all), strict=True))


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
        log_lead = (lead_hours / LEAD_HOURS).log1p()
        lead = self.lead(log_lead[:, None].to(self.lead.weight.dtype))
        out: Tensor = tokens + self.position + lead[:, None]
        return out
