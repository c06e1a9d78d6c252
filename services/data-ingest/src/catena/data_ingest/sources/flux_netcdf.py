"""Sites in netCDF: ELM's site forcing, PEcAn's and PLUMBER2's meteorology, CalLMIP's daily fluxes.

What these files look like is known to :mod:`catena.shared.site_netcdf`; here they are files of an
archive.
"""

from __future__ import annotations

import xarray as xr

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.formats import in_chunks
from catena.data_ingest.sources.tables import with_findings, with_places
from catena.shared.errors import InvalidData
from catena.shared.site_netcdf import LAYOUTS, SITE, layout_of, open_raw, open_site_file, site_in

__all__ = ["LAYOUTS", "SITE", "layout_of", "open_site", "site_of", "variables_of"]


def variables_of(archive: Archive, file: ArchiveFile) -> list[str]:
    """Names of the variables of a netCDF file, from its header.

    Raises
    ------
    InvalidData
        When it is no netCDF that can be read.
    """
    with open_raw(archive.local(file), file.path) as dataset:
        return [str(name) for name in dataset.variables]


def site_of(file: ArchiveFile, default: str = "") -> str:
    """Site code in a file's name, or its stem."""
    return site_in(file.path, default)


def open_site(archive: Archive, key: str, file: ArchiveFile) -> xr.Dataset:
    """One site's file, with the file's names of variables; time in whole steps.

    Raises
    ------
    InvalidData
        When it is not one of the known kinds, or its times are no even steps.
    """
    try:
        dataset, _, findings = open_site_file(archive.local(file), file=file.path)
    except InvalidData as error:
        raise InvalidData(f"dataset {key}: {error}") from error
    dataset = in_chunks(dataset, f"{key}-{file.path}")
    return with_findings(with_places(dataset), findings)
