"""A configuration of ELM on the stand-in for CIME, with small input files of the real kind."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from catena.coupler.elm.config import ElmConfig
from catena.coupler.fake_cime import install_fake_cime
from catena.coupler.pft import PFT_NAMES

HISTORY = (
    "GPP", "NPP", "NEE", "HR", "EFLX_LH_TOT", "TLAI", "TOTVEGC", "TOTSOMC", "TOTECOSYSC",
    "DEADSTEMC",
)  # fmt: skip
"""What tests look at: files of some variables are written faster than those of all."""


def write_parameter_file(path: Path, names: tuple[str, ...] = PFT_NAMES) -> Path:
    """A parameter file with the eight calibration parameters, as ELM's own are written."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        for name, size in (("pft", len(names)), ("allpfts", 1), ("string_length", 40)):
            file.createDimension(name, size)
        labels = file.createVariable("pftname", "S1", ("pft", "string_length"))
        for number, name in enumerate(names):
            labels[number] = np.array(list(name.ljust(40)), "S1")
        for name, value in (
            ("rootb_par", 2.0),
            ("slatop", 0.03),
            ("flnr", 0.1007),
            ("frootcn", 42.0),
            ("froot_leaf", 1.0),
        ):
            file.createVariable(name, "f8", ("pft",))[:] = value
        for name, value in (("br_mr", 2.525e-6), ("crit_dayl", 39300.0), ("crit_onset_gdd", 500.0)):
            file.createVariable(name, "f8", ("allpfts",))[:] = value
    return path


def write_forcing(folder: Path, years: int = 5) -> Path:
    """`all_hourly.nc` with the variables that the bypass reads."""
    folder.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(folder / "all_hourly.nc", "w") as file:
        file.createDimension("gridcell", 1)
        file.createDimension("DTIME", 48)
        for name in ("TBOT", "RH", "WIND", "FSDS", "FLDS", "PSRF", "PRECTmms"):
            file.createVariable(name, "f4", ("gridcell", "DTIME"))[:] = 1.0
        for name, year in (("start_year", 2000), ("end_year", 1999 + years)):
            file.createVariable(name, "i4", ())[...] = year
    return folder


def write_plain(path: Path) -> Path:
    """A netCDF file that is only named."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.createDimension("n", 1)
        for name, value in (("area", 1.0), ("xc", 267.8), ("yc", 38.74)):
            file.createVariable(name, "f8", ("n",))[:] = value
    return path


def elm_mapping(folder: Path, **changed: Any) -> dict[str, Any]:
    """What a YAML file would hold: three stages of 40, 10 and 5 years, forcing of 5 years."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    return {
        "cime_root": str(install_fake_cime(folder / "e3sm")),
        "case_root": str(folder / "cases"),
        "output_root": str(folder / "output"),
        "case_name": "moz",
        "machine": "fake-machine",
        "compiler": "gnu",
        "site": "US-MOz",
        "surface_file": str(write_plain(inputs / "surfdata.nc")),
        "domain_file": str(write_plain(inputs / "domain.nc")),
        "parameter_file": str(write_parameter_file(inputs / "clm_params.nc")),
        "forcing": {
            "kind": "bypass",
            "directory": str(write_forcing(inputs / "forcing", changed.get("forcing_years", 5))),
            "co2_file": str(write_plain(inputs / "co2.nc")),
            "aerosol_file": str(write_plain(inputs / "aero.nc")),
        },
        "forcing_years": 5,
        "history": [{"variables": list(HISTORY)}],
        "stages": [
            {"name": "ad_spinup", "years": 38},
            {"name": "final", "years": 10},
            {"name": "transient", "years": 5, "compset": "ICB20TRCNPRDCTCBC"},
        ],
        **changed,
    }


def elm_config(folder: Path, **changed: Any) -> ElmConfig:
    """The same, checked."""
    return ElmConfig.from_mapping(elm_mapping(folder, **changed))


def done(log: Path) -> list[str]:
    """What was done to a case, in the words of a plan."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = []
    for line in lines:
        if line["kind"] == "command":
            told.append(f"cd {line['folder']} && {shlex.join(line['argv'])}")
        elif line["kind"] in ("file", "submit"):
            told.append(line["action"])
    return told
