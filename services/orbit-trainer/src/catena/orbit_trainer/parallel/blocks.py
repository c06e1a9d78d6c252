"""Where the transformer blocks are in a model; what is done to a block alone."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from catena.models.orbit import Block

__all__ = ["block_runs", "blocks_of", "compiled", "recomputed"]


def blocks_of(model: nn.Module) -> list[Block]:
    """All blocks, in the order of their names in the model."""
    return [part for part in model.modules() if isinstance(part, Block)]


def block_runs(model: nn.Module) -> list[list[Block]]:
    """Blocks by the module that holds them: those of a run see the same tokens, one by one."""
    runs = (
        [child for child in part.children() if isinstance(child, Block)] for part in model.modules()
    )
    return [run for run in runs if run]


def recomputed(block: Block) -> None:
    """Keep only what comes in for the backward pass, and compute the block again there."""
    # Else its last product would be made again too, only to keep what goes into it.
    block.feed.remakes_gelu = False
    # The method is replaced, not the module: names of weights stay, and hooks are outside.
    block.forward = partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]


def compiled(block: Block) -> None:
    """Compile what the block computes; all blocks alike share one compilation."""
    block.forward = torch.compile(block.forward)  # type: ignore[method-assign]
