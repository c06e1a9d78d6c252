"""ERA5 and ERA5-Land: the analysis-ready zarr, and netCDF and GRIB as the Climate Data Store gives.

Their accumulated variables mean different things: amounts of one hour (ERA5), of three (its
ensemble), since 00 UTC (ERA5-Land), or per day (monthly means). Each is a vocabulary of its own.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import xarray as xr

from catena.data_ingest.sources.gridded import Gridded
from catena.shared.errors import InvalidData

ARCO = "gs://gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
"""Public location of the analysis-ready copy; needs no key."""


class Era5(Gridded):
    """ERA5 fields from any archive; facets as those of :class:`Gridded`."""

    name: ClassVar[str] = "era5"

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
