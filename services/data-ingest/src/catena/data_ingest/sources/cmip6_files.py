"""Reading single CMIP6 files: global attributes for what names do not say, and whole entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from catena.data_ingest.aggregate import Piece, aggregate, open_raw
from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry
from catena.shared.errors import InvalidData

_FROM_ATTRIBUTES = ("activity_id", "institution_id")
_COMPARED = ("source_id", "experiment_id", "variable_id")


def attributes(archive: Archive, file: ArchiveFile) -> dict[str, str]:
    """Global attributes of a file, by byte ranges.

    Raises
    ------
    InvalidData
        When the file cannot be read.
    """
    with archive.open(file.path) as stream:
        magic = stream.read(4)
        stream.seek(0)
        try:
            if magic[:3] == b"CDF":
                from scipy.io import netcdf_file

                with netcdf_file(stream, mmap=False) as classic:
                    return _texts(dict(classic._attributes))
            import h5py

            with h5py.File(stream, "r") as modern:
                return _texts(dict(modern.attrs))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise InvalidData(
                f"file {file.path}: cannot be read as netCDF ({str(error)[:120]}); it begins with "
                f"{magic!r}: fetch it again"
            ) from None


def facets_of(found: Mapping[str, str]) -> dict[str, str]:
    """Facets that a file's attributes add to those of its name."""
    facets = {name: found[name] for name in _FROM_ATTRIBUTES if found.get(name)}
    # Files of two activities say both, as "ScenarioMIP AerChemMIP"; folders have the first.
    if "activity_id" in facets:
        facets["activity_id"] = facets["activity_id"].split()[0]
    return facets


def open_entry(archive: Archive, entry: Entry) -> xr.Dataset:
    """All files of an entry as one dataset.

    Raises
    ------
    InvalidData
        When a file cannot be read, is of something else than its name says, or does not fit the
        others.
    """
    pieces = [open_piece(archive, entry, file) for file in entry.files]
    for piece in pieces:
        check_identity(piece, entry)
    return aggregate(pieces, key=entry.key, variable=entry.facets["variable_id"])


def open_piece(archive: Archive, entry: Entry, file: ArchiveFile) -> Piece:
    """One file of an entry: whole on this machine, or a zarr store where it lies."""
    if is_store(file.path):
        return open_raw(archive.store(file.path), key=entry.key, file=file.path, engine="zarr")
    return open_raw(str(archive.local(file)), key=entry.key, file=file.path)


def peek_piece(archive: Archive, entry: Entry, file: ArchiveFile) -> Piece:
    """As :func:`open_piece`, but a remote file stays there: only its head is read."""
    if is_store(file.path) or archive.location.startswith("file:"):
        return open_piece(archive, entry, file)
    return open_raw(archive.open(file.path), key=entry.key, file=file.path)


def is_store(path: str) -> bool:
    """Whether a path is a zarr store rather than a file."""
    return not path.endswith(".nc")


def check_identity(piece: Piece, entry: Entry) -> None:
    """Raise InvalidData when a file says that it is another model, experiment or variable."""
    found: Mapping[str, Any] = piece.dataset.attrs
    for name in _COMPARED:
        wanted, value = entry.facets.get(name), found.get(name)
        if wanted and value and str(value) != wanted:
            raise InvalidData(
                f"dataset {entry.key}, file {piece.file}: the file says {name} {value}, its name "
                f"says {wanted}; it was renamed or put at a wrong place"
            )


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for name, value in found.items():
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
            value = value.item()
            value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        texts[str(name)] = str(value)
    return texts
