"""What a check says: a finding, and the fix that goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

Action = Literal["converted", "refused", "noted"]


@dataclass(frozen=True)
class Fix:
    """One change of a dataset as plain data: it is stored, and applied lazily on opening.

    Parameters
    ----------
    op : str
        Name of the operation in :mod:`catena.shared.checks.fixes`.
    arguments : dict
        Its arguments, as JSON.
    """

    op: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"op": self.op, **self.arguments}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        rest = dict(plain)
        return cls(str(rest.pop("op")), rest)


@dataclass(frozen=True)
class Finding:
    """One thing that was not as wanted, where, and what was done about it.

    Parameters
    ----------
    check : str
        Name of the check, e.g. ``units``.
    action : {"converted", "refused", "noted"}
        Converted: `fixes` make it right. Refused: the variable (or, without one, the dataset) is
        left out. Noted: it is legitimate and worth knowing.
    found, wanted : str
        Both values.
    why : str
        What it means and what to do, in words.
    dataset, file, variable, dimension : str
        Where; empty where it does not apply.
    fixes : tuple of Fix
        In the order in which they are to be applied.
    """

    check: str
    action: Action
    found: str
    wanted: str
    why: str = ""
    dataset: str = ""
    file: str = ""
    variable: str = ""
    dimension: str = ""
    fixes: tuple[Fix, ...] = ()

    def __str__(self) -> str:
        place = " ".join(
            f"{word} {value}"
            for word, value in (
                ("dataset", self.dataset),
                ("file", self.file),
                ("variable", self.variable),
                ("dimension", self.dimension),
            )
            if value
        )
        text = f"{self.check} {self.action}: {place}: found {self.found}, wanted {self.wanted}"
        return f"{text}; {self.why}" if self.why else text

    def at(self, *, dataset: str, file: str) -> Finding:
        """The same finding with its place filled in where it is still open."""
        return replace(self, dataset=self.dataset or dataset, file=self.file or file)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; empty places are left out."""
        plain: dict[str, Any] = {
            name: getattr(self, name) for name in ("check", "action", "found", "wanted")
        }
        for name in ("why", "dataset", "file", "variable", "dimension"):
            if getattr(self, name):
                plain[name] = getattr(self, name)
        if self.fixes:
            plain["fixes"] = [fix.to_dict() for fix in self.fixes]
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        fixes = tuple(Fix.from_dict(fix) for fix in plain.get("fixes", ()))
        return cls(**{**plain, "fixes": fixes})


@dataclass(frozen=True)
class Inspection:
    """All findings about one dataset, in the order in which their fixes are to be applied."""

    findings: tuple[Finding, ...] = ()

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __add__(self, more: Iterable[Finding]) -> Inspection:
        return Inspection((*self.findings, *more))

    def of(self, action: Action) -> tuple[Finding, ...]:
        """The findings of one action."""
        return tuple(finding for finding in self.findings if finding.action == action)

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """Every fix, in order."""
        return tuple(fix for finding in self.findings for fix in finding.fixes)

    @property
    def refused(self) -> bool:
        """Whether the dataset as a whole is refused."""
        return any(finding.action == "refused" and not finding.variable for finding in self)

    @property
    def refused_variables(self) -> frozenset[str]:
        """Names of the variables that are left out."""
        return frozenset(finding.variable for finding in self.of("refused") if finding.variable)
