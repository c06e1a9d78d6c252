"""Plots of what a network shows of itself: attention, the gate, weights of variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from catena.explainer.report.drawing import WIDTH, day_axis, edges, heading, no_spines, panels
from catena.explainer.report.reading import NOISE, Explained, Part, label, nanmean
from catena.shared.plot_style import CYCLE, MISSING, WATER
from catena.shared.report import LINE, SOFT, STYLE

Array = NDArray[np.float64]

ATTENTION = "fusion_attention"
MOST_HEADS = 4


def attention_plot(x: Explained, parts: Sequence[Part]) -> Figure | None:
    """Which past days each lead looks at in the fusion: mean over heads, and each head small.

    None where the network has no such attention.
    """
    found = x.data.get(ATTENTION)
    if found is None or found.ndim != 4:
        return None
    values = np.asarray(found.values, np.float64)
    days = -np.asarray(_coordinate(found, 3), np.float64)
    leads = np.asarray(_coordinate(found, 2), np.float64)
    heads = min(values.shape[1], MOST_HEADS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.75 * len(parts) + 0.5), layout="constrained", dpi=200)
        cells = figure.subplots(
            len(parts), 1 + heads, squeeze=False, sharey=True,
            width_ratios=[2.4, *[1.0] * heads],
        )  # fmt: skip
        for row, part in zip(cells, parts, strict=True):
            mean = nanmean(values[part.rows])
            norm = PowerNorm(0.5, 0.0, float(np.nanmax(mean, initial=0.0)) or 1.0)
            _map(row[0], days, leads, mean.mean(0), norm)
            heading(row[0], f"{part.title}, mean of {values.shape[1]} heads", 3.2)
            for head, axes in enumerate(row[1:]):
                _map(axes, days, leads, mean[head], norm)
                heading(axes, f"head {head + 1}")
                axes.tick_params(axis="y", length=0)
            row[0].set_ylabel("lead (days)")
            _bar(figure, row, norm, "share of attention")
        figure.supxlabel("days from the issue (a patch lies at its last day)", fontsize=9)
    return figure


def _coordinate(values: xr.DataArray, axis: int) -> NDArray[Any]:
    name = values.dims[axis]
    return np.asarray(
        values[name].values if name in values.coords else np.arange(values.shape[axis])
    )


def _map(axes: Axes, days: Array, leads: Array, values: Array, norm: Normalize) -> None:
    order = np.argsort(days)
    axes.pcolormesh(
        _last_edges(days[order]), edges(leads), np.ma.masked_invalid(values[:, order]), norm=norm,
        cmap=mpl.colormaps[WATER].with_extremes(bad=MISSING), rasterized=True,
    )  # fmt: skip
    axes.set_ylim(float(edges(leads)[-1]), float(edges(leads)[0]))
    axes.locator_params(axis="x", nbins=4)
    axes.locator_params(axis="y", nbins=5, integer=True)
    no_spines(axes)


def _last_edges(days: Array) -> Array:
    """Edges of cells that are known by their last day, and reach back to the one before."""
    first = 2 * days[0] - days[1] if len(days) > 1 else days[0] - 1
    return np.concatenate([[first], days]) + 0.5


def _bar(figure: Figure, row: NDArray[Any], norm: Normalize, text: str) -> None:
    colours = mpl.colormaps[WATER]
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=row, aspect=14, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label(text, fontsize=8)


def gate_plot(x: Explained, parts: Sequence[Part]) -> Figure | None:
    """Trust in the forecast weather by lead, with the middle 80 % of samples, and its noise.

    None where the network has no gate.
    """
    if "gate" not in x.data:
        return None
    gate = np.asarray(x.data["gate"].transpose("sample", "lead").values, np.float64)
    styles = ("-", "--", "-.", ":")
    with mpl.rc_context(STYLE):
        figure, cells = panels(1, 1, 2.7)
        axes = cells[0, 0]
        for place, part in enumerate(parts):
            values = gate[part.rows]
            there = np.isfinite(values).all(-1)
            if not there.any():
                continue
            low, middle, high = np.quantile(values[there], [0.1, 0.5, 0.9], axis=0)
            shade = CYCLE[place % len(CYCLE)]
            axes.fill_between(x.leads, low, high, color=shade, alpha=0.18, linewidth=0)
            axes.plot(
                x.leads, middle, color=shade, linestyle=styles[place % len(styles)],
                linewidth=1.6, label=part.title,
            )  # fmt: skip
        noise = _noise(x)
        if noise is not None:
            axes.plot(
                x.leads, noise, color=SOFT, linewidth=1.0, label="noise of the weather (0 to 1)"
            )
        axes.set_ylim(0.0, 1.0)
        axes.set_xlabel("lead (days)")
        axes.set_ylabel("gate: weight of the forecast")
        axes.grid(axis="y", color=LINE, linewidth=0.5)
        axes.margins(x=0.01)
        figure.legend(loc="outside right upper", fontsize=9)
    return figure


def _noise(x: Explained) -> Array | None:
    """Mean noise of the forecast weather by lead, (H,)."""
    place = x.columns((NOISE,)) if x.attributed else []
    if not place or x.value is None:
        return None
    ahead = np.isin(-x.lags, x.leads)
    if ahead.sum() != len(x.leads):
        return None
    return nanmean(x.value[:, place[0], ahead].astype(np.float64))


def importance_plot(x: Explained, parts: Sequence[Part]) -> Figure | None:
    """Weights of an interpretable LSTM: of variables by lead, and of past days by variable.

    None where the network is another one.
    """
    if "variable_importance" not in x.data:
        return None
    weights = x.data["variable_importance"]
    values = np.asarray(weights.values, np.float64)
    names = [label(str(name)) for name in _coordinate(weights, 2)]
    past = x.data.get("past_importance")
    columns = 1 if past is None or past.ndim != 4 else 2
    with mpl.rc_context(STYLE):
        figure, cells = panels(len(parts), columns, 0.2 * len(names) + 0.75)
        for row, part in zip(cells, parts, strict=True):
            mean = nanmean(values[part.rows]).T
            norm = Normalize(0.0, float(np.nanmax(mean, initial=0.0)) or 1.0)
            _rows(row[0], edges(x.leads), mean, norm, names)
            row[0].set_xlabel("lead (days)")
            heading(row[0], f"{part.title}: weight of variables")
            _bar(figure, row[:1], norm, "weight")
            if past is not None and columns == 2:
                of_days = nanmean(np.asarray(past.values, np.float64)[part.rows]).mean(0)
                days = -np.asarray(_coordinate(past, 3), np.float64)
                norm = Normalize(0.0, float(np.nanmax(of_days, initial=0.0)) or 1.0)
                series = [label(str(name)) for name in _coordinate(past, 2)]
                _rows(row[1], edges(days), of_days, norm, series)
                day_axis(row[1], float(edges(days).min()), float(edges(days).max()))
                row[1].set_xlabel("days from the issue")
                heading(row[1], "weight of past days")
                _bar(figure, row[1:], norm, "weight")
    return figure


def _rows(axes: Axes, x: Array, values: Array, norm: Normalize, names: Sequence[str]) -> None:
    axes.pcolormesh(
        x, edges(np.arange(len(names))), np.ma.masked_invalid(values), norm=norm,
        cmap=mpl.colormaps[WATER].with_extremes(bad=MISSING), rasterized=True,
    )  # fmt: skip
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    no_spines(axes)
