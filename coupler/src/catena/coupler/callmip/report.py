"""What the checks of a submission say: one row a rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["passed", "failed", "advice", "skipped"]


@dataclass(frozen=True)
class Row:
    """One rule of the protocol and what a file has.

    Parameters
    ----------
    rule : str
        Short name, e.g. ``time.units``.
    section : str
        Of the protocol (v2); ``checklist`` where only the checklist has it.
    status : {"passed", "failed", "advice", "skipped"}
        Advice: allowed, but worth changing. Skipped: cannot be judged, `wanted` says what for.
    found, wanted : str
    """

    rule: str
    section: str
    status: Status
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.section}): found {self.found}, wanted {self.wanted}"


@dataclass(frozen=True)
class Report:
    """All rows about one file."""

    file: str
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def of(self, status: Status) -> tuple[Row, ...]:
        """The rows of one status."""
        return tuple(row for row in self.rows if row.status == status)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rules that are broken."""
        return self.of("failed")

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        counts = {
            status: len(self.of(status)) for status in ("passed", "failed", "advice", "skipped")
        }
        return {"file": self.file, **counts, "rows": [asdict(row) for row in self.rows]}


def judged(rule: str, section: str, good: bool, found: str, wanted: str) -> Row:
    """A row that passes or fails."""
    return Row(rule, section, "passed" if good else "failed", found, wanted)


def shown(value: object) -> str:
    """A value so that what cannot be seen can be seen: a text in quotes, with escapes."""
    return ascii(value) if isinstance(value, str) else str(value)
