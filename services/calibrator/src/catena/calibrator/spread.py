"""How much outputs differ between runs, with a little where they do not differ at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

FLOOR = 1e-6
"""Part of its quantity's root-mean-square spread that a dead output gets: nothing divides by it."""


def groups_of(quantities: Sequence[str], outputs: int) -> NDArray[np.intp]:
    """Number of the quantity that each of so many outputs belongs to, (k,).

    Parameters
    ----------
    quantities : sequence of str
        What each output is of; empty: all of one quantity.
    outputs : int

    Raises
    ------
    InvalidData
        When there is not one for each output.
    """
    if not quantities:
        return np.zeros(outputs, dtype=np.intp)
    if len(quantities) != outputs:
        raise InvalidData(f"{len(quantities)} quantities for {outputs} outputs; name one for each")
    return np.asarray(np.unique(np.asarray(quantities), return_inverse=True)[1]).ravel()


def typical(sd: Array, group: NDArray[np.intp]) -> Array:
    """Root mean square of the standard deviations (k,) over the outputs of each one's quantity."""
    return np.asarray(np.sqrt(np.bincount(group, sd**2) / np.bincount(group))[group])


def floored(sd: Array, group: NDArray[np.intp]) -> Array:
    """Standard deviations (k,), raised to :data:`FLOOR` of their quantity's where they are less."""
    return np.asarray(np.maximum(sd, FLOOR * typical(sd, group)))
