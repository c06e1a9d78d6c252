"""Pictures of spin-ups: maps of NEE, R2 by pool, years that are still missing, cost and drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from catena.shared.plot_style import SIGNED, degrees
from catena.shared.report import FIRST, GOOD, INK, LINE, MARK, SECOND, SOFT, STYLE, THIRD, number

Array = NDArray[np.float64]

WIDTH = 9.2
"""Inches; that of a page."""
COLOURS = (FIRST, SECOND, THIRD, MARK, GOOD, SOFT)
MARKERS = ("o", "s", "^", "D", "v", "P")
LEAST_R2 = 0.5
"""Where the axis of R2 ends; what lies below is drawn at its edge."""
PANELS = 3
LEAST_CELLS = 3
"""Cells from which there is a map."""


@dataclass(frozen=True, eq=False)
class Map:
    """One panel: a number for each cell.

    Parameters
    ----------
    label : str
    note : str
        Small, behind the label.
    values : float64 (cell,)
        NaN is drawn as a cross.
    """

    label: str
    note: str
    values: Array


def nee_maps(panels: Sequence[Map], lat: Array, lon: Array, limit: float) -> Figure:
    """Cycle-mean NEE of cells; colours are finer near zero, where equilibrium is decided.

    Parameters
    ----------
    panels : sequence of Map
    lat, lon : float64 (cell,)
        Degrees.
    limit : float
        gC m-2 yr-1; what lies within it has no colour.
    """
    finite = np.concatenate([panel.values[np.isfinite(panel.values)] for panel in panels])
    most = float(np.abs(finite).max()) if finite.size else limit
    edges = limit * np.array([1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0])
    edges = edges[: max(int(np.searchsorted(edges, most)) + 1, 3)]
    bounds = np.concatenate([-edges[::-1], edges])
    colours = mpl.colormaps[SIGNED].with_extremes(bad=LINE)
    norm = BoundaryNorm(bounds, colours.N, extend="both" if most > edges[-1] else "neither")
    rows = -(-len(panels) // PANELS)
    tall = min(_tall(lat, lon), 3.4)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, rows * (tall + 0.45) + 0.55), layout="constrained")
        axes = figure.subplots(rows, PANELS, squeeze=False, sharex=True, sharey=True).ravel()
        for one, panel in zip(axes, panels, strict=False):
            _cells(one, lat, lon, panel.values, colours, norm)
            one.set_title(panel.label, loc="left", fontsize=9, fontweight="bold", parse_math=False)
            one.set_title(panel.note, loc="right", fontsize=8, color=SOFT)
        for one in axes[len(panels) :]:
            one.set_axis_off()
        bar = figure.colorbar(
            ScalarMappable(norm, colours), ax=list(axes), location="bottom", spacing="uniform",
            fraction=0.05, pad=0.02, aspect=48, shrink=0.8, ticks=bounds,
        )  # fmt: skip
        bar.outline.set_visible(False)
        bar.minorticks_off()
        bar.ax.tick_params(length=0, labelsize=7, labelcolor=INK)
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.set_label("NEE, mean of a cycle (gC m⁻² yr⁻¹); red: into the air", fontsize=8)
    return figure


def used_map(
    used: NDArray[np.int64],
    lat: Array,
    lon: Array,
    names: Sequence[str],
    learned: NDArray[np.int64] | None = None,
) -> Figure:
    """What became of each cell, one colour each.

    Parameters
    ----------
    used : int64 (cell,)
        Place among `names`.
    lat, lon : float64 (cell,)
    names : sequence of str
    learned : int64 (some,), optional
        Cells that were learned from; they get a dot.
    """
    colours = ListedColormap([GOOD, FIRST, MARK, SECOND][: len(names)])
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.55, min(_tall(lat, lon) * 1.4, 4.5) + 0.5))
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        _cells(axes, lat, lon, used.astype(np.float64), colours, norm)
        for place, name in enumerate(names):
            count = int((used == place).sum())
            axes.plot([], [], "s", color=colours(place), label=f"{name} ({count})")
        if learned is not None and learned.size:
            axes.plot(
                lon[learned], lat[learned], ".", color=INK, markersize=2.5,
                label=f"learned from ({learned.size})",
            )  # fmt: skip
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure


def r2_plot(pools: Sequence[str], scores: Mapping[str, Mapping[str, float]]) -> Figure:
    """R2 of each pool by method, one line for each pool.

    Parameters
    ----------
    pools : sequence of str
    scores : mapping of method to mapping of pool to float
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.19 * len(pools) + 0.9), layout="constrained")
        axes = figure.subplots()
        at = np.arange(len(pools))[::-1]
        axes.hlines(at, LEAST_R2, 1.0, color=LINE, linewidth=0.6, zorder=0)
        for number_, (method, found) in enumerate(scores.items()):
            values = np.array([found.get(pool, np.nan) for pool in pools])
            axes.plot(
                np.clip(values, LEAST_R2, 1.0), at, MARKERS[number_ % len(MARKERS)],
                color=COLOURS[number_ % len(COLOURS)], label=method, markersize=4.5, alpha=0.9,
                markerfacecolor="none" if number_ else None, clip_on=False,
            )  # fmt: skip
        axes.set_yticks(at, [pool_words(pool) for pool in pools], fontsize=7)
        axes.set_ylim(-0.7, len(pools) - 0.3)
        axes.set_xlim(LEAST_R2, 1.0)
        axes.set_xlabel(f"R²; below {LEAST_R2:g} at the edge")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper left", ncols=6, fontsize=8)
    return figure


def residual_plot(years: Mapping[str, Array], longest: float) -> Figure:
    """Share of sites at equilibrium by the years of native run that came after the method.

    Parameters
    ----------
    years : mapping of method to float64 (site,)
        inf: not at equilibrium even after `longest`.
    longest : float
        Where the axis ends at the earliest.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.75, 2.9), layout="constrained")
        axes = figure.subplots()
        known = [float(each[np.isfinite(each)].max(initial=0.0)) for each in years.values()]
        end = max(longest, *known, 1.0)
        for number_, (method, each) in enumerate(years.items()):
            order = np.sort(each[np.isfinite(each)])
            x = np.unique(np.concatenate([[0.0], order, [end]]))
            y = np.searchsorted(order, x, side="right") / each.size
            axes.step(
                x, 100.0 * y, where="post", color=COLOURS[number_ % len(COLOURS)], label=method,
                linewidth=2.2 if not number_ else 1.3,
                linestyle="-" if number_ < 3 else "--",
            )  # fmt: skip
        axes.axhline(97.0, color=LINE, linewidth=0.8, zorder=0)
        axes.text(end, 97.0, "97 %", color=SOFT, fontsize=7, va="bottom", ha="right")
        axes.set_xlim(0.0, end)
        axes.set_ylim(0.0, 103.0)
        axes.set_xlabel("years of native run after the method")
        axes.set_ylabel("sites at equilibrium (%)")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure


def cost_plot(cost: Mapping[str, float], nee: Mapping[str, float], label: str) -> Figure:
    """What a method costs and how quiet its states are, both logarithmic.

    Parameters
    ----------
    cost : mapping of method to float
        CPU seconds of a site.
    nee : mapping of method to float
        Median of absolute cycle-mean NEE, gC m-2 yr-1.
    label : str
        Of the axis of NEE.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.75, 3.0), layout="constrained")
        axes = figure.subplots()
        for number_, name in enumerate(cost):
            axes.plot(
                cost[name], max(nee[name], 1e-4), MARKERS[number_ % len(MARKERS)],
                color=COLOURS[number_ % len(COLOURS)], markersize=8, label=name,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain = FuncFormatter(lambda value, _: number(value, 2))
        for axis, values in ((axes.xaxis, cost), (axes.yaxis, nee)):
            known = [max(value, 1e-4) for value in values.values() if np.isfinite(value)]
            narrow = bool(known) and max(known) < 30 * min(known)
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
            axis.set_major_formatter(plain)
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("CPU seconds of a site (cheaper to the left)")
        axes.set_ylabel(label)
        axes.grid(color=LINE, linewidth=0.5)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure


def pool_words(pool: str) -> str:
    """``leafc, c4 grass``."""
    name, _, plant = pool.partition(".")
    return f"{name}, {plant.replace('_', ' ')}" if plant else name


# ------------------------------------------------------------------ parts


def _tall(lat: Array, lon: Array) -> float:
    """Height of a panel of a map in inches."""
    step = _step(lat, lon)
    height, width = np.ptp(lat) + step, np.ptp(lon) + step
    stretch = 1.0 / max(np.cos(np.deg2rad(lat.mean())), 0.2)
    return float(np.clip((WIDTH - 0.6) / PANELS * height * stretch / width, 1.2, 3.4))


def _step(lat: Array, lon: Array) -> float:
    """Side of a cell in degrees: the usual distance to the nearest neighbour."""
    if lat.size < 2:
        return 1.0
    places = np.stack([lat, lon], axis=1)
    away, _ = cKDTree(places).query(places, k=2)  # the nearest of all is the cell itself
    return float(np.median(away[:, 1])) or 1.0


def _cells(
    axes: Axes, lat: Array, lon: Array, values: Array, colours: Colormap, norm: BoundaryNorm
) -> None:
    """Cells as squares; those without a number as crosses."""
    half = _step(lat, lon) / 2.0
    known = np.isfinite(values)
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    squares = [[(x + dx, y + dy) for dx, dy in corners] for x, y in zip(lon, lat, strict=True)]
    drawn = PolyCollection(
        [one for one, fine in zip(squares, known, strict=True) if fine],
        array=values[known], cmap=colours, norm=norm, edgecolors="none", rasterized=True,
        antialiased=False,
    )  # fmt: skip
    axes.add_collection(drawn)
    axes.plot(lon[~known], lat[~known], "x", color=INK, markersize=3, linestyle="none")
    axes.set_xlim(lon.min() - 2 * half, lon.max() + 2 * half)
    axes.set_ylim(lat.min() - 2 * half, lat.max() + 2 * half)
    axes.set_aspect(1.0 / max(np.cos(np.deg2rad(lat.mean())), 0.2))
    for axis, letters in ((axes.xaxis, ("E", "W")), (axes.yaxis, ("N", "S"))):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _, own=letters: degrees(value, *own)))
    axes.tick_params(length=0, labelsize=7)
    axes.grid(color=LINE, linewidth=0.4, zorder=0)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(LINE)
