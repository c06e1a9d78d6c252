"""A CalLMIP submission: the YAML file of ``callmip``."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from catena.flows.archives import OneDataset
from catena.flows.config import (
    ClosedSection,
    FlowConfig,
    LocalFile,
    OpenSection,
    RunName,
    StepFields,
)
from catena.flows.rpc import Section
from catena.flows.site import Forcing


class SubmittedForcing(Forcing):
    """The weather, as a site of ``calibrate_site`` has it, and a table of CO2 at `co2_path`."""

    co2_path: LocalFile | None = None


class SubmittedSetup(OpenSection):
    """What runs of a site have in common; all other fields are those of the message Setup."""

    forcing: SubmittedForcing


class DrawnTower(ClosedSection):
    """A tower made from one member plus noise; reports call it synthetic."""

    member: int = Field(ge=0)
    error_fraction: float = Field(default=0.2, gt=0)
    missing: float = Field(default=0.3, ge=0, lt=1)
    seed: int = 0


class Tower(OpenSection):
    """What the tower measured: CalLMIP's file at `path`, or a synthetic one.

    All other fields are those of the message TowerFluxes.
    """

    path: LocalFile | None = None
    synthetic: DrawnTower | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.path is None) == (self.synthetic is None):
            raise ValueError("wanted one of path (CalLMIP's daily fluxes) and synthetic")
        return self


class Monthly(ClosedSection):
    """Monthly fluxes that data-ingest reads, and the key of the dataset among what it made."""

    ingest: OneDataset
    key: str = ""


class SubmittedSite(ClosedSection):
    """A site; with a tower it is calibrated, without one it is a validation site."""

    site: RunName
    setup: SubmittedSetup
    tower: Tower | None = None
    monthly: Monthly | None = None


class Submission(FlowConfig):
    """Sites, their common parameters, and settings for each step.

    The sections statistics, surrogate and mcmc hold the fields of the requests SummariseFluxes,
    TrainSurrogate and RunMcmc; references between them are filled in by the flow.

    Parameters
    ----------
    name : str
        The report and the folder of the files are called after it.
    title : str
        For the report.
    model : str
        ``<model>.<version>``, as the files are called.
    held_back_years : int
        Last years of each record that nothing is fitted to.
    land_model : str
    draw : dict
        Members of the ensemble: fields of the message ParameterDesign.
    sites : list of SubmittedSite
    rounds : int
        How often a posterior is made. From the second time on the ensemble also has members drawn
        from the posterior before, so that the surrogate is good where it matters and the error of
        the model is that of good runs.
    round_members : int
        New members of each further round.
    draws : int
        Draws of the posterior that the model itself is run with.
    """

    wanted: ClassVar[str] = "name, model, draw, sites, ..."

    name: RunName
    title: str = ""
    model: str
    held_back_years: int = Field(ge=1)
    land_model: str = "embedded"
    draw: Section
    sites: list[SubmittedSite] = Field(min_length=1)
    statistics: StepFields
    surrogate: StepFields
    mcmc: StepFields
    rounds: int = Field(default=2, ge=1, le=5)
    round_members: int = Field(default=200, ge=10, le=10_000)
    draws: int = Field(default=100, ge=10, le=1_000)

    @property
    def calibrated(self) -> list[SubmittedSite]:
        """Sites with a tower."""
        return [site for site in self.sites if site.tower is not None]

    @model_validator(mode="after")
    def _sites(self) -> Self:
        codes = [site.site for site in self.sites]
        if twice := {code for code in codes if codes.count(code) > 1}:
            raise ValueError(f"the site {sorted(twice)[0]} is there twice; give each site once")
        if not self.calibrated:
            raise ValueError("no site has a tower; there is nothing to calibrate on")
        return self
