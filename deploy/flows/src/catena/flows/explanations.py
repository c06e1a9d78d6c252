"""Why models forecast what they do: the section ``explain`` of a file of streamflow forecasts."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from catena.flows.config import OpenSection, StepFields
from catena.flows.rpc import Section

WITHOUT_NETWORK = ("persistence", "climatology", "gr4j")
"""Models that have nothing to be explained: what they do is written down."""


def _with_nothing_of_their_own(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if twice := [name for name in value if value.count(name) > 1]:
        raise ValueError(f"models has {twice[0]!r} twice; name each once")
    return dict.fromkeys(value)


OwnFields = Annotated[Section, BeforeValidator(lambda value: {} if value is None else value)]
ExplainedModels = Annotated[
    dict[str, OwnFields],
    BeforeValidator(_with_nothing_of_their_own),
    Field(min_length=1),
]


class Explanations(OpenSection):
    """What is explained; all other fields are those of ExplainForecastRequest.

    Parameters
    ----------
    models : dict, or list of str
        Models of the file, each with a page of its own, and with fields of ExplainForecastRequest
        in which it differs from the others.
    basins : list of str
        Names of basins; left out: all of the file.
    days : dict, optional
        ``start`` and ``end`` of the days of issue; left out: the days of validation, so that days
        of test stay unseen.
    samples : dict
        Fields of DrawSamplesRequest.
    flow : dict
        Fields of the message FlowForecasts: leads, dear_samples, quantile.
    """

    models: ExplainedModels
    basins: list[str] = Field(default_factory=list)
    days: Section | None = None
    samples: StepFields
    flow: StepFields

    @model_validator(mode="after")
    def _once(self) -> Self:
        if twice := [name for name in self.basins if self.basins.count(name) > 1]:
            raise ValueError(f"basins has {twice[0]!r} twice; name each once")
        return self

    def check_models(self, models: dict[str, Section]) -> None:
        """Whether the file has these models, with networks in them.

        Parameters
        ----------
        models : dict
            Name -> fields of TrainForecasterRequest.

        Raises
        ------
        ValueError
            When one is not there, or is no network.
        """
        for name in self.models:
            if name not in models:
                raise ValueError(f"explain.models has {name!r}, wanted some of {', '.join(models)}")
            # As requests take it: GR4J and MODEL_GR4J are the same.
            kind = str(models[name].get("model", "")).lower().removeprefix("model_")
            if kind in WITHOUT_NETWORK:
                raise ValueError(
                    f"explain.models has {name!r}, a model {kind} without a network; name models "
                    "that have one"
                )

    def check_basins(self, names: list[str]) -> None:
        """Whether a model was trained on the basins; `names` is empty where they are not listed.

        Raises
        ------
        ValueError
            When one is not among them.
        """
        for name in self.basins:
            if names and name not in names:
                raise ValueError(
                    f"explain.basins has {name!r}, which is not in basins.names; add it there, or "
                    "leave it out"
                )
