"""Arrays of forecasts in blocks, and the loop that picks samples out of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import Array32, Index

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _pick(
    blocks: Any, slot: NDArray[Any], basin: NDArray[Any], issue: NDArray[Any], member: NDArray[Any],
    columns: NDArray[Any], made: NDArray[Any],
) -> None:  # fmt: skip
    """made[b, h, f] = blocks[slot[b]][basin[b], issue[b], h, columns[f], member[b]]."""
    for b in range(len(slot)):
        if slot[b] < 0:
            made[b, :, :] = np.nan
            continue
        block = blocks[slot[b]]
        known = min(block.shape[2], made.shape[1])
        for h in range(known):
            for f in range(len(columns)):
                made[b, h, f] = block[basin[b], issue[b], h, columns[f], member[b]]
        made[b, known:, :] = np.nan


class Blocks:
    """A large array (basin, issue, lead, variable, member) of which some blocks are at hand.

    Parameters
    ----------
    shape : (int, int)
        Basins and issue times of a block.
    grid : (int, int)
        Number of blocks along both.
    load : callable (int, int) -> array
        One block, read-only, 5-D, C order.
    at_once : int
        Blocks to keep; the one that was not used for longest is let go.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        grid: tuple[int, int],
        load: Callable[[int, int], NDArray[np.float32]],
        at_once: int,
    ) -> None:
        self.shape, self.grid, self.at_once = shape, grid, max(1, at_once)
        self._load = load
        self._slot = np.full(grid[0] * grid[1], -1, np.int64)
        self._used: OrderedDict[int, None] = OrderedDict()
        self._blocks: Any = None

    def number(self, basins: Index, issues: Index) -> Index:
        """Number of the block of each sample."""
        return np.asarray(basins // self.shape[0] * self.grid[1] + issues // self.shape[1])

    def pick(self, basins: Index, issues: Index, members: Index, columns: Index,
             leads: int) -> Array32:  # fmt: skip
        """Samples (B, leads, len(columns)); NaN for basins or issue times below 0.

        Samples of more blocks than are kept are read in several turns.
        """
        made = np.empty((len(basins), leads, len(columns)), np.float32)
        there = (basins >= 0) & (issues >= 0)
        number = np.where(there, self.number(basins, issues), -1)
        needed = np.unique(number[there])
        if not needed.size:
            made[:] = np.nan
            return made
        if needed.size > self.at_once:
            made[~there] = np.nan
            for start in range(0, needed.size, self.at_once):
                rows = np.flatnonzero(np.isin(number, needed[start : start + self.at_once]))
                made[rows] = self.pick(basins[rows], issues[rows], members[rows], columns, leads)
            return made
        self._have(needed)
        slot = np.where(there, self._slot[number], -1)
        _pick(self._blocks, slot, basins % self.shape[0], issues % self.shape[1], members, columns,
              made)  # fmt: skip
        return made

    def _have(self, numbers: Index) -> None:
        for number in numbers.tolist():
            if self._slot[number] >= 0:
                self._used.move_to_end(number)
                continue
            block = self._load(*divmod(number, self.grid[1]))
            if self._blocks is None:
                kind: Any = numba
                self._blocks = kind.typed.List.empty_list(kind.typeof(block))
            if len(self._used) < self.at_once:
                slot = len(self._blocks)
                self._blocks.append(block)
            else:
                oldest, _ = self._used.popitem(last=False)
                slot = int(self._slot[oldest])
                self._slot[oldest] = -1
                self._blocks[slot] = block
            self._slot[number] = slot
            self._used[number] = None

    def __getstate__(self) -> dict[str, Any]:
        # Mapped blocks stay where they are: another process maps its own.
        empty = np.full_like(self._slot, -1)
        return {**self.__dict__, "_slot": empty, "_used": OrderedDict(), "_blocks": None}
