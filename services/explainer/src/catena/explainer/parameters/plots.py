"""Plots of a sensitivity: heat map, bars, pairs, beeswarm, profile. Arrays in, figures out."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from catena.shared.plot_style import with_units
from catena.shared.report import FIRST, GOOD, INK, LINE, MARK, SECOND, SOFT, STYLE, THIRD

Array = NDArray[np.float64]

COLOURS = (FIRST, SECOND, THIRD, GOOD, MARK)
MOST_COLUMNS = 24
"""Columns of a heat map whose cells have room for a number."""
LONGEST = 26
"""Letters of a label; longer ones are cut."""
LOW, MIDDLE, HIGH = FIRST, SOFT, SECOND
"""Colours of a parameter's value in the beeswarm: lowest, middle and highest third of its range."""


def heat_map(
    values: Array, rows: Sequence[str], columns: Sequence[str], *, marked: Sequence[bool] = ()
) -> Figure:
    """Shares as shaded cells with their percents.

    Parameters
    ----------
    values : (rows, columns) array
        0 to 1; NaN cells are crossed out.
    rows, columns : sequence of str
        Parameters and outputs.
    marked : sequence of bool, optional
        Columns whose label carries a star.
    """
    r, c = values.shape
    stars = marked or [False] * c
    labels = [_short(name) + " *" * bool(star) for name, star in zip(columns, stars, strict=True)]
    turned = max(map(len, labels)) * c > 90
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 0.34 * r + (2.0 if turned else 0.9)), layout="constrained")
        axes = figure.subplots()
        for i in range(r):
            for j in range(c):
                _cell(axes, j, i, values[i, j], FIRST, text=c <= MOST_COLUMNS, power=0.7)
        _grid(axes, c, r)
        axes.set_yticks(range(r), [_short(name) for name in rows])
        axes.set_xticks(
            range(c), labels, rotation=45 if turned else 0, ha="right" if turned else "center"
        )
        axes.tick_params(length=0, labelcolor=INK)
    return figure


def _cell(
    axes: Axes, x: float, y: float, value: float, colour: str, *, text: bool, power: float = 1.0
) -> None:
    corner = (x - 0.5, y - 0.5)
    if np.isnan(value):
        axes.text(x, y, "–", ha="center", va="center", color=SOFT, fontsize=8)
        return
    shade = float(np.clip(value, 0.0, 1.0)) ** power
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=0.75 * shade, linewidth=0))
    if text and value >= 0.005:
        axes.text(x, y, f"{100 * value:.0f}", ha="center", va="center", color=INK, fontsize=8)


def _grid(axes: Axes, columns: int, rows: int) -> None:
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    for x in np.arange(columns + 1) - 0.5:
        axes.axvline(x, color=LINE, linewidth=0.5)
    for y in np.arange(rows + 1) - 0.5:
        axes.axhline(y, color=LINE, linewidth=0.5)
    for side in axes.spines.values():
        side.set_visible(False)


def index_bars(
    first: Array,
    first_error: Array,
    total: Array,
    total_error: Array,
    rows: Sequence[str],
    titles: Sequence[str],
    confidence: float,
) -> Figure:
    """First-order and total Sobol indices with intervals, a panel for each output.

    Parameters
    ----------
    first, first_error, total, total_error : (rows, panels) arrays
    rows, titles : sequence of str
        Parameters, and outputs.
    confidence : float
    """
    r, panels = first.shape
    columns = min(3, panels)
    lines = -(-panels // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, lines * (0.27 * r + 0.55) + 0.6), layout="constrained")
        cells = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        places = np.arange(r)
        for axes, k in zip(cells, range(panels), strict=False):
            axes.barh(places, total[:, k], height=0.72, color=FIRST, alpha=0.3, linewidth=0)
            axes.barh(places, first[:, k], height=0.4, color=FIRST, alpha=0.9, linewidth=0)
            for values, error, shift, colour in (
                (total, total_error, 0.27, SOFT),
                (first, first_error, 0.0, INK),
            ):
                axes.errorbar(
                    values[:, k], places + shift, xerr=error[:, k], fmt="none", ecolor=colour,
                    elinewidth=1.0,
                )  # fmt: skip
            axes.set_title(_short(titles[k]), fontsize=9, loc="left", color=SOFT, parse_math=False)
            axes.set_yticks(places, [_short(name) for name in rows])
            axes.tick_params(axis="y", length=0, labelcolor=INK)
            if k + columns >= panels:  # nothing below it that would carry the numbers
                axes.tick_params(axis="x", labelbottom=True)
        cells[0].set_ylim(r - 0.5, -0.5)
        cells[0].set_xlim(0.0, 1.03 * max(1e-9, float(np.nanmax(total + total_error))))
        for axes in cells[panels:]:
            axes.set_visible(False)
        figure.supxlabel("share of the output's variance", fontsize=9)
        figure.legend(
            handles=[
                Patch(facecolor=FIRST, alpha=0.9, label="alone (first order)"),
                Patch(facecolor=FIRST, alpha=0.3, label="with all interactions (total)"),
                Line2D([], [], color=SOFT, label=f"{100 * confidence:g} % interval"),
            ],
            loc="outside upper left",
            ncols=3,
            fontsize=9,
        )
    return figure


def pair_matrices(pairs: Array, first: Array, rows: Sequence[str], titles: Sequence[str]) -> Figure:
    """What pairs of parameters make together (below) and each alone (diagonal).

    Parameters
    ----------
    pairs : (rows, rows, panels) array
    first : (rows, panels) array
    rows, titles : sequence of str
    """
    r, panels = first.shape
    columns = min(3, panels)
    lines = -(-panels // columns)
    with mpl.rc_context(STYLE):
        # squares with names under and beside them: one column is as wide as its share of the page
        names = [_short(name, 16) for name in rows]
        under = 0.075 * max(map(len, names)) + 0.45
        size = min((9.2 - under) / columns - 0.15, 0.42 * r + 0.3)
        figure = Figure(figsize=(9.2, lines * (size + under)), layout="constrained")
        cells = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for axes, k in zip(cells, range(panels), strict=False):
            for i in range(r):
                _cell(axes, i, i, first[i, k], SOFT, text=True, power=0.5)
                for j in range(i):  # pairs are small: roots keep them in sight
                    _cell(axes, j, i, max(pairs[i, j, k], 0.0), SECOND, text=True, power=0.5)
            _grid(axes, r, r)
            axes.set_aspect("equal")
            axes.set_title(_short(titles[k]), fontsize=9, loc="left", color=SOFT, parse_math=False)
            axes.set_yticks(range(r), names)
            axes.set_xticks(range(r), names, rotation=90)
            axes.tick_params(length=0, labelcolor=INK, labelsize=8)
        for axes in cells[panels:]:
            axes.set_visible(False)
    return figure


def beeswarm(
    values: Array, height: Array, rows: Sequence[str], titles: Sequence[str], units: Sequence[str]
) -> Figure:
    """Shapley values of points as swarms of dots, coloured by the parameter's value.

    Parameters
    ----------
    values : (points, panels, rows) array
        In the outputs' units.
    height : (points, rows) array
        Value of the parameter, 0 to 1 over its range.
    rows, titles, units : sequence of str
        Parameters; outputs and their units.
    """
    _, panels, r = values.shape
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 0.36 * r + 1.3), layout="constrained")
        cells = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
        for k, axes in enumerate(cells):
            axes.axvline(0.0, color=LINE, linewidth=1.0)
            reach = float(np.abs(values[:, k]).max()) or 1.0
            for i in range(r):
                y = i + _offsets(values[:, k, i], reach)
                third = np.minimum(3.0 * height[:, i], 2.0).astype(int)
                for part, colour in enumerate((LOW, MIDDLE, HIGH)):
                    own = third == part
                    axes.plot(
                        values[own, k, i], y[own], ".", color=colour, markersize=3.5,
                        markeredgewidth=0,
                    )  # fmt: skip
            axes.set_title(_short(titles[k]), fontsize=9, loc="left", color=SOFT, parse_math=False)
            axes.set_xlabel(with_units("contribution", units[k]))
            axes.set_yticks(range(r), [_short(name) for name in rows])
            axes.tick_params(axis="y", length=0, labelcolor=INK)
        cells[0].set_ylim(r - 0.5, -0.5)
        figure.legend(
            handles=[
                Line2D([], [], color=colour, marker="o", markersize=4, linestyle="", label=label)
                for colour, label in (
                    (LOW, "parameter in its lowest third"),
                    (MIDDLE, "middle"),
                    (HIGH, "highest third"),
                )
            ],
            loc="outside upper left",
            ncols=3,
            fontsize=9,
        )
    return figure


def _offsets(values: Array, reach: float, bins: int = 60) -> Array:
    """How far dots move off their line so that they do not hide each other, up to 0.4."""
    cell = np.floor((values / reach + 1.0) / 2.0 * bins).astype(int)
    order = np.lexsort((np.arange(len(values)), cell))
    start = np.searchsorted(cell[order], cell[order], side="left")
    number = np.empty(len(values), dtype=int)
    number[order] = np.arange(len(values)) - start  # 0, 1, 2, ... within a bin
    step = (number + 1) // 2 * np.where(number % 2, 1, -1)
    return np.asarray(step * min(0.09, 0.4 / max(1, int(np.abs(step).max()))))


def profile(values: Array, rows: Sequence[str], first: str, last: str, title: str) -> Figure:
    """Total index along the outputs of a group, a line for each leading parameter.

    Parameters
    ----------
    values : (rows, outputs) array
        At most as many rows as :data:`COLOURS`.
    rows : sequence of str
        Parameters.
    first, last : str
        Names of the first and the last output.
    title : str
        The group.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 2.6), layout="constrained")
        axes = figure.subplots()
        for row, name, colour in zip(values, rows, COLOURS, strict=False):
            axes.plot(row, color=colour, linewidth=1.2, label=_short(name))
        axes.set_ylim(0.0, 1.05 * max(1e-9, float(np.nanmax(values))))
        axes.set_title(title, fontsize=9, loc="left", color=SOFT, parse_math=False)
        axes.set_xlabel(f"outputs in their order, {_short(first)} to {_short(last)}")
        axes.set_ylabel("total index")
        axes.margins(x=0.01)
        axes.grid(axis="y", color=LINE, linewidth=0.5)
        figure.legend(loc="outside right upper", fontsize=9)
    return figure


def _short(text: str, longest: int = LONGEST) -> str:
    """A label that fits, without the dollar signs that matplotlib would read as mathematics."""
    text = text.replace("$", "")
    return text if len(text) <= longest else text[: longest - 1] + "…"
