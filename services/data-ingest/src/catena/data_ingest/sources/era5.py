"""ERA5 and ERA5-Land: the analysis-ready zarr, and netCDF and GRIB as the Climate Data Store gives.

Their accumulated variables mean different things: amounts of one hour (ERA5), of three (its
ensemble), since 00 UTC (ERA5-Land), or per day (monthly means). Each is a vocabulary of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import xarray as xr
from dask.base import tokenize

from catena.data_ingest.archive_folder import FolderArchive
from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry
from catena.data_ingest.sources.cds_account import is_store
from catena.data_ingest.sources.cds_archive import CdsArchive
from catena.data_ingest.sources.formats import in_chunks, open_array_file
from catena.data_ingest.sources.gridded import Gridded, entry_format
from catena.data_ingest.sources.grouping import join_in_time, join_variables
from catena.data_ingest.sources.order import Order
from catena.shared.errors import InvalidData

ARCO = "gs://gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
"""Public location of the analysis-ready copy; needs no key."""


def special_archive(order: Order) -> Archive | None:
    """The Climate Data Store, where a location is its address; None for any other."""
    if order.http is not None and is_store(order.location):
        return CdsArchive(order, order.http)
    return None


class Era5(Gridded):
    """ERA5 fields from any archive.

    Facets as those of :class:`Gridded`; of the Climate Data Store those of :class:`CdsArchive`.
    """

    name: ClassVar[str] = "era5"

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The files of an entry, joined in time; lazy. The store's are retrieved first."""
        if not isinstance(archive, CdsArchive):
            return super().open(archive, entry)
        parts = [
            join_variables([self._opened(path, entry) for path in paths], entry.key)
            for paths in archive.bring(entry.files)
        ]
        return join_in_time(parts, entry.files, entry.key)

    def _opened(self, path: Path, entry: Entry) -> xr.Dataset:
        """One retrieved file; the store packs instants and amounts in files of their own."""
        file = ArchiveFile(path.name, path.stat().st_size)
        opened = open_array_file(FolderArchive(str(path.parent)), file, entry_format(entry))
        return in_chunks(self._arrange(opened, path.name), tokenize(str(path), file.size))

    def _accepts(self, vocabulary: str) -> str:
        if vocabulary.startswith("era5"):
            return ""
        return f"a file in the words of {vocabulary}, not of ERA5"

    def _arrange(self, dataset: xr.Dataset, file: str) -> xr.Dataset:
        dataset = one_version(dataset, file)
        if "level" in dataset.coords and "units" not in dataset["level"].attrs:
            dataset = dataset.assign_coords(level=dataset["level"].assign_attrs(units="hPa"))
        return written_part(dataset)


def written_part(dataset: xr.Dataset) -> xr.Dataset:
    """The part of an analysis-ready store that holds data.

    Its time axis is laid out for decades ahead; ``valid_time_start`` and ``valid_time_stop`` say
    what has been written. The rest would read as missing values.
    """
    first, last = (dataset.attrs.get(f"valid_time_{end}") for end in ("start", "stop"))
    if not last or "time" not in dataset.dims:
        return dataset
    # Dates without an hour mean the whole day, as in pandas' slices.
    return dataset.sel(time=slice(first, last))


def one_version(dataset: xr.Dataset, file: str) -> xr.Dataset:
    """One value a time where a file has two versions of it: the final (1), else the early (5).

    Raises
    ------
    InvalidData
        For versions other than these.
    """
    if "expver" not in dataset.dims:
        return dataset
    if dataset.sizes["expver"] == 1:
        return dataset.isel(expver=0, drop=True)
    known = {str(value).lstrip("0"): at for at, value in enumerate(dataset["expver"].values)}
    if set(known) != {"1", "5"}:
        raise InvalidData(
            f"file {file}, dimension expver: found {sorted(known)}, wanted 1 (final) and 5 (early)"
        )
    final, early = (dataset.isel(expver=known[version], drop=True) for version in ("1", "5"))
    merged = dataset.isel(expver=0, drop=True)
    for name, array in dataset.data_vars.items():
        if "expver" in array.dims:
            values = final[name].where(~np.isnan(final[name]), early[name])
            merged[name] = values.assign_attrs(array.attrs)
    return merged
