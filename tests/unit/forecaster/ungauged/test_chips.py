"""Chips come from files as they are, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.crs import CRS
from rasterio.transform import from_origin

from catena.forecaster.ungauged import BANDS, Chips, read_geotiff_chips, read_zarr_chips
from catena.shared.errors import InvalidData, NotFound

NAMES = (*BANDS, "cloud")


def values(seed: int = 0, size: int = 64) -> np.ndarray:
    """Six bands and a mask, (7, size, size)."""
    rng = np.random.default_rng(seed)
    made = rng.uniform(0.01, 0.6, (7, size, size)).astype(np.float32)
    made[-1] = made[-1] > 0.5
    return made


def write(
    path: Path, data: np.ndarray, names: Sequence[str] | None = NAMES, *, crs: bool = True
) -> None:
    profile: dict[str, Any] = {"crs": CRS.from_epsg(32613)} if crs else {}
    with rasterio.open(
        path, "w", driver="GTiff", count=len(data), height=data.shape[1], width=data.shape[2],
        dtype="float32", nodata=-9999.0, transform=from_origin(4e5, 4e6, 10.0, 10.0), **profile,
    ) as out:  # fmt: skip
        out.write(data)
        if names is not None:
            out.descriptions = tuple(names)


def check(chips: Chips, row: int, data: np.ndarray) -> None:
    np.testing.assert_array_equal(chips.cloud[row], data[-1] > 0)
    np.testing.assert_array_equal(chips.bands[row], np.where(data[-1] > 0, 0, data[:-1]))


def test_bands_of_a_geotiff_are_found_by_name_or_by_order(tmp_path: Path) -> None:
    one, two = values(1), values(2)
    mixed = [6, 3, 0, 1, 5, 2, 4]
    extra = np.concatenate([one[mixed], one[:1] * 0])
    write(tmp_path / "a.tif", extra, [*(NAMES[k] for k in mixed), "B09"])
    write(tmp_path / "b.tif", two, None)
    chips = read_geotiff_chips(tmp_path, ["b", "a"])
    assert chips.basins == ("b", "a") and not chips.generated
    check(chips, 0, two)
    check(chips, 1, one)


def test_a_pixel_without_data_counts_as_cloud(tmp_path: Path) -> None:
    data = values()
    data[-1] = 0
    data[2, 5, 7], data[0, 1, 1], data[-1, 3, 3] = -9999.0, np.nan, -9999.0
    write(tmp_path / "a.tif", data)
    chips = read_geotiff_chips(tmp_path, ["a"])
    assert np.argwhere(chips.cloud[0]).tolist() == [[1, 1], [3, 3], [5, 7]]
    assert not chips.bands[0, :, 5, 7].any() and np.isfinite(chips.bands).all()


def test_every_file_at_fault_is_named_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path / "good.tif", values())
    write(tmp_path / "small.tif", values(size=32))
    write(tmp_path / "nowhere.tif", values(), crs=False)
    write(tmp_path / "three.tif", values()[:3], None)
    write(tmp_path / "renamed.tif", values(), [*NAMES[:5], "SWIR2", "cloud"])
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(InvalidData) as caught:
        read_geotiff_chips(tmp_path, ["good", "small", "nowhere", "three", "renamed", "text"])
    said = {v.field: v.description for v in caught.value.violations}
    assert set(said) == {f"basins[{b}]" for b in ("small", "nowhere", "three", "renamed", "text")}
    for basin, part in (
        ("small", "32 x 32 pixels; 64 x 64 wanted"), ("nowhere", "no coordinate reference system"),
        ("three", "3 bands without descriptions; 7 wanted"), ("renamed", "B12 wanted as well"),
        ("text", "no readable GeoTIFF"),
    ):  # fmt: skip
        assert part in said[f"basins[{basin}]"]
    assert str(tmp_path) not in str(caught.value)


def test_missing_files_are_named_and_names_stay_in_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", values())
    (tmp_path / "in").mkdir()
    with pytest.raises(NotFound, match=r"no chip b\.tif, c\.tif"):
        read_geotiff_chips(tmp_path, ["a", "b", "c"])
    with pytest.raises(InvalidData, match=r"basins\[\.\./a\]: is no name of a file"):
        read_geotiff_chips(tmp_path / "in", ["../a"])


def test_a_basin_under_clouds_is_refused_by_name() -> None:
    bands, cloud = np.ones((2, 6, 64, 64)), np.zeros((2, 64, 64), bool)
    cloud[1, :62] = True
    with pytest.raises(InvalidData, match=r"basins\[foggy\]: 3% of the chip shows the ground"):
        Chips(("clear", "foggy"), bands, cloud)


def store(folder: Path) -> tuple[xr.Dataset, np.ndarray]:
    data = np.stack([values(k) for k in range(3)])
    mixed = [3, 0, 1, 5, 2, 4]
    dataset = xr.Dataset(
        {
            "reflectance": (("band", "basin", "y", "x"), data[:, mixed].swapaxes(0, 1)),
            "cloud": (("basin", "y", "x"), data[:, -1].astype(np.int8)),
        },
        coords={"basin": ["a", "b", "c"], "band": [BANDS[k] for k in mixed]},
        attrs={"crs_wkt": CRS.from_epsg(32613).to_wkt()},
    )
    return dataset, data


def test_chips_of_a_zarr_store_are_found_by_basin_and_band(tmp_path: Path) -> None:
    dataset, data = store(tmp_path)
    dataset.to_zarr(tmp_path / "chips.zarr")
    chips = read_zarr_chips(tmp_path / "chips.zarr", ["c", "a"])
    assert chips.basins == ("c", "a")
    check(chips, 0, data[2])
    check(chips, 1, data[0])
    with pytest.raises(InvalidData, match=r"basins\[d\]: has no chip in the store"):
        read_zarr_chips(tmp_path / "chips.zarr", ["a", "d"])
    with pytest.raises(NotFound):
        read_zarr_chips(tmp_path / "other.zarr", ["a"])


def test_a_zarr_store_that_lacks_something_is_refused(tmp_path: Path) -> None:
    dataset, _ = store(tmp_path)
    for number, (broken, part) in enumerate(
        [
            (dataset.drop_attrs(), "no coordinate reference system"),
            (dataset.drop_vars("cloud"), "'cloud': nothing came"),
            (dataset.drop_vars("band"), "no coordinate band"),
            (dataset.isel(band=slice(5)), "wanted as well"),
            (dataset.isel(x=slice(60)), "64 x 64 pixels"),
        ]
    ):
        path = tmp_path / f"{number}.zarr"
        broken.to_zarr(path)
        with pytest.raises(InvalidData, match=part):
            read_zarr_chips(path, ["a"])


def test_scales_are_those_of_clear_pixels_of_training_basins(chips: Chips) -> None:
    train = chips.basins[:4]
    scaled = chips.scaled(train)
    assert scaled.shape == (6, 7, 64, 64)
    np.testing.assert_array_equal(scaled[:, -1], chips.cloud)
    assert not scaled[:, :-1][np.broadcast_to(chips.cloud[:, None], scaled[:, :-1].shape)].any()
    clear = np.moveaxis(scaled[:4, :-1], 1, -1)[~chips.cloud[:4]].astype(float)
    np.testing.assert_allclose(clear.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(clear.std(0), 1, atol=1e-5)
    bands = chips.bands.copy()
    bands[4:] *= 50
    other = replace(chips, bands=bands).scaled(train)
    np.testing.assert_array_equal(other[:4], scaled[:4])
    assert not np.array_equal(other[4:], scaled[4:])


def test_a_basin_without_a_chip_is_named(chips: Chips) -> None:
    with pytest.raises(InvalidData, match=r"basins\[elsewhere\]: has no chip"):
        chips.select([chips.basins[0], "elsewhere"])
