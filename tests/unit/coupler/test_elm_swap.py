"""The spin-up swap of a case of ELM, on the stand-in: plan, check, fallback, resumption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.elm_swap import CYCLE, TREE, Planted, equilibrium, swap_config, swap_mapping
from support.fake_cime_inside import inside
from support.mean_emulator import mean_emulator
from typer.testing import CliRunner, Result

from catena.coupler.elm import ElmConfig
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.methods import spin_up_of
from catena.coupler.elm.pool_table import names_in_file, pools_of, table_of
from catena.coupler.elm.spin_up_options import SpinUpOptions
from catena.coupler.elm.spin_up_runs import ElmState
from catena.coupler.elm.swap import ElmSwap
from catena.coupler.elm.swap_report import FAR, SwapReport, read_report, report_path
from catena.coupler.elm_commands import app
from catena.coupler.fake_cime import Fault, set_faults
from catena.coupler.fake_cime.land import Land
from catena.coupler.restart import read_restart
from catena.coupler.restart.names import POOLS
from catena.coupler.spin_up.anderson import Anderson
from catena.coupler.spin_up.emulator import ABOUT, WEIGHTS
from catena.coupler.spin_up.learned_inputs import (
    first_years,
    input_names,
    inputs_of,
    logarithmic,
)
from catena.coupler.spin_up.lineage import lineage_of
from catena.coupler.spin_up.native import Native
from catena.coupler.spin_up.sasu import Sasu
from catena.coupler.spin_up.training_sites import TrainingSites
from catena.shared.artifacts.arrays import pack_arrays
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    JobFailed,
    NotFound,
)

# A state that is put together swings for centuries by a few grams, as nitrogen finds its place.
LIMITS = {"nee": 5.0, "drift": 10.0}


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@dataclass(frozen=True)
class Truth:
    pools: np.ndarray
    names: tuple[str, ...]

    def times(self, pool: str, factor: float) -> np.ndarray:
        """With another amount of one pool."""
        made = self.pools.copy()
        mine = [n for n, name in enumerate(self.names) if name.partition(".")[0] == pool]
        assert mine
        made[:, mine] *= factor
        return made


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    config = swap_config(tmp_path_factory.mktemp("truth"))
    with inside():
        case = ElmLandCase(config)
        return Truth(equilibrium(config, case), case.layout.names)


def config_of(folder: Path, **spin_up: Any) -> ElmConfig:
    return swap_config(folder, spin_up={**LIMITS, **spin_up})


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("# ")]


def submitted(config: ElmConfig) -> list[str]:
    """Case of each submission, in its time."""
    found = []
    for path in config.case_root.glob("*.catena.log"):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if entry["kind"] == "submit":
                found.append((entry["at"], path.name.removesuffix(".catena.log")))
    return [name for _, name in sorted(found)]


# The plan


def test_the_plan_of_an_emulator_replaces_both_stages(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    plan = ElmSwap(config, Planted(np.ones((1, 170)))).plan_text()
    told = lines(plan)
    assert told[0] == "# spin-up by planted, in the place of 100 years"
    assert told[1:5] == [
        "# ad_spinup: years 1 to 20, case moz-planted_ad_spinup",
        "# new pools into moz-planted_ad_spinup.elm.r.0021-01-01-00000.nc: spinup_state 0, N and P "
        "by ratios",
        "# check: years 21 to 22, case moz-planted_02_final",
        "# check: years 23 to 24, case moz-planted_03_final",
    ]
    assert told[-1] == "# transient: years 1850 to 1851, case moz-planted_transient"
    assert "copy " in plan and "/restarts/NEW_POOLS_1.nc to " in plan
    assert plan.count("./case.build") == 1  # one executable for all
    assert "-bgc_spinup on" in plan and "-bgc_spinup off" in plan
    assert "fallback, only where it is not" in plan
    assert not config.case_root.exists()  # nothing was done


def test_a_variant_without_years_of_acceleration_runs_one_cycle_for_a_template(
    tmp_path: Path,
) -> None:
    config = config_of(tmp_path)
    told = lines(ElmSwap(config, Planted(np.ones((1, 170)), ad_years=0)).plan_text())
    assert told[1:3] == [
        "# final: years 1 to 2, case moz-planted_final",
        "# new pools into moz-planted_final.elm.r.0003-01-01-00000.nc: spinup_state 0, N and P by "
        "ratios",
    ]


def test_any_method_can_be_rehearsed(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    told = lines(ElmSwap(config, Anderson(start_years=50, cycles=3)).plan_text())
    assert [line.split(":")[0] for line in told].count("# final") == 3
    assert sum("new pools" in line for line in told) == 2
    assert "# ad_spinup: years 27 to 50, case moz-anderson_02_ad" in told


def test_a_method_that_needs_the_matrix_is_refused_by_name(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    for go in (ElmSwap(config, Sasu()).plan_text, ElmSwap(config, Sasu()).run):
        with pytest.raises(
            FailedPrecondition, match=r"'sasu' needs the matrix .* elm does not give"
        ):
            go()
    assert not config.case_root.exists()


def test_bare_ground_again_takes_the_executable_that_is_there(tmp_path: Path) -> None:
    """The fallback from bare ground: another case, not another build."""
    case = ElmLandCase(config_of(tmp_path), label="x")
    case.runs.case(ElmState(), 40, accelerated=True)
    again = case.runs.case(ElmState(), 40, accelerated=True, number=5)
    plan = "\n".join(map(str, again.plan()))
    assert again.stage.case == "moz-x_05_ad" and again.stage.start == 1
    assert f"--clone {case.config.case_root}/moz-x_ad_spinup --keepexe" in plan
    assert "case.build" not in plan and "ELM_FORCE_COLDSTART=on" in plan


# Pools of restart files as a table


def test_the_table_holds_every_free_pool_once_in_grams_of_the_column(truth: Truth) -> None:
    assert len(set(truth.names)) == len(truth.names) == 170
    assert np.isfinite(truth.pools).all()
    stems = {name.partition(".")[0] for name in truth.names}
    assert {"soil4c", "litr1n", "cwdn", "smin_no3", "leafc", "cannsum_npp"} <= stems
    assert not stems & {"soil4n", "leafn", "sminn", "labilep", "leafc_vr"}
    soil = [n for n, name in enumerate(truth.names) if name.startswith("soil4c.")]
    assert len(soil) == 10
    # One pool in the stand-in, spread over the levels: about 19 kg at rest.
    assert 1.5e4 < truth.pools[0, soil].sum() < 3e4


def test_a_table_is_what_a_file_holds_and_nan_leaves_it(truth: Truth, tmp_path: Path) -> None:
    from support.elm_restart import make_restart

    template = read_restart(make_restart(tmp_path / "t.nc", cells=1, phosphorus=False))
    layout = ElmLandCase(config_of(tmp_path)).layout
    table = table_of(template, layout)
    for n, name in enumerate(names_in_file(layout)):
        values = template.active(name)
        if POOLS[name].place == "level":
            level = int(layout.names[n].rpartition(".")[2]) - 1
            assert table[0, n] == pytest.approx(values[0, level] * template.thickness[level])
        else:
            assert table[0, n] == values[0]
    back = pools_of(table, layout, template)
    for name in back:
        np.testing.assert_allclose(back[name], template.active(str(name)), rtol=1e-12)
    assert not pools_of(np.full_like(table, np.nan), layout, template).data_vars


# What is written


def test_a_state_must_have_left_acceleration_and_all_its_pools_be_replaced(
    tmp_path: Path, truth: Truth
) -> None:
    case = ElmLandCase(config_of(tmp_path), label="x")
    stretch = case.run(case.cold_start(), 1, accelerated=True, supplement=True)
    assert stretch.nee.shape == (1, 1) and stretch.pools.shape == (1, 170)
    with pytest.raises(FailedPrecondition, match="leave that first"):
        case.with_pools(stretch.state, truth.pools)
    left = case.leave_ad(stretch.state)
    with pytest.raises(InvalidData, match=r"must not start from it: .* start of year 3"):
        case.run(left, 1)
    for pool in ("soil3c", "soil4c", "cwdc", "deadstemc", "deadcrootc"):
        with pytest.raises(InvalidData, match=rf"year 3 .*{pool}.* nobody knows"):
            case.with_pools(left, truth.times(pool, np.nan))
    with pytest.raises(FailedPrecondition, match="has left accelerated decomposition"):
        case.run(left, 1, accelerated=True)
    empty = np.where(np.isnan(truth.pools), np.nan, 0.0)
    with pytest.raises(InvalidData, match="nothing would be left that could grow"):
        case.with_pools(left, empty)
    assert not (case.runs.folder / "restarts").exists()
    made = case.with_pools(left, truth.pools)
    assert made == case.with_pools(left, truth.pools)  # the same file again
    assert made.restart is not None and read_restart(made.restart).spinup_state == 0


# Whole swaps


def run_to_the_end(swap: ElmSwap) -> SwapReport:
    report = swap.run()
    assert report == read_report(swap.report_path)
    return report


@pytest.mark.slow
def test_a_good_emulator_is_believed_after_the_check_and_a_stopped_run_goes_on(
    tmp_path: Path, truth: Truth
) -> None:
    config = config_of(tmp_path)
    set_faults(config.cime_root, [Fault("killed_run", where="_03_final", times=1)])
    with pytest.raises(JobFailed, match="moz-planted_03_final did not reach year 25"):
        ElmSwap(config, Planted(truth.pools)).run()
    first = submitted(config)
    assert first == ["moz-planted_ad_spinup", "moz-planted_02_final", "moz-planted_03_final"]
    report = run_to_the_end(ElmSwap(config, Planted(truth.pools)))
    assert submitted(config) == [*first, "moz-planted_03_final", "moz-planted_transient"]
    assert report.reached and not report.fell_back
    assert len(report.judgements) == 1 and abs(report.judgements[0].nee[0]) < 5.0
    assert report.years == 24.0 and report.native_years == 100.0
    assert report.years_saved_ratio == pytest.approx(100.0 / 24.0)
    assert Path(report.transient).name == "moz-planted_transient.elm.r.1852-01-01-00000.nc"
    # What was put in, and that ELM began with it.
    (put,) = report.put_in
    soil4 = next(each for each in put["pools"] if each["pool"] == "soil4c")
    assert soil4["after"] > 20.0 * soil4["before"] and put["accelerated_units"]
    assert put["first_record"] == "agrees with the first record"
    # Asked again nothing runs.
    again = ElmSwap(config, Planted(truth.pools)).run()
    assert again.restart == report.restart and len(submitted(config)) == len(first) + 2
    # Another emulator under the same name is no continuation.
    with pytest.raises(FailedPrecondition, match=r"restart: .* -> "):
        ElmSwap(config, Planted(truth.times("soil4c", 1.5))).run()


@pytest.mark.slow
def test_a_bad_emulator_is_caught_and_the_run_still_ends_at_rest(
    tmp_path: Path, truth: Truth
) -> None:
    config = config_of(tmp_path)
    report = run_to_the_end(ElmSwap(config, Planted(truth.times("soil2c", 2.0))))
    assert not report.judgements[0].passed and "NEE" in report.why
    assert report.fell_back and report.reached
    assert {each.what for each in report.judgements[1:]} == {"fallback"}
    assert abs(report.judgements[-1].nee[0]) < 5.0
    assert report.years == 24.0 + 10.0 * (len(report.judgements) - 1)
    assert report.transient
    # No transient run from a state that is not at rest.
    short = config_of(tmp_path / "short", tries=0)
    ended = run_to_the_end(ElmSwap(short, Planted(truth.times("soil2c", 2.0))))
    assert not ended.reached and not ended.transient
    assert "moz-planted_transient" not in submitted(short)
    assert "NOT at equilibrium" in str(ended)


@pytest.mark.slow
def test_an_unfamiliar_site_falls_back_whatever_its_fluxes_are(
    tmp_path: Path, truth: Truth
) -> None:
    config = config_of(tmp_path)
    method = Planted(truth.pools, ad_years=0, unfamiliar=np.array([1.5]))
    report = run_to_the_end(ElmSwap(config, method))
    assert report.fell_back and "unlike what was learned (1.5)" in report.why
    assert report.reached and report.unfamiliar == 1.5
    # One cycle for a template, two for the check, five natively.
    assert report.years == CYCLE * 8.0


@pytest.mark.slow
def test_a_model_that_begins_with_something_else_stops_the_swap(
    tmp_path: Path, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ELM does with a file of equilibrium pools and the flag of acceleration."""
    config = config_of(tmp_path)
    whole = Land.state_of

    def tenfold(self: Land, restart: Any) -> Any:
        if restart.spinup_state == 0 and restart.date.year == 3:
            dead = restart.pools()[["deadstemc"]] * 10.0
            restart = restart.with_pools(dead)
        return whole(self, restart)

    monkeypatch.setattr(Land, "state_of", tenfold)
    with pytest.raises(InvalidData, match="dead wood is ten times what was written"):
        ElmSwap(config, Planted(truth.pools, ad_years=0)).run()
    assert submitted(config)[-1] == "moz-planted_02_final"


@pytest.mark.slow
def test_a_state_from_which_the_numbers_break_ends_in_a_native_spin_up(
    tmp_path: Path, truth: Truth
) -> None:
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 2}]
    wide = {"nee": 1e4, "drift": 1e4}
    config = swap_config(tmp_path, stages=stages, spin_up={**wide, "settle_cycles": 0})
    set_faults(config.cime_root, [Fault("nan_restart", where="_02_final", times=1)])
    report = run_to_the_end(ElmSwap(config, Planted(truth.pools, ad_years=0)))
    assert report.fell_back and "holds NaN in soil4c_vr" in report.why
    assert report.reached and not report.transient
    # From bare ground with the executable that was built first.
    assert submitted(config)[2:5] == [
        "moz-planted_03_ad", "moz-planted_04_ad", "moz-planted_05_final",
    ]  # fmt: skip


@pytest.mark.slow
def test_numbers_that_break_in_the_fallback_end_in_a_native_spin_up(
    tmp_path: Path, truth: Truth
) -> None:
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 2}]
    wide = {"nee": 1e4, "drift": 1e4, "settle_cycles": 0, "chunk_cycles": 1}
    config = swap_config(tmp_path, stages=stages, spin_up=wide)
    set_faults(config.cime_root, [Fault("nan_restart", where="_03_final", times=1)])
    method = Planted(truth.pools, ad_years=0, unfamiliar=np.array([np.nan]))
    report = run_to_the_end(ElmSwap(config, method))
    assert report.reached and report.unfamiliar == FAR
    assert "unlike what was learned" in report.why and "holds NaN in soil4c_vr" in report.why
    assert submitted(config)[2:] == [
        "moz-planted_03_final",
        "moz-planted_04_ad", "moz-planted_05_ad", "moz-planted_06_final", "moz-planted_07_final",
    ]  # fmt: skip
    assert "NaN" not in report_path(config, "planted").read_text().replace("holds NaN", "")


@pytest.mark.slow
def test_numbers_that_break_within_a_method_end_in_a_native_spin_up(tmp_path: Path) -> None:
    stages = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 2}]
    wide = {"nee": 1e4, "drift": 1e4, "settle_cycles": 0, "chunk_cycles": 1}
    config = swap_config(tmp_path, stages=stages, spin_up=wide)
    set_faults(config.cime_root, [Fault("nan_restart", where="_04_final", times=1)])
    report = run_to_the_end(ElmSwap(config, Anderson(start_years=42, cycles=4)))
    assert report.fell_back and report.reached and "holds NaN" in report.why
    assert submitted(config)[3:5] == ["moz-anderson_04_final", "moz-anderson_05_ad"]


def test_a_template_that_was_told_is_what_pools_are_put_into(tmp_path: Path, truth: Truth) -> None:
    first = config_of(tmp_path)
    grown = ElmLandCase(first, label="template").run(ElmState(), 1).state.restart
    assert grown is not None
    config = config_of(tmp_path, template=str(grown))
    case = ElmLandCase(config, label="told", template=config.spin_up.template)
    state = case.with_pools(case.cold_start(), truth.pools)
    assert case.runs.done == [], "nothing had to be run"
    assert state.restart is not None
    made = read_restart(state.restart)
    assert made.date == read_restart(grown).date and made.spinup_state == 0
    np.testing.assert_allclose(case.pools(state), truth.pools, rtol=1e-12)
    plan = ElmSwap(config, Planted(truth.pools, ad_years=0)).plan_text()
    assert f"# new pools into {grown.name}" in plan
    # One of accelerated decomposition is told from the file, before anything is run.
    fast = ElmLandCase(first, label="fast").run(ElmState(), 1, accelerated=True).state.restart
    with pytest.raises(InvalidRequest, match="carries spinup_state 1, wanted 0"):
        config_of(tmp_path, template=str(fast))
    wrong = ElmLandCase(first, label="wrong", template=fast)
    with pytest.raises(InvalidData, match="has spinup_state 1"):
        wrong.with_pools(wrong.cold_start(), truth.pools)
    for path, said in (("restarts/t.nc", "wanted a path from / on"), (tmp_path / "t", "be read")):
        with pytest.raises(InvalidRequest, match=said):
            config_of(tmp_path, template=str(path))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "up to 4 times 10 years natively from there, then from bare ground natively and up to "
         "8 times 10 years more"),
        ({"tries": 3}, "up to 3 times 10 years natively from there"),
        ({"patience": 0, "tries": 2}, "from bare ground natively and up to 2 times 10 years more"),
        ({"tries": 0}, "none (spin_up.tries is 0)"),
    ],
)  # fmt: skip
def test_the_plan_tells_the_fallback_as_it_would_be(
    tmp_path: Path, limits: dict[str, int], said: str
) -> None:
    plan = ElmSwap(config_of(tmp_path, **limits), Planted(np.ones((1, 170)))).plan_text()
    assert f"# fallback, only where it is not: {said}" in lines(plan)


# The command


def elm(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def config_file(folder: Path, **changed: Any) -> Path:
    path = folder / "moz.yaml"
    path.write_text(yaml.safe_dump(swap_mapping(folder, **changed)))
    return path


def sites(folder: Path, case: ElmLandCase, truth: Truth, ad_years: int = 0) -> TrainingSites:
    """Sites to learn from: this one as it is, and others that differ in their parameters."""
    first = first_years(case, ad_years)
    names, own = input_names(case, first), inputs_of(case, first)
    count, random = 12, np.random.default_rng(0)
    inputs = {kind: np.repeat(values, count, axis=0) for kind, values in own.items()}
    factor = random.uniform(0.8, 1.25, (count, 1))
    factor[0] = 1.0
    inputs["parameters"] = inputs["parameters"] * factor
    about = {
        "pools": list(case.layout.names),
        "units": [pool.units for pool in case.layout.pools],
        "signed": [pool.signed for pool in case.layout.pools],
        "pft": [pool.pft for pool in case.layout.pools],
        "logarithmic_inputs": logarithmic(case, names),
        "ad_years": ad_years,
        "case": {**lineage_of(case), "inputs": names},
    }
    targets = truth.pools * factor
    split = np.array([0] * 7 + [1] * 3 + [2] * 2)
    place = [np.repeat(each, count) for each in (case.lat, case.lon)]
    made = TrainingSites(inputs, targets, split, *place, about)
    made.write(folder)
    return made


@pytest.mark.slow
def test_the_command_plans_runs_and_tells_with_a_learned_method(
    tmp_path: Path, truth: Truth
) -> None:
    path = config_file(tmp_path, spin_up=LIMITS)
    where = tmp_path / "sites"
    sites(where, ElmLandCase(ElmConfig.load(path)), truth)
    choice = ("--spin-up", "analogue", "--emulator", where)
    planned = elm("plan", path, *choice)
    assert planned.exit_code == 0, planned.output
    assert "# spin-up by analogue, in the place of 100 years" in planned.stdout
    before = elm("status", path, *choice)
    assert before.exit_code == 0 and "nothing has been made yet" in before.stdout
    done = elm("run", path, *choice, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["reached"] and not told["fell_back"] and told["years"] == CYCLE * 3.0
    shown = elm("status", path, *choice, "--json")
    status = json.loads(shown.stdout)
    assert {row["what"] for row in status["cases"]} == {"has run"}
    assert [row["case"] for row in status["cases"]][-1] == "moz-analogue_transient"
    assert status["spin_up"] == told
    checked = elm("check", told["restart"])
    assert checked.exit_code == 0, checked.output


def network(sites: TrainingSites, folder: Path) -> None:
    """An emulator that says the mean of its sites, as an artifact."""
    made = mean_emulator(sites)
    folder.mkdir()
    (folder / ABOUT).write_text(json.dumps(made.to_dict()))
    (folder / WEIGHTS).write_bytes(pack_arrays(made.arrays(), WEIGHTS))


@pytest.mark.slow
def test_a_network_reads_twenty_years_of_acceleration_and_its_pools_are_run_from(
    tmp_path: Path, truth: Truth
) -> None:
    path = config_file(tmp_path, spin_up={**LIMITS, "tries": 0, "emulator": str(tmp_path / "net")})
    config = ElmConfig.load(path)
    learned = ElmLandCase(config, label="emulator")
    network(sites(tmp_path / "sites", learned, truth, ad_years=20), tmp_path / "net")
    first = submitted(config)
    assert first == ["moz-emulator_ad_spinup", "moz-emulator_02_ad"]
    done = elm("run", path, "--spin-up", "emulator", "--json")
    assert done.exit_code in (0, 1), done.output
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["reached"] else 1)
    # The years that were read for the training are those that the swap begins with.
    ran = ["moz-emulator_03_final", "moz-emulator_04_final"]
    assert submitted(config)[:4] == [*first, *ran]
    (put,) = told["put_in"]
    assert put["first_record"] == "agrees with the first record"
    assert put["template"].endswith("moz-emulator_02_ad.elm.r.0021-01-01-00000.nc")
    assert read_restart(Path(put["restart"])).spinup_state == 0
    assert elm("check", put["restart"]).exit_code == 0
    # The mean of sites with .8 to 1.25 of the truth.
    soil4 = next(each["after"] for each in put["pools"] if each["pool"] == "soil4c")
    mine = [n for n, name in enumerate(truth.names) if name.startswith("soil4c.")]
    assert 0.8 < soil4 / truth.pools[0, mine].sum() < 1.25


@pytest.mark.slow
def test_the_native_spin_up_runs_the_stages_as_they_are(tmp_path: Path) -> None:
    stages = [
        {"name": "ad_spinup", "years": 40},
        {"name": "final", "years": 2},
        {"name": "transient", "years": 2, "compset": "ICB20TRCNRDCTCBC"},
    ]
    path = config_file(tmp_path, stages=stages)
    done = elm("run", path, "--json")
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)) == ["ad_spinup", "final", "transient"]
    rows = json.loads(elm("status", path, "--json").stdout)["cases"]
    assert [row["case"] for row in rows] == ["moz_ad_spinup", "moz_final", "moz_transient"]
    assert rows[1]["hand_over"] == "agrees with the first record"


def test_the_check_of_a_file_ends_with_1_where_it_must_not_be_run_from(tmp_path: Path) -> None:
    import netCDF4
    from support.elm_restart import make_restart

    path = make_restart(tmp_path / "r.nc")
    assert elm("check", path).exit_code == 0
    with netCDF4.Dataset(path, "r+") as file:
        file["soil4n_vr"][0, 0] *= 10.0
    done = elm("check", path)
    assert done.exit_code == 1 and "soil4n_vr" in done.stdout


def test_options_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no spin-up 'magic'"):
        spin_up_of(SpinUpOptions(method="magic"))
    with pytest.raises(InvalidRequest, match="'native' takes no emulator"):
        spin_up_of(SpinUpOptions(method="native", emulator=str(tmp_path)))
    with pytest.raises(InvalidRequest, match="options of the spin-up 'anderson'"):
        spin_up_of(SpinUpOptions(method="anderson", options={"steps": 3}))
    made = spin_up_of(SpinUpOptions(method="anderson", options={"cycles": 3}))
    assert made == Anderson(cycles=3)
    assert isinstance(spin_up_of(SpinUpOptions()), Native)
    with pytest.raises(InvalidRequest, match=r"spin_up\.check_years"):
        config_of(tmp_path, check_years=3)
    assert TREE in ElmLandCase(config_of(tmp_path)).about()["plants"]


def test_methods_that_learned_say_what_they_need(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"say where that lies: spin_up\.emulator"):
        spin_up_of(SpinUpOptions(method="analogue"))
    with pytest.raises(InvalidData, match=r"holds no sites to learn from \(about\.json"):
        spin_up_of(SpinUpOptions(method="analogue", emulator=str(tmp_path)))


def test_sites_learned_on_another_case_are_refused(tmp_path: Path, truth: Truth) -> None:
    where = tmp_path / "sites"
    sites(where, ElmLandCase(config_of(tmp_path / "one")), truth)
    method = spin_up_of(SpinUpOptions(method="analogue", emulator=str(where)))
    other = config_of(tmp_path / "two", template=None)
    ElmSwap(other, method).plan_text()
    warmer = ElmConfig.model_validate({**other.model_dump(), "xml": {"CCSM_CO2_PPMV": 400.0}})
    with pytest.raises(FailedPrecondition, match=r"CO2, ppm: learned 284\.7, the case has 400"):
        ElmSwap(warmer, method).plan_text()
