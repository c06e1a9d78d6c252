"""Classic netCDF files that were cut off are known by their header."""

from __future__ import annotations

import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from catena.shared.classic_netcdf import lacking_bytes

KINDS = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


def written(path: Path, kind: str, *, unlimited: int, seed: int = 0) -> Path:
    """Variables with and without records, of sizes that are no multiple of 4."""
    rng = np.random.default_rng(seed)
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.title, file.numbers = "cut off", np.arange(3, dtype="i2")
        file.createDimension("time", None)
        file.createDimension("x", 5)
        file.createDimension("y", 3)
        for name, code, dims in (("a", "f8", ("x", "y")), ("b", "i2", ("x",)), ("c", "f4", ())):
            variable = file.createVariable(name, code, dims)
            variable.units = "kg m-2"
            variable[...] = 1 + rng.integers(0, 9, variable.shape)
        for k in range(unlimited):
            variable = file.createVariable(f"r{k}", "i2", ("time", "y"))
            variable[:] = 1 + rng.integers(0, 9, (7, 3))
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unlimited", [0, 1, 2])
def test_a_whole_file_lacks_nothing_and_a_shorter_one_what_it_lacks(
    tmp_path: Path, kind: str, unlimited: int
) -> None:
    path = written(tmp_path / "file.nc", kind, unlimited=unlimited)
    assert lacking_bytes(path) == 0
    size = path.stat().st_size
    os.truncate(path, size - 40)
    assert 36 < lacking_bytes(path) <= 40  # up to 3 bytes at the end only fill up


def test_the_library_itself_says_nothing(tmp_path: Path) -> None:
    # Why this is here: what is missing is read as zeros.
    path = written(tmp_path / "file.nc", "NETCDF3_64BIT_OFFSET", unlimited=2)
    os.truncate(path, path.stat().st_size - 40)
    with netCDF4.Dataset(path) as file:
        assert 0 in np.asarray(file["r1"][:])


def test_other_files_lack_nothing(tmp_path: Path) -> None:
    hdf = written(tmp_path / "file.nc", "NETCDF4", unlimited=1)
    assert lacking_bytes(hdf) == 0
    text = tmp_path / "text.txt"
    text.write_text("CDF is short for a word")
    assert lacking_bytes(text) == 0
    (tmp_path / "empty").write_bytes(b"")
    assert lacking_bytes(tmp_path / "empty") == 0


def test_a_damaged_header_is_left_to_the_library(tmp_path: Path) -> None:
    path = written(tmp_path / "file.nc", "NETCDF3_CLASSIC", unlimited=1)
    whole = path.read_bytes()
    for position in range(4, 300, 7):
        path.write_bytes(whole[:position] + b"\xff\xff\xff\xff" + whole[position + 4 :])
        assert lacking_bytes(path) >= 0
    path.write_bytes(whole[:60])
    assert lacking_bytes(path) == 0
