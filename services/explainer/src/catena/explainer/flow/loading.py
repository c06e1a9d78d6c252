"""Streamflow networks and the samples they are explained on, read from artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from catena.explainer.flow.columns import FlowColumns
from catena.models.flow_model import FlowModel
from catena.models.flow_models import FLOW_MODELS, load_flow_model
from catena.models.flow_samples import FlowSamples
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact

WITHOUT_NETWORK = ("gr4j", "persistence", "climatology")
"""Models of the forecaster that are no networks."""

PREFIX = "network."
"""Of the names of a network's weights among a forecaster's arrays."""


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A trained network, and what is known of the forecaster that it is part of.

    Parameters
    ----------
    network : FlowModel
        Its weights are fixed.
    model : str
        Its name, as in the request that trained it.
    about : mapping
        Of the forecaster: title, leads, basins, training_days, generated, hybrid, ...
    digest : str
        Of the forecaster's artifact.
    """

    network: FlowModel[Any]
    model: str
    about: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, eq=False)
class LoadedSamples:
    """Forecasts to be explained, those that they are compared with, and what is known of them.

    Parameters
    ----------
    explained, background : FlowSamples
        The background is days of the training period: the baselines.
    about : mapping
        forecaster, model, title, generated, periods, and basins by id: latitude, longitude, class,
        snow_fraction, baseflow_index, recession_days, ...
    """

    explained: FlowSamples
    background: FlowSamples
    about: Mapping[str, Any]


def read_network(artifact: Artifact) -> LoadedNetwork:
    """The network of a trained forecaster.

    Raises
    ------
    InvalidData
        When the artifact is of another kind, the forecaster has no network, it is of a model or an
        architecture that this version does not know, or its weights are not finite.
    """
    _check_kind(artifact, "forecaster", "a forecaster, as TrainForecaster makes it")
    plain = artifact.read_json("forecaster.json")
    about, meta = plain["about"], plain["meta"]
    model = str(about["model"])
    if model in WITHOUT_NETWORK:
        raise InvalidData(
            f"the forecaster's model is {model}, which is no network: there is nothing to "
            f"differentiate or to look into; give one of {', '.join(FLOW_MODELS)}"
        )
    arrays = artifact.read_arrays("forecaster.safetensors")
    weights = {
        name.removeprefix(PREFIX): torch.from_numpy(values.copy())
        for name, values in arrays.items()
        if name.startswith(PREFIX)
    }
    try:
        network = load_flow_model(model, meta["network"], weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise InvalidData(
            f"the forecaster's network ({model}) cannot be built: {first}; train it with this "
            "version, or use the version that trained it"
        ) from None
    broken = [name for name, values in weights.items() if not bool(values.isfinite().all())]
    if broken:
        raise InvalidData(
            f"{len(broken)} of {len(weights)} weights of the forecaster's network are NaN or "
            f"infinite ({', '.join(broken[:3])}); train it again"
        )
    return LoadedNetwork(
        network.eval().requires_grad_(False), model, about, artifact.manifest.digest
    )


def read_samples(artifact: Artifact, forecaster: Artifact) -> LoadedSamples:
    """Samples that were drawn from a forecaster.

    Parameters
    ----------
    artifact : Artifact
        Of kind ``flow_samples``.
    forecaster : Artifact
        That is to be explained.

    Raises
    ------
    InvalidData
        When the artifact is of another kind, its samples are another forecaster's, or explained
        days and background have different columns.
    """
    _check_kind(artifact, "flow_samples", "samples, as the forecaster's DrawSamples makes them")
    about = artifact.read_json("samples.json")
    digest = forecaster.manifest.digest
    if about.get("forecaster") != digest:
        raise InvalidData(
            f"the samples were drawn from the forecaster {_short(about.get('forecaster'))}, and "
            f"{_short(digest)} is to be explained; draw samples from that one: another's scales "
            "would make its inputs wrong"
        )
    explained, background = (
        FlowSamples.from_dataset(artifact.open_dataset(f"{name}.zarr").load())
        for name in ("samples", "background")
    )
    columns, others = FlowColumns.of(explained), FlowColumns.of(background)
    if columns != others:
        raise InvalidData(
            f"samples of {columns.words} have a background of {others.words}; draw both at once"
        )
    return LoadedSamples(explained, background, about)


def _check_kind(artifact: Artifact, kind: str, words: str) -> None:
    if artifact.kind != kind:
        raise InvalidData(f"an artifact of kind '{artifact.kind}' came; wanted {words} ({kind})")


def _short(digest: Any) -> str:
    return str(digest)[:19]
