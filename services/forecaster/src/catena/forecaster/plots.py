"""Plots of the forecaster's pages: hydrographs, skill by lead, a map, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from catena.shared.report import (
    FIRST,
    GOOD,
    INK,
    LINE,
    MARK,
    SECOND,
    SOFT,
    STYLE,
    THIRD,
    unit_label,
)

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

FLOW_UNITS = "mm d-1"
LINES = (FIRST, SECOND, THIRD, GOOD, MARK, INK, SOFT)
"""Colours of models, in their order."""
SHADES = (0.22, 0.45)
"""Opacity of the widest interval and of the others."""

CLASSES = ((0.75, GOOD), (0.5, FIRST), (0.0, MARK), (-np.inf, SECOND))
"""Lower bounds of the classes of a score on the map, and their colours."""


@dataclass(frozen=True, eq=False)
class Hydrograph:
    """One panel of flow over days, mm d-1.

    Parameters
    ----------
    title : str
    observed_days, observed : (k,) arrays
    days, flow : (n,) arrays
        Of the forecast.
    levels : sequence of float
    lower, upper : (levels, n) arrays
        Infinite where no finite bound is sure enough, NaN where there is none: a hole is left.
    issue : datetime64, optional
        Drawn as a line.
    """

    title: str
    observed_days: Days
    observed: Array
    days: Days
    flow: Array
    levels: Sequence[float]
    lower: Array
    upper: Array
    issue: np.datetime64 | None = None


def hydrograph_plot(panels: Sequence[Hydrograph], *, columns: int = 2) -> Figure:
    """Observed and forecast flow with intervals, a panel for each."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 1.9 * rows + 0.5), layout="constrained")
        cells = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(cells, panels, strict=False):
            _hydrograph(axes, panel)
        for axes in cells[len(panels) :]:
            axes.set_axis_off()
        figure.supylabel(f"streamflow ({unit_label(FLOW_UNITS)})", fontsize=9)
        handles: list[Patch | Line2D] = [
            Line2D([], [], color=INK, linewidth=1.0, label="observed"),
            Line2D([], [], color=FIRST, linewidth=1.3, label="forecast"),
        ]
        levels = panels[0].levels
        for level, opacity in zip(_widest_first(levels), _opacities(levels), strict=True):
            label = f"{100 * levels[level]:g} % interval"
            handles.append(Patch(facecolor=FIRST, alpha=opacity, label=label))
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9)
    return figure


def _hydrograph(axes: Axes, panel: Hydrograph) -> None:
    top = np.nanmax(np.concatenate([panel.observed, panel.flow, [0.0]]), initial=0.0)
    finite = panel.upper[np.isfinite(panel.upper)]
    top = max(top, min(finite.max(initial=0.0), 3.0 * top)) or 1.0
    order, opacities = _widest_first(panel.levels), _opacities(panel.levels)
    for level, opacity in zip(order, opacities, strict=True):
        lower, upper = np.maximum(panel.lower[level], 0.0), panel.upper[level]
        upper = np.where(np.isposinf(upper), 10.0 * top, upper)
        axes.fill_between(panel.days, lower, upper, color=FIRST, alpha=opacity, linewidth=0)
        one = _alone(lower + upper)
        axes.vlines(
            panel.days[one], lower[one], upper[one], color=FIRST, alpha=opacity, linewidth=3
        )
    for days, values, colour, width in (
        (panel.observed_days, panel.observed, INK, 1.0),
        (panel.days, panel.flow, FIRST, 1.3),
    ):
        axes.plot(days, values, color=colour, linewidth=width)
        one = _alone(values)
        axes.plot(days[one], values[one], ".", color=colour, markersize=4)
    if panel.issue is not None:
        axes.axvline(panel.issue, color=SOFT, linewidth=0.7, ls=":")  # type: ignore[arg-type]
    axes.set_ylim(0.0, 1.05 * top)
    axes.set_title(panel.title, fontsize=9, loc="left", color=SOFT, parse_math=False)
    locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.margins(x=0.01)


def _alone(values: Array) -> NDArray[np.bool_]:
    """Values between two that are missing: no line leads to them."""
    there = np.pad(np.isfinite(values), 1)
    return np.asarray(there[1:-1] & ~there[:-2] & ~there[2:])


def _widest_first(levels: Sequence[float]) -> list[int]:
    return [int(i) for i in np.argsort(-np.asarray(levels))]


def _opacities(levels: Sequence[float]) -> list[float]:
    return [SHADES[0], *[SHADES[1]] * (len(levels) - 1)][: len(levels)]


def lead_plot(
    curves: Mapping[str, Array],
    label: str,
    *,
    wanted: tuple[float, str] | None = None,
    bottom: float | None = None,
) -> Figure:
    """One number by lead for each model.

    Parameters
    ----------
    curves : mapping of str to (leads,) array
        The first one is drawn thickest.
    label : str
        Of the vertical axis.
    wanted : (float, str), optional
        A level line and what it is.
    bottom : float, optional
        Values below are not shown: one hopeless model would press all others together.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.2), layout="constrained")
        axes = figure.subplots()
        for number, (name, values) in enumerate(curves.items()):
            leads = np.arange(1, len(values) + 1)
            width = 2.2 if number == 0 else 1.2
            colour = LINES[number % len(LINES)]
            axes.plot(leads, values, color=colour, linewidth=width, label=name, zorder=9 - number)
        if wanted is not None:
            axes.axhline(wanted[0], color=INK, linewidth=0.7, linestyle=":", label=wanted[1])
        known = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
        if bottom is not None and known.size:
            axes.set_ylim(bottom=max(bottom, known.min() - 0.05))
        axes.set_xlabel("lead (days)")
        axes.set_ylabel(label)
        axes.margins(x=0.01)
        axes.grid(axis="y", color=LINE, linewidth=0.5)
        figure.legend(loc="outside right upper", fontsize=9)
    return figure


def skill_map(
    latitude: Array, longitude: Array, names: Sequence[str], score: Array, label: str
) -> Figure:
    """A score at each basin's gauge, in classes; basins without a place are left out.

    Those without a score are shown as rings.
    """
    placed = np.isfinite(latitude) & np.isfinite(longitude)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 4.2), layout="constrained")
        axes = figure.subplots()
        for place, (low, colour) in enumerate(CLASSES):
            high = np.inf if place == 0 else CLASSES[place - 1][0]
            inside = placed & (score >= low) & (score < high)
            said = f"under {high:g}" if low == -np.inf else f"{low:g} and more"
            axes.scatter(
                longitude[inside], latitude[inside], s=46, color=colour, edgecolor=LINE,
                linewidth=0.5, label=f"{said} ({int(inside.sum())})", zorder=3,
            )  # fmt: skip
        none = placed & np.isnan(score)
        if none.any():
            axes.scatter(
                longitude[none], latitude[none], s=46, facecolor="none", edgecolor=SOFT,
                linewidth=0.8, label=f"no score ({int(none.sum())})", zorder=3,
            )  # fmt: skip
        if len(names) <= 40:
            for row in map(int, np.flatnonzero(placed)):
                axes.annotate(
                    names[row], (longitude[row], latitude[row]), xytext=(5, 3),
                    textcoords="offset points", fontsize=7, color=SOFT, parse_math=False,
                )  # fmt: skip
        if placed.any():
            axes.set_aspect(1.0 / max(np.cos(np.radians(latitude[placed].mean())), 0.1))
        axes.grid(color=LINE, linewidth=0.4)
        axes.margins(0.08)
        axes.set_xlabel("longitude (° east)")
        axes.set_ylabel("latitude (° north)")
        figure.legend(loc="outside right upper", fontsize=9, title=label, title_fontsize=9)
    return figure


def pit_plot(panels: Mapping[str, Array]) -> Figure:
    """Histograms of probability integral transforms: flat is right.

    Parameters
    ----------
    panels : mapping of str to array
        Values in [0, 1] by the title of a panel.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 2.5), layout="constrained")
        cells = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, values) in zip(cells, panels.items(), strict=True):
            there = values[np.isfinite(values)]
            bins = np.linspace(0.0, 1.0, 11)
            if there.size:
                axes.hist(there, bins=bins, density=True, color=FIRST, alpha=0.6, edgecolor=LINE)
            axes.axhline(1.0, color=INK, linewidth=0.7, linestyle=":")
            axes.set_title(title, fontsize=9, loc="left", color=SOFT)
            axes.set_xlabel("PIT")
        cells[0].set_ylabel("density")
    return figure
