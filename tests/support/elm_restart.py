"""Restart files with ELM's names and known content, and history files that go with them.

Everything is computed here with plain loops, so that the package under test has something to be
compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from catena.coupler.restart import write_template

ORGANS = ("leaf", "froot", "livestem", "deadstem", "livecroot", "deadcroot")
PARTS = ("", "_storage", "_xfer")
LITTER = ("litr1", "litr2", "litr3")
SOIL = ("soil1", "soil2", "soil3", "soil4")
RATIO = {
    "n": {"soil1": 12, "soil2": 12, "soil3": 10, "soil4": 10, "cwd": 480},
    "p": {"soil1": 360, "soil2": 360, "soil3": 500, "soil4": 500, "cwd": 3000},
}
LEAF = {"n": {1: 35, 7: 25, 13: 25, 14: 25}, "p": {1: 525, 7: 375, 13: 375, 14: 375}}
TISSUE = {
    "n": {"froot": 42, "livestem": 50, "livecroot": 50, "deadstem": 500, "deadcroot": 500},
    "p": {"froot": 1000, "livestem": 3000, "livecroot": 3000, "deadstem": 3000, "deadcroot": 3000},
}
WOODY, EVERGREEN = {1, 7}, {1}
KINDS = ({7: 1.0}, {0: 0.2, 1: 0.5, 13: 0.3}, {14: 1.0})
"""PFTs of cells 0, 1, 2, 3 (as 0), ..."""
N_BUFFER = 1.0
LEVELS = 10
COLUMNS_PER_CELL, PFTS_PER_CELL = 16, 32


def thickness() -> list[float]:
    """Of the active levels, m, from the nodes of all fifteen."""
    node = [0.025 * (np.exp(0.5 * (i - 0.5)) - 1) for i in range(1, 16)]
    edge = [0.0] + [0.5 * (node[i] + node[i + 1]) for i in range(14)]
    return [edge[i + 1] - edge[i] for i in range(LEVELS)]


_MADE: dict[str, bytes] = {}


def make_restart(path: Path, cells: int = 3, **options: Any) -> Path:
    """A restart file whose pools, ratios and totals are consistent; see :func:`_make`."""
    key = repr((cells, sorted(options.items())))
    if key not in _MADE:
        _MADE[key] = _make(path, cells, **options).read_bytes()
    path.write_bytes(_MADE[key])
    return path


def _make(
    path: Path,
    cells: int = 3,
    *,
    spinup_state: int = 0,
    year: int = 201,
    scalaravg: float = 0.25,
    phosphorus: bool = True,
    extra: Mapping[str, tuple[str, ...]] | None = None,
) -> Path:
    weights = np.zeros((cells, 17))
    for cell in range(cells):
        for kind, weight in KINDS[cell % 3].items():
            weights[cell, kind] = weight
    write_template(
        path,
        lat=np.linspace(50.0, -10.0, cells),
        lon=np.linspace(-92.2, 100.0, cells) % 360,
        pft_weights=weights,
        ymd=year * 10000 + 101,
        spinup_state=spinup_state,
        phosphorus=phosphorus,
        extra=extra,
    )
    elements = "cnp" if phosphorus else "cn"
    with netCDF4.Dataset(path, "r+") as file:
        file.set_auto_mask(False)
        file["scalaravg_col"][:] = 1e36
        for cell in range(cells):
            _fill_cell(file, cell, elements, scalaravg)
    return path


def _fill_cell(file: netCDF4.Dataset, cell: int, elements: str, scalaravg: float) -> None:
    column, size = cell * COLUMNS_PER_CELL, 1.0 + 0.1 * cell
    dz = thickness()
    file["scalaravg_col"][column, :] = scalaravg
    total = dict.fromkeys(elements, 0.0)
    litter, soil, debris = dict(total), dict(total), dict(total)

    def level_pool(name: str, element: str, level: int, value: float) -> float:
        file[f"{name}"][column, level] = value
        return value * dz[level]

    for level in range(LEVELS):
        fade = float(np.exp(-0.3 * level)) * size
        for number, pool in enumerate((*LITTER, "cwd", *SOIL)):
            carbon = (50.0, 900.0, 1100.0, 4000.0, 200.0, 1300.0, 9000.0, 40000.0)[number] * fade
            for element in elements:
                ratio = 1.0
                if element != "c":
                    # Litter floats: another ratio at each depth.
                    ratio = RATIO[element].get(pool, (40.0 if element == "n" else 900.0) + level)
                content = level_pool(f"{pool}{element}_vr", element, level, carbon / ratio)
                part = litter if pool in LITTER else soil if pool in SOIL else debris
                part[element] += content
                total[element] += content
        level_pool("smin_no3_vr", "n", level, 0.1 * fade)
        level_pool("smin_nh4_vr", "n", level, 0.3 * fade)
        total["n"] += level_pool("sminn_vr", "n", level, 0.1 * fade + 0.3 * fade)
        if "p" in elements:
            for name, value in (("solutionp_vr", 12.0), ("labilep_vr", 17.0), ("secondp_vr", 90.0)):
                total["p"] += level_pool(name, "p", level, value * fade)
            for name, value in (("occlp_vr", 350.0), ("primp_vr", 23.0)):
                level_pool(name, "p", level, value * fade)
    for kind, weight in KINDS[cell % 3].items():
        plant = _fill_plant(file, cell * PFTS_PER_CELL + kind, kind, elements, size)
        for element in elements:
            total[element] += weight * plant[element]
    for name, value in (("cannsum_npp", 600.0), ("col_lag_npp", -2e-6), ("annavg_somhr", 1e-5)):
        file[name][column] = value
    total["n"] += N_BUFFER
    for element in elements:
        for name, part in (
            ("totlit", litter),
            ("totsom", soil),
            ("cwd", debris),
            ("totcol", total),
        ):
            if f"{name}{element}" in file.variables:
                file[f"{name}{element}"][column] = part[element]


def _fill_plant(
    file: netCDF4.Dataset, slot: int, kind: int, elements: str, size: float
) -> dict[str, float]:
    whole = dict.fromkeys(elements, 0.0)
    if kind == 0:
        return whole

    def put(name: str, element: str, value: float) -> None:
        file[name][slot] = value
        whole[element] += value

    for number, organ in enumerate(ORGANS):
        for part in PARTS:
            carbon = (280.0, 290.0, 30.0, 12000.0, 9.0, 3600.0)[number] * size
            if part:
                carbon *= 0.05 if part == "_storage" else 0.01
            if (part and kind in EVERGREEN) or (number > 1 and kind not in WOODY):
                carbon = 0.0
            for element in elements:
                ratio = 1.0
                if element != "c":
                    ratio = LEAF[element][kind] if organ == "leaf" else TISSUE[element][organ]
                put(f"{organ}{element}{part}", element, carbon / ratio)
    for name, value in (("cpool", 350.0), ("npool", 20.0), ("ppool", 1.3)):
        if name[0] in elements:
            put(name, name[0], value * size)
    put("retransn", "n", 6.0)
    if "p" in elements:
        put("retransp", "p", 0.4)
    # Owed to the plant; part of the column but not of the vegetation.
    file["totvegc"][slot] = whole["c"]
    put("xsmrpool", "c", -44.0)
    for name, value in (("annsum_npp", 590.0), ("annsum_potential_gpp", 0.67)):
        file[name][slot] = value
    return whole


def write_history(
    path: Path,
    values: Mapping[str, np.ndarray],
    *,
    start_year: int = 1,
    bounds: list[tuple[float, float]] | None = None,
    place: str = "lndgrid",
) -> Path:
    """A history file of ELM: each value is (time, place) or (time, place, level)."""
    intervals = np.array(bounds if bounds is not None else [(0.0, 0.0)])
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.createDimension("time", None)
        file.createDimension("hist_interval", 2)
        file.createDimension("levdcmp", 15)
        first = np.asarray(next(iter(values.values())))
        file.createDimension(place, first.shape[1])
        time = file.createVariable("time", "f4", ("time",))
        time.units = f"days since {start_year:04d}-01-01 00:00:00"
        time.calendar = "noleap"
        file.createVariable("time_bounds", "f8", ("time", "hist_interval"))
        for name, array in values.items():
            levels = ("levdcmp",) if np.ndim(array) == 3 else ()
            file.createVariable(name, "f4", ("time", *levels, place), fill_value=1e36)
        file["time"][:] = intervals[:, 1]
        file["time_bounds"][:] = intervals
        for name, array in values.items():
            array = np.asarray(array)
            if array.ndim == 3:
                deep = np.full((*array.shape[:2], 15), 1e36)
                deep[:, :, : array.shape[2]] = array
                array = np.moveaxis(deep, 2, 1)
            file[name][:] = array
    return path
