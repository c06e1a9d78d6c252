"""Maps side by side: truth, forecast and error; coarse, downscaled and true fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation.scores import area_mean
from catena.shared.errors import InvalidData
from catena.shared.latitudes import latitude_weights
from catena.shared.map_plot import Cells, around_zero, colour_bar, draw_field
from catena.shared.plot_style import colour_scale, readable, with_units
from catena.shared.report import INK, SOFT, STYLE, number

__all__ = ["Compared", "Downscaled", "downscaling_maps", "error_maps", "forecast_maps"]

Fields = NDArray[Any]

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
    cells = Cells.of(lat, lon)
    weights = latitude_weights(lat)
    with mpl.rc_context(STYLE):
        figure, panels = _panels(len(rows), cells)
        for across, row in zip(panels, rows, strict=True):
            truth, units = readable(row.truth, row.units)
            forecast, _ = readable(row.forecast, row.units)
            error = np.asarray(forecast - truth)
            shared = colour_scale(np.stack([truth, forecast]), units)
            apart = around_zero(error)
            for axes, field, scale in (
                (across[0], truth, shared),
                (across[1], forecast, shared),
                (across[2], error, apart),
            ):
                draw_field(axes, cells, field, scale)
            rmse = float(np.sqrt(area_mean(error**2, weights)))
            _head(across, row.label, ("", f"RMSE {number(rmse)}"))
            colour_bar(figure, across[:2], shared, with_units("", units))
            colour_bar(figure, across[2:], apart, with_units("", units))
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
    cells = Cells.of(lat, lon)
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
                draw_field(axes, cells, field, scale)
            rmse = float(np.sqrt(np.nanmean((predicted - truth) ** 2)))
            _head(across, row.label, (f"RMSE {number(rmse)}", ""))
            colour_bar(figure, across, scale, with_units("", units))
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
    cells = Cells.of(lat, lon)
    with mpl.rc_context(STYLE):
        figure, panels = _panels(-(-len(rows) // 3), cells)
        for axes, (label, units, field) in zip(panels.ravel(), rows, strict=False):
            values, shown = readable(field, units)
            scale = around_zero(values)
            draw_field(axes, cells, values, scale)
            axes.set_title(label, loc="left", fontsize=9, color=SOFT, parse_math=False)
            colour_bar(figure, [axes], scale, with_units("", shown))
        for axes in panels.ravel()[len(rows) :]:
            axes.set_axis_off()
    return figure


# ------------------------------------------------------------------ parts


def _panels(rows: int, cells: Cells) -> tuple[Figure, NDArray[Any]]:
    height, width = np.ptp(cells.lat), np.ptp(cells.lon)
    middle = np.radians(cells.lat.mean())
    stretch = 1.0 if width > 180 else 1.0 / max(np.cos(middle), 0.2)
    tall = min((WIDTH - 1.7) / 3 * height * stretch / width, 4.5)
    figure = Figure(figsize=(WIDTH, rows * (tall + 0.4) + 0.4), layout="constrained")
    panels = figure.subplots(rows, 3, squeeze=False, sharex=True, sharey=True)
    for axes in panels.ravel():
        axes.set_aspect(stretch)
    return figure, panels


def _head(across: Sequence[Axes], label: str, notes: Sequence[str]) -> None:
    across[0].set_title(label, loc="left", fontsize=9, fontweight="bold", parse_math=False)
    for axes, note in zip(across[1:], notes, strict=True):
        axes.set_title(note, loc="left", fontsize=8, color=SOFT)


def _columns(panels: NDArray[Any], names: Sequence[str]) -> None:
    for axes, name in zip(panels[-1], names, strict=True):
        axes.set_xlabel(name, fontsize=9, color=INK)


def _check(fields: Sequence[tuple[str, Fields, tuple[int, int]]]) -> None:
    if not fields:
        raise InvalidData("found no field, wanted one to draw")
    for label, field, shape in fields:
        if field.shape != shape:
            raise InvalidData(
                f"{label}: found shape {field.shape}, wanted that of the grid {shape}"
            )
