"""Colours, colour scales and labels of plots that several services draw (with matplotlib)."""

from __future__ import annotations

from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from catena.shared.report import FIRST, LINE, MARK, SECOND, THIRD, unit_label

CYCLE = (FIRST, SECOND, THIRD, MARK)
"""Colours of lines, in this order; also told apart by their style where there are several."""

MISSING = LINE
"""Colour of cells without a value."""

WATER = "YlGnBu"
SIGNED = "RdBu_r"
OTHER = "viridis"
"""Colour maps that are told apart with any colour vision (ColorBrewer, matplotlib)."""

Ends = Literal["neither", "both", "min", "max"]

_WATER_UNITS = "kg m-2"


def with_units(name: str, units: str) -> str:
    """``air temperature (K)``; without units only the name."""
    text = unit_label(units)
    return f"{name} ({text})" if text else name


def readable(values: NDArray[Any], units: str) -> tuple[NDArray[Any], str]:
    """Values and units as people write them: fluxes of water in mm a day."""
    if units == "kg m-2 s-1" and values.size:
        with np.errstate(invalid="ignore"):
            return values * 86_400.0, "mm d-1"
    return values, units


def colour_scale(
    values: NDArray[Any], units: str, steps: int = 16
) -> tuple[Colormap, BoundaryNorm, Ends]:
    """A colour map in steps at round numbers, and which ends of it are open.

    Parameters
    ----------
    values : array
        All that is drawn; its outermost hundredths do not widen the scale.
    units : str
    steps : int
        About how many.

    Returns
    -------
    colormap, norm, extend
        `extend` as a colour bar has it.
    """
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [1, 99]) if finite.size else (0.0, 1.0)
    signed = low < 0 < high and min(-low, high) > 0.2 * max(-low, high)
    if signed:
        high = max(-low, high)
        low = -high
    elif low >= 0 and low < 0.15 * high:
        low = 0.0
    if not high > low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    levels = MaxNLocator(steps, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    name = SIGNED if signed else WATER if units in ("mm d-1", _WATER_UNITS) else OTHER
    colours = mpl.colormaps[name].with_extremes(bad=MISSING)
    below = bool(finite.size and finite.min() < levels[0])
    above = bool(finite.size and finite.max() > levels[-1])
    extend: Ends = "neither"
    if below or above:
        extend = "both" if below and above else "min" if below else "max"
    return colours, BoundaryNorm(levels, colours.N, extend=extend), extend


def degrees(value: float, positive: str, negative: str) -> str:
    """``60°N``; the equator and the meridians 0 and 180 have no letter."""
    value = (value + 180.0) % 360.0 - 180.0 if positive == "E" else value
    if value == 0 or abs(value) == 180:
        return f"{abs(value):g}°"
    return f"{abs(value):g}°{positive if value > 0 else negative}"
