"""How a member ended: well, or on which day and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """What became of a member in a cell."""

    OK = 0
    NOT_FINITE = 1
    NEGATIVE_POOL = 2
    BUDGET = 3
    PARAMETER = 4


REASONS = {
    Status.OK: "it ran to the end",
    Status.NOT_FINITE: "the state is not finite (NaN or infinity)",
    Status.NEGATIVE_POOL: "a pool of carbon, nitrogen or water is negative",
    Status.BUDGET: "carbon, nitrogen, water or energy is not conserved",
    Status.PARAMETER: "a parameter is out of its range",
}


@dataclass(frozen=True)
class Failure:
    """One member that did not run to the end.

    Parameters
    ----------
    member, cell : int
        ``cell`` is -1 where all cells failed for the same reason.
    day : int
        Day of the run, from 0; -1 before the run.
    status : Status
    detail : str
    """

    member: int
    cell: int
    day: int
    status: Status
    detail: str = ""

    def __str__(self) -> str:
        where = f"member {self.member}" + (f", cell {self.cell}" if self.cell >= 0 else "")
        when = f" on day {self.day}" if self.day >= 0 else " before the run"
        detail = f": {self.detail}" if self.detail else ""
        return f"{where} stopped{when}: {REASONS[self.status]}{detail}"


# Compile-time numbers of the kernel.
OK = int(Status.OK)
NOT_FINITE = int(Status.NOT_FINITE)
NEGATIVE_POOL = int(Status.NEGATIVE_POOL)
BUDGET = int(Status.BUDGET)
