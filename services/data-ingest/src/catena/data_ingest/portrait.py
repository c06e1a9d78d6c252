"""Portrait plot of a selection: models down, variables across, colours for the relative error."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from catena.data_ingest.verdict import QUARTERS, Row, Selection
from catena.shared.errors import InvalidData
from catena.shared.plot_style import MISSING, SIGNED
from catena.shared.report import INK, LINE, PAPER, SOFT, STYLE, png

LIMIT = 0.5
"""Relative errors beyond it have the colours of the ends."""
CELL, BELOW = 0.42, 1.15
"""Inches: a cell, and the space under the cells for scale and key."""
CORNERS = {
    "djf": ((0, 0), (0, 1)),
    "mam": ((0, 0), (1, 0)),
    "jja": ((1, 0), (1, 1)),
    "son": ((0, 1), (1, 1)),
}
"""Season -> the side of the cell on which its triangle stands: winter left, then round, with rows
counted downwards."""
MOST_WORDS = 72


def portrait_figure(selection: Selection, title: str = "") -> Figure:
    """Relative errors of all models that were compared, and which are kept.

    Each cell has four triangles, the error of the seasons (``rms_xy``), and a disc, that of the
    year (the statistic of the selection). On the right is the mean over the variables, by which the
    rule decides, and for models that are left out the reason.

    Parameters
    ----------
    selection : Selection
    title : str

    Raises
    ------
    InvalidData
        When there is no model.
    """
    rows = selection.table
    if not rows:
        raise InvalidData("found a selection without models, wanted one to draw")
    variables = [str(name) for name in selection.errors["variable"].values]
    count, across = len(rows), len(variables)
    # Inches for the names, the words on the right, and the labels and the title on top.
    left = 0.35 + 0.085 * max(len(row.model) for row in rows)
    right = 1.15 + 0.066 * max(len(_words(row)) for row in rows)
    top = 0.6 + (0.06 * max(map(len, variables)) if _slanted(variables) else 0.15)
    width, height = left + CELL * across + right, BELOW + CELL * count + top
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(width, 7.0), height))
        wide, tall = figure.get_size_inches()
        axes = figure.add_axes(
            (left / wide, BELOW / tall, CELL * across / wide, CELL * count / tall)
        )
        colours = mpl.colormaps[SIGNED].with_extremes(bad=MISSING)
        norm = BoundaryNorm(np.linspace(-LIMIT, LIMIT, 11), colours.N, extend="both")
        mesh = _cells(axes, selection, rows, variables)
        for part in mesh:
            part.set(cmap=colours, norm=norm)
        _frame(axes, rows, variables)
        _verdicts(axes, rows, across)
        figure.text(
            0.15 / wide,
            1 - 0.3 / tall,
            title or f"Relative error against {selection.reference}",
            fontsize=10.5,
            fontweight="bold",
        )
        length = min(3.2, wide - left - 1.6)
        bar = figure.colorbar(
            mesh[0],
            cax=figure.add_axes((left / wide, 0.62 / tall, length / wide, 0.13 / tall)),
            orientation="horizontal",
            extend="both",
        )
        bar.outline.set_visible(False)
        bar.set_ticks([-0.4, -0.2, 0, 0.2, 0.4], labels=["−40 %", "−20 %", "0", "+20 %", "+40 %"])
        bar.minorticks_off()
        bar.ax.tick_params(length=0, labelcolor=INK)
        bar.set_label("error relative to the median model", fontsize=8.5)
        _key(figure.add_axes(((left + length + 0.55) / wide, 0.2 / tall, 0.75 / wide, 0.75 / tall)))
    return figure


def portrait_png(selection: Selection, title: str = "") -> bytes:
    """The same as a PNG file."""
    return png(portrait_figure(selection, title))


def _cells(
    axes: Axes, selection: Selection, rows: tuple[Row, ...], variables: list[str]
) -> list[PolyCollection]:
    triangles, values = [], []
    discs, year = [], []
    circle = np.linspace(0, 2 * np.pi, 33)[:-1]
    for number, row in enumerate(rows):
        compared = row.mean_error is not None
        for column, variable in enumerate(variables):
            here = {"model": row.model, "variable": variable}
            corner, middle = np.array([column, number]), np.array([column + 0.5, number + 0.5])
            for season in QUARTERS:
                side = [corner + np.array(point) for point in CORNERS[season]]
                triangles.append([*side, middle])
                values.append(
                    float(selection.seasonal.sel({**here, "season": season}))
                    if compared
                    else np.nan
                )
            if compared:
                discs.append(middle + 0.21 * np.stack([np.cos(circle), np.sin(circle)], axis=1))
                year.append(float(selection.errors.sel(here)))
    parts = [
        PolyCollection(
            triangles, array=np.ma.masked_invalid(values), edgecolors=PAPER, linewidths=0.5
        ),
        PolyCollection(discs, array=np.ma.masked_invalid(year), edgecolors=PAPER, linewidths=0.8),
    ]
    for part in parts:
        axes.add_collection(part)
    return parts


def _frame(axes: Axes, rows: tuple[Row, ...], variables: list[str]) -> None:
    axes.set(xlim=(0, len(variables)), ylim=(len(rows), 0))
    slanted = _slanted(variables)
    axes.set_xticks(
        np.arange(len(variables)) + 0.5,
        variables,
        rotation=45 if slanted else 0,
        ha="left" if slanted else "center",
    )
    axes.xaxis.tick_top()
    axes.set_yticks(np.arange(len(rows)) + 0.5, [row.model for row in rows])
    axes.tick_params(length=0, labelcolor=INK)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(INK if row.kept else SOFT)
        label.set_fontweight("bold" if row.kept else "normal")
    for side in axes.spines.values():
        side.set_visible(False)
    for place in range(1, len(rows)):
        axes.axhline(place, color=PAPER, linewidth=2.5)
    for place in range(1, len(variables)):
        axes.axvline(place, color=PAPER, linewidth=2.5)


def _verdicts(axes: Axes, rows: tuple[Row, ...], across: int) -> None:
    for number, row in enumerate(rows):
        middle = number + 0.5
        mean = "" if row.mean_error is None else _percent(row.mean_error)
        axes.text(
            across + 1.75,
            middle,
            mean,
            ha="right",
            va="center",
            color=INK if row.kept else SOFT,
            fontweight="bold" if row.kept else "normal",
            clip_on=False,
        )
        axes.text(
            across + 2.1,
            middle,
            _words(row),
            ha="left",
            va="center",
            fontsize=8,
            color=INK if row.kept else SOFT,
            clip_on=False,
        )
    axes.text(across + 1.75, -0.22, "mean", ha="right", va="bottom", color=SOFT, fontsize=8)


def _percent(value: float) -> str:
    whole = round(100 * value)
    return f"{whole:+d} %".replace("-", "−") if whole else "0 %"


def _slanted(variables: list[str]) -> bool:
    return max(map(len, variables)) > 4


def _words(row: Row) -> str:
    if row.kept:
        return "kept"
    words = row.why.removeprefix("not compared: ").removeprefix("variable ")
    if row.why.startswith("mean relative error"):
        words = "above the threshold"
    return words if len(words) <= MOST_WORDS else words[: MOST_WORDS - 1].rstrip() + "…"


def _key(axes: Axes) -> None:
    """How to read a cell."""
    axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(visible=True, color=LINE)
    axes.plot([0, 1], [0, 1], color=LINE, linewidth=0.8)
    axes.plot([0, 1], [1, 0], color=LINE, linewidth=0.8)
    axes.add_patch(
        mpl.patches.Circle((0.5, 0.5), 0.21, facecolor=PAPER, edgecolor=LINE, linewidth=0.8)
    )
    for word, place in (
        ("DJF", (0.15, 0.5)),
        ("MAM", (0.5, 0.14)),
        ("JJA", (0.85, 0.5)),
        ("SON", (0.5, 0.88)),
        ("year", (0.5, 0.5)),
    ):
        axes.text(*place, word, ha="center", va="center", fontsize=6.5, color=SOFT)
