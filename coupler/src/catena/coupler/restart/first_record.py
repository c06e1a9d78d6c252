"""Did the model begin with what was written? Its first history record tells.

ELM accepts a restart file with a wrong ``spinup_state`` without a word and runs to the end, with
ten times the dead wood and NaN in the soil. So the first record of its history is compared with
the file. In a run that starts up, that record is of the first moment (and is dropped from results).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.history import History
from catena.coupler.restart.quantities import quantities
from catena.coupler.restart.restart import Restart
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

TOLERANCE = 1e-4
"""Relative; history files are in single precision."""

_NEGLIGIBLE = 1e-6
"""g m-2 below which a relative difference says nothing."""

_DEAD = ("DEADSTEM", "DEADCROOT")
_SLOW = ("SOIL", "TOTSOM", "CWD")


@dataclass(frozen=True)
class Difference:
    """A history variable that begins with something else.

    Parameters
    ----------
    name : str
        In the history file.
    place : str
        The grid cell, column or PFT slot, counted from 1, where the difference is largest.
    written, found : float
        In the restart and in the history.
    places : int
        In how many places it differs.
    """

    name: str
    place: str
    written: float
    found: float
    places: int

    @property
    def ratio(self) -> float:
        """Found over written; NaN where nothing was written."""
        return self.found / self.written if self.written else float("nan")

    def __str__(self) -> str:
        more = f" (and {self.places - 1} more places)" if self.places > 1 else ""
        return (
            f"{self.name} is {self.found:.6g} in {self.place}, written was {self.written:.6g} "
            f"(ratio {self.ratio:.6g}){more}"
        )


@dataclass(frozen=True)
class FirstRecord:
    """Result of :func:`compare_first_record`.

    Attributes
    ----------
    compared : tuple of str
        History variables that were compared.
    differing : tuple of Difference
        Those that begin with something else.
    days : float
        Length of the record's interval; 0 when it is of one moment, as it should be: fast pools
        of a mean over days differ by nature.
    """

    file: str
    compared: tuple[str, ...]
    differing: tuple[Difference, ...]
    days: float

    @property
    def ok(self) -> bool:
        """Whether the model began with what was written."""
        return not self.differing

    @property
    def cause(self) -> str:
        """What the differences look like, in words; empty where they look like nothing known."""
        dead = [each.ratio for each in self.differing if each.name.startswith(_DEAD)]
        soil = [each.found for each in self.differing if each.name.startswith(_SLOW)]
        if any(abs(ratio - 10.0) < 0.1 for ratio in dead):
            return (
                "dead wood is ten times what was written: the restart carried spinup_state 1 and "
                "the model left accelerated decomposition on reading; write it with spinup_state 0"
            )
        if any(abs(ratio - 0.1) < 0.001 for ratio in dead):
            return (
                "dead wood is a tenth of what was written: the model runs in accelerated "
                "decomposition and the restart carries spinup_state 0; switch -bgc_spinup off"
            )
        if any(np.isnan(value) for value in soil):
            return "soil pools are NaN: scalaravg or spinup_state of the restart is wrong"
        return ""

    def __str__(self) -> str:
        if self.ok:
            return f"{self.file}: {len(self.compared)} variables begin with what was written"
        lines = [
            f"{self.file}: {len(self.differing)} of {len(self.compared)} variables do not begin "
            "with what was written"
        ]
        if self.cause:
            lines.append(self.cause)
        if self.days:
            lines.append(f"the record is a mean over {self.days:g} days and not of one moment")
        return "\n  ".join([*lines, *map(str, self.differing)])


def compare_first_record(
    history: Path, restart: Restart, *, tolerance: float = TOLERANCE
) -> FirstRecord:
    """Compare the first history record of a run with the restart that it began from.

    Parameters
    ----------
    history : Path
        The run's first history file; every stock in it is compared.
    restart : Restart
        What was written.
    tolerance : float
        Relative.

    Raises
    ------
    InvalidData
        When the file is damaged, of another grid, or has no stock to compare.
    """
    file = History(history)
    compared: list[str] = []
    differing: list[Difference] = []
    for quantity in quantities(restart):
        if quantity.name not in file:
            continue
        records = file.read(quantity.name, restart)
        found, written = records.values[0], quantity.on_gridcells()
        where = np.arange(len(written))
        if records.place != "gridcell":
            if records.place != quantity.place:
                continue
            where = restart.subgrid.column if records.place == "column" else restart.subgrid.slot
            found, written = found[where], quantity.values()
        if written.ndim == 2:
            found = found[:, : written.shape[1]]
        compared.append(quantity.name)
        difference = _difference(quantity.name, records.place, where, found, written, tolerance)
        if difference is not None:
            differing.append(difference)
    if not compared:
        raise InvalidData(
            f"{file.name}: there is no stock to compare, wanted one of SOIL4C, DEADSTEMC, TOTSOMC, "
            "TOTVEGC or their like; add them to hist_fincl1"
        )
    return FirstRecord(file.name, tuple(compared), tuple(differing), float(file.days[0]))


def _difference(
    name: str,
    place: str,
    where: NDArray[np.int64],
    found: Floats,
    written: Floats,
    tolerance: float,
) -> Difference | None:
    apart = np.abs(found - written)
    # "not below" is also true of NaN.
    wrong = ~(apart <= tolerance * np.abs(written) + _NEGLIGIBLE)
    if not wrong.any():
        return None
    share = np.where(np.isnan(apart), np.inf, apart / np.maximum(np.abs(written), _NEGLIGIBLE))
    at = tuple(int(index) for index in np.unravel_index(int(share.argmax()), share.shape))
    level = f", level {at[1] + 1}" if len(at) == 2 else ""
    return Difference(
        name,
        f"{place} {int(where[at[0]]) + 1}{level}",
        float(written[at]),
        float(found[at]),
        int(wrong.sum()),
    )
