"""What the protocol of CalLMIP Phase 1 (v2) asks of a submission, as tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Self

from catena.shared.errors import InvalidRequest

PHASE = "Phase1b"
DAY_S = 86_400.0

Stage = Literal["Prior", "Posterior"]
Purpose = Literal["Cal", "Val"]

CAL_VAL = MappingProxyType({"Cal": "Calibration", "Val": "Validation"})
"""Word of the file's name -> word of the global attribute."""


@dataclass(frozen=True)
class Output:
    """A variable of a submission (table 3).

    Parameters
    ----------
    name : str
    units : tuple of str
        Spellings that are accepted, letter by letter; the first is written.
    long_name : str
    optional : bool
        Whether a model without it leaves it out.
    """

    name: str
    units: tuple[str, ...]
    long_name: str
    optional: bool = False


OUTPUTS = MappingProxyType(
    {
        output.name: output
        for output in (
            Output("nep", ("kgC m-2 s-1",), "Net ecosystem productivity, positive into the land"),
            Output("hfls", ("W m-2",), "Latent heat flux"),
            Output("hfss", ("W m-2",), "Sensible heat flux"),
            Output("gpp", ("kgC m-2 s-1",), "Gross primary production"),
            Output("reco", ("kgC m-2 s-1",), "Total ecosystem respiration"),
            Output("tran", ("kg m-2 s-1",), "Transpiration"),
            Output("evspsblsoi", ("kg m-2 s-1",), "Evaporation from soil, sublimation included"),
            Output("hfg", ("W m-2",), "Ground heat flux", optional=True),
            Output("ts", ("K",), "Land surface (skin) temperature"),
            Output("lai", ("m2 m-2", "1"), "Leaf area index"),
            Output("cLiveBioAbove", ("kg m-2",), "Carbon mass in above-ground live biomass"),
            Output("cSoil", ("kg m-2",), "Carbon mass in all soil pools"),
            Output("mrso", ("kg m-2",), "Total soil column moisture content"),
            Output("mrsos", ("kg m-2",), "Moisture in the top 10 cm of the soil"),
        )
    }
)
"""All variables, in the order of table 3."""

OPTIMISED = MappingProxyType(
    {
        1: ("nep", "hfls", "hfss"),
        2: ("nep",),
        3: ("hfls",),
        4: ("hfss",),
        5: ("nep", "hfls"),
        6: ("hfls", "hfss"),
    }
)
"""Scenario -> the variables that it optimises, which need posterior uncertainties (section 3.1)."""

POST_UNC = "_post_unc"
"""Suffix of the posterior uncertainty of a variable (section 6.2)."""

CALIBRATION_SITES = frozenset(
    {
        "CA-Qfo", "CH-Dav", "DE-Gri", "DE-Hai", "DE-Tha", "DK-Sor", "FI-Hyy", "FR-Pue", "IT-Lav",
        "IT-MBo", "IT-Noe", "NL-Loo", "RU-Fyo", "US-MMS", "US-NR1", "US-SRG", "US-SRM", "US-Ton",
        "US-Var", "US-Whs", "US-Wkg",
    }
)  # fmt: skip
"""Table 1."""
VALIDATION_SITES = frozenset(
    {
        "AU-ASM", "AU-How", "AU-Stp", "AU-Tum", "CH-Cha", "US-FPe", "US-GLE", "US-Ha1", "US-Me2",
        "US-UMB",
    }
)  # fmt: skip
"""Table 2."""

FILE_NAME = "<model>.<version>_Phase1b_Scen<1-6>_<Site>_<Cal|Val>_<Prior|Posterior>.nc"
_MODEL = r"[A-Za-z0-9][A-Za-z0-9+\-]*\.[A-Za-z0-9][A-Za-z0-9.+\-]*"
_NAME = re.compile(
    rf"^(?P<model>{_MODEL})_Phase1b_Scen(?P<scenario>[1-6])_(?P<site>[A-Z]{{2}}-[A-Za-z0-9]{{3}})"
    r"_(?P<purpose>Cal|Val)_(?P<stage>Prior|Posterior)\.nc$"
)
MODEL = re.compile(rf"^{_MODEL}$")
"""Model and version, as name of the file and global attribute have them."""


@dataclass(frozen=True)
class SubmissionName:
    """What the name of a submission file says (section 7).

    Parameters
    ----------
    model : str
        ``<model>.<version>``.
    scenario : int
        1 to 6.
    site : str
        Code of FLUXNET.
    purpose : {"Cal", "Val"}
        Calibration or validation site.
    stage : {"Prior", "Posterior"}

    Raises
    ------
    InvalidRequest
        When a part is not one of the protocol's.
    """

    model: str
    scenario: int
    site: str
    purpose: Purpose
    stage: Stage

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.file) is None:
            raise InvalidRequest(f"submission: found the name '{self.file}', wanted {FILE_NAME}")

    @property
    def file(self) -> str:
        """Name of the file."""
        return (
            f"{self.model}_{PHASE}_Scen{self.scenario}_{self.site}_{self.purpose}_{self.stage}.nc"
        )

    @property
    def attributes(self) -> dict[str, str]:
        """Global attributes that say the same (section 6.3)."""
        return {
            "Model": self.model,
            "CalLMIP_Phase": PHASE,
            "Calibration_Scenario": f"Scen{self.scenario}",
            "Calibration_stage": self.stage,
            "Cal_Val": CAL_VAL[self.purpose],
        }

    @classmethod
    def parse(cls, file: str) -> Self | None:
        """The parts of a file's name; None when it is not one of the protocol's form."""
        match = _NAME.fullmatch(file)
        if match is None:
            return None
        purpose: Purpose = "Cal" if match["purpose"] == "Cal" else "Val"
        stage: Stage = "Prior" if match["stage"] == "Prior" else "Posterior"
        return cls(match["model"], int(match["scenario"]), match["site"], purpose, stage)
