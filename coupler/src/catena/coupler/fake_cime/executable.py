"""What `case.build` builds: reads the namelists of its directory, runs the embedded model."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from catena.coupler.embedded import Columns, ParameterSet, State
from catena.coupler.fake_cime import killing
from catena.coupler.fake_cime.faults import fault
from catena.coupler.fake_cime.land import Land
from catena.coupler.fake_cime.namelists import read_namelist
from catena.coupler.fake_cime.output_files import OutputFiles, spoil
from catena.coupler.fake_cime.tapes import tapes_of
from catena.coupler.fake_cime.weather import DAYS, generated
from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart import read_restart
from catena.shared.errors import CatenaError, InvalidData


class Run:
    """One run in a directory."""

    def __init__(self, folder: Path, cime: Path) -> None:
        self.folder, self.cime = folder, cime
        self.namelist = read_namelist(folder / "lnd_in")
        self.driver = read_namelist(folder / "drv_in")
        lid = read_namelist(folder / "cpl_modelio.nml")["logfile"].strip("\"'")
        self.stamp = lid.removeprefix("cpl.log.")
        self.case = self._text("case_name")
        self.kind = self._text("start_type")
        self.start = int(self.driver["start_ymd"]) // 10000
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

    def years(self) -> tuple[int, int]:
        """Length of the run, and of the intervals between restart files.

        Raises
        ------
        InvalidData
            When they are not given in years.
        """
        for name in ("stop_option", "restart_option"):
            if self._text(name) != "nyears":
                raise InvalidData(
                    f"{name} is {self._text(name)}; the stand-in for ELM runs whole years (nyears)"
                )
        return int(self.driver["stop_n"]), int(self.driver["restart_n"])

    def initial(self, land: Land) -> tuple[State, int]:
        """State and year that the run begins with."""
        if self.kind == "continue":
            named = (self.folder / "rpointer.lnd").read_text().strip()
        else:
            key = "nrevsn" if self.kind == "branch" else "finidat"
            named = self.namelist.get(key, "").strip("' ")
        if not named:
            return land.cold(), self.start
        restart = read_restart(self.folder / named, in_memory=True)
        if restart.spinup_state == 1 and not land.accelerated:
            self.log("lnd", "leaving accelerated decomposition")
        goes_on = self.kind in ("continue", "branch")
        return land.state_of(restart), restart.date.year if goes_on else self.start


def main(cime: str, bypass: bool, folder: Path | None = None, kept: Path | None = None) -> int:
    """Run the model in a directory, by default the current one; its exit status.

    Weather made from a site's file lies in the folder `kept`, for all runs of an executable.
    """
    run = Run(folder or Path.cwd(), Path(cime))
    if "metdata_bypass" in run.namelist:
        if not bypass:
            return run.abort("no atmosphere: this executable was built without CPL_BYPASS")
        met = run.folder / run.namelist["metdata_bypass"].strip("'") / "all_hourly.nc"
        if not met.exists():
            return run.abort(f"nf90_open: No such file or directory: {met}")
    if fault(run.cime, "queue_rejection", run.folder):
        return run.abort("slurmstepd: error: invalid account or partition")
    try:
        _integrate(run, kept)
    except CatenaError as error:
        return run.abort(str(error))
    if fault(run.cime, "no_termination", run.folder) is None:
        run.log(
            "cpl", "(seq_mct_drv): ===============          SUCCESSFUL TERMINATION OF CPL7-e3sm"
        )
    return 0


def _integrate(run: Run, kept: Path | None) -> None:
    years, every = run.years()
    land = Land.read(run.folder, run.namelist, run.start, kept)
    run.log("lnd", f"atmosphere: {land.weather.source}")
    files = OutputFiles(run.folder, run.case, run.start, land)
    tapes = tapes_of(run.namelist, files.write_history)
    variables = tuple(dict.fromkeys(name for tape in tapes for name in tape.variables))
    state, first = run.initial(land)
    if run.kind == "startup":
        stocks = files.stocks(state, first)
        for tape in tapes:
            tape.begin(stocks)
    killed = fault(run.cime, "killed_run", run.folder)
    slow = fault(run.cime, "slow_run", run.folder)
    broken = fault(run.cime, "nan_restart", run.folder) is not None
    restarts = fault(run.cime, "no_restart", run.folder) is None
    for year in range(first, first + years):
        if killed is not None and year - first >= killed.after_years:
            run.log("e3sm", "slurmstepd: error: *** JOB CANCELLED DUE TO TIME LIMIT ***")
            killing.end_now()
        if slow is not None:
            time.sleep(slow.seconds)
        made = land.run(state, year, variables)
        state = made.state
        values = {name: made.history(name)[0, 0] for name in variables}
        for tape in tapes:
            tape.add_year(float(DAYS * (year - run.start)), made.days, values)
        last = year + 1 == first + years
        if restarts and (year + 1 - run.start) % every == 0:
            for tape in tapes:
                tape.close()
            path = files.write_restart(state, year + 1)
            if broken and last:
                spoil(path)
        run.log("cpl", f" tStamp_write: model date = {(year + 1) * 10000 + 101:08d}")
    for tape in tapes:
        tape.close()


def compile_model() -> int:
    """Translate the model to machine code, which is kept for all runs, by running it for a year."""
    columns = Columns.site(40.0, -90.0, 40.0, 20.0, {PFT_NAMES[7]: 1.0})
    land = Land(columns, ParameterSet.default(), generated(40.0), 0.0, 284.7, False, 0)
    made = land.run(land.cold(), 1, ("GPP",))
    return 0 if np.isfinite(made.history("GPP")).all() else 1
