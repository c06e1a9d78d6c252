"""What the plots of an explanation have in common: panels, names, colours."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from catena.explainer.flow.columns import DAY_OF_YEAR, PROCESS_FLOW
from catena.explainer.report.reading import (
    ATTRIBUTES,
    NOISE,
    PRECIPITATION,
    STREAMFLOW,
    TEMPERATURE,
)
from catena.shared.report import FIRST, GOOD, INK, LINE, MARK, SECOND, SOFT, THIRD, unit_label

WIDTH = 9.2
"""Inches; that of a page."""
LETTER = 0.0075
"""Mean width of a letter, inches for each point of its size."""
FLOW = unit_label("mm d-1")

VALUES: Colormap = LinearSegmentedColormap.from_list("values", [FIRST, "#a9b0b5", SECOND])
"""Low to high values of an input: blue over grey to red, seen with any colour vision and on light
and dark pages alike."""

CELL_INK = "#20262b"
"""Of lines and numbers on cells: not of the page, as the cells are as pale on a dark one."""
DAY_TICKS = (30, -10, 10, -30, -90, 5, -5, -180, 3, -3, 1, -1)
"""Days to write at an axis beside 0 and the first day, the most wanted first."""
LEAST_GAP = 0.1
"""Of the axis, between two ticks."""

_COLOURS = {
    **dict.fromkeys(PRECIPITATION, FIRST),
    **dict.fromkeys(TEMPERATURE, SECOND),
    **dict.fromkeys(STREAMFLOW, THIRD),
    PROCESS_FLOW: MARK,
    DAY_OF_YEAR: GOOD,
    NOISE: SOFT,
    ATTRIBUTES: LINE,
}
_OTHERS = (INK, GOOD, MARK, SOFT)


def colour(name: str, place: int = 0) -> str:
    """Colour of an input, the same in all plots."""
    return _COLOURS.get(name, _OTHERS[place % len(_OTHERS)])


def panels(
    rows: int, columns: int, height: float, *, extra: float = 0.5, **shared: Any
) -> tuple[Figure, NDArray[Any]]:
    """Figure as wide as a page with a grid of axes, (rows, columns).

    Parameters
    ----------
    rows, columns : int
    height : float
        Inches of one row.
    extra : float
        Inches for labels and legend.
    **shared
        Of ``Figure.subplots``.
    """
    # Parts that are drawn as pixels are as fine as a good screen.
    figure = Figure(figsize=(WIDTH, rows * height + extra), layout="constrained", dpi=200)
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def heading(axes: Axes, text: str, room: float | None = None) -> None:
    """Title of a panel; smaller where it is long, so that neighbours do not run into one another.

    Parameters
    ----------
    axes : Axes
    text : str
    room : float, optional
        Inches; by default the panel's share of the page.
    """
    if room is None:
        place = axes.get_subplotspec()
        room = 0.84 * WIDTH / (place.get_gridspec().ncols if place else 1)
    size = float(np.clip(room / (LETTER * max(len(text), 1)), 6.5, 9.0))
    axes.set_title(text, fontsize=size, loc="left", color=SOFT, parse_math=False)


def edges(centres: NDArray[Any]) -> NDArray[np.float64]:
    """Edges of cells, half-way between their centres; in the same order."""
    centres = np.asarray(centres, np.float64)
    if len(centres) == 1:
        return np.asarray(centres[0] + np.array([-0.5, 0.5]))
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate(
        [[1.5 * centres[0] - 0.5 * centres[1]], middle, [1.5 * centres[-1] - 0.5 * centres[-2]]]
    )


def day_axis(axes: Axes, first: float, last: float) -> None:
    """Days from the issue; stretched where they are few, for the last days matter most."""
    axes.set_xscale("symlog", linthresh=10, linscale=1)
    axes.set_xlim(first, last)
    place = axes.xaxis.get_transform().transform
    start, end = place(np.array([first, last]))
    ticks: list[int] = []
    for day in (0, int(np.ceil(first)), *DAY_TICKS):
        gaps = [abs(place(np.array([day]))[0] - place(np.array([one]))[0]) for one in ticks]
        if first <= day <= last and all(gap > LEAST_GAP * (end - start) for gap in gaps):
            ticks.append(day)
    axes.set_xticks(ticks, [f"{day:+d}" if day else "0" for day in ticks], fontsize=8)
    axes.set_xlim(first, last)
    axes.minorticks_off()
    if first < 0.5 < last:
        axes.axvline(0.5, color=CELL_INK, linewidth=0.7)


def no_spines(axes: Axes) -> None:
    """Leave the frame away: cells have edges of their own."""
    for spine in axes.spines.values():
        spine.set_visible(False)


def thinned(count: int, most: int) -> NDArray[np.int64]:
    """At most so many places, evenly spread over `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def wrapped(name: str, most: int = 14) -> str:
    """A name in lines of about so many letters."""
    return "\n".join(textwrap.wrap(name, most, break_long_words=False))
