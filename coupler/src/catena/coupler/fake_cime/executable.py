"""What `case.build` builds: reads the namelists of its directory, writes the model's files."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import netCDF4

from catena.coupler.fake_cime.carbon_box import Pools, leave_acceleration, step
from catena.coupler.fake_cime.faults import fault
from catena.coupler.fake_cime.namelists import read_namelist
from catena.coupler.fake_cime.output_files import (
    Record,
    date_text,
    read_restart,
    write_history,
    write_restart,
)

PARAMETERS = {
    "slatop": 7, "flnr": 7, "rootb_par": 7, "frootcn": 7, "froot_leaf": 7,
    "br_mr": 0, "crit_dayl": 0,
}  # fmt: skip
"""Index of the site's plant in each parameter that is read."""


class Run:
    """One run in a directory."""

    def __init__(self, folder: Path, cime: Path) -> None:
        self.folder, self.cime = folder, cime
        self.land = read_namelist(folder / "lnd_in")
        self.driver = read_namelist(folder / "drv_in")
        lid = read_namelist(folder / "cpl_modelio.nml")["logfile"].strip("\"'")
        self.stamp = lid.removeprefix("cpl.log.")
        self.case = self._text("case_name")
        self.start = int(self.driver["start_ymd"]) // 10000
        self.spinup_state = int(self.land["spinup_state"])
        self.log("e3sm", f"case {self.case}: started")

    def _text(self, name: str) -> str:
        return self.driver[name].strip("\"'")

    def log(self, component: str, text: str) -> None:
        """Add a line to a component's log."""
        with (self.folder / f"{component}.log.{self.stamp}").open("a") as file:
            file.write(text + "\n")

    def abort(self, text: str) -> int:
        """End with an error as the model does."""
        self.log("lnd", text)
        self.log("e3sm", f" ERROR: {text}")
        return 1

    def parameters(self) -> dict[str, float]:
        """Parameters of the site's plant, read from the run's own file."""
        path = self.folder / self.land["paramfile"].strip("'")
        with netCDF4.Dataset(path) as file:
            return {name: float(file[name][:].ravel()[index]) for name, index in PARAMETERS.items()}

    def initial(self) -> tuple[Pools, int, bool]:
        """Pools, year, and whether this is a start-up run."""
        if self._text("start_type") == "continue":
            named = (self.folder / "rpointer.lnd").read_text().strip()
        else:
            key = "nrevsn" if self._text("start_type") == "branch" else "finidat"
            named = self.land.get(key, "").strip("' ")
        if not named:
            return Pools(), self.start, True
        pools, flag, date = read_restart(self.folder / named)
        if flag == 1 and self.spinup_state == 0:
            self.log("lnd", "leaving accelerated decomposition")
            pools = leave_acceleration(pools)
        continued = self._text("start_type") in ("continue", "branch")
        return pools, date // 10000 if continued else self.start, not continued


def main(cime: str, template: str, bypass: bool) -> int:
    """Run the model in the current directory."""
    folder = Path.cwd()
    run = Run(folder, Path(cime))
    if "metdata_bypass" in run.land:
        if not bypass:
            return run.abort("no atmosphere: this executable was built without CPL_BYPASS")
        met = folder / run.land["metdata_bypass"].strip("'") / "all_hourly.nc"
        if not met.exists():
            return run.abort(f"nf90_open: No such file or directory: {met}")
    if fault(run.cime, "queue_rejection", folder):
        return run.abort("slurmstepd: error: invalid account or partition")
    parameters = run.parameters()
    pools, first, started = run.initial()
    reference = f"{run.start:04d}-01-01"
    if started:
        record = Record(0.0, 0.0, run.start * 10000 + 101, pools, None)
        _history(run, first, reference, [record])
    years, every = int(run.driver["stop_n"]), int(run.driver["restart_n"])
    killed = fault(run.cime, "killed_run", folder)
    slow = fault(run.cime, "slow_run", folder)
    broken = fault(run.cime, "nan_restart", folder) is not None
    restarts = fault(run.cime, "no_restart", folder) is None
    for year in range(first, first + years):
        if killed is not None and year - first >= killed.after_years:
            run.log("e3sm", "slurmstepd: error: *** JOB CANCELLED DUE TO TIME LIMIT ***")
            os.kill(os.getpid(), signal.SIGKILL)
        if slow is not None:
            time.sleep(slow.seconds)
        pools, yielded = step(pools, parameters, year, bool(run.spinup_state))
        begin = 365.0 * (year - run.start)
        date = (year + 1) * 10000 + 101
        _history(run, year + 1, reference, [Record(begin, begin + 365.0, date, pools, yielded)])
        last = year + 1 == first + years
        if restarts and (year + 1 - run.start) % every == 0:
            _restart(run, Path(template), year + 1, pools, broken and last)
        run.log("cpl", f" tStamp_write: model date = {date:08d}")
    if fault(run.cime, "no_termination", folder) is None:
        run.log(
            "cpl", "(seq_mct_drv): ===============          SUCCESSFUL TERMINATION OF CPL7-e3sm"
        )
    return 0


def _history(run: Run, year: int, reference: str, records: list[Record]) -> None:
    path = run.folder / f"{run.case}.elm.h0.{date_text(year)}.nc"
    write_history(path, run.case, reference, records)


def _restart(run: Run, template: Path, year: int, pools: Pools, broken: bool) -> None:
    name = f"{run.case}.elm.r.{date_text(year)}.nc"
    path = run.folder / name
    write_restart(path, template, run.case, (run.start, year), pools, run.spinup_state, broken)
    coupler = f"{run.case}.cpl.r.{date_text(year)}.nc"
    (run.folder / coupler).write_bytes((run.folder / name).read_bytes())
    (run.folder / "rpointer.lnd").write_text(f"./{name}\n")
    (run.folder / "rpointer.drv").write_text(f"{coupler}\n")
