"""Which archives are ingested: the YAML file of ``ingest``, and the requests it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from catena.flows.config import FlowConfig, OpenSection, RunName, expand
from catena.flows.rpc import Ref, Section, faults, later
from catena.shared.client import FieldViolation, InvalidRequest, connect

SERVICE = "data-ingest"

OWN_RESULTS = frozenset({"catalog", "models"})
"""Names of what the flow makes of the datasets; its results carry them beside the datasets'."""


class Dataset(BaseModel):
    """One request for a source; all other fields are those of IngestDatasetRequest."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: RunName
    location: str = ""

    @field_validator("location")
    @classmethod
    def _variables(cls, value: str) -> str:
        return expand(value)

    def request(self, as_of: str) -> Section:
        """Fields of the request; a generated source has no day."""
        fields = dict(self.model_extra or {})
        if self.location:
            fields |= {"location": self.location, "as_of": fields.get("as_of") or as_of}
        return fields


OneDataset = Annotated[
    Dataset,
    BeforeValidator(lambda value: {"name": "data", **value} if isinstance(value, dict) else value),
]
"""The only dataset of its section, which needs no name to be told from others."""


class ModelSelection(OpenSection):
    """Quality selection of models; all other fields are those of SelectModelsRequest.

    Parameters
    ----------
    models, reference : str
        Names of datasets in the same file.
    """

    models: str
    reference: str


class Archives(FlowConfig):
    """What ``ingest`` reads.

    Parameters
    ----------
    name : str
        The report is called after it.
    title : str
        For the report.
    as_of : str
        Day of which the archives' content is meant; left out: the day for which the flow was
        scheduled.
    datasets : list of Dataset
        One request each; their names are the keys of the flow's results, beside ``catalog`` and
        ``models``.
    select_models : ModelSelection, optional
        Quality selection of CMIP6 models among what was ingested.
    """

    wanted: ClassVar[str] = "name, datasets, ..."

    name: RunName
    title: str = ""
    as_of: str = ""
    datasets: list[Dataset] = Field(min_length=1)
    select_models: ModelSelection | None = None

    @model_validator(mode="after")
    def _names(self) -> Archives:
        names = [dataset.name for dataset in self.datasets]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"two datasets are called {sorted(twice)[0]!r}; give each its own name"
            )
        if taken := OWN_RESULTS & set(names):
            raise ValueError(
                f"a dataset is called {sorted(taken)[0]!r}, as a result of the flow is; give it "
                "another name"
            )
        if self.select_models is not None:
            for field in ("models", "reference"):
                if (wanted := getattr(self.select_models, field)) not in names:
                    raise ValueError(
                        f"select_models.{field} is {wanted!r}, wanted one of {', '.join(names)}"
                    )
        return self


def catalog_request(config: Archives, made: dict[str, Ref]) -> Section:
    """Fields of WriteCatalogRequest."""
    return {"title": config.title, "datasets": list(made.values())}


def selection_request(config: Archives, made: dict[str, Ref]) -> Section:
    """Fields of SelectModelsRequest."""
    if config.select_models is None:
        raise InvalidRequest("this file asks for no selection of models")
    chosen = config.select_models
    return {**chosen.request, "models": made[chosen.models], "reference": made[chosen.reference]}


def check_datasets(config: Archives, as_of: str) -> None:
    """Have every request checked by the service, before anything runs.

    Raises
    ------
    InvalidRequest
        With every field of every dataset at fault, e.g. ``cmip6.location``.
    """
    with connect(SERVICE) as client:
        found: list[FieldViolation] = []
        for section, method, make in _requests(config, as_of):
            found += faults(client, section, method, make)
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{config.name}: {len(found)} {noun} not as wanted", violations=found)


def _requests(config: Archives, as_of: str) -> Iterator[tuple[str, str, Callable[[], Section]]]:
    for dataset in config.datasets:
        yield dataset.name, "IngestDataset", lambda one=dataset: one.request(as_of)  # type: ignore[misc]
    if config.select_models is not None:
        made = {dataset.name: later("dataset") for dataset in config.datasets}
        yield "select_models", "SelectModels", lambda: selection_request(config, made)
