"""Reading a restart file: everything that makes it unusable is found here, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catena.coupler.restart.dates import date_of
from catena.coupler.restart.names import (
    HEADER,
    INDEX,
    PHOSPHORUS,
    POOLS,
    STRUCTURE_PREFIXES,
    Pool,
)
from catena.coupler.restart.restart import Restart
from catena.coupler.restart.source import Source
from catena.coupler.restart.subgrid import read_subgrid
from catena.shared.errors import InvalidData

_DIMENSIONS = {"level": ("column", "levgrnd"), "pft": ("pft",), "cell": ("column",)}
_WANTED = "a restart file of ELM with carbon, nitrogen and vertically resolved soil"
_LEVELS = 10
"""Active levels where the file does not say (``nlevsoi``)."""


def read_restart(path: Path, *, in_memory: bool = False) -> Restart:
    """Read a restart file.

    Parameters
    ----------
    path : Path
        netCDF classic (CDF-1, -2, -5) or netCDF-4 with ELM's names.
    in_memory : bool
        Read everything now, so that the file may change or vanish. Otherwise variables are read
        when they are asked for.

    Raises
    ------
    InvalidData
        When the file is missing, no netCDF or truncated; lacks variables; has another
        decomposition cascade than the converging trophic one; or its index vectors contradict each
        other. The message names file and variable.
    """
    source = Source(Path(path), _WANTED, in_memory=in_memory)
    name = source.path.name
    structure = [each for each in source.variables if each.startswith(STRUCTURE_PREFIXES)]
    values = source.read({*INDEX, *structure})
    header = {key: int(np.ravel(value)[0]) for key, value in source.read(HEADER).items()}
    if header["decomp_cascade_state"] % 10 != 0:
        raise InvalidData(
            f"{name}: decomp_cascade_state is {header['decomp_cascade_state']} (a Century "
            "cascade), wanted 0 or 10, the converging trophic cascade (CTC) of 3 litter and 4 "
            "soil pools"
        )
    if header["spinup_state"] not in (0, 1):
        raise InvalidData(f"{name}: spinup_state is {header['spinup_state']}, wanted 0 or 1")
    pools = _pools_of(source)
    return Restart(
        source=source,
        header=header,
        structure={key: values[key] for key in structure},
        subgrid=read_subgrid(values, source.attributes, name),
        available=pools,
        nlevdecomp=_active_levels(source),
        date=date_of(header, name),
    )


def _pools_of(source: Source) -> tuple[str, ...]:
    has_phosphorus = any(name in source.variables for name in PHOSPHORUS)
    wanted = {
        name: pool
        for name, pool in POOLS.items()
        # The memory of fluxes is not part of every configuration.
        if not pool.is_memory and (has_phosphorus or name not in PHOSPHORUS)
    }
    missing = [name for name in wanted if name not in source.variables]
    if missing:
        raise InvalidData(
            f"{source.path.name}: the file has no variable {', '.join(missing)}; {_WANTED} is "
            "wanted"
        )
    found = tuple(name for name in POOLS if name in source.variables)
    for name in found:
        _require_dimensions(source, POOLS[name])
    return found


def _require_dimensions(source: Source, pool: Pool) -> None:
    found, wanted = source.variables[pool.name].dimensions, _DIMENSIONS[pool.place]
    if found != wanted:
        raise InvalidData(
            f"{source.path.name}: variable {pool.name} has dimensions {found}, wanted {wanted}"
        )


def _active_levels(source: Source) -> int:
    levels = source.dimensions["levgrnd"]
    active = source.dimensions.get("levtrc", _LEVELS)
    if not 1 < active <= levels:
        raise InvalidData(
            f"{source.path.name}: levtrc is {active} and levgrnd {levels}; wanted 2 or more active "
            "levels, and not more than there are"
        )
    return active
