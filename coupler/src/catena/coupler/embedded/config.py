"""The configuration of one run of the embedded model, as YAML or in Python."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import xarray as xr
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.grid import EDGE, N_LAYERS
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.periods import Frequency
from catena.coupler.embedded.stages import Stage
from catena.coupler.forcing import DailyForcing, SoilLayer, daily_forcing, site_facts, site_forcing
from catena.shared.errors import FieldViolation, InvalidRequest


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ForcingSection(_Section):
    """Where the weather comes from.

    Parameters
    ----------
    file : Path
        Site forcing of ELM or PLUMBER2 with a `site`; otherwise any canonical dataset.
    site : str
        Code of a flux site.
    co2 : float, optional
        ppm; that of the forcing by default.
    ndep : float, optional
        gN m-2 yr-1.
    """

    file: Path
    site: str = ""
    co2: float | None = None
    ndep: float | None = None


class LandSection(_Section):
    """One soil and its plants; without it, what is known of the site.

    Parameters
    ----------
    sand, clay : float or list of 10 floats
        Percent.
    pfts : dict
        Share of each PFT by name; the rest is bare ground.
    """

    sand: float | list[float]
    clay: float | list[float]
    pfts: dict[str, float]


class ParameterSection(_Section):
    """One parameter that differs from the default."""

    name: str
    value: float
    pft: str | None = None


class HistorySection(_Section):
    """What is written, and how often."""

    folder: Path
    variables: tuple[str, ...]
    frequency: Frequency = "month"


class Config(_Section):
    """A run.

    Parameters
    ----------
    case : str
        Name, the first part of its files' names.
    stage : {"ad_spinup", "final", "transient"}
    forcing, land, history : sections
    start : date, optional
        First day, that of the forcing by default.
    end : date, optional
        Last day, that of the forcing by default.
    parameter_file : Path, optional
        ELM's ``clm_params*.nc``.
    parameters : list
    supplement_nitrogen : bool
    """

    case: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")
    stage: Stage = "transient"
    forcing: ForcingSection
    land: LandSection | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    parameter_file: Path | None = None
    parameters: tuple[ParameterSection, ...] = ()
    history: HistorySection | None = None
    supplement_nitrogen: bool = False

    @classmethod
    def load(cls, path: Path) -> Config:
        """Read a YAML file.

        Raises
        ------
        InvalidRequest
            When it cannot be read or a field is wrong; every field is named.
        """
        try:
            found = yaml.safe_load(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InvalidRequest(f"'{path.name}' cannot be read as YAML: {error}") from error
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise InvalidRequest(
                f"'{path.name}' is no configuration of the embedded model",
                violations=[
                    FieldViolation(".".join(map(str, each["loc"])) or "file", each["msg"])
                    for each in error.errors()
                ],
            ) from error

    def weather(self) -> DailyForcing:
        """The forcing of the run's days."""
        section = self.forcing
        if section.site:
            made = site_forcing(section.file, site=section.site)
        else:
            with xr.open_dataset(section.file) as dataset:
                made = daily_forcing(dataset.load())
        if section.co2 is not None or section.ndep is not None:
            co2 = np.array(made.co2) if section.co2 is None else section.co2
            ndep = None if section.ndep is None else np.full(made.days, section.ndep)
            made = made.with_co2(co2, ndep)
        if self.start is not None or self.end is not None:
            made = made.select(self.start or made.start, self.end or made.end)
        return made

    def columns(self, weather: DailyForcing) -> Columns:
        """The cells: those of the forcing, all with the same land."""
        land = self.land or self._of_site()
        one = Columns.site(0.0, 0.0, land.sand, land.clay, land.pfts)
        cells = weather.cells
        return Columns(
            np.array(weather.lat),
            np.array(weather.lon),
            np.repeat(one.sand, cells, axis=0),
            np.repeat(one.clay, cells, axis=0),
            np.repeat(one.pfts, cells, axis=0),
            np.repeat(one.weights, cells, axis=0),
        )

    def _of_site(self) -> LandSection:
        if not self.forcing.site:
            raise InvalidRequest("without a site the section `land` must say soil and plants")
        facts = site_facts(self.forcing.site)
        if not facts.soil:
            raise InvalidRequest(
                f"the soil of {facts.code} is not known; say sand, clay and pfts in `land`"
            )
        sand, clay = layer_texture(facts.soil)
        return LandSection(sand=sand, clay=clay, pfts=dict(facts.pft))

    def parameter_set(self) -> ParameterSet:
        """Defaults, the file's values, then single ones."""
        made = ParameterSet.from_file(self.parameter_file) if self.parameter_file else None
        return (made or ParameterSet.default()).update(
            [(each.name, each.pft, each.value) for each in self.parameters]
        )


def layer_texture(layers: tuple[SoilLayer, ...]) -> tuple[list[float], list[float]]:
    """Sand and clay (%) of the model's layers: means over what lies in each.

    The last layer that is known goes down to the bottom.
    """
    tops = np.array([layer.top for layer in layers]) / 100.0
    bottoms = np.array([layer.bottom for layer in layers]) / 100.0
    bottoms[-1] = max(bottoms[-1], EDGE[-1])
    overlap = np.minimum(EDGE[1:, None], bottoms) - np.maximum(EDGE[:-1, None], tops)
    share = np.clip(overlap, 0.0, None)
    if share.shape[0] != N_LAYERS or not (share.sum(axis=1) > 0.0).all():
        raise InvalidRequest("the layers of the soil leave a gap; they must follow each other")
    share /= share.sum(axis=1, keepdims=True)
    texture = share @ np.array([[layer.sand, layer.clay] for layer in layers])
    return texture[:, 0].tolist(), texture[:, 1].tolist()
