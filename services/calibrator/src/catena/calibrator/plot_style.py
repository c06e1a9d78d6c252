"""How the report's plots look, and how quantities are written on their axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from catena.shared.report import INK, LINE, SOFT, unit_label

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True)
class Label:
    """How one quantity is written on an axis.

    Parameters
    ----------
    name, units : str
    factor : float
        Values are divided by it; a power of a thousand that the units then carry.
    """

    name: str
    units: str
    factor: float

    @classmethod
    def of(cls, name: str, units: str, largest: float) -> Label:
        """Choose the factor so that numbers up to `largest` are short."""
        power = 0
        if largest > 0 and not 1e-2 <= largest < 1e4:
            power = 3 * int(np.floor(np.log10(largest) / 3))
        text = unit_label(units)
        if power:
            raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
            text = f"10{raised} {text}".strip()
        return cls(name, text, 10.0**power)

    def lines(self) -> str:
        """Name, and units under it."""
        return f"{self.name}\n{self.units}" if self.units else self.name
