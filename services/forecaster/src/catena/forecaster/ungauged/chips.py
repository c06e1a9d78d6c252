"""Satellite chips of basins, one each: read from GeoTIFF or zarr, checked, and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.forecaster.data.records import SHOWN, refuse
from catena.shared.errors import InvalidData, NotFound

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
"""Bands of Sentinel-2: blue, green, red, near infrared, and two of the short-wave infrared."""
CLOUD = "cloud"
"""Name of the mask: not zero where a pixel does not show the ground."""
SIZE = 64
CLEAR_ENOUGH = 0.05
"""Share of a chip that has to show the ground."""


@dataclass(frozen=True, eq=False)
class Chips:
    """One chip for each of `N` basins.

    Parameters
    ----------
    basins : tuple of str
    bands : (N, 6, 64, 64) float32 array
        Reflectance in the order of :data:`BANDS`, in any unit that all chips share; 0 under clouds.
    cloud : (N, 64, 64) boolean array
        Pixels that do not show the ground: clouds, and whatever the file has no value for.
    generated : bool
        Whether the chips are made up; to be said wherever results are shown.

    Raises
    ------
    InvalidData
        When shapes do not fit, a basin comes twice, or hardly anything of a basin is to be seen.
    """

    basins: tuple[str, ...]
    bands: NDArray[np.float32]
    cloud: NDArray[np.bool_]
    generated: bool = False

    def __post_init__(self) -> None:
        n = len(self.basins)
        cloud = np.asarray(self.cloud, bool)
        bands = np.asarray(self.bands, np.float32)
        wanted = (n, len(BANDS), SIZE, SIZE), (n, SIZE, SIZE)
        if (bands.shape, cloud.shape) != wanted:
            raise InvalidData(
                f"chips of shape {bands.shape} with clouds of shape {cloud.shape} came; "
                f"{wanted[0]} and {wanted[1]} wanted: bands {', '.join(BANDS)}, {SIZE} x {SIZE} "
                "pixels"
            )
        cloud = cloud | ~np.isfinite(bands).all(axis=1)
        object.__setattr__(self, "cloud", cloud)
        object.__setattr__(self, "bands", np.where(cloud[:, None], np.float32(0), bands))
        places = {basin: row for row, basin in enumerate(self.basins)}
        refuse({b: "came twice" for row, b in enumerate(self.basins) if places[b] != row})
        clear = 1 - cloud.mean(axis=(1, 2))
        refuse(
            {
                self.basins[row]: f"{clear[row]:.0%} of the chip shows the ground; at least "
                f"{CLEAR_ENOUGH:.0%} wanted: take a clearer day or a composite"
                for row in np.flatnonzero(clear < CLEAR_ENOUGH)
            },
            "chips are under clouds",
        )

    def select(self, basins: Sequence[str]) -> Chips:
        """Chips of some basins, in this order; InvalidData with the names of those without one."""
        places = {basin: row for row, basin in enumerate(self.basins)}
        refuse({basin: "has no chip" for basin in basins if basin not in places})
        rows = [places[basin] for basin in basins]
        return replace(self, basins=tuple(basins), bands=self.bands[rows], cloud=self.cloud[rows])

    def scaled(self, train: Sequence[str]) -> NDArray[np.float32]:
        """What a network sees: (N, 7, 64, 64), bands as differences from their mean over their
        standard deviation in clear pixels of the basins `train`, then the cloud mask.
        """
        learned = self.select(train)
        clear = np.moveaxis(learned.bands, 1, -1)[~learned.cloud].astype(np.float64)
        mean, sd = clear.mean(axis=0), clear.std(axis=0)
        sd[sd <= 1e-9 * np.abs(mean)] = 1.0
        shape = (1, -1, 1, 1)
        values = (self.bands - mean.reshape(shape)) / np.where(sd > 0, sd, 1.0).reshape(shape)
        values = np.where(self.cloud[:, None], 0.0, values)
        return np.concatenate([values, self.cloud[:, None]], axis=1).astype(np.float32)


def read_geotiff_chips(folder: str | Path, basins: Sequence[str]) -> Chips:
    """Chips from files named ``<basin>.tif``.

    Bands are found by their descriptions, those of :data:`BANDS` and ``cloud``; in a file without
    descriptions there are exactly these seven, in this order. A pixel without data in any band
    counts as cloud.

    Parameters
    ----------
    folder : path
    basins : sequence of str

    Raises
    ------
    NotFound
        With the basins that have no file.
    InvalidData
        With every basin at fault and why: no GeoTIFF, no coordinate reference system, other bands,
        another size, clouds everywhere.
    """
    folder = Path(folder)
    names = list(basins)
    refuse({b: "is no name of a file" for b in names if Path(b).name != b or b in ("", ".", "..")})
    missing = [basin for basin in names if not (folder / f"{basin}.tif").is_file()]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise NotFound(
            f"there is no chip {', '.join(f'{b}.tif' for b in missing[:SHOWN])}{more} in the folder"
        )
    read, bad = [], {}
    for basin in names:
        try:
            read.append(_read_geotiff(folder / f"{basin}.tif"))
        except ValueError as error:
            bad[basin] = str(error)
    refuse(bad, "chips cannot be used")
    values = np.stack(read) if read else np.empty((0, len(BANDS) + 1, SIZE, SIZE), np.float32)
    return _of_values(tuple(names), values)


def _read_geotiff(path: Path) -> NDArray[np.float32]:
    """The seven bands, NaN where there are no data; ValueError with what is wrong."""
    # Here, not above: only who reads such files needs the library.
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.Env(), rasterio.open(path) as raster:
            if raster.crs is None:
                raise ValueError("has no coordinate reference system; where it lies is unknown")
            if (raster.height, raster.width) != (SIZE, SIZE):
                raise ValueError(
                    f"has {raster.height} x {raster.width} pixels; {SIZE} x {SIZE} wanted: "
                    "resample it over the basin"
                )
            order = _order([text or "" for text in raster.descriptions])
            values = raster.read([place + 1 for place in order]).astype(np.float32)
            nodata = [raster.nodatavals[place] for place in order]
    except RasterioError as error:
        raise ValueError(f"is no readable GeoTIFF ({type(error).__name__})") from None
    for band, value in zip(values, nodata, strict=True):
        if value is not None:
            band[band == np.float32(value)] = np.nan
    return np.asarray(values)


def _order(names: Sequence[str]) -> list[int]:
    """Places of the wanted bands; ValueError when they are others."""
    wanted = [*BANDS, CLOUD]
    if not any(names):
        if len(names) != len(wanted):
            raise ValueError(
                f"has {len(names)} bands without descriptions; {len(wanted)} wanted: "
                f"{', '.join(wanted)}"
            )
        return list(range(len(wanted)))
    lost = [name for name in wanted if name not in names]
    if lost:
        raise ValueError(
            f"has the bands {', '.join(name or 'unnamed' for name in names)}; "
            f"{', '.join(lost)} wanted as well"
        )
    return [names.index(name) for name in wanted]


def read_zarr_chips(path: str | Path, basins: Sequence[str]) -> Chips:
    """Chips from one zarr store.

    Parameters
    ----------
    path : path
        With ``reflectance`` (basin, band, y, x), bands named as in :data:`BANDS`; ``cloud``
        (basin, y, x); the coordinates ``basin`` and ``band``; and the projection as the attribute
        ``crs_wkt``.
    basins : sequence of str

    Raises
    ------
    NotFound
        When there is no such store.
    InvalidData
        When a variable, a coordinate, a band, a basin or the projection is missing, the size is
        another, or clouds are everywhere.
    """
    if not Path(path).is_dir():
        raise NotFound("there is no zarr store of chips in the place that was given")
    with xr.open_zarr(path) as store:
        parts = {"reflectance": ("basin", "band", "y", "x"), CLOUD: ("basin", "y", "x")}
        for name, dims in parts.items():
            if name not in store or set(store[name].dims) != set(dims):
                came = str(store[name].dims) if name in store else "nothing"
                raise InvalidData(f"'{name}': {came} came; an array of {dims} wanted")
        lost = [f"coordinate {name}" for name in ("basin", "band") if name not in store.coords]
        lost += [] if store.attrs.get("crs_wkt") else ["coordinate reference system (crs_wkt)"]
        if lost:
            raise InvalidData(f"the store of chips has no {' and no '.join(lost)}; wanted all")
        here = {str(basin): row for row, basin in enumerate(store["basin"].values)}
        refuse({basin: "has no chip in the store" for basin in basins if basin not in here})
        try:
            order = _order([*map(str, store["band"].values), CLOUD])[:-1]
        except ValueError as error:
            raise InvalidData(f"the store of chips {error}") from None
        chosen = store.isel(basin=[here[basin] for basin in basins])
        bands = chosen["reflectance"].transpose(*parts["reflectance"]).isel(band=order).to_numpy()
        cloud = chosen[CLOUD].transpose(*parts[CLOUD]).to_numpy()
    values = np.concatenate([bands, cloud[:, None]], axis=1).astype(np.float32)
    return _of_values(tuple(basins), values)


def _of_values(basins: tuple[str, ...], values: NDArray[Any]) -> Chips:
    """Chips of bands and mask together; a mask without a value is cloud."""
    return Chips(basins, values[:, :-1], values[:, -1] != 0)
