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
        Pre-trained first, then from scratch, then references; NaN where there is none with so many.
    label : str
        Of the skill, with units.
    """

    samples: Sequence[int]
    curves: Mapping[str, NDArray[Any]]
    label: str

    def summary(self) -> dict[str, Any]:
        """The figures as JSON; what is not known is None."""
        (_, pretrained), (_, scratch) = list(self.curves.items())[:2]
        return {
            "label": self.label,
            "samples": list(self.samples),
            "curves": {
                name: [float(value) if np.isfinite(value) else None for value in values]
                for name, values in self.curves.items()
            },
            "samples_saved": samples_saved(self.samples, pretrained, scratch),
        }


def samples_saved(
    samples: Sequence[int], pretrained: NDArray[Any], scratch: NDArray[Any]
) -> float | None:
    """Samples from scratch over samples after pre-training, for the same error.

    For the error that pre-training reaches with the fewest samples; between two numbers of samples
    the error follows a straight line over their logarithm. None where scratch never gets there. A
    scratch that is there with its fewest samples needs no more than these, so that the ratio is an
    upper bound then.

    Parameters
    ----------
    samples : sequence of int
        Ascending.
    pretrained, scratch : (samples,) arrays
        Errors; NaN where there is none with so many.
    """
    logs = np.log(np.asarray(samples, np.float64))
    began, tried = np.isfinite(pretrained), np.isfinite(scratch)
    if not began.any():
        return None
    first, wanted = logs[began][0], pretrained[began][0]
    places, errors = logs[tried], scratch[tried]
    there = np.flatnonzero(errors <= wanted)
    if not there.size:
        return None
    last = int(there[0])
    if last == 0:
        return float(np.exp(places[0] - first))
    part = (errors[last - 1] - wanted) / (errors[last - 1] - errors[last])
    needed = places[last - 1] + part * (places[last] - places[last - 1])
    return float(np.exp(needed - first))
