"""New pools: what is derived, what is set to zero, what is refused, and totals that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from support.elm_restart import (
    EVERGREEN,
    ORGANS,
    PARTS,
    RATIO,
    SOIL,
    TISSUE,
    WOODY,
    make_restart,
    thickness,
)

from catena.coupler.restart import NATURAL, Restart, Stoichiometry, check, read_restart
from catena.shared.errors import InvalidData


@pytest.fixture
def template(tmp_path: Path) -> Restart:
    return read_restart(make_restart(tmp_path / "template.nc"))


@pytest.fixture
def accelerated(tmp_path: Path) -> Restart:
    return read_restart(make_restart(tmp_path / "ad.nc", spinup_state=1))


def only(pools: xr.Dataset, *names: str) -> xr.Dataset:
    return pools[list(names)].copy(deep=True)


def refused(findings: list[Any]) -> list[str]:
    return [str(each) for each in findings if each.action == "refused"]


def test_soil_nitrogen_and_phosphorus_follow_carbon(template: Restart) -> None:
    carbon = [f"{pool}c_vr" for pool in SOIL]
    pools = template.with_pools(only(template.pools(), *carbon) * 3.0).pools()
    for pool in SOIL:
        for element in "np":
            np.testing.assert_allclose(
                pools[f"{pool}c_vr"] / pools[f"{pool}{element}_vr"], RATIO[element][pool]
            )
    # C:P is C:N times N:P (30, 30, 50, 50): N:P itself would be a tenfold error.
    np.testing.assert_allclose(pools["soil4n_vr"] / pools["soil4p_vr"], 50.0)
    np.testing.assert_allclose(pools["soil1n_vr"] / pools["soil1p_vr"], 30.0)


def test_tissue_follows_carbon_by_pft(template: Restart) -> None:
    names = [f"{organ}c{part}" for organ in ORGANS for part in PARTS]
    pools = template.with_pools(only(template.pools(), *names) * 2.0).pools()
    for slot, kind in enumerate(template.subgrid.pft_type):
        for organ in ORGANS:
            for part in PARTS:
                carbon = float(pools[f"{organ}c{part}"][slot])
                absent = (
                    kind == 0
                    or (organ not in ("leaf", "froot") and kind not in WOODY)
                    or (part and kind in EVERGREEN)
                )
                assert (carbon == 0.0) == bool(absent)
                for element in "np":
                    if carbon and organ != "leaf":
                        ratio = carbon / float(pools[f"{organ}{element}{part}"][slot])
                        assert ratio == pytest.approx(TISSUE[element][organ])
    assert float(pools["leafc"][2] / pools["leafn"][2]) == pytest.approx(35.0)
    assert float(pools["leafc"][2] / pools["leafp"][2]) == pytest.approx(525.0)


def test_pools_that_a_pft_cannot_have_are_set_to_zero_and_told(template: Restart) -> None:
    pools = only(template.pools(), "leafc_storage", "deadstemc", "cpool")
    pools["leafc_storage"][:] = 5.0
    pools["deadstemc"][:] = 7.0
    pools["cpool"][:] = 1.0
    new = template.with_pools(pools)
    # Cell 0: deciduous tree; cell 1: bare, evergreen tree, grass; cell 2: grass.
    assert new.pools()["leafc_storage"].values.tolist() == [5.0, 0.0, 0.0, 5.0, 5.0]
    assert new.pools()["deadstemc"].values.tolist() == [7.0, 0.0, 7.0, 0.0, 0.0]
    assert new.pools()["cpool"].values.tolist() == [1.0, 0.0, 1.0, 1.0, 1.0]
    assert new.pools()["deadstemn"].values.tolist() == [7 / 500, 0.0, 7 / 500, 0.0, 0.0]
    told = "\n".join(new.remarks)
    assert "deadstemc was set to 0 in 3 PFT slots" in told
    assert "up to 7 gC m-2 were given" in told


def test_litter_and_debris_keep_their_floating_ratios(template: Restart) -> None:
    before = template.pools()
    after = template.with_pools(only(before, "litr2c_vr", "cwdc_vr") * 1.7).pools()
    for pool in ("litr2", "cwd"):
        for element in "np":
            np.testing.assert_allclose(
                after[f"{pool}{element}_vr"], before[f"{pool}{element}_vr"] * 1.7
            )
    # Litter at each depth has a ratio of its own, and it is not a fixed one.
    assert len(np.unique(np.round(after["litr2c_vr"][0] / after["litr2n_vr"][0], 6))) == 10


def test_litter_nitrogen_that_is_given_is_taken(template: Restart) -> None:
    pools = only(template.pools(), "litr2c_vr", "litr2n_vr", "litr2p_vr")
    pools["litr2n_vr"] = pools["litr2n_vr"] * 1.3
    after = template.with_pools(pools).pools()
    np.testing.assert_array_equal(after["litr2n_vr"], pools["litr2n_vr"])


def test_litter_where_the_template_has_none_asks_for_its_nitrogen(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc")
    with netCDF4.Dataset(path, "r+") as file:
        file["litr1c_vr"][16, 4] = 0.0
    template = read_restart(path)
    pools = only(template.pools(), "litr1c_vr")
    pools["litr1c_vr"][:] = 1.0
    with pytest.raises(InvalidData, match=r"litr1c_vr is new in cell 1 .* level 5.*litr1n_vr"):
        template.with_pools(pools)


def test_totals_are_the_sums_of_the_new_parts(template: Restart) -> None:
    names = ("soil4c_vr", "litr1c_vr", "cwdc_vr", "deadstemc", "sminn_vr", "labilep_vr")
    before = template.pools()
    new = template.with_pools(only(before, *names) * 2.0)
    dz = np.array(thickness())
    after = new.pools()

    def column(pool: str, pools: xr.Dataset) -> np.ndarray:
        return pools[pool].values @ dz

    change = sum(
        column(f"{pool}c_vr", after) - column(f"{pool}c_vr", before)
        for pool in ("soil4", "litr1", "cwd")
    )
    plants = (after["deadstemc"] - before["deadstemc"]).values
    assert plants[0] == 12000.0
    by_cell = np.array([plants[0], 0.5 * plants[2], 0.0])
    np.testing.assert_allclose(
        new.values("totcolc") - template.values("totcolc"), change + by_cell, rtol=1e-9
    )
    np.testing.assert_allclose(new.values("totvegc"), template.values("totvegc") + plants)
    np.testing.assert_allclose(
        new.values("totsomc") - template.values("totsomc"), column("soil4c_vr", before)
    )
    np.testing.assert_allclose(
        new.values("totlitc") - template.values("totlitc"), column("litr1c_vr", before)
    )
    np.testing.assert_allclose(new.values("cwdp") / template.values("cwdp"), 2.0)
    # The plants' buffer that is in no file stays in totcoln.
    nitrogen = sum(
        column(f"{pool}n_vr", after) - column(f"{pool}n_vr", before)
        for pool in ("soil4", "litr1", "cwd")
    ) + column("sminn_vr", before)
    np.testing.assert_allclose(
        new.values("totcoln") - template.values("totcoln"),
        nitrogen + by_cell / 500.0,
        rtol=1e-9,
    )
    assert refused(check(new)) == []


def test_a_budget_and_the_carbon_of_the_month_follow_the_totals(tmp_path: Path) -> None:
    extra = {"ENDCB": ("column",), "TCS_MONTH_BEGIN": ("gridcell",), "TCS_MONTH_END": ("gridcell",)}
    path = make_restart(tmp_path / "r.nc", extra=extra)
    with netCDF4.Dataset(path, "r+") as file:
        file["TCS_MONTH_BEGIN"][:] = 1000.0
        file["TCS_MONTH_END"][:] = 1e36
    template = read_restart(path)
    new = template.with_pools(only(template.pools(), "soil4c_vr") * 2.0)
    more = new.values("totcolc") - template.values("totcolc")
    assert (more > 1000).all()
    np.testing.assert_array_equal(new.values("ENDCB"), new.values("totcolc"))
    np.testing.assert_allclose(new["TCS_MONTH_BEGIN"], 1000.0 + more)
    assert (new["TCS_MONTH_END"] == 1e36).all()


def test_equilibrium_pools_carry_flag_0(accelerated: Restart, template: Restart) -> None:
    pools = template.pools()
    new = accelerated.with_pools(pools)
    assert accelerated.spinup_state == 1
    assert new.spinup_state == 0
    assert int(new["spinup_state"]) == 0


def test_pools_of_accelerated_decomposition_are_not_written_as_equilibrium(
    accelerated: Restart,
) -> None:
    with pytest.raises(InvalidData, match="of spinup_state 1 and are to be written with 0"):
        accelerated.with_pools(accelerated.pools())
    same = accelerated.with_pools(accelerated.pools(), stoichiometry=None, spinup_state=1)
    assert same.spinup_state == 1


@pytest.mark.parametrize(
    "left_out", ["soil3c_vr", "soil4c_vr", "cwdc_vr", "deadstemc", "deadcrootc", "labilep_vr"]
)
def test_units_of_both_kinds_are_not_mixed(
    accelerated: Restart, template: Restart, left_out: str
) -> None:
    pools = template.pools().drop_vars(left_out)
    with pytest.raises(InvalidData, match=rf"without {left_out} values of both kinds"):
        accelerated.with_pools(pools)


@pytest.mark.parametrize(
    ("name", "at", "value", "message"),
    [
        ("soil4c_vr", (1, 2), np.nan, r"soil4c_vr is nan gC m-3 in cell 1 .*level 3.* finite"),
        ("litr1c_vr", (0, 0), np.inf, r"litr1c_vr is inf gC m-3 in cell 0 .*level 1.* finite"),
        ("soil3c_vr", (2, 9), -1e-9, r"soil3c_vr is -1e-09 gC m-3 in cell 2 .*level 10, .*0 or m"),
        ("leafc", (2,), -3.0, r"leafc is -3 gC m-2 in cell 1 .*needleleaf_evergreen_temperate_tre"),
        ("cpool", (0,), 1e36, r"cpool is 1e\+36 gC m-2 in cell 0 .*no fill value"),
        ("cannsum_npp", (1,), np.nan, r"cannsum_npp is nan gC m-2 yr-1 in cell 1"),
    ],
)
def test_impossible_values_are_refused_by_name_and_place(
    template: Restart, name: str, at: tuple[int, ...], value: float, message: str
) -> None:
    pools = only(template.pools(), name)
    pools[name].values[at] = value
    with pytest.raises(InvalidData, match=message):
        template.with_pools(pools)


def test_what_is_negative_by_nature_is_taken(template: Restart) -> None:
    pools = only(template.pools(), "xsmrpool", "col_lag_npp")
    assert (pools["xsmrpool"].values[[0, 2, 3, 4]] < 0).all()
    template.with_pools(pools)


def edit(name: str, change: Callable[[xr.Dataset], xr.Dataset]) -> Any:
    return pytest.param(change, name, id=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda p: p.isel(cell=[0, 1]), "lat", id="fewer cells"),
        pytest.param(lambda p: p.isel(level=slice(0, 9)), "'level': 10", id="fewer levels"),
        pytest.param(lambda p: p.assign_coords(lat=p.lat + 0.5), r"lat of the pools is", id="lat"),
        pytest.param(
            lambda p: p.assign_coords(pft_type=p.pft_type + 1), "pft_type of the pools", id="pft"
        ),
        pytest.param(
            lambda p: p.assign_attrs(decomp_cascade_state=0), "decomp_cascade_state 0", id="cascade"
        ),
        pytest.param(
            lambda p: p.assign(soil9c_vr=p.soil4c_vr), "soil9c_vr: .* no such pools", id="name"
        ),
        pytest.param(
            lambda p: p.assign(leafc=p.leafc.assign_attrs(units="kg m-2")),
            "leafc is in 'kg m-2', wanted 'gC m-2'",
            id="units",
        ),
        pytest.param(
            lambda p: p.assign(leafc=p.soil4c_vr), "leafc has dimensions", id="dimensions"
        ),
    ],
)
def test_pools_that_do_not_fit_are_refused(
    template: Restart, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with pytest.raises(InvalidData, match=message):
        template.with_pools(change(only(template.pools(), "soil4c_vr", "leafc")))


def test_order_of_dimensions_does_not_matter(template: Restart) -> None:
    pools = only(template.pools(), "soil4c_vr").transpose("level", "cell")
    after = template.with_pools(pools * 2.0).pools()
    np.testing.assert_array_equal(after["soil4c_vr"], 2.0 * template.pools()["soil4c_vr"])


def test_contradicting_nitrogen_is_derived_and_told(template: Restart) -> None:
    pools = only(template.pools(), "soil4c_vr", "soil4n_vr")
    pools["soil4n_vr"] = pools["soil4n_vr"] * 1.1
    new = template.with_pools(pools)
    np.testing.assert_allclose(new.pools()["soil4c_vr"] / new.pools()["soil4n_vr"], 10.0)
    assert any("soil4n_vr was derived from carbon" in remark for remark in new.remarks)
    quiet = template.with_pools(only(template.pools(), "soil4c_vr", "soil4n_vr"))
    assert quiet.remarks == ()


def test_a_models_own_state_comes_back_bit_by_bit(template: Restart, tmp_path: Path) -> None:
    pools = template.pools()
    pools["soil4n_vr"] = pools["soil4n_vr"] * 1.1
    pools["leafc_storage"] = pools["leafc_storage"] + 0.3
    template.with_pools(pools, stoichiometry=None).write(tmp_path / "out.nc")
    assert read_restart(tmp_path / "out.nc").pools().equals(pools)


def test_mineral_nitrogen_is_nitrate_and_ammonium(template: Restart) -> None:
    before = template.pools()
    total = template.with_pools(only(before, "sminn_vr") * 3.0).pools()
    for name in ("smin_no3_vr", "smin_nh4_vr", "sminn_vr"):
        np.testing.assert_allclose(total[name], 3.0 * before[name])
    part = template.with_pools(only(before, "smin_no3_vr") * 3.0).pools()
    np.testing.assert_allclose(
        part["sminn_vr"], 3.0 * before["smin_no3_vr"] + before["smin_nh4_vr"]
    )
    pair = only(before, "sminn_vr", "smin_no3_vr")
    pair["sminn_vr"] = pair["sminn_vr"] * 2.0
    both = template.with_pools(pair).pools()
    np.testing.assert_allclose(
        both["smin_nh4_vr"], 2.0 * before["sminn_vr"] - before["smin_no3_vr"]
    )
    wrong = only(before, "sminn_vr", "smin_no3_vr", "smin_nh4_vr")
    wrong["sminn_vr"] = wrong["sminn_vr"] * 2.0
    with pytest.raises(InvalidData, match=r"smin_no3_vr \+ smin_nh4_vr"):
        template.with_pools(wrong)
    too_little = only(before, "sminn_vr", "smin_no3_vr")
    too_little["sminn_vr"] = too_little["sminn_vr"] * 0.1
    with pytest.raises(InvalidData, match="smin_nh4_vr is -"):
        template.with_pools(too_little)


def test_only_soil_columns_and_active_levels_are_touched(template: Restart) -> None:
    new = template.with_pools(template.pools() * 1.5, stoichiometry=None)
    for name, whole in new.changed.items():
        if name == "spinup_state":
            continue
        before, rows = template[name], new.subgrid.column
        if template.source.variables[name].dimensions == ("pft",):
            rows = new.subgrid.slot
        others = np.setdiff1d(np.arange(len(before)), rows)
        np.testing.assert_array_equal(whole[others], before[others])
        if whole.ndim == 2:
            np.testing.assert_array_equal(whole[:, 10:], before[:, 10:])


def test_carbon_isotopes_would_be_left_behind(tmp_path: Path) -> None:
    path = make_restart(tmp_path / "r.nc", extra={"leafc_13": ("pft",)})
    template = read_restart(path)
    with pytest.raises(InvalidData, match="carbon-13"):
        template.with_pools(only(template.pools(), "soil4c_vr"))


def parameter_file(path: Path, leaf_cn: float = 31.0, name: str = "") -> Path:
    names = list(NATURAL.names)
    if name:
        names[7] = name
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("pft", 17)
        file.createDimension("allpfts", 1)
        file.createDimension("string_length", 40)
        file.createVariable("pftname", "S1", ("pft", "string_length"))[:] = np.array(
            [list(each.ljust(40)) for each in names], "S1"
        )
        for number, (cn, n_to_p) in enumerate(((11, 30), (12, 30), (9, 50), (10, 50)), 1):
            file.createVariable(f"cn_s{number}", "f8", ("allpfts",))[:] = cn
            file.createVariable(f"np_s{number}_new", "f8", ("allpfts",))[:] = n_to_p
        for kind, cn, cp in (("froot", 42, 1000), ("livewd", 50, 3000), ("deadwd", 500, 3000)):
            file.createVariable(f"{kind}cn", "f8", ("pft",))[:] = cn
            file.createVariable(f"{kind}cp", "f8", ("pft",))[:] = cp
        file.createVariable("leafcn", "f8", ("pft",))[:] = leaf_cn
        file.createVariable("leafcp", "f8", ("pft",))[:] = 400.0
        file.createVariable("woody", "f8", ("pft",))[:] = NATURAL.woody * 2.0
        file.createVariable("evergreen", "f8", ("pft",))[:] = NATURAL.evergreen
    return path


def test_ratios_of_a_parameter_file_are_used(template: Restart, tmp_path: Path) -> None:
    ratios = Stoichiometry.from_parameters(parameter_file(tmp_path / "p.nc"))
    assert ratios.soil["p"] == (330.0, 360.0, 450.0, 500.0)
    pools = template.with_pools(
        only(template.pools(), "soil3c_vr", "leafc"), stoichiometry=ratios
    ).pools()
    np.testing.assert_allclose(pools["soil3c_vr"] / pools["soil3p_vr"], 450.0)
    assert float(pools["leafc"][0] / pools["leafn"][0]) == pytest.approx(31.0)


def test_a_file_without_ratios_is_refused_by_what_it_should_be(template: Restart) -> None:
    with pytest.raises(
        InvalidData, match=r"template\.nc: .*cn_s1.*the parameter file of an ELM run"
    ):
        Stoichiometry.from_parameters(template.source.path)


def test_ratios_of_other_plants_are_refused(template: Restart, tmp_path: Path) -> None:
    ratios = Stoichiometry.from_parameters(parameter_file(tmp_path / "p.nc", name="arctic_forb"))
    with pytest.raises(InvalidData, match=r"7 is broadleaf_.* in the restart and arctic_forb"):
        template.with_pools(only(template.pools(), "leafc"), stoichiometry=ratios)
    few = replace(NATURAL, names=NATURAL.names[:10])
    with pytest.raises(InvalidData, match="the ratios are of the 10 PFTs"):
        template.with_pools(only(template.pools(), "leafc"), stoichiometry=few)


def test_thousands_of_cells_go_through_the_same_way(tmp_path: Path) -> None:
    restart = read_restart(make_restart(tmp_path / "r.nc", cells=3))
    from catena.coupler.restart import write_template

    weights = np.zeros((2000, 17))
    weights[:, 7] = 1.0
    write_template(
        tmp_path / "many.nc",
        lat=np.linspace(-60, 60, 2000),
        lon=np.zeros(2000),
        pft_weights=weights,
        urban=False,
    )
    many = read_restart(tmp_path / "many.nc")
    one = restart.pools().isel(cell=0, pft=0)
    pools = many.pools()
    for name in pools.data_vars:
        pools[name].values[...] = one[name].values
    new = many.with_pools(pools)
    new.write(tmp_path / "out.nc")
    back = read_restart(tmp_path / "out.nc")
    np.testing.assert_allclose(back.values("totsomc"), restart.values("totsomc")[0])
    # Its template knows no buffer of nitrogen.
    np.testing.assert_allclose(back.values("totcoln"), restart.values("totcoln")[0] - 1.0)
    assert refused(check(back)) == []
