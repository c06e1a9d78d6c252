"""Curves of the trainer's pages: skill by lead, spectra, losses, data efficiency, scaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation.skill import CLIMATOLOGY, PERSISTENCE
from catena.shared.errors import InvalidData
from catena.shared.report import FIRST, GOOD, INK, LINE, MARK, SECOND, SOFT, STYLE, THIRD

__all__ = [
    "Losses",
    "Scaling",
    "efficiency_plot",
    "lead_plot",
    "loss_plot",
    "parts_plot",
    "scaling_plot",
    "spectra_plot",
]

Array = NDArray[Any]
Curves = Mapping[str, Array]

WIDTH = 9.2
LINES = (FIRST, SECOND, GOOD, THIRD, MARK)
"""Colours of models, in their order."""
REFERENCES = {PERSISTENCE: (SOFT, "--"), CLIMATOLOGY: (SOFT, ":"), "truth": (INK, "-")}
"""Colour and line of what models are held against."""
BIN = 200
"""Points of a smoothed curve."""
LEAST_POWER = 1e-8
"""Of the largest: less is not shown."""


@dataclass(frozen=True, eq=False)
class Losses:
    """A training, step by step.

    Parameters
    ----------
    steps, loss : (n,) arrays
    validation_steps, validation : (m,) arrays
        May be empty.
    learning_rate : (n,) array, optional
    resumed : sequence of int
        Steps at which the training went on from a checkpoint.
    """

    steps: Array
    loss: Array
    validation_steps: Array = field(default_factory=lambda: np.empty(0))
    validation: Array = field(default_factory=lambda: np.empty(0))
    learning_rate: Array | None = None
    resumed: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class Scaling:
    """One scaling curve.

    Parameters
    ----------
    label : str
        Of the model and the kind: ``113B, strong``.
    ranks : (n,) array
        GPUs, ascending.
    samples_s : (n,) array
        Samples a second of all ranks together.
    efficiency : (n,) array
        Samples a second and rank, over that of the fewest ranks.
    """

    label: str
    ranks: Array
    samples_s: Array
    efficiency: Array


def lead_plot(leads_h: Sequence[float], panels: Mapping[str, Curves], label: str) -> Figure:
    """A score by lead, a panel for each variable, a line for each forecaster.

    Parameters
    ----------
    leads_h : sequence of float
        Hours; shown in days from three days on.
    panels : mapping of title to mapping of forecaster to (leads,) array
        Persistence and climatology are drawn as references.
    label : str
        Of the vertical axes.
    """
    days = max(leads_h) >= 72
    x = np.asarray(leads_h, np.float64) / (24.0 if days else 1.0)
    with mpl.rc_context(STYLE):
        figure, cells = _grid(len(panels))
        for axes, (title, curves) in zip(cells, panels.items(), strict=False):
            for number, (name, values) in enumerate(curves.items()):
                _line(axes, x, values, name, number, marker=".")
            _title(axes, title)
            if all(np.nanmin(v, initial=0.0) >= 0 for v in curves.values()):
                axes.set_ylim(bottom=0.0)
            axes.margins(x=0.02)
            axes.grid(axis="y", color=LINE, linewidth=0.5)
        figure.supxlabel(f"lead ({'days' if days else 'hours'})", fontsize=9)
        figure.supylabel(label, fontsize=9)
        _legend(figure, cells[0])
    return figure


def spectra_plot(panels: Mapping[str, Curves], *, label: str = "power") -> Figure:
    """Power by zonal wavenumber, a panel for each title; on axes of powers of ten.

    Parameters
    ----------
    panels : mapping of title to mapping of name to (K,) array
        From wavenumber 0, which is left out. The name ``truth`` is drawn as the reference.
    label : str
    """
    with mpl.rc_context(STYLE):
        figure, cells = _grid(len(panels), tall=2.5)
        for axes, (title, curves) in zip(cells, panels.items(), strict=False):
            for number, (name, values) in enumerate(curves.items()):
                power = np.where(np.asarray(values) > 0, values, np.nan)
                _line(axes, np.arange(1, len(power)), power[1:], name, number)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            # Fields cut off at a wavenumber have nothing but rounding beyond it.
            low, high = axes.get_ylim()
            axes.set_ylim(bottom=max(low, high * LEAST_POWER))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            _title(axes, title)
            axes.grid(color=LINE, linewidth=0.4)
        figure.supxlabel("zonal wavenumber", fontsize=9)
        figure.supylabel(label, fontsize=9)
        _legend(figure, cells[0])
    return figure


def loss_plot(found: Losses) -> Figure:
    """Loss by step: every step pale, the median of neighbours dark, validation as dots."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        axes = figure.subplots()
        steps, loss = np.asarray(found.steps), np.asarray(found.loss, np.float64)
        axes.plot(steps, loss, color=FIRST, linewidth=0.6, alpha=0.35, label="training, each step")
        if len(steps) > BIN:
            parts = np.array_split(np.arange(len(steps)), BIN)
            middle = [steps[part].mean() for part in parts]
            usual = [np.nanmedian(loss[part]) if np.isfinite(loss[part]).any() else np.nan
                     for part in parts]  # fmt: skip
            axes.plot(middle, usual, color=FIRST, linewidth=1.8, label="training, median")
        if len(found.validation):
            axes.plot(
                found.validation_steps, found.validation, "o-", color=SECOND, markersize=3.5,
                linewidth=1.0, label="validation",
            )  # fmt: skip
        for number, step in enumerate(found.resumed):
            axes.axvline(
                step, color=MARK, linewidth=0.8, linestyle=":",
                label="resumed" if number == 0 else None,
            )  # fmt: skip
        positive = loss[np.isfinite(loss) & (loss > 0)]
        if positive.size and positive.max() > 10 * positive.min():
            axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.margins(x=0.01)
        axes.grid(axis="y", color=LINE, linewidth=0.5)
        if found.learning_rate is not None:
            beside = axes.twinx()
            beside.plot(steps, found.learning_rate, color=SOFT, linewidth=0.8, linestyle="--")
            beside.set_ylabel("learning rate (dashed)", color=SOFT)
            beside.set_ylim(bottom=0.0)
            beside.spines["right"].set_visible(True)
        axes.legend(loc="upper right", fontsize=8.5)
    return figure


def efficiency_plot(samples: Sequence[int], curves: Curves, label: str) -> Figure:
    """Skill against the number of samples of fine-tuning: pre-trained, from scratch, references.

    Parameters
    ----------
    samples : sequence of int
    curves : mapping of str to (samples,) array
        Persistence and climatology are levels; NaN where nothing was trained with so many.
    label : str
        Of the skill, with units.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axes = figure.subplots()
        for number, (name, values) in enumerate(curves.items()):
            there = np.isfinite(values)
            _line(axes, np.asarray(samples)[there], values[there], name, number, marker="o")
        _counted(axes, np.asarray(samples))
        axes.set_xlabel("samples of fine-tuning")
        axes.set_ylabel(label)
        axes.grid(axis="y", color=LINE, linewidth=0.5)
        figure.legend(loc="outside right upper", fontsize=9)
    return figure


def scaling_plot(
    curves: Sequence[Scaling], published: Sequence[tuple[str, float, float, float]] = ()
) -> Figure:
    """Samples a second by the number of ranks beside perfect scaling, and the efficiency.

    Parameters
    ----------
    curves : sequence of Scaling
    published : sequence of (label, ranks, lowest, highest efficiency)
        Drawn as bars on the efficiency.

    Raises
    ------
    InvalidData
        When there is no curve.
    """
    if not curves:
        raise InvalidData("found no scaling curve, wanted one to draw")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        speed, share = figure.subplots(1, 2)
        for number, curve in enumerate(curves):
            ranks = np.asarray(curve.ranks, np.float64)
            perfect = curve.samples_s[0] * ranks / ranks[0]
            speed.plot(ranks, perfect, color=SOFT, linewidth=0.7, linestyle=":")
            _line(speed, ranks, curve.samples_s, curve.label, number, marker="o")
            _line(share, ranks, 100 * np.asarray(curve.efficiency), curve.label, number, marker="o")
        for label, ranks_, low, high in published:
            share.errorbar(
                ranks_, 50 * (low + high), yerr=50 * (high - low), color=INK, capsize=4,
                linewidth=1.2, label=label,
            )  # fmt: skip
        everywhere = np.unique(np.concatenate([curve.ranks for curve in curves]))
        for axes in (speed, share):
            _counted(axes, everywhere)
            axes.set_xlabel("GPUs")
            axes.grid(color=LINE, linewidth=0.4)
        speed.set_yscale("log")
        speed.set_ylabel("samples a second (dotted: perfect)")
        share.set_ylim(0.0, 105.0)
        share.set_ylabel("scaling efficiency (%)")
        _legend(figure, share)
    return figure


def parts_plot(rows: Mapping[str, Mapping[str, float]], label: str) -> Figure:
    """Bars made of parts: memory of a GPU, time of a step.

    Parameters
    ----------
    rows : mapping of bar to mapping of part to size
        Parts come in the order in which they are first named.
    label : str
        With units.
    """
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    colours = (*LINES, SOFT, INK)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.42 * len(rows) + 1.1), layout="constrained")
        axes = figure.subplots()
        left = np.zeros(len(rows))
        for number, part in enumerate(parts):
            size = np.array([row.get(part, 0.0) for row in rows.values()])
            axes.barh(
                list(rows), size, left=left, height=0.6, label=part,
                color=colours[number % len(colours)],
            )  # fmt: skip
            left += size
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.grid(axis="x", color=LINE, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper left", ncols=min(len(parts), 5), fontsize=8.5)
    return figure


# ------------------------------------------------------------------ parts


def _grid(count: int, tall: float = 2.0) -> tuple[Figure, list[Axes]]:
    if not count:
        raise InvalidData("found no curve, wanted one to draw")
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, tall * rows + 0.7), layout="constrained")
    cells = list(figure.subplots(rows, columns, squeeze=False, sharex=True).ravel())
    for axes in cells[count:]:
        axes.set_axis_off()
    return figure, cells


def _line(
    axes: Axes, x: Array, values: Array, name: str, number: int, marker: str | None = None
) -> None:
    colour, style = REFERENCES.get(name, (LINES[number % len(LINES)], "-"))
    if name in REFERENCES:
        marker = None
    axes.plot(
        x, values, color=colour, linestyle=style, linewidth=1.4, marker=marker, markersize=4,
        label=name,
    )  # fmt: skip


def _counted(axes: Axes, places: Array) -> None:
    """Logarithmic axis with ticks at the values themselves, a handful of them."""
    axes.set_xscale("log")
    some = places[:: 1 + len(places) // 8]
    axes.xaxis.set_major_locator(FixedLocator(some.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if len(some) > 5:
        axes.tick_params(axis="x", labelrotation=30, labelsize=8)


def _title(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9, loc="left", color=SOFT, parse_math=False)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=min(len(labels), 5), fontsize=8.5
    )
