"""Weight files: layouts of ESMF, TempestRemap and SCRIP, what is applied and what is refused."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.esmf_layout import weight_dataset
from catena.data_ingest.esmf_weights import read_weights, weights_of
from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.regrid import Regridder
from catena.shared.errors import InvalidData, InvalidRequest


def on(grid, times=3, seed=0) -> xr.DataArray:
    values = 280 + np.random.default_rng(seed).standard_normal((times, *grid.shape))
    return xr.DataArray(
        values,
        dims=("time", "lat", "lon"),
        coords={"lat": grid.lat, "lon": grid.lon},
        name="tas",
        attrs={"units": "K"},
    )


@pytest.fixture
def ours(tmp_path):
    """A regridder and the same as a file."""
    regridder = Regridder(named_grid("10deg"), "gaussian:16")
    path = tmp_path / "map.nc"
    weight_dataset(regridder.weights, regridder.source, regridder.target, "conservative").to_netcdf(
        path
    )
    return regridder, path


def curvilinear() -> xr.Dataset:
    """Nine cells of a list to 2 x 3 cells of no rectilinear grid, as TempestRemap writes it."""
    rng = np.random.default_rng(3)
    dense = rng.random((6, 9)) * (rng.random((6, 9)) < 0.6)
    dense[4] = 0.0
    dense[5] *= 0.5 / dense[5].sum()
    dense[:4] /= dense[:4].sum(axis=1, keepdims=True)
    row, col = np.nonzero(dense)
    return xr.Dataset(
        {
            "S": ("n_s", dense[row, col]),
            "row": ("n_s", (row + 1).astype(np.int32)),
            "col": ("n_s", (col + 1).astype(np.int32)),
            "frac_b": ("n_b", dense.sum(axis=1)),
            "area_b": ("n_b", np.ones(6)),
            "xc_b": ("n_b", np.radians(rng.uniform(0, 90, 6)), {"units": "radians"}),
            "yc_b": ("n_b", np.radians(rng.uniform(0, 90, 6)), {"units": "radians"}),
            "area_a": ("n_a", np.ones(9)),
            "src_grid_dims": ("src_grid_rank", np.array([9], np.int32)),
            "dst_grid_dims": ("dst_grid_rank", np.array([3, 2], np.int32)),
        },
        attrs={"map_method": "TempestRemap"},
    )


def dense(data: xr.Dataset) -> np.ndarray:
    matrix = np.zeros((6, 9))
    matrix[data["row"].values - 1, data["col"].values - 1] = data["S"].values
    return matrix


@pytest.mark.parametrize("holes", [False, True])
def test_what_is_written_and_read_again_gives_the_same(ours, holes):
    regridder, path = ours
    data = on(regridder.source)
    if holes:
        data[:2, 3:7, 4:20] = np.nan
        data[2, 5] = np.nan
    weights = read_weights(path)
    expected = regridder(data)
    result = weights(data)
    assert result.dims == ("time", "lat", "lon")
    np.testing.assert_allclose(result.values, expected.values, rtol=1e-12)
    np.testing.assert_allclose(result["lat"], expected["lat"])
    assert result.attrs == {"units": "K", "regrid_method": "conservative"}


def test_the_file_has_the_layout_and_the_conservation_of_esmf(ours):
    with xr.open_dataset(ours[1], decode_cf=False) as data:
        assert {"S", "row", "col", "frac_a", "frac_b", "area_a", "area_b", "xc_a", "yv_b"} <= set(
            data.variables
        )
        assert data["src_grid_dims"].values.tolist() == [36, 18]  # fastest first
        assert data["row"].values.min() == 1
        assert data["col"].values.max() == data.sizes["n_a"]
        assert data["area_b"].values.sum() == pytest.approx(4 * np.pi)
        np.testing.assert_allclose(data["frac_a"], 1.0, rtol=1e-12)
        np.testing.assert_allclose(data["frac_b"], 1.0, rtol=1e-12)
        # Each target's weights are parts of its area (destarea).
        sums = np.bincount(data["row"].values - 1, data["S"].values)
        np.testing.assert_allclose(sums, 1.0, rtol=1e-12)


@pytest.mark.parametrize(("order", "shift"), [(-1, 0), (1, 18), (-1, 5)])
def test_data_in_another_order_are_brought_into_the_files(ours, order, shift):
    regridder, path = ours
    data = on(regridder.source)
    moved = data.isel(lat=slice(None, None, order)).roll(lon=shift, roll_coords=True)
    moved = moved.assign_coords(lon=moved["lon"] % 360)
    np.testing.assert_array_equal(read_weights(path)(moved).values, read_weights(path)(data).values)


def test_data_of_another_grid_of_the_same_size_are_refused(ours):
    regridder, path = ours
    data = on(regridder.source)
    moved = data.assign_coords(lon=data["lon"] + 2.5)
    with pytest.raises(InvalidData, match=r"map\.nc, dimension lon: found no value at -175"):
        read_weights(path)(moved)


@pytest.mark.parametrize("lazy", [False, True])
def test_cells_without_a_rectilinear_grid(lazy):
    file = curvilinear()
    weights = weights_of(file)
    values = np.random.default_rng(1).standard_normal((4, 9))
    values[1, 2] = np.nan
    values[3] = np.nan
    array = xr.DataArray(
        da.from_array(values, chunks=(1, 4)) if lazy else values, dims=("time", "ncol")
    )
    result = weights(array, min_valid=0.3)
    assert (result.chunks is not None) is lazy
    assert result.dims == ("time", "y", "x")
    assert result["lat"].dims == ("y", "x")
    assert 0 < float(result["lat"].max()) < 90
    matrix = dense(file)
    for time in range(4):
        for cell in range(6):
            valid = np.isfinite(values[time])
            weight = matrix[cell, valid].sum()
            got = float(result.values.reshape(4, 6)[time, cell])
            if weight < 0.3:
                assert np.isnan(got)
            else:
                assert got == pytest.approx(matrix[cell, valid] @ values[time, valid] / weight)


def test_scrip_names_give_the_same_as_esmf_names():
    file = curvilinear()
    columns = np.stack([file["S"].values, np.full(file.sizes["n_s"], 9.0)], axis=1)
    scrip = xr.Dataset(
        {
            "remap_matrix": (("num_links", "num_wgts"), columns),
            "src_address": ("num_links", file["col"].values),
            "dst_address": ("num_links", file["row"].values),
            "dst_grid_frac": ("dst_grid_size", file["frac_b"].values),
            "src_grid_frac": ("src_grid_size", np.ones(9)),
            "src_grid_dims": ("src_grid_rank", np.array([9, 1], np.int32)),
            "dst_grid_dims": ("dst_grid_rank", np.array([3, 2], np.int32)),
        },
        attrs={"normalization": "destarea"},
    )
    values = np.random.default_rng(1).standard_normal((2, 9))
    mine, theirs = weights_of(scrip), weights_of(file)
    assert mine.source_shape == (9,)
    np.testing.assert_array_equal(mine.fields(values), theirs.fields(values))


def test_either_normalisation_gives_the_mean_of_what_is_covered():
    """With `fracarea` rows sum to one, with `destarea` to the covered part."""
    file = curvilinear()
    sums = dense(file).sum(axis=1)
    fracarea = file.assign(S=file["S"] / sums[file["row"].values - 1])
    values = np.random.default_rng(1).standard_normal(9)
    for min_valid in (0.3, 0.7):
        np.testing.assert_allclose(
            weights_of(fracarea).fields(values, min_valid),
            weights_of(file).fields(values, min_valid),
            rtol=1e-12,
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign(col=d["col"] + 1), "col: found indices from 2 to 10, wanted 1 to 9"),
        (lambda d: d.assign(row=d["row"] - 1), "row: found indices from 0"),
        (lambda d: d.drop_vars("S"), "wanted a weight file with S"),
        (lambda d: d.assign(S=d["S"] * np.nan), "not numbers"),
        (
            lambda d: d.assign(dst_grid_dims=("dst_grid_rank", [3, 3])),
            "target grid of 6 cells whose dimensions make 9",
        ),
    ],
)
def test_damaged_files_are_refused_and_named(change, words):
    with pytest.raises(InvalidData, match=f"file broken.nc.*{words}"):
        weights_of(change(curvilinear()), "broken.nc")


def test_data_of_other_sizes_and_weights_of_other_grids_are_refused(ours):
    regridder, path = ours
    with pytest.raises(InvalidData, match=r"wanted the last ones to be of sizes \(18, 36\)"):
        read_weights(path)(on(named_grid("5deg")))
    with pytest.raises(InvalidData, match="of the source grid"):
        read_weights(path).fields(np.zeros((2, 18, 35)))
    with pytest.raises(InvalidRequest, match="wanted those of"):
        weight_dataset(regridder.weights, regridder.target, regridder.source, "conservative")
