"""Sequence parallelism: the tokens of a sample shared by processes (Ulysses).

Each process has some tokens of all heads; for attention they exchange them, so that each has all
tokens of some heads (Jacobs et al. 2023, DeepSpeed-Ulysses). Tokens are split before the first
block and gathered after the last: what is before and after is computed on each process.

Gradients are averaged over these processes, as over those with other samples. A weight of a block
sees a part of the tokens on each, so gradients leave the last block multiplied by the number of
processes; a weight after it has the same gradient on each.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed._functional_collectives import all_to_all_single_autograd

from catena.orbit_trainer.parallel.blocks import block_runs

__all__ = ["UlyssesCore", "share_tokens"]


class UlyssesCore(nn.Module):
    """Attention over all tokens, of which each process of a group brings its part.

    Parameters
    ----------
    core : Module
        Attention of one process.
    group : ProcessGroup
    """

    def __init__(self, core: nn.Module, group: dist.ProcessGroup) -> None:
        super().__init__()
        self.core, self.group, self.count = core, group, group.size()

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Mixed values (B, heads, L / n, d) of queries, keys and values of that shape."""
        if query.shape[1] % self.count:
            raise ValueError(f"sp {self.count} shares {query.shape[1]} heads; wanted a divisor")
        parted = _parted(torch.cat([query, key, value], -1), 1, self.count)
        met = self._exchanged(parted.movedim(1, 0))
        # of the tokens of each process, (n, B, heads / n, L / n, 3 d)
        whole = met.movedim(0, 2).flatten(2, 3)
        mixed = self.core(*whole.chunk(3, -1))
        back = self._exchanged(_parted(mixed, 2, self.count).movedim(2, 0))
        out: Tensor = back.movedim(0, 1).flatten(1, 2)
        return out

    def _exchanged(self, parts: Tensor) -> Tensor:
        """Part k of each process to process k; along the first dimension."""
        came: Tensor = all_to_all_single_autograd(parts.contiguous(), None, None, self.group)
        return came


def _parted(tensor: Tensor, dimension: int, parts: int) -> Tensor:
    """One dimension becomes (parts, length of a part)."""
    shape = list(tensor.shape)
    shape[dimension : dimension + 1] = [parts, shape[dimension] // parts]
    return tensor.reshape(shape)


class _Gathered(torch.autograd.Function):
    """All processes' tokens, (B, L, D), of each one's (B, L / n, D)."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.rank, ctx.count = group.rank(), group.size()
        parts = tokens.new_empty(ctx.count * len(tokens), *tokens.shape[1:])
        dist.all_gather_into_tensor(parts, tokens.contiguous(), group=group)
        return _parted(parts, 0, ctx.count).movedim(0, 1).flatten(1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        own = gradients[0].chunk(ctx.count, 1)[ctx.rank]
        return own * ctx.count, None


def share_tokens(
    model: nn.Module, group: dist.ProcessGroup, *, split: bool = True, gather: bool = True
) -> None:
    """Share the tokens of all blocks over the processes of a group, in place.

    Parameters
    ----------
    model : Module
    group : ProcessGroup
    split, gather : bool
        False where the tokens come, or leave, shared: between stages of a pipeline.

    Raises
    ------
    ValueError
        When a model runs, and the processes do not divide its tokens or a block's heads.
    """
    count = group.size()

    def part(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        tokens = inputs[0]
        if tokens.shape[1] % count:
            raise ValueError(f"sp {count} shares {tokens.shape[1]} tokens; wanted a divisor")
        return tokens.chunk(count, 1)[group.rank()]

    def whole(_: nn.Module, __: tuple[Tensor], tokens: Tensor) -> Tensor:
        gathered: Tensor = _Gathered.apply(tokens, group)  # type: ignore[no-untyped-call]
        return gathered

    for run in block_runs(model):
        for block in run:
            block.attention.core = UlyssesCore(block.attention.core, group)  # type: ignore[assignment]
        if split:
            run[0].register_forward_pre_hook(part)
        if gather:
            run[-1].register_forward_hook(whole)
