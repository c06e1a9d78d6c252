"""Tables of the page of an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from catena.explainer.report.knowledge import ANSWERS, KnowledgeCheck
from catena.explainer.report.reading import Explained, label
from catena.explainer.report.words import method_words
from catena.shared.report import Table, duration, number

MOST_BASINS = 8
"""Basins whose checks are shown one by one; of more they are counted."""
MARKS = {True: "✓", False: "✗", None: "–"}


def importance_table(x: Explained) -> Table:
    """Shares of inputs over all samples, and what permutation says of them."""
    places = x.shown_leads()
    shares = 100 * x.shares(np.ones(len(x.basin), bool))[places]
    columns = ["Input", *(f"share at {x.leads[place]} d" for place in places)]
    rise = _permutation(x, places)
    if rise is not None:
        columns += [f"permuted, {x.leads[place]} d" for place in places]
    order = np.argsort(-shares.sum(0))
    rows = []
    for group in map(int, order):
        cells = [label(x.groups[group]), *(f"{value:.1f} %" for value in shares[:, group])]
        if rise is not None:
            cells += [
                _known(rise[place].get(x.groups[group], np.nan)) for place in range(len(rise))
            ]
        rows.append(cells)
    caption = "Shares: over all basins."
    if rise is not None:
        mean = dict(x.about.get("settings") or {}).get("quantile") is None
        error = "squared error" if mean else "pinball loss"
        caption += (
            f" Permuted: rise of the {error} when the input comes from another day, over the "
            f"{error} as it is; a check of the shares by other means."
        )
    return Table(columns, rows, caption, numeric=tuple(range(1, len(columns))))


def _permutation(x: Explained, places: Sequence[int]) -> list[dict[str, float]] | None:
    if "permutation" not in x.data or x.data["permutation"].dims != ("lead", "group"):
        return None
    names = [str(name) for name in x.data["group"].values]
    values = x.data["permutation"].values
    return [dict(zip(names, map(float, values[place]), strict=True)) for place in places]


def knowledge_tables(x: Explained, checks: Sequence[KnowledgeCheck]) -> list[Table]:
    """What process knowledge expects, and what was found: by basin, or counted by class."""
    if len(x.basins) > MOST_BASINS:
        return [_counted(checks)]
    rows = [
        [
            x.basin_title(check.basin),
            check.claim,
            check.words.removeprefix(f"{check.claim}: {ANSWERS[check.holds]}; ").rstrip("."),
            "-" if np.isnan(check.found) else number(check.found, 2),
            check.wanted,
            f"{MARKS[check.holds]} {ANSWERS[check.holds]}",
        ]
        for check in checks
    ]
    columns = ["Basin", "Expected", "What was found", "Number", "Wanted", "Holds"]
    return [Table(columns, rows, numeric=(3,))]


def _counted(checks: Sequence[KnowledgeCheck]) -> Table:
    rows = []
    for kind, claim in dict.fromkeys((check.basin_class, check.claim) for check in checks):
        of = [one for one in checks if (one.basin_class, one.claim) == (kind, claim)]
        judged = [one for one in of if one.holds is not None]
        found = [one.found for one in judged]
        rows.append(
            [
                kind or "not known",
                claim,
                number(float(np.median(found)), 2) if found else "-",
                of[0].wanted,
                f"{sum(bool(one.holds) for one in judged)} of {len(judged)}",
                str(len(of) - len(judged)),
            ]
        )
    return Table(
        ["Class", "Expected", "Median", "Wanted", "Holds in basins", "Not known"],
        rows,
        numeric=(2, 4, 5),
    )


def method_table(
    methods: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None
) -> Table:
    """Methods with their completeness and cost; settings of each, where they have their own."""
    own = any(one.get("settings") for one in methods.values())
    rows = []
    for name, one in methods.items():
        worst, cost = one.get("completeness_max"), one.get("cpu_s")
        rows.append(
            [
                method_words(name),
                *([_settings(one.get("settings") or {})] if own else []),
                "-" if worst is None else _known(float(worst)),
                "-" if cost is None else duration(float(cost)),
            ]
        )
    common = f" Settings of all: {_settings(settings)}." if settings else ""
    columns = ["Method", *(["Settings"] if own else []), "Completeness, worst", "CPU time"]
    return Table(
        columns,
        rows,
        "Completeness: largest error of the sum of contributions, as a share of the range of the "
        "forecasts; at most 0.0001 is wanted of gradient methods. Methods without a number do not "
        f"promise a sum.{common}",
        numeric=(len(columns) - 2, len(columns) - 1),
    )


def _settings(settings: Mapping[str, Any]) -> str:
    """``baselines 8, leads 1 7 30``; those that were not set are left out."""
    said = []
    for name, value in settings.items():
        if value is not None:
            text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            said.append(f"{name.replace('_', ' ')} {text}")
    return ", ".join(said)


_FACTS = (
    ("latitude", "Latitude, °"),
    ("longitude", "Longitude, °"),
    ("snow_fraction", "Snow fraction"),
    ("baseflow_index", "Baseflow index"),
    ("recession_days", "Recession, d"),
)


def basin_table(x: Explained) -> Table:
    """Basins with what is known of them."""
    known = [
        (name, title)
        for name, title in _FACTS
        if any(x.fact(b, name) is not None for b in x.basins)
    ]
    rows = [
        [
            basin,
            x.basin_class(basin) or "-",
            str(int((x.basin == basin).sum())),
            *(_fact(x.fact(basin, name)) for name, _ in known),
        ]
        for basin in x.basins
    ]
    columns = ["Basin", "Class", "Forecasts", *(title for _, title in known)]
    return Table(columns, rows, numeric=tuple(range(2, len(columns))))


def _fact(value: Any) -> str:
    return "-" if value is None else _known(float(value))


def _known(value: float) -> str:
    return number(value) if np.isfinite(value) else "-"
