"""xarray datasets in artifacts, as zarr v3."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import xarray as xr

from catena.shared.artifacts._zarr import METADATA, Sink, Source
from catena.shared.errors import InvalidData, NotFound

if TYPE_CHECKING:
    from catena.shared.artifacts.artifact import Artifact
    from catena.shared.artifacts.writer import ArtifactWriter


def write_dataset(writer: ArtifactWriter, name: str, dataset: xr.Dataset) -> None:
    """Write `dataset` to the folder `name`; see :meth:`ArtifactWriter.write_dataset`."""
    write_zarr(Sink(writer, name), name, dataset.drop_encoding())


def write_zarr(sink: Sink, name: str, plain: xr.Dataset, **how: Any) -> None:
    """Write a dataset without encoding into a sink.

    Parameters
    ----------
    sink : Sink
    name : str
        Of the dataset, for messages.
    plain : xarray.Dataset
    **how
        More arguments of :meth:`xarray.Dataset.to_zarr`.

    Raises
    ------
    InvalidData
        When zarr cannot hold it.
    """
    for key, variable in plain.variables.items():
        # zarr would turn what is no text, even a missing value, into text without a word.
        if variable.dtype.kind == "O" and not all(map(_storable, variable.values.flat)):
            raise InvalidData(
                f"'{name}': variable '{key}' holds objects that are neither text nor times; "
                "convert it to numbers, times or text"
            )
    try:
        with quiet():
            plain.to_zarr(sink, mode="w", zarr_format=3, consolidated=True, **how)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"'{name}' cannot be written as zarr: {error}") from error


def _storable(value: object) -> bool:
    # Times of other calendars are objects of cftime; xarray writes them as numbers.
    return isinstance(value, str) or type(value).__module__.startswith("cftime")


TIMES = xr.coders.CFDatetimeCoder(time_unit="us")
"""How times are decoded: nanoseconds would end in 2262, and control runs of models go on."""


def open_dataset(artifact: Artifact, name: str) -> xr.Dataset:
    """Open the dataset in the folder `name`; see :meth:`Artifact.open_dataset`."""
    if f"{name}/{METADATA}" not in artifact.names:
        raise NotFound(f"'{artifact.uri}' has no dataset '{name}'")
    with quiet():
        return xr.open_zarr(
            Source(artifact, name), consolidated=True, chunks=None, decode_times=TIMES
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without zarr's warnings about what xarray needs and the specification lacks."""
    # Text of fixed length has no zarr v3 specification yet; zarr writes and reads it all the same.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
        # Nor has consolidated metadata, but xarray looks for it first.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part.*")
        yield
