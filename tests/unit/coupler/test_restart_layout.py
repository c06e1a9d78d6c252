"""A classic netCDF file that ends too early is seen, and the variable that it lost is named."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from catena.coupler.restart.layout import classic_extents, is_classic
from catena.shared.errors import InvalidData

CLASSIC = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]


def write(path: Path, form: str, records: int = 3) -> Path:
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.title = "odd"  # attributes of odd length are padded
        file.numbers = np.array([1.5, 2.5])
        file.createDimension("time", None)
        file.createDimension("x", 5)
        file.createDimension("letters", 3)
        one = file.createVariable("one", "f8", ("x",))
        one.long_name = "a name"
        file.createVariable("scalar", "i4", ())[...] = 7
        file.createVariable("text", "S1", ("letters",))[:] = list("abc")
        file.createVariable("short", "i2", ("time", "letters"))[:records] = np.arange(3)
        file.createVariable("long", "f8", ("time", "x"))[:records] = np.arange(5)
        one[:] = [1.0, 2.0, 3.0, 4.0, 5.0]
    return path


@pytest.mark.parametrize("form", CLASSIC)
def test_extents_are_where_the_bytes_of_the_values_are(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "a.nc", form)
    data, extents = path.read_bytes(), classic_extents(path)
    one, scalar = extents["one"], extents["scalar"]
    assert data[one.begin : one.end] == np.arange(1.0, 6.0).astype(">f8").tobytes()
    assert data[scalar.begin : scalar.end] == np.array(7, ">i4").tobytes()
    assert data[extents["text"].begin : extents["text"].end] == b"abc"
    # The last record of a record variable.
    last = extents["long"]
    assert data[last.begin : last.end] == np.arange(5.0).astype(">f8").tobytes()
    assert max(extent.end for extent in extents.values()) <= len(data)


@pytest.mark.parametrize("form", CLASSIC)
def test_one_record_variable_alone_is_not_padded(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.createDimension("time", None)
        file.createDimension("x", 3)
        file.createVariable("only", "i2", ("time", "x"))[:4] = np.arange(12).reshape(4, 3)
    extent = classic_extents(path)["only"]
    assert path.read_bytes()[extent.begin : extent.end] == np.array([9, 10, 11], ">i2").tobytes()


@pytest.mark.parametrize("form", CLASSIC)
@pytest.mark.parametrize("keep", [3, 5, 20, 60, 150])
def test_a_header_that_is_cut_off_is_refused(tmp_path: Path, form: str, keep: int) -> None:
    path = write(tmp_path / "a.nc", form)
    path.write_bytes(path.read_bytes()[:keep])
    if not is_classic(path):
        assert keep == 3
        return
    with pytest.raises(InvalidData, match=r"a\.nc: the header"):
        classic_extents(path)


def test_a_header_with_absurd_counts_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", "NETCDF3_64BIT_DATA")
    data = bytearray(path.read_bytes())
    data[16:24] = b"\x7f" * 8  # number of dimensions
    path.write_bytes(data)
    with pytest.raises(InvalidData, match="damaged"):
        classic_extents(path)


def test_other_files_are_not_classic(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(b"\x89HDF\r\n")
    assert not is_classic(path)
    path.write_bytes(b"")
    assert not is_classic(path)
