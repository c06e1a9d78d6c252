"""Entries of CIME's `env_*.xml` for a stage."""

from __future__ import annotations

from pathlib import Path

from catena.coupler.elm.config import DatmForcing, ElmConfig
from catena.coupler.elm.stages import StageRun


def run_directory(config: ElmConfig, run: StageRun) -> Path:
    """Where the model runs (RUNDIR)."""
    return config.output_root / run.case / "run"


def executable_directory(config: ElmConfig) -> Path:
    """Where the executable of all stages is (EXEROOT): the first stage builds it."""
    return config.output_root / config.runs[0].case / "bld"


def xml_settings(config: ElmConfig, run: StageRun) -> dict[str, str]:
    """What `xmlchange` sets before `case.setup`, which runs the namelist builder.

    Parameters
    ----------
    config : ElmConfig
    run : StageRun

    Returns
    -------
    dict of str
        The domain files, the site's name and the dates must be in it: without them case.setup
        makes namelists of another place.
    """
    values: dict[str, object] = {
        "NTASKS": config.executor.processes,
        "NTHRDS": 1,
        "RUNDIR": run_directory(config, run),
        "DOUT_S": "FALSE",
        "SAVE_TIMING": "FALSE",
        "ELM_USRDAT_NAME": config.site,
        "LND_DOMAIN_PATH": config.domain_file.parent,
        "LND_DOMAIN_FILE": config.domain_file.name,
        "ATM_DOMAIN_PATH": config.domain_file.parent,
        "ATM_DOMAIN_FILE": config.domain_file.name,
        "STOP_OPTION": "nyears",
        "STOP_N": run.years,
        "REST_OPTION": "nyears",
        "REST_N": restart_interval(run.years, config.restart_years or config.forcing_years),
        "RUN_STARTDATE": f"{run.start:04d}-01-01",
        "CONTINUE_RUN": "FALSE",
    }
    if config.clone_of is None or run.before is not None:
        # A clone of the user's own case runs that case's executable.
        values["EXEROOT"] = executable_directory(config)
    if run.before is None:
        values["RUN_TYPE"] = "startup"
        values["ELM_FORCE_COLDSTART"] = "off" if config.finidat is not None else "on"
    else:
        values["RUN_TYPE"] = run.stage.hand_over
        values["ELM_FORCE_COLDSTART"] = "off"
        values["RUN_REFCASE"] = run.before.case
        values["RUN_REFDATE"] = f"{run.before.end:04d}-01-01"
        values["GET_REFCASE"] = "FALSE"
    if isinstance(config.forcing, DatmForcing):
        values["DATM_MODE"] = config.forcing.mode
        values["DATM_CLMNCEP_YR_START"] = config.forcing.first_year
        values["DATM_CLMNCEP_YR_END"] = config.forcing.last_year
        values["DATM_CLMNCEP_YR_ALIGN"] = config.forcing.align_year
        if config.forcing.directory is not None:
            values["DIN_LOC_ROOT_CLMFORC"] = config.forcing.directory
    values |= config.xml | run.stage.xml
    return {name: str(value) for name, value in values.items()}


def restart_interval(years: int, wished: int) -> int:
    """Years between restart files: the largest up to `wished` with a file at the end too.

    ELM writes restart files at multiples of REST_N only, so one that does not divide the length
    leaves the end of the run without a file.
    """
    return max(n for n in range(1, min(wished, years) + 1) if years % n == 0)


def bgc_spinup(run: StageRun) -> str:
    """Option of the namelist builder: it sets spinup_state and the mortality factor."""
    return f"-bgc_spinup {'on' if run.name == 'ad_spinup' else 'off'}"
