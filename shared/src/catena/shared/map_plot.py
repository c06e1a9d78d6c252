"""Maps of fields on axes of matplotlib: cells in the colours of a scale, and the scale beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from catena.shared.plot_style import MISSING, Ends, colour_scale, degrees
from catena.shared.report import INK, LINE, SOFT

__all__ = ["Cells", "Scale", "around_zero", "colour_bar", "draw_field"]

Scale = tuple[Colormap, BoundaryNorm, Ends]


@dataclass(frozen=True, eq=False)
class Cells:
    """Edges of cells, eastwards and northwards in order, and how to bring fields into it."""

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, lat: Sequence[float] | NDArray[Any], lon: Sequence[float] | NDArray[Any]) -> Cells:
        """Around centres, degrees north and east, in any order."""
        north, east = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
        rows, columns = np.argsort(north), np.argsort(east)
        return cls(np.clip(_edges(north[rows]), -90.0, 90.0), _edges(east[columns]), rows, columns)


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    if centres.size == 1:
        return np.asarray(centres[0] + np.array([-0.5, 0.5]))
    middle = (centres[1:] + centres[:-1]) / 2
    ends = 2 * centres[[0, -1]] - middle[[0, -1]]
    return np.concatenate([ends[:1], middle, ends[1:]])


def draw_field(axes: Axes, cells: Cells, field: NDArray[Any], scale: Scale) -> None:
    """A field (H, W) on axes, with degrees along its sides; NaN is drawn as missing."""
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


def colour_bar(figure: Figure, across: Sequence[Axes], scale: Scale, label: str) -> None:
    """The bar of a scale, beside the axes that share it."""
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


def around_zero(values: NDArray[Any]) -> Scale:
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
