"""The foundation model: the YAML file of ``pretrain_orbit`` and ``finetune_orbit``."""

from __future__ import annotations

from typing import ClassVar, Self

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
from catena.flows.rpc import Section

OWN_RESULTS = frozenset({"pretrained", "plan"})
"""Names of what the flows make beside data and fine-tuned models."""


class OrbitData(OpenSection):
    """Fields of one archive as a hot cache; all other fields are those of BuildCacheRequest.

    Parameters
    ----------
    ingest : OneDataset
        Fields of IngestDatasetRequest.
    """

    ingest: OneDataset


class Pretraining(OpenSection):
    """The pre-training; all other fields are those of PretrainRequest.

    Parameters
    ----------
    data : list of str
        Names of data that are mixed.
    """

    data: list[str] = Field(min_length=1)


class SpinUpSites(OpenSection):
    """Sites with their equilibria; all other fields are those of the message SpinUpSites.

    Parameters
    ----------
    path : Path
        Safetensors file of inputs and pools; ``about.json`` beside it goes with it.
    """

    path: LocalFile


class Efficiency(ClosedSection):
    """What pre-training is worth: skill by the number of samples of fine-tuning.

    Each number is fine-tuned twice, from the pre-trained model and from random weights.

    Parameters
    ----------
    samples : list of int
        Numbers of samples.
    scratch : dict
        Fields of FineTuneRequest that are others from random weights, e.g. more steps.
    """

    samples: list[int] = Field(min_length=1, max_length=20)
    scratch: StepFields

    @field_validator("samples")
    @classmethod
    def _once(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("wanted each number once")
        return sorted(value)


class FineTuning(OpenSection):
    """One fine-tuning; all other fields are those of FineTuneRequest.

    Parameters
    ----------
    data : str
        Name of its data.
    sites : SpinUpSites, optional
        For the task ``spin_up``, in the place of data.
    from_scratch : bool
        From random weights of the same shape, to compare with.
    efficiency : Efficiency, optional
        For the task ``forecast``: the page shows skill by the number of samples too.
    evaluation : dict
        Fields of EvaluateCheckpointRequest; none for ``spin_up``, which is scored on its own sites.
    """

    data: str = ""
    sites: SpinUpSites | None = None
    from_scratch: bool = False
    efficiency: Efficiency | None = None
    evaluation: StepFields

    @model_validator(mode="after")
    def _together(self) -> Self:
        # As requests take it: SPIN_UP, spin-up and TASK_SPIN_UP are the same.
        task = str(self.request.get("task", "")).lower().replace("-", "_").removeprefix("task_")
        spins_up = task == "spin_up"
        if spins_up and (self.sites is None or self.data or self.evaluation):
            raise ValueError("the task spin_up wants sites, and neither data nor an evaluation")
        if not spins_up and (self.sites is not None or not self.data):
            raise ValueError("wanted data; sites are for the task spin_up")
        if self.efficiency is None:
            return self
        if task != "forecast" or self.from_scratch or "samples" in self.request:
            raise ValueError(
                "efficiency is for the task forecast, and sets from_scratch and samples itself; "
                "leave these out"
            )
        return self


class OrbitTraining(FlowConfig):
    """Data, a pre-training, fine-tunings, a plan.

    Parameters
    ----------
    name : str
        Reports are called after it.
    title : str
        For the reports.
    as_of : str
        Day of which the archives' content is meant; left out: the scheduled day.
    data : dict of OrbitData
    training_days, validation_days, test_days : dict
        ``start`` and ``end``, for all steps that do not say otherwise.
    pretrain : Pretraining
    evaluation : dict
        Fields of EvaluateCheckpointRequest for the pre-trained model.
    fine_tunes : dict of FineTuning
    plan : dict, optional
        Fields of PlanTrainingRequest; left out: no plan.
    """

    wanted: ClassVar[str] = "name, data, pretrain, ..."

    name: RunName
    title: str = ""
    as_of: str = ""
    data: dict[RunName, OrbitData] = Field(min_length=1)
    training_days: Section
    validation_days: Section | None = None
    test_days: Section
    pretrain: Pretraining
    evaluation: StepFields
    fine_tunes: dict[RunName, FineTuning] = Field(default_factory=dict)
    plan: Section | None = None

    @model_validator(mode="after")
    def _names(self) -> Self:
        if taken := (OWN_RESULTS | set(self.data)) & set(self.fine_tunes):
            raise ValueError(
                f"a fine-tuning is called {sorted(taken)[0]!r}, as something else is; give it "
                "another name"
            )
        if taken := OWN_RESULTS & set(self.data):
            raise ValueError(
                f"data are called {sorted(taken)[0]!r}, as a result of the flow is; give them "
                "another name"
            )
        asked = {"pretrain": self.pretrain.data}
        asked |= {
            f"fine_tunes.{name}": [one.data] for name, one in self.fine_tunes.items() if one.data
        }
        for section, names in asked.items():
            for name in names:
                if name not in self.data:
                    raise ValueError(
                        f"{section}.data is {name!r}, wanted one of {', '.join(self.data)}"
                    )
        return self
