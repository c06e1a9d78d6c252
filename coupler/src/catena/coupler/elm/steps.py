"""The steps that make a case ready to run, each a list of actions that follows from the config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catena.coupler.elm.actions import Action, AppendLine, Command, CopyFile, Submit, WriteFile
from catena.coupler.elm.config import BypassForcing, ElmConfig
from catena.coupler.elm.namelist import user_namelist
from catena.coupler.elm.settings import bgc_spinup, run_directory, xml_settings
from catena.coupler.elm.stages import StageRun, restart_name

BYPASS_FLAG = 'string(APPEND CPPDEFS " -DCPL_BYPASS")'
"""For cmake_macros: land model and driver both look at it, so an option of ELM alone will not do.

`-cppdefs` in ELM_CONFIG_OPTS would also replace the one that is there (-DMODAL_AER): of two, ELM's
configure takes the last."""
STEPS = (
    "create",
    "settings",
    "namelist",
    "setup",
    "macros",
    "build",
    "restart",
    "namelists",
    "input_data",
)
BUILD_SETTINGS = ("DEBUG", "ELM_CONFIG_OPTS", "COMPILER", "MPILIB", "PIO_VERSION", "GMAKE_J")


@dataclass(frozen=True)
class CaseSteps:
    """Actions of one stage's case.

    Parameters
    ----------
    config : ElmConfig
    run : StageRun
    restart : Path, optional
        A restart file to start from in place of the one of the stage before, as an emulator's.
    """

    config: ElmConfig
    run: StageRun
    restart: Path | None = None

    @property
    def root(self) -> Path:
        """The case directory."""
        return self.config.case_root / self.run.case

    @property
    def run_folder(self) -> Path:
        """The run directory."""
        return run_directory(self.config, self.run)

    @property
    def shares_executable(self) -> bool:
        """Whether another case built it."""
        return self.run.before is not None or self.config.clone_of is not None

    def _case(self, name: str, *arguments: str) -> Command:
        return Command((f"./{name}", *arguments), self.root)

    def actions(self, step: str, again: bool = False) -> list[Action]:
        """What a step does.

        Parameters
        ----------
        step : str
            One of :data:`STEPS`.
        again : bool
            Whether it has been done before with other settings.
        """
        made: list[Action] = getattr(self, f"_{step}")(again)
        return made

    def _create(self, again: bool) -> list[Action]:
        config, scripts = self.config, self.config.scripts
        first = config.runs[0]
        parent: Path | None = config.clone_of
        if self.run.before is not None:
            same = config.compset_of(self.run) == config.compset_of(first)
            parent = config.case_root / first.case if same else None
        if parent is not None:
            argv = ["--case", str(self.root), "--clone", str(parent), "--keepexe"]
            argv += ["--cime-output-root", str(config.output_root)]
            return [Command((str(scripts / "create_clone"), *argv), config.case_root)]
        argv = ["--case", str(self.root), "--res", config.resolution]
        argv += ["--compset", config.compset_of(self.run), "--mach", config.machine]
        argv += ["--compiler", config.compiler, "--mpilib", config.mpilib]
        argv += ["--driver", config.driver, "--output-root", str(config.output_root)]
        argv += ["--handle-preexisting-dirs", "u" if self.shares_executable else "r"]
        if config.executor.project is not None:
            argv += ["--project", config.executor.project]
        return [Command((str(scripts / "create_newcase"), *argv), config.case_root)]

    def _settings(self, again: bool) -> list[Action]:
        values = xml_settings(self.config, self.run)
        plain = {name: value for name, value in values.items() if "," not in value}
        listed = ",".join(f"{name}={value}" for name, value in plain.items())
        made: list[Action] = [self._case("xmlchange", listed)]
        for name, value in values.items():
            if name not in plain:  # xmlchange splits its list at commas
                made.append(self._case("xmlchange", "--id", name, f"--val={value}"))
        option = f"ELM_BLDNML_OPTS={bgc_spinup(self.run)}"
        return [*made, self._case("xmlchange", "--append", option)]

    def _namelist(self, again: bool) -> list[Action]:
        return [WriteFile(self.root / "user_nl_elm", user_namelist(self.config, self.run))]

    def _setup(self, again: bool) -> list[Action]:
        return [self._case("case.setup", *(["--reset"] if again else []))]

    def _macros(self, again: bool) -> list[Action]:
        if self.shares_executable or not isinstance(self.config.forcing, BypassForcing):
            return []
        return [AppendLine(self.root / "cmake_macros" / "universal.cmake", BYPASS_FLAG)]

    def _build(self, again: bool) -> list[Action]:
        if self.shares_executable:
            return [self._case("xmlchange", "BUILD_COMPLETE=TRUE")]
        clean = [self._case("case.build", "--clean-all")] if again else []
        return [*clean, self._case("case.build")]

    def _restart(self, again: bool) -> list[Action]:
        before = self.run.before
        if before is None:
            return []
        source, target = run_directory(self.config, before), self.run_folder
        restart = self.restart or source / before.restart_name
        made: list[Action] = [CopyFile(restart, target / before.restart_name)]
        if self.run.stage.hand_over == "branch":
            driver = restart_name(before.case, before.end, "cpl")
            made.append(CopyFile(source / driver, target / driver))
            made.append(WriteFile(target / "rpointer.drv", f"{driver}\n"))
            made.append(WriteFile(target / "rpointer.lnd", f"./{before.restart_name}\n"))
        return made

    def _namelists(self, again: bool) -> list[Action]:
        return [self._case("preview_namelists")]

    def _input_data(self, again: bool) -> list[Action]:
        return [self._case("check_input_data")]

    def submit(self) -> Submit:
        """The run itself."""
        executor = self.config.executor.kind
        return Submit((str(self.root / "case.submit"), "--no-batch"), self.root, executor)

    def inputs(self, step: str) -> dict[str, object]:
        """What a step depends on; when it changes the step is done again."""
        values: dict[str, object] = {"actions": [str(action) for action in self.actions(step)]}
        if step in ("setup", "macros", "namelists", "input_data"):
            values |= {name: self.inputs(name) for name in ("settings", "namelist")}
        if step == "build":
            chosen = xml_settings(self.config, self.run)
            values |= {
                "create": self.inputs("create"),
                "macros": [str(action) for action in self.actions("macros")],
                "xml": {name: chosen[name] for name in BUILD_SETTINGS if name in chosen},
            }
        return values
