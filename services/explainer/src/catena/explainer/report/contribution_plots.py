"""Plots of contributions: a beeswarm of variables, and which day of which variable counts."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import rankdata

from catena.explainer.report.drawing import (
    CELL_INK,
    FLOW,
    VALUES,
    day_axis,
    edges,
    heading,
    no_spines,
    panels,
    thinned,
)
from catena.explainer.report.reading import Explained, Part, label
from catena.shared.plot_style import MISSING, WATER
from catena.shared.report import INK, LINE, SOFT, STYLE

Array = NDArray[np.float64]

MOST_POINTS = 150
"""Samples in a row of a beeswarm; more are thinned evenly."""
DECADES = 3
"""What is less than the strongest by so many powers of ten has the palest colour."""


def beeswarm_plot(x: Explained, parts: Sequence[Part], leads: Sequence[int]) -> Figure:
    """A point for each sample: what a variable added to the forecast, coloured by its value.

    Parameters
    ----------
    x : Explained
    parts : sequence of Part
        A column of panels for each.
    leads : sequence of int
        Places of leads, a row for each.
    """
    order = np.argsort(x.importance(np.ones(len(x.basin), bool))[list(leads)].mean(0))
    names = [label(x.groups[group]) for group in order]
    with mpl.rc_context(STYLE):
        height = 0.27 * len(order) + 0.45
        figure, cells = panels(len(leads), len(parts), height, sharey=True)
        for row, lead in enumerate(leads):
            for axes, part in zip(cells[row], parts, strict=True):
                _swarms(axes, x, part, lead, [int(group) for group in order])
                heading(axes, f"{part.title}, lead {x.leads[lead]}")
        for axes in cells[:, 0]:
            axes.set_yticks(range(len(names)), names)
        figure.supxlabel(f"contribution to the forecast ({FLOW})", fontsize=9, color=INK)
        bar = figure.colorbar(
            ScalarMappable(Normalize(0, 1), VALUES), ax=cells, shrink=0.5, aspect=30, pad=0.01
        )
        bar.set_ticks([0.02, 0.98], labels=["low", "high"])
        bar.set_label("value of the input")
        bar.outline.set_visible(False)
    return figure


def _swarms(axes: Axes, x: Explained, part: Part, lead: int, order: list[int]) -> None:
    rows = np.flatnonzero(part.rows)[thinned(int(part.rows.sum()), MOST_POINTS)]
    shown = x.total[rows, lead][:, order]
    low, high = min(float(shown.min()), 0.0), max(float(shown.max()), 0.0)
    width = (high - low) or 1.0
    axes.axvline(0.0, color=LINE, linewidth=0.8, zorder=0)
    for place, group in enumerate(order):
        points = x.total[rows, lead, group]
        offset = swarm_offsets((points - low) / width)
        value = _values(x, rows, lead, group)
        colours = [SOFT if np.isnan(one) else to_hex(VALUES(one)) for one in value]
        axes.scatter(points, place + offset, s=9, linewidth=0, c=colours, rasterized=True)
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlim(low - 0.04 * width, high + 0.04 * width)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)


def swarm_offsets(places: Array, bins: int = 60, most: float = 0.38) -> Array:
    """Sideways shifts that let points of the same place lie next to one another.

    Parameters
    ----------
    places : (n,) array
        In [0, 1] along the axis.
    bins : int
    most : float
        Largest shift.
    """
    if np.ptp(places) < 1.0 / bins:
        # the same in all samples: one point, not a heap
        return np.zeros(len(places))
    box = np.minimum((places * bins).astype(np.int64), bins - 1)
    rank = np.zeros(len(places))
    for one in np.unique(box):
        inside = np.flatnonzero(box == one)
        inside = inside[np.argsort(places[inside], kind="stable")]
        steps = np.arange(len(inside))
        rank[inside] = np.where(steps % 2, 1, -1) * ((steps + 1) // 2)
    step = min(0.09, most / max(float(np.abs(rank).max(initial=0.0)), 1.0))
    return np.asarray(rank * step)


def _values(x: Explained, rows: NDArray[np.int64], lead: int, group: int) -> Array:
    """Ranks in [0, 1] of a variable's value, days weighed by what they contribute; NaN if none."""
    if x.value is None or group >= len(x.variables) or len(rows) < 2:
        return np.full(len(rows), np.nan)
    weight = np.nan_to_num(np.abs(x.contribution[rows, lead, group])).mean(0)
    value = x.value[rows, group]
    there = np.isfinite(value) * weight
    whole = there.sum(-1)
    mean = np.nansum(np.nan_to_num(value) * there, -1) / np.where(whole > 0, whole, np.nan)
    known = np.isfinite(mean)
    if known.sum() < 2 or np.ptp(mean[known]) == 0:
        return np.full(len(rows), np.nan)
    ranks = np.full(len(rows), np.nan)
    ranks[known] = (rankdata(mean[known]) - 1) / (known.sum() - 1)
    return ranks


def lag_plot(x: Explained, parts: Sequence[Part], leads: Sequence[int]) -> Figure:
    """Which day of which variable counts: mean absolute contributions, a row for each part.

    Parameters
    ----------
    x : Explained
    parts : sequence of Part
    leads : sequence of int
        Places of leads, a column for each.
    """
    names = [label(name) for name in x.variables]
    days = edges(-x.lags)
    with mpl.rc_context(STYLE):
        figure, cells = panels(len(parts), len(leads), 0.2 * len(names) + 0.55, sharey=True)
        for row, part in enumerate(parts):
            profile = x.profile(part.rows)[list(leads)]
            strongest = float(np.nanmax(profile, initial=0.0)) or 1.0
            weakest = strongest / 10**DECADES
            norm = LogNorm(weakest, strongest)
            colours = mpl.colormaps[WATER].with_extremes(bad=MISSING)
            for axes, lead, values in zip(cells[row], leads, profile, strict=True):
                shown = np.ma.masked_invalid(np.maximum(values, weakest))
                axes.pcolormesh(
                    days, edges(np.arange(len(names))), shown, norm=norm, cmap=colours,
                    rasterized=True,
                )  # fmt: skip
                day_axis(axes, float(days.min()), float(days.max()))
                axes.axvline(x.leads[lead], color=CELL_INK, linewidth=0.7, linestyle=":")
                axes.set_ylim(len(names) - 0.5, -0.5)
                axes.tick_params(axis="y", length=0)
                no_spines(axes)
                heading(axes, f"{part.title}, lead {x.leads[lead]}")
            cells[row, 0].set_yticks(range(len(names)), names)
            bar = figure.colorbar(
                ScalarMappable(norm, colours), ax=cells[row], aspect=12, pad=0.01, extend="min"
            )
            bar.outline.set_visible(False)
            bar.minorticks_off()
            bar.set_label(FLOW)
        figure.supxlabel("days from the issue (0 is the last day that is known)", fontsize=9)
    return figure
