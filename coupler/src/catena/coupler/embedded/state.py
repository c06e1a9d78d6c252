"""The state of a column and of the plants on it, as one row of numbers.

Row: the column's :data:`N_COLUMN` numbers, then :data:`N_PLANT` for each PFT that shares the
column. Pools of the column are per area of the column, pools of a PFT per area of that PFT, as in
ELM.

The nitrogen of plant tissue follows from its carbon by the PFT's C:N ratios, which ELM holds fixed;
so do N of soil1 to soil4 (Oleson et al. 2013, table 15.2), but these are kept, for the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.grid import N_LAYERS, THICKNESS
from catena.coupler.embedded.hydraulics import cosby
from catena.shared.errors import FailedPrecondition, InvalidData

POOLS = ("litr1", "litr2", "litr3", "cwd", "soil1", "soil2", "soil3", "soil4")
"""Decomposing pools in ELM's names (CTC cascade)."""
LITR1, LITR2, LITR3, CWD, SOIL1, SOIL2, SOIL3, SOIL4 = range(8)
N_POOLS = len(POOLS)
TISSUES = ("leaf", "froot", "livestem", "deadstem", "livecroot", "deadcroot")
"""Tissues in ELM's names; each has a displayed, a storage and a transfer pool."""
LEAF, FROOT, LIVESTEM, DEADSTEM, LIVECROOT, DEADCROOT = range(6)
N_TISSUES = len(TISSUES)
STORAGE, XFER = N_TISSUES, 2 * N_TISSUES
"""Where the storage and transfer pools begin."""

S_SNOW = N_LAYERS
"""Snow, kg m-2; the water of the layers (kg m-2) comes before it."""
S_TSOIL = S_SNOW + 1
"""Temperature of the upper soil, K."""
S_C = S_TSOIL + 1
"""Carbon of the pools, gC m-2."""
S_N = S_C + N_POOLS
"""Nitrogen of the pools, gN m-2."""
S_SMINN = S_N + N_POOLS
"""Mineral nitrogen, gN m-2."""
N_COLUMN = S_SMINN + 1

(
    P_CPOOL,
    P_NPOOL,
    P_CANOPY_WATER,
    P_TEMPSUM_NPP,
    P_ANNSUM_NPP,
    P_DORMANT,
    P_ONSET_COUNTER,
    P_OFFSET_COUNTER,
    P_ONSET_GDDFLAG,
    P_ONSET_GDD,
    P_ONSET_SWI,
    P_OFFSET_SWI,
    P_FDD,
    P_DAYS_ACTIVE,
) = range(3 * N_TISSUES, 3 * N_TISSUES + 14)
N_PLANT = 3 * N_TISSUES + 14

AD_FACTORS = {"soil3": 1.956, "soil4": 27.4, "cwd": 1.37}
"""Acceleration of decomposition during ``ad_spinup`` (specs: measured in real restarts of ELM)."""
AD_MORTALITY = 10.0
"""Acceleration of the mortality of dead stem and dead coarse root."""


def column_names() -> tuple[str, ...]:
    """Names of the column's part of a row."""
    water = tuple(f"h2osoi_{layer}" for layer in range(N_LAYERS))
    carbon, nitrogen = (tuple(f"{pool}{e}" for pool in POOLS) for e in "cn")
    return (*water, "h2osno", "t_soisno", *carbon, *nitrogen, "sminn")


def plant_names() -> tuple[str, ...]:
    """Names of the part of one PFT."""
    pools = tuple(f"{t}c{kind}" for kind in ("", "_storage", "_xfer") for t in TISSUES)
    memory = "cpool npool h2ocan tempsum_npp annsum_npp dormant_flag onset_counter offset_counter "
    memory += "onset_gddflag onset_gdd onset_swi offset_swi fdd days_active"
    return (*pools, *memory.split())


@dataclass(frozen=True)
class State:
    """States of members and cells.

    Parameters
    ----------
    values : float64 (member, cell, N_COLUMN + pft * N_PLANT)
    spinup_state : int
        1 while the slow pools are those of accelerated decomposition, else 0: ELM's flag.
    scalaravg : float
        What ELM divides the factors by on leaving the accelerated mode; 1 unless a file says else.
    """

    values: NDArray[np.float64]
    spinup_state: int = 0
    scalaravg: float = 1.0

    def __post_init__(self) -> None:
        width = self.values.shape[-1] if self.values.ndim == 3 else -1
        if width < N_COLUMN or (width - N_COLUMN) % N_PLANT:
            raise InvalidData(
                f"a state of shape {self.values.shape} came; (member, cell, {N_COLUMN} + n x "
                f"{N_PLANT}) was wanted"
            )
        if self.spinup_state not in (0, 1):
            raise InvalidData(f"spinup_state is 0 or 1, not {self.spinup_state}")

    @property
    def column(self) -> NDArray[np.float64]:
        """The column's part, a view (member, cell, N_COLUMN)."""
        return self.values[..., :N_COLUMN]

    @property
    def plants(self) -> NDArray[np.float64]:
        """The PFTs' parts, a view (member, cell, pft, N_PLANT)."""
        shape = (*self.values.shape[:2], -1, N_PLANT)
        return self.values[..., N_COLUMN:].reshape(shape)

    def copy(self) -> State:
        """An independent copy."""
        return replace(self, values=self.values.copy())

    def of_members(self, members: int) -> State:
        """The state of one member, repeated."""
        if self.values.shape[0] != 1:
            raise FailedPrecondition(
                f"only a state of one member can be repeated; this one has {self.values.shape[0]}"
            )
        return replace(self, values=np.repeat(self.values, members, axis=0))


def cold_start(
    sand: NDArray[np.float64],
    clay: NDArray[np.float64],
    members: int,
    pfts: int,
    temperature: float = 283.0,
) -> State:
    """Bare moist ground with a little stored carbon, as ELM's cold start.

    Parameters
    ----------
    sand, clay : float64 (cell, layer)
        Percent.
    members, pfts : int
    temperature : float
        K.
    """
    porosity, b, potential, _ = cosby(sand, clay)
    field_capacity = (-3.3 / potential) ** (-1.0 / b)
    values = np.zeros((members, sand.shape[0], N_COLUMN + pfts * N_PLANT))
    state = State(values)
    state.column[..., :N_LAYERS] = 1000.0 * porosity * THICKNESS * np.minimum(field_capacity, 1.0)
    state.column[..., S_TSOIL] = temperature
    state.column[..., S_SMINN] = 1.0
    plants = state.plants
    plants[..., P_DORMANT] = 1.0
    plants[..., STORAGE + LEAF] = 2.0
    plants[..., STORAGE + FROOT] = 2.0
    return state


def leave_ad(state: State) -> State:
    """The state at the exit of accelerated decomposition: pools times the factors, flag 0.

    The decomposed fraction of a day is accelerated, not the rate, so that every flux of carbon and
    nitrogen of the next day stays what it was.

    Raises
    ------
    FailedPrecondition
        When the state is not one of accelerated decomposition.
    """
    if state.spinup_state != 1:
        raise FailedPrecondition(
            "the state is not one of accelerated decomposition (spinup_state 0 came, 1 was "
            "wanted): multiplying its slow pools again would make soil carbon out of nothing"
        )
    made = replace(state.copy(), spinup_state=0)
    for name, factor in AD_FACTORS.items():
        pool = POOLS.index(name)
        made.column[..., [S_C + pool, S_N + pool]] *= factor / state.scalaravg
    made.plants[..., [DEADSTEM, DEADCROOT]] *= AD_MORTALITY
    return made
