"""A site and how it is calibrated: the YAML file of ``calibrate_site``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from catena.flows.archives import Dataset
from catena.flows.config import FlowConfig, RunName, expand
from catena.flows.rpc import Section

ENSEMBLES = "ensembles"
"""Folder beside that of the sites, with ensembles that a site can name."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Open(BaseModel):
    """A section whose other fields are those of a request."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @property
    def request(self) -> Section:
        """The other fields."""
        return dict(self.model_extra or {})


def _file(value: Any, info: ValidationInfo) -> Any:
    """A path, absolute or relative to the YAML file, with ``${VARIABLE}`` replaced."""
    if not isinstance(value, str):
        return value
    folder = (info.context or {}).get("folder", Path.cwd())
    path = Path(folder, Path(expand(value)).expanduser())
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


class Files(_Model):
    """The user's runs: one table of parameters and one of outputs (CSV, npy or netCDF).

    Paths are absolute or relative to the YAML file; ``${VARIABLE}`` is replaced.
    """

    parameters_file: Path
    outputs_file: Path

    @field_validator("parameters_file", "outputs_file", mode="before")
    @classmethod
    def _locate(cls, value: Any, info: ValidationInfo) -> Any:
        return _file(value, info)


class _FromArchive(_Open):
    """A section with an archive that data-ingest reads first: fields of IngestDatasetRequest."""

    ingest: Dataset | None = None

    @field_validator("ingest", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return {"name": "data", **value} if isinstance(value, dict) else value


class Forcing(_FromArchive):
    """The weather: a site's driver file at `path`, or what `ingest` reads.

    All other fields are those of the message Forcing.
    """

    path: Path | None = None

    @field_validator("path", mode="before")
    @classmethod
    def _locate(cls, value: Any, info: ValidationInfo) -> Any:
        return _file(value, info)

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = {"path", "ingest", "dataset", "files"} & (self.model_fields_set | set(self.request))
        if len(given) != 1:
            raise ValueError(
                "wanted one of path (a site's driver file), ingest (what data-ingest reads), "
                "dataset and files (artifacts that are there)"
            )
        return self


class Setup(_Open):
    """What all members have in common; all other fields are those of the message Setup."""

    forcing: Forcing


class Run(_Open):
    """Runs of a land model; all other fields are those of RunEnsembleRequest."""

    setup: Setup


class Ensemble(_Open):
    """Runs of the model: those of `run`, the user's `files`, or `generated` ones.

    For `run`, the fields variables, cells, start and end say which outputs are calibrated on, as in
    the message EnsembleRuns. All other fields are those of ImportEnsembleRequest.
    """

    files: Files | None = None
    run: Run | None = None

    of_runs: ClassVar[tuple[str, ...]] = ("variables", "cells", "start", "end")

    @model_validator(mode="after")
    def _sources(self) -> Self:
        if self.run is None and (lost := [name for name in self.of_runs if name in self.request]):
            raise ValueError(f"{lost[0]} belongs to run, which is missing")
        if self.run is not None and self.files is not None:
            raise ValueError("got run and files; wanted one of them")
        return self


class SyntheticObservation(_Model):
    """An observation made from one run of the ensemble plus noise; reports call it synthetic."""

    run: int = Field(ge=0)
    error_fraction: float = Field(default=0.3, gt=0)
    seed: int = 0


class ObservedData(_FromArchive):
    """What `ingest` reads holds the observation; other fields: those of ReadObservationRequest."""

    ingest: Dataset


class Observation(_Open):
    """What was observed: values and errors as in the message Observation, data, or a synthetic one.

    Parameters
    ----------
    synthetic : SyntheticObservation, optional
    data : ObservedData, optional
        Data of an archive; needs an ensemble of runs.
    """

    synthetic: SyntheticObservation | None = None
    data: ObservedData | None = None

    @field_validator("synthetic", mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(
                "wanted run, error_fraction and seed of a synthetic observation; leave it out "
                "where values are given"
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.synthetic is not None and self.data is not None:
            raise ValueError("got synthetic and data; wanted one of them")
        return self


class Predictive(_Model):
    """Runs of the model itself with draws of the posterior; for ensembles of `run`."""

    draws: int = Field(default=100, ge=2, le=10_000)
    seed: int = Field(default=0, ge=0)


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
    ensemble : Ensemble
        Or the name of a file in the folder ``ensembles`` beside that of this one, see
        :class:`Choice`.
    observation : Observation
    predictive : Predictive
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
    predictive: Predictive = Predictive()
    report: Section = Field(default_factory=dict)

    @field_validator("surrogate", "posterior", "check", "mcmc", "report", mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value  # "mcmc:" with nothing below it

    @classmethod
    def from_plain(cls, data: Any, folder: Path, where: str = "the file") -> Self:
        """Check plain data; an ensemble that is only named is read from its own file."""
        if isinstance(data, dict) and isinstance(data.get("ensemble"), str):
            data = {**data, **Choice.named(data["ensemble"], folder).sections}
        return super().from_plain(data, folder, where)

    @classmethod
    def from_file(cls, path: str | Path, ensemble: str = "") -> Self:
        """Read a YAML file, perhaps with another ensemble than the one that it holds."""
        if not ensemble:
            return super().from_file(path)
        path = Path(path).absolute()
        data = cls.read(path)
        if isinstance(data, dict):
            data = {**data, "ensemble": ensemble}
        return cls.from_plain(data, path.parent, where=str(path))


class Choice(FlowConfig):
    """An ensemble of its own file, with the title and observation that belong to it.

    What it holds replaces the site's. Paths in it are relative to it.
    """

    wanted: ClassVar[str] = "ensemble, ..."

    title: str = ""
    ensemble: Ensemble
    observation: Observation | None = None

    @classmethod
    def named(cls, name: str, folder: Path) -> Self:
        """The ensemble of a name, or of the path of a YAML file, for a site in `folder`."""
        if name.endswith((".yaml", ".yml")):
            return cls.from_file(folder / name)
        return cls.from_file(folder.parent / ENSEMBLES / f"{name}.yaml")

    @property
    def sections(self) -> dict[str, Any]:
        """Sections of a site that it replaces."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in given.items() if value}
