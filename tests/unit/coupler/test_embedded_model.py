"""The embedded model behind BMI: configuration, restart files, history files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml
from support.site_weather import elm_file, weather

from catena.coupler.embedded import Columns, EmbeddedModel, ParameterSet, cold_start
from catena.coupler.embedded.outputs import OUTPUT_NAMES
from catena.coupler.embedded.restart_state import PROFILE, from_restart, to_restart
from catena.coupler.embedded.state import POOLS, S_C, S_N, State, column_names, plant_names
from catena.coupler.land_model import open_land_model
from catena.coupler.restart import read_restart
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, NotFound

TREE = "broadleaf_deciduous_temperate_tree"
SHRUB = "broadleaf_deciduous_boreal_shrub"
REAL = Path(os.environ.get("CATENA_DATA") or "/nowhere") / "elm_runs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    return elm_file(folder / "US-MOz_forcing.nc4", weather(800, 24), 24)


def config(site: Path, folder: Path, **changed: object) -> str:
    """A configuration file; None leaves a section out."""
    content: dict[str, object] = {
        "case": "moz",
        "forcing": {"file": str(site), "site": "US-MOz", "co2": 380.0},
        "land": {"sand": 40.0, "clay": 20.0, "pfts": {TREE: 0.7, SHRUB: 0.2}},
        "supplement_nitrogen": True,
        **changed,
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
    return str(path)


def started(site: Path, folder: Path, **changed: object) -> EmbeddedModel:
    model = open_land_model("embedded")
    assert isinstance(model, EmbeddedModel)
    model.initialize(config(site, folder, **changed))
    return model


def state_of(model: EmbeddedModel) -> State:
    return model._model.state


def value(model: EmbeddedModel, name: str) -> float:
    return float(model.get_value(name, np.zeros(1))[0])


def test_it_answers_bmi(site: Path, tmp_path: Path) -> None:
    model = started(site, tmp_path)
    assert model.get_component_name() == "catena embedded land model"
    assert (model.get_start_time(), model.get_time_step()) == (0.0, 1.0)
    assert model.get_end_time() >= 798.0
    assert model.get_time_units().startswith("days since 200")
    assert model.get_output_item_count() == len(OUTPUT_NAMES)
    assert model.get_var_units("GPP") == "gC/m^2/s"
    assert model.get_var_units("tas") == "K"
    assert (model.get_grid_type(0), model.get_grid_size(0)) == ("points", 1)
    assert model.get_grid_y(0, np.zeros(1))[0] == pytest.approx(40.0, abs=2.0)
    with pytest.raises(FailedPrecondition, match="no day has been run"):
        value(model, "GPP")
    model.update()
    assert model.get_current_time() == 1.0
    assert np.isfinite([value(model, name) for name in OUTPUT_NAMES]).all()
    with pytest.raises(NotFound, match="no variable 'XYZ'"):
        model.get_var_units("XYZ")
    with pytest.raises(InvalidRequest, match=r"time 1\.5 came"):
        model.update_until(1.5)
    with pytest.raises(InvalidRequest, match="a whole day up to"):
        model.update_until(10_000.0)
    model.finalize()
    with pytest.raises(FailedPrecondition, match="not initialised"):
        model.update()


def test_day_by_day_is_the_same_as_at_once(site: Path, tmp_path: Path) -> None:
    step, leap = started(site, tmp_path), started(site, tmp_path)
    for _ in range(20):
        step.update()
    leap.update_until(20.0)
    assert np.array_equal(state_of(step).values, state_of(leap).values)
    assert value(step, "TSKIN") == value(leap, "TSKIN")


def test_an_input_can_be_set_for_the_coming_day(site: Path, tmp_path: Path) -> None:
    one, other = started(site, tmp_path), started(site, tmp_path)
    one.update_until(200.0)
    other.update_until(200.0)
    warm = value(other, "tas") + 5.0
    other.set_value("tas", np.array([warm]))
    other.set_value("tasmax", np.array([warm + 8.0]))
    assert value(other, "tas") == warm
    one.update()
    other.update()
    assert value(other, "TSOI_10CM") > value(one, "TSOI_10CM")
    with pytest.raises(InvalidRequest, match="'GPP' is no input"):
        other.set_value("GPP", np.array([1.0]))
    with pytest.raises(InvalidRequest, match="tas holds NaN"):
        other.set_value("tas", np.array([np.nan]))
    with pytest.raises(InvalidData, match=r"tas: found 12 at .*wanted 170 to 335 K \(degC"):
        other.set_value("tas", np.array([12.0]))
    with pytest.raises(InvalidData, match=r"pr: found -0\.001"):
        other.set_value("pr", np.array([-1e-3]))
    with pytest.raises(InvalidData, match=r"co2: found 0\.0004 .*mole fraction"):
        other.set_value("co2", np.array([4e-4]))


def test_a_resumed_run_is_bit_by_bit_the_run_that_went_on(site: Path, tmp_path: Path) -> None:
    whole = started(site, tmp_path)
    whole.update_until(500.0)
    path = tmp_path / "moz.elm.r.nc"
    whole.write_restart(path)
    resumed = started(site, tmp_path)
    resumed.read_restart(path, mode="resume")
    assert resumed.get_current_time() == 500.0
    assert np.array_equal(state_of(resumed).values, state_of(whole).values)
    whole.update_until(700.0)
    resumed.update_until(700.0)
    assert np.array_equal(state_of(resumed).values, state_of(whole).values)
    assert value(resumed, "GPP") == value(whole, "GPP")


def test_a_restart_has_elms_names_and_amounts(site: Path, tmp_path: Path) -> None:
    model = started(site, tmp_path)
    model.update_until(600.0)
    path = tmp_path / "r.nc"
    model.write_restart(path)
    restart = read_restart(path)
    column = state_of(model).column[0, 0]
    plant = state_of(model).plants[0, 0, model.cells().pfts[0].tolist().index(7)]
    for n, pool in enumerate(POOLS):
        for element, first in (("c", S_C), ("n", S_N)):
            found = restart.active(f"{pool}{element}_vr")[0]
            assert (found * restart.thickness).sum() == pytest.approx(column[first + n], rel=1e-12)
            share = found * restart.thickness
            np.testing.assert_allclose(share, column[first + n] * PROFILE, rtol=1e-9)
    trees = restart.subgrid.pft_type.tolist().index(7)
    names = plant_names()
    for name in ("leafc", "frootc_storage", "deadstemc", "npool"):
        assert restart.values(name)[trees] == pytest.approx(plant[names.index(name)])
    assert restart.values("leafn_storage")[trees] == pytest.approx(
        plant[names.index("leafc_storage")] / 25.0
    )
    assert restart.values("H2OSNO")[0] == column[column_names().index("h2osno")]
    assert restart.spinup_state == 0
    assert restart.values("totsomc")[0] == pytest.approx(column[S_C + 4 : S_C + 8].sum())


def test_bare_ground_keeps_its_share_beside_cells_with_more_plants() -> None:
    """Cells with fewer plants than others have slots that stand for nothing."""
    cells = Columns(
        lat=np.array([10.0, 20.0]),
        lon=np.array([5.0, -10.0]),
        sand=np.full((2, 10), 40.0),
        clay=np.full((2, 10), 20.0),
        pfts=np.array([[7, 11, 0], [7, 0, 0]]),
        weights=np.array([[0.5, 0.3, 0.2], [0.7, 0.3, 0.0]]),
    )
    state = cold_start(cells.sand, cells.clay, 1, cells.slots).values[0]
    date = cftime.datetime(2, 1, 1, calendar="noleap")
    restart = to_restart(state, cells, ParameterSet.default(), date, 0)
    assert restart.subgrid.pft_type.tolist() == [0, 7, 11, 0, 7]
    found = State(from_restart(restart, cells)[np.newaxis])
    wanted = State(state[np.newaxis])
    assert np.array_equal(found.column, wanted.column)
    used = cells.weights > 0.0
    assert np.array_equal(found.plants[0][used], wanted.plants[0][used])


def test_replaced_pools_are_taken_by_elms_names(site: Path, tmp_path: Path) -> None:
    """An emulator of the spin-up writes ELM's names only; the model's own copies must yield."""
    model = started(site, tmp_path)
    model.update_until(400.0)
    path, better = tmp_path / "r.nc", tmp_path / "better.nc"
    model.write_restart(path)
    restart = read_restart(path)
    pools = restart.pools()[["soil4c_vr", "soil4n_vr", "deadstemc"]]
    pools = (pools * 3.0).assign_attrs(restart.pools().attrs)
    restart.with_pools(pools, stoichiometry=None).write(better)
    before = state_of(model).values.copy()
    model.read_restart(better, mode="hotstart")
    assert model.get_current_time() == 0.0
    column = state_of(model).column[0, 0]
    soil4 = S_C + POOLS.index("soil4")
    assert column[soil4] == pytest.approx(3.0 * before[0, 0, soil4])
    assert column[soil4 + len(POOLS)] == pytest.approx(3.0 * before[0, 0, soil4 + len(POOLS)])
    assert column[S_C] == before[0, 0, S_C], "what was not replaced keeps its bits"
    model.update()


def test_stages_hand_over_by_restart(site: Path, tmp_path: Path) -> None:
    fast = started(site, tmp_path, stage="ad_spinup")
    fast.update_until(700.0)
    path = tmp_path / "ad.nc"
    fast.write_restart(path)
    assert read_restart(path).spinup_state == 1
    final = started(site, tmp_path, stage="final")
    with pytest.raises(InvalidData, match="cannot be resumed"):
        final.read_restart(path, mode="resume")
    final.read_restart(path, mode="hotstart")
    soil4 = S_C + POOLS.index("soil4")
    grown = state_of(final).column[0, 0, soil4] / state_of(fast).column[0, 0, soil4]
    assert grown == pytest.approx(27.4)
    assert state_of(final).spinup_state == 0
    final.write_restart(tmp_path / "final.nc")
    again = started(site, tmp_path, stage="ad_spinup")
    with pytest.raises(InvalidData, match="holds pools as they are"):
        again.read_restart(tmp_path / "final.nc", mode="hotstart")


def test_a_bad_restart_is_refused_and_the_state_stays(site: Path, tmp_path: Path) -> None:
    model = started(site, tmp_path)
    model.update_until(100.0)
    good = tmp_path / "good.nc"
    model.write_restart(good)
    before = state_of(model).values.copy()

    def refused(path: Path, match: str, mode: str = "hotstart") -> None:
        with pytest.raises((InvalidData, NotFound), match=match):
            model.read_restart(path, mode=mode)  # type: ignore[arg-type]
        assert np.array_equal(state_of(model).values, before)
        assert model.get_current_time() == 100.0

    refused(tmp_path / "none.nc", "no restart file")
    cut = tmp_path / "cut.nc"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    refused(cut, "cut.nc")
    elsewhere = tmp_path / "elsewhere.nc"
    other = started(site, tmp_path, land={"sand": 40.0, "clay": 20.0, "pfts": {TREE: 1.0}})
    other.write_restart(elsewhere)
    refused(elsewhere, "take the restart of a run on the same surface data")
    cleared = tmp_path / "cleared.nc"
    fewer = {"sand": 40.0, "clay": 20.0, "pfts": {TREE: 0.1, SHRUB: 0.2}}
    started(site, tmp_path, land=fewer).write_restart(cleared)
    refused(cleared, r"_temperate_tree covers 0\.1 of cell 0, 0\.7 in the run")
    for name, number, match in (
        ("grid1d_lat", 12.0, "lies at|another grid|differ|gridcell"),
        ("H2OSNO", np.nan, "NaN or fill"),
    ):
        bad = tmp_path / f"{name}.nc"
        bad.write_bytes(good.read_bytes())
        with netCDF4.Dataset(bad, "a") as file:
            file[name][:] = number
            if name == "grid1d_lat":
                file["cols1d_lat"][:] = number
                file["pfts1d_lat"][:] = number
        refused(bad, match)
    early = tmp_path / "early.nc"
    early.write_bytes(good.read_bytes())
    with netCDF4.Dataset(early, "a") as file:
        file["timemgr_rst_curr_ymd"][...] = 19000101
    refused(early, "not in the run", mode="resume")


def test_no_restart_is_written_of_a_broken_state(site: Path, tmp_path: Path) -> None:
    model = started(site, tmp_path)
    model.update()
    path = tmp_path / "r.nc"
    model.write_restart(path)
    before = path.read_bytes()
    state_of(model).values[0, 0, S_C] = np.nan
    with pytest.raises(InvalidData, match="not finite"):
        model.write_restart(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["case.yaml", "r.nc"]
    with pytest.raises(InvalidData, match="stopped on day 0"):
        model.update()
    assert model.get_current_time() == 1.0


def test_history_is_written_as_elm_writes_it(site: Path, tmp_path: Path) -> None:
    section = {"folder": str(tmp_path / "run"), "variables": ["GPP", "TLAI"], "frequency": "month"}
    model = started(site, tmp_path, history=section, start="2004-01-01", end="2004-12-31")
    model.update_until(model.get_end_time())
    (path,) = (tmp_path / "run").iterdir()
    assert path.name == "moz.elm.h0.2004-01-01-00000.nc"
    with xr.open_dataset(path) as file:
        assert file["GPP"].dims == ("time", "lndgrid")
        assert file["GPP"].attrs["units"] == "gC/m^2/s"
        assert file.sizes["time"] == 12
        assert file["mcdate"].values[[0, -1]].tolist() == [20040201, 20050101]
        assert str(file["time_bounds"].values[0, 0]).startswith("2004-01-01")
        assert float(file["GPP"].max()) > 0.0


def test_every_mistake_in_a_configuration_is_named(site: Path, tmp_path: Path) -> None:
    path = config(site, tmp_path, stage="fast", forcing={"site": "US-MOz"}, colour="blue")
    with pytest.raises(InvalidRequest) as caught:
        open_land_model("embedded").initialize(path)
    fields = {violation.field for violation in caught.value.violations}
    assert fields == {"stage", "forcing.file", "colour"}
    with pytest.raises(InvalidRequest, match="cannot be read as YAML"):
        open_land_model("embedded").initialize(str(tmp_path / "none.yaml"))
    wrong = config(site, tmp_path, parameters=[{"name": "flnr", "value": 0.2, "pft": "oak"}])
    with pytest.raises(InvalidRequest, match="no such PFT"):
        open_land_model("embedded").initialize(wrong)


def test_a_known_site_brings_its_own_land(site: Path, tmp_path: Path) -> None:
    columns = started(site, tmp_path, land=None).cells()
    assert columns.sand[0].tolist() == pytest.approx([15.0] * 10)
    assert columns.pfts.tolist() == [[7]]


def at_ozark(model: EmbeddedModel) -> None:
    """Move the cell to where ELM's files are."""
    live = model._model
    live.columns = replace(live.columns, lat=np.array([38.7441]), lon=np.array([-92.2001]))


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="needs restarts of ELM in CATENA_DATA")
def test_elms_accelerated_restart_leaves_by_elms_factors(site: Path, tmp_path: Path) -> None:
    model = started(site, tmp_path, land=None, stage="final")
    at_ozark(model)
    model.read_restart(REAL / "USMOz_ad.elm.r.0201-01-01-00000.nc", mode="hotstart")
    som = state_of(model).column[0, 0, S_C + 4 : S_C + 8].sum()
    # 797 gC in accelerated units; ELM's own final run begins with 22,608.
    assert som == pytest.approx(22608.0, rel=0.01)
    assert state_of(model).spinup_state == 0
    before = state_of(model).values.copy()
    with pytest.raises(InvalidData, match="scalaravg"):
        model.read_restart(REAL / "USMOz_ad.elm.r.0021-01-01-00000.nc", mode="hotstart")
    assert np.array_equal(state_of(model).values, before)


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="needs restarts of ELM in CATENA_DATA")
def test_a_restart_of_elm_itself_is_a_state(site: Path, tmp_path: Path) -> None:
    """The real file near equilibrium at Missouri Ozark: 22.6 kg of soil carbon, 17.4 of plants."""
    model = started(site, tmp_path, land=None)
    at_ozark(model)
    model.read_restart(REAL / "USMOz_final.elm.r.0241-01-01-00000.nc", mode="hotstart")
    state = state_of(model)
    assert state.column[0, 0, S_C + 4 : S_C + 8].sum() == pytest.approx(22615.91, rel=1e-6)
    names = plant_names()
    plant = state.plants[0, 0, 0]
    assert plant[names.index("deadstemc")] == pytest.approx(12131.158)
    assert plant[names.index("cpool")] == pytest.approx(352.928 - 44.394, abs=1e-2)
    assert plant[names.index("npool")] == pytest.approx(22.599 + 6.632, abs=1e-2)
    # ELM's totvegc leaves the deficit (xsmrpool) out.
    total = plant[:18].sum() + plant[names.index("cpool")] + 44.394283
    assert total == pytest.approx(17376.953538, rel=1e-9)
    model.update()
    plant = state_of(model).plants[0, 0, 0]
    assert plant[names.index("annsum_npp")] == pytest.approx(589.139, abs=1e-3), "a day is no year"
    model.update_until(365.0)
    assert value(model, "TOTSOMC") == pytest.approx(22600.0, rel=0.01)
