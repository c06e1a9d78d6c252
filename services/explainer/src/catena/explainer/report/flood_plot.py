"""The largest flow of each basin, taken apart: what each variable added at each lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from catena.explainer.report.drawing import FLOW, colour, edges, heading, panels
from catena.explainer.report.reading import Explained, Part, label
from catena.shared.report import INK, SOFT, STYLE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Flood:
    """The sample whose forecast holds the largest flow of a part.

    Parameters
    ----------
    sample : int
    lead : int
        Place of the lead.
    observed : bool
        Whether the flow was observed; else it was forecast.
    """

    sample: int
    lead: int
    observed: bool


def largest_flow(x: Explained, part: Part) -> Flood:
    """Where the largest observed flow is; of flows that are forecast where none was observed."""
    rows = np.flatnonzero(part.rows)
    known = "observed" in x.data and bool(np.isfinite(x.data["observed"].values[rows]).any())
    name = "observed" if known else "prediction"
    flow = x.data[name].transpose("sample", "lead").values[rows]
    place, lead = np.unravel_index(int(np.nanargmax(flow)), flow.shape)
    return Flood(int(rows[place]), int(lead), known)


def flood_plot(x: Explained, parts: Sequence[Part]) -> Figure:
    """Contributions stacked on the reference over the leads of the forecast of a flood.

    What raises the flow lies above the reference, what lowers it below; a panel for each part.
    """
    floods = [largest_flow(x, part) for part in parts]
    order = np.argsort(-np.abs(x.total[[one.sample for one in floods]]).mean((0, 1)))
    columns = min(2, len(parts))
    rows = -(-len(parts) // columns)
    with mpl.rc_context(STYLE):
        figure, cells = panels(rows, columns, 2.5, extra=0.7)
        flat = cells.ravel()
        for axes, flood in zip(flat, floods, strict=False):
            _stack(axes, x, flood, [int(group) for group in order])
            basin = x.basin_title(str(x.basin[flood.sample]))
            heading(axes, f"{basin}, issued {x.issue[flood.sample]}")
        spare = flat[len(parts) :]
        for axes in spare:
            axes.set_axis_off()
        handles: list[Patch | Line2D] = [
            Patch(facecolor=colour(x.groups[g], g), label=label(x.groups[g]))
            for g in map(int, order)
        ]
        handles += [
            Line2D([], [], color=INK, linewidth=1.6, label="forecast"),
            Line2D([], [], color=INK, marker="o", markersize=3, linestyle="", label="observed"),
            Line2D([], [], color=SOFT, linewidth=1.0, linestyle="--", label="reference"),
        ]
        if len(spare):
            spare[0].legend(handles=handles, loc="center left", fontsize=9, ncols=2)
        else:
            figure.legend(handles=handles, loc="outside upper left", ncols=5, fontsize=8)
        figure.supxlabel("lead (days)", fontsize=9)
        figure.supylabel(f"streamflow ({FLOW})", fontsize=9)
    return figure


def _stack(axes: Axes, x: Explained, flood: Flood, order: list[int]) -> None:
    at = {"sample": flood.sample}
    reference = np.asarray(x.data["reference"].isel(at).values, np.float64)
    forecast = np.asarray(x.data["prediction"].isel(at).values, np.float64)
    above, below = reference.copy(), reference.copy()
    sides = edges(x.leads)
    for group in order:
        part = x.total[flood.sample, :, group]
        up, down = np.maximum(part, 0.0), np.minimum(part, 0.0)
        shade = colour(x.groups[group], group)
        for change, start, alpha in ((up, above, 1.0), (down, below, 0.6)):
            axes.stairs(
                start + change, sides, baseline=start, fill=True, color=shade, alpha=alpha,
                linewidth=0,
            )  # fmt: skip
        above, below = above + up, below + down
    axes.step(x.leads, forecast, where="mid", color=INK, linewidth=1.6)
    axes.step(x.leads, reference, where="mid", color=SOFT, linewidth=1.0, linestyle="--")
    if "observed" in x.data:
        observed = np.asarray(x.data["observed"].isel(at).values, np.float64)
        axes.plot(x.leads, observed, "o", color=INK, markersize=2.5)
    axes.use_sticky_edges = False
    axes.margins(x=0.01, y=0.05)
    axes.locator_params(axis="x", integer=True)
