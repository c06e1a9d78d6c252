"""Restarts against histories: means over a forcing cycle, and the check of the first record."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.elm_restart import make_restart, thickness, write_history

from catena.coupler.restart import (
    Restart,
    check,
    compare_first_record,
    exit_ad,
    read_restart,
    with_cycle_means,
)
from catena.shared.errors import InvalidData

DZ = np.array(thickness())


def accelerated(path: Path, year: int = 61) -> Restart:
    return read_restart(make_restart(path, spinup_state=1, year=year))


def yearly(folder: Path, restart: Restart, years: list[int], **factor: float) -> list[Path]:
    """One history file a year with column totals on grid cells; the factor grows by .1 a year."""
    pools, paths = restart.pools(), []
    for number, year in enumerate(years):
        values = {}
        for pool in ("cwd", "soil3", "soil4"):
            grown = factor.get(pool, 1.0) + 0.1 * number
            values[f"{pool.upper()}C"] = (pools[f"{pool}c_vr"].values @ DZ)[None] * grown
        stem = restart.subgrid.to_cells(pools["deadstemc"].values)
        values["DEADSTEMC"] = stem[None] * (factor.get("deadstem", 1.0) + 0.1 * number)
        paths.append(
            write_history(
                folder / f"h0.{year}.nc",
                values,
                start_year=1,
                bounds=[((year - 1) * 365.0, year * 365.0)],
            )
        )
    return paths


def test_slow_pools_become_the_mean_of_the_cycle(tmp_path: Path) -> None:
    restart = accelerated(tmp_path / "ad.nc")
    paths = yearly(tmp_path, restart, [58, 59, 60], soil4=1.2, cwd=0.8)
    new = with_cycle_means(restart, reversed(paths), cycle_years=3)
    old, pools = restart.pools(), new.pools()
    # Mean of f, f + .1, f + .2; the profile keeps its shape, N and P their ratios.
    for pool, factor in (("soil4", 1.3), ("soil3", 1.1), ("cwd", 0.9)):
        for element in "cnp":
            name = f"{pool}{element}_vr"
            np.testing.assert_allclose(pools[name], old[name] * factor, rtol=1e-6)
    for organ in ("deadstem", "deadcroot"):
        for element in "cnp":
            name = f"{organ}{element}"
            np.testing.assert_allclose(pools[name], old[name] * 1.1, rtol=1e-6)
    np.testing.assert_array_equal(pools["soil2c_vr"], old["soil2c_vr"])
    np.testing.assert_array_equal(pools["leafc"], old["leafc"])
    assert new.spinup_state == 1
    assert [each for each in check(new) if each.action == "refused"] == []
    assert exit_ad(new).spinup_state == 0


def test_levels_columns_and_pfts_of_the_history_are_used(tmp_path: Path) -> None:
    restart = accelerated(tmp_path / "ad.nc")
    columns = np.full((1, 48, 10), 1e36)
    profile = np.linspace(1.0, 2.0, 10)
    old = restart.pools()
    columns[0, restart.subgrid.column] = old["soil3c_vr"].values * profile
    values = {"SOIL3C_vr": columns}
    for name in ("SOIL3N", "SOIL4C", "CWDC"):
        values[f"{name}_vr"] = np.full((1, 48, 10), 7.0)
    bounds = [((59) * 365.0, 60 * 365.0)]
    by_column = write_history(tmp_path / "c.nc", values, bounds=bounds, place="column")
    with pytest.raises(InvalidData, match="DEADSTEMC is not in every history file"):
        with_cycle_means(restart, [by_column], cycle_years=1)
    slots = np.full((1, 96), 1e36)
    slots[0, restart.subgrid.slot] = [900.0, 0.0, 500.0, 0.0, 0.0]
    with netCDF4.Dataset(by_column, "r+") as file:
        file.createDimension("pft", 96)
        for name in ("DEADSTEMC", "DEADCROOTC"):
            file.createVariable(name, "f4", ("time", "pft"), fill_value=1e36)[:] = slots
    pools = with_cycle_means(restart, [by_column], cycle_years=1).pools()
    np.testing.assert_allclose(pools["soil3c_vr"], old["soil3c_vr"] * profile, rtol=1e-6)
    np.testing.assert_allclose(pools["soil3p_vr"], old["soil3p_vr"] * profile, rtol=1e-6)
    np.testing.assert_allclose(pools["soil3n_vr"], 7.0)
    assert pools["deadcrootc"].values.tolist() == [900.0, 0.0, 500.0, 0.0, 0.0]


def test_records_are_weighted_by_their_length(tmp_path: Path) -> None:
    restart = accelerated(tmp_path / "ad.nc")
    old = restart.pools()
    soil = (old["soil4c_vr"].values @ DZ)[None]
    values = {
        "SOIL4C": np.concatenate([soil * 4.0, soil * 1.0]),
        "SOIL3C": np.concatenate([soil, soil]),
        "CWDC": np.concatenate([soil, soil]),
        "DEADSTEMC": np.ones((2, 3)),
    }
    end = 60 * 365.0
    path = write_history(tmp_path / "h.nc", values, bounds=[(end - 730, end - 73), (end - 73, end)])
    pools = with_cycle_means(restart, [path], cycle_years=2).pools()
    np.testing.assert_allclose(pools["soil4c_vr"], old["soil4c_vr"] * 3.7, rtol=1e-6)


def test_the_first_moment_of_a_run_is_no_part_of_a_mean(tmp_path: Path) -> None:
    restart = accelerated(tmp_path / "ad.nc")
    paths = yearly(tmp_path, restart, [60])
    moment = write_history(
        tmp_path / "first.nc",
        {name: np.full((1, 3), 1e36) for name in ("SOIL3C", "SOIL4C", "CWDC", "DEADSTEMC")},
        bounds=[(59 * 365.0 + 100.0, 59 * 365.0 + 100.0)],  # a branch in the midst of the cycle
    )
    new = with_cycle_means(restart, [moment, *paths], cycle_years=1)
    np.testing.assert_allclose(new.pools()["soil4c_vr"], restart.pools()["soil4c_vr"], rtol=1e-6)


@pytest.mark.parametrize(
    ("years", "message"),
    [
        ([58, 60], "have a gap at day 365 to 730"),
        ([59, 60], "have a gap at day 0 to 365"),
        ([58, 59], r"cover 2 of the last 3 years"),
        ([58, 59, 60, 60], "overlap at day 730 to 1095"),
        ([20, 21], "cover 0 of the last 3 years"),
    ],
)
def test_a_cycle_with_gaps_or_overlaps_is_refused(
    tmp_path: Path, years: list[int], message: str
) -> None:
    restart = accelerated(tmp_path / "ad.nc")
    paths = yearly(tmp_path, restart, years)
    with pytest.raises(InvalidData, match=message):
        with_cycle_means(restart, paths, cycle_years=3)


def test_a_cycle_across_year_40_is_refused(tmp_path: Path) -> None:
    restart = accelerated(tmp_path / "ad.nc", year=45)
    with pytest.raises(InvalidData, match=r"begins before year 40.*run on until year 51"):
        with_cycle_means(restart, [], cycle_years=11)


def test_a_mean_with_fill_values_is_refused(tmp_path: Path) -> None:
    restart = accelerated(tmp_path / "ad.nc")
    paths = yearly(tmp_path, restart, [60])
    with netCDF4.Dataset(paths[0], "r+") as file:
        file["SOIL4C"][0, 1] = 1e36
    with pytest.raises(InvalidData, match="soil4c_vr is nan gC m-3 in cell 1"):
        with_cycle_means(restart, paths, cycle_years=1)


def test_a_history_of_another_grid_is_refused(tmp_path: Path) -> None:
    restart = accelerated(tmp_path / "ad.nc")
    other = read_restart(make_restart(tmp_path / "four.nc", cells=4, spinup_state=1, year=61))
    paths = yearly(tmp_path, other, [60])
    with pytest.raises(InvalidData, match=r"has 4 of gridcell and ad\.nc has 3"):
        with_cycle_means(restart, paths, cycle_years=1)


def first_record(path: Path, restart: Restart, **scale: float) -> Path:
    """What a model writes at its first moment, in single precision."""
    pools, subgrid = restart.pools(), restart.subgrid

    def plants(name: str) -> np.ndarray:
        return subgrid.to_cells(pools[name].values)

    values = {f"SOIL{n}C": pools[f"soil{n}c_vr"].values @ DZ for n in (1, 2, 3, 4)}
    values["CWDC"] = pools["cwdc_vr"].values @ DZ
    values["TOTSOMC"] = sum(values[f"SOIL{n}C"] for n in (1, 2, 3, 4))
    values["TOTLITC"] = sum(pools[f"litr{n}c_vr"].values @ DZ for n in (1, 2, 3))
    values["TOTVEGC"] = subgrid.to_cells(restart.values("totvegc"))
    values["TOTECOSYSC"] = (
        values["TOTSOMC"] + values["TOTLITC"] + values["CWDC"] + values["TOTVEGC"]
    )
    values |= {"LEAFC": plants("leafc"), "DEADSTEMC": plants("deadstemc")}
    values |= {"DEADCROOTC": plants("deadcrootc"), "LEAFN": plants("leafn")}
    values["SMINN"] = pools["sminn_vr"].values @ DZ
    arrays = {name: array[None] * scale.get(name, 1.0) for name, array in values.items()}
    arrays["SOIL4C_vr"] = pools["soil4c_vr"].values[None] * scale.get("SOIL4C_vr", 1.0)
    return write_history(path, arrays)


@pytest.fixture
def written(tmp_path: Path) -> Restart:
    return read_restart(make_restart(tmp_path / "finidat.nc"))


def test_a_run_that_began_with_what_was_written_passes(written: Restart, tmp_path: Path) -> None:
    report = compare_first_record(first_record(tmp_path / "h0.nc", written), written)
    assert report.ok, str(report)
    assert len(report.compared) == 15
    assert {"SOIL4C_vr", "TOTECOSYSC", "SMINN", "LEAFN"} <= set(report.compared)
    assert "15 variables begin with what was written" in str(report)


def test_differences_are_named_with_both_values(written: Restart, tmp_path: Path) -> None:
    path = first_record(tmp_path / "h0.nc", written, LEAFC=1.0002, SOIL2C=1.00005)
    report = compare_first_record(path, written)
    assert [each.name for each in report.differing] == ["LEAFC"]
    difference = report.differing[0]
    assert difference.ratio == pytest.approx(1.0002, abs=1e-6)
    assert (difference.places, report.cause) == (3, "")
    assert "LEAFC is 246.449 in gridcell 2, written was 246.4 (ratio 1.0002)" in str(report)
    assert compare_first_record(path, written, tolerance=1e-3).ok


def test_the_flag_left_at_1_is_recognised_by_dead_wood(written: Restart, tmp_path: Path) -> None:
    path = first_record(tmp_path / "h0.nc", written, DEADSTEMC=10.0, DEADCROOTC=10.0, TOTVEGC=9.0)
    report = compare_first_record(path, written)
    assert {each.name for each in report.differing} == {"DEADSTEMC", "DEADCROOTC", "TOTVEGC"}
    assert "carried spinup_state 1" in report.cause
    assert "ratio 10" in str(report)


def test_nan_in_the_soil_is_recognised(written: Restart, tmp_path: Path) -> None:
    path = first_record(tmp_path / "h0.nc", written, SOIL4C=float("nan"), TOTSOMC=float("nan"))
    report = compare_first_record(path, written)
    assert {each.name for each in report.differing} == {"SOIL4C", "TOTSOMC"}
    assert "soil pools are NaN" in str(report)


def test_a_run_in_accelerated_decomposition_is_recognised(written: Restart, tmp_path: Path) -> None:
    path = first_record(tmp_path / "h0.nc", written, DEADSTEMC=0.1)
    assert "a tenth of what was written" in str(compare_first_record(path, written))


def test_a_mean_instead_of_a_moment_is_told(written: Restart, tmp_path: Path) -> None:
    path = first_record(tmp_path / "h0.nc", written, LEAFC=1.1)
    with netCDF4.Dataset(path, "r+") as file:
        file["time_bounds"][0] = [0.0, 30.0]
    assert "mean over 30 days" in str(compare_first_record(path, written))


def test_histories_without_stocks_or_of_other_grids_are_refused(
    written: Restart, tmp_path: Path
) -> None:
    path = write_history(tmp_path / "flux.nc", {"GPP": np.ones((1, 3))})
    with pytest.raises(InvalidData, match="no stock to compare"):
        compare_first_record(path, written)
    path = write_history(tmp_path / "other.nc", {"SOIL4C": np.ones((1, 4))})
    with pytest.raises(InvalidData, match="SOIL4C has 4 of gridcell"):
        compare_first_record(path, written)
    with netCDF4.Dataset(path, "r+") as file:
        file["time"].units = "hours since 0001-01-01"
    with pytest.raises(InvalidData, match="time is in 'hours since"):
        compare_first_record(path, written)


def test_histories_on_latitudes_and_longitudes_are_placed(written: Restart, tmp_path: Path) -> None:
    # The generated grid: one row of cells, numbered along x.
    path = tmp_path / "grid.nc"
    soil = written.pools()["soil4c_vr"].values @ DZ
    write_history(path, {"LEAFC": np.ones((1, 1))}, place="other")
    with netCDF4.Dataset(path, "r+") as file:
        file.createDimension("lat", 2)
        file.createDimension("lon", 4)
        variable = file.createVariable("SOIL4C", "f4", ("time", "lat", "lon"), fill_value=1e36)
        variable[0, 0, :3] = soil
        file.renameVariable("LEAFC", "GPP")
    report = compare_first_record(path, written)
    assert report.ok and report.compared == ("SOIL4C",)


def test_a_history_of_columns_is_compared_column_by_column(
    written: Restart, tmp_path: Path
) -> None:
    values = np.full((1, 48), 1e36)
    values[0, written.subgrid.column] = written.pools()["soil4c_vr"].values @ DZ
    path = write_history(tmp_path / "h1.nc", {"SOIL4C": values}, place="column")
    assert compare_first_record(path, written).ok
    with netCDF4.Dataset(path, "r+") as file:
        file["SOIL4C"][0, 16] = 1.0
    report = compare_first_record(path, written)
    assert "SOIL4C is 1 in column 17" in str(report)
