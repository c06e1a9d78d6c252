"""Settings of torch under which predictions are differentiated, left as they were found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from catena.shared.errors import InvalidData


@contextmanager
def without_denormals() -> Iterator[None]:
    """Numbers too small for a normal float count as 0 in this thread.

    Gradients that fade over a long memory end there, and are many times as slow to compute with.
    """
    before = _flushes()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    smallest = torch.finfo(torch.float32).tiny
    return bool((torch.full((1,), smallest) * 0.5).item() == 0)


def check_graph(output: Tensor) -> None:
    """Refuse predictions that cannot be differentiated.

    Raises
    ------
    InvalidData
        When the prediction keeps no graph to its inputs.
    """
    if not output.requires_grad:
        raise InvalidData(
            "the prediction has no gradient with respect to its inputs; predict with torch's "
            "functions and without torch.no_grad, or use permutation or kernel SHAP"
        )
