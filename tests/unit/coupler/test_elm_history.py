from __future__ import annotations

import os
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr
from support.elm_case import elm_config
from support.fake_cime_inside import inside

from catena.coupler.elm import ElmExperiment, collect_restarts, judge_equilibrium, read_history
from catena.coupler.elm.outcome import restart_problem
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, NotFound


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ElmExperiment:
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 10}]
    experiment = ElmExperiment(elm_config(tmp_path_factory.mktemp("elm"), stages=stages))
    with inside():
        experiment.run()
    return experiment


def read(run: ElmExperiment, number: int = 0, *names: str) -> xr.Dataset:
    case = run.cases[number]
    return read_history(case.run_folder, case.stage.case, names or None)


def test_time_is_the_start_of_each_interval(run: ElmExperiment) -> None:
    data = read(run)
    assert data.sizes["time"] == 40
    assert data["time"].values[0] == cftime.DatetimeNoLeap(1, 1, 1)
    assert data["time_bounds"].values[0, 1] == cftime.DatetimeNoLeap(2, 1, 1)
    assert read(run, 1)["time"].values[0].year == 41


def test_the_instantaneous_first_record_is_dropped(run: ElmExperiment) -> None:
    files = list(run.cases[0].run_folder.glob("*.elm.h0.*.nc"))
    assert len(files) == 41 and read(run).sizes["time"] == 40
    assert (read(run)["EFLX_LH_TOT"] > 10.0).all()


def test_an_unknown_variable_is_told_with_the_known(run: ElmExperiment) -> None:
    with pytest.raises(NotFound, match=r"no NOSUCH; it has GPP"):
        read(run, 0, "NOSUCH")
    with pytest.raises(NotFound, match="has it run"):
        read_history(Path("/nowhere"), "moz")


def test_a_gap_is_refused(run: ElmExperiment, tmp_path: Path) -> None:
    case = run.cases[1]
    files = sorted(case.run_folder.glob("*.elm.h0.*.nc"))
    for number, path in enumerate(files):
        if number != 4:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InvalidData, match="files are missing"):
        read_history(tmp_path, case.stage.case)
    (tmp_path / files[4].name).write_bytes(files[4].read_bytes()[:300])
    with pytest.raises(InvalidData, match="damaged"):
        read_history(tmp_path, case.stage.case)


def test_restarts_are_collected_by_member(run: ElmExperiment) -> None:
    folder = run.cases[0].run_folder
    paths = {"a": folder / "moz_ad_spinup.elm.r.0006-01-01-00000.nc",
             "b": folder / "moz_ad_spinup.elm.r.0041-01-01-00000.nc"}  # fmt: skip
    data = collect_restarts(paths, ["soil4c_vr", "leafc"])
    assert data["soil4c_vr"].dims == ("member", "column", "levgrnd")
    with pytest.raises(InvalidData, match="no nosuch"):
        collect_restarts(paths, ["nosuch"])


def history(drift: float, years: int = 20, swing: float = 0.0, start: int = 41) -> xr.Dataset:
    days = [cftime.DatetimeNoLeap(start + n, 1, 1) for n in range(years + 1)]
    bounds = np.array([days[:-1], days[1:]]).T
    wave = swing * np.sin(2 * np.pi * np.arange(years) / 5.0)
    total = (40000.0 + drift * np.arange(years) + wave)[:, None]
    return xr.Dataset(
        {"TOTECOSYSC": (("time", "cell"), total), "GPP": (("time", "cell"), 0.0 * total)},
        coords={"time": days[:-1], "time_bounds": (("time", "bounds"), bounds)},
    )


def test_equilibrium_is_judged_on_whole_cycles() -> None:
    found = judge_equilibrium(history(0.5, swing=200.0), 5)
    assert found.reached and found.trends["TOTECOSYSC"] == pytest.approx(0.5)
    assert not judge_equilibrium(history(1.5), 5).reached
    assert judge_equilibrium(history(1.5), 5, limit=2.0).reached


def test_a_part_of_a_cycle_is_no_cycle() -> None:
    with pytest.raises(InvalidData, match="at least 2 cycles of 11"):
        judge_equilibrium(history(0.0), 11)


def test_there_is_no_trend_across_year_40_of_acceleration() -> None:
    with pytest.raises(FailedPrecondition, match="span year 40"):
        judge_equilibrium(history(0.0, start=28), 5, ad_spinup=True)
    assert judge_equilibrium(history(0.0, start=28), 5).reached
    assert judge_equilibrium(history(0.0, start=41), 5, ad_spinup=True).reached


def test_the_area_decides() -> None:
    joined = xr.concat([history(0.0), history(5.0)], "cell")
    areas = joined.assign_coords(area=("cell", [98.0, 2.0]), landfrac=("cell", [1.0, 1.0]))
    assert judge_equilibrium(areas, 5).reached
    assert judge_equilibrium(areas, 5).area_fraction == pytest.approx(0.98)
    equal = areas.assign_coords(area=("cell", [1.0, 1.0]))
    assert not judge_equilibrium(equal, 5).reached


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="TOTECOSYSC"):
        judge_equilibrium(history(0.0).drop_vars("TOTECOSYSC"), 5)
    broken = history(0.0)
    broken["TOTECOSYSC"][-1] = np.nan
    with pytest.raises(InvalidData, match="NaN"):
        judge_equilibrium(broken, 5)
    monthly = history(0.0)
    monthly["time_bounds"].values[:, 1] = monthly["time_bounds"].values[:, 0] + np.timedelta64(
        30, "D"
    ).astype(object)
    with pytest.raises(InvalidData, match="wanted years"):
        judge_equilibrium(monthly, 5)


@pytest.mark.data
def test_elms_own_files_are_read() -> None:
    folder = os.environ.get("CATENA_DATA")
    if not folder:
        pytest.skip("needs the real data in CATENA_DATA")
    runs = Path(folder) / "elm_runs"
    with pytest.raises(InvalidData, match="files are missing"):
        read_history(runs, "USMOz_ad")
    assert restart_problem(runs / "USMOz_ad.elm.r.0041-01-01-00000.nc", 1) == ""
    assert restart_problem(runs / "USMOz_final.elm.r.0241-01-01-00000.nc", 0) == ""
    wrong = restart_problem(runs / "USMOz_ad.elm.r.0041-01-01-00000.nc", 0)
    assert "spinup_state 1, wanted 0" in wrong


@pytest.mark.data
def test_one_real_record_is_the_year_before_its_stamp(tmp_path: Path) -> None:
    folder = os.environ.get("CATENA_DATA")
    if not folder:
        pytest.skip("needs the real data in CATENA_DATA")
    name = "USMOz_final.elm.h0.0047-01-01-00000.nc"
    (tmp_path / name).symlink_to(Path(folder) / "elm_runs" / name)
    data = read_history(tmp_path, "USMOz_final")
    assert data["time"].values[0] == cftime.DatetimeNoLeap(46, 1, 1)
    assert 1000.0 < float(data["GPP"][0, 0]) * 365 * 86400 < 1500.0
    assert data["GPP"].attrs["units"] == "gC/m^2/s"


def test_no_restart_files_are_told() -> None:
    with pytest.raises(NotFound, match="no member has finished"):
        collect_restarts({}, ["soil4c_vr"])


def test_a_restart_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "r.nc").write_text("text")
    with pytest.raises(InvalidData, match="restart file of g00001 cannot be read"):
        collect_restarts({"g00001": tmp_path / "r.nc"}, ["soil4c_vr"])


def test_fields_that_are_no_averages_of_cells_are_told(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "moz.elm.h0.0002-01-01-00000.nc", "w") as file:
        for name, size in (("time", 1), ("hist_interval", 2), ("lndgrid", 1), ("pft", 3)):
            file.createDimension(name, size)
        file.createVariable("time_bounds", "f8", ("time", "hist_interval"))[:] = [[0, 365]]
        time = file.createVariable("time", "f4", ("time",))
        time.units, time.calendar = "days since 0001-01-01 00:00:00", "noleap"
        file.createVariable("GPP", "f4", ("time", "pft"))[:] = 1.0
    with pytest.raises(InvalidData, match=r"GPP has dimensions .*hist_dov2xy true"):
        read_history(tmp_path, "moz", ["GPP"])
