"""The foundation model: the YAML file of ``pretrain_orbit`` and ``finetune_orbit``."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from catena.flows.archives import OneDataset
from catena.flows.config import FlowConfig, OpenSection, RunName, StepFields
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


class FineTuning(OpenSection):
    """One fine-tuning; all other fields are those of FineTuneRequest.

    Parameters
    ----------
    data : str
        Name of its data.
    from_scratch : bool
        From random weights of the same shape, to compare with.
    evaluation : dict
        Fields of EvaluateCheckpointRequest.
    """

    data: str
    from_scratch: bool = False
    evaluation: StepFields


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
        asked |= {f"fine_tunes.{name}": [one.data] for name, one in self.fine_tunes.items()}
        for section, names in asked.items():
            for name in names:
                if name not in self.data:
                    raise ValueError(
                        f"{section}.data is {name!r}, wanted one of {', '.join(self.data)}"
                    )
        return self
