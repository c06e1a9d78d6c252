"""CO2 of the air year by year: TRENDY's table, as CalLMIP hands it out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from catena.coupler.forcing.calendar import year_of
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

CO2_1850_PPM = 287.42
"""What CalLMIP's protocol says for the spin-up; the table that it hands out has 287.43."""
NDEP_1850 = 0.079
"""gN m-2 yr-1: 0.79 kgN ha-1 yr-1 of CalLMIP's protocol for the spin-up."""

_LINE = re.compile(r"^\s*(?:Annee_|Year_)?(\d{4})\s*[=,;\s]\s*([0-9]+(?:\.[0-9]*)?)\s*$")


@dataclass(frozen=True)
class CO2Record:
    """Annual means.

    Parameters
    ----------
    by_year : mapping of int to float
        ppm, for consecutive years.

    Raises
    ------
    InvalidData
        When years are missing, or a value is no CO2 in ppm.
    """

    by_year: Mapping[int, float]

    def __post_init__(self) -> None:
        table = MappingProxyType(dict(sorted(self.by_year.items())))
        object.__setattr__(self, "by_year", table)
        if not table:
            raise InvalidData("CO2: found no year, wanted one value a year in ppm")
        gap = next((year for year in range(self.first, self.last) if year not in table), None)
        if gap is not None:
            raise InvalidData(f"CO2: found no value for {gap}, wanted every year from {self.first}")
        for year, value in table.items():
            if not 100 <= value <= 5000:
                raise InvalidData(f"CO2 of {year}: found {value}, wanted ppm, 100 to 5000")

    @property
    def first(self) -> int:
        """First year."""
        return min(self.by_year)

    @property
    def last(self) -> int:
        """Last year."""
        return max(self.by_year)

    def of(self, dates: NDArray[np.datetime64]) -> Array:
        """The value of each day's year, ppm (day,).

        Parameters
        ----------
        dates : array of datetime64[D] (day,)

        Raises
        ------
        InvalidData
            When a year is not in the record.
        """
        years = year_of(dates)
        if years.min() < self.first or years.max() > self.last:
            raise InvalidData(
                f"CO2: found {self.first} to {self.last}, wanted {years.min()} to {years.max()}; "
                "use another table, or give one value"
            )
        values = np.array(list(self.by_year.values()))
        return values[years - self.first]


def of_days(co2: float | CO2Record, dates: NDArray[np.datetime64]) -> Array:
    """CO2 of each day, ppm (day,), from one value or a record."""
    if isinstance(co2, CO2Record):
        return co2.of(dates)
    return np.full(dates.size, float(co2))


def read_co2(path: str | Path) -> CO2Record:
    """The record of a text file with a line ``Annee_1850=287.43`` (or ``1850 287.43``) a year.

    Raises
    ------
    InvalidData
        When it is not there, a line is not understood, or a year stands there twice.
    """
    path = Path(path)
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(
            f"file {path.name}: found no text that can be read ({type(error).__name__}), wanted "
            "lines like 'Annee_1850=287.43'"
        ) from error
    table: dict[int, float] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise InvalidData(
                f"file {path.name}, line {number}: found '{line[:60]}', wanted 'Annee_1850=287.43'"
            )
        if int(match[1]) in table:
            raise InvalidData(
                f"file {path.name}, line {number}: found {match[1]} twice, wanted each year once"
            )
        table[int(match[1])] = float(match[2])
    try:
        return CO2Record(table)
    except InvalidData as error:
        raise InvalidData(f"file {path.name}: {error}") from error
