"""The section `spin_up` of a configuration: what stands in the place of the spin-up's stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from catena.coupler.spin_up.judge import Criterion

NATIVE = "native"


class SpinUpOptions(BaseModel):
    """How a case of ELM is brought to equilibrium before its transient stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = NATIVE
    """``native``: the stages as they are listed. Any other installed spin-up (``emulator``,
    ``analogue``, ``trees``, ``anderson``) takes the place of `ad_spinup` and `final`."""
    emulator: str | None = None
    """Where the trained emulator lies: a folder, or the URI of its artifact."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Of the method, by name."""
    template: Path | None = None
    """A restart file of the same grid with ``spinup_state`` 0, for methods without years of
    accelerated decomposition; without it one forcing cycle is run for that."""
    nee: float = Field(default=1.0, gt=0)
    """gC m-2 yr-1: a cell is at rest below this mean NEE of a whole forcing cycle,"""
    drift: float = Field(default=3.0, gt=0)
    """gC m-2 yr-1: below this change of every carbon pool,"""
    unfamiliar: float = Field(default=1.0, gt=0)
    """and within this distance from what the method learned, 1 at its edge."""
    area_fraction: float = Field(default=0.97, gt=0, le=1)
    """Part of the area that must be so; else all cells go on natively."""
    settle_cycles: int = Field(default=1, ge=0)
    """Forcing cycles that ELM runs from the new state before the one that is judged."""
    chunk_cycles: int = Field(default=5, ge=1)
    """Forcing cycles of one try of the fallback, judged as a whole."""
    patience: int = Field(default=4, ge=0)
    """Tries from the state that is there; then the case begins from bare ground, natively."""
    tries: int = Field(default=12, ge=0)
    """Tries in all."""

    @property
    def criterion(self) -> Criterion:
        """When a cell is at rest."""
        return Criterion(self.nee, self.drift, self.unfamiliar)
