"""What the stand-in for ELM writes, and what it follows from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np
import pytest
from support.elm_case import elm_mapping
from support.fake_cime_inside import inside
from support.site_weather import elm_file, weather

from catena.coupler.elm import ElmCase, ElmConfig, read_history
from catena.coupler.embedded.restart_state import from_restart
from catena.coupler.embedded.state import N_COLUMN, N_POOLS, P_CPOOL, S_C
from catena.coupler.fake_cime import weather as fake_weather
from catena.coupler.fake_cime.land import Land
from catena.coupler.fake_cime.model import machine_code_folder
from catena.coupler.fake_cime.namelists import read_namelist
from catena.coupler.fake_cime.weather import weather_of
from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart import check, read_restart
from catena.shared.errors import JobFailed

FINAL = [{"name": "final", "years": 2}]


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


def mapping(folder: Path, **changed: Any) -> dict[str, Any]:
    """With all variables in yearly files."""
    whole = {"stages": FINAL, "forcing_years": 1, "history": [{}]}
    return elm_mapping(folder, **(whole | changed))


def case_of(data: dict[str, Any]) -> ElmCase:
    config = ElmConfig.from_mapping(data)
    return ElmCase(config, config.runs[0])


def finished(data: dict[str, Any]) -> ElmCase:
    case = case_of(data)
    assert case.run().finished
    return case


def site_file(path: Path, values: dict) -> Path:
    """Three-hourly forcing of a site from 2003 on, with the years that ELM repeats."""
    elm_file(path, values, 8)
    with netCDF4.Dataset(path, "a") as file:
        years = values["tas"].size // (365 * 8)
        file.createVariable("end_year", "i4", ("scalar",))[:] = 2002 + years
    return path


def write_surface(path: Path, pft: str, sand: float, clay: float) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        for name, size in (("gridcell", 1), ("natpft", 17), ("nlevsoi", 10)):
            file.createDimension(name, size)
        plants = file.createVariable("PCT_NAT_PFT", "f8", ("natpft", "gridcell"))
        plants[:] = 0.0
        plants[PFT_NAMES.index(pft)] = 100.0
        for name, value in (("PCT_SAND", sand), ("PCT_CLAY", clay)):
            file.createVariable(name, "f8", ("nlevsoi", "gridcell"))[:] = value


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ElmCase:
    with inside():
        return finished(mapping(tmp_path_factory.mktemp("plain")))


def test_files_have_the_dimensions_of_elms_own(plain: ElmCase) -> None:
    wanted = {"gridcell": 1, "topounit": 1, "landunit": 4, "column": 16, "pft": 32, "levgrnd": 15}
    restart = plain.run_folder / plain.stage.restart_name
    history = next(plain.run_folder.glob("*.elm.h0.*.nc"))
    for path in (restart, history):
        with netCDF4.Dataset(path) as file:
            assert {name: len(file.dimensions[name]) for name in wanted} == wanted
            assert file.data_model == "NETCDF3_64BIT_DATA"
    found = read_restart(restart)
    assert list(check(found)) == []
    assert found.subgrid.pft_type.tolist() == [7]
    with netCDF4.Dataset(restart) as file:
        assert int(file["timemgr_rst_start_ymd"][...]) == 10101


def test_carbon_of_history_and_restart_is_one(plain: ElmCase) -> None:
    data = read_history(plain.run_folder, plain.stage.case)
    seconds = 365 * 86400
    gained = -float(data["NEE"].sum()) * seconds
    land = Land.read(plain.run_folder, read_namelist(plain.run_folder / "lnd_in"), 1)
    end = from_restart(read_restart(plain.run_folder / plain.stage.restart_name), land.columns)
    kept = carbon(end) - carbon(land.cold().values[0])
    assert kept == pytest.approx(gained, rel=1e-5) and gained > 10.0


def carbon(state: np.ndarray) -> float:
    """Of one cell with one plant, gC m-2."""
    plant = state[0, N_COLUMN:]
    return float(state[0, S_C : S_C + N_POOLS].sum() + plant[:18].sum() + plant[P_CPOOL])


def test_soil_and_plants_are_those_of_the_surface_file(plain: ElmCase, tmp_path: Path) -> None:
    data = mapping(tmp_path)
    write_surface(Path(data["surface_file"]), "c3_non-arctic_grass", 70.0, 10.0)
    case = finished(data)
    restart = read_restart(case.run_folder / case.stage.restart_name)
    assert restart.subgrid.pft_type.tolist() == [PFT_NAMES.index("c3_non-arctic_grass")]
    assert float(restart.active("deadstemc")[0]) == 0.0
    trees, grass = (read_history(one.run_folder, one.stage.case) for one in (plain, case))
    assert abs(float(grass["TOTSOILLIQ"][1, 0] / trees["TOTSOILLIQ"][1, 0]) - 1.0) > 0.1


def test_other_plants_than_elms_are_refused(tmp_path: Path) -> None:
    data = mapping(tmp_path)
    with netCDF4.Dataset(data["surface_file"], "r+") as file:
        file.createDimension("natpft", 3)
        file.createVariable("PCT_NAT_PFT", "f8", ("natpft",))[:] = 20.0
    with pytest.raises(JobFailed, match="PCT_NAT_PFT has 3 values with a sum of 60"):
        case_of(data).run()


def test_the_weather_is_that_of_the_sites_file(plain: ElmCase, tmp_path: Path) -> None:
    data = mapping(tmp_path, forcing_years=2)
    folder = Path(data["forcing"]["directory"])
    warm = weather(730, 8)
    site_file(folder / "all_hourly.nc", warm | {"tas": warm["tas"] + 2.0})
    case = finished(data)
    land = Land.read(case.run_folder, read_namelist(case.run_folder / "lnd_in"), 1)
    assert land.weather.source == "all_hourly.nc" and land.weather.first_year == 2003
    temperature = land.weather.values[0, :, 0].mean()
    assert temperature == pytest.approx((warm["tas"] + 2.0).mean(), abs=0.1)
    rain = read_history(case.run_folder, case.stage.case, ["RAIN", "SNOW"])
    fallen = float((rain["RAIN"] + rain["SNOW"]).mean())
    assert fallen == pytest.approx(warm["pr"].mean(), rel=0.02)
    # Years of the record come back as themselves; an odd one is the first.
    assert np.array_equal(land.weather.year(2003), land.weather.year(1))
    assert not np.array_equal(land.weather.year(2004), land.weather.year(1))
    other = Land.read(plain.run_folder, read_namelist(plain.run_folder / "lnd_in"), 1)
    assert other.weather.source == "generated weather"


def test_weather_is_made_once_for_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = site_file(tmp_path / "all_hourly.nc", weather(365, 8))
    first = weather_of(file, 38.7, -92.2, tmp_path / "kept")
    made = fake_weather._site_weather
    with monkeypatch.context() as patch:
        patch.setattr(fake_weather, "_site_weather", None)
        again = weather_of(file, 38.7, -92.2, tmp_path / "kept")
    assert np.array_equal(again.values, first.values)
    assert (again.first_year, again.source) == (first.first_year, first.source)
    assert np.array_equal(made(file, -6).values, first.values)
    with netCDF4.Dataset(file, "r+") as changed:
        changed["TBOT"][:] = changed["TBOT"][:] + 5.0
    other = weather_of(file, 38.7, -92.2, tmp_path / "kept")
    assert other.values[0, :, 0].mean() == pytest.approx(first.values[0, :, 0].mean() + 5.0)


def test_a_broken_sites_file_ends_the_run(tmp_path: Path) -> None:
    data = mapping(tmp_path)
    path = Path(data["forcing"]["directory"]) / "all_hourly.nc"
    values = weather(365, 8)
    values["rsds"][1000] = np.nan
    site_file(path, values)
    case = case_of(data)
    with pytest.raises(JobFailed, match="rsds"):
        case.run()
    path.write_text("no netCDF")
    with pytest.raises(JobFailed, match=r"all_hourly\.nc cannot be read"):
        case.run()


def test_tapes_have_their_intervals_variables_and_names(tmp_path: Path) -> None:
    history = [
        {"variables": ["GPP", "TOTVEGC"], "frequency": -24, "records": 365},
        {"variables": ["GPP"], "frequency": 0, "records": 1},
        {"variables": ["GPP"], "frequency": -8760, "records": 2},
    ]
    case = finished(mapping(tmp_path, history=history, restart_years=2))
    folder, name = case.run_folder, case.stage.case
    daily, monthly, yearly = (read_history(folder, name, stream=f"h{n}") for n in range(3))
    assert (daily.sizes["time"], monthly.sizes["time"], yearly.sizes["time"]) == (730, 24, 2)
    assert set(daily.data_vars) == {"GPP", "TOTVEGC"} and set(yearly.data_vars) == {"GPP"}
    assert monthly["time"].values[1] == cftime.DatetimeNoLeap(1, 2, 1)
    days = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] * 2)
    by_month = np.add.reduceat(daily["GPP"].values[:, 0], np.append(0, days.cumsum()[:-1])) / days
    np.testing.assert_allclose(monthly["GPP"].values[:, 0], by_month, rtol=1e-6)
    by_year = daily["GPP"].values.reshape(2, 365).mean(axis=1)
    np.testing.assert_allclose(yearly["GPP"].values[:, 0], by_year, rtol=1e-6)
    # As ELM: a month's file has the month, others the day on which their first record ended; the
    # first instant takes a place in files of days and years.
    names = {n: sorted(path.name for path in folder.glob(f"*.h{n}.*.nc")) for n in range(3)}
    dates = [f"{year:04d}-01-01-00000" for year in (1, 2)]
    assert names[0][:2] == [f"{name}.elm.h0.{date}.nc" for date in dates]
    assert names[1][0] == f"{name}.elm.h1.0001-01.nc" and len(names[1]) == 24
    assert names[2] == [f"{name}.elm.h2.{date}-01-01-00000.nc" for date in ("0001", "0003")]


def test_an_unknown_field_ends_the_run(tmp_path: Path) -> None:
    history = [{"variables": ["GPP", "NOSUCH"]}]
    with pytest.raises(JobFailed, match=r"NOSUCH in fincl\(1\) not found"):
        case_of(mapping(tmp_path, history=history)).run()


def test_an_interval_of_hours_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="hist_nhtfrq is -6"):
        case_of(mapping(tmp_path, history=[{"frequency": -6}])).run()


def test_a_parameter_out_of_range_ends_the_run(tmp_path: Path) -> None:
    data = mapping(tmp_path)
    with netCDF4.Dataset(data["parameter_file"], "r+") as file:
        file["flnr"][:] = -1.0
    with pytest.raises(JobFailed, match=r"flnr\[needleleaf_evergreen_temperate_tree\] = -1"):
        case_of(data).run()


def test_nitrogen_does_not_limit_the_first_years_of_acceleration(tmp_path: Path) -> None:
    stage = [{"name": "ad_spinup", "years": 40}]
    history = [{"variables": ["SUPPLEMENT_TO_SMINN"]}]
    case = finished(mapping(tmp_path, stages=stage, forcing_years=5, history=history))
    added = read_history(case.run_folder, case.stage.case, ["SUPPLEMENT_TO_SMINN"])
    by_year = added["SUPPLEMENT_TO_SMINN"].values[:, 0]
    assert (by_year[:25] > 0.0).all() and (by_year[25:] == 0.0).all()


def test_runs_share_machine_code_where_sources_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine_code_folder(tmp_path) == ""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert machine_code_folder(tmp_path) == str(tmp_path / "machine_code")
