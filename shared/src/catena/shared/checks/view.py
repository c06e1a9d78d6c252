"""What a check looks at: the dataset as the checks before it left it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.fixes import apply
from catena.shared.checks.statistics import Statistics, collect
from catena.shared.lexicon import Defect, Row, Variable, defects, variable

CHECKED = "catena"
"""Global attribute `vocabulary` of data that went through the checks: their names are canonical."""

STEADY_FIXES = frozenset(
    {"rename", "set_attributes", "set_coords", "drop", "astype", "shift_time", "add_time_bounds",
     "start_of_interval"}
)  # fmt: skip
"""Fixes that leave every value where it is."""


@dataclass
class View:
    """State of one inspection.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the fixes of all earlier checks applied, lazily.
    vocabulary, key, file : str
    rows : dict
        Canonical name -> row of the lexicon, for each variable that is still in.
    converted : bool
        Whether any fix was made so far.
    ends : set
        Canonical names of the variables whose values were accumulated up to their stamp in time.
    """

    dataset: xr.Dataset
    vocabulary: str
    key: str
    file: str
    rows: dict[str, Row] = field(default_factory=dict)
    converted: bool = False
    ends: set[str] = field(default_factory=set)
    raw: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    _statistics: dict[str, Statistics] = field(default_factory=dict)
    _step: tuple[clock.Step | None] | None = None

    @property
    def checked_before(self) -> bool:
        """Whether the data say that they came out of these checks."""
        return self.dataset.attrs.get("vocabulary") == CHECKED

    @property
    def defects(self) -> tuple[Defect, ...]:
        """Known defects of this dataset; data that were checked have them behind them."""
        return () if self.checked_before else defects(self.vocabulary, self.key)

    @property
    def variables(self) -> list[str]:
        """Canonical names that are still in, in the order of the dataset."""
        return [str(name) for name in self.dataset.data_vars if name in self.rows]

    def variable(self, name: str) -> Variable:
        """Canonical variable."""
        return variable(self.rows[name].name)

    def source(self, name: str) -> str:
        """The source's name of a canonical variable."""
        return self.rows[name].variable if name in self.rows else name

    def defects_of(self, name: str, *actions: str) -> list[Defect]:
        """Known defects of one variable."""
        return [
            defect
            for defect in self.defects
            if defect.action in actions and defect.concerns(name, self.source(name))
        ]

    def statistics(self, name: str) -> Statistics:
        """Statistics of a variable; the first call reads the data, of all variables at once."""
        if name not in self._statistics:
            wanted = [each for each in self.variables if each not in self._statistics]
            self._statistics.update(collect(self.dataset, wanted))
        return self._statistics[name]

    @property
    def times(self) -> Any:
        """Values of the time axis, or None where there is none."""
        if "time" not in self.dataset.dims or "time" not in self.dataset.coords:
            return None
        values = self.dataset["time"].values
        return values if values.size and clock.is_time(values) else None

    @property
    def step(self) -> clock.Step | None:
        """Step of the time axis; None where there is none, or none that repeats."""
        if self._step is None:
            self._step = (self._find_step(),)
        return self._step[0]

    def _find_step(self) -> clock.Step | None:
        values = self.times
        if values is None:
            return None
        attributes = self.dataset.attrs
        frequency = str(attributes.get("frequency") or attributes.get("table_id") or "")
        return clock.find_step(values, frequency)

    def advance(self, findings: Iterable[Finding]) -> None:
        """Apply what a check decided, and forget what is no longer true."""
        for finding in findings:
            for fix in finding.fixes:
                self._apply(fix)
            self.converted |= finding.action == "converted"

    def _apply(self, fix: Fix) -> None:
        self.dataset = apply(self.dataset, (fix,))
        if "variable" not in fix.arguments:
            self._step = None
        if fix.op == "drop":
            for name in fix.arguments["names"]:
                self.rows.pop(name, None)
                self._statistics.pop(name, None)
        elif fix.op == "scale" and fix.arguments["variable"] in self._statistics:
            name = fix.arguments["variable"]
            self._statistics[name] = self._statistics[name].scaled(
                fix.arguments["factor"], fix.arguments.get("offset", 0.0)
            )
        elif fix.op == "clip" and fix.arguments["variable"] in self._statistics:
            found = self._statistics[fix.arguments["variable"]]
            limits = fix.arguments.get("low"), fix.arguments.get("high")
            found.low, found.high = (
                float(np.clip(value, *limits)) for value in (found.low, found.high)
            )
        elif fix.op not in STEADY_FIXES:
            name = fix.arguments.get("variable", "")
            if name:
                self._statistics.pop(name, None)
            else:
                self._statistics.clear()


Run = Callable[[View], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Parameters
    ----------
    name : str
        Word that its findings carry.
    run : callable
        View -> findings.
    """

    name: str
    run: Run


def converted(
    found: str, wanted: str, why: str, *fixes: Fix, variable: str = "", dimension: str = ""
) -> Finding:
    """A finding that its fixes make right."""
    return Finding(
        "", "converted", found, wanted, why, fixes=fixes, variable=variable, dimension=dimension
    )


def noted(found: str, wanted: str, why: str, *, variable: str = "", dimension: str = "") -> Finding:
    """A finding that is legitimate and worth knowing."""
    return Finding("", "noted", found, wanted, why, variable=variable, dimension=dimension)


def refused(found: str, wanted: str, why: str, *, dimension: str = "") -> Finding:
    """A finding about the dataset as a whole: it is left out."""
    return Finding("", "refused", found, wanted, why, dimension=dimension)


def refused_variable(
    view: View, name: str, found: str, wanted: str, why: str, dimension: str = ""
) -> Finding:
    """A finding for which one variable is left out."""
    return Finding(
        "", "refused", found, wanted, why,
        variable=view.source(name), dimension=dimension, fixes=(Fix("drop", {"names": [name]}),),
    )  # fmt: skip


def number(value: float) -> str:
    """A number for a message."""
    return f"{value:.6g}"
