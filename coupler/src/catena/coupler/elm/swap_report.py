"""The report of a spin-up swap: kept as far as it has come, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from catena.coupler.elm.config import ElmConfig
from catena.shared.errors import InvalidRequest

FAR = 1e9
"""Stands for an infinite distance, which JSON does not know."""


@dataclass(frozen=True)
class Judged:
    """What native runs of whole cycles say about the state that they began from.

    Parameters
    ----------
    what : {"check", "fallback"}
    case : str
        Of ELM, the last one.
    years : int
    nee : list of float
        Mean of the judged cycles by site, gC m-2 yr-1.
    drift : list of float
        Largest change of a carbon pool by site, gC m-2 yr-1.
    why : list of str
        What each site fails by; empty for one at rest.
    area_fraction : float
        Part of the area at rest.
    passed : bool
    """

    what: str
    case: str
    years: int
    nee: list[float]
    drift: list[float]
    why: list[str]
    area_fraction: float
    passed: bool

    def __str__(self) -> str:
        nee, drift = np.array(self.nee), np.array(self.drift)
        failing = [f"cell {site}: {why}" for site, why in enumerate(self.why) if why]
        told = f" ({'; '.join(failing[:5])})" if failing else ""
        return (
            f"{self.what}: {self.years} years, to the end of case {self.case}: |NEE| up to "
            f"{np.abs(nee).max():.3g}, pools drift by up to {drift.max():.3g} gC m-2 yr-1, "
            f"{100.0 * self.area_fraction:.4g} % of the area at rest: "
            f"{'passed' if self.passed else 'FAILED'}{told}"
        )


@dataclass
class SwapReport:
    """How a case was brought to equilibrium.

    Parameters
    ----------
    method : str
    reached : bool
        Whether it is at equilibrium, by the last judgement.
    fell_back : bool
        Whether ELM had to go on natively.
    why : str
        Why it fell back; empty where it did not.
    restart : str
        What the next stage begins from.
    judgements : list of Judged
    put_in : list of mapping
        For each file that pools were put into: template, file, and by pool before and after.
    notes : list of str
        Of the method.
    unfamiliar : float or None
        Largest distance of a site from what the method learned.
    years, native_years, years_saved_ratio : float
        Simulated years a site, all runs counted; of the native stages; their quotient.
    cpu_s : float
        Wall time of the runs times processors; waiting in a queue is in it.
    transient : str
        Restart file at the end of the transient stage; empty where there is none.
    """

    method: str
    reached: bool = False
    fell_back: bool = False
    why: str = ""
    restart: str = ""
    judgements: list[Judged] = field(default_factory=list)
    put_in: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unfamiliar: float | None = None
    years: float = 0.0
    native_years: float = 0.0
    years_saved_ratio: float = 0.0
    cpu_s: float = 0.0
    transient: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"spin-up by {self.method}", *self.notes, *map(str, self.judgements)]
        if self.fell_back:
            lines.append(f"fell back: {self.why}")
        lines.append(
            f"{'at equilibrium' if self.reached else 'NOT at equilibrium'} after {self.years:g} "
            f"simulated years, natively {self.native_years:g} (a factor of "
            f"{self.years_saved_ratio:.3g})"
        )
        if self.restart:
            lines.append(f"restart file {self.restart}")
        if self.transient:
            lines.append(f"transient stage ended with {self.transient}")
        return "\n".join(lines)


def report_path(config: ElmConfig, method: str) -> Path:
    """Where the report of a swap lies."""
    return config.case_root / f"{config.case_name}-{method}.spin_up.json"


def read_report(path: Path) -> SwapReport:
    """A report as far as it has come.

    Raises
    ------
    InvalidRequest
        When there is none, or it is damaged.
    """
    try:
        values = json.loads(path.read_text())
        values["judgements"] = [Judged(**each) for each in values["judgements"]]
        return SwapReport(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(f"there is no whole report '{path}' ({error})") from error
