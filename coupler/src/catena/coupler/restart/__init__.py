"""Restart files of ELM: read, check, replace the pools of a spin-up, write.

>>> from catena.coupler.restart import read_restart                  # doctest: +SKIP
>>> template = read_restart(Path("case.elm.r.0201-01-01-00000.nc"))  # doctest: +SKIP
>>> pools = template.pools()                                         # doctest: +SKIP
>>> template.with_pools(better).write(Path("finidat.nc"))            # doctest: +SKIP
"""

from __future__ import annotations

from catena.coupler.restart.acceleration import FACTORS, SpinupFactors, exit_ad, to_flag
from catena.coupler.restart.checks import check
from catena.coupler.restart.cycle import with_cycle_means
from catena.coupler.restart.first_record import FirstRecord, compare_first_record
from catena.coupler.restart.names import POOLS, Pool
from catena.coupler.restart.phosphorus import surface_phosphorus
from catena.coupler.restart.reading import read_restart
from catena.coupler.restart.restart import Restart, write_restart
from catena.coupler.restart.stoichiometry import NATURAL, Stoichiometry
from catena.coupler.restart.subgrid import Subgrid
from catena.coupler.restart.template import write_template

__all__ = [
    "FACTORS",
    "NATURAL",
    "POOLS",
    "FirstRecord",
    "Pool",
    "Restart",
    "SpinupFactors",
    "Stoichiometry",
    "Subgrid",
    "check",
    "compare_first_record",
    "exit_ad",
    "read_restart",
    "surface_phosphorus",
    "to_flag",
    "with_cycle_means",
    "write_restart",
    "write_template",
]
