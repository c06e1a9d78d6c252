"""Data efficiency: how many samples of fine-tuning pre-training saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DataEfficiency", "samples_saved"]


@dataclass(frozen=True, eq=False)
class DataEfficiency:
    """Skill against the number of samples of fine-tuning.

    Parameters
    ----------
    samples : sequence of int
        Ascending.
    curves : mapping of str to (samples,) array
        Pre-trained first, then from scratch, then references.
    label : str
        Of the skill, with units.
    """

    samples: Sequence[int]
    curves: Mapping[str, NDArray[Any]]
    label: str


def samples_saved(
    samples: Sequence[int], pretrained: NDArray[Any], scratch: NDArray[Any]
) -> float | None:
    """Samples from scratch over samples after pre-training, for the same error.

    For the error that pre-training reaches with the fewest samples; between two numbers of samples
    the error follows a straight line over their logarithm. None where scratch never gets there.
    """
    wanted = pretrained[0]
    there = np.flatnonzero(scratch <= wanted)
    if not there.size:
        return None
    last = int(there[0])
    if last == 0:
        return 1.0
    high, low = scratch[last - 1], scratch[last]
    part = (high - wanted) / (high - low)
    logs = np.log(np.asarray(samples, np.float64))
    needed = logs[last - 1] + part * (logs[last] - logs[last - 1])
    return float(np.exp(needed - logs[0]))
