"""What the explainer's artifacts hold, and what it reads of others' before a job runs.

===========  ======================================================================================
kind         files
===========  ======================================================================================
explanation  ``explanation.json``, ``explanation.zarr`` (sample, lead, variable, lag; for fields:
             sample, lead, target, variable, lat, lon), ``report.html``
sensitivity  ``sensitivity.json``, ``sensitivity.zarr`` (parameter, other_parameter, output),
             ``report.html``
===========  ======================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    import xarray as xr

    from catena.shared.artifacts import Artifact, ArtifactWriter

REPORT = "report.html"


def write_result(
    writer: ArtifactWriter, kind: str, dataset: xr.Dataset, about: dict[str, Any], page: str
) -> None:
    """Write an explanation or a sensitivity: numbers, what is known of them, the page."""
    writer.write_dataset(f"{kind}.zarr", dataset)
    writer.write_json(f"{kind}.json", about)
    writer.write_bytes(REPORT, page.encode())


def read_result(artifact: Artifact) -> tuple[xr.Dataset, dict[str, Any]]:
    """Numbers of an explanation or a sensitivity, and what is known of them."""
    return artifact.open_dataset(f"{artifact.kind}.zarr"), artifact.read_json(
        f"{artifact.kind}.json"
    )


def read_samples_about(artifact: Artifact) -> dict[str, Any]:
    """What samples of streamflow forecasts are, without the samples."""
    return dict(artifact.read_json("samples.json"))


def read_samples_size(artifact: Artifact) -> tuple[int, int]:
    """Number of forecasts, and of inputs of each, without reading them."""
    sizes = artifact.open_dataset("samples.zarr").sizes
    daily = sizes["weather"] + 1
    return sizes["sample"], (sizes["lag"] + sizes["lead"]) * daily + sizes["static"]


def read_checkpoint_about(artifact: Artifact) -> dict[str, Any]:
    """What a checkpoint of the foundation model is, without its weights.

    Raises
    ------
    InvalidData
        When it says of no task, no fields or no leads.
    """
    about = dict(artifact.read_json("checkpoint.json"))
    if lacking := sorted({"task", "config", "leads_h"} - about.keys()):
        raise InvalidData(
            f"checkpoint.json has no {', '.join(lacking)}; train the model with this version"
        )
    return about


def read_surrogate_outputs(artifact: Artifact) -> list[str]:
    """Names of what a surrogate predicts."""
    return list(artifact.read_json("surrogate.json")["about"]["outputs"]["names"])
