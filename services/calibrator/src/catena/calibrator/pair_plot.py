"""The pair plot of a calibration: prior, posterior, Markov chains and truth."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from catena.calibrator.plot_style import Label
from catena.shared.report import FIRST, MARK, SECOND, SOFT, STYLE

Array = NDArray[np.float64]

MOST_PAIRED = 8
"""Parameters in a pair plot; more panels cannot be read."""

ROOM_FOR_LEGEND = 5
"""From so many parameters on, the empty corner above the diagonal holds the legend."""


def pair_plot(
    posterior: Array,
    chains: Array | None,
    low: Array,
    high: Array,
    labels: Sequence[Label],
    truth: Array | None,
) -> Figure:
    """Marginals on the diagonal, pairs below it; axes span the prior.

    Parameters
    ----------
    posterior : (n, d) array
        Draws, physical units, d at most `MOST_PAIRED`.
    chains : (m, d) array, optional
        Draws of Markov chains.
    low, high : (d,) arrays
        The prior.
    labels : sequence of Label
    truth : (d,) array, optional
        Known parameters of a synthetic observation.
    """
    d = posterior.shape[1]
    with mpl.rc_context(STYLE):
        # Margins in inches: labels do not grow with the number of panels.
        left, bottom, right, top = 0.95, 0.72, 0.12, 0.12 if d >= ROOM_FOR_LEGEND else 0.75
        side = d * max(1.18, 4.8 / d if d < ROOM_FOR_LEGEND else 0.0)
        width, height = left + side + right, bottom + side + top
        figure = Figure(figsize=(width, height))
        grid = figure.add_gridspec(
            d,
            d,
            wspace=0.09,
            hspace=0.09,
            left=left / width,
            right=1 - right / width,
            bottom=bottom / height,
            top=1 - top / height,
        )
        for i in range(d):
            for j in range(i + 1):
                axes = figure.add_subplot(grid[i, j])
                if i == j:
                    _marginal(axes, posterior[:, i], _column(chains, i), low[i], high[i])
                else:
                    box = (low[j], high[j], low[i], high[i])
                    _pair(axes, posterior[:, [j, i]], _column(chains, [j, i]), box)
                if truth is not None:
                    _truth(axes, truth, i, j)
                _pair_ticks(axes, i, j, d, low, high, labels)
        _pair_legend(figure, d, chains is not None, truth is not None)
    return figure


def _column(values: Array | None, which: int | list[int]) -> Array | None:
    return None if values is None else values[:, which]


def _marginal(axes: Axes, values: Array, chains: Array | None, low: float, high: float) -> None:
    edges = np.linspace(low, high, 31)
    heights = np.histogram(values, edges, density=True)[0] * (high - low)
    axes.stairs(heights, edges, fill=True, color=FIRST, alpha=0.45, linewidth=0)
    top = heights.max()
    if chains is not None:
        lines = np.histogram(chains, edges, density=True)[0] * (high - low)
        axes.stairs(lines, edges, color=SECOND, linewidth=1.1)
        top = max(top, lines.max())
    axes.plot([low, high], [1, 1], color=SOFT, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.set_ylim(0, 1.12 * max(top, 1.2))


def _pair(
    axes: Axes, values: Array, chains: Array | None, box: tuple[float, float, float, float]
) -> None:
    x, y, density = _density(values, box)
    inner, outer = _levels(density)
    axes.contourf(x, y, density, [outer, inner], colors=[FIRST], alpha=0.28)
    axes.contourf(x, y, density, [inner, density.max() * 1.001], colors=[FIRST], alpha=0.6)
    if chains is not None:
        x, y, density = _density(chains, box)
        inner, outer = _levels(density)
        axes.contour(x, y, density, [outer, inner], colors=[SECOND], linewidths=[0.8, 0.8])
    axes.set_ylim(box[2], box[3])


def _density(values: Array, box: tuple[float, float, float, float]) -> tuple[Array, Array, Array]:
    bins = 24
    counts, x, y = np.histogram2d(
        values[:, 0], values[:, 1], bins=bins, range=[[box[0], box[1]], [box[2], box[3]]]
    )
    # Smoothing reflects at the edges, because the prior ends there and mass must not leak out.
    smooth = gaussian_filter(counts.T, 1.7, mode="reflect")
    # Contours are drawn between cell centres; the grid is stretched to reach the edges.
    return np.linspace(x[0], x[-1], bins), np.linspace(y[0], y[-1], bins), smooth


def _levels(density: Array) -> tuple[float, float]:
    """Densities that enclose half and nine tenths of the mass."""
    ordered = np.sort(density.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    half, most = (float(ordered[np.searchsorted(share, part)]) for part in (0.5, 0.9))
    return half, most if most < half else half * (1 - 1e-9)


def _truth(axes: Axes, truth: Array, i: int, j: int) -> None:
    axes.axvline(truth[j], color=MARK, linewidth=1.1)
    if i != j:
        axes.plot(truth[j], truth[i], "o", color=MARK, markersize=4.2, markeredgewidth=0)


def _pair_ticks(
    axes: Axes, i: int, j: int, d: int, low: Array, high: Array, labels: Sequence[Label]
) -> None:
    axes.set_xlim(low[j], high[j])
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    if i == d - 1:
        ticks = _ends(axes, low[j], high[j], "x")
        axes.set_xticks(ticks, [f"{tick / labels[j].factor:g}" for tick in ticks], fontsize=7.5)
        axes.set_xlabel(labels[j].lines(), fontsize=8, labelpad=3)
    if j == 0 and i > 0:
        ticks = _ends(axes, low[i], high[i], "y")
        axes.set_yticks(ticks, [f"{tick / labels[i].factor:g}" for tick in ticks], fontsize=7.5)
        axes.set_ylabel(labels[i].lines(), fontsize=8, labelpad=3)
    if i == j:
        axes.spines["left"].set_visible(False)


def _ends(axes: Axes, low: float, high: float, axis: str) -> list[float]:
    """Two round ticks inside, away from the neighbours' panels."""
    width = high - low
    found = [
        float(tick)
        for tick in MaxNLocator(4).tick_values(low, high)
        if low + 0.08 * width <= tick <= high - 0.08 * width
    ]
    return [found[0], found[-1]] if len(found) > 1 else found


def _pair_legend(figure: Figure, d: int, with_chains: bool, with_truth: bool) -> None:
    handles: list[Patch | Line2D] = [
        Patch(facecolor=FIRST, alpha=0.6, label="posterior: 50 % and 90 % of it")
    ]
    if with_chains:
        handles.append(Line2D([], [], color=SECOND, label="Markov chains: the same"))
    handles.append(Line2D([], [], color=SOFT, linestyle=(0, (2, 2)), label="prior (diagonal)"))
    if with_truth:
        handles.append(
            Line2D([], [], color=MARK, marker="o", markersize=4, label="truth of the run")
        )
    columns = 1 if d >= ROOM_FOR_LEGEND else 2
    figure.legend(handles=handles, loc="upper right", ncols=columns, fontsize=9)
