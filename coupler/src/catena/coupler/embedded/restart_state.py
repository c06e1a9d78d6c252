"""The state as a restart file with ELM's names, and back.

ELM resolves the soil; this model has one pool of each kind, which is spread over the levels by one
profile. ELM's names are the truth of a file. What the model itself needs to go on bit by bit stands
beside them (``catena_*``) and counts only while it agrees with them, so that a file whose pools
were replaced, or one that ELM wrote, is taken by ELM's names.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.constants import SECONDS
from catena.coupler.embedded.grid import N_LAYERS, NODE, THICKNESS
from catena.coupler.embedded.parameters import ParameterSet, pft_parameter_names
from catena.coupler.embedded.state import (
    N_COLUMN,
    N_PLANT,
    N_TISSUES,
    P_ANNSUM_NPP,
    P_CANOPY_WATER,
    P_CPOOL,
    P_DAYS_ACTIVE,
    P_DORMANT,
    P_FDD,
    P_NPOOL,
    P_OFFSET_COUNTER,
    P_OFFSET_SWI,
    P_ONSET_COUNTER,
    P_ONSET_GDD,
    P_ONSET_GDDFLAG,
    P_ONSET_SWI,
    P_TEMPSUM_NPP,
    POOLS,
    S_C,
    S_N,
    S_SMINN,
    S_SNOW,
    S_TSOIL,
    TISSUES,
    column_names,
    plant_names,
)
from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart import Restart, read_restart, write_template
from catena.shared.errors import FailedPrecondition, InvalidData

Floats = NDArray[np.float64]

PROFILE = np.exp(-NODE / 0.33) * THICKNESS
"""How the pools are spread over the levels, (10,): as ELM's decomposition declines with depth."""
PROFILE /= PROFILE.sum()
SNOW_LEVELS = 5
"""Snow levels before those of the ground in ELM's ``levtot``."""
AGREE = 1e-9
"""Relative difference up to which ``catena_*`` is the same number as ELM's."""
SAME_SHARE = 1e-3
"""Difference of a PFT's share between surface data sets up to which it is the same: rounding."""

_MEMORY = {
    "dormant_flag": (P_DORMANT, 1.0),
    "onset_counter": (P_ONSET_COUNTER, SECONDS),
    "offset_counter": (P_OFFSET_COUNTER, SECONDS),
    "onset_gddflag": (P_ONSET_GDDFLAG, 1.0),
    "onset_gdd": (P_ONSET_GDD, 1.0),
    "onset_swi": (P_ONSET_SWI, 1.0),
    "offset_swi": (P_OFFSET_SWI, 1.0),
    "offset_fdd": (P_FDD, 1.0),
    "days_active": (P_DAYS_ACTIVE, 1.0),
    "tempsum_npp": (P_TEMPSUM_NPP, 1.0),
    "H2OCAN": (P_CANOPY_WATER, 1.0),
}
"""Memory by ELM's name: where it is, and ELM's units over ours."""


def to_restart(
    state: Floats,
    columns: Columns,
    parameters: ParameterSet,
    date: cftime.datetime,
    spinup_state: int,
    folder: Path | None = None,
    empty: Restart | None = None,
) -> Restart:
    """The state of one member as a restart.

    Parameters
    ----------
    state : float64 (cell, N_COLUMN + slot * N_PLANT)
    columns : Columns
    parameters : ParameterSet
        Of this member (the first one counts): C:N ratios.
    date : cftime.datetime
    spinup_state : int
    folder : Path, optional
        For a temporary file.
    empty : Restart, optional
        Of :func:`empty_restart` for these columns, where one run writes many restarts.

    Raises
    ------
    FailedPrecondition
        When a PFT has two slots in a cell: ELM has one.
    InvalidData
        When the state holds NaN.
    """
    if not np.isfinite(state).all():
        cell, number = np.argwhere(~np.isfinite(state))[0]
        raise InvalidData(
            f"the state is not finite (number {number} of cell {cell}): the run has failed; no "
            "restart is written of it"
        )
    template = empty or empty_restart(columns, date.calendar, spinup_state, folder=folder)
    column, plants = state[:, :N_COLUMN], state[:, N_COLUMN:].reshape(columns.cells, -1, N_PLANT)
    cell, slot = _slots(template, columns)
    mine = plants[cell, slot]
    pools = _column_pools(column)
    pools.update(_plant_pools(mine, template, parameters))
    made = template.with_pools(
        xr.Dataset(pools, attrs={"spinup_state": spinup_state}),
        stoichiometry=None,
        spinup_state=spinup_state,
    )
    water = np.array(template.values("H2OSOI_LIQ"), dtype=np.float64)
    water[:, SNOW_LEVELS : SNOW_LEVELS + N_LAYERS] = column[:, :N_LAYERS]
    warmth = np.repeat(column[:, [S_TSOIL]], water.shape[1], axis=1)
    values = {
        "H2OSOI_LIQ": water,
        "T_SOISNO": warmth,
        "H2OSNO": column[:, S_SNOW],
        **{name: mine[:, at] * units for name, (at, units) in _MEMORY.items()},
        **{f"catena_{name}": column[:, n] for n, name in enumerate(column_names())},
        **{f"catena_{name}": mine[:, n] for n, name in enumerate(plant_names())},
    }
    return made.with_values(values).with_date(date)


def empty_restart(
    columns: Columns,
    calendar: str = "noleap",
    spinup_state: int = 0,
    *,
    ymd: int = 10101,
    urban: bool = False,
    folder: Path | None = None,
) -> Restart:
    """A restart of these columns without any carbon, in memory.

    Parameters
    ----------
    columns : Columns
    calendar : {"noleap", "standard"}
    spinup_state : {0, 1}
    ymd : int
        First day of the run, YYYYMMDD.
    urban : bool
        With the inactive urban land units, as in ELM's own files.
    folder : Path, optional
        For a temporary file.

    Raises
    ------
    FailedPrecondition
        When a PFT has two slots in a cell: ELM has one.
    """
    shares = np.zeros((columns.cells, len(PFT_NAMES)))
    for cell in range(columns.cells):
        used = columns.pfts[cell][columns.weights[cell] > 0.0]
        if len(set(used.tolist())) < used.size:
            raise FailedPrecondition(f"cell {cell} has a PFT twice; ELM's restart has it once")
        # Slots without a plant are bare ground without a share, beside bare ground that has one.
        np.add.at(shares[cell], columns.pfts[cell], columns.weights[cell])
    extra = {f"catena_{name}": ("column",) for name in column_names()}
    extra.update({f"catena_{name}": ("pft",) for name in plant_names()})
    with tempfile.TemporaryDirectory(dir=folder, prefix=".catena-restart-") as temporary:
        path = Path(temporary) / "template.nc"
        write_template(
            path,
            lat=columns.lat,
            lon=columns.lon,
            pft_weights=shares,
            ymd=ymd,
            calendar=calendar,
            spinup_state=spinup_state,
            phosphorus=False,
            urban=urban,
            extra=extra,
        )
        made = read_restart(path, in_memory=True)
    made.load(made.source.variables)  # at once: each opening of the file takes milliseconds
    return made


def is_own(restart: Restart) -> bool:
    """Whether this model wrote the file."""
    return "catena_sminn" in restart


def from_restart(restart: Restart, columns: Columns) -> Floats:
    """The state of one member, float64 (cell, N_COLUMN + slot * N_PLANT).

    Parameters
    ----------
    restart : Restart
        Written by this model or by ELM.
    columns : Columns
        The cells of the run; the file must have the same ones in the same order.

    Raises
    ------
    InvalidData
        When the file is of another grid or other plants, or holds NaN.
    """
    _require_same_grid(restart, columns)
    restart.load(restart.source.variables)  # at once, as in empty_restart
    cell, slot = _slots(restart, columns)
    column = np.zeros((columns.cells, N_COLUMN))
    plants = np.zeros((columns.cells, columns.slots, N_PLANT))
    thickness = restart.thickness

    def total(name: str) -> Floats:
        return np.asarray((restart.active(name) * thickness).sum(axis=1), dtype=np.float64)

    liquid, ice = _ground(restart, "H2OSOI_LIQ"), _ground(restart, "H2OSOI_ICE")
    column[:, :N_LAYERS] = liquid + ice
    column[:, S_SNOW] = restart.values("H2OSNO")
    column[:, S_TSOIL] = (_ground(restart, "T_SOISNO") * PROFILE).sum(axis=1)
    for n, pool in enumerate(POOLS):
        column[:, S_C + n] = total(f"{pool}c_vr")
        column[:, S_N + n] = total(f"{pool}n_vr")
    column[:, S_SMINN] = total("sminn_vr")
    mine = np.zeros((cell.size, N_PLANT))
    for part, suffix in enumerate(("", "_storage", "_xfer")):
        for n, tissue in enumerate(TISSUES):
            mine[:, part * N_TISSUES + n] = restart.values(f"{tissue}c{suffix}")
    mine[:, P_CPOOL] = restart.values("cpool") + restart.values("xsmrpool")
    mine[:, P_NPOOL] = restart.values("npool") + restart.values("retransn")
    mine[:, P_ANNSUM_NPP] = restart.values("annsum_npp")
    for name, (at, units) in _MEMORY.items():
        if name in restart:
            mine[:, at] = restart.values(name) / units
    _last_bits(restart, column_names(), column)
    _last_bits(restart, plant_names(), mine)
    plants[cell, slot] = mine
    state = np.concatenate([column, plants.reshape(columns.cells, -1)], axis=1)
    if not (np.isfinite(state).all() and np.abs(state).max() < 1e30):
        at = np.argwhere(~(np.abs(state) < 1e30))[0]
        raise InvalidData(
            f"{restart.name}: number {at[1]} of cell {at[0]} is NaN or fill; the run that wrote "
            "the file had failed: take an earlier restart"
        )
    return state


def _column_pools(column: Floats) -> dict[str, tuple[tuple[str, ...], Floats]]:
    spread = PROFILE / THICKNESS
    dims = ("cell", "level")
    whole = np.maximum(column, 0.0)  # rounding may leave -1e-20 of an empty pool
    made: dict[str, tuple[tuple[str, ...], Floats]] = {}
    for n, pool in enumerate(POOLS):
        made[f"{pool}c_vr"] = (dims, whole[:, [S_C + n]] * spread)
        made[f"{pool}n_vr"] = (dims, whole[:, [S_N + n]] * spread)
    made["sminn_vr"] = (dims, whole[:, [S_SMINN]] * spread)
    return made


def _plant_pools(
    mine: Floats, template: Restart, parameters: ParameterSet
) -> dict[str, tuple[tuple[str, ...], Floats]]:
    names = pft_parameter_names()
    kinds = parameters.pfts[0][template.subgrid.pft_type]
    ratios = {
        tissue: kinds[:, names.index(name)]
        for tissue, name in zip(
            TISSUES,
            ("leafcn", "frootcn", "livewdcn", "deadwdcn", "livewdcn", "deadwdcn"),
            strict=True,
        )
    }
    made: dict[str, tuple[tuple[str, ...], Floats]] = {}
    for part, suffix in enumerate(("", "_storage", "_xfer")):
        for n, tissue in enumerate(TISSUES):
            carbon = np.maximum(mine[:, part * N_TISSUES + n], 0.0)
            ratio = ratios[tissue]
            nitrogen = np.divide(carbon, ratio, out=np.zeros_like(carbon), where=ratio > 0.0)
            made[f"{tissue}c{suffix}"] = (("pft",), carbon)
            made[f"{tissue}n{suffix}"] = (("pft",), nitrogen)
    made["cpool"] = (("pft",), np.maximum(mine[:, P_CPOOL], 0.0))
    made["xsmrpool"] = (("pft",), np.minimum(mine[:, P_CPOOL], 0.0))
    made["npool"] = (("pft",), np.maximum(mine[:, P_NPOOL], 0.0))
    made["annsum_npp"] = (("pft",), mine[:, P_ANNSUM_NPP])
    return made


def _slots(restart: Restart, columns: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cell and slot of the run for each PFT slot of the file."""
    cells = np.asarray(restart.subgrid.cell, dtype=np.int64)
    slots = np.zeros(cells.size, dtype=np.int64)
    for n, (cell, kind) in enumerate(zip(cells, restart.subgrid.pft_type, strict=True)):
        found = np.flatnonzero((columns.pfts[cell] == kind) & (columns.weights[cell] > 0.0))
        if found.size != 1:
            raise InvalidData(
                f"{restart.name}: cell {cell} has the PFT {PFT_NAMES[int(kind)]}, which the run "
                "has not there; take the restart of a run on the same surface data"
            )
        slots[n] = found[0]
    wanted = int((columns.weights > 0.0).sum())
    if cells.size != wanted:
        raise InvalidData(
            f"{restart.name} has {cells.size} PFTs with weight, the run has {wanted}; take the "
            "restart of a run on the same surface data"
        )
    file, run = restart.subgrid.pft_weight, columns.weights[cells, slots]
    apart = np.abs(file - run)
    if cells.size and apart.max() > SAME_SHARE:
        n = int(apart.argmax())
        raise InvalidData(
            f"{restart.name}: {PFT_NAMES[int(restart.subgrid.pft_type[n])]} covers {file[n]:g} of "
            f"cell {cells[n]}, {run[n]:g} in the run; carbon per area of a plant would be another "
            "amount: take the restart of a run on the same surface data"
        )
    return cells, slots


def _require_same_grid(restart: Restart, columns: Columns) -> None:
    subgrid = restart.subgrid
    if subgrid.lat.size != columns.cells:
        raise InvalidData(
            f"{restart.name} has {subgrid.lat.size} columns with biogeochemistry, the run has "
            f"{columns.cells}: it is of another grid"
        )
    if restart.nlevdecomp != N_LAYERS:
        raise InvalidData(
            f"{restart.name} has {restart.nlevdecomp} active levels; {N_LAYERS} were wanted"
        )
    lon = (columns.lon + 180.0) % 360.0 - 180.0
    apart = (np.abs(subgrid.lat - columns.lat) > 0.01) | (np.abs(subgrid.lon - lon) > 0.01)
    if apart.any():
        cell = int(np.argmax(apart))
        raise InvalidData(
            f"{restart.name} is of another grid: cell {cell} lies at {subgrid.lat[cell]:.3f}, "
            f"{subgrid.lon[cell]:.3f} in the file and at {columns.lat[cell]:.3f}, {lon[cell]:.3f} "
            "in the run"
        )


def _last_bits(restart: Restart, names: tuple[str, ...], values: Floats) -> None:
    """Replace numbers by the model's own where these agree with ELM's names."""
    for n, name in enumerate(names):
        if f"catena_{name}" in restart:
            own = np.asarray(restart.values(f"catena_{name}"), dtype=np.float64)
            same = np.abs(own - values[:, n]) <= AGREE * np.maximum(np.abs(own), 1.0)
            values[:, n] = np.where(same, own, values[:, n])


def _ground(restart: Restart, name: str) -> Floats:
    """Values of the model's layers, float64 (cell, layer): behind the snow levels."""
    values = np.asarray(restart.values(name), dtype=np.float64)
    return values[:, SNOW_LEVELS : SNOW_LEVELS + N_LAYERS]
