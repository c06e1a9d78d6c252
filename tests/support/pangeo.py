"""CMIP6 as Pangeo publishes it: zarr stores, and an intake-esm datastore that lists them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import xarray as xr
from support.cmip6_files import FACETS

NAME = "pangeo-cmip6.json"
COLUMNS = (*(name for name in FACETS if name != "version"), "zstore", "dcpp_start_year", "version")


def store_path(model: str) -> str:
    """Path of a model's store."""
    return "/".join(["stores/CMIP6", *{**FACETS, "source_id": model}.values()])


def write_stores(folder: Path, files: Path, models: tuple[str, ...]) -> None:
    """Each model's netCDF files below `files` as one zarr store in `folder`, 73 days a chunk."""
    for model in models:
        parts = []
        for path in sorted(files.rglob(f"*_{model}_*.nc")):
            with xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(True)) as part:
                parts.append(part.load())
        whole = xr.concat(
            parts, "time", data_vars="minimal", coords="minimal", compat="override", join="override"
        )
        whole.drop_encoding().chunk({"time": 73}).to_zarr(
            folder / store_path(model), zarr_format=2, consolidated=True
        )


def publish(folder: Path, url: str, models: tuple[str, ...]) -> None:
    """Write a datastore into `folder` whose assets are the stores below `url`."""
    description = {
        "esmcat_version": "0.1.0",
        "id": "pangeo-cmip6",
        "catalog_file": "pangeo-cmip6.csv.gz",
        "attributes": [
            {"column_name": name, "vocabulary": ""} for name in COLUMNS if name != "zstore"
        ],
        "assets": {"column_name": "zstore", "format": "zarr"},
    }
    (folder / NAME).write_text(json.dumps(description))
    lines = [",".join(COLUMNS)]
    for model in models:
        row = {**FACETS, "source_id": model, "dcpp_start_year": ""}
        row |= {"zstore": f"{url}/{store_path(model)}/", "version": row["version"][1:]}
        lines.append(",".join(row[name] for name in COLUMNS))
    (folder / "pangeo-cmip6.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
