"""Restart files that ELM wrote at US-MOz: their facts, and what its own exit from AD gave."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from catena.coupler.restart import (
    FACTORS,
    NATURAL,
    Restart,
    SpinupFactors,
    Stoichiometry,
    check,
    compare_first_record,
    exit_ad,
    read_restart,
    surface_phosphorus,
    to_flag,
    with_cycle_means,
)
from catena.coupler.restart.layout import classic_extents
from catena.coupler.restart.updating import totals_of
from catena.shared.errors import InvalidData

DATA = Path(os.environ.get("CATENA_DATA") or "absent")
RUNS = DATA / "elm_runs"
PARAMETERS = DATA / "land_model/params/usrpft_codetest_I1850CNPRDCTCBC/clm_params_c211124vpft.nc"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not RUNS.is_dir(), reason="needs CATENA_DATA with elm_runs"),
]

AD = ("ad.elm.r.0021", "ad.elm.r.0041", "ad.elm.r.0201")
FINAL = ("final.elm.r.0047", "final.elm.r.0241")
every_file = pytest.mark.parametrize("stem", [*AD, *FINAL])


def path_of(stem: str) -> Path:
    return RUNS / f"USMOz_{stem}-01-01-00000.nc"


def restart_of(stem: str) -> Restart:
    return read_restart(path_of(stem))


def soil_carbon(restart: Restart) -> float:
    return float(restart.values("totsomc")[0])


def annual(name: str, year: str, variable: str) -> float:
    with (RUNS / name).open() as file:
        return next(float(row[variable]) for row in csv.DictReader(file) if row["year"] == year)


@every_file
def test_the_column_and_the_plant_of_the_site_are_found(stem: str) -> None:
    restart = restart_of(stem)
    subgrid = restart.subgrid
    assert len(restart.source.variables) == 464
    assert restart.source.format == "NETCDF3_64BIT_DATA"
    assert subgrid.column.tolist() == [0]
    assert subgrid.slot.tolist() == [7]
    assert subgrid.name(0) == "broadleaf_deciduous_temperate_tree"
    assert (float(subgrid.lat[0]), float(subgrid.lon[0])) == pytest.approx((38.7441, -92.2001))
    assert (restart.nlevdecomp, restart.decomp_cascade_state) == (10, 10)
    assert restart.spinup_state == (1 if stem.startswith("ad") else 0)
    assert restart.date.year == int(stem[-4:])


@every_file
def test_a_real_file_is_written_byte_by_byte(stem: str, tmp_path: Path) -> None:
    restart_of(stem).write(tmp_path / "out.nc")
    assert (tmp_path / "out.nc").read_bytes() == path_of(stem).read_bytes()


@every_file
def test_what_is_not_replaced_keeps_its_bytes(stem: str, tmp_path: Path) -> None:
    template, out = restart_of(stem), tmp_path / "out.nc"
    new = template.with_pools(template.pools(), spinup_state=template.spinup_state)
    new.write(out)
    extents = classic_extents(out)
    assert classic_extents(path_of(stem)) == extents
    files = [bytearray(path.read_bytes()) for path in (path_of(stem), out)]
    assert files[0] != files[1]
    for data in files:
        for name in new.changed:
            begin, end = extents[name].begin, extents[name].end
            data[begin:end] = bytes(end - begin)
    assert files[0] == files[1]
    with netCDF4.Dataset(path_of(stem)) as before, netCDF4.Dataset(out) as after:
        assert {name: str(before.getncattr(name)) for name in before.ncattrs()} == {
            name: str(after.getncattr(name)) for name in after.ncattrs()
        }
        for name in ("H2OSOI_LIQ", "T_SOISNO", "SNLSNO", "locfnh", "tempavg_somhr"):
            before[name].set_auto_mask(False)
            after[name].set_auto_mask(False)
            assert before[name][...].tobytes() == after[name][...].tobytes()
    # Levels without decomposition, columns and PFT slots that take no part.
    for name, whole in new.changed.items():
        if whole.ndim == 2:
            assert whole[1:].tobytes() == template[name][1:].tobytes()
            assert whole[:, 10:].tobytes() == template[name][:, 10:].tobytes()
        elif whole.shape == (32,):
            assert np.delete(whole, 7).tobytes() == np.delete(template[name], 7).tobytes()


@every_file
def test_totals_are_what_elm_summed_up(stem: str) -> None:
    restart = restart_of(stem)
    found = totals_of(restart)
    assert set(found) == {
        "totlitc", "totsomc", "totcolc", "totvegc", "totcoln", "totlitp", "totsomp", "cwdp",
        "totcolp",
    }  # fmt: skip
    for name, summed in found.items():
        np.testing.assert_allclose(summed, restart.active(name), rtol=1e-13, err_msg=name)


@every_file
def test_ratios_in_real_files_are_the_fixed_ones(stem: str) -> None:
    pools = restart_of(stem).pools()
    thickness = pools["thickness"].values
    for pool, cn, cp in (("soil1", 12, 360), ("soil2", 12, 360), ("soil3", 10, 500),
                         ("soil4", 10, 500)):  # fmt: skip
        carbon, nitrogen, phosphorus = (pools[f"{pool}{element}_vr"].values[0] for element in "cnp")
        held = carbon > 1e-6
        np.testing.assert_allclose(carbon[held] / nitrogen[held], cn, rtol=1e-6)
        # Phosphorus was supplied: in the thin soil at depth C:P has drifted, above it is fixed.
        np.testing.assert_allclose(carbon[:5] / phosphorus[:5], cp, rtol=1e-6)
        assert (carbon @ thickness) / (phosphorus @ thickness) == pytest.approx(cp, rel=0.02)
    for name, cn, cp in (
        ("livestem", 50, 3000), ("deadstem", 500, 3000), ("livecroot", 50, 3000),
        ("deadcroot", 500, 3000),
    ):  # fmt: skip
        for part in ("", "_storage"):
            carbon = float(pools[f"{name}c{part}"][0])
            assert carbon / float(pools[f"{name}n{part}"][0]) == pytest.approx(cn, rel=1e-9)
            assert carbon / float(pools[f"{name}p{part}"][0]) == pytest.approx(cp, rel=1e-9)
    stored = float(pools["leafc_storage"][0])
    assert stored / float(pools["leafn_storage"][0]) == pytest.approx(25.0)
    assert stored / float(pools["leafp_storage"][0]) == pytest.approx(375.0)
    litter = pools["litr2c_vr"].values[0] / pools["litr2n_vr"].values[0]
    assert litter.max() / litter.min() > 1.5
    assert 30 < litter.min() < litter.max() < 130
    assert (pools["sminn_vr"] - pools["smin_no3_vr"] - pools["smin_nh4_vr"]).max() < 1e-12


@every_file
def test_real_files_have_no_fault(stem: str) -> None:
    found = check(restart_of(stem))
    assert [str(each) for each in found if each.action == "refused"] == []
    noted = {each.check for each in found}
    assert ("spinup_state" in noted) == stem.startswith("ad")
    assert ("scalaravg" in noted) == (stem == "ad.elm.r.0021")
    # ELM leaves NaN where a column has no methane: the reader lives with it.
    assert any("tempavg_somhr" in str(each) for each in found)


def test_the_memory_of_the_last_year_is_that_of_the_history() -> None:
    pools = restart_of("final.elm.r.0241").pools()
    year = {name: annual("USMOz_final_annual.csv", "0241", name) for name in ("GPP", "NPP")}
    assert float(pools["annsum_npp"][0]) == pytest.approx(year["NPP"], rel=1e-4)
    assert float(pools["cannsum_npp"][0]) == pytest.approx(year["NPP"], rel=1e-4)
    # A sum of rates over time steps of 1800 s.
    assert float(pools["annsum_potential_gpp"][0]) * 1800.0 == pytest.approx(year["GPP"], rel=1e-5)


def test_built_in_ratios_and_factors_are_those_of_the_parameter_file() -> None:
    ratios = Stoichiometry.from_parameters(PARAMETERS)
    natural = len(NATURAL.names)
    assert ratios.soil == NATURAL.soil
    # The file gives PFTs without wood a C:N of 0 or a value that is never used.
    for key, values in NATURAL.tissue.items():
        used = NATURAL.woody if key[0].endswith("wd") else np.arange(natural) > 0
        np.testing.assert_array_equal(ratios.tissue[key][:natural][used], values[used])
    np.testing.assert_array_equal(ratios.woody[:natural], NATURAL.woody)
    np.testing.assert_array_equal(ratios.evergreen[:natural], NATURAL.evergreen)
    assert ratios.names[1:natural] == NATURAL.names[1:]
    factors = SpinupFactors.from_parameters(PARAMETERS).decomposing
    for pool in factors:
        assert factors[pool] == pytest.approx(FACTORS.decomposing.get(pool, 1.0), rel=1e-9)


def test_parameters_of_other_plants_are_refused() -> None:
    arctic = DATA / (
        "land_model/params/usrpft_arctic_I1850CNPRDCTCBC/clm_params_c180524-sub12_updated20240201.nc"
    )
    template = restart_of("final.elm.r.0241")
    ratios = Stoichiometry.from_parameters(arctic)
    with pytest.raises(InvalidData, match=r"broadleaf_deciduous_temperate_tree .* and arctic_"):
        template.with_pools(template.pools()[["leafc"]], stoichiometry=ratios)


def test_leaving_at_year_21_is_refused_with_the_factors() -> None:
    restart = restart_of("ad.elm.r.0021")
    assert float(restart.active("scalaravg_col").max()) == pytest.approx(0.0128, abs=1e-4)
    with pytest.raises(InvalidData, match=r"year 21 .*soil4 x 2148, cwd x 107.4"):
        exit_ad(restart)


def test_exit_at_year_41_is_what_elm_went_on_with() -> None:
    after = exit_ad(restart_of("ad.elm.r.0041"))
    assert soil_carbon(after) == pytest.approx(37385, abs=1)
    assert any("soil3 x 7.303, soil4 x 102.3, cwd x 5.113" in each for each in after.remarks)
    pools, thickness = after.pools(), after.thickness
    # ELM's own mean over the first year after its exit.
    with netCDF4.Dataset(RUNS / "USMOz_final.elm.h0.0042-01-01-00000.nc") as history:
        for name, pool, tolerance in (
            ("SOIL4C", "soil4", 0.001), ("SOIL3C", "soil3", 0.02), ("CWDC", "cwd", 0.03),
        ):  # fmt: skip
            found = float(pools[f"{pool}c_vr"].values[0] @ thickness)
            assert found == pytest.approx(float(history[name][0, 0]), rel=tolerance)
        stem = float(pools["deadstemc"][0])
        assert stem == pytest.approx(float(history["DEADSTEMC"][0, 0]), rel=0.005)
        assert float(after.values("totvegc")[0]) == pytest.approx(
            float(history["TOTVEGC"][0, 0]), rel=0.02
        )
    # Six years later: passive soil nearly stands still, coarse woody debris rots.
    later = restart_of("final.elm.r.0047")
    old, new = pools["soil4c_vr"].values[0], later.pools()["soil4c_vr"].values[0]
    assert 0.98 < (new @ thickness) / (old @ thickness) < 1.0
    assert 0.95 < soil_carbon(later) / soil_carbon(after) < 1.0
    debris = later.pools()["cwdc_vr"].values[0] @ thickness
    assert 0.6 < debris / (pools["cwdc_vr"].values[0] @ thickness) < 0.9
    assert float(later.pools()["deadstemc"][0]) == pytest.approx(
        float(pools["deadstemc"][0]), rel=0.05
    )


def test_exit_at_year_201_is_near_the_equilibrium_of_40_years_later() -> None:
    after, later = exit_ad(restart_of("ad.elm.r.0201")), restart_of("final.elm.r.0241")
    assert soil_carbon(after) == pytest.approx(soil_carbon(later), rel=5e-4)
    assert float(after.values("totcolc")[0]) == pytest.approx(44456, rel=2e-3)
    assert float(after.pools()["deadstemc"][0]) == pytest.approx(
        float(later.pools()["deadstemc"][0]), rel=0.02
    )
    pools, thickness = after.pools(), after.thickness
    for variable, pool, tolerance in (
        ("SOIL4C", "soil4", 1e-4), ("SOIL3C", "soil3", 0.005), ("CWDC", "cwd", 0.005),
    ):  # fmt: skip
        year = annual("USMOz_final_annual.csv", "0202", variable)
        assert float(pools[f"{pool}c_vr"].values[0] @ thickness) == pytest.approx(
            year, rel=tolerance
        )
    # Left at year 41 instead, slow pools came out two thirds too large.
    early = exit_ad(restart_of("ad.elm.r.0041"))
    assert soil_carbon(early) / soil_carbon(after) > 1.6


def test_entering_accelerated_decomposition_and_leaving_it_is_nothing() -> None:
    start = restart_of("final.elm.r.0241")
    back = to_flag(to_flag(start, 1), 0)
    for name in start.available:
        if name != "ppool":
            np.testing.assert_allclose(back.active(name), start.active(name), rtol=1e-14)


def test_mineral_phosphorus_of_the_exit_is_what_elm_started_with() -> None:
    restart = restart_of("ad.elm.r.0201")
    # smax and ks of this soil order follow from real pairs of labile and dissolved phosphorus.
    mineral = surface_phosphorus(restart, RUNS / "surfdata_MOz.nc", smax=100.0, ks_sorption=60.0)
    early, late = restart_of("final.elm.r.0047"), restart_of("final.elm.r.0241")
    for name, tolerance in (("secondp_vr", 1e-6), ("occlp_vr", 1e-6)):
        np.testing.assert_allclose(mineral[name], early.active(name), rtol=tolerance)
    # Weathering is slow, and at depth nothing else happens to the primary mineral.
    np.testing.assert_allclose(
        mineral["primp_vr"][0, -1], early.active("primp_vr")[0, -1], rtol=1e-5
    )
    solution = late.active("solutionp_vr")[0]
    np.testing.assert_allclose(
        late.active("labilep_vr")[0], 100.0 * solution / (solution + 60.0), rtol=1e-3
    )
    assert float(restart.active("labilep_vr").max()) < 0.02 * float(mineral["labilep_vr"].max())
    after = exit_ad(restart, mineral_p=mineral)
    assert float(after.values("totcolp")[0]) == pytest.approx(
        float(early.values("totcolp")[0]), rel=0.5
    )
    assert [each for each in check(after) if each.action == "refused"] == []


def test_slow_pools_become_the_mean_of_the_last_year() -> None:
    restart = restart_of("ad.elm.r.0041")
    history = RUNS / "USMOz_ad.elm.h0.0041-01-01-00000.nc"
    others = [RUNS / f"USMOz_ad.elm.h0.{year}-01-01-00000.nc" for year in ("0010", "0021")]
    new = with_cycle_means(restart, [*others, history], cycle_years=1)
    pools, thickness = new.pools(), new.thickness
    with netCDF4.Dataset(history) as file:
        for name, pool in (("SOIL3C", "soil3"), ("SOIL4C", "soil4"), ("CWDC", "cwd")):
            mean = float(file[name][0, 0])
            assert float(pools[f"{pool}c_vr"].values[0] @ thickness) == pytest.approx(
                mean, rel=1e-6
            )
        assert float(pools["deadstemc"][0]) == pytest.approx(
            float(file["DEADSTEMC"][0, 0]), rel=1e-6
        )
    assert annual("USMOz_ad_annual.csv", "0041", "SOIL4C") == pytest.approx(
        float(pools["soil4c_vr"].values[0] @ thickness), rel=1e-5
    )
    # Dead coarse roots are .3 of dead stems by allocation, before and after.
    assert float(pools["deadcrootc"][0] / pools["deadstemc"][0]) == pytest.approx(0.3, rel=1e-6)
    assert [each for each in check(new) if each.action == "refused"] == []
    with pytest.raises(InvalidData, match=r"cycle of 11 years .* begins before year 40"):
        with_cycle_means(restart, [history], cycle_years=11)


def test_a_mean_over_a_year_is_no_first_record_but_slow_pools_are_near() -> None:
    restart = restart_of("final.elm.r.0047")
    history = RUNS / "USMOz_final.elm.h0.0047-01-01-00000.nc"
    report = compare_first_record(history, restart)
    assert set(report.compared) == {
        "SOIL1C", "SOIL2C", "SOIL3C", "SOIL4C", "CWDC", "LEAFC", "FROOTC", "DEADSTEMC", "TOTSOMC",
        "TOTLITC", "TOTVEGC", "TOTECOSYSC",
    }  # fmt: skip
    assert (report.ok, report.days) == (False, 365.0)
    names = {
        each.name for each in compare_first_record(history, restart, tolerance=0.005).differing
    }
    assert "LEAFC" in names
    assert not {"SOIL4C", "DEADSTEMC", "TOTSOMC", "TOTVEGC", "TOTECOSYSC"} & names


def test_the_flag_left_at_1_is_seen_in_the_first_record(tmp_path: Path) -> None:
    written = restart_of("final.elm.r.0241")
    # What ELM makes of a file with equilibrium pools and flag 1.
    with netCDF4.Dataset(RUNS / "USMOz_final.elm.h0.0047-01-01-00000.nc") as old:
        old.set_auto_mask(False)
        with netCDF4.Dataset(tmp_path / "h0.nc", "w", format="NETCDF3_64BIT_DATA") as new:
            for name, dimension in old.dimensions.items():
                new.createDimension(name, len(dimension))
            for name in ("time", "time_bounds", "DEADSTEMC", "SOIL4C", "TOTSOMC"):
                new.createVariable(name, old[name].dtype, old[name].dimensions)
            new["time"].setncatts({"units": old["time"].units, "calendar": "noleap"})
            new["time_bounds"][:] = 0.0
            new["DEADSTEMC"][:] = 10.0 * written.pools()["deadstemc"].values
            new["SOIL4C"][:] = np.nan
            new["TOTSOMC"][:] = np.nan
    report = compare_first_record(tmp_path / "h0.nc", written)
    assert len(report.differing) == 3
    assert "spinup_state 1" in report.cause


def test_predicted_carbon_makes_a_sound_file(tmp_path: Path) -> None:
    """What an emulator does: carbon of structural pools, the rest as predicted, into an AD file."""
    template, target = restart_of("ad.elm.r.0201"), restart_of("final.elm.r.0241")
    derived = [f"soil{n}{element}_vr" for n in (1, 2, 3, 4) for element in "np"]
    derived += [
        f"{organ}{element}{part}"
        for organ in ("leaf", "froot", "livestem", "deadstem", "livecroot", "deadcroot")
        for element in "np"
        for part in ("", "_storage", "_xfer")
    ]
    predicted = target.pools().drop_vars(derived)
    new = template.with_pools(predicted)
    new.write(tmp_path / "finidat.nc")
    back = read_restart(tmp_path / "finidat.nc")
    assert back.spinup_state == 0
    assert [str(each) for each in check(back) if each.action == "refused"] == []
    for name in ("totsomc", "totcolc", "totvegc"):
        np.testing.assert_allclose(back.values(name), target.values(name), rtol=1e-9)
    for name in ("totcoln", "totcolp"):
        np.testing.assert_allclose(back.values(name), target.values(name), rtol=2e-4)
    back.require_same_run(template)


@pytest.mark.parametrize("keep", [397_211, 396_000, 300_000, 150_000, 90_000, 5_000, 100])
def test_a_truncated_real_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.nc"
    path.write_bytes(path_of("final.elm.r.0241").read_bytes()[:keep])
    with pytest.raises(InvalidData, match=r"cut\.nc: "):
        read_restart(path)


@pytest.mark.parametrize(
    ("name", "value"), [("soil4c_vr", np.nan), ("deadstemc", -1.0), ("sminn_vr", 1e36)]
)
def test_a_broken_real_file_is_found_and_not_passed_on(
    tmp_path: Path, name: str, value: float
) -> None:
    path = tmp_path / "broken.nc"
    path.write_bytes(path_of("final.elm.r.0241").read_bytes())
    with netCDF4.Dataset(path, "r+") as file:
        where = (0, 3) if file[name].ndim == 2 else 7
        file[name][where] = value
    restart = read_restart(path)
    assert any(each.variable == name and each.action == "refused" for each in check(restart))
    with pytest.raises(InvalidData, match=f"{name} is "):
        restart.write(tmp_path / "out.nc")
    assert not (tmp_path / "out.nc").exists()
