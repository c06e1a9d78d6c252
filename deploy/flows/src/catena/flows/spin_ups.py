"""Spin-ups of a region: the YAML file of ``spin_up_region``."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from catena.flows.config import FlowConfig, LocalFile, OpenSection, RunName, StepFields
from catena.flows.rpc import Section
from catena.flows.site import Forcing

LEARNED = ("analogue", "trees")
"""Methods that learn from the native sample itself."""


class PlantMap(OpenSection):
    """Plants of a region; all other fields are those of the message SurfaceMap.

    Parameters
    ----------
    path : Path, optional
        A gridded surface dataset of ELM or CLM; left out: plants are made up, and called generated.
    """

    path: LocalFile | None = None


class RegionSetup(OpenSection):
    """What all sites have in common; all other fields are those of the message SpinUpSetup."""

    forcing: Forcing
    surface_map: PlantMap | None = None


class RegionSites(OpenSection):
    """Cells and parameter sets; all other fields are those that the requests SpinUp and
    CompareSpinUps share: model, draw, own_parameters, check, ..."""

    setup: RegionSetup


class Learning(OpenSection):
    """The native spin-up that is learned from; all other fields are those of SpinUpRequest.

    Parameters
    ----------
    sample : dict
        Fields of the message SiteSample: which blocks are learned from.
    lessons : dict
        Fields of the message SpinUpLessons: what is read of them, and how blocks are divided.
    """

    sample: Section
    lessons: StepFields


class Comparison(OpenSection):
    """Methods side by side; all other fields are those of CompareSpinUpsRequest.

    Parameters
    ----------
    methods : list of dict
        Fields of the message SpinUpMethod; what they learn from is filled in by the flow.
    """

    methods: list[Section] = Field(min_length=1)


class SpinUpRegion(FlowConfig):
    """A region whose spin-ups are learned, replaced, checked and compared.

    Parameters
    ----------
    name : str
        Reports are called after it.
    title : str
    sites : RegionSites
    learning : Learning
    emulator : dict
        Fields of FineTuneRequest.
    spin_up : dict
        Fields of SpinUpRequest for all sites, by the emulator.
    comparison : Comparison
    """

    wanted: ClassVar[str] = "name, sites, learning, ..."

    name: RunName
    title: str = ""
    sites: RegionSites
    learning: Learning
    emulator: StepFields
    spin_up: StepFields
    comparison: Comparison

    @model_validator(mode="after")
    def _filled_in(self) -> Self:
        for number, method in enumerate(self.comparison.methods):
            for name in ("emulator", "training"):
                if name in method:
                    raise ValueError(
                        f"comparison.methods[{number}].{name} is filled in by the flow; leave it "
                        "out"
                    )
        return self
