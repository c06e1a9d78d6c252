"""Pictures of an explanation of fields: maps, bars by variable, influence against distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from catena.explainer.orbit.importance import variable_shares
from catena.explainer.orbit.words import lead_words
from catena.shared.map_plot import Cells, Scale, around_zero, colour_bar, draw_field
from catena.shared.plot_style import MISSING, WATER, colour_scale
from catena.shared.report import (
    FIRST,
    GOOD,
    INK,
    LINE,
    MARK,
    PAPER,
    SECOND,
    STYLE,
    THIRD,
    unit_label,
)

__all__ = ["attention_maps", "contribution_maps", "distance_plot", "influence_maps", "method_bars"]

WIDTH = 9.2
"""Inches; that of a page."""
ACROSS = 3
LINES = (FIRST, SECOND, GOOD, THIRD, MARK)
MARKS = ("o", "s", "D", "^", "v")
MOST_VARIABLES = 6
MOST_LEADS = 3
ALL = 0.995
"""Share of the influence that is as good as all."""


def contribution_maps(one: xr.Dataset, sample: int) -> Figure:
    """Signed contributions of the most important variables to one forecast, in the same colours.

    Parameters
    ----------
    one : Dataset
        Of one target at one lead.
    sample : int
    """
    taken = one.isel(sample=sample)
    order = _by_importance(one)[:MOST_VARIABLES]
    fields = taken["contribution"].values[order]
    top = float(np.abs(fields).max()) or 1.0
    # Almost all cells are near zero, so percentiles of all of them would say nothing.
    scale = around_zero(np.array([-top, top]))
    totals = taken["variable_contribution"].values[order]
    units = unit_label(str(one["target_units"].item()))
    titles = [
        f"{one['variable'].values[k]}: {total:+.2g} {units}".rstrip()
        for k, total in zip(order, totals, strict=True)
    ]
    return _maps(one, fields, titles, [scale] * len(fields), units)


def influence_maps(one: xr.Dataset) -> Figure:
    """Root mean square contribution of each cell, all variables together, by lead.

    Parameters
    ----------
    one : Dataset
        Of one target.
    """
    leads = some_leads(one)
    squares = (one["contribution"].isel(lead=leads).astype(np.float64) ** 2).sum("variable")
    fields = np.sqrt(squares.mean("sample").values)
    scale = _from_zero(fields)
    titles = [f"{lead_words(lead)} ahead" for lead in one["lead"].values[leads]]
    units = unit_label(str(one["target_units"].item()))
    return _maps(one, fields, titles, [scale] * len(leads), units)


def attention_maps(one: xr.Dataset) -> Figure:
    """Where the model looked from the target's patches, through all blocks, by lead.

    Parameters
    ----------
    one : Dataset
        Of one target.
    """
    leads = some_leads(one)
    fields = one["attention_rollout"].isel(lead=leads).mean("sample").values
    patch = one.sizes["lat"] // one.sizes["patch_lat"]
    fields = np.repeat(np.repeat(fields, patch, -2), patch, -1)
    # Of places looked at equally, each has this much.
    relative = fields * (one.sizes["patch_lat"] * one.sizes["patch_lon"])
    scale = _from_zero(relative)
    titles = [f"{lead_words(lead)} ahead" for lead in one["lead"].values[leads]]
    return _maps(one, relative, titles, [scale] * len(leads), "x even")


def method_bars(one: xr.Dataset) -> Figure:
    """How much each variable matters: bars by the first method, marks by the others; by lead.

    Parameters
    ----------
    one : Dataset
        Of one target.
    """
    leads = some_leads(one)
    shares = variable_shares(one)  # method -> (lead, variable)
    first, *others = shares
    order = np.argsort(shares[first].mean(0))[-2 * MOST_VARIABLES :]
    names = one["variable"].values[order]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 0.3 * len(order)), layout="constrained")
        panels = figure.subplots(1, len(leads), sharey=True, squeeze=False)[0]
        places = np.arange(len(order))
        for axes, lead in zip(panels, leads, strict=True):
            values = 100 * shares[first][lead, order]
            axes.barh(places, values, 0.62, color=FIRST, alpha=0.45, label=_plain(first))
            for number, method in enumerate(others):
                axes.plot(
                    100 * shares[method][lead, order],
                    places,
                    linestyle="none",
                    marker=MARKS[number % len(MARKS)],
                    markersize=4.5,
                    color=LINES[(number + 1) % len(LINES)],
                    label=_plain(method),
                )
            axes.set_title(f"{lead_words(one['lead'].values[lead])} ahead", loc="left", fontsize=9)
            axes.set_xlim(left=0.0)
            axes.grid(axis="x", color=LINE, linewidth=0.5)
        panels[0].set_yticks(places, names)
        figure.supxlabel("share (%)", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        bars_first = [len(labels) - 1, *range(len(labels) - 1)]
        figure.legend(
            [handles[k] for k in bars_first],
            [labels[k] for k in bars_first],
            loc="outside upper right",
            ncols=min(len(labels), 6),
            fontsize=8,
        )
    return figure


def distance_plot(one: xr.Dataset) -> Figure:
    """Share of the influence within a distance of the box, by lead: of all variables, and of each.

    Parameters
    ----------
    one : Dataset
        Of one target.
    """
    sources = [0, *(1 + place for place in _by_importance(one.isel(lead=-1))[: ACROSS - 1])]
    within = one["influence_by_distance"].cumsum("distance").values  # lead, source, distance
    x = one["distance"].values / 1000.0
    # Beyond the last ring that matters to any of them, lines are flat.
    reached = np.nan_to_num(within[:, sources], nan=1.0).min((0, 1)) >= ALL
    last = max(int(reached.argmax()), 3) if reached.any() else len(x) - 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
        panels = figure.subplots(1, len(sources), sharey=True, squeeze=False)[0]
        for axes, source in zip(panels, sources, strict=True):
            for number, lead in enumerate(one["lead"].values):
                axes.plot(
                    x,
                    100 * within[number, source],
                    color=LINES[number % len(LINES)],
                    linestyle=("-", "--", ":")[number // len(LINES) % 3],
                    marker=".",
                    label=lead_words(lead),
                )
            name = str(one["source"].values[source])
            title = "all variables" if name == "all" else name
            axes.set_title(title, loc="left", fontsize=9, parse_math=False)
            axes.set_ylim(0.0, 103.0)
            axes.set_xlim(-0.02 * x[last], 1.05 * x[last])
            axes.grid(axis="y", color=LINE, linewidth=0.5)
        panels[0].set_ylabel("influence within (%)")
        figure.supxlabel("distance from the box (1000 km)", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper right", ncols=min(len(labels), 8), fontsize=8
        )
    return figure


def some_leads(one: xr.Dataset) -> list[int]:
    """Places of the leads that are drawn: the first, the last, and those in the middle."""
    count = one.sizes["lead"]
    return sorted(set(np.linspace(0, count - 1, min(count, MOST_LEADS)).round().astype(int)))


# ------------------------------------------------------------------ parts


def _by_importance(one: xr.Dataset) -> list[int]:
    sizes = abs(one["variable_contribution"]).mean("sample").values
    return [int(k) for k in np.argsort(-sizes, kind="stable")]


def _maps(
    one: xr.Dataset,
    fields: NDArray[Any],
    titles: Sequence[str],
    scales: Sequence[Scale],
    units: str,
) -> Figure:
    """Maps, three in a line, with one scale and the target's box on each."""
    cells = Cells.of(one["lat"].values, _centred(one))
    rows, columns = -(-len(fields) // ACROSS), min(len(fields), ACROSS)
    width = WIDTH * columns / ACROSS + (0.7 if columns < ACROSS else 0.0)
    ratio = min(np.ptp(cells.lat) / np.ptp(cells.lon), 1.2)
    tall = (width - 1.0) / columns * ratio
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, rows * (tall + 0.35) + 0.2), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes, field, title, scale in zip(panels.ravel(), fields, titles, scales, strict=False):
            draw_field(axes, cells, field, scale)
            _outline(axes, cells, one["cell_share"].values > 0)
            axes.set_title(title, loc="left", fontsize=9, color=INK, parse_math=False)
        for axes in panels.ravel()[len(fields) :]:
            axes.set_axis_off()
        colour_bar(figure, list(panels.ravel()), scales[0], units)
    return figure


def _from_zero(fields: NDArray[Any]) -> Scale:
    """Colours from next to none at zero, up to the largest of fields that are mostly near it."""
    _, norm, ends = colour_scale(np.array([0.0, float(fields.max()) or 1.0]), "", 10)
    colours = mpl.colormaps[WATER].with_extremes(bad=MISSING)
    return colours, norm, ends


def _centred(one: xr.Dataset) -> NDArray[np.float64]:
    """Longitudes of a map of the globe with the target in its middle; others as they are."""
    lon = np.asarray(one["lon"].values, np.float64)
    if len(lon) < 2 or np.ptp(lon) + np.abs(np.diff(lon)).min() < 359.0:
        return lon
    east = np.radians(lon)
    share = one["cell_share"].values.sum(0)
    middle = np.degrees(np.arctan2((share * np.sin(east)).sum(), (share * np.cos(east)).sum()))
    # On a column, so that no cell is cut.
    middle = lon[np.abs((lon - middle + 180.0) % 360.0 - 180.0).argmin()]
    return np.asarray((lon - middle + 180.0) % 360.0 - 180.0 + middle)


def _outline(axes: Axes, cells: Cells, inside: NDArray[np.bool_]) -> None:
    """The box of a target; in two where it goes over the edge of the map."""
    box = inside[np.ix_(cells.rows, cells.columns)]
    rows, columns = np.flatnonzero(box.any(1)), np.flatnonzero(box.any(0))
    parts = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    south, north = cells.lat[rows[0]], cells.lat[rows[-1] + 1]
    for part in parts:
        west, east = cells.lon[part[0]], cells.lon[part[-1] + 1]
        for colour, width in ((PAPER, 2.6), (INK, 1.0)):  # seen on light cells and on dark ones
            axes.add_patch(
                Rectangle(
                    (west, south),
                    east - west,
                    north - south,
                    fill=False,
                    color=colour,
                    linewidth=width,
                )
            )


def _plain(method: str) -> str:
    return method.replace("_", " ").replace("shap", "SHAP")
