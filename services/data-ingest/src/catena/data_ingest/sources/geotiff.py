"""GeoTIFF as a lazy dataset: one variable (band, y, x) with the cells' latitudes and longitudes."""

from __future__ import annotations

import os
from pathlib import Path

import dask.array as da
import numpy as np
import rasterio
import xarray as xr
from dask.delayed import delayed
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform

from catena.shared.errors import InvalidData

# While it opens a file PROJ looks for its database where this variable says, and complains on
# stderr without it. The variable is read when PROJ is first used, not when it is loaded. Builds of
# rasterio that bring no database find that of the system.
_OWN = Path(rasterio.__file__).parent / "proj_data"
if _OWN.is_dir() and not {"PROJ_DATA", "PROJ_LIB"} & set(os.environ):
    os.environ["PROJ_DATA"] = str(_OWN)

_DEGREES = "+proj=longlat +datum=WGS84 +no_defs"


def open_geotiff(path: Path, name: str, *, file: str) -> xr.Dataset:
    """Open a GeoTIFF; values are read band by band when they are needed.

    Parameters
    ----------
    path : Path
    name : str
        Name of the variable.
    file : str
        What to call it in messages.

    Returns
    -------
    xarray.Dataset
        `name` (band, y, x); coordinates ``band_name`` (band), ``x`` and ``y`` in metres of the
        projection, ``lat`` and ``lon`` in degrees: 1-d (y), (x) on a grid of degrees, else 2-d.
        No-data values are NaN. The projection's WKT is the attribute ``crs_wkt``.

    Raises
    ------
    InvalidData
        When it is no GeoTIFF, or has no georeference.
    """
    try:
        with rasterio.Env(), rasterio.open(path) as raster:
            crs, affine, nodata = raster.crs, raster.transform, raster.nodata
            count, height, width = raster.count, raster.height, raster.width
            kind = np.result_type(*raster.dtypes)
            names = [text or str(band) for band, text in enumerate(raster.descriptions, 1)]
    except RasterioError as error:
        raise InvalidData(
            f"file {file}: is no readable GeoTIFF ({error}); fetch it again"
        ) from None
    if crs is None:
        raise InvalidData(
            f"file {file}: found no coordinate reference system, wanted one: where its "
            f"{height} x {width} cells lie is unknown"
        )
    if affine.b or affine.d:
        raise InvalidData(
            f"file {file}: found a rotated grid (shear {affine.b}, {affine.d}), wanted rows along y"
        )
    out = kind if kind.kind == "f" else np.dtype("float32")
    bands = [
        da.from_delayed(  # type: ignore[no-untyped-call]
            delayed(_read)(path, band, out, nodata), shape=(height, width), dtype=out
        )
        for band in range(1, count + 1)
    ]
    stacked = da.stack(bands)  # type: ignore[no-untyped-call]
    x = affine.c + (np.arange(width) + 0.5) * affine.a
    y = affine.f + (np.arange(height) + 0.5) * affine.e
    dataset = xr.Dataset(
        {name: (("band", "y", "x"), stacked)}, coords={"band_name": ("band", names)}
    )
    dataset.attrs["crs_wkt"] = crs.to_wkt()
    if crs.is_geographic:
        return dataset.assign_coords(
            lat=("y", y, {"units": "degrees_north"}), lon=("x", x, {"units": "degrees_east"})
        )
    # x, y may be in kilometres (subsets of Daymet are).
    metres = float(crs.linear_units_factor[1])
    dataset = dataset.assign_coords(
        x=("x", x * metres, {"standard_name": "projection_x_coordinate", "units": "m"}),
        y=("y", y * metres, {"standard_name": "projection_y_coordinate", "units": "m"}),
    )
    lat, lon = _degrees(crs, x, y)
    return dataset.assign_coords(
        lat=(("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
        lon=(("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
    )


def _read(path: Path, band: int, kind: np.dtype, nodata: float | None) -> np.ndarray:
    with rasterio.Env(), rasterio.open(path) as raster:
        values: np.ndarray = raster.read(band).astype(kind)
    if nodata is not None and not np.isnan(nodata):
        values[values == kind.type(nodata)] = np.nan
    return values


def _degrees(crs: CRS, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of every cell centre, (y, x)."""
    east, north = np.meshgrid(x, y)
    lon, lat = transform(crs, CRS.from_proj4(_DEGREES), east.ravel(), north.ravel())
    return np.reshape(lat, east.shape), np.reshape(lon, east.shape)
