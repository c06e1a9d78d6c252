"""Reading a restart file: what takes part, what it holds, and every way in which it is unusable."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.elm_restart import KINDS, LEVELS, make_restart, thickness

from catena.coupler.restart import POOLS, read_restart
from catena.shared.errors import InvalidData


def change(path: Path, alter: Callable[[netCDF4.Dataset], None]) -> Path:
    with netCDF4.Dataset(path, "r+") as file:
        file.set_auto_mask(False)
        alter(file)
    return path


def copy_without(path: Path, target: Path, left_out: set[str], form: str) -> Path:
    with netCDF4.Dataset(path) as old, netCDF4.Dataset(target, "w", format=form) as new:
        old.set_auto_mask(False)
        new.setncatts({name: old.getncattr(name) for name in old.ncattrs()})
        for name, dimension in old.dimensions.items():
            new.createDimension(name, len(dimension))
        for name, variable in old.variables.items():
            if name not in left_out:
                new.createVariable(name, variable.dtype, variable.dimensions)
        for name in new.variables:
            new[name][...] = old[name][...]
    return target


def test_columns_and_pfts_that_take_part_are_found(tmp_path: Path) -> None:
    restart = read_restart(make_restart(tmp_path / "r.nc", cells=4))
    subgrid = restart.subgrid
    # One natural column of 16 in each cell, and the PFTs with weight.
    assert subgrid.column.tolist() == [0, 16, 32, 48]
    assert subgrid.gridcell.tolist() == [0, 1, 2, 3]
    wanted = [(cell, kind) for cell in range(4) for kind in sorted(KINDS[cell % 3])]
    assert list(zip(subgrid.cell, subgrid.pft_type, strict=True)) == wanted
    assert subgrid.slot.tolist() == [32 * cell + kind for cell, kind in wanted]
    assert subgrid.pft_weight.tolist() == [KINDS[cell % 3][kind] for cell, kind in wanted]
    assert subgrid.lat.tolist() == [50.0, 30.0, 10.0, -10.0]
    assert subgrid.lon[0] == pytest.approx(-92.2)
    assert subgrid.name(0) == "broadleaf_deciduous_temperate_tree"


def test_pft_without_weight_or_inactive_column_takes_no_part(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc", cells=3)

    def alter(file: netCDF4.Dataset) -> None:
        file["cols1d_active"][0] = 0
        file["pfts1d_active"][:32] = 0
        # An active urban column is no natural vegetation.
        file["cols1d_active"][16 + 5] = 1

    restart = read_restart(change(path, alter))
    assert restart.subgrid.column.tolist() == [16, 32]
    assert set(restart.subgrid.pft_type) == {0, 1, 13, 14}


def test_pools_have_names_units_places_and_values(tmp_path: Path) -> None:
    restart = read_restart(make_restart(tmp_path / "r.nc", cells=3))
    pools = restart.pools()
    assert pools.sizes == {"cell": 3, "level": LEVELS, "pft": 5}
    assert set(pools.data_vars) == set(POOLS)
    assert {pools[name].attrs["units"] for name in ("soil4c_vr", "litr1c_vr")} == {"gC m-3"}
    assert pools["leafn_storage"].attrs["units"] == "gN m-2"
    assert pools["solutionp_vr"].attrs["units"] == "gP m-3"
    np.testing.assert_allclose(pools["soil4c_vr"].values[1, 2], 40000 * 1.1 * np.exp(-0.6))
    np.testing.assert_allclose(pools["thickness"].values, thickness())
    assert pools["leafc"].values.tolist() == [280.0, 0.0, 308.0, 308.0, 336.0]
    assert pools["pft_name"].values[1] == "not_vegetated"
    assert pools.attrs == {"spinup_state": 0, "decomp_cascade_state": 10, "date": "0201-01-01"}


def test_header_is_read(tmp_path: Path) -> None:
    restart = read_restart(make_restart(tmp_path / "r.nc", spinup_state=1, year=41))
    assert (restart.spinup_state, restart.decomp_cascade_state) == (1, 10)
    assert (restart.date.year, restart.date.month, restart.date.day) == (41, 1, 1)
    assert restart.date.calendar == "noleap"
    assert restart.nlevdecomp == LEVELS
    assert restart.elements == ("c", "n", "p")


def test_a_model_without_phosphorus_is_read(tmp_path: Path) -> None:
    restart = read_restart(make_restart(tmp_path / "r.nc", phosphorus=False))
    assert restart.elements == ("c", "n")
    assert "leafp" not in restart.pools()


def test_phosphorus_in_part_is_refused_by_name(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")
    part = copy_without(path, tmp_path / "p.nc", {"soil4p_vr"}, "NETCDF4")
    with pytest.raises(InvalidData, match=r"p\.nc: the file has no variable soil4p_vr;"):
        read_restart(part)


@pytest.mark.parametrize("form", ["NETCDF3_64BIT_OFFSET", "NETCDF4", "NETCDF4_CLASSIC"])
def test_other_formats_are_read_alike(tmp_path: Path, form: str) -> None:
    path = make_restart(tmp_path / "r.nc")
    other = copy_without(path, tmp_path / "o.nc", set(), form)
    assert read_restart(other).pools().identical(read_restart(path).pools())


@pytest.mark.parametrize(
    "name",
    ["soil4c_vr", "leafc", "spinup_state", "decomp_cascade_state", "cols1d_ityplun", "pfts1d_wtcol",
     "timemgr_rst_curr_ymd", "smin_nh4_vr"],
)  # fmt: skip
def test_missing_variables_are_named_with_the_file(tmp_path: Path, name: str) -> None:
    path = make_restart(tmp_path / "r.nc")
    part = copy_without(path, tmp_path / "p.nc", {name}, "NETCDF3_64BIT_DATA")
    with pytest.raises(InvalidData, match=rf"p\.nc: the file has no variable {name}"):
        read_restart(part)


@pytest.mark.parametrize("share", [0.999, 0.7, 0.3, 0.05])
def test_a_truncated_file_is_refused_and_the_lost_variable_named(
    tmp_path: Path, share: float
) -> None:
    path = make_restart(tmp_path / "r.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        InvalidData, match=r"r\.nc: (the file is truncated: .*variable \w+|the hea)"
    ):
        read_restart(path)


def test_a_truncated_hdf5_file_is_refused(tmp_path: Path) -> None:
    path = copy_without(make_restart(tmp_path / "r.nc"), tmp_path / "h.nc", set(), "NETCDF4")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidData, match=r"h\.nc: this is no whole netCDF file"):
        read_restart(path)


@pytest.mark.parametrize("content", [b"", b"not a netCDF file at all", b"CDF"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.nc"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=r"r\.nc: this is no whole netCDF file"):
        read_restart(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"r\.nc: there is no such file"):
        read_restart(tmp_path / "r.nc")


def test_the_century_cascade_is_refused(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")
    change(path, lambda file: file["decomp_cascade_state"].assignValue(11))
    with pytest.raises(InvalidData, match="decomp_cascade_state is 11"):
        read_restart(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("spinup_state", 2, "spinup_state is 2, wanted 0 or 1"),
        ("timemgr_rst_curr_ymd", 2011341, "2011341 .* no date"),
        ("timemgr_rst_type", 9, "timemgr_rst_type is 9"),
    ],
)
def test_a_header_that_says_nothing_is_refused(
    tmp_path: Path, name: str, value: int, message: str
) -> None:
    path = make_restart(tmp_path / "r.nc")
    change(path, lambda file: file[name].assignValue(value))
    with pytest.raises(InvalidData, match=message):
        read_restart(path)


def test_index_vectors_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")

    def owner(file: netCDF4.Dataset) -> None:
        file["pfts1d_column_index"][7] = 2

    with pytest.raises(InvalidData, match="slot 8 into column 2"):
        read_restart(change(path, owner))

    def outside(file: netCDF4.Dataset) -> None:
        file["pfts1d_column_index"][7] = 4000

    with pytest.raises(InvalidData, match="pfts1d_column_index holds"):
        read_restart(change(path, outside))

    def weight(file: netCDF4.Dataset) -> None:
        file["pfts1d_column_index"][7] = 1
        file["pfts1d_wtcol"][7] = 0.9

    with pytest.raises(InvalidData, match=r"cover 0\.9 of it"):
        read_restart(change(path, weight))


def test_a_file_without_natural_vegetation_is_refused(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")

    def alter(file: netCDF4.Dataset) -> None:
        file["cols1d_ityplun"][:] = 5

    with pytest.raises(InvalidData, match="no active natural vegetation"):
        read_restart(change(path, alter))


def test_swapped_dimensions_are_refused(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")
    swapped = copy_without(path, tmp_path / "s.nc", {"soil3c_vr"}, "NETCDF4")
    with netCDF4.Dataset(swapped, "r+") as file:
        file.createVariable("soil3c_vr", "f8", ("levgrnd", "column"))[:] = 1.0
    with pytest.raises(InvalidData, match=r"soil3c_vr has dimensions \('levgrnd', 'column'\)"):
        read_restart(swapped)


def test_a_file_that_changes_while_it_is_used_is_refused(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")
    lazy, whole = read_restart(path), read_restart(path, in_memory=True)
    before = whole["leafc"].copy()
    time.sleep(0.01)
    change(path, lambda file: file["leafc"].__setitem__(slice(None), 9.0))
    with pytest.raises(InvalidData, match="changed after it had been read"):
        lazy["leafc"]
    path.unlink()
    with pytest.raises(InvalidData, match="changed after it had been read"):
        lazy.pools()
    np.testing.assert_array_equal(whole.pools()["leafc"], before[whole.subgrid.slot])


def test_restarts_of_other_runs_do_not_fit(tmp_path: Path) -> None:
    one = read_restart(make_restart(tmp_path / "a.nc"))
    one.require_same_run(read_restart(make_restart(tmp_path / "b.nc", year=41, spinup_state=1)))
    with pytest.raises(InvalidData, match=r"cols1d_active is 48 entries in a\.nc and 64 .* b\.nc"):
        one.require_same_run(read_restart(make_restart(tmp_path / "b.nc", cells=4)))

    def other_pft(file: netCDF4.Dataset) -> None:
        file["pfts1d_itypveg"][7] = 8

    other = read_restart(change(make_restart(tmp_path / "b.nc"), other_pft))
    with pytest.raises(InvalidData, match=r"pfts1d_itypveg is 7 at 8 in a\.nc and 8 at 8 in b"):
        one.require_same_run(other)
    change(tmp_path / "b.nc", lambda file: file["decomp_cascade_state"].assignValue(0))
    with pytest.raises(InvalidData, match=r"decomp_cascade_state is 10 in a\.nc and 0 in b\.nc"):
        one.require_same_run(read_restart(tmp_path / "b.nc"))
