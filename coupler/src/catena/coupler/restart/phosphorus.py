"""Mineral phosphorus at the end of accelerated decomposition, from the surface data set.

During accelerated decomposition phosphorus is supplied and the mineral pools mean nothing. When ELM
leaves it by itself, it starts them from maps of the uppermost 50 cm (Yang et al. 2013). With
relative demand for nutrients (``RD``) every level gets the same concentration, and phosphorus in
solution is in equilibrium with labile phosphorus (Langmuir; ``ColumnDataType``, Yang et al. 2014,
equation 5):

    solution = labile ks / (smax - labile)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.restart.restart import Restart
from catena.coupler.restart.source import Source
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

MAP_DEPTH_M = 0.5
_MAPS = {
    "labilep_vr": "LABILE_P",
    "secondp_vr": "SECONDARY_P",
    "occlp_vr": "OCCLUDED_P",
    "primp_vr": "APATITE_P",
}


def surface_phosphorus(
    restart: Restart,
    surface: Path,
    *,
    smax: float | Floats,
    ks_sorption: float | Floats,
) -> xr.Dataset:
    """Mineral phosphorus of the cells of a restart.

    Parameters
    ----------
    restart : Restart
        Whose cells and levels.
    surface : Path
        Surface data set of the run, with LABILE_P, SECONDARY_P, OCCLUDED_P and APATITE_P (gP m-2
        in 50 cm) on its grid cells.
    smax, ks_sorption : float or array (cell,)
        Greatest sorption and half saturation of the cells' soil orders, gP m-3.

    Returns
    -------
    xarray.Dataset
        The five mineral pools, gP m-3, (cell, level).

    Raises
    ------
    InvalidData
        When the surface data set is another grid's or lacks the maps, or there is more labile
        phosphorus than can be sorbed.
    """
    found = Source(surface, "a surface data set with maps of phosphorus").read(_MAPS.values())
    subgrid = restart.subgrid
    pools: dict[str, Floats] = {}
    for name, source_name in _MAPS.items():
        values = np.asarray(found[source_name], np.float64)
        if values.size != subgrid.gridcells:
            raise InvalidData(
                f"{surface.name}: {source_name} has {values.size} grid cells and {restart.name} "
                f"has {subgrid.gridcells}; give the surface data set of the same run"
            )
        pools[name] = values.ravel()[subgrid.gridcell] / MAP_DEPTH_M
    labile = pools["labilep_vr"]
    room = np.broadcast_to(np.asarray(smax, np.float64), labile.shape) - labile
    if not (room > 0).all():
        cell = int(np.argmax(~(room > 0)))
        raise InvalidData(
            f"labile phosphorus is {labile[cell]:.4g} gP m-3 in {subgrid.where_cell(cell)} and "
            f"smax leaves {room[cell]:.4g} of room, wanted more than 0; give smax of the soil order"
        )
    pools["solutionp_vr"] = labile * np.asarray(ks_sorption, np.float64) / room
    shape = (len(labile), restart.nlevdecomp)
    return xr.Dataset(
        {
            name: (("cell", "level"), np.broadcast_to(values[:, None], shape), {"units": "gP m-3"})
            for name, values in pools.items()
        }
    )
