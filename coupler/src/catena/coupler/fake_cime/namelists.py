"""`preview_namelists`, and the namelist builder that `case.setup` and `case.submit` call too."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import Case, fail
from catena.coupler.fake_cime.input_data import LIST
from catena.coupler.fake_cime.killing import perhaps_killed

KNOWN = frozenset(
    (
        "aero_file",
        "check_finidat_fsurdat_consistency",
        "check_finidat_year_consistency",
        "co2_file",
        "co2_ppmv",
        "co2_type",
        "fatmlndfrc",
        "finidat",
        "flanduse_timeseries",
        "fsoilordercon",
        "fsurdat",
        "hist_dov2xy",
        "hist_empty_htapes",
        *(f"hist_fincl{number}" for number in range(1, 7)),
        "hist_mfilt",
        "hist_nhtfrq",
        "metdata_bypass",
        "metdata_type",
        "nrevsn",
        "nu_com",
        "nyears_ad_carbon_only",
        "paramfile",
        "spinup_state",
        "stream_fldfilename_ndep",
        "suplnitro",
        "suplphos",
        "use_nofire",
    )
)
FILES = ("fsurdat", "paramfile", "finidat", "nrevsn", "fatmlndfrc", "fsoilordercon")
_ENTRY = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*$")


def read_namelist(path: Path) -> dict[str, str]:
    """Entries of a namelist file as text; groups are not told apart."""
    found = {}
    for line in path.read_text().splitlines():
        entry = _ENTRY.match(line.split("!", 1)[0])
        if entry:
            found[entry[1].lower()] = entry[2]
    return found


def _namelist(group: str, entries: Mapping[str, str]) -> str:
    body = "".join(f" {name} = {entries[name]}\n" for name in sorted(entries))
    return f"&{group}\n{body}/\n"


def _land_entries(case: Case) -> dict[str, str]:
    user = case.root / "user_nl_elm"
    entries = read_namelist(user) if user.exists() else {}
    for name in entries:
        if name not in KNOWN:
            fail(
                "Command: 'build-namelist' failed with error 'ERROR : CLM build-namelist:: "
                f"Invalid namelist variable in '-infile'. Variable name {name} not found in "
                "namelist_definition.xml'"
            )
    spinup = re.findall(r"-bgc_spinup\s+(on|off)", case.get("ELM_BLDNML_OPTS"))
    wanted = "1" if spinup and spinup[-1] == "on" else "0"
    if entries.get("spinup_state", wanted) != wanted:
        fail(
            "Command: 'build-namelist' failed with error 'Namelist spinup_state contradicts the "
            "command line option bgc_spinup'"
        )
    domain = f"{case.get('LND_DOMAIN_PATH')}/{case.get('LND_DOMAIN_FILE')}"
    entries = {
        "co2_ppmv": case.get("CCSM_CO2_PPMV"),
        "suplphos": "'NONE'",
        "finidat": "' '",
        **entries,
        "spinup_state": wanted,
        "fatmlndfrc": f"'{domain}'",
    }
    if case.get("RUN_TYPE") in ("hybrid", "branch"):
        restart = f"'{case.get('RUN_REFCASE')}.elm.r.{case.get('RUN_REFDATE')}-00000.nc'"
        entries["finidat" if case.get("RUN_TYPE") == "hybrid" else "nrevsn"] = restart
    return entries


def write_namelists(case: Case) -> None:
    """Write what the model reads into the run directory, and the list of its input files."""
    land = _land_entries(case)
    run = Path(case.get("RUNDIR"))
    run.mkdir(parents=True, exist_ok=True)
    run_type = "continue" if case.get("CONTINUE_RUN") == "TRUE" else case.get("RUN_TYPE")
    start = case.get("RUN_STARTDATE").replace("-", "")
    driver = {
        "case_name": f'"{case.get("CASE")}"',
        "start_type": '"{}"'.format("startup" if run_type == "hybrid" else run_type),
        "start_ymd": start,
        "stop_option": f'"{case.get("STOP_OPTION")}"',
        "stop_n": case.get("STOP_N"),
        "restart_option": f'"{case.get("REST_OPTION")}"',
        "restart_n": case.get("REST_N"),
    }
    # As the number of a job does, a count tells runs of one second apart. Each run has this log.
    lid = f"{1 + len(list(run.glob('e3sm.log.*')))}.{time.strftime('%y%m%d-%H%M%S')}"
    texts = {
        "lnd_in": _namelist("elm_inparm", land),
        "drv_in": _namelist("seq_timemgr_inparm", driver),
        "seq_maps.rc": "fake: unset\n",
        **{
            f"{component}_modelio.nml": _namelist(
                "modelio", {"diro": f'"{run}"', "logfile": f'"{component}.log.{lid}"'}
            )
            for component in ("cpl", "lnd")
        },
    }
    docs = case.root / "CaseDocs"
    docs.mkdir(exist_ok=True)
    for name, text in texts.items():
        (run / name).write_text(text)
        shutil.copyfile(run / name, docs / name)
    lines = [f"{name} = {land[name].strip(chr(39)).strip()}\n" for name in FILES if name in land]
    (case.root / "Buildconf" / LIST).write_text("".join(lines))


def main(arguments: Sequence[str], where: str) -> int:
    """Write the namelists."""
    case = Case(Path(where))
    perhaps_killed(case.cime, "preview_namelists", case.root)
    write_namelists(case)
    sys.stdout.write("Create namelist for component elm\n")
    return 0
