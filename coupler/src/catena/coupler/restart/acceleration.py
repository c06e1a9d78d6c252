"""Into and out of accelerated decomposition (AD).

During AD, ELM turns slow pools over faster and keeps them as much smaller. A run that reads a
restart file of the other ``spinup_state`` multiplies (``ColumnDataType``, ``VegetationDataType``):

- soil3, soil4 and coarse woody debris (CWD), with C, N and P, by ``spinup_factor / scalaravg``;
- dead stem and dead coarse root by 10 (``spinup_mortality_factor``).

``scalaravg`` is the mean limitation of decomposition by temperature, water, oxygen and depth. It is
0 until model year 20, is summed up until year 40, and acts from then on. Leaving earlier divides by
about nothing. There are two ways out, and only one may be taken:

1. hand ELM the file with flag 1; a run with ``spinup_state`` 0 multiplies on reading, and starts
   mineral phosphorus from its surface data set;
2. :func:`exit_ad`: multiply here, flag 0; ELM takes the pools as they are.

A file with multiplied (or equilibrium) pools and flag 1 is multiplied twice: ELM ends without an
error, with ten times the dead wood and NaN in the soil.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.restart.names import (
    DEAD_WOOD,
    DECOMPOSING,
    MINERAL_P,
    level_name,
    plant_name,
)
from catena.coupler.restart.restart import Restart
from catena.coupler.restart.source import Source
from catena.coupler.restart.updating import load_parts, updated
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

SCALAR_FROM_YEAR = 40
"""Model year from which ``scalaravg`` is whole, and acts."""

_SETTLED_YEAR = 60
_RATES = {
    # Per day; -ln(1 - k) of Thornton & Rosenbloom 2005, table 3.
    "litr1": "k_l1",
    "litr2": "k_l2",
    "litr3": "k_l3",
    "soil1": "k_s1",
    "soil2": "k_s2",
    "soil3": "k_s3",
    "soil4": "k_s4",
    "cwd": "k_frag",
}


@dataclass(frozen=True)
class SpinupFactors:
    """How much faster pools turn over during AD.

    Parameters
    ----------
    decomposing : mapping
        By pool, 1 or more; pools at 1 are not accelerated.
    dead_wood : float
        Of dead stem and dead coarse root (``spinup_mortality_factor`` of the namelist).
    """

    decomposing: Mapping[str, float]
    dead_wood: float = 10.0

    @classmethod
    def of_rates(cls, rates: Mapping[str, float], dead_wood: float = 10.0) -> SpinupFactors:
        """Factors that make every pool turn over within a year, CWD within half a year.

        Parameters
        ----------
        rates : mapping
            By pool, 1/day.
        """
        factors = {
            pool: max(1.0, (0.5 if pool == "cwd" else 1.0) / (rate * 365.0))
            for pool, rate in rates.items()
        }
        return cls(factors, dead_wood)

    @classmethod
    def from_parameters(cls, path: Path, dead_wood: float = 10.0) -> SpinupFactors:
        """Factors that ELM computes from a run's own parameter file.

        Raises
        ------
        InvalidData
            When it is no netCDF or has not the rates ``k_s1`` and so on.
        """
        found = Source(path, "the parameter file of an ELM run").read(_RATES.values())
        rates = {pool: float(np.ravel(found[name])[0]) for pool, name in _RATES.items()}
        return cls.of_rates(rates, dead_wood)


FACTORS = SpinupFactors.of_rates(
    {
        "soil3": -float(np.log1p(-0.0014)),
        "soil4": -float(np.log1p(-0.0001)),
        "cwd": -float(np.log1p(-0.001)),
    }
)
"""Of ELM's default rates: soil3 1.956, soil4 27.4, CWD 1.37, dead wood 10."""


def exit_multipliers(restart: Restart, factors: SpinupFactors = FACTORS) -> dict[str, Floats]:
    """What leaving AD multiplies decomposing pools by, per cell and level.

    Returns
    -------
    dict
        By pool, (cell, level); infinite where ``scalaravg`` is 0. Pools at 1 are left out.
    """
    scalar = restart.active("scalaravg_col")
    with np.errstate(divide="ignore"):
        return {
            pool: factor / scalar
            for pool, factor in factors.decomposing.items()
            if factor > 1.0 and pool in DECOMPOSING
        }


def exit_ad(
    restart: Restart,
    *,
    factors: SpinupFactors = FACTORS,
    mineral_p: xr.Dataset | None = None,
) -> Restart:
    """Leave accelerated decomposition as ELM does, with flag 0.

    Parameters
    ----------
    restart : Restart
        With ``spinup_state`` 1, of model year 40 or later.
    factors : SpinupFactors
        Of the run's parameter file and namelist.
    mineral_p : xarray.Dataset, optional
        Mineral phosphorus to begin with (see
        :func:`~catena.coupler.restart.phosphorus.surface_phosphorus`). Without it, the pools stay
        as AD left them, nearly empty where phosphorus was supplied; ``remarks`` say so.

    Raises
    ------
    InvalidData
        When the flag is 0 already, or ``scalaravg`` is not what it has to be: before year 40, or
        0, fill or NaN. The factors that would have resulted are told.
    """
    if restart.spinup_state != 1:
        raise InvalidData(
            f"{restart.name} has spinup_state 0: it has left accelerated decomposition, and its "
            "pools would be multiplied a second time"
        )
    load_parts(restart)
    multipliers = exit_multipliers(restart, factors)
    _refuse_early(restart, multipliers)
    given = _multiplied(restart, multipliers, factors.dead_wood)
    remarks = [
        "left accelerated decomposition: dead stem and dead coarse root x "
        f"{factors.dead_wood:g}, {in_words(multipliers)}"
    ]
    if restart.date.year < _SETTLED_YEAR and not _is_one(restart):
        remarks.append(
            f"{restart.name} is of year {restart.date.year}: slow pools still remember the rates "
            f"before year {SCALAR_FROM_YEAR} and come out too large (at US-MOz 37,385 gC m-2 of "
            "soil carbon at year 41, 22,614 at year 201)"
        )
    if "p" in restart.elements:
        _start_phosphorus(restart, given, mineral_p, remarks)
    return updated(restart, given, 0, remarks)


def to_flag(
    restart: Restart, spinup_state: Literal[0, 1], *, factors: SpinupFactors = FACTORS
) -> Restart:
    """The same state in the units of the other flag: pools and flag change together.

    0 to 1 divides by what :func:`exit_ad` multiplies by, so that ELM's own exit brings the pools
    back; 1 to 0 is :func:`exit_ad` without new mineral phosphorus. A restart that has the flag
    already is returned as it is. There is no way to set the flag alone: pools would mean something
    else.

    Raises
    ------
    InvalidData
        As :func:`exit_ad`; also into AD ``scalaravg`` has to be whole.
    """
    if restart.spinup_state == spinup_state:
        return restart
    if spinup_state == 0:
        return exit_ad(restart, factors=factors)
    multipliers = exit_multipliers(restart, factors)
    _refuse_useless(restart, multipliers)
    inverse = {pool: 1.0 / values for pool, values in multipliers.items()}
    return updated(restart, _multiplied(restart, inverse, 1.0 / factors.dead_wood), 1)


def _multiplied(
    restart: Restart, multipliers: Mapping[str, Floats], dead_wood: float
) -> dict[str, Floats]:
    given = {}
    for element in restart.elements:
        for pool, values in multipliers.items():
            name = level_name(pool, element)
            given[name] = restart.active(name) * values
        for organ in DEAD_WOOD:
            name = plant_name(organ, element)
            given[name] = restart.active(name) * dead_wood
    return given


def _start_phosphorus(
    restart: Restart,
    given: dict[str, Floats],
    mineral_p: xr.Dataset | None,
    remarks: list[str],
) -> None:
    # With relative demand ELM fills the plants' store, which ran on supplied phosphorus so far.
    store, leaf, kept = (restart.active(name) for name in ("ppool", "leafp", "leafp_storage"))
    given["ppool"] = np.where(store < leaf, leaf, np.where(store < kept, kept, store))
    if mineral_p is None:
        labile = float(restart.active("labilep_vr").max())
        remarks.append(
            f"mineral phosphorus is what AD left (labile P up to {labile:.3g} gP m-3); ELM would "
            "start it from its surface data set: give mineral_p, or let ELM leave AD"
        )
        return
    shape = restart.active("labilep_vr").shape
    for name in MINERAL_P:
        values = np.asarray(mineral_p[name].transpose("cell", "level").values, np.float64)
        if values.shape != shape or not np.isfinite(values).all() or (values < 0).any():
            raise InvalidData(
                f"{name} for {restart.name} has shape {values.shape} and {values.min():.3g} to "
                f"{values.max():.3g}, wanted {shape} and finite values of 0 or more"
            )
        given[name] = values


def _is_one(restart: Restart) -> bool:
    """A model that states ``scalaravg`` as 1 does not average it; ELM's is below 1."""
    return bool((restart.active("scalaravg_col") == 1.0).all())


def _refuse_early(restart: Restart, multipliers: Mapping[str, Floats]) -> None:
    year = restart.date.year
    if year < SCALAR_FROM_YEAR and not _is_one(restart):
        smallest = float(restart.active("scalaravg_col").min())
        raise InvalidData(
            f"{restart.name} is of year {year} of accelerated decomposition, wanted year "
            f"{SCALAR_FROM_YEAR} or later: scalaravg is {smallest:.4g} and not whole yet, so pools "
            f"would be multiplied: {in_words(multipliers)}; run on to year {SCALAR_FROM_YEAR} at "
            "least"
        )
    _refuse_useless(restart, multipliers)


def _refuse_useless(restart: Restart, multipliers: Mapping[str, Floats]) -> None:
    scalar = restart.active("scalaravg_col")
    # Not below: "not >" is also true of NaN.
    wrong = ~((scalar > 1e-3) & (scalar <= 1.5))
    if wrong.any():
        cell, level = (int(index) for index in np.argwhere(wrong)[0])
        raise InvalidData(
            f"{restart.name}: scalaravg_col is {scalar[cell, level]:.4g} in "
            f"{restart.subgrid.where_cell(cell)}, level {level + 1}, wanted a mean limitation "
            f"between 0.001 and 1; pools would be multiplied: {in_words(multipliers)}"
        )


def in_words(multipliers: Mapping[str, Floats]) -> str:
    """Multipliers by pool, e.g. ``soil3 x 7.303, soil4 x 102.3``."""

    def number(value: float) -> str:
        return f"{value:.4g}" if np.isfinite(value) else str(value)

    words = []
    for pool, values in multipliers.items():
        low, high = number(float(values.min())), number(float(values.max()))
        extent = low if low == high else f"{low} to {high}"
        words.append(f"{pool} x {extent}")
    return ", ".join(words)
