"""Pools of ELM's own near-equilibrium restart in restarts of its accelerated decomposition."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.elm_case import write_plain

from catena.coupler.elm import ElmConfig
from catena.coupler.elm.hand_over import hand_over_problem
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.outcome import start_problem
from catena.coupler.elm.pool_table import names_in_file
from catena.coupler.elm.put_in import put_in
from catena.coupler.elm.spin_up_runs import ElmState
from catena.coupler.fake_cime import install_fake_cime
from catena.coupler.restart import check, read_restart
from catena.coupler.restart.layout import classic_extents
from catena.shared.errors import FailedPrecondition, InvalidData

DATA = Path(os.environ.get("CATENA_DATA") or "absent")
RUNS = DATA / "elm_runs"
PARAMETERS = DATA / "land_model/params/usrpft_codetest_I1850CNPRDCTCBC/clm_params_c211124vpft.nc"
FORCING = DATA / "flux_sites/drivers/US-MOz_forcing.nc4"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not RUNS.is_dir(), reason="needs CATENA_DATA with elm_runs"),
]
every_template = pytest.mark.parametrize("year", ["0021", "0041", "0201"])


def path_of(stem: str) -> Path:
    return RUNS / f"USMOz_{stem}-01-01-00000.nc"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> ElmLandCase:
    """The configuration of the real runs; CIME is a stand-in, and nothing is run."""
    tmp_path = tmp_path_factory.mktemp("moz")
    forcing = tmp_path / "US-MOz"
    forcing.mkdir()
    (forcing / "all_hourly.nc").symlink_to(FORCING)
    with netCDF4.Dataset(FORCING) as file:
        first, last = (int(np.ravel(file[f"{end}_year"][...])[0]) for end in ("start", "end"))
    config = ElmConfig.from_mapping(
        {
            "cime_root": str(install_fake_cime(tmp_path / "e3sm")),
            "case_root": str(tmp_path / "cases"),
            "output_root": str(tmp_path / "output"),
            "case_name": "moz",
            "machine": "fake-machine",
            "compiler": "gnu",
            "site": "US-MOz",
            "surface_file": str(RUNS / "surfdata_MOz.nc"),
            "domain_file": str(RUNS / "domain_MOz.nc"),
            "parameter_file": str(PARAMETERS),
            "forcing": {
                "kind": "bypass",
                "directory": str(forcing),
                "co2_file": str(write_plain(tmp_path / "co2.nc")),
                "aerosol_file": str(write_plain(tmp_path / "aero.nc")),
            },
            "forcing_years": last - first + 1,
            "stages": [{"name": "ad_spinup", "years": 250}, {"name": "final", "years": 200}],
        }
    )
    return ElmLandCase(config, label="swap")


def left(case: ElmLandCase, year: str) -> ElmState:
    return case.leave_ad(ElmState(path_of(f"ad.elm.r.{year}")))


def equilibrium(case: ElmLandCase) -> np.ndarray:
    return case.pools(ElmState(path_of("final.elm.r.0241")))


def written(case: ElmLandCase) -> set[Path]:
    return set((case.runs.folder / "restarts").glob("*"))


def columns(case: ElmLandCase, *names: str) -> np.ndarray:
    found = np.array([name in names for name in names_in_file(case.layout)])
    assert found.any()
    return found


@every_template
def test_equilibrium_pools_in_a_file_of_accelerated_decomposition(
    case: ElmLandCase, year: str
) -> None:
    template, target = read_restart(path_of(f"ad.elm.r.{year}")), path_of("final.elm.r.0241")
    made = case.with_pools(left(case, year), equilibrium(case))
    assert made.restart is not None
    back, wanted = read_restart(made.restart), read_restart(target)
    assert (template.spinup_state, back.spinup_state) == (1, 0)
    assert [str(each) for each in check(back) if each.action == "refused"] == []
    # Every pool is that of the equilibrium, whether it was given or follows from carbon.
    for name in wanted.available:
        thin = name.endswith("p_vr") and name.startswith("soil")
        np.testing.assert_allclose(
            back.active(name)[:, :5] if thin else back.active(name),
            wanted.active(name)[:, :5] if thin else wanted.active(name),
            rtol=2e-5,
            atol=1e-9,
            err_msg=name,
        )
    # Growth respiration that is owed is no pool of a spin-up and stays the template's.
    for name, tolerance in (("totsomc", 1e-12), ("totcolc", 1e-6), ("totvegc", 1e-4)):
        np.testing.assert_allclose(back.values(name), wanted.values(name), rtol=tolerance)
    pools, thickness = back.pools(), back.thickness
    for pool, cn, cp in (("soil1", 12, 360), ("soil2", 12, 360), ("soil3", 10, 500),
                         ("soil4", 10, 500)):  # fmt: skip
        carbon, nitrogen, phosphorus = (
            pools[f"{pool}{element}_vr"].values[0] @ thickness for element in "cnp"
        )
        assert carbon / nitrogen == pytest.approx(cn, rel=1e-9)
        assert carbon / phosphorus == pytest.approx(cp, rel=1e-9)
    soil = sum(pools[f"soil{n}c_vr"].values[0] @ thickness for n in (1, 2, 3, 4))
    assert float(back.values("totsomc")[0]) == pytest.approx(soil, rel=1e-12)
    # A run out of accelerated decomposition may begin from it, as from ELM's own.
    assert start_problem(made.restart, "final") == ""


@every_template
def test_nothing_but_pools_totals_and_the_flag_changes(case: ElmLandCase, year: str) -> None:
    template = read_restart(path_of(f"ad.elm.r.{year}"))
    made = case.with_pools(left(case, year), equilibrium(case))
    assert made.restart is not None
    back = read_restart(made.restart)
    extents = classic_extents(made.restart)
    assert classic_extents(template.source.path) == extents
    files = [bytearray(path.read_bytes()) for path in (template.source.path, made.restart)]
    totals = {"totlitc", "totsomc", "totcolc", "totvegc", "totcoln", "totlitp", "totsomp", "cwdp",
              "totcolp"}  # fmt: skip
    free = {*template.available, *totals, "spinup_state", "ENDCB", "ENDNB", "ENDPB",
            "TCS_MONTH_BEGIN", "TCS_MONTH_END"}  # fmt: skip
    for data in files:
        for name in free & set(extents):
            begin, end = extents[name].begin, extents[name].end
            data[begin:end] = bytes(end - begin)
    assert files[0] == files[1]
    for name in template.available:
        before, after = template[name], back[name]
        if before.ndim == 2:  # levels below, and columns that take no part
            assert before[:, 10:].tobytes() == after[:, 10:].tobytes(), name
            assert before[1:].tobytes() == after[1:].tobytes(), name
    assert back.date == template.date


@every_template
def test_the_report_of_what_was_put_in_adds_up(case: ElmLandCase, year: str) -> None:
    template = read_restart(path_of(f"ad.elm.r.{year}"))
    made = case.with_pools(left(case, year), equilibrium(case))
    assert made.restart is not None
    changes = {(each.pool, each.element): each for each in put_in(template, _read(made))}
    wanted = read_restart(path_of("final.elm.r.0241"))
    for element in "cn":
        mine = [each.change for (_, e), each in changes.items() if e == element]
        more = float(_read(made).values(f"totcol{element}")[0]) - float(
            template.values(f"totcol{element}")[0]
        )
        assert sum(mine) == pytest.approx(more, rel=1e-9)
    soil4 = wanted.active("soil4c_vr")[0] @ wanted.thickness
    assert changes["soil4c", "c"].after == pytest.approx(soil4, rel=1e-12)
    assert changes["soil4c", "c"].change > 0
    assert changes["soil4n", "n"].after == pytest.approx(soil4 / 10.0, rel=1e-9)


def _read(state: ElmState):  # type: ignore[no-untyped-def]
    assert state.restart is not None
    return read_restart(state.restart)


@pytest.mark.parametrize("year", ["0021", "0041"])
@pytest.mark.parametrize("name", ["soil4c_vr", "cwdc_vr", "soil3c_vr", "deadstemc", "deadcrootc"])
def test_an_accelerated_pool_left_in_a_file_before_year_40_is_refused(
    case: ElmLandCase, year: str, name: str
) -> None:
    pools = equilibrium(case)
    pools[:, columns(case, name)] = np.nan
    before = written(case)
    if year == "0021":
        with pytest.raises(InvalidData, match=rf"year 21 .*{name}.*before year 40"):
            case.with_pools(left(case, year), pools)
        assert written(case) == before
        return
    # Later the template's own scaling is whole: what is not given is multiplied as ELM does.
    template = read_restart(path_of(f"ad.elm.r.{year}"))
    back = _read(case.with_pools(left(case, year), pools))
    factor = {"deadstemc": 10.0, "deadcrootc": 10.0}.get(name)
    if factor is None:
        scalar = template.active("scalaravg_col")
        factor = {"soil3c_vr": 1.956, "soil4c_vr": 27.4, "cwdc_vr": 1.37}[name] / scalar
    np.testing.assert_allclose(back.active(name), template.active(name) * factor, rtol=1e-3)


def test_mineral_phosphorus_of_accelerated_decomposition_is_not_kept(case: ElmLandCase) -> None:
    pools = equilibrium(case)
    pools[:, columns(case, "labilep_vr")] = np.nan
    for year in ("0021", "0041", "0201"):
        with pytest.raises(InvalidData, match="labilep_vr"):
            case.with_pools(left(case, year), pools)


@pytest.mark.parametrize("year", ["0021", "0201"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("soil4c_vr", np.nan),
        ("soil4c_vr", np.inf),
        ("soil1c_vr", -1.0),
        ("deadstemc", -1.0),
        ("deadstemc", np.inf),
        ("sminn", -1.0),
        ("cwdc_vr", 1e36),
    ],
)
def test_impossible_pools_write_no_file(
    case: ElmLandCase, year: str, name: str, value: float
) -> None:
    pools = equilibrium(case)
    name = "smin_nh4_vr" if name == "sminn" else name
    at = np.flatnonzero(columns(case, name))
    pools[0, at[len(at) // 2]] = value
    before = written(case)
    with pytest.raises(InvalidData, match=name):
        case.with_pools(left(case, year), pools)
    assert written(case) == before


def test_no_path_writes_equilibrium_pools_with_the_flag_of_acceleration(
    case: ElmLandCase, tmp_path: Path
) -> None:
    pools = equilibrium(case)
    accelerated = ElmState(path_of("ad.elm.r.0201"))
    # 1. Into a state that has not left.
    with pytest.raises(FailedPrecondition, match="leave that first"):
        case.with_pools(accelerated, pools)
    # 2. Dataset by dataset: pools that say what they are.
    whole, template = read_restart(path_of("final.elm.r.0241")).pools(), _read(accelerated)
    with pytest.raises(InvalidData, match="of spinup_state 0 and are to be written with 1"):
        template.with_pools(whole, spinup_state=1)
    # 3. The flag by itself.
    with pytest.raises(InvalidData, match="spinup_state is not set one by one"):
        template.with_values({"spinup_state": 1})
    # 4. A restart out of acceleration is not run in it.
    made = case.with_pools(left(case, "0201"), pools)
    for state in (made, left(case, "0201"), ElmState(path_of("final.elm.r.0241"))):
        with pytest.raises(FailedPrecondition, match="has left accelerated decomposition"):
            case.run(state, 1, accelerated=True)
    # 5. A file that somebody else spoiled so is found in the first record of the run.
    assert made.restart is not None
    spoiled = tmp_path / "spoiled.nc"
    shutil.copyfile(made.restart, spoiled)
    with netCDF4.Dataset(spoiled, "r+") as file:
        file["spinup_state"][...] = 1
    assert read_restart(spoiled).spinup_state == 1


@pytest.mark.parametrize("year", ["0021", "0041"])
def test_leaving_before_year_40_does_not_run(case: ElmLandCase, year: str) -> None:
    state = left(case, year)
    pools = case.pools(state)
    unknown = columns(case, "cwdc_vr", "soil3c_vr", "soil4c_vr", "deadstemc", "deadcrootc")
    assert np.isnan(pools[:, unknown]).all() == (year == "0021")
    if year == "0021":
        with pytest.raises(InvalidData, match=r"must not start from it: .* start of year 21"):
            case.run(state, 1)
        assert not (case.config.case_root / "moz-swap_final").exists()
    else:
        soil = columns(case, *(f"soil{n}c_vr" for n in (1, 2, 3, 4)))
        # ELM's own exit at year 41.
        assert pools[0, soil].sum() == pytest.approx(37385, abs=1)


def first_record(path: Path, dead_stem: float) -> Path:
    """A real history file of ELM made one of the first moment, with other dead wood."""
    shutil.copyfile(RUNS / "USMOz_final.elm.h0.0047-01-01-00000.nc", path)
    with netCDF4.Dataset(path, "r+") as file:
        file.set_auto_mask(False)
        bounds = file["time_bounds"][:]
        file["time_bounds"][:] = np.stack([bounds[:, 1], bounds[:, 1]], axis=1)
        file["DEADSTEMC"][:] = dead_stem
    return path


def test_ten_times_the_dead_wood_is_seen_in_a_real_history_file(
    case: ElmLandCase, tmp_path: Path
) -> None:
    made = case.with_pools(left(case, "0201"), equilibrium(case))
    assert made.restart is not None
    dead = float(_read(made).active("deadstemc")[0])
    for factor in (10.0, 1.0):
        told = hand_over_problem(made.restart, first_record(tmp_path / "h0.nc", factor * dead), 0)
        assert ("DEADSTEMC is" in told) == (factor == 10.0)
        assert ("the restart carried spinup_state 1" in told) == (factor == 10.0)
        # The other pools of the file are those of six years after another exit.
        assert "SOIL4C is" in told


def test_what_is_known_of_the_site(case: ElmLandCase) -> None:
    known, names = case.known(), case.about()["inputs"]
    assert {name: values.shape for name, values in known.items()} == {
        "climate": (1, 12, len(names["climate"])),
        "static": (1, len(names["static"])),
        "parameters": (1, len(names["parameters"])),
    }
    at = names["climate"].index("tas")
    # US-MOz: cold in January, warm in July, 12 to 14 degrees in the mean.
    tas = known["climate"][0, :, at]
    assert tas.argmin() in (0, 1, 11) and tas.argmax() in (6, 7)
    assert 284.0 < tas.mean() < 288.0
    parameters = dict(zip(names["parameters"], known["parameters"][0], strict=True))
    assert parameters["flnr"] == pytest.approx(0.1007) and parameters["frootcn"] == 42.0
    assert "crit_onset_gdd" not in parameters  # it has no effect in ELM
    assert case.about()["plants"] == ["broadleaf_deciduous_temperate_tree"]
    soil = dict(zip(names["static"], known["static"][0], strict=True))
    with netCDF4.Dataset(RUNS / "surfdata_MOz.nc") as file:
        assert soil["clay_top"] == pytest.approx(float(file["PCT_CLAY"][:4, 0].mean()) / 100.0)
    assert soil["share_broadleaf_deciduous_temperate_tree"] == pytest.approx(1.0)


def test_a_part_of_a_case_is_refused_and_the_whole_is_not(case: ElmLandCase) -> None:
    state = ElmState(path_of("final.elm.r.0241"))
    every = np.arange(case.sites)
    assert case.part(every) is case and case.take(state, every) is state
    with pytest.raises(FailedPrecondition, match="runs all cells of a case together"):
        case.part(np.array([], dtype=np.int64))
