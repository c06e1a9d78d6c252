"""Maps side by side: truth, forecast and error; coarse, downscaled and true fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation.scores import area_mean
from catena.shared.errors import InvalidData
from catena.shared.latitudes import latitude_weights
from catena.shared.plot_style import MISSING, Ends, colour_scale, degrees, readable, with_units
from catena.shared.report import INK, LINE, SOFT, STYLE, number

__all__ = ["Compared", "Downscaled", "downscaling_maps", "error_maps", "forecast_maps"]

Fields = NDArray[Any]
Scale = tuple[Colormap, BoundaryNorm, Ends]

WIDTH = 9.2
"""Inches; that of a page."""


@dataclass(frozen=True, eq=False)
class Compared:
    """A row of maps: what was, what was forecast.

    Parameters
    ----------
    label : str
        Variable, and the lead where rows differ in it.
    units : str
    truth, forecast : array, (H, W)
        NaN is drawn as missing.
    """

    label: str
    units: str
    truth: Fields
    forecast: Fields


@dataclass(frozen=True, eq=False)
class Downscaled:
    """A row of maps of one field on two grids.

    Parameters
    ----------
    label, units : str
    coarse : array, (h, w)
    predicted, truth : array, (H, W)
        Over the same region; H and W are whole multiples of h and w.
    """

    label: str
    units: str
    coarse: Fields
    predicted: Fields
    truth: Fields


def forecast_maps(
    rows: Sequence[Compared],
    lat: Sequence[float],
    lon: Sequence[float],
    *,
    names: tuple[str, str] = ("truth", "forecast"),
) -> Figure:
    """Truth, forecast and error of each row; truth and forecast share their colours.

    Parameters
    ----------
    rows : sequence of Compared
    lat, lon : sequence of float
        Centres of the cells, degrees north and east.
    names : tuple of str
        Headings of the first two columns.

    Raises
    ------
    InvalidData
        When there is no row, or a field does not fit the grid.
    """
    shape = (len(lat), len(lon))
    _check([(row.label, a, shape) for row in rows for a in (row.truth, row.forecast)])
    cells = _cells(lat, lon)
    weights = latitude_weights(lat)
    with mpl.rc_context(STYLE):
        figure, panels = _panels(len(rows), cells)
        for across, row in zip(panels, rows, strict=True):
            truth, units = readable(row.truth, row.units)
            forecast, _ = readable(row.forecast, row.units)
            error = np.asarray(forecast - truth)
            shared = colour_scale(np.stack([truth, forecast]), units)
            apart = _around_zero(error)
            for axes, field, scale in (
                (across[0], truth, shared),
                (across[1], forecast, shared),
                (across[2], error, apart),
            ):
                _draw(axes, cells, field, scale)
            rmse = float(np.sqrt(area_mean(error**2, weights)))
            _head(across, row.label, ("", f"RMSE {number(rmse)}"))
            _bar(figure, across[:2], shared, with_units("", units))
            _bar(figure, across[2:], apart, with_units("", units))
        _columns(panels, (*names, "error"))
    return figure


def downscaling_maps(
    rows: Sequence[Downscaled], lat: Sequence[float], lon: Sequence[float]
) -> Figure:
    """Coarse input, downscaled field and truth of each row, in the same colours.

    Parameters
    ----------
    rows : sequence of Downscaled
    lat, lon : sequence of float
        Centres of the fine cells.

    Raises
    ------
    InvalidData
        When there is no row, or fields do not fit the grids.
    """
    shape = (len(lat), len(lon))
    _check([(row.label, a, shape) for row in rows for a in (row.predicted, row.truth)])
    cells = _cells(lat, lon)
    with mpl.rc_context(STYLE):
        figure, panels = _panels(len(rows), cells)
        for across, row in zip(panels, rows, strict=True):
            fields = (row.coarse, row.predicted, row.truth)
            coarse, predicted, truth = (readable(field, row.units)[0] for field in fields)
            units = readable(row.truth, row.units)[1]
            scale = colour_scale(truth, units)
            factors = [fine / few for fine, few in zip(shape, coarse.shape, strict=True)]
            if any(factor != int(factor) for factor in factors):
                raise InvalidData(
                    f"{row.label}: coarse field of {coarse.shape} cells beside {shape}; wanted "
                    "whole numbers of fine cells in a coarse one"
                )
            blocks = np.kron(coarse, np.ones([int(factor) for factor in factors]))
            for axes, field in zip(across, (blocks, predicted, truth), strict=True):
                _draw(axes, cells, field, scale)
            rmse = float(np.sqrt(np.nanmean((predicted - truth) ** 2)))
            _head(across, row.label, (f"RMSE {number(rmse)}", ""))
            _bar(figure, across, scale, with_units("", units))
        _columns(panels, ("coarse", "downscaled", "truth"))
    return figure


def error_maps(
    rows: Sequence[tuple[str, str, Fields]], lat: Sequence[float], lon: Sequence[float]
) -> Figure:
    """Maps of mean errors, each with a scale of its own around zero; three in a line.

    Parameters
    ----------
    rows : sequence of (label, units, array (H, W))
    lat, lon : sequence of float
    """
    _check([(label, field, (len(lat), len(lon))) for label, _, field in rows])
    cells = _cells(lat, lon)
    with mpl.rc_context(STYLE):
        figure, panels = _panels(-(-len(rows) // 3), cells)
        for axes, (label, units, field) in zip(panels.ravel(), rows, strict=False):
            values, shown = readable(field, units)
            scale = _around_zero(values)
            _draw(axes, cells, values, scale)
            axes.set_title(label, loc="left", fontsize=9, color=SOFT, parse_math=False)
            _bar(figure, [axes], scale, with_units("", shown))
        for axes in panels.ravel()[len(rows) :]:
            axes.set_axis_off()
    return figure


# ------------------------------------------------------------------ parts


@dataclass(frozen=True, eq=False)
class _Cells:
    """Edges of cells, eastwards and northwards in order, and how to bring fields into it."""

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def _cells(lat: Sequence[float], lon: Sequence[float]) -> _Cells:
    north, east = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    rows, columns = np.argsort(north), np.argsort(east)
    return _Cells(np.clip(_edges(north[rows]), -90.0, 90.0), _edges(east[columns]), rows, columns)


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    if centres.size == 1:
        return np.asarray(centres[0] + np.array([-0.5, 0.5]))
    middle = (centres[1:] + centres[:-1]) / 2
    ends = 2 * centres[[0, -1]] - middle[[0, -1]]
    return np.concatenate([ends[:1], middle, ends[1:]])


def _panels(rows: int, cells: _Cells) -> tuple[Figure, NDArray[Any]]:
    height, width = np.ptp(cells.lat), np.ptp(cells.lon)
    middle = np.radians(cells.lat.mean())
    stretch = 1.0 if width > 180 else 1.0 / max(np.cos(middle), 0.2)
    tall = min((WIDTH - 1.7) / 3 * height * stretch / width, 4.5)
    figure = Figure(figsize=(WIDTH, rows * (tall + 0.4) + 0.4), layout="constrained")
    panels = figure.subplots(rows, 3, squeeze=False, sharex=True, sharey=True)
    for axes in panels.ravel():
        axes.set_aspect(stretch)
    return figure, panels


def _draw(axes: Axes, cells: _Cells, field: Fields, scale: Scale) -> None:
    colours, norm, _ = scale
    values = np.ma.masked_invalid(field[np.ix_(cells.rows, cells.columns)])
    axes.pcolormesh(cells.lon, cells.lat, values, cmap=colours, norm=norm, rasterized=True)
    axes.set_facecolor(MISSING)
    for axis, edges, letters, enough in (
        (axes.xaxis, cells.lon, ("E", "W"), 4),
        (axes.yaxis, cells.lat, ("N", "S"), 4),
    ):
        low, high = edges[0], edges[-1]
        step = next((s for s in (0.5, 1, 2, 5, 10, 20, 30, 45) if (high - low) / s <= enough), 90)
        places = np.arange(np.ceil(low / step - 1e-6), np.floor(high / step + 1e-6) + 1) * step
        axis.set_major_locator(FixedLocator(places.tolist()))
        axis.set_major_formatter(
            FuncFormatter(lambda value, _, names=letters: degrees(value, *names))
        )
    axes.grid(color="#ffffff", linewidth=0.4, alpha=0.35)
    axes.tick_params(length=0, labelsize=7)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(LINE)


def _head(across: Sequence[Axes], label: str, notes: Sequence[str]) -> None:
    across[0].set_title(label, loc="left", fontsize=9, fontweight="bold", parse_math=False)
    for axes, note in zip(across[1:], notes, strict=True):
        axes.set_title(note, loc="left", fontsize=8, color=SOFT)


def _columns(panels: NDArray[Any], names: Sequence[str]) -> None:
    for axes, name in zip(panels[-1], names, strict=True):
        axes.set_xlabel(name, fontsize=9, color=INK)


def _bar(figure: Figure, across: Sequence[Axes], scale: Scale, label: str) -> None:
    colours, norm, ends = scale
    bar = figure.colorbar(
        ScalarMappable(norm, colours),
        ax=list(across),
        extend=ends,
        spacing="uniform",
        fraction=0.04,
        pad=0.01,
        aspect=16,
        shrink=0.9,
    )
    bar.outline.set_visible(False)
    bar.set_ticks(_ticks(norm.boundaries))
    bar.minorticks_off()
    bar.ax.tick_params(length=0, labelsize=7, labelcolor=INK)
    bar.ax.set_title(label.strip(" ()"), fontsize=7, color=SOFT, parse_math=False)


def _around_zero(values: Fields) -> Scale:
    """Colours for errors: none for those near zero, alike on both sides of it."""
    colours, norm, ends = colour_scale(np.stack([values, -values]), "", 10)
    edges = norm.boundaries[norm.boundaries != 0]
    return colours, BoundaryNorm(edges, colours.N, extend=ends), ends


def _ticks(edges: NDArray[np.float64]) -> list[float]:
    """Some of the edges of colours, alike on both sides where the scale is."""
    if np.allclose(edges, -edges[::-1]):
        above = edges[edges > 0]
        above = above[:: 1 + len(above) // 4]
        return [*-above[::-1], *above]
    return list(edges[:: 1 + len(edges) // 7])


def _check(fields: Sequence[tuple[str, Fields, tuple[int, int]]]) -> None:
    if not fields:
        raise InvalidData("found no field, wanted one to draw")
    for label, field, shape in fields:
        if field.shape != shape:
            raise InvalidData(
                f"{label}: found shape {field.shape}, wanted that of the grid {shape}"
            )
