"""What is written appears whole or not at all, and what was not replaced keeps its bytes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pytest
from support.elm_restart import make_restart

from catena.coupler.restart import Restart, read_restart, write_restart, writing
from catena.coupler.restart.layout import classic_extents
from catena.shared.errors import InvalidData

SRC = [str(path) for path in (Path(__file__).parents[3]).glob("*/src")]


@pytest.fixture
def restart(tmp_path: Path) -> Restart:
    return read_restart(make_restart(tmp_path / "template.nc"))


def bytes_outside(path: Path, names: set[str]) -> bytes:
    data = bytearray(path.read_bytes())
    for name, extent in classic_extents(path).items():
        if name in names:
            data[extent.begin : extent.end] = b"\0" * (extent.end - extent.begin)
    return bytes(data)


def test_an_unchanged_restart_is_written_byte_by_byte(restart: Restart, tmp_path: Path) -> None:
    write_restart(restart, tmp_path / "out.nc")
    assert (tmp_path / "out.nc").read_bytes() == restart.source.path.read_bytes()


def test_only_replaced_variables_have_other_bytes(restart: Restart, tmp_path: Path) -> None:
    pools = restart.pools()[["soil4c_vr"]] * 1.5
    new = restart.with_pools(pools)
    new.write(tmp_path / "out.nc")
    replaced = {"soil4c_vr", "soil4n_vr", "soil4p_vr", "spinup_state"} | {
        "totsomc", "totsomp", "totcolc", "totcoln", "totcolp", "totlitc", "totlitp", "cwdp",
        "totvegc",
    }  # fmt: skip
    old, out = restart.source.path, tmp_path / "out.nc"
    assert set(new.changed) == replaced
    assert bytes_outside(out, replaced) == bytes_outside(old, replaced)
    assert bytes_outside(out, set()) != bytes_outside(old, set())
    with netCDF4.Dataset(old) as before, netCDF4.Dataset(out) as after:
        assert before.data_model == after.data_model == "NETCDF3_64BIT_DATA"
        assert before.ncattrs() == after.ncattrs()
        assert list(before.variables) == list(after.variables)


def test_replaced_variables_keep_what_does_not_take_part(restart: Restart, tmp_path: Path) -> None:
    # Fill values in columns without biogeochemistry, numbers below the active levels.
    with netCDF4.Dataset(restart.source.path, "r+") as file:
        file.set_auto_mask(False)
        file["soil4c_vr"][1:16] = 1e36
        file["soil4c_vr"][0, 10:] = 3.0
        file["leafc"][8] = 1.1
    template = read_restart(restart.source.path)
    template.with_pools(template.pools()[["soil4c_vr", "leafc"]] * 2).write(tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        file.set_auto_mask(False)
        assert (file["soil4c_vr"][1:16] == 1e36).all()
        assert (file["soil4c_vr"][0, 10:] == 3.0).all()
        assert file["soil4c_vr"][0, 0] == 80000.0
        assert file["leafc"][8] == 1.1
        assert file["leafc"][7] == 560.0


def test_netcdf4_stays_netcdf4(restart: Restart, tmp_path: Path) -> None:
    with (
        netCDF4.Dataset(restart.source.path) as old,
        netCDF4.Dataset(tmp_path / "h.nc", "w", format="NETCDF4") as new,
    ):
        old.set_auto_mask(False)
        for name, dimension in old.dimensions.items():
            new.createDimension(name, len(dimension))
        for name, variable in old.variables.items():
            new.createVariable(name, variable.dtype, variable.dimensions)[...] = variable[...]
            new[name].note = "kept"
    template = read_restart(tmp_path / "h.nc")
    template.with_pools(template.pools()[["soil4c_vr"]] * 2).write(tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert file.data_model == "NETCDF4"
        assert file["soil4c_vr"].note == file["T_SOISNO"].note == "kept"
        assert file["soil4c_vr"][0, 0] == 80000.0


def test_a_restart_can_replace_its_own_file(restart: Restart) -> None:
    path = restart.source.path
    restart.with_pools(restart.pools()[["soil4c_vr"]] * 2).write(path)
    assert read_restart(path).pools()["soil4c_vr"].values[0, 0] == 80000.0
    assert [each.name for each in path.parent.iterdir()] == ["template.nc"]


def test_a_restart_in_memory_outlives_its_file(restart: Restart, tmp_path: Path) -> None:
    whole = read_restart(restart.source.path, in_memory=True)
    before = restart.source.path.read_bytes()
    restart.source.path.unlink()
    whole.write(tmp_path / "out.nc")
    assert (tmp_path / "out.nc").read_bytes() == before


def test_other_variables_are_replaced_where_the_state_takes_part(
    restart: Restart, tmp_path: Path
) -> None:
    water = np.arange(60.0).reshape(3, 20)
    new = restart.with_values({"H2OSOI_LIQ": water, "onset_gdd": np.arange(5.0), "ZWT": 3.0})
    new.with_date(cftime.datetime(12, 7, 1, 6, calendar="noleap")).write(tmp_path / "out.nc")
    back = read_restart(tmp_path / "out.nc")
    np.testing.assert_array_equal(back.values("H2OSOI_LIQ"), water)
    np.testing.assert_array_equal(back.values("onset_gdd"), np.arange(5.0))
    assert back.values("ZWT").tolist() == [3.0, 3.0, 3.0]
    assert (back["H2OSOI_LIQ"][1:16] == 0).all()
    assert back["ZWT"][1] == 5.0
    assert (back.date.year, back.date.month, back.date.day, back.date.hour) == (12, 7, 1, 6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nonsense": 1.0}, "no variable nonsense"),
        ({"soil4c_vr": 1.0}, "set together by with_pools"),
        ({"totcolc": 1.0}, "set together by with_pools"),
        ({"spinup_state": 0}, "set together by with_pools"),
        ({"pfts1d_wtcol": 1.0}, "the subgrid never"),
        ({"ZWT": float("nan")}, "ZWT: the values hold NaN"),
        ({"ZWT": [1.0, 2.0]}, r"ZWT: the values have shape \(2,\), wanted \(3,\)"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    restart: Restart, values: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidData, match=message):
        restart.with_values(values)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-3, 1e36])
def test_impossible_pools_of_the_template_are_not_passed_on(
    restart: Restart, tmp_path: Path, value: float
) -> None:
    with netCDF4.Dataset(restart.source.path, "r+") as file:
        file["soil2n_vr"][16, 3] = value
    broken = read_restart(restart.source.path)
    with pytest.raises(
        InvalidData, match=r"out\.nc is not written: soil2n_vr .* cell 1 .* level 4"
    ):
        broken.write(tmp_path / "out.nc")
    assert not (tmp_path / "out.nc").exists()


FULL = """
import resource, sys
from pathlib import Path
from catena.coupler.restart import read_restart
restart = read_restart(Path(sys.argv[1]))
changed = restart.with_pools(restart.pools()[["soil4c_vr"]] * 2)
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    changed.write(Path(sys.argv[2]))
except OSError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_full_disk_leaves_the_old_file_and_no_litter(
    restart: Restart, tmp_path: Path, share: float
) -> None:
    target = tmp_path / "finidat.nc"
    target.write_bytes(b"the old file")
    limit = int(restart.source.path.stat().st_size * share)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(restart.source.path), str(target), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "refused:" in done.stdout
    assert "finidat.nc was not written: the disk is full; what was there before" in done.stdout
    assert target.read_bytes() == b"the old file"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["finidat.nc", "template.nc"]


@pytest.mark.parametrize("place", ["patch", "_to_disk"])
@pytest.mark.parametrize(
    "error", [RuntimeError("NetCDF: I/O failure"), OSError(errno.ENOSPC, "no space")]
)
def test_a_failed_write_leaves_the_old_file_and_no_litter(
    restart: Restart,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: Exception,
) -> None:
    target = tmp_path / "finidat.nc"
    target.write_bytes(b"the old file")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(writing, place, fail)
    with pytest.raises(OSError, match=r"finidat\.nc was not written") as raised:
        restart.write(target)
    assert raised.value.errno == (errno.ENOSPC if isinstance(error, OSError) else errno.EIO)
    assert target.read_bytes() == b"the old file"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["finidat.nc", "template.nc"]


def test_a_writer_that_shortens_the_file_is_noticed(
    restart: Restart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "patch", lambda path, changed: os.truncate(path, 100))
    with pytest.raises(OSError, match="shorter"):
        restart.write(tmp_path / "out.nc")
    assert not (tmp_path / "out.nc").exists()


def test_nobody_sees_half_a_file(restart: Restart, tmp_path: Path) -> None:
    target = tmp_path / "finidat.nc"
    variants = [
        restart.with_pools(restart.pools()[["soil4c_vr"]] * factor) for factor in (2.0, 3.0)
    ]
    variants[0].write(target)
    whole = {}
    for factor, variant in zip((2.0, 3.0), variants, strict=True):
        variant.write(tmp_path / "one.nc")
        whole[(tmp_path / "one.nc").read_bytes()] = factor
    seen: set[float | None] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.add(whole.get(target.read_bytes()))

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(40):
        variants[number % 2].write(target)
    ended.set()
    watcher.join()
    assert seen == {2.0, 3.0}


def test_a_folder_that_is_not_there_is_told(restart: Restart, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"out\.nc was not written"):
        restart.write(tmp_path / "absent" / "out.nc")
