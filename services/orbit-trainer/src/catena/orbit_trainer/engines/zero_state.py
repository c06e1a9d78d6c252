"""Weights and moments of a model that DeepSpeed has spread, tensor by whole tensor.

DeepSpeed's own checkpoints are pickles that fit one number of processes. Here every tensor is put
together in turn, so that a checkpoint is the same whatever stage and number of processes wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["MOMENTS", "ZeroState"]

MOMENTS = {"first": "exp_avg", "second": "exp_avg_sq"}
"""Moments of AdamW as checkpoints name them, and as torch does."""


class ZeroState:
    """What a DeepSpeed engine holds. All processes call all methods in the same order.

    Parameters
    ----------
    engine : DeepSpeedEngine
        In float32, with torch's AdamW, which has taken no step yet.
    stage : int
        Of ZeRO, 0 to 3.
    weights : mapping of str to Parameter
    """

    def __init__(self, engine: Any, stage: int, weights: Mapping[str, nn.Parameter]) -> None:
        self._stage, self._weights = stage, weights
        self._zero = engine.optimizer
        self._adamw = engine.optimizer.optimizer if stage else engine.optimizer
        if stage == 0:
            self._held = [one for one in weights.values() if one.requires_grad]
        elif stage < 3:
            self._held = self._zero.single_partition_of_fp32_groups
        else:
            self._held = self._zero.fp32_partitioned_groups_flat
        # At once, not in the first step: a checkpoint may be read before it.
        for part in self._held:
            self._adamw.state[part] = {
                "step": torch.zeros((), dtype=torch.float32, device=part.device),
                **{name: torch.zeros_like(part) for name in MOMENTS.values()},
            }
        if stage in (1, 2):
            self._zero._lazy_init_hp_params_optimizer_state()

    @property
    def updates(self) -> int:
        """Steps that changed the weights."""
        return int(self._adamw.state[self._held[0]]["step"]) if self._held else 0

    @updates.setter
    def updates(self, count: int) -> None:
        for part in self._held:
            self._adamw.state[part]["step"].fill_(count)

    def weight(self, name: str) -> Tensor:
        """A whole weight, a copy."""
        weight = self._weights[name]
        if self._stage < 3:
            return weight.detach().clone()
        import deepspeed

        with deepspeed.zero.GatheredParameters([weight]):
            return weight.detach().clone()

    def set_weight(self, name: str, value: Tensor) -> None:
        """Replace a weight; `value` is the same on all processes."""
        from deepspeed.utils import safe_set_full_fp32_param, safe_set_local_fp32_param

        weight = self._weights[name]
        if self._stage < 3:
            weight.data.copy_(value)
            if self._stage and weight.requires_grad:
                safe_set_full_fp32_param(weight, weight.detach())
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters([weight], modifier_rank=0):
            weight.data.copy_(value)
        if weight.requires_grad:
            safe_set_local_fp32_param(weight, self._own(weight, value))

    def moment(self, name: str, kind: str) -> Tensor:
        """A whole moment of a weight that learns, a copy."""
        from deepspeed.utils import safe_get_full_optimizer_state

        weight, key = self._weights[name], MOMENTS[kind]
        held = self._adamw.state[weight][key] if not self._stage else None
        found: Tensor = safe_get_full_optimizer_state(weight, key) if held is None else held.clone()
        return found

    def set_moment(self, name: str, kind: str, value: Tensor) -> None:
        """Replace a moment; `value` is the same on all processes."""
        from deepspeed.utils import safe_set_full_optimizer_state, safe_set_local_optimizer_state

        weight, key = self._weights[name], MOMENTS[kind]
        if not self._stage:
            self._adamw.state[weight][key].copy_(value)
        elif self._stage < 3:
            safe_set_full_optimizer_state(weight, value, key)
        else:
            safe_set_local_optimizer_state(weight, self._own(weight, value), key)

    @staticmethod
    def _own(weight: Any, value: Tensor) -> Tensor:
        """This process's part of a tensor, which ZeRO-3 pads to equal parts."""
        size = weight.ds_tensor.numel()
        whole = value.flatten()
        padded = nn.functional.pad(whole, (0, size * dist.get_world_size() - whole.numel()))
        return padded[size * dist.get_rank() :][:size]
