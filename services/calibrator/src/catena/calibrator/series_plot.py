"""Runs of the model over time, before and after calibration, with what was observed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from catena.calibrator.predictive import ModelPredictive, bands
from catena.shared.report import FIRST, INK, LINE, SECOND, SOFT, STYLE, unit_label

Array = NDArray[np.float64]

_FEW = 24
"""With so many steps or fewer, each is marked."""


def per_day(units: str) -> tuple[float, str]:
    """Factor and unit in which people read a flux: carbon per day, everything else as it is."""
    substance = re.fullmatch(r"(g[CN]) m-2 s-1", units)
    return (86400.0, f"{substance[1]} m-2 d-1") if substance else (1.0, units)


def series_plot(runs: ModelPredictive, units: Sequence[str], titles: Sequence[str]) -> Figure:
    """One panel for each variable.

    Parameters
    ----------
    runs : ModelPredictive
    units, titles : sequence of str
        Of each variable, in order.
    """
    variables = runs.variables()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 2.9 * len(variables) + 0.4), layout="constrained")
        panels = figure.subplots(len(variables), 1, squeeze=False)[:, 0]
        for axes, variable, unit, title in zip(panels, variables, units, titles, strict=True):
            factor, text = per_day(unit)
            _panel(axes, runs, np.flatnonzero(runs.of(variable)), factor)
            axes.set_ylabel(f"{title}\n({unit_label(text)})" if text else title)
        handles: list[Patch | Line2D] = [
            Patch(facecolor=LINE, label="before: 90 % of the runs"),
            Patch(facecolor=FIRST, alpha=0.4, label="after: 90 % of the runs"),
            Line2D([], [], color=FIRST, label="after: median"),
            Line2D(
                [], [], color=INK, marker="o", markersize=4, linewidth=0.9, label="used, ± 1 sd"
            ),
        ]
        if runs.withheld.any():
            handles.append(
                Line2D([], [], color=SECOND, marker="s", markersize=4, linewidth=0.9,
                       label="not used, ± 1 sd")
            )  # fmt: skip
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=len(handles),
            fontsize=9,
            handlelength=1.3,
            columnspacing=1.3,
        )
    return figure


def _panel(axes: Axes, runs: ModelPredictive, columns: NDArray[np.intp], factor: float) -> None:
    x = np.array([runs.steps[column].place() for column in columns])
    before = factor * bands(runs.prior[:, columns])
    after = factor * bands(runs.posterior[:, columns])
    marker = "." if len(columns) <= _FEW else ""
    axes.fill_between(x, before[0], before[2], color=LINE, linewidth=0)
    axes.fill_between(x, after[0], after[2], color=FIRST, alpha=0.4, linewidth=0)
    axes.plot(x, after[1], color=FIRST, linewidth=1.3, marker=marker)
    for mask, colour, sign in ((runs.used, INK, "o"), (runs.withheld, SECOND, "s")):
        seen = mask[columns]
        axes.errorbar(
            x[seen],
            factor * runs.values[columns][seen],
            yerr=factor * runs.error_sd[columns][seen],
            fmt=sign,
            color=colour,
            markersize=3.6,
            linewidth=0.9,
        )
    if min(before[0].min(), after[0].min()) <= 0.2 * before[2].max():
        axes.axhline(0.0, color=SOFT, linewidth=0.5, zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.margins(x=0.01)
