"""`case.submit`: checks as CIME does, then the model in the foreground."""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import Case, fail
from catena.coupler.fake_cime.faults import fault
from catena.coupler.fake_cime.input_data import missing_files
from catena.coupler.fake_cime.model import NAME, run_executable
from catena.coupler.fake_cime.namelists import write_namelists


def main(arguments: Sequence[str], where: str) -> int:
    """Run the case."""
    parser = argparse.ArgumentParser("case.submit")
    parser.add_argument("--no-batch", action="store_true")
    parser.add_argument("--skip-preview-namelist", action="store_true")
    parser.parse_args(arguments)
    case = Case(Path(where))
    if case.get("BUILD_COMPLETE") != "TRUE":
        fail("Cannot run: BUILD_COMPLETE is not TRUE; run ./case.build")
    case.check_locked()
    if fault(case.cime, "queue_rejection", case.root):
        fail("Command: 'sbatch' failed with error 'sbatch: error: invalid account or partition'")
    write_namelists(case)
    if missing_files(case):
        fail("Could not find all inputdata on any server")
    run = Path(case.get("RUNDIR"))
    if case.get("CONTINUE_RUN") == "TRUE" and not (run / "rpointer.drv").exists():
        fail(
            "CONTINUE_RUN is true but this case does not appear to have restart files staged in "
            f"{run} rpointer.drv"
        )
    case.status("case.run starting")
    if run_executable(Path(case.get("EXEROOT")) / NAME, run):
        case.status("case.run error")
        fail(
            "Command 'e3sm.exe' failed; see log file for details: "
            f"{max(run.glob('e3sm.log.*'), default=run)}"
        )
    for log in run.glob("*.log.*"):
        if log.suffix != ".gz":  # CIME packs the logs of a run that has ended
            with gzip.open(f"{log}.gz", "wb") as packed:
                packed.write(log.read_bytes())
            log.unlink()
    case.status("case.run success")
    return 0
