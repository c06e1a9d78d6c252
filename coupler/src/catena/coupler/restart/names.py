"""The pools of a restart file: ELM's names, where each one lives, its units and its sign.

Column pools are per volume of soil and end in ``_vr`` (vertically resolved); plant pools are per
area of their PFT. Carbon, nitrogen and phosphorus variants differ in one letter:
``soil4c_vr``/``soil4n_vr``/``soil4p_vr``, ``leafc_storage``/``leafn_storage``/``leafp_storage``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ELEMENTS = ("c", "n", "p")

LITTER = ("litr1", "litr2", "litr3")
SOIL = ("soil1", "soil2", "soil3", "soil4")
DECOMPOSING = (*LITTER, "cwd", *SOIL)
"""The converging trophic cascade (Thornton & Rosenbloom 2005): 3 litter pools, coarse woody debris
(CWD), 4 pools of soil organic matter."""

ORGANS = ("leaf", "froot", "livestem", "deadstem", "livecroot", "deadcroot")
WOODY_ORGANS = ("livestem", "deadstem", "livecroot", "deadcroot")
DEAD_WOOD = ("deadstem", "deadcroot")
PARTS = ("", "_storage", "_xfer")

MINERAL_N = ("sminn_vr", "smin_no3_vr", "smin_nh4_vr")
MINERAL_P = ("solutionp_vr", "labilep_vr", "secondp_vr", "occlp_vr", "primp_vr")

Place = Literal["level", "pft", "cell"]


@dataclass(frozen=True)
class Pool:
    """One variable that a spin-up determines.

    Parameters
    ----------
    name : str
        ELM's name.
    place : {"level", "pft", "cell"}
        Per soil level of a column, per PFT, or per column.
    units : str
        Of the values.
    element : str
        ``c``, ``n``, ``p``, or empty.
    signed : bool
        Whether negative values are legitimate.
    """

    name: str
    place: Place
    units: str
    element: str = ""
    signed: bool = False

    @property
    def is_memory(self) -> bool:
        """Whether it is a memory of fluxes and no stock."""
        return not self.element


def level_name(pool: str, element: str) -> str:
    """Name of a decomposing pool, e.g. ``soil4`` and ``c``: ``soil4c_vr``."""
    return f"{pool}{element}_vr"


def plant_name(organ: str, element: str, part: str = "") -> str:
    """Name of a plant pool, e.g. ``leaf``, ``n`` and ``_storage``: ``leafn_storage``."""
    return f"{organ}{element}{part}"


def _pools() -> dict[str, Pool]:
    found: list[Pool] = []
    for element in ELEMENTS:
        volume, area = f"g{element.upper()} m-3", f"g{element.upper()} m-2"
        found += [Pool(level_name(p, element), "level", volume, element) for p in DECOMPOSING]
        mineral = {"n": MINERAL_N, "p": MINERAL_P}.get(element, ())
        found += [Pool(name, "level", volume, element) for name in mineral]
        found += [
            Pool(plant_name(organ, element, part), "pft", area, element)
            for organ in ORGANS
            for part in PARTS
        ]
        found.append(Pool(f"{element}pool", "pft", area, element))
    # What a plant has respired beyond its means is owed to it: below zero by nature.
    found.append(Pool("xsmrpool", "pft", "gC m-2", "c", signed=True))
    found.append(Pool("retransn", "pft", "gN m-2", "n"))
    found.append(Pool("retransp", "pft", "gP m-2", "p"))
    found += [
        Pool("annsum_npp", "pft", "gC m-2 yr-1", signed=True),
        # ELM sums up the rates of a year's time steps, without their length.
        Pool("annsum_potential_gpp", "pft", "gC m-2 s-1"),
        Pool("annavg_agnpp", "pft", "gC m-2 s-1", signed=True),
        Pool("annavg_bgnpp", "pft", "gC m-2 s-1", signed=True),
        Pool("annmax_retransn", "pft", "gN m-2"),
        Pool("annmax_retransp", "pft", "gP m-2"),
        Pool("cannsum_npp", "cell", "gC m-2 yr-1", signed=True),
        Pool("col_lag_npp", "cell", "gC m-2 s-1", signed=True),
        Pool("annavg_somhr", "cell", "gC m-2 s-1"),
    ]
    return {pool.name: pool for pool in found}


POOLS = _pools()
"""Every pool by name: carbon, then nitrogen, then phosphorus, then the annual memory."""

PHOSPHORUS = frozenset(name for name, pool in POOLS.items() if pool.element == "p") | {
    "annmax_retransp"
}
"""What a file of a model without phosphorus does not have."""

INDEX = (
    "grid1d_lat",
    "grid1d_lon",
    "cols1d_lat",
    "cols1d_lon",
    "cols1d_gridcell_index",
    "cols1d_ityplun",
    "cols1d_active",
    "cols1d_wtxy",
    "pfts1d_gridcell_index",
    "pfts1d_column_index",
    "pfts1d_itypveg",
    "pfts1d_ityplun",
    "pfts1d_active",
    "pfts1d_wtcol",
)
"""Index vectors without which nothing can be placed."""

HEADER = (
    "timemgr_rst_type",
    "timemgr_rst_curr_ymd",
    "timemgr_rst_curr_tod",
    "spinup_state",
    "decomp_cascade_state",
)
"""Scalars of every restart file."""

STRUCTURE_PREFIXES = ("grid1d_", "topo1d_", "land1d_", "cols1d_", "pfts1d_")
"""Of the variables that describe the subgrid structure."""
