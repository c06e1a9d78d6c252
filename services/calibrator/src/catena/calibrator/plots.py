"""Plots of a calibration's report. Arrays in, figures out; colours are those of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray
from scipy.stats import binom

from catena.calibrator.plot_style import Label
from catena.shared.report import FIRST, INK, LINE, SECOND, SOFT, STYLE, THIRD, unit_label

Array = NDArray[np.float64]

MOST_RANKED = 12
MOST_LABELLED = 24


def predictive_plot(
    prior: Array,
    posterior: Array,
    values: Array,
    error_sd: Array,
    observed: NDArray[np.bool_],
    names: Sequence[str],
    units: Sequence[str],
    quantity: str,
) -> Figure:
    """What the model gives before and after calibration, against the observation.

    Parameters
    ----------
    prior, posterior : (2, k) and (5, k) arrays
        Quantiles over the ensemble (5, 95 %) and of the posterior predictive (5, 25, 50, 75, 95 %).
    values, error_sd, observed : (k,) arrays
        The observation.
    names : sequence of str
        Short labels of the outputs.
    units : sequence of str
        One panel is drawn per unit.
    quantity : str
        Label of the vertical axis when there is one panel.
    """
    groups = [(unit, np.flatnonzero([u == unit for u in units])) for unit in dict.fromkeys(units)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 3.5 * len(groups)), layout="constrained")
        panels = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
        for axes, (unit, columns) in zip(panels, groups, strict=True):
            _predictive(axes, prior, posterior, values, error_sd, observed, columns)
            _predictive_ticks(axes, [names[int(c)] for c in columns])
            text = unit_label(unit)
            label = quantity if len(groups) == 1 else "outputs"
            axes.set_ylabel(f"{label}\n({text})" if text else label)
        figure.legend(
            handles=[
                Patch(facecolor=LINE, label="before: 90 % of the ensemble's runs"),
                Patch(facecolor=FIRST, alpha=0.35, label="after: 90 % predictive"),
                Patch(facecolor=FIRST, alpha=0.85, label="after: 50 % predictive"),
                Line2D(
                    [],
                    [],
                    color=INK,
                    marker="o",
                    markersize=4.5,
                    label="observation ± 1 sd",
                ),
            ],
            loc="outside upper left",
            ncols=4,
            fontsize=9,
            handlelength=1.3,
            columnspacing=1.5,
        )
    return figure


def _predictive(
    axes: Axes,
    prior: Array,
    posterior: Array,
    values: Array,
    error_sd: Array,
    observed: NDArray[np.bool_],
    columns: NDArray[np.intp],
) -> None:
    x = np.arange(len(columns))
    q05, q25, _, q75, q95 = posterior[:, columns]
    low, high = prior[:, columns]
    seen = observed[columns]
    if len(columns) > MOST_LABELLED:
        axes.fill_between(x, low, high, color=LINE, linewidth=0)
        axes.fill_between(x, q05, q95, color=FIRST, alpha=0.35, linewidth=0)
        axes.fill_between(x, q25, q75, color=FIRST, alpha=0.85, linewidth=0)
        axes.plot(x[seen], values[columns][seen], ".", color=INK, markersize=2)
        return
    axes.use_sticky_edges = False  # else bars end at the frame
    axes.bar(x, high - low, bottom=low, width=0.62, color=LINE, linewidth=0)
    axes.bar(x, q95 - q05, bottom=q05, width=0.4, color=FIRST, alpha=0.35, linewidth=0)
    axes.bar(x, q75 - q25, bottom=q25, width=0.4, color=FIRST, alpha=0.85, linewidth=0)
    axes.errorbar(
        x[seen],
        values[columns][seen],
        yerr=error_sd[columns][seen],
        fmt="o",
        color=INK,
        markersize=4.5,
        linewidth=1.2,
        capsize=2.5,
    )
    for place in x[~seen]:
        axes.annotate(
            "not observed",
            (place, high[place]),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=SOFT,
        )
    axes.margins(x=0.05, y=0.1)


def _predictive_ticks(axes: Axes, names: Sequence[str]) -> None:
    if len(names) > MOST_LABELLED:
        axes.set_xlabel(f"output, {names[0]} to {names[-1]}")
        return
    long = max(len(name) for name in names) * len(names) > 90
    axes.set_xticks(
        range(len(names)), names, rotation=35 if long else 0, ha="right" if long else "center"
    )
    axes.tick_params(axis="x", length=0, labelcolor=INK)


def rank_plot(
    simulated: Array, held_out: Array | None, labels: Sequence[Label], bins: int = 10
) -> Figure:
    """Histograms of SBC ranks, one panel per parameter, with the band that chance allows.

    Parameters
    ----------
    simulated : (s, d) array
        Ranks of simulated truths, in (0, 1); d at most `MOST_RANKED`.
    held_out : (t, d) array, optional
        Ranks of held-out model runs.
    labels : sequence of Label
    """
    d = simulated.shape[1]
    columns = min(4, d)
    rows = -(-d // columns)
    edges = np.linspace(0, 1, bins + 1)
    groups = [simulated] if held_out is None else [simulated, held_out]
    top = 1.08 * max(_shares(g[:, i], edges).max() for g in groups for i in range(d))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 1.65 * rows + 0.75), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for number, axes in enumerate(panels.ravel()):
            if number >= d:
                axes.set_visible(False)
                continue
            low, high = _band(len(simulated), bins)
            axes.axhspan(low, high, color=LINE, linewidth=0)
            axes.stairs(
                _shares(simulated[:, number], edges),
                edges,
                baseline=None,
                color=FIRST,
                linewidth=1.6,
            )
            if held_out is not None:
                axes.stairs(
                    _shares(held_out[:, number], edges),
                    edges,
                    baseline=None,
                    color=SECOND,
                    linewidth=1.0,
                    linestyle=(0, (3, 1.5)),
                )
            axes.set_title(labels[number].name, fontsize=9, loc="left", pad=3)
            axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
            axes.set_xlim(0, 1)
            axes.set_ylim(0, top)
        handles: list[Patch | Line2D] = [
            Line2D([], [], color=FIRST, linewidth=1.6, label="simulated pairs"),
            Patch(facecolor=LINE, label="chance (99 %) for simulated pairs"),
        ]
        if held_out is not None:
            handles.append(
                Line2D([], [], color=SECOND, linestyle=(0, (3, 1.5)), label="held-out model runs")
            )
        figure.legend(
            handles=handles, loc="outside upper left", ncols=3, fontsize=9, handlelength=1.6
        )
        figure.supxlabel("rank of the truth among the draws, as a fraction", fontsize=9)
        figure.supylabel("frequency / uniform", fontsize=9)
    return figure


def _shares(ranks: Array, edges: Array) -> Array:
    counts = np.histogram(ranks, edges)[0]
    return counts * (len(edges) - 1) / max(len(ranks), 1)


def _band(pairs: int, bins: int) -> tuple[float, float]:
    low, high = binom.ppf([0.005, 0.995], pairs, 1 / bins)
    return float(low) * bins / pairs, float(high) * bins / pairs


def coverage_plot(
    credibility: Array,
    simulated: tuple[Array, int],
    held_out: tuple[Array, int] | None,
) -> Figure:
    """TARP: coverage against credibility, with the bands that chance allows.

    Parameters
    ----------
    credibility : (m,) array
    simulated, held_out : (coverage (m,), number of pairs)
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.9, 4.6), layout="constrained")
        axes = figure.subplots()
        kinds: list[tuple[tuple[Array, int], str, Any, str]] = [
            (simulated, FIRST, "-", "simulated pairs")
        ]
        if held_out is not None:
            kinds.insert(0, (held_out, SECOND, (0, (4, 1.5)), "held-out model runs"))
        for (coverage, pairs), colour, style, name in kinds:
            reach = 1.358 / np.sqrt(pairs)
            axes.fill_between(
                credibility,
                np.clip(credibility - reach, 0, 1),
                np.clip(credibility + reach, 0, 1),
                color=colour,
                alpha=0.13,
                linewidth=0,
            )
            axes.plot(
                credibility,
                coverage,
                color=colour,
                linestyle=style,
                linewidth=1.6,
                label=f"{name} ({pairs}; band: chance, 95 %)",
            )
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (2, 2)))
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("credibility of the region")
        axes.set_ylabel("share of truths inside it")
        axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        axes.legend(loc="upper left", fontsize=8.5)
    return figure


def cost_plot(rows: Sequence[tuple[str, float, str]]) -> Figure:
    """Seconds as bars on a logarithmic axis.

    Parameters
    ----------
    rows : sequence of (label, seconds, kind)
        kind is "once" or "site".
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 0.42 * len(rows) + 1.1), layout="constrained")
        axes = figure.subplots()
        seconds = np.array([row[1] for row in rows])
        smallest = 10 ** np.floor(np.log10(seconds.min()) - 0.3)
        colours = [{"once": THIRD, "site": FIRST}[row[2]] for row in rows]
        places = np.arange(len(rows))[::-1]
        axes.barh(places, seconds - smallest, left=smallest, color=colours, height=0.6, alpha=0.85)
        axes.set_xscale("log")
        axes.set_yticks(places, [row[0] for row in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_xlabel("seconds")
        axes.legend(
            handles=[
                Patch(facecolor=THIRD, alpha=0.85, label="once for all sites"),
                Patch(facecolor=FIRST, alpha=0.85, label="for each site"),
            ],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
            fontsize=8.5,
        )
    return figure
