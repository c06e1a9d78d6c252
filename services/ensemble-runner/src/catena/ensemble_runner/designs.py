"""Designs of an ensemble: where in the unit cube the members lie.

Both designs are seeded, and both can be **extended**: the first rows of a larger ensemble are the
rows of the smaller one, bit by bit, so that only the new members have to be run.

===============  ======================================  ======================================
design           stratified for                          extends
===============  ======================================  ======================================
Sobol            every power of two of its rows          always
Latin hypercube  1, 2, 4, 8, ... times `first_size`      with the same `first_size`: the number
                 rows                                    of members of the first ensemble
===============  ======================================  ======================================

A Latin hypercube without `first_size` is stratified for exactly its own number of members, and then
belongs to that number alone.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from catena.shared.errors import InvalidData

Design = Literal["sobol", "latin_hypercube"]

FEW = 256
"""A Latin hypercube that begins with no more rows than this is one of low discrepancy."""
MOST_MEMBERS = 1 << 20
"""Members of one ensemble."""


def unit_rows(
    design: Design, members: int, columns: int, *, seed: int, first_size: int = 0
) -> NDArray[np.float64]:
    """Rows of a design in the unit cube.

    Parameters
    ----------
    design : {"sobol", "latin_hypercube"}
    members, columns : int
        Numbers of rows and of parameters, at least 1.
    seed : int
        The same seed gives the same rows.
    first_size : int
        For a Latin hypercube that extends another one: that one's number of members. 0: `members`.

    Returns
    -------
    (members, columns) array
        In [0, 1).

    Raises
    ------
    InvalidData
        For numbers out of range.
    """
    if not (1 <= members <= MOST_MEMBERS and columns >= 1 and 0 <= first_size <= members):
        raise InvalidData(
            f"got {members} members of {columns} parameters, {first_size} of them first; wanted 1 "
            f"to {MOST_MEMBERS} members, a parameter, and at most as many first"
        )
    if design == "sobol":
        return _sobol(members, columns, seed)
    return _latin_hypercube(members, columns, seed, first_size or members)


def _sobol(members: int, columns: int, seed: int) -> NDArray[np.float64]:
    """Scrambled Sobol sequence (Owen 1998; direction numbers of Joe and Kuo 2008)."""
    sequence = qmc.Sobol(columns, scramble=True, rng=np.random.default_rng([seed, 1]))
    # A whole power of two, cut off: the rows are those of the sequence all the same.
    points = sequence.random_base2(max(members - 1, 1).bit_length())
    return np.ascontiguousarray(points[:members])


def _latin_hypercube(members: int, columns: int, seed: int, first_size: int) -> NDArray[np.float64]:
    """Latin hypercube (McKay et al. 1979) that is doubled until it has all members.

    Few rows are arranged evenly in all columns together, by exchanges that lower the centred
    discrepancy (Fang et al. 2000, Technometrics 42:237), so that what can be learnt from them does
    not hang on the seed. For many rows that would take long.

    Doubling halves each stratum. Each old row lies in one half; the new rows take the other halves,
    in an order of their own for each column, and so the doubled design is a Latin hypercube again
    (nested designs: Qian 2009, Biometrika 96:957).
    """
    first = qmc.LatinHypercube(
        columns,
        optimization="random-cd" if 1 < first_size <= FEW and columns > 1 else None,
        rng=np.random.default_rng([seed, 2, first_size]),
    )
    rows = first.random(first_size)
    while len(rows) < members:
        rows = np.concatenate([rows, _other_halves(rows, seed)])
    return np.ascontiguousarray(rows[:members])


def _other_halves(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    count, columns = rows.shape
    rng = np.random.default_rng([seed, 3, count])
    new = np.empty_like(rows)
    for column in range(columns):
        half = np.minimum((rows[:, column] * 2 * count).astype(np.int64), 2 * count - 1)
        free = np.ones(2 * count, bool)
        free[half] = False
        strata = rng.permutation(np.flatnonzero(free))
        new[:, column] = (strata + rng.random(count)) / (2 * count)
    return np.minimum(new, np.nextafter(1.0, 0.0))


def physical(
    unit: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Unit cube (members, columns) to physical values, exactly inside [low, high] (columns,)."""
    values: NDArray[np.float64] = low + unit * (high - low)
    return np.clip(values, low, high)
