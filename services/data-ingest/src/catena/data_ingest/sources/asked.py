"""Facets as the fields of a request to a service: read one by one, and refused all at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import date

from catena.data_ingest.sources.base import Facets
from catena.data_ingest.vocabulary import Region, Selection
from catena.shared.errors import FieldViolation, InvalidRequest

_SHOWN = 12


class Asked:
    """What a request asks of a service.

    Every reader returns what it can and notes what is wrong; :meth:`check` raises it.

    Parameters
    ----------
    service : str
        Its name, for messages.
    facets : mapping
    selection : Selection
    known : collection of str
        Names of facets that the service understands.
    """

    def __init__(
        self, service: str, facets: Facets, selection: Selection, known: Collection[str]
    ) -> None:
        self.service = service
        self.facets = facets
        self.selection = selection
        self._violations: list[FieldViolation] = []
        for name in facets:
            if name not in known:
                self.wrong(name, f"is no facet of this service; wanted {', '.join(sorted(known))}")

    def wrong(self, facet: str, words: str) -> None:
        """Note what is wrong with a facet."""
        self.wrong_field(f"selection.facets[{facet}]", words)

    def wrong_field(self, field: str, words: str) -> None:
        """Note what is wrong with a field of the request."""
        violation = FieldViolation(field, words)
        if violation not in self._violations:  # several datasets may meet the same one
            self._violations.append(violation)

    def check(self) -> None:
        """Raise what was noted.

        Raises
        ------
        InvalidRequest
            With everything that is wrong or missing.
        """
        if self._violations:
            said = "; ".join(f"{one.field} {one.description}" for one in self._violations)
            raise InvalidRequest(f"{self.service}: {said}", violations=self._violations)

    def words(
        self, name: str, allowed: Collection[str], default: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Values of a facet, each one of `allowed`; `default` where it is not given.

        Without a default the facet must be given.
        """
        if name not in self.facets:
            if not default:
                self.wrong(name, f"is missing; give some of {_some(allowed)}")
            return tuple(default)
        values = tuple(dict.fromkeys(self.facets[name]))
        wrong = [value for value in values if value not in allowed]
        if wrong:
            self.wrong(name, f"got {', '.join(wrong)[:200]}; wanted some of {_some(allowed)}")
        return tuple(value for value in values if value in allowed)

    def numbers(self, name: str, low: float, high: float, units: str) -> tuple[float, ...]:
        """Values of a facet as numbers in a range; the facet must be given."""
        if name not in self.facets:
            self.wrong(name, f"is missing; give numbers from {low:g} to {high:g} {units}")
            return ()
        values, wrong = [], []
        for text in self.facets[name]:
            number = _number(text)
            values.append(number)
            if not low <= number <= high:
                wrong.append(text)
        if wrong:
            self.wrong(
                name,
                f"got {', '.join(wrong)[:200]}; wanted numbers from {low:g} to {high:g} {units}",
            )
            return ()
        return tuple(values)

    def whole(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """Values of an optional facet as whole numbers in a range, sorted, each once."""
        values, wrong = set(), []
        for text in self.facets.get(name, ()):
            if text.isdecimal() and low <= int(text) <= high:
                values.add(int(text))
            else:
                wrong.append(text)
        if wrong:
            shown = ", ".join(wrong)[:200]
            self.wrong(name, f"got {shown}; wanted whole numbers from {low} to {high}")
        return tuple(sorted(values))

    def variables(
        self, known: Collection[str], canonical: dict[str, tuple[str, ...]]
    ) -> tuple[str, ...]:
        """The service's variables: of the facet ``variable``, else of ``selection.variables``.

        Parameters
        ----------
        known : collection of str
            The service's names.
        canonical : dict
            Canonical name -> the service's names that it is made of.
        """
        wanted = self.selection.variables
        if "variable" in self.facets or not wanted:
            return self.words("variable", known)
        wrong = [name for name in wanted if name not in canonical]
        if wrong:
            self.wrong_field(
                "selection.variables",
                f"got {', '.join(wrong)}; wanted some of {_some(canonical)}",
            )
        found = (one for name in wanted if name in canonical for one in canonical[name])
        return tuple(dict.fromkeys(found))

    def months(self, first: date, last: date) -> tuple[tuple[int, int], ...]:
        """Months (year, month) that are asked for, in order.

        The period is that of ``selection.start`` and ``selection.end``; the facets ``year`` and
        ``month`` choose within it, or stand for it where it is not given.

        Parameters
        ----------
        first, last : datetime.date
            What the service has.
        """
        years = self.whole("year", first.year, last.year)
        chosen = self.whole("month", 1, 12)
        start, end = self.selection.start, self.selection.end
        if not years and "year" not in self.facets and not (start and end):
            self.wrong("year", "is missing; give years, or the first and last day (start and end)")
        for field, day in (("selection.start", start), ("selection.end", end)):
            if day and not str(first) <= day <= str(last):
                self.wrong_field(field, f"got {day}; wanted a day from {first} to {last}")
        begin = start or f"{min(years, default=first.year)}-01-01"
        stop = end or f"{max(years, default=last.year)}-12-31"
        months = tuple(
            (year, month)
            for year in range(int(begin[:4]), int(stop[:4]) + 1)
            for month in range(1, 13)
            if begin[:7] <= f"{year:04d}-{month:02d}" <= min(stop, str(last))[:7]
            and (not years or year in years)
            and (not chosen or month in chosen)
        )
        if not months and not self._violations:
            self.wrong(
                "year" if years else "month",
                f"chooses no month from {begin} to {stop}; widen it, or change start and end",
            )
        return months

    def box(self, *, needed: bool) -> tuple[float, float, float, float] | None:
        """North, west, south, east: the facet ``area`` (four values), else ``selection.region``."""
        region = self.selection.region
        if "area" in self.facets:
            values = [_number(text) for text in self.facets["area"]]
            try:
                north, west, south, east = values
                region = Region(south=south, north=north, west=west, east=east)
                if not (south < north and west != east):
                    region = None
            except ValueError:
                region = None
            if region is None:
                shown = ", ".join(self.facets["area"])[:200]
                self.wrong(
                    "area", f"got {shown}; wanted north, west, south, east in degrees, north first"
                )
                return None
        if region is None:
            if needed:
                self.wrong("area", "is missing; give north, west, south, east, or a region")
            return None
        return region.north, region.west, region.south, region.east


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _some(names: Collection[str]) -> str:
    shown = list(names)[:_SHOWN]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
