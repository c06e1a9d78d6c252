"""Plots of matrices and of trust: pairs of inputs, agreement of methods, completeness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from catena.explainer.report.drawing import CELL_INK, WIDTH, heading, no_spines, panels, wrapped
from catena.explainer.report.pairs import pair_shares
from catena.explainer.report.reading import Explained, Part, label
from catena.explainer.report.words import GOOD_COMPLETENESS, method_words
from catena.shared.plot_style import CYCLE, WATER
from catena.shared.report import INK, LINE, STYLE

Array = NDArray[np.float64]

DARK = 0.55
"""Share of a colour scale from which on text in a cell is light."""
LEAST_ERROR = 1e-10
"""Of the range; less is drawn as this."""


def interaction_plot(x: Explained, parts: Sequence[Part]) -> Figure | None:
    """What inputs contribute alone (diagonal) and together (below it), as shares.

    A row for the first and the last lead of the interactions, a column for each part that has
    some. None where no part has.
    """
    if "interaction" not in x.data:
        return None
    count = x.data.sizes["interaction_lead"]
    places = sorted({0, count - 1})
    found = [[pair_shares(x, part.rows, place) for part in parts] for place in places]
    kept = [column for column in range(len(parts)) if any(row[column] for row in found)]
    if not kept:
        return None
    with mpl.rc_context(STYLE):
        figure, cells = panels(len(places), len(kept), 2.9, sharex=True, sharey=True)
        for row, across in zip(cells, found, strict=True):
            for axes, column in zip(row, kept, strict=True):
                one = across[column]
                if one is None:
                    axes.set_axis_off()
                    continue
                shares, names, lead = one
                _triangle(axes, 100 * shares, [label(name) for name in names])
                heading(axes, f"{parts[column].title}, lead {lead}", 0.62 * WIDTH / len(kept))
        figure.supxlabel("shares of all that contributes (%)", fontsize=9)
    return figure


def _triangle(axes: Axes, percent: Array, names: Sequence[str]) -> None:
    lower = np.where(np.tril(np.ones_like(percent)) > 0, percent, np.nan)
    norm = PowerNorm(0.5, 0.0, max(float(np.nanmax(lower, initial=0.0)), 1e-9))
    _cells(axes, lower, norm, lambda value: f"{value:.1f}" if value >= 0.05 else "0")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)


def _cells(axes: Axes, values: Array, norm: Normalize, text: Callable[[float], str]) -> None:
    """A matrix with its numbers in the cells."""
    axes.imshow(
        np.ma.masked_invalid(values), norm=norm, cmap=WATER, aspect="auto", interpolation="none"
    )
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            # On the pale end ink, on the dark end white: not of the page, as the cells are not.
            shade = float(norm(value))
            ink = "#ffffff" if shade > DARK else CELL_INK
            axes.text(j, i, text(value), ha="center", va="center", fontsize=7, color=ink)
    axes.tick_params(length=0)
    no_spines(axes)


def trust_plot(x: Explained, about: Mapping[str, Any]) -> Figure | None:
    """Completeness of the methods by lead, and how alike they rank the inputs.

    None where the explanation has neither.
    """
    errors = _errors(x)
    agreement = about.get("agreement") or {}
    names = [wrapped(method_words(name)) for name in agreement.get("methods", [])]
    matrix = np.array(agreement.get("spearman", []), dtype=np.float64)
    agrees = len(names) > 1 and matrix.shape == (len(names), len(names))
    if not errors and not agrees:
        return None
    with mpl.rc_context(STYLE):
        count = int(bool(errors)) + int(agrees)
        figure, cells = panels(1, count, max(2.8, 0.42 * len(names) + 1.5))
        if errors:
            _completeness(cells[0, 0], x, errors)
        if agrees:
            axes = cells[0, -1]
            _cells(axes, matrix, Normalize(0.0, 1.3), lambda value: f"{value:.2f}")
            axes.set_xticks(
                range(len(names)),
                names,
                rotation=45,
                ha="right",
                rotation_mode="anchor",
                fontsize=8,
            )
            axes.set_yticks(range(len(names)), names, fontsize=8)
            heading(axes, "Rank correlation of methods")
    return figure


def _errors(x: Explained) -> dict[str, Array]:
    """Largest completeness error of each method by lead, (H,), of the range of the forecasts."""
    if "completeness" not in x.data:
        return {}
    values = np.abs(x.data["completeness"].transpose("method", "lead", "sample").values)
    values = values / _ranges(x).T
    found = {}
    for name, error in zip(x.data["method"].values, values, strict=True):
        if np.isfinite(error).any():
            worst = np.where(np.isfinite(error), error, -1.0).max(-1)
            found[str(name)] = np.where(worst < 0, np.nan, worst)
    return found


def _ranges(x: Explained) -> Array:
    """Range (N, H) of the forecasts of a lead in the basin of each sample, and their reference.

    A dry basin's errors would vanish in the range of a wet one.
    """
    flow = [
        x.data[name].transpose("sample", "lead").values
        for name in ("prediction", "reference")
        if name in x.data
    ]
    found = np.empty(flow[0].shape)
    for name in x.basins:
        rows = x.basin == name
        here = np.concatenate([one[rows] for one in flow])
        swing = np.ptp(here, axis=0)
        widest = float(swing.max())
        found[rows] = np.where(swing > 0, swing, widest if widest > 0 else 1.0)
    return found


def _completeness(axes: Axes, x: Explained, errors: Mapping[str, Array]) -> None:
    styles = ("-", "--", "-.", ":")
    for place, (name, error) in enumerate(errors.items()):
        there = np.isfinite(error)
        axes.plot(
            x.leads[there], np.maximum(error[there], LEAST_ERROR), color=CYCLE[place % len(CYCLE)],
            linestyle=styles[place % len(styles)], linewidth=1.4, label=method_words(name),
            marker="o", markersize=2.5,
        )  # fmt: skip
    axes.axhline(GOOD_COMPLETENESS, color=INK, linewidth=0.7, linestyle=":", label="wanted")
    axes.set_yscale("log")
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("lead (days)")
    axes.set_ylabel("largest error (of range)")
    axes.grid(axis="y", color=LINE, linewidth=0.5)
    heading(axes, "Completeness")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
