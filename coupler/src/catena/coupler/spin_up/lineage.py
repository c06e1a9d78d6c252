"""What a learned method was learned for, and why it refuses other cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from catena.coupler.spin_up.case import LandCase, S
from catena.shared.errors import FailedPrecondition

BEYOND = 0.02
"""Of the width of a parameter's range: how far samples of the same range may lie outside of each
other's smallest and largest values."""
OUTSIDE_DEGREES = 5.0
"""How far a site may lie outside of the box of those that were learned: the width of a block."""
_COMPARED_APART = ("pools", "plants", "parameters", "inputs", "region")
_WORDS = {
    "model": "land model",
    "version": "version of the land model",
    "cycle_years": "years of the forcing's cycle",
    "co2_ppm": "CO2, ppm",
    "ndep_g_m2_yr": "nitrogen deposition, gN m-2 yr-1",
}


def lineage_of(case: LandCase[S]) -> dict[str, Any]:
    """What a case is, as JSON holds it: its own words, and the box of its sites.

    Longitudes are those from -180 to 180.
    """
    lon = np.mod(case.lon + 180.0, 360.0) - 180.0
    region = [case.lat.min(), case.lat.max(), lon.min(), lon.max()]
    return {**case.about(), "region": [float(edge) for edge in region]}


def differences(learned: Mapping[str, Any], case: Mapping[str, Any]) -> list[str]:
    """In what a case differs from what was learned, in words; empty where it may be spun up.

    A case may have less plants, a narrower range of parameters and a smaller region.

    Parameters
    ----------
    learned, case : mapping
        Of :func:`lineage_of`.
    """
    found = []
    for key in sorted((set(learned) | set(case)) - set(_COMPARED_APART)):
        mine, its = learned.get(key), case.get(key)
        if mine != its:
            found.append(
                f"{_WORDS.get(key, key)}: learned {_said(mine)}, the case has {_said(its)}"
            )
    found += _other_parameters(learned.get("parameters", {}), case.get("parameters", {}))
    for kind, names in learned.get("inputs", {}).items():
        its = case.get("inputs", {}).get(kind)
        if its is not None and list(its) != list(names) and kind != "parameters":
            found.append(
                f"inputs of kind {kind}: learned {_said(names)}, the case has {_said(its)}"
            )
    return found + _outside(learned.get("region"), case.get("region"))


def strange_plants(learned: Mapping[str, Any], case: Mapping[str, Any]) -> list[str]:
    """Plants of a case that were not learned."""
    return [plant for plant in case.get("plants", []) if plant not in learned.get("plants", [])]


def refuse_other(
    name: str, learned: Mapping[str, Any], case: Mapping[str, Any], plants: bool = True
) -> None:
    """Refuse a case that is not what was learned.

    Parameters
    ----------
    name : str
        Of the method.
    learned, case : mapping
        Of :func:`lineage_of`.
    plants : bool
        Refuse plants that were not learned too.

    Raises
    ------
    FailedPrecondition
        Names every difference.
    """
    found = differences(learned, case)
    strange = strange_plants(learned, case) if plants else []
    if strange:
        found.append(f"plants that were not learned: {', '.join(strange)}")
    if found:
        raise FailedPrecondition(
            f"the spin-up '{name}' was learned for another case. {'; '.join(found)}. Learn it anew "
            "from native spin-ups of this case, or take a method that learns nothing"
        )


def _other_parameters(learned: Mapping[str, Any], case: Mapping[str, Any]) -> list[str]:
    if sorted(learned) != sorted(case):  # JSON sorts names
        return [
            f"parameters that vary: learned {_said(list(learned))}, the case {_said(list(case))}"
        ]
    found = []
    for name, (low, high) in learned.items():
        least, most = case[name]
        margin = BEYOND * (high - low) + 1e-12 * abs(high)
        if not (low - margin <= least and most <= high + margin):
            found.append(f"{name}: learned {low:g} to {high:g}, the case has {least:g} to {most:g}")
    return found


def _outside(learned: list[float] | None, case: list[float] | None) -> list[str]:
    if learned is None or case is None:
        return []
    away = max(
        learned[0] - case[0], case[1] - learned[1], learned[2] - case[2], case[3] - learned[3]
    )
    if away <= OUTSIDE_DEGREES:
        return []
    return [f"region: learned {_box(learned)}, the case has {_box(case)}"]


def _box(region: list[float]) -> str:
    south, north, west, east = region
    return f"{south:.1f} to {north:.1f} N and {west:.1f} to {east:.1f} E"


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        text = ", ".join(str(one) for one in value) or "none"
        return text if len(text) <= 120 else f"{text[:117]}..."
    return "nothing" if value is None else str(value)
