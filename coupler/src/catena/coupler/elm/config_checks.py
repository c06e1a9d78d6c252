"""Traps of ELM and CIME that a configuration can hold, each with what to do instead.

The checks take the plain mapping, so that they run beside pydantic's and all problems come at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from catena.coupler.elm.compsets import holds_elm, is_transient, routes_rivers, uses_bypass
from catena.coupler.elm.outcome import restart_problem, start_problem
from catena.coupler.elm.stages import LAST_YEAR_OF_FILLING, whole_cycles
from catena.shared.errors import FieldViolation

ORDER = ("ad_spinup", "final", "transient")
OWNED_NAMELIST = {
    "fsurdat": "surface_file",
    "paramfile": "parameter_file",
    "finidat": "finidat",
    "nrevsn": "stages[].hand_over",
    "metdata_type": "forcing",
    "metdata_bypass": "forcing.directory",
    "co2_file": "forcing.co2_file",
    "aero_file": "forcing.aerosol_file",
    "flanduse_timeseries": "land_use_file",
    "nyears_ad_carbon_only": "nyears_ad_carbon_only",
    "suplphos": "phosphorus_in_ad",
    "hist_empty_htapes": "history",
    "hist_nhtfrq": "history[].frequency",
    "hist_mfilt": "history[].records",
    "hist_dov2xy": "history[].gridded",
    **{f"hist_fincl{number}": f"history[{number - 1}].variables" for number in range(1, 7)},
}
OWNED_XML = {
    "STOP_N": "stages[].years",
    "STOP_OPTION": "stages[].years",
    "REST_N": "restart_years",
    "REST_OPTION": "restart_years",
    "RUN_STARTDATE": "stages[].start_year",
    "RUN_TYPE": "stages[].hand_over",
    "RUN_REFCASE": "stages",
    "RUN_REFDATE": "stages",
    "NTASKS": "executor.processes",
    "DOUT_S": "nothing: files are collected from the run directory",
    "GET_REFCASE": "nothing: the restart file is copied from the stage before",
    "CONTINUE_RUN": "nothing: a stopped run is gone on with by itself",
    "RUNDIR": "output_root",
    "EXEROOT": "output_root",
    "LND_DOMAIN_FILE": "domain_file",
    "LND_DOMAIN_PATH": "domain_file",
    "ATM_DOMAIN_FILE": "domain_file",
    "ATM_DOMAIN_PATH": "domain_file",
    "ELM_USRDAT_NAME": "site",
    "ELM_FORCE_COLDSTART": "finidat",
}
_PATHS = (
    "cime_root", "case_root", "output_root", "clone_of", "surface_file", "domain_file",
    "parameter_file", "land_use_file", "finidat",
)  # fmt: skip
_FORCING_PATHS = ("directory", "co2_file", "aerosol_file")
_NAMES = {
    "namelist": re.compile(r"[A-Za-z][A-Za-z0-9_%]*(\(\d+\))?"),
    "xml": re.compile(r"[A-Z][A-Z0-9_]*"),
}
_FORCING = ("TBOT", "WIND", "FSDS", "FLDS", "PSRF", "PRECTmms")
_YEARS = ("start_year", "end_year")
"""ELM takes the length of the cycle from these (`lnd_import_export`), unchecked."""


def problems(data: Mapping[str, Any]) -> list[FieldViolation]:
    """Everything that is wrong with a configuration beyond the types of its fields."""
    return [
        *_paths(data),
        *_entries(data),
        *_owned(data),
        *_compsets(data),
        *_driver(data),
        *_files(data),
        *_stages(data),
        *_forcing(data),
    ]


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    items = value if isinstance(value, (list, tuple)) else []
    return [item if isinstance(item, Mapping) else {} for item in items]


def _sections(data: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    stages = _mappings(data.get("stages"))
    return [("", data), *((f"stages[{number}].", item) for number, item in enumerate(stages))]


def _paths(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    forcing = data.get("forcing")
    named = {name: data.get(name) for name in _PATHS}
    named["spin_up.template"] = _template(data)
    if isinstance(forcing, Mapping):
        named |= {f"forcing.{name}": forcing.get(name) for name in _FORCING_PATHS}
    for name, value in named.items():
        if value is None:
            continue
        unset = re.findall(r"\$(\w+|\{\w+\})", str(value))
        if unset:
            yield FieldViolation(
                name, f"got '{value}', and there is no {unset[0].strip('{}')} in the environment"
            )
        elif not Path(str(value)).is_absolute():
            yield FieldViolation(
                name,
                f"got '{value}', wanted a path from / on: programs of CIME and the model run in "
                "other folders ($HOME may begin it, ~ not)",
            )


def _template(data: Mapping[str, Any]) -> Any:
    spin_up = data.get("spin_up")
    return spin_up.get("template") if isinstance(spin_up, Mapping) else None


def _entries(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    for place, section in _sections(data):
        for kind, wanted in _NAMES.items():
            entries = section.get(kind)
            for name, value in entries.items() if isinstance(entries, Mapping) else ():
                where = f"{place}{kind}.{name}"
                if not wanted.fullmatch(str(name)):
                    yield FieldViolation(where, f"got {name!r}, which is no name of an entry")
                items = value if isinstance(value, (list, tuple)) else [value]
                if any(isinstance(item, str) and not item.isprintable() for item in items):
                    yield FieldViolation(where, f"got {value!r}, wanted one line of text")


def _owned(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    for place, section in _sections(data):
        namelist, xml = section.get("namelist"), section.get("xml")
        for name in namelist if isinstance(namelist, Mapping) else ():
            where = f"{place}namelist.{name}"
            lower = str(name).lower()
            if lower == "spinup_state":
                yield FieldViolation(
                    where,
                    "ELM's namelist builder refuses spinup_state, or lets it contradict the stage; "
                    'leave it out: the stage sets ELM_BLDNML_OPTS="-bgc_spinup on" or "off"',
                )
            elif lower in OWNED_NAMELIST:
                yield FieldViolation(where, f"this is set by the field {OWNED_NAMELIST[lower]}")
        for name, value in xml.items() if isinstance(xml, Mapping) else ():
            where = f"{place}xml.{name}"
            if str(name) in OWNED_XML:
                yield FieldViolation(where, f"this is set by {OWNED_XML[str(name)]}")
            elif str(name) == "ELM_BLDNML_OPTS" and "bgc_spinup" in str(value):
                yield FieldViolation(where, "leave -bgc_spinup out: the stage sets it")


def _compsets(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    forcing = data.get("forcing")
    kind = forcing.get("kind") if isinstance(forcing, Mapping) else None
    named = [("compset", str(data.get("compset", "ICB1850CNPRDCTCBC")))]
    for number, stage in enumerate(_mappings(data.get("stages"))):
        if stage.get("compset"):
            named.append((f"stages[{number}].compset", str(stage["compset"])))
    for where, compset in named:
        if not holds_elm(compset):
            yield FieldViolation(
                where,
                f"got '{compset}', which holds stubs only or no ELM; CIME refuses it. Take for "
                "example ICB1850CNPRDCTCBC (coupler bypass) or I1850CNPRDCTCBC (DATM)",
            )
            continue
        if data.get("resolution", "ELM_USRDAT") == "ELM_USRDAT" and routes_rivers(compset):
            yield FieldViolation(where, f"got '{compset}': a point has no rivers, take SROF")
        if kind == "bypass" and not uses_bypass(compset):
            yield FieldViolation(
                where, f"got '{compset}', a compset of DATM, with bypass forcing; take ICB..."
            )
        if kind == "datm" and uses_bypass(compset):
            yield FieldViolation(
                where, f"got '{compset}', a compset of the bypass, with DATM forcing; take I..."
            )


def _driver(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    root = Path(str(data.get("cime_root", "")))
    scripts = root / "cime" / "scripts" / "create_newcase"
    if not scripts.exists():
        yield FieldViolation(
            "cime_root",
            f"got '{root}', where there is no cime/scripts/create_newcase; give a checkout of E3SM "
            "with its submodules (git submodule update --init --recursive)",
        )
        return
    driver = data.get("driver", "mct")
    if driver == "mct" and not (root / "driver-mct").is_dir():
        yield FieldViolation("driver", "this checkout has no driver-mct; take driver: moab")
    machine = str(data.get("machine"))
    if driver == "moab" and "MOAB_ROOT" not in os.environ and not _machine_has_moab(root, machine):
        yield FieldViolation(
            "driver",
            f"CIME's default driver is MOAB, and machine '{machine}' names no MOAB_ROOT; take "
            "driver: mct, or set MOAB_ROOT to an installation of MOAB",
        )


def _machine_has_moab(root: Path, machine: str) -> bool:
    path = root / "cime_config" / "machines" / "config_machines.xml"
    text = path.read_text() if path.exists() else ""
    begin = text.find(f'MACH="{machine}"')
    return begin >= 0 and "MOAB_ROOT" in text[begin : text.find("</machine>", begin)]


def _files(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    for name in ("surface_file", "domain_file", "parameter_file", "finidat", "land_use_file"):
        value = data.get(name)
        if value is not None and not Path(str(value)).is_file():
            yield FieldViolation(name, f"there is no file '{value}'")
    template = _template(data)
    if template is not None:
        problem = restart_problem(Path(str(template)), 0)
        if problem:
            yield FieldViolation("spin_up.template", problem)
    finidat, stages = data.get("finidat"), _mappings(data.get("stages"))
    if finidat is not None and stages and Path(str(finidat)).is_file():
        problem = start_problem(Path(str(finidat)), str(stages[0].get("name")))
        if problem:
            yield FieldViolation("finidat", problem)
    clone = data.get("clone_of")
    if clone is not None and not (Path(str(clone)) / "env_case.xml").is_file():
        yield FieldViolation("clone_of", f"'{clone}' is no case: it has no env_case.xml")


def _stages(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    stages = _mappings(data.get("stages"))
    names = [stage.get("name") for stage in stages]
    known = [ORDER.index(name) for name in names if name in ORDER]
    if known != sorted(set(known)):
        yield FieldViolation(
            "stages", f"got {', '.join(map(str, names))}; wanted each once, in the order "
            "ad_spinup, final, transient"
        )  # fmt: skip
    cycle = data.get("forcing_years")
    for number, stage in enumerate(stages):
        where, years = f"stages[{number}]", stage.get("years")
        if stage.get("hand_over") == "branch" and number == 0:
            yield FieldViolation(f"{where}.hand_over", "the first stage has nothing to branch from")
        if stage.get("name") == "transient" and not is_transient(str(stage.get("compset"))):
            yield FieldViolation(
                f"{where}.compset", f"got {stage.get('compset')}, wanted one with 20TR, for "
                "example ICB20TRCNPRDCTCBC"
            )  # fmt: skip
        if stage.get("name") != "ad_spinup" or not isinstance(years, int):
            continue
        length = whole_cycles(years, cycle) if isinstance(cycle, int) and cycle > 0 else years
        if number + 1 < len(stages) and length < LAST_YEAR_OF_FILLING:
            yield FieldViolation(
                f"{where}.years",
                f"got {years} ({length} in whole cycles), wanted at least {LAST_YEAR_OF_FILLING}: "
                "before, ELM's scaling of soil layers is not filled and leaving accelerated "
                "decomposition divides the soil carbon by about 0. Run longer, or make the "
                "accelerated stage the last one and start from a restart file by finidat",
            )
        carbon = data.get("nyears_ad_carbon_only", 25)
        if isinstance(carbon, int) and carbon >= length:
            yield FieldViolation(
                "nyears_ad_carbon_only",
                f"got {carbon}, wanted less than the {length} years of the accelerated stage: "
                "nitrogen and phosphorus would never limit growth",
            )


def _forcing(data: Mapping[str, Any]) -> Iterator[FieldViolation]:
    forcing = data.get("forcing")
    if not isinstance(forcing, Mapping):
        return
    if forcing.get("kind") == "datm":
        first, last = forcing.get("first_year"), forcing.get("last_year")
        if isinstance(first, int) and isinstance(last, int):
            if last < first:
                yield FieldViolation("forcing.last_year", f"got {last}, before first_year {first}")
            else:
                yield from _cycle(data, first, last)
        return
    for name in ("co2_file", "aerosol_file"):
        if forcing.get(name) is not None and not Path(str(forcing[name])).is_file():
            yield FieldViolation(f"forcing.{name}", f"there is no file '{forcing[name]}'")
    if forcing.get("directory") is None:
        return
    path = Path(str(forcing["directory"])) / "all_hourly.nc"
    if not path.is_file():
        yield FieldViolation(
            "forcing.directory",
            f"there is no '{path}'; the bypass with metdata_type 'site' reads one file of this "
            "name, and CIME does not check for it",
        )
        return
    try:
        with netCDF4.Dataset(path) as file:
            names = set(file.variables)
            years = [int(np.ravel(file[name][...])[0]) for name in _YEARS if name in names]
    except (OSError, RuntimeError) as error:
        yield FieldViolation("forcing.directory", f"'{path}' cannot be read: {error}")
        return
    missing = [name for name in (*_FORCING, *_YEARS) if name not in names]
    missing += [] if names & {"RH", "QBOT"} else ["RH"]
    if missing:
        yield FieldViolation("forcing.directory", f"'{path}' lacks {', '.join(missing)}")
    if len(years) == 2:
        yield from _cycle(data, *years)


def _cycle(data: Mapping[str, Any], first: int, last: int) -> Iterator[FieldViolation]:
    wished, length = data.get("forcing_years"), last - first + 1
    if isinstance(wished, int) and wished != length:
        yield FieldViolation(
            "forcing_years",
            f"got {wished}, and the forcing holds the {length} years {first} to {last}, which the "
            f"model repeats; wanted {length}",
        )
