"""Names of compsets: what their letters mean, and the long name of a point."""

from __future__ import annotations

import re

_ALIAS = re.compile(
    r"^I(?P<bypass>CB)?(?P<time>1850|20TR)(?P<physics>CNP|CN)(?P<competition>RD|ECA)"
    r"(?P<cascade>CTC|CNT)(?P<carbon>BC)$"
)
_STUBS = frozenset(
    ("SATM", "SLND", "SICE", "SOCN", "SROF", "SGLC", "SWAV", "SIAC", "SESP", "1850", "20TR", "2000")
)


def uses_bypass(compset: str) -> bool:
    """Whether ELM reads its forcing itself: `ICB...`, or a long name with SATM."""
    return compset.startswith("ICB") or "_SATM_" in compset


def is_transient(compset: str) -> bool:
    """Whether CO2, deposition and land use change with time."""
    return "20TR" in compset


def holds_elm(compset: str) -> bool:
    """Whether there is a land model in it; aliases of CIME other than ours are believed."""
    parts = compset.split("_")
    if len(parts) < 3:
        return not all(part in _STUBS for part in parts)
    return any(part.startswith("ELM") for part in parts)


def routes_rivers(compset: str) -> bool:
    """Whether a river model runs along, which a point has no rivers for."""
    return "MOSART" in compset


def point_compset(compset: str) -> str:
    """Long name for a point of an alias such as ``ICB1850CNPRDCTCBC``.

    The alias itself brings the river model MOSART; for a point it is SROF. Names that are no such
    alias come back as they are.
    """
    found = _ALIAS.match(compset)
    if found is None:
        return compset
    air = "SATM" if found["bypass"] else "DATM%QIA"
    land = "".join(found.group("physics", "competition", "cascade", "carbon"))
    return f"{found['time']}_{air}_ELM%{land}_SICE_SOCN_SROF_SGLC_SWAV"
