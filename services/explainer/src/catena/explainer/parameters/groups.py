"""Outputs that belong together: the steps of a time series, or the cells of a field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.explainer.parameters.surrogate import Named

Array = NDArray[np.float64]

_STEP = re.compile(
    r"[_\-. ]*(m\d{1,2}|\d+(-\d{2}){0,2}|winter|spring|summer|autumn)?([_\-. ]?c\d+)?$"
)
"""How names of steps and cells end: a year, a month, a day, a season, a number, a cell."""


@dataclass(frozen=True)
class OutputGroup:
    """Outputs of one variable and one unit."""

    name: str
    units: str
    members: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.members)


def output_groups(outputs: Named) -> tuple[OutputGroup, ...]:
    """Outputs by the variable in their names and by their units, in the order they come."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, (name, units) in enumerate(zip(outputs.names, outputs.units, strict=True)):
        stem = name[: _STEP.search(name).start()] or name  # type: ignore[union-attr]
        found.setdefault((stem, units), []).append(place)
    # one variable in two units keeps both apart by more than a colour
    stems = [stem for stem, _ in found]
    return tuple(
        OutputGroup(stem if stems.count(stem) == 1 else f"{stem} ({units})", units, tuple(members))
        for (stem, units), members in found.items()
    )


def spread_over(groups: Sequence[OutputGroup], most: int) -> NDArray[np.int64]:
    """All outputs where they are few, else about `most` spread evenly over each group."""
    if sum(map(len, groups)) <= most:
        return np.array(sorted(i for group in groups for i in group.members), dtype=np.int64)
    chosen: set[int] = set()
    for group in groups[:most]:
        n = min(len(group), max(1, most // len(groups)))
        places = np.linspace(0, len(group) - 1, n).round().astype(int) if n > 1 else [0]
        chosen.update(group.members[int(place)] for place in places)
    return np.array(sorted(chosen), dtype=np.int64)


def pooled(values: Array, variance: Array, group: OutputGroup) -> Array:
    """Index of a group, (d,), from those of its outputs (d, k) and their variances (k,).

    The mean weighted by variance: the share of the sum of all variances (Gamboa et al. 2014,
    Electron. J. Stat. 8:575, section 2). Half widths are pooled alike, which is on the safe side.
    NaN where no output varies.
    """
    members = list(group.members)
    weight = variance[members]
    own = np.where(weight > 0.0, values[:, members], 0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(own @ weight / weight.sum())
