"""What a case of ELM is made from: one YAML file, checked once, with every problem at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catena.coupler.elm.compsets import point_compset
from catena.coupler.elm.config_checks import problems
from catena.coupler.elm.spin_up_options import SpinUpOptions
from catena.coupler.elm.stages import Stage, StageRun, run_dates
from catena.shared.errors import FieldViolation, InvalidRequest, NotFound

_WORD = r"^[A-Za-z0-9][A-Za-z0-9._:@+-]*$"
"""What is passed on to programs and to scripts of batch systems."""
ExecutorName = Literal["local", "slurm", "pbs", "lsf", "flux", "none"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BypassForcing(_Section):
    """Coupler bypass: ELM reads `all_hourly.nc` itself."""

    kind: Literal["bypass"] = "bypass"
    directory: Path
    co2_file: Path
    aerosol_file: Path


class DatmForcing(_Section):
    """The data atmosphere DATM."""

    kind: Literal["datm"] = "datm"
    mode: str = "CLM1PT"
    first_year: int
    last_year: int
    align_year: int = 1
    directory: Path | None = None


class History(_Section):
    """One history stream; the first is h0."""

    variables: tuple[str, ...] = ()
    frequency: int = Field(default=-8760, le=24 * 366)
    """hist_nhtfrq: 0 monthly, below 0 hours (-24 daily, -8760 yearly), above 0 time steps."""
    records: int = Field(default=1, gt=0)
    """hist_mfilt: records in a file."""
    gridded: bool = True
    """hist_dov2xy: averages of the cell; False for each column or PFT."""


class Executor(_Section):
    """Where the model runs: through PSI/J, or ``none`` for the foreground of this program."""

    kind: ExecutorName = "local"
    queue: str | None = Field(default=None, pattern=_WORD)
    project: str | None = Field(default=None, pattern=_WORD)
    walltime: str = Field(default="01:00:00", pattern=r"^\d{2,3}:[0-5]\d:[0-5]\d$")
    nodes: int = Field(default=1, gt=0)
    processes: int = Field(default=1, gt=0)
    launcher: Literal["single", "multiple", "mpirun", "srun", "aprun", "jsrun"] = "single"
    """PSI/J's launcher of an ensemble's members."""


class ElmConfig(_Section):
    """A case of ELM with its stages."""

    cime_root: Path
    """Checkout of E3SM: the folder that holds `cime`."""
    case_root: Path
    """Folder of the cases and of their state; one case directory for each stage."""
    output_root: Path
    """Folder of the run directories and of the executable."""
    case_name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9.-]{0,60}$")
    compset: str = "ICB1850CNPRDCTCBC"
    resolution: str = "ELM_USRDAT"
    machine: str = Field(pattern=_WORD)
    compiler: str = Field(pattern=_WORD)
    mpilib: str = Field(default="mpi-serial", pattern=_WORD)
    driver: Literal["mct", "moab"] = "mct"
    clone_of: Path | None = None
    """A built case to take the executable and the settings from."""
    site: str = Field(pattern=_WORD)
    surface_file: Path
    domain_file: Path
    parameter_file: Path
    land_use_file: Path | None = None
    """flanduse_timeseries of the transient stage; without it the land's cover does not change."""
    finidat: Path | None = None
    """Restart file of the first stage; without it the first stage starts cold."""
    forcing: Annotated[BypassForcing | DatmForcing, Field(discriminator="kind")]
    forcing_years: int = Field(gt=0, le=500)
    """Length of one forcing cycle, years."""
    stages: tuple[Stage, ...] = Field(min_length=1)
    restart_years: int | None = Field(default=None, gt=0)
    """Years between restart files; a forcing cycle by default."""
    nyears_ad_carbon_only: int = Field(default=25, ge=0)
    phosphorus_in_ad: Literal["supplemented", "limiting"] = "supplemented"
    namelist: dict[str, Any] = Field(default_factory=dict)
    xml: dict[str, str | int | float] = Field(default_factory=dict)
    history: tuple[History, ...] = (History(),)
    executor: Executor = Executor()
    spin_up: SpinUpOptions = SpinUpOptions()
    rebuild: bool = False
    """Whether a changed build setting may throw the executable away (`case.build --clean-all`)."""
    git_name: str = "catena"
    git_email: str = "catena@localhost"

    @cached_property
    def runs(self) -> tuple[StageRun, ...]:
        """The stages with their dates."""
        return run_dates(self.stages, self.case_name, self.forcing_years)

    @property
    def scripts(self) -> Path:
        """Folder of `create_newcase`."""
        return self.cime_root / "cime" / "scripts"

    @property
    def environment(self) -> dict[str, str]:
        """What CIME's programs get besides the environment of this one.

        CIME commits to a git repository in the case directory, so it needs an identity; it takes
        the model from CIME_MODEL where its own folder does not tell.
        """
        identity = {"NAME": self.git_name, "EMAIL": self.git_email}
        return {
            "CIME_MODEL": "e3sm",
            **{f"GIT_AUTHOR_{key}": value for key, value in identity.items()},
            **{f"GIT_COMMITTER_{key}": value for key, value in identity.items()},
        }

    def compset_of(self, run: StageRun) -> str:
        """Compset of a stage; a point of an alias gets the long name without rivers."""
        named = run.stage.compset or self.compset
        return point_compset(named) if self.resolution == "ELM_USRDAT" else named

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> ElmConfig:
        """Check what a YAML file holds.

        Raises
        ------
        InvalidRequest
            With every problem at once.
        """
        found: list[FieldViolation] = []
        config = None
        try:
            config = cls.model_validate(dict(data))
        except ValidationError as error:
            found = [_violation(item) for item in error.errors(include_url=False)]
        found += problems(data)
        if found or config is None:
            raise InvalidRequest(
                f"configuration of ELM: {len(found)} problem{'s' * (len(found) != 1)}",
                violations=found,
            )
        return config

    @classmethod
    def load(cls, path: Path) -> ElmConfig:
        """Read a YAML file; `$NAME` in its values is taken from the environment.

        Raises
        ------
        NotFound
            When there is no such file.
        InvalidRequest
            When it is no YAML mapping, and with every problem of its content at once.
        """
        if not path.is_file():
            raise NotFound(f"there is no configuration '{path}'; write it or give its path")
        try:
            data = _expanded(yaml.safe_load(path.read_text()))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"'{path.name}' is no YAML: {error}") from error
        if not isinstance(data, dict):
            raise InvalidRequest(
                f"'{path.name}' holds a {type(data).__name__}, wanted names with values"
            )
        return cls.from_mapping(data)


def _expanded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _expanded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    return os.path.expandvars(value) if isinstance(value, str) else value


def _violation(item: Any) -> FieldViolation:
    where = ".".join(str(part) for part in item["loc"] if part not in ("bypass", "datm"))
    came = "" if item["type"] == "missing" else f"; got {item['input']!r}"
    return FieldViolation(where, item["msg"][:1].lower() + item["msg"][1:] + came[:200])
