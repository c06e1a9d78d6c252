"""History tapes: which variables go into which file, over which intervals, as the namelist says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded import Days
from catena.coupler.embedded.outputs import OUTPUTS
from catena.coupler.embedded.periods import Frequency
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

NOT_ELMS = ("CPOOL", "NPOOL")
"""Outputs with a name of ELM's and another meaning: ELM keeps deficits apart."""
NAMES = tuple(one.name for one in OUTPUTS if one.elm and one.name not in NOT_ELMS)
"""What a tape can hold."""
_FREQUENCIES: dict[int, Frequency] = {0: "month", -24: "day", -8760: "year"}
_TAPES = 6


@dataclass(frozen=True)
class Record:
    """Means over an interval, or values of one moment.

    Parameters
    ----------
    begin, end : float
        Days since the case's first day.
    values : float64 (variable,)
    """

    begin: float
    end: float
    values: Floats


Writer = Callable[["Tape", Sequence[Record]], None]


@dataclass
class Tape:
    """One stream of history files.

    Parameters
    ----------
    number : int
        0 for ``h0``.
    variables : tuple of str
    frequency : {"day", "month", "year"}
    records : int
        In a file.
    write : callable
        Writes a file.
    """

    number: int
    variables: tuple[str, ...]
    frequency: Frequency
    records: int
    write: Writer
    pending: list[Record] = field(default_factory=list)

    def begin(self, stocks: Mapping[str, float]) -> None:
        """The first record of a start-up run, one moment with no fluxes; months have none."""
        if self.frequency != "month":
            values = np.array([stocks.get(name, 0.0) for name in self.variables])
            self._add(Record(0.0, 0.0, values))

    def add_year(self, begin: float, days: Days, values: Mapping[str, Floats]) -> None:
        """Average the days of a year.

        Parameters
        ----------
        begin : float
            Its first day, since the case's first day.
        days : Days
        values : mapping
            By variable, (day,).
        """
        _, first = days.periods(self.frequency)
        edges = np.append(first, days.count)
        daily = np.stack([values[name] for name in self.variables])
        for low, high in pairwise(edges):
            mean = daily[:, low:high].mean(axis=1)
            self._add(Record(begin + low, begin + high, mean))

    def _add(self, record: Record) -> None:
        self.pending.append(record)
        if len(self.pending) == self.records:
            self.close()

    def close(self) -> None:
        """Write what there is; the next record begins another file.

        It is called where restart files are written too, so that a run that goes on from there
        writes the same files again. ELM adds to the file that was open.
        """
        if self.pending:
            self.write(self, self.pending)
            self.pending = []


def tapes_of(namelist: Mapping[str, str], write: Writer) -> list[Tape]:
    """The tapes that `lnd_in` asks for; by default ``h0`` with everything, a file a month.

    Raises
    ------
    InvalidData
        When a field is not known, or an interval is none of days, months and years.
    """
    frequencies, records = _numbers(namelist, "hist_nhtfrq"), _numbers(namelist, "hist_mfilt")
    empty = namelist.get("hist_empty_htapes", ".false.").lower().startswith((".t", "t"))
    made = []
    for number in range(_TAPES):
        listed = re.findall(r"'([^']+)'", namelist.get(f"hist_fincl{number + 1}", ""))
        unknown = [name for name in listed if name not in NAMES]
        if unknown:
            raise InvalidData(
                f"htapes_fieldlist ERROR: {', '.join(unknown)} in fincl({number + 1}) not found; "
                f"the stand-in for ELM has {', '.join(NAMES)}"
            )
        names = NAMES if number == 0 and not empty else tuple(dict.fromkeys(listed))
        if not names:
            continue
        hours = frequencies[number] if number < len(frequencies) else (-24 if number else 0)
        if hours not in _FREQUENCIES:
            raise InvalidData(
                f"hist_nhtfrq is {hours}; the stand-in for ELM writes months (0), days (-24) and "
                "years (-8760)"
            )
        many = records[number] if number < len(records) else (30 if number else 1)
        made.append(Tape(number, names, _FREQUENCIES[hours], many, write))
    return made


def _numbers(namelist: Mapping[str, str], name: str) -> list[int]:
    return [int(text) for text in namelist.get(name, "").split(",") if text.strip()]
