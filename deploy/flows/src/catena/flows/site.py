"""A site and how it is calibrated: the YAML file of ``calibrate_site``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from catena.flows.config import FlowConfig, RunName, expand
from catena.flows.rpc import Section


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Files(_Model):
    """The user's runs: one table of parameters and one of outputs (CSV, npy or netCDF).

    Paths are absolute or relative to the YAML file; ``${VARIABLE}`` is replaced.
    """

    parameters_file: Path
    outputs_file: Path

    @field_validator("parameters_file", "outputs_file", mode="before")
    @classmethod
    def _locate(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        folder = (info.context or {}).get("folder", Path.cwd())
        path = Path(folder, Path(expand(value)).expanduser())
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path


class Ensemble(BaseModel):
    """Runs of the model: the user's files, or generated ones.

    All other fields (parameters, outputs, held_out_runs, ...) are those of ImportEnsembleRequest.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    files: Files | None = None

    @property
    def request(self) -> Section:
        """Fields of the request, without the files."""
        return dict(self.model_extra or {})


class SyntheticObservation(_Model):
    """An observation made from one run of the ensemble plus noise; reports call it synthetic."""

    run: int = Field(ge=0)
    error_fraction: float = Field(default=0.3, gt=0)
    seed: int = 0


class Observation(BaseModel):
    """What was observed: values with errors as in the message Observation, or a synthetic one."""

    model_config = ConfigDict(frozen=True, extra="allow")

    synthetic: SyntheticObservation | None = None

    @property
    def message(self) -> Section:
        """Fields of the message Observation."""
        return dict(self.model_extra or {})

    @field_validator("synthetic", mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(
                "wanted run, error_fraction and seed of a synthetic observation; leave it out "
                "where values are given"
            )
        return value


class Site(FlowConfig):
    """One site: its ensemble, its observation, and settings for each step.

    The sections surrogate, posterior, check, mcmc and report hold the fields of the requests
    TrainSurrogate, TrainPosterior, CheckCalibration, RunMcmc and WriteReport; references between
    them are filled in by the flow.

    Parameters
    ----------
    site : str
        Short name, e.g. ``US-MOz``; the report's file is called after it.
    title : str
        For the report.
    ensemble, observation
        The data.
    """

    wanted: ClassVar[str] = "site, ensemble, observation, ..."

    site: RunName
    title: str = ""
    ensemble: Ensemble
    observation: Observation
    surrogate: Section = Field(default_factory=dict)
    posterior: Section = Field(default_factory=dict)
    check: Section = Field(default_factory=dict)
    mcmc: Section = Field(default_factory=dict)
    report: Section = Field(default_factory=dict)

    @field_validator("surrogate", "posterior", "check", "mcmc", "report", mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value  # "mcmc:" with nothing below it
