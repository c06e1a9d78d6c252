"""How quantities are written on the axes of the report's plots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catena.shared.report import raised, unit_label


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
            text = f"10{raised(power)} {text}".strip()
        return cls(name, text, 10.0**power)

    def lines(self) -> str:
        """Name, and units under it."""
        return f"{self.name}\n{self.units}" if self.units else self.name
