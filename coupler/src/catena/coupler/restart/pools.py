"""New pools into a restart file: what must be derived, what must be zero, what is refused.

Rules of ELM that a file has to keep (measured on real runs): soil organic matter and plant tissue
have fixed ratios, litter and coarse woody debris (CWD) float; evergreen PFTs store nothing for the
next onset; PFTs without wood have no woody pools; totals follow their parts; a file with pools as
they are carries ``spinup_state`` 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.restart.limits import impossible, place
from catena.coupler.restart.names import (
    DEAD_WOOD,
    LITTER,
    MINERAL_P,
    ORGANS,
    PARTS,
    POOLS,
    WOODY_ORGANS,
    level_name,
    plant_name,
)
from catena.coupler.restart.stoichiometry import Stoichiometry
from catena.coupler.restart.updating import load_parts, updated
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    from catena.coupler.restart.restart import Restart

Floats = NDArray[np.float64]

ACCELERATED = (
    *(level_name(pool, "c") for pool in ("cwd", "soil3", "soil4")),
    *(plant_name(organ, "c") for organ in DEAD_WOOD),
)
"""Carbon pools whose values mean something else while decomposition is accelerated."""

_DIMENSIONS = {"level": ("cell", "level"), "pft": ("pft",), "cell": ("cell",)}


def with_pools(
    restart: Restart,
    pools: xr.Dataset,
    *,
    stoichiometry: Stoichiometry | None,
    spinup_state: int = 0,
) -> Restart:
    """Replace pools, derive what follows from them, and set the flag.

    Parameters
    ----------
    restart : Restart
        The template: what is not replaced stays.
    pools : xarray.Dataset
        Some or all variables of :meth:`Restart.pools`, with its dimensions. Coordinates, units and
        the attributes ``spinup_state`` and ``decomp_cascade_state`` are compared where they are
        given.
    stoichiometry : Stoichiometry or None
        N and P of soil1 to soil4 and of plant tissue are derived from C, evergreen storage and the
        wood of PFTs without wood are set to 0. None: all pools are taken as they are given, for
        the state of a model that keeps the rules itself.
    spinup_state : {0, 1}
        0: the pools are as they are. 1: they are in units of accelerated decomposition.

    Returns
    -------
    Restart
        ``remarks`` say what was set to 0 or derived against what was given.

    Raises
    ------
    InvalidData
        When names, dimensions, coordinates or units do not fit; values are NaN, infinite or
        negative; pools that the change of the flag asks for are missing.
    """
    load_parts(restart)
    given = _given(restart, pools)
    _require_flag(restart, given, pools, spinup_state)
    remarks: list[str] = []
    _refuse_impossible(restart, given)
    if stoichiometry is not None:
        stoichiometry.require(restart.subgrid)
        _zero_what_is_not_there(restart, given, stoichiometry, remarks)
        derived = stoichiometry.derived(given, restart.subgrid, restart.elements)
        _remark_contradictions(given, derived, remarks)
        given.update(derived)
    _float_with_carbon(restart, given)
    _share_mineral_nitrogen(restart, given)
    _refuse_impossible(restart, given)
    return updated(restart, given, spinup_state, remarks)


def _given(restart: Restart, pools: xr.Dataset) -> dict[str, Floats]:
    unknown = [str(name) for name in pools.data_vars if name not in restart.available]
    if unknown:
        raise InvalidData(
            f"{', '.join(unknown)}: {restart.name} has no such pools; wanted are names of "
            "Restart.pools()"
        )
    cascade = pools.attrs.get("decomp_cascade_state", restart.decomp_cascade_state)
    if int(cascade) != restart.decomp_cascade_state:
        raise InvalidData(
            f"the pools are of decomp_cascade_state {int(cascade)} and {restart.name} is of "
            f"{restart.decomp_cascade_state}; pools of another cascade do not fit"
        )
    subgrid = restart.subgrid
    for name, ours in (
        ("lat", subgrid.lat),
        ("lon", subgrid.lon),
        ("cell_of_pft", subgrid.cell),
        ("pft_type", subgrid.pft_type),
    ):
        if name in pools.coords:
            _require_equal(name, np.asarray(pools.coords[name].values, float), ours, restart.name)
    sizes = {"cell": len(subgrid.column), "level": restart.nlevdecomp, "pft": len(subgrid.slot)}
    found = {}
    for name in map(str, pools.data_vars):
        variable, pool = pools[name], POOLS[name]
        wanted = _DIMENSIONS[pool.place]
        shape = tuple(sizes[each] for each in wanted)
        if set(variable.dims) != set(wanted) or variable.transpose(*wanted).shape != shape:
            raise InvalidData(
                f"{name} has dimensions {dict(variable.sizes)}, wanted "
                f"{dict(zip(wanted, shape, strict=True))} as {restart.name} has them"
            )
        units = variable.attrs.get("units", pool.units)
        if units != pool.units:
            raise InvalidData(f"{name} is in '{units}', wanted '{pool.units}'; convert it")
        found[name] = np.array(variable.transpose(*wanted).values, np.float64)
    return found


def _require_equal(name: str, theirs: Floats, ours: NDArray[np.generic], file: str) -> None:
    if theirs.shape != ours.shape:
        raise InvalidData(
            f"the pools have {len(theirs)} values of {name} and {file} has {len(ours)}; they are "
            "of another grid or subgrid structure"
        )
    apart = np.abs(theirs - ours.astype(float)) > 1e-6
    if apart.any():
        first = int(np.argmax(apart))
        raise InvalidData(
            f"{name} of the pools is {theirs[first]:.9g} at {first} and {ours[first]:.9g} in "
            f"{file}; they are of another grid or subgrid structure"
        )


def _require_flag(
    restart: Restart, given: Mapping[str, Floats], pools: xr.Dataset, spinup_state: int
) -> None:
    theirs = int(pools.attrs.get("spinup_state", spinup_state))
    if theirs != spinup_state:
        raise InvalidData(
            f"the pools are of spinup_state {theirs} and are to be written with {spinup_state}; "
            "leave accelerated decomposition first (exit_ad), or enter it (to_flag)"
        )
    if restart.spinup_state == spinup_state:
        return
    needed = list(ACCELERATED)
    if "p" in restart.elements and spinup_state == 0:
        # In accelerated decomposition phosphorus is supplied, and mineral pools run empty.
        needed += MINERAL_P
    missing = [name for name in needed if name not in given]
    if missing:
        raise InvalidData(
            f"{restart.name} has spinup_state {restart.spinup_state} and the new pools are of "
            f"{spinup_state}; without {', '.join(missing)} values of both kinds would be mixed: "
            "give them too, or take a template of the same spinup_state (exit_ad makes one)"
        )


def _refuse_impossible(restart: Restart, given: Mapping[str, Floats]) -> None:
    for name, values in given.items():
        wrong = impossible(POOLS[name], values, restart.subgrid)
        if wrong:
            raise InvalidData(f"pools for {restart.name}: {wrong}")


def _zero_what_is_not_there(
    restart: Restart, given: dict[str, Floats], traits: Stoichiometry, remarks: list[str]
) -> None:
    kind = restart.subgrid.pft_type
    bare = kind == 0
    for element in "cnp":
        for organ in ORGANS:
            for part in PARTS:
                name = plant_name(organ, element, part)
                none = bare.copy()
                if organ in WOODY_ORGANS:
                    none |= ~traits.woody[kind]
                if part:
                    none |= traits.evergreen[kind]
                _zero(name, none, given, remarks)
    for name in ("cpool", "npool", "ppool", "xsmrpool", "retransn", "retransp"):
        _zero(name, bare, given, remarks)


def _zero(name: str, none: NDArray[np.bool_], given: dict[str, Floats], remarks: list[str]) -> None:
    if name not in given or not given[name][none].any():
        return
    largest = np.abs(given[name][none]).max()
    given[name][none] = 0.0
    remarks.append(
        f"{name} was set to 0 in {int(none.sum())} PFT slots that have no such pool (up to "
        f"{largest:.3g} {POOLS[name].units} were given)"
    )


def _remark_contradictions(
    given: Mapping[str, Floats], derived: Mapping[str, Floats], remarks: list[str]
) -> None:
    for name, values in derived.items():
        if name not in given:
            continue
        apart = np.abs(given[name] - values)
        if (apart > 1e-3 * np.abs(values) + 1e-9).any():
            remarks.append(
                f"{name} was derived from carbon; what was given differs by up to "
                f"{apart.max():.3g} {POOLS[name].units}"
            )


def _float_with_carbon(restart: Restart, given: dict[str, Floats]) -> None:
    """Litter and CWD keep the ratios that they have, where only their carbon is given."""
    for pool in (*LITTER, "cwd"):
        carbon = level_name(pool, "c")
        for element in restart.elements[1:]:
            name = level_name(pool, element)
            if carbon not in given or name in given:
                continue
            before, now = restart.active(carbon), given[carbon]
            unknown = (before <= 0) & (now > 0)
            if unknown.any():
                at = tuple(int(index) for index in np.argwhere(unknown)[0])
                raise InvalidData(
                    f"{carbon} is new in {place(POOLS[carbon], at, restart.subgrid)}, where "
                    f"{restart.name} has none and so no ratio for {name}; give {name} too"
                )
            share = np.divide(now, before, out=np.zeros_like(now), where=before > 0)
            given[name] = restart.active(name) * share


def _share_mineral_nitrogen(restart: Restart, given: dict[str, Floats]) -> None:
    """Keep ``sminn_vr`` the sum of nitrate and ammonium."""
    total, nitrate, ammonium = "sminn_vr", "smin_no3_vr", "smin_nh4_vr"
    has = {name for name in (total, nitrate, ammonium) if name in given}
    if not has:
        return
    if has == {total}:
        before = restart.active(nitrate) + restart.active(ammonium)
        # Mineralised nitrogen arrives as ammonium, where the template knows no shares.
        part = np.divide(
            restart.active(nitrate), before, out=np.zeros_like(before), where=before > 0
        )
        given[nitrate] = given[total] * part
        given[ammonium] = given[total] - given[nitrate]
    elif has == {total, nitrate}:
        given[ammonium] = given[total] - given[nitrate]
    elif has == {total, ammonium}:
        given[nitrate] = given[total] - given[ammonium]
    else:
        summed = given.get(nitrate, restart.active(nitrate)) + given.get(
            ammonium, restart.active(ammonium)
        )
        if total in has and not np.allclose(given[total], summed, rtol=1e-6, atol=1e-12):
            cell, level = np.unravel_index(
                int(np.argmax(np.abs(given[total] - summed))), summed.shape
            )
            at = (int(cell), int(level))
            where = place(POOLS[total], at, restart.subgrid)
            raise InvalidData(
                f"sminn_vr is {given[total][at]:.6g} and smin_no3_vr + smin_nh4_vr "
                f"{summed[at]:.6g} gN m-3 in {where}; they have to be equal"
            )
        given[total] = summed
