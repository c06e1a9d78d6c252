"""An empty restart file with ELM's names, dimensions and subgrid, for models that bring their own.

The file holds what this package reads and what a smaller land model keeps between runs; a run of
ELM itself starts from a file that ELM wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart.names import PHOSPHORUS, POOLS
from catena.coupler.restart.source import FILL
from catena.coupler.restart.totals import parts_of_totals
from catena.coupler.restart.writing import replacing
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

_LEVELS = {
    "levgrnd": 15,
    "levurb": 5,
    "levlak": 10,
    "levsno": 5,
    "levtot": 20,
    "numrad": 2,
    "levcan": 1,
    "levtrc": 10,
}
_HEADER_BYTES = 400
"""More than the definition of one variable takes."""
_URBAN_LANDUNITS = (7, 8, 9)
_URBAN_COLUMNS = (71, 72, 73, 74, 75)

_COLUMN = {
    "SNLSNO": ((), 0, "1"),
    "DZSNO": (("levsno",), 0.0, "m"),
    "T_SOISNO": (("levtot",), 283.0, "K"),
    "H2OSOI_LIQ": (("levtot",), 0.0, "kg/m2"),
    "H2OSOI_ICE": (("levtot",), 0.0, "kg/m2"),
    "T_GRND": ((), 283.0, "K"),
    "H2OSNO": ((), 0.0, "kg/m2"),
    "SNOW_DEPTH": ((), 0.0, "m"),
    "frac_sno": ((), 0.0, "1"),
    "ZWT": ((), 5.0, "m"),
    "WA": ((), 4800.0, "mm"),
    "fpg": ((), 1.0, ""),
    "fpi_vr": (("levgrnd",), 1.0, "1"),
    "scalaravg_col": (("levgrnd",), 1.0, ""),
    "annsum_counter": ((), 0.0, "s"),
    "cannavg_t2m": ((), 283.0, "K"),
}
_PFT = {
    "T_VEG": (283.0, "K"),
    "T_REF2M": (283.0, "K"),
    "H2OCAN": (0.0, "kg/m2"),
    "tlai": (0.0, "1"),
    "elai": (0.0, "1"),
    "tsai": (0.0, "1"),
    "htop": (0.0, "m"),
    "dormant_flag": (1.0, "1"),
    "days_active": (0.0, "days"),
    "onset_flag": (0.0, "1"),
    "onset_counter": (0.0, "s"),
    "onset_gddflag": (0.0, "1"),
    "onset_gdd": (0.0, "K day"),
    "onset_fdd": (0.0, "day"),
    "onset_swi": (0.0, "day"),
    "offset_flag": (0.0, "1"),
    "offset_counter": (0.0, "s"),
    "offset_fdd": (0.0, "day"),
    "offset_swi": (0.0, "day"),
    "annavg_t2m": (283.0, "K"),
    "tempavg_t2m": (0.0, "K"),
    "tempsum_npp": (0.0, "gC/m2"),
    "tempsum_potential_gpp": (0.0, "gC/m2"),
    "tempmax_retransn": (0.0, "gN/m2"),
}
_TOTALS = ("totlitc", "totsomc", "totcolc", "totcoln", "totsomp", "cwdp", "totlitp", "totcolp")


def write_template(
    path: Path,
    *,
    lat: ArrayLike,
    lon: ArrayLike,
    pft_weights: ArrayLike,
    ymd: int = 10101,
    calendar: str = "noleap",
    spinup_state: int = 0,
    phosphorus: bool = True,
    urban: bool = True,
    extra: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Write a restart file without carbon; it appears whole or not at all.

    Parameters
    ----------
    path : Path
        CDF-5, as ELM writes it.
    lat, lon : array (cell,)
        Degrees.
    pft_weights : array (cell, PFT)
        Fractions of the natural PFTs of each cell by index, with a sum of 1; PFTs without weight
        are inactive.
    ymd : int
        Date of the state, YYYYMMDD.
    calendar : {"noleap", "standard"}
    spinup_state : {0, 1}
    phosphorus : bool
        With the pools of phosphorus.
    urban : bool
        With the inactive urban land units that ELM puts into every cell (4 land units, 16 columns
        and 32 PFTs with 17 natural ones); without them files of many cells are 16 times smaller.
    extra : mapping, optional
        A model's own variables, name to dimensions, float64, 0.

    Raises
    ------
    InvalidData
        When shapes, weights or the calendar do not fit.
    OSError
        When the disk is full.
    """
    if calendar not in ("noleap", "standard"):
        raise InvalidData(f"calendar is '{calendar}', wanted 'noleap' or 'standard'")
    places = _Places(
        np.atleast_1d(np.asarray(lat, float)),
        np.atleast_1d(np.asarray(lon, float)),
        np.atleast_2d(np.asarray(pft_weights, float)),
        urban,
    )
    with (
        replacing(path) as temporary,
        netCDF4.Dataset(temporary, "w", format="NETCDF3_64BIT_DATA") as dataset,
    ):
        dataset.set_fill_off()
        dataset.setncatts(_attributes(places.pfts))
        sizes = {
            "gridcell": places.cells,
            "topounit": places.cells,
            "landunit": places.cells * places.landunits_per_cell,
            "column": places.cells * places.columns_per_cell,
            "pft": places.cells * places.pfts_per_cell,
            **_LEVELS,
        }
        for name, size in sizes.items():
            dataset.createDimension(name, size)
        values: dict[str, tuple[tuple[str, ...], NDArray[Any], str]] = {}
        values.update(_header(ymd, calendar, spinup_state))
        values.update(places.index_vectors())
        values.update(_state(sizes, phosphorus, extra or {}))
        # After each definition the library moves all data behind the grown header. With room for
        # the whole header from the beginning there is nothing to move.
        dataset.header = " " * (_HEADER_BYTES * len(values))
        variables: dict[str, Any] = {}
        for name, (dimensions, array, units) in values.items():
            fill = np.int32(-9999) if array.dtype.kind == "i" else FILL
            variable = dataset.createVariable(name, array.dtype, dimensions, fill_value=fill)
            if units:
                variable.units = units
            if not variables:
                del dataset.header
            variables[name] = variable
        dataset.set_auto_maskandscale(False)
        for name, (_, array, _) in values.items():
            variables[name][...] = array


@dataclass(frozen=True)
class _Places:
    lat: Floats
    lon: Floats
    weights: Floats
    urban: bool

    def __post_init__(self) -> None:
        if self.lat.shape != self.lon.shape or len(self.weights) != len(self.lat):
            raise InvalidData(
                f"there are {self.lat.shape} latitudes, {self.lon.shape} longitudes and PFT "
                f"weights of shape {self.weights.shape}, wanted (cell,), (cell,) and (cell, PFT)"
            )
        covered = self.weights.sum(axis=1)
        wrong = ~((np.abs(covered - 1.0) < 1e-6) & (self.weights >= 0).all(axis=1))
        if wrong.any():
            cell = int(np.argmax(wrong))
            raise InvalidData(
                f"the PFT weights of cell {cell} are {self.weights[cell].min():g} or more with a "
                f"sum of {covered[cell]:.6g}, wanted 0 or more with a sum of 1"
            )

    @property
    def cells(self) -> int:
        return len(self.lat)

    @property
    def pfts(self) -> int:
        return self.weights.shape[1]

    @property
    def landunits_per_cell(self) -> int:
        return 1 + (len(_URBAN_LANDUNITS) if self.urban else 0)

    @property
    def columns_per_cell(self) -> int:
        return 1 + (len(_URBAN_LANDUNITS) * len(_URBAN_COLUMNS) if self.urban else 0)

    @property
    def pfts_per_cell(self) -> int:
        return self.pfts + self.columns_per_cell - 1

    def index_vectors(self) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
        """Where land units, columns and PFTs are, what they are, and what they weigh."""
        landunit = np.array([1, *(_URBAN_LANDUNITS if self.urban else ())])
        per_landunit = len(_URBAN_COLUMNS)
        column_landunit = np.concatenate(
            ([0], np.repeat(np.arange(1, len(landunit)), per_landunit))
        )
        column_type = np.array([1, *(list(_URBAN_COLUMNS) * (len(landunit) - 1))])
        pft_column = np.concatenate((np.zeros(self.pfts, int), np.arange(1, self.columns_per_cell)))
        pft_type = np.concatenate((np.arange(self.pfts), np.zeros(self.columns_per_cell - 1, int)))
        found: dict[str, tuple[tuple[str, ...], NDArray[Any], str]] = {}
        for prefix, dimension, count in (
            ("grid1d", "gridcell", 1),
            ("topo1d", "topounit", 1),
            ("land1d", "landunit", len(landunit)),
            ("cols1d", "column", self.columns_per_cell),
            ("pfts1d", "pft", self.pfts_per_cell),
        ):
            cell = np.repeat(np.arange(self.cells), count)
            found[f"{prefix}_lat"] = ((dimension,), self.lat[cell], "degrees_north")
            found[f"{prefix}_lon"] = ((dimension,), self.lon[cell], "degrees_east")
            found[f"{prefix}_ixy"] = ((dimension,), _int(cell + 1), "")
            found[f"{prefix}_jxy"] = ((dimension,), _int(np.ones_like(cell)), "")
            if dimension != "gridcell":
                found[f"{prefix}_gridcell_index"] = ((dimension,), _int(cell + 1), "")
        found["land1d_ityplun"] = self._each("landunit", landunit)
        found["land1d_active"] = self._each("landunit", landunit == 1)
        found["cols1d_landunit_index"] = self._counted("column", column_landunit, len(landunit))
        found["cols1d_ityplun"] = self._each("column", landunit[column_landunit])
        found["cols1d_ityp"] = self._each("column", column_type)
        found["cols1d_active"] = self._each("column", column_landunit == 0)
        found["pfts1d_column_index"] = self._counted("pft", pft_column, self.columns_per_cell)
        found["pfts1d_itypveg"] = self._each("pft", pft_type)
        found["pfts1d_ityplun"] = self._each("pft", landunit[column_landunit][pft_column])
        urban = np.ones((self.cells, self.columns_per_cell - 1))
        in_column = np.concatenate((self.weights, urban), axis=1)
        in_cell = np.concatenate((self.weights, 0 * urban), axis=1)
        found["pfts1d_active"] = (("pft",), _int((in_cell > 0).ravel()), "")
        found["pfts1d_wtcol"] = (("pft",), in_column.ravel(), "")
        found["pfts1d_wtxy"] = (("pft",), in_cell.ravel(), "")
        found["cols1d_wtxy"] = (("column",), np.tile(column_landunit == 0, self.cells) * 1.0, "")
        found["land1d_wtxy"] = (("landunit",), np.tile(landunit == 1, self.cells) * 1.0, "")
        return found

    def _each(
        self, dimension: str, of_one_cell: NDArray[Any]
    ) -> tuple[tuple[str, ...], NDArray[Any], str]:
        return (dimension,), _int(np.tile(of_one_cell, self.cells)), ""

    def _counted(
        self, dimension: str, of_one_cell: NDArray[Any], per_cell: int
    ) -> tuple[tuple[str, ...], NDArray[Any], str]:
        offset = np.arange(self.cells)[:, None] * per_cell
        return (dimension,), _int((of_one_cell + offset).ravel() + 1), ""


def _int(values: NDArray[Any]) -> NDArray[np.int32]:
    return np.asarray(values, np.int32)


def _header(
    ymd: int, calendar: str, spinup_state: int
) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
    numbers = {
        "timemgr_rst_type": 1 if calendar == "noleap" else 2,
        "timemgr_rst_step_sec": 1800,
        "timemgr_rst_start_ymd": ymd,
        "timemgr_rst_start_tod": 0,
        "timemgr_rst_ref_ymd": ymd,
        "timemgr_rst_ref_tod": 0,
        "timemgr_rst_curr_ymd": ymd,
        "timemgr_rst_curr_tod": 0,
        "spinup_state": spinup_state,
        "decomp_cascade_state": 10,
    }
    return {name: ((), np.asarray(value, np.int32), "") for name, value in numbers.items()}


def _state(
    sizes: Mapping[str, int], phosphorus: bool, extra: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[tuple[str, ...], NDArray[Any], str]]:
    found: dict[str, tuple[tuple[str, ...], NDArray[Any], str]] = {}

    def add(name: str, dimensions: tuple[str, ...], value: float, units: str) -> None:
        kind = np.int32 if isinstance(value, int) else np.float64
        shape = tuple(sizes[each] for each in dimensions)
        found[name] = (dimensions, np.full(shape, value, kind), units)

    for name, (more, value, units) in _COLUMN.items():
        add(name, ("column", *more), value, units)
    for name, (value, units) in _PFT.items():
        add(name, ("pft",), value, units)
    elements = ("c", "n", "p") if phosphorus else ("c", "n")
    places = {"level": ("column", "levgrnd"), "pft": ("pft",), "cell": ("column",)}
    for name, pool in POOLS.items():
        if phosphorus or name not in PHOSPHORUS:
            add(name, places[pool.place], 0.0, pool.units)
    for name in parts_of_totals(elements):
        per_pft = name.startswith(("gresp", "pft_"))
        levels = ("levgrnd",) if name.endswith("_vr") else ()
        add(name, ("pft",) if per_pft else ("column", *levels), 0.0, "")
    for name in _TOTALS:
        if name[-1] in elements:
            add(name, ("column",), 0.0, "")
    add("totvegc", ("pft",), 0.0, "")
    for name, dimensions in extra.items():
        add(name, dimensions, 0.0, "")
    return found


def _attributes(pfts: int) -> dict[str, Any]:
    return {
        "Conventions": "CF-1.7",
        "title": "Restart information with the names of the E3SM Land Model",
        "source": "catena",
        **{f"ipft_{name}": np.int32(index) for index, name in enumerate(PFT_NAMES[:pfts])},
        "icol_vegetated_or_bare_soil": np.int32(1),
        "ilun_vegetated_or_bare_soil": np.int32(1),
    }
