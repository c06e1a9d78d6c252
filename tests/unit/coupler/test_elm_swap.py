"""The spin-up swap of a case of ELM, on the stand-in: its plan, its pools, what is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.elm_swap import (
    Planted,
    Truth,
    config_of,
)
from support.fake_cime_inside import inside

from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.pool_table import names_in_file, pools_of, table_of
from catena.coupler.elm.spin_up_runs import ElmState
from catena.coupler.elm.swap import ElmSwap
from catena.coupler.restart import read_restart
from catena.coupler.restart.names import POOLS
from catena.coupler.spin_up.anderson import Anderson
from catena.coupler.spin_up.sasu import Sasu
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
)


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return Truth.grown(tmp_path_factory.mktemp("truth"))


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("# ")]


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


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After two years, out of accelerated decomposition."""
    case = ElmLandCase(config_of(tmp_path_factory.mktemp("template")), label="template")
    with inside():
        grown = case.run(ElmState(), 1).state.restart
    assert grown is not None
    return grown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"soil4c": -1.0}, r"soil4c_vr is -.* wanted 0 or more"),
        ({"cwdc": np.inf}, "cwdc_vr is inf .* wanted a finite number"),
        ({"npool": -1.0}, "npool is -.* wanted 0 or more"),
        ({"litr1n": 1e4}, "litr1 in cell 0 .* level 1, would have .* C:N from 2 to 3000"),
        ({"litr3n": 1e-6}, "litr3 in cell 0 .* C:N from 2 to 3000"),
        ({"cwdn": 0.0}, "cwd in cell 0 .* and 0 gN m-2"),
        ({"litr2c": 0.0}, "litr2 in cell 0 .* would have 0 gC"),
    ],
)
def test_impossible_pools_are_refused_before_a_file_is_there(
    tmp_path: Path, truth: Truth, template: Path, changed: dict[str, float], said: str
) -> None:
    case = ElmLandCase(config_of(tmp_path), label="x", template=template)
    ((pool, factor),) = changed.items()
    with pytest.raises(InvalidData, match=said):
        case.with_pools(case.cold_start(), truth.times(pool, factor))
    assert not case.runs.folder.exists()
    # Litter that is not there has no ratio.
    none = truth.times("litr2c", 0.0)
    none[:, [n for n, name in enumerate(truth.names) if name.startswith("litr2n")]] = 0.0
    assert case.with_pools(case.cold_start(), none).restart is not None
