"""Everything that a restart file has to keep, as a list of findings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.acceleration import SCALAR_FROM_YEAR, exit_multipliers, in_words
from catena.coupler.restart.limits import impossible, place
from catena.coupler.restart.names import (
    ORGANS,
    PARTS,
    POOLS,
    SOIL,
    WOODY_ORGANS,
    level_name,
    plant_name,
)
from catena.coupler.restart.restart import Restart
from catena.coupler.restart.stoichiometry import NATURAL, Stoichiometry
from catena.coupler.restart.updating import totals_of
from catena.shared.checks import Finding
from catena.shared.checks.findings import Action
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

_RATIO_TOLERANCE = {"n": 1e-3, "p": 0.1}
"""Of column C:N and C:P. Where phosphorus is supplied, C:P drifts in the thin soil at depth."""

_GREAT_SOIL = 3e5
"""gC m-2 of soil carbon; the deepest peat has less."""


def check(restart: Restart, *, stoichiometry: Stoichiometry = NATURAL) -> list[Finding]:
    """Look for everything that a run from this restart would stumble over.

    Parameters
    ----------
    restart : Restart
        From a file, or made.
    stoichiometry : Stoichiometry
        Of the run.

    Returns
    -------
    list of Finding
        ``refused``: must not be run from. ``noted``: legitimate and worth knowing. Empty when all
        is well.
    """
    restart.load(name for name in restart.source.variables if restart.source.is_number(name))
    found: list[Finding] = []
    for part in (_flag, _values, _other_values, _below, _mineral_nitrogen, _totals):
        found += part(restart)
    try:
        stoichiometry.require(restart.subgrid)
    except InvalidData as error:
        found.append(_finding("ratios", "noted", str(error), "the run's own ratios"))
        return [each.at(dataset="", file=restart.name) for each in found]
    found += _ratios(restart, stoichiometry)
    found += _absent_pools(restart, stoichiometry)
    return [each.at(dataset="", file=restart.name) for each in found]


def _flag(restart: Restart) -> Iterator[Finding]:
    if restart.spinup_state == 0:
        return
    yield _finding(
        "spinup_state",
        "noted",
        "1: pools in units of accelerated decomposition",
        "0 in a file with pools as they are",
        "a run with spinup_state 0 multiplies them on reading",
        "spinup_state",
    )
    if "scalaravg_col" not in restart:
        yield _finding(
            "scalaravg", "refused", "no scalaravg_col", "scalaravg_col", "", "scalaravg_col"
        )
        return
    scalar = restart.active("scalaravg_col")
    early = restart.date.year < SCALAR_FROM_YEAR and not (scalar == 1.0).all()
    if early or not ((scalar > 1e-3) & (scalar <= 1.5)).all():
        yield _finding(
            "scalaravg",
            "noted",
            f"{scalar.min():.4g} in year {restart.date.year}",
            f"a mean that is whole, from year {SCALAR_FROM_YEAR} on",
            "leaving accelerated decomposition now would multiply "
            + in_words(exit_multipliers(restart)),
            "scalaravg_col",
        )


def _values(restart: Restart) -> Iterator[Finding]:
    for name in restart.available:
        wrong = impossible(POOLS[name], restart.active(name), restart.subgrid)
        if wrong:
            yield _finding("values", "refused", wrong, "finite stocks of 0 or more", "", name)
    soil = np.sum([restart.active(f"{pool}c_vr") @ restart.thickness for pool in SOIL], axis=0)
    if np.isfinite(soil).all() and soil.max() > _GREAT_SOIL:
        cell = int(soil.argmax())
        yield _finding(
            "values",
            "noted",
            f"{soil[cell]:.4g} gC m-2 of soil carbon in {restart.subgrid.where_cell(cell)}",
            f"less than {_GREAT_SOIL:g}",
            "accelerated decomposition may have been left too early, or twice",
            "totsomc",
        )


def _other_values(restart: Restart) -> Iterator[Finding]:
    elsewhere = []
    for name, variable in restart.source.variables.items():
        if variable.dtype.kind != "f" or name in POOLS:
            continue
        if np.isnan(restart.values(name)).any():
            yield _finding(
                "values",
                "refused",
                "NaN in columns or PFTs that take part",
                "numbers",
                "the run that wrote it was broken already",
                name,
            )
        elif np.isnan(restart[name]).any():
            elsewhere.append(name)
    if elsewhere:
        yield _finding(
            "values",
            "noted",
            f"NaN in columns without biogeochemistry ({', '.join(elsewhere)})",
            "numbers",
            "ELM leaves these unset; they are not used",
        )


def _below(restart: Restart) -> Iterator[Finding]:
    for name in restart.available:
        if POOLS[name].place == "level":
            below = restart.values(name)[:, restart.nlevdecomp :]
            if np.any(below != 0):
                yield _finding(
                    "levels",
                    "refused",
                    f"{np.abs(below).max():.4g} {POOLS[name].units} below level "
                    f"{restart.nlevdecomp}",
                    "0, as ELM leaves levels without decomposition",
                    "these stocks are in no total",
                    name,
                )


def _mineral_nitrogen(restart: Restart) -> Iterator[Finding]:
    total = restart.active("sminn_vr")
    summed = restart.active("smin_no3_vr") + restart.active("smin_nh4_vr")
    apart = np.abs(total - summed)
    if (apart > 1e-6 * np.abs(total) + 1e-12).any():
        cell, level = (int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))
        yield _finding(
            "mineral nitrogen",
            "refused",
            f"{total[cell, level]:.6g} gN m-3 in "
            f"{place(POOLS['sminn_vr'], (cell, level), restart.subgrid)}",
            f"smin_no3_vr + smin_nh4_vr, {summed[cell, level]:.6g}",
            "",
            "sminn_vr",
        )


def _totals(restart: Restart) -> Iterator[Finding]:
    for name, summed in totals_of(restart).items():
        stored = restart.active(name)
        apart = np.abs(stored - summed)
        if not (apart <= 1e-6 * np.abs(summed) + 1e-9).all():
            at = int(np.nan_to_num(apart, nan=np.inf).argmax())
            per_pft = name.startswith("totveg")
            where = restart.subgrid.where_slot if per_pft else restart.subgrid.where_cell
            yield _finding(
                "totals",
                "refused",
                f"{stored[at]:.9g} g m-2 in {where(at)}",
                f"{summed[at]:.9g}, the sum of its parts",
                "the mass balance of the first time step would not close",
                name,
            )


def _ratios(restart: Restart, ratios: Stoichiometry) -> Iterator[Finding]:
    subgrid = restart.subgrid
    for element in restart.elements[1:]:
        for pool, wanted in ratios.soil_ratio(element).items():
            carbon = restart.active(level_name(pool, "c")) @ restart.thickness
            other = restart.active(level_name(pool, element)) @ restart.thickness
            yield from _ratio(
                restart, level_name(pool, element), carbon, other, np.full_like(carbon, wanted)
            )
        for organ in ORGANS:
            expected = ratios.plant_ratio(organ, element, subgrid.pft_type)
            for part in PARTS:
                carbon = restart.active(plant_name(organ, "c", part))
                name = plant_name(organ, element, part)
                yield from _ratio(restart, name, carbon, restart.active(name), expected)


def _ratio(
    restart: Restart, name: str, carbon: Floats, other: Floats, wanted: Floats
) -> Iterator[Finding]:
    element = POOLS[name].element
    expected = np.divide(carbon, wanted, out=np.zeros_like(carbon), where=wanted > 0)
    apart = np.abs(other - expected)
    wrong = (apart > _RATIO_TOLERANCE[element] * expected + 1e-9) & (carbon > 1e-6)
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    found = carbon[at] / other[at] if other[at] else np.inf
    where = (
        restart.subgrid.where_slot(at)
        if POOLS[name].place == "pft"
        else restart.subgrid.where_cell(at)
    )
    tenfold = element == "p" and found < 0.2 * wanted[at]
    yield _finding(
        "ratios",
        "refused",
        f"C:{element.upper()} {found:.5g} in {where}",
        f"{wanted[at]:g}",
        "C:P is C:N times N:P, and not N:P" if tenfold else "",
        name,
    )


def _absent_pools(restart: Restart, traits: Stoichiometry) -> Iterator[Finding]:
    kind = restart.subgrid.pft_type
    for element in restart.elements:
        for organ in ORGANS:
            for part in PARTS:
                name = plant_name(organ, element, part)
                values = restart.active(name)
                for none, why in (
                    (kind == 0, "bare ground has no plants"),
                    (
                        ~traits.woody[kind] & (organ in WOODY_ORGANS) & (kind > 0),
                        "a PFT without wood has no woody pools",
                    ),
                    (
                        traits.evergreen[kind] & (part != ""),
                        "an evergreen PFT stores nothing for the next onset",
                    ),
                ):
                    if (values[none] != 0).any():
                        at = int(np.flatnonzero(none & (values != 0))[0])
                        yield _finding(
                            "absent pools",
                            "refused",
                            f"{values[at]:.4g} {POOLS[name].units} in "
                            f"{restart.subgrid.where_slot(at)}",
                            "0",
                            why,
                            name,
                        )


def _finding(
    check: str, action: Action, found: str, wanted: str, why: str = "", variable: str = ""
) -> Finding:
    return Finding(check, action, found, wanted, why, variable=variable)
