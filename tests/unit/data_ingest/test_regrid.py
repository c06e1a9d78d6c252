"""Regridding of datasets: what is kept, what is lazy, and the same numbers as another package."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.grids import grid_of
from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.regrid import Regridder, regrid
from catena.shared.errors import InvalidData, InvalidRequest


def dataset(name="2.5deg", times=6, chunks=None) -> xr.Dataset:
    grid = named_grid(name)
    lat, lon = np.radians(grid.lat)[:, None], np.radians(grid.lon)[None]
    smooth = 280 + 20 * np.cos(lat) ** 2 + np.sin(2 * lon) * np.cos(lat)
    values = (smooth + np.arange(times)[:, None, None]).astype(np.float32)
    data = xr.Dataset(
        {
            "tas": (
                ("time", "lat", "lon"),
                values,
                {"units": "K", "standard_name": "air_temperature", "cell_methods": "time: mean"},
            ),
            "kind": (
                ("lat", "lon"),
                (np.arange(lat.size * lon.size).reshape(grid.shape) % 7).astype(np.int8),
                {"flag_values": "0 1 2 3 4 5 6"},
            ),
            "zonal": (("lat", "time"), np.repeat(grid.lat[:, None], times, 1)),
            "co2": (("time",), np.linspace(280, 400, times), {"units": "1e-6"}),
            "crs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
        },
        coords={
            "time": np.arange(times),
            "height": ((), 2.0, {"units": "m"}),
            **grid.coordinates(),
        },
        attrs={"source_id": "A-MODEL"},
    )
    return data if chunks is None else data.chunk(chunks)


def test_attributes_dimensions_and_what_has_no_grid_are_kept():
    data = dataset()
    out = regrid(data, "5deg")
    assert out["tas"].dims == ("time", "lat", "lon")
    assert out["tas"].shape == (6, 36, 72)
    assert out["tas"].dtype == np.float32
    assert out["tas"].attrs == {
        "units": "K",
        "standard_name": "air_temperature",
        "cell_methods": "time: mean area: mean",
        "regrid_method": "conservative",
    }
    assert out.attrs["source_id"] == "A-MODEL"
    xr.testing.assert_identical(out["co2"].drop_vars("height"), data["co2"].drop_vars("height"))
    assert out["crs"].attrs == data["crs"].attrs
    assert float(out["height"]) == 2.0
    assert out["lat"].attrs["bounds"] == "lat_bnds"
    np.testing.assert_allclose(grid_of(out).lat_edges, named_grid("5deg").lat_edges, atol=1e-9)
    np.testing.assert_allclose(grid_of(out).lon_edges, named_grid("5deg").lon_edges, atol=1e-9)


def test_categories_keep_their_values_and_their_type():
    data = dataset()
    out = regrid(data, "gaussian:32")
    assert out["kind"].dtype == np.int8
    assert out["kind"].attrs["regrid_method"] == "nearest"
    expected = data["kind"].sel(lat=out["lat"], lon=out["lon"], method="nearest")
    # Half way between two centres either is nearest.
    assert (out["kind"].values == expected.values).mean() > 0.97
    forced = regrid(data, "gaussian:32", methods={"kind": "conservative"})
    assert forced["kind"].dtype == np.float64


def test_zonal_means_are_regridded_along_latitude_only():
    data = dataset()
    out = regrid(data, "5deg")
    assert out["zonal"].dims == ("lat", "time")
    # As a field that is the same at all longitudes.
    field = data["zonal"].expand_dims(lon=data["lon"]).transpose("time", "lat", "lon")
    whole = regrid(field.to_dataset(), "5deg")["zonal"].isel(lon=0)
    np.testing.assert_allclose(out["zonal"].values, whole.values.T, rtol=1e-12)


@pytest.mark.parametrize("method", ["conservative", "bilinear", "nearest"])
def test_lazy_data_stay_lazy_and_give_the_same(method):
    lazy = regrid(dataset(chunks={"time": 2, "lat": 10, "lon": 50}), "T21", method)
    eager = regrid(dataset(), "T21", method)
    assert lazy["tas"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), eager)


@pytest.mark.slow
def test_memory_is_bounded_by_blocks_not_by_the_data():
    """A virtual variable of 4 TB is planned at once; blocks hold whole fields of at most 64 MiB."""
    grid = named_grid("era5")
    values = da.zeros((1_000_000, *grid.shape), chunks=(240, 100, 100), dtype=np.float32)
    array = xr.DataArray(
        values, dims=("time", "lat", "lon"), coords={"lat": grid.lat, "lon": grid.lon}
    )
    out = Regridder(grid, "1.4deg")(array)
    assert out.shape == (1_000_000, 128, 256)
    step = max(out.chunks[0])
    assert step * grid.shape[0] * grid.shape[1] * 4 <= 64 * 2**20
    assert step > 1


@pytest.mark.parametrize("columns", [0, 36])
@pytest.mark.parametrize("order", [1, -1])
def test_neither_the_origin_nor_the_order_changes_the_result(columns, order):
    data = dataset()
    moved = data.roll(lon=columns, roll_coords=True).isel(lat=slice(None, None, order))
    np.testing.assert_allclose(
        regrid(moved, "T31")["tas"].values, regrid(data, "T31")["tas"].values, rtol=1e-6
    )


def test_a_regional_target_is_a_part_of_the_global_one():
    data = dataset()
    part = named_grid("5deg").part((10, 60), (-20, 60))
    out = regrid(data, part)["tas"]
    whole = regrid(data, "5deg")["tas"].sel(lat=slice(10, 60), lon=slice(-20, 60))
    np.testing.assert_array_equal(out.values, whole.values)


def test_there_and_back_again_on_nested_grids_is_the_mean():
    data = dataset()
    coarse = regrid(data, "5deg")
    back = regrid(regrid(coarse, "2.5deg"), "5deg")
    np.testing.assert_allclose(back["tas"].values, coarse["tas"].values, rtol=1e-6)


@pytest.mark.parametrize(("method", "tolerance"), [("conservative", 1e-4), ("bilinear", 1e-4)])
def test_another_package_gives_the_same(method, tolerance):
    xarray_regrid = pytest.importorskip("xarray_regrid")
    del xarray_regrid
    data = (
        dataset()[["tas"]]
        .astype(np.float64)
        .drop_vars(["lat_bnds", "lon_bnds", "height"], errors="ignore")
    )
    target = named_grid("128x256").part((-70, 70), (-170, 170))
    goal = xr.Dataset(coords={"lat": target.lat, "lon": target.lon})
    theirs = (
        data.regrid.conservative(goal, latitude_coord="lat")
        if method == "conservative"
        else data.regrid.linear(goal)
    )["tas"].transpose("time", "lat", "lon")
    ours = regrid(data, target, method)["tas"]
    inner = {"lat": slice(1, -1), "lon": slice(1, -1)}
    np.testing.assert_allclose(
        ours.isel(inner).values, theirs.isel(inner).values, rtol=tolerance, atol=0
    )


def test_what_cannot_be_regridded_is_refused_by_name():
    data = dataset()
    regridder = Regridder(named_grid("2.5deg"), "5deg")
    with pytest.raises(InvalidData, match=r"variable co2: found dimensions \('time',\)"):
        regridder(data["co2"])
    with pytest.raises(InvalidData, match=r"wanted \(72, 144\)"):
        regridder(data["tas"].isel(lat=slice(3, None)))
    with pytest.raises(InvalidData, match="variable tas: found <U"):
        regridder(data["tas"].astype(str))
    with pytest.raises(InvalidRequest, match="methods: found tass"):
        regrid(data, "5deg", methods={"tass": "nearest"})
    with pytest.raises(InvalidRequest, match=r"min_valid: found 1\.5"):
        regrid(data, "5deg", min_valid=1.5)
    with pytest.raises(InvalidRequest, match="is not known"):
        regrid(data, "a fine one")


def test_another_package_gives_the_same_noise_where_the_cells_nest():
    """Elsewhere it cuts cells in degrees, and next to the poles it adds points of its own."""
    pytest.importorskip("xarray_regrid")
    source, target = named_grid("1.25deg"), named_grid("2.5deg")
    values = 280 + 10 * np.random.default_rng(0).standard_normal(source.shape)
    array = xr.DataArray(values, dims=("lat", "lon"), coords={"lat": source.lat, "lon": source.lon})
    goal = xr.Dataset(coords={"lat": target.lat, "lon": target.lon})
    theirs = array.regrid.conservative(goal, latitude_coord="lat").transpose("lat", "lon")
    ours = Regridder(source, target)(array)
    np.testing.assert_allclose(ours.values[1:-1], theirs.values[1:-1], rtol=1e-12)
