"""Into and out of accelerated decomposition, and the traps on the way."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from support.elm_restart import SOIL, make_restart

from catena.coupler.restart import (
    FACTORS,
    Restart,
    SpinupFactors,
    check,
    exit_ad,
    read_restart,
    surface_phosphorus,
    to_flag,
)
from catena.shared.errors import InvalidData

SCALAR = 0.25
WANTED = {"soil3": 1.956 / SCALAR, "soil4": 27.4 / SCALAR, "cwd": 1.37 / SCALAR}


def accelerated(path: Path, year: int = 201, scalaravg: float = SCALAR) -> Restart:
    return read_restart(make_restart(path, spinup_state=1, year=year, scalaravg=scalaravg))


def test_leaving_multiplies_slow_pools_and_dead_wood_and_nothing_else(tmp_path: Path) -> None:
    before = accelerated(tmp_path / "ad.nc")
    after = exit_ad(before)
    assert (before.spinup_state, after.spinup_state) == (1, 0)
    old, new = before.pools(), after.pools()
    touched = set()
    for pool, factor in WANTED.items():
        for element in "cnp":
            name = f"{pool}{element}_vr"
            np.testing.assert_allclose(new[name], old[name] * factor, rtol=2e-3)
            touched.add(name)
    for organ in ("deadstem", "deadcroot"):
        for element in "cnp":
            np.testing.assert_array_equal(new[f"{organ}{element}"], old[f"{organ}{element}"] * 10.0)
            touched.add(f"{organ}{element}")
    for name in set(old.data_vars) - touched - {"ppool"}:
        np.testing.assert_array_equal(new[name], old[name], err_msg=str(name))
    assert [each for each in check(after) if each.action == "refused"] == []


def test_the_remarks_state_every_factor(tmp_path: Path) -> None:
    told = "\n".join(exit_ad(accelerated(tmp_path / "ad.nc")).remarks)
    assert "dead stem and dead coarse root x 10" in told
    assert "soil3 x 7.822, soil4 x 109.6, cwd x 5.477" in told
    assert "mineral phosphorus is what AD left" in told


def test_plants_begin_with_phosphorus_in_store(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "ad.nc", spinup_state=1)
    with netCDF4.Dataset(path, "r+") as file:
        slots = read_restart(path).subgrid.slot
        file["leafp"][slots] = [0.2, 0.0, 0.2, 0.0, 9.0]
        file["leafp_storage"][slots] = [0.7, 0.0, 0.1, 0.5, 0.1]
        file["ppool"][slots] = [0.3, 0.0, 0.1, 0.6, 1.0]
    after = exit_ad(read_restart(path)).pools()
    # Above leaf but below storage; nothing; below leaf; above both; below leaf.
    assert after["ppool"].values.tolist() == [0.7, 0.0, 0.2, 0.6, 9.0]


@pytest.mark.parametrize(
    ("year", "scalar", "factors"),
    [
        (21, 0.01275, "soil3 x 153.4, soil4 x 2149, cwd x 107.4"),
        (39, 0.26, "soil4 x 105.4"),
        (12, 0.0, "soil3 x inf, soil4 x inf, cwd x inf"),
    ],
)
def test_leaving_before_year_40_is_refused_with_the_factors(
    tmp_path: Path, year: int, scalar: float, factors: str
) -> None:
    with pytest.raises(InvalidData, match=rf"of year {year} .*year 40 or later") as raised:
        exit_ad(accelerated(tmp_path / "ad.nc", year, scalar))
    assert factors in str(raised.value)
    assert "run on to year 40" in str(raised.value)


def test_year_40_is_late_enough(tmp_path: Path) -> None:
    after = exit_ad(accelerated(tmp_path / "ad.nc", 40))
    assert after.spinup_state == 0
    assert any("slow pools still remember" in remark for remark in after.remarks)
    late = exit_ad(accelerated(tmp_path / "ad.nc", 200))
    assert not any("slow pools still remember" in remark for remark in late.remarks)


def test_a_model_that_states_scalaravg_1_may_leave_at_any_year(tmp_path: Path) -> None:
    before = accelerated(tmp_path / "ad.nc", 20, 1.0)
    after = exit_ad(before)
    np.testing.assert_allclose(
        after.pools()["soil4c_vr"], before.pools()["soil4c_vr"] * 27.4, rtol=1e-3
    )


@pytest.mark.parametrize("scalar", [0.0, float("nan"), 1e36, 5e-4, -0.2])
def test_a_useless_scalaravg_is_refused_in_any_year(tmp_path: Path, scalar: float) -> None:
    before = accelerated(tmp_path / "ad.nc", 201, scalar)
    with pytest.raises(InvalidData, match=r"scalaravg_col is .* in cell 0 .*level 1, wanted"):
        exit_ad(before)


def test_leaving_twice_is_refused(tmp_path: Path) -> None:
    after = exit_ad(accelerated(tmp_path / "ad.nc"))
    with pytest.raises(InvalidData, match="multiplied a second time"):
        exit_ad(after)


def test_a_flag_is_changed_with_the_pools_and_back(tmp_path: Path) -> None:
    start = read_restart(make_restart(tmp_path / "r.nc", scalaravg=SCALAR))
    assert to_flag(start, 0) is start
    inside = to_flag(start, 1)
    assert inside.spinup_state == 1
    np.testing.assert_allclose(
        inside.pools()["soil4c_vr"], start.pools()["soil4c_vr"] / WANTED["soil4"], rtol=1e-3
    )
    np.testing.assert_array_equal(inside.pools()["deadstemc"], start.pools()["deadstemc"] * 0.1)
    back = to_flag(inside, 0)
    for name in start.available:
        np.testing.assert_allclose(back.pools()[name], start.pools()[name], rtol=1e-14)
    np.testing.assert_allclose(back.values("totcolc"), start.values("totcolc"), rtol=1e-14)


def test_entering_needs_a_whole_scalaravg(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="scalaravg_col is 0 "):
        to_flag(read_restart(make_restart(tmp_path / "r.nc", scalaravg=0.0)), 1)


def test_factors_are_those_of_elm() -> None:
    assert FACTORS.decomposing["soil3"] == pytest.approx(1.956, abs=1e-3)
    assert FACTORS.decomposing["soil4"] == pytest.approx(27.4, abs=1e-2)
    assert FACTORS.decomposing["cwd"] == pytest.approx(1.37, abs=1e-2)
    assert FACTORS.dead_wood == 10.0


def test_fast_pools_are_not_accelerated() -> None:
    factors = SpinupFactors.of_rates({"litr1": 1.2, "soil2": 0.014, "soil4": 0.001, "cwd": 0.01})
    assert factors.decomposing == {
        "litr1": 1.0,
        "soil2": 1.0,
        "soil4": pytest.approx(1 / 0.365),
        "cwd": 1.0,
    }


def test_dead_wood_of_another_namelist(tmp_path: Path) -> None:
    before = accelerated(tmp_path / "ad.nc")
    after = exit_ad(before, factors=SpinupFactors(FACTORS.decomposing, dead_wood=4.0))
    np.testing.assert_array_equal(after.pools()["deadstemc"], before.pools()["deadstemc"] * 4.0)


def surface(path: Path, cells: int) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("gridcell", cells)
        for name, value in (
            ("LABILE_P", 24.0),
            ("SECONDARY_P", 47.0),
            ("OCCLUDED_P", 176.0),
            ("APATITE_P", 11.5),
        ):
            file.createVariable(name, "f8", ("gridcell",))[:] = value * (1 + np.arange(cells) / 10)
    return path


def test_mineral_phosphorus_starts_from_the_surface_data_set(tmp_path: Path) -> None:
    before = accelerated(tmp_path / "ad.nc")
    mineral = surface_phosphorus(
        before, surface(tmp_path / "s.nc", 3), smax=133.0, ks_sorption=64.0
    )
    after = exit_ad(before, mineral_p=mineral)
    pools = after.pools()
    for cell in range(3):
        labile = 48.0 * (1 + cell / 10)
        np.testing.assert_allclose(pools["labilep_vr"][cell], labile)
        np.testing.assert_allclose(pools["secondp_vr"][cell], 94.0 * (1 + cell / 10))
        np.testing.assert_allclose(pools["occlp_vr"][cell], 352.0 * (1 + cell / 10))
        np.testing.assert_allclose(pools["primp_vr"][cell], 23.0 * (1 + cell / 10))
        solution = pools["solutionp_vr"].values[cell]
        # Langmuir: what is sorbed of smax is solution over solution plus half saturation.
        np.testing.assert_allclose(133.0 * solution / (solution + 64.0), labile)
    assert not any("mineral phosphorus" in remark for remark in after.remarks)
    assert [each for each in check(after) if each.action == "refused"] == []


def test_mineral_phosphorus_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    before = accelerated(tmp_path / "ad.nc")
    with pytest.raises(InvalidData, match=r"LABILE_P has 4 grid cells and ad\.nc has 3"):
        surface_phosphorus(before, surface(tmp_path / "s.nc", 4), smax=133.0, ks_sorption=64.0)
    with pytest.raises(InvalidData, match=r"labile phosphorus is 48 gP m-3 in cell 0"):
        surface_phosphorus(before, surface(tmp_path / "s.nc", 3), smax=30.0, ks_sorption=64.0)
    mineral = surface_phosphorus(
        before, surface(tmp_path / "s.nc", 3), smax=133.0, ks_sorption=64.0
    )
    broken: xr.Dataset = mineral.copy(deep=True)
    broken["occlp_vr"] = broken["occlp_vr"] * np.nan
    with pytest.raises(InvalidData, match="occlp_vr"):
        exit_ad(before, mineral_p=broken)


def test_soil_ratios_survive_the_exit(tmp_path: Path) -> None:
    pools = exit_ad(accelerated(tmp_path / "ad.nc")).pools()
    for pool, cn, cp in zip(SOIL, (12, 12, 10, 10), (360, 360, 500, 500), strict=True):
        np.testing.assert_allclose(pools[f"{pool}c_vr"] / pools[f"{pool}n_vr"], cn)
        np.testing.assert_allclose(pools[f"{pool}c_vr"] / pools[f"{pool}p_vr"], cp)
