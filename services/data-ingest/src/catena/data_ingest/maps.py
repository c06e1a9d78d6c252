"""A map of a field and a plot of series. Arrays in, figures out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from catena.data_ingest.grids import Grid, axis_names, grid_of
from catena.shared.errors import InvalidData
from catena.shared.plot_style import (
    CYCLE,
    MISSING,
    colour_scale,
    degrees,
    readable,
    with_units,
)
from catena.shared.report import INK, LINE, STYLE

WIDTH = 9.2
"""Inches; that of a page."""
MOST_POINTS = 1500
"""Longer series are drawn as a band of the extremes and a line of the means."""
BINS = 400


def map_figure(field: xr.DataArray, title: str = "", note: str = "") -> Figure:
    """A field on the sphere, in plain latitude and longitude.

    Cells are drawn as they are, not smoothed, in steps of colour at round numbers; thin lines are
    contours of the same steps, which help where there are no coastlines. Regions away from the
    equator are stretched so that shapes are right in their middle.

    Parameters
    ----------
    field : DataArray (lat, lon)
        ``long_name`` and ``units`` label the colours; fluxes of water are shown in mm a day.
    title : str
        Said above the map, on the left; by default nothing.
    note : str
        Said above the map on the right: a date, a model.

    Raises
    ------
    InvalidData
        When there are more dimensions, or no value.
    """
    lat, lon = axis_names(field)
    if set(field.dims) != {lat, lon}:
        raise InvalidData(
            f"variable {field.name}: found dimensions {tuple(field.dims)}, wanted latitude and "
            "longitude only; choose one time and one level"
        )
    grid = grid_of(field)
    values, units = readable(
        np.asarray(field.transpose(lat, lon).values, np.float64), str(field.attrs.get("units", ""))
    )
    if not np.isfinite(values).any():
        raise InvalidData(f"variable {field.name}: found no value, wanted some to draw")
    colours, norm, extend = colour_scale(values, units)
    height, width = np.ptp(grid.lat_edges), np.ptp(grid.lon_edges)
    stretch = 1.0 if width > 180 else 1.0 / max(np.cos(np.radians(grid.lat_edges.mean())), 0.2)
    shape = height * stretch / width
    with mpl.rc_context(STYLE):
        inner = min(WIDTH - 1.0, (WIDTH - 3.0) / shape) if shape > 0.75 else WIDTH - 1.0
        figure = Figure(
            figsize=(max(inner + 1.0, 4.6), min(inner * shape, 7.0) + 1.35), layout="constrained"
        )
        axes = figure.subplots()
        mesh = axes.pcolormesh(
            grid.lon_edges,
            grid.lat_edges,
            np.ma.masked_invalid(values),
            cmap=colours,
            norm=norm,
            rasterized=True,
        )
        axes.set_facecolor(MISSING)
        _contours(axes, grid, values, norm.boundaries)
        _graticule(axes, grid, stretch)
        bar = figure.colorbar(
            mesh,
            ax=axes,
            orientation="horizontal",
            extend=extend,
            fraction=0.06,
            pad=0.03,
            aspect=45,
            shrink=0.8,
            spacing="uniform",
        )
        bar.outline.set_visible(False)
        bar.set_ticks(norm.boundaries[:: 1 + len(norm.boundaries) // 12].tolist())
        bar.minorticks_off()
        bar.ax.tick_params(length=0, labelcolor=INK)
        words = str(field.attrs.get("long_name") or field.name or "value").replace("_", " ")
        bar.set_label(with_units(words, units))
        axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
        axes.set_title(note, loc="right", fontsize=9)
        if not np.isfinite(values).all():
            axes.legend(
                handles=[Patch(facecolor=MISSING, label="no value")],
                loc="lower left",
                fontsize=8,
                frameon=True,
                framealpha=0.85,
                edgecolor="none",
            )
    return figure


def _contours(axes: Axes, grid: Grid, values: NDArray[Any], levels: NDArray[Any]) -> None:
    # On a few cells, or on noise, contours are a tangle that hides the cells.
    if min(grid.shape) < 24:
        return
    finite = values[np.isfinite(values)]
    rough = np.nanmean(np.abs(np.diff(values, axis=1))) / (np.std(finite) or 1.0)
    if rough > 0.08:
        return
    axes.contour(
        grid.lon,
        grid.lat,
        np.ma.masked_invalid(values),
        levels=levels[1:-1:3],
        colors="#ffffff",
        linewidths=0.5,
        alpha=0.7,
        linestyles="solid",
    )


def _graticule(axes: Axes, grid: Grid, stretch: float) -> None:
    axes.set_aspect(stretch)
    for edges, axis, letters, enough in (
        (grid.lon_edges, axes.xaxis, ("E", "W"), 7),
        (grid.lat_edges, axes.yaxis, ("N", "S"), 5),
    ):
        low, high = min(edges), max(edges)
        step = next(
            (s for s in (0.25, 0.5, 1, 2, 5, 10, 15, 20, 30) if (high - low) / s <= enough), 60
        )
        places = np.arange(np.ceil(low / step - 1e-6), np.floor(high / step + 1e-6) + 1) * step
        axis.set_major_locator(FixedLocator(places.tolist()))
        axis.set_major_formatter(
            FuncFormatter(lambda value, _, names=letters: degrees(value, *names))
        )
    axes.set_xlim(grid.lon_edges.min(), grid.lon_edges.max())
    axes.set_ylim(grid.lat_edges.min(), grid.lat_edges.max())
    axes.grid(color="#ffffff", linewidth=0.4, alpha=0.35)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(LINE)


def series_figure(
    series: Mapping[str, xr.DataArray] | xr.DataArray, title: str = "", note: str = ""
) -> Figure:
    """One series or a few, with their units; one panel for each unit.

    Parameters
    ----------
    series : mapping of label to DataArray (time), or one DataArray
        In any calendar. Gaps stay gaps; series of more than 1500 steps are drawn as a line of
        means over equal parts with a band from their least to their greatest value.
    title, note : str
        Said above the plot, left and right.

    Raises
    ------
    InvalidData
        When there is none, a series has more dimensions than time, or no value.
    """
    if isinstance(series, xr.DataArray):
        series = {"": series}
    lines = {label: _line(label, array) for label, array in series.items()}
    if not lines:
        raise InvalidData("found no series, wanted one to draw")
    units = list(dict.fromkeys(unit for *_, unit in lines.values()))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.1 + 2.1 * len(units)), layout="constrained")
        panels = figure.subplots(len(units), 1, sharex=True, squeeze=False)[:, 0]
        for axes, unit in zip(panels, units, strict=True):
            here = {label: line for label, line in lines.items() if line[-1] == unit}
            for number, (label, (time, values, _)) in enumerate(here.items()):
                _draw(axes, time, values, label, number)
            names = dict.fromkeys(_words(series[label]) for label in here)
            axes.set_ylabel(with_units(" / ".join(names), unit).replace(" (", "\n("))
            axes.margins(x=0.01, y=0.08)
            axes.grid(axis="y", color=LINE, linewidth=0.6)
            axes.set_axisbelow(True)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(
                    loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=8.5, borderpad=0.1
                )
            locator: Any = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
            axes.xaxis.set_major_locator(locator)
            formatter: Any = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
            axes.xaxis.set_major_formatter(formatter)
        # The legend of the first panel stands between it and the title.
        crowded = bool(panels[0].get_legend_handles_labels()[0])
        pad = 22 if crowded else 6
        panels[0].set_title(title, loc="left", fontsize=10.5, fontweight="bold", pad=pad)
        panels[0].set_title(note, loc="right", fontsize=9, pad=pad)
    return figure


def _words(array: xr.DataArray) -> str:
    return str(array.attrs.get("long_name") or array.name or "value").replace("_", " ")


def _line(label: str, array: xr.DataArray) -> tuple[NDArray[Any], NDArray[Any], str]:
    if array.dims != ("time",):
        raise InvalidData(
            f"series {label or array.name}: found dimensions {tuple(array.dims)}, wanted time "
            "only; choose one place"
        )
    values, units = readable(
        np.asarray(array.values, np.float64), str(array.attrs.get("units", ""))
    )
    if not np.isfinite(values).any():
        raise InvalidData(f"series {label or array.name}: found no value, wanted some to draw")
    return _dates(array["time"]), values, units


def _dates(time: xr.DataArray) -> NDArray[Any]:
    """Dates to draw at; those of other calendars by their part of the year."""
    if time.dtype.kind == "M":
        return np.asarray(time.values)
    years = np.asarray(time.dt.year.values)
    days_in_year = np.asarray(time.dt.days_in_year.values)
    seconds = sum(
        np.asarray(getattr(time.dt, part).values) * size
        for part, size in (("hour", 3600.0), ("minute", 60.0), ("second", 1.0))
    )
    part = (np.asarray(time.dt.dayofyear.values) - 1 + seconds / 86_400.0) / days_in_year
    first = np.array([f"{year:04d}-01-01" for year in years], "datetime64[s]")
    after = np.array([f"{year + 1:04d}-01-01" for year in years], "datetime64[s]")
    return np.asarray(first + ((after - first).astype(float) * part).astype("timedelta64[s]"))


def _draw(axes: Axes, time: NDArray[Any], values: NDArray[Any], label: str, number: int) -> None:
    colour = CYCLE[number % len(CYCLE)]
    style: Any = ("-", (0, (4, 1.5)), (0, (1.5, 1)))[number // len(CYCLE) % 3]
    if len(values) > MOST_POINTS:
        parts = np.arange(len(values)) * BINS // len(values)
        groups = pd.Series(values).groupby(parts)
        middle = time[np.searchsorted(parts, np.arange(BINS)) + len(values) // BINS // 2]
        least, most, mean = (np.asarray(getattr(groups, name)()) for name in ("min", "max", "mean"))
        days = (time[-1] - time[0]) / np.timedelta64(1, "D") / BINS
        words = f"{label} (means of {days:.3g} days; band: least to greatest)".strip()
        axes.fill_between(middle, least, most, color=colour, alpha=0.22, linewidth=0)
        axes.plot(middle, mean, color=colour, linestyle=style, linewidth=1.2, label=words)
        return
    alone = _alone(values)
    axes.plot(time, values, color=colour, linestyle=style, linewidth=1.2, label=label or None)
    axes.plot(time[alone], values[alone], ".", color=colour, markersize=3)


def _alone(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Values between two gaps, of which a line shows nothing."""
    gap = np.concatenate([[True], ~np.isfinite(values), [True]])
    return np.asarray(~gap[1:-1] & gap[:-2] & gap[2:])
