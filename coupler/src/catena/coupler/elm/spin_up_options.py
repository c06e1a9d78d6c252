"""The section `spin_up` of a configuration: what stands in the place of the spin-up's stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

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
    check_cycles: int = Field(default=2, ge=1)
    """Forcing cycles that ELM runs from the new state before it is believed."""
    nee_limit: float = Field(default=1.0, gt=0)
    """gC m-2 yr-1: greatest \\|mean NEE\\| of the last of these cycles."""
    drift_limit: float = Field(default=1.0, gt=0)
    """gC m-2 yr-1: greatest trend of TOTECOSYSC from cycle to cycle."""
    unfamiliar_limit: float = Field(default=1.0, gt=0)
    """Distance from what was learned, 1 at its edge."""
    area_fraction: float = Field(default=0.97, gt=0, le=1)
    """Part of the area that must be within the limits; else all cells go on natively."""
    fallback_cycles: int = Field(default=60, ge=0)
    """Forcing cycles of native spin-up at most where the check fails."""
