"""An empty restart file of any number of cells, for models that bring their own state."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from catena.coupler.restart import POOLS, check, read_restart, write_template, writing
from catena.shared.errors import InvalidData

TREE = np.eye(17)[[7]]


def template(path: Path, **options: Any) -> Path:
    write_template(path, **{"lat": [38.7], "lon": [-92.2], "pft_weights": TREE, **options})
    return path


def test_dimensions_and_index_vectors_are_those_of_elm(tmp_path: Path) -> None:
    path = template(tmp_path / "t.nc")
    with netCDF4.Dataset(path) as file:
        sizes = {name: len(dimension) for name, dimension in file.dimensions.items()}
        assert file.data_model == "NETCDF3_64BIT_DATA"
        wanted = {
            "gridcell": 1, "topounit": 1, "landunit": 4, "column": 16, "pft": 32, "levgrnd": 15,
            "levtot": 20, "levsno": 5, "levtrc": 10,
        }  # fmt: skip
        assert wanted.items() <= sizes.items()
        assert file["cols1d_ityplun"][:].tolist() == [1] + [7] * 5 + [8] * 5 + [9] * 5
        assert file["cols1d_landunit_index"][:].tolist() == [1] + [2] * 5 + [3] * 5 + [4] * 5
        assert file["pfts1d_column_index"][:].tolist() == [1] * 17 + list(range(2, 17))
        assert file["pfts1d_itypveg"][:].tolist() == [*range(17), *([0] * 15)]
        assert file["pfts1d_active"][:].tolist() == [int(i == 7) for i in range(32)]
        assert file["timemgr_rst_curr_ymd"][...] == 10101
        assert file.ipft_c4_grass == 14


@pytest.mark.parametrize("urban", [True, False])
@pytest.mark.parametrize("cells", [1, 5])
def test_an_empty_file_is_sound(tmp_path: Path, cells: int, urban: bool) -> None:
    path = template(
        tmp_path / "t.nc",
        lat=np.linspace(0, 60, cells),
        lon=np.zeros(cells),
        pft_weights=np.repeat(TREE, cells, axis=0),
        urban=urban,
    )
    restart = read_restart(path)
    assert len(restart.subgrid.column) == cells
    assert check(restart) == []
    assert set(restart.pools().data_vars) == set(POOLS)
    assert all(float(abs(values).max()) == 0 for values in restart.pools().data_vars.values())


def test_a_calendar_with_leap_years_is_told_to_the_reader(tmp_path: Path) -> None:
    path = template(tmp_path / "t.nc", ymd=20000229, calendar="standard")
    date = read_restart(path).date
    assert (date.year, date.month, date.day, date.calendar) == (2000, 2, 29, "standard")


def test_the_header_holds_nothing_that_was_only_needed_to_make_it(tmp_path: Path) -> None:
    path = template(tmp_path / "t.nc")
    with netCDF4.Dataset(path) as file:
        assert max(len(str(file.getncattr(name))) for name in file.ncattrs()) < 100


def test_a_models_own_variables_are_kept(tmp_path: Path) -> None:
    path = template(tmp_path / "t.nc", extra={"MY_STATE": ("column", "levgrnd")}, phosphorus=False)
    restart = read_restart(path).with_values({"MY_STATE": np.arange(15.0)[None] / 7.0})
    restart.write(tmp_path / "out.nc")
    back = read_restart(tmp_path / "out.nc")
    np.testing.assert_array_equal(back.values("MY_STATE")[0], np.arange(15.0) / 7.0)
    assert back.elements == ("c", "n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pft_weights": TREE * 0.5}, "sum of 0.5"),
        ({"pft_weights": TREE * 2 - np.eye(17)[[3]]}, "weights of cell 0 are -1"),
        ({"pft_weights": TREE * np.nan}, "sum of nan"),
        ({"calendar": "julian"}, "calendar is 'julian', wanted 'noleap' or 'standard'"),
        ({"lat": [1.0, 2.0]}, "wanted .cell,., .cell,. and .cell, PFT."),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidData, match=message):
        template(tmp_path / "t.nc", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(writing, "_to_disk", full)
    with pytest.raises(OSError, match=r"t\.nc was not written: the disk is full"):
        template(tmp_path / "t.nc")
    assert list(tmp_path.iterdir()) == []
