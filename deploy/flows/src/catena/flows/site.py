"""A site and how it is calibrated: the YAML file of ``calibrate_site``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from catena.flows.archives import OneDataset
from catena.flows.config import (
    ClosedSection,
    FlowConfig,
    LocalFile,
    OpenSection,
    RunName,
    StepFields,
)

ENSEMBLES = "ensembles"
"""Folder beside that of the sites, with ensembles that a site can name."""


class Files(ClosedSection):
    """The user's runs: one table of parameters and one of outputs (CSV, npy or netCDF).

    Paths are absolute or relative to the YAML file; ``${VARIABLE}`` is replaced.
    """

    parameters_file: LocalFile
    outputs_file: LocalFile


class Forcing(OpenSection):
    """The weather: a site's driver file at `path`, or what `ingest` reads.

    All other fields are those of the message Forcing.
    """

    path: LocalFile | None = None
    ingest: OneDataset | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = {"path", "ingest", "dataset", "files"} & (self.model_fields_set | set(self.request))
        if len(given) != 1:
            raise ValueError(
                "wanted one of path (a site's driver file), ingest (what data-ingest reads), "
                "dataset and files (artifacts that are there)"
            )
        return self


class Setup(OpenSection):
    """What all members have in common; all other fields are those of the message Setup."""

    forcing: Forcing


class Run(OpenSection):
    """Runs of a land model; all other fields are those of RunEnsembleRequest."""

    setup: Setup


class Ensemble(OpenSection):
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


class SyntheticObservation(ClosedSection):
    """An observation made from one run of the ensemble plus noise; reports call it synthetic."""

    run: int = Field(ge=0)
    error_fraction: float = Field(default=0.3, gt=0)
    seed: int = 0


class ObservedData(OpenSection):
    """What `ingest` reads holds the observation; other fields: those of ReadObservationRequest."""

    ingest: OneDataset


class Observation(OpenSection):
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


class Predictive(ClosedSection):
    """Runs of the model itself with draws of the posterior; for ensembles of `run`."""

    draws: int = Field(default=100, ge=2, le=10_000)
    seed: int = Field(default=0, ge=0)


class SiteSpinUp(ClosedSection):
    """Runs with draws of the posterior begin from an emulated equilibrium, not from bare ground.

    Parameters
    ----------
    learning : dict
        The native spin-up that the emulator learns from, fields of SpinUpRequest; parameters and
        ranges of `draw` are those of the ensemble where it names none.
    emulator : dict
        Fields of FineTuneRequest.
    check : dict
        Fields of the message SpinUpCheck.
    """

    learning: StepFields
    emulator: StepFields
    check: StepFields


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
    spin_up : SiteSpinUp, optional
        For ensembles of `run`.
    """

    wanted: ClassVar[str] = "site, ensemble, observation, ..."

    site: RunName
    title: str = ""
    ensemble: Ensemble
    observation: Observation
    surrogate: StepFields
    posterior: StepFields
    check: StepFields
    mcmc: StepFields
    predictive: Predictive = Predictive()
    spin_up: SiteSpinUp | None = None
    report: StepFields

    @model_validator(mode="after")
    def _spun_up(self) -> Self:
        if self.spin_up is not None and self.ensemble.run is None:
            raise ValueError("spin_up belongs to an ensemble of run; leave it out, or give run")
        return self

    @classmethod
    def from_plain(cls, data: Any, folder: Path, where: str = "the file") -> Self:
        """Check plain data; an ensemble that is only named is read from its own file."""
        if isinstance(data, dict) and isinstance(data.get("ensemble"), str):
            own = {name: value for name, value in data.items() if name != "spin_up"}
            data = {**own, **Choice.named(data["ensemble"], folder).sections}
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

    What it holds replaces the site's, whose spin-up goes with its ensemble. Paths in it are
    relative to it.
    """

    wanted: ClassVar[str] = "ensemble, ..."

    title: str = ""
    ensemble: Ensemble
    observation: Observation | None = None
    spin_up: SiteSpinUp | None = None

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
