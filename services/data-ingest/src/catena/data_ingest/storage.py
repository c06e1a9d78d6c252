"""What data-ingest's artifacts hold.

===============  ==================================================================================
kind             files
===============  ==================================================================================
dataset          ``ingest.json`` (what became of every file), ``data/<key>.zarr`` per copy or
                 ``data/<key>.json`` per reference
catalog          ``catalog.json`` (intake-esm), ``catalog.parquet``, ``catalog.csv.gz``,
                 ``report.html``, ``report.txt``
model_selection  ``selection.json`` (PMP's layout), ``selection.csv``, ``portrait.png``
hot_cache        the folder ``cache``, which :class:`catena.shared.hot_cache.HotCache` opens
===============  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from catena.shared.catalog import COLUMNS
from catena.shared.errors import InvalidRequest

if TYPE_CHECKING:
    from catena.data_ingest.verdict import Selection
    from catena.shared.artifacts import Artifact, ArtifactWriter

INGEST = "ingest.json"
FOLDER = "data"
CACHE = "cache"

_BLOCK_BYTES = 64 << 20


def read_ingest(artifact: Artifact) -> dict[str, Any]:
    """What became of every file and dataset of a dataset artifact."""
    return dict(artifact.read_json(INGEST))


def open_datasets(
    artifact: Artifact, keys: Collection[str] = ()
) -> Iterator[tuple[dict[str, Any], xr.Dataset]]:
    """Rows of ``ingest.json`` and their datasets, lazily; all of them, or those with these keys.

    Raises
    ------
    InvalidRequest
        When a key is not in the artifact.
    """
    rows = read_ingest(artifact)["datasets"]
    known = [row["key"] for row in rows]
    if missing := sorted(set(keys) - set(known)):
        shown = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
        raise InvalidRequest(f"there is no dataset {missing[0]!r}; wanted one of {shown}")
    for row in rows:
        if not keys or row["key"] in keys:
            yield row, _in_blocks(artifact.open_dataset(row["name"]))


def _in_blocks(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset over dask, so that work on it needs the memory of some blocks only."""
    for name, array in dataset.data_vars.items():
        if array.chunks is None and array.nbytes > _BLOCK_BYTES:
            # Whole shards, as they are stored: a part of one costs reading all of it.
            stored = array.encoding.get("shards") or array.encoding.get("chunks") or array.shape
            row = array.nbytes // array.sizes[array.dims[0]] * stored[0]
            first = stored[0] * max(1, _BLOCK_BYTES // row)
            dataset[name] = array.chunk({array.dims[0]: first})
    return dataset


def catalog_rows(artifact: Artifact, ingest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of a catalog: one per dataset and variable."""
    for row in ingest["datasets"]:
        common: dict[str, Any] = {
            name: value for name, value in row["facets"].items() if name in COLUMNS
        }
        common |= {
            "source": ingest["source"],
            "dataset": row["key"],
            "frequency": row["frequency"],
            "start": row["start"],
            "end": row["end"],
            "calendar": row["calendar"],
            "generated": bool(row["generated"]),
            "mode": row["mode"],
            "format": "zarr" if row["mode"] == "copy" else "reference",
            "path": artifact.path(row["name"]),
            "digest": artifact.manifest.digest,
            "fixes": sum(len(item.get("fixes", ())) for item in row["findings"])
            if row["mode"] == "reference"
            else 0,
        }
        if row["box"] is not None:
            names = ("lat_min", "lat_max", "lon_min", "lon_max")
            common |= dict(zip(names, row["box"], strict=True))
        for variable in row["variables"]:
            yield {
                **common,
                "variable": variable["name"],
                "variable_id": row["facets"].get("variable_id", variable["name"]),
                "standard_name": variable["standard_name"],
                "units": variable["units"],
            }


def write_selection(writer: ArtifactWriter, selection: Selection) -> None:
    """Write a selection of models: metrics, table and portrait plot."""
    from catena.data_ingest.portrait import portrait_png

    writer.write_json("selection.json", selection.document)
    writer.write_bytes("selection.csv", selection.to_csv().encode())
    writer.write_bytes("portrait.png", portrait_png(selection))
