"""Runs of ensembles: bits, threads, failures, means, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.embedded_cases import TREE, Case, drawn, forest, mixed

from catena.coupler.embedded import Columns, Days, ParameterSet, simulate
from catena.coupler.embedded.outputs import OUTPUT_NAMES
from catena.coupler.embedded.state import LEAF, N_COLUMN, S_C, STORAGE, plant_names
from catena.coupler.embedded.status import Status
from catena.shared.errors import InvalidData, InvalidRequest

KEPT = ("GPP", "EFLX_LH_TOT", "TOTECOSYSC")


@pytest.fixture(scope="module")
def case() -> Case:
    return mixed(cells=1, years=1, seed=1)


def many_cells(cells: int) -> Case:
    one = mixed(cells=cells, years=1, seed=3)
    columns = one.columns
    repeated = {
        name: np.repeat(getattr(columns, name), cells, axis=0)
        for name in ("lat", "lon", "sand", "clay", "pfts", "weights")
    }
    repeated["lat"] = np.linspace(20.0, 60.0, cells)
    return replace(one, columns=Columns(**repeated))


def test_a_member_alone_gives_the_bits_that_it_gives_among_others(case: Case) -> None:
    parameters = drawn(5)
    together = case.run(parameters, years=3, variables=KEPT, frequency="month")
    for member in range(5):
        own = ParameterSet(parameters.scalars[[member]], parameters.pfts[[member]])
        alone = case.run(own, years=3, variables=KEPT, frequency="month")
        assert np.array_equal(alone.values[0], together.values[member])
        assert np.array_equal(alone.state.values[0], together.state.values[member])


def test_no_bit_depends_on_threads_or_blocks() -> None:
    case = many_cells(3)
    parameters = drawn(7)
    wanted = case.run(parameters, variables=KEPT, frequency="day", block=7)
    for threads, block in ((1, 2), (4, 3), (2, 1)):
        found = case.run(parameters, variables=KEPT, frequency="day", threads=threads, block=block)
        assert np.array_equal(found.values, wanted.values)
        assert np.array_equal(found.state.values, wanted.state.values)
        assert np.array_equal(found.budget, wanted.budget)


def test_an_output_is_the_same_whatever_else_is_asked_for(case: Case) -> None:
    together = case.run(variables=OUTPUT_NAMES, frequency="month")
    for at, name in enumerate(OUTPUT_NAMES):
        alone = case.run(variables=(name,), frequency="month")
        assert np.array_equal(alone.values[..., 0], together.values[..., at]), name
        assert np.array_equal(alone.latest, together.latest), name


def test_cells_do_not_feel_each_other() -> None:
    case = many_cells(3)
    together = case.run(variables=KEPT, frequency="year")
    columns = case.columns
    one = Columns(
        *(getattr(columns, n)[[1]] for n in ("lat", "lon", "sand", "clay", "pfts", "weights"))
    )
    alone = Case(one, case.forcing[[1]]).run(variables=KEPT, frequency="year")
    assert np.array_equal(alone.values[:, 0], together.values[:, 1])


def test_two_runs_in_a_row_are_one_run(case: Case) -> None:
    whole = case.run(drawn(2), years=2)
    first = case.run(drawn(2), years=1)
    second = case.run(drawn(2), first.state, years=1)
    assert np.array_equal(second.state.values, whole.state.values)


def test_the_sum_of_a_year_stands_in_the_state_at_its_end() -> None:
    """As in ELM's restart of 1 January; a year that has just begun has no sum of its own."""
    run = forest(seed=1).run(variables=("NPP",), frequency="run")
    year = run.history("NPP")[0, 0, 0] * 86400.0 * 365.0
    names = plant_names()
    plant = run.state.plants[0, 0, 0]
    assert year != 0.0
    assert plant[names.index("annsum_npp")] == pytest.approx(year, rel=1e-9)
    assert plant[names.index("tempsum_npp")] == 0.0


def test_the_state_that_came_is_left_alone(case: Case) -> None:
    state = case.cold()
    before = state.values.copy()
    case.run(state=state)
    assert np.array_equal(state.values, before)


def test_means_of_months_and_years_are_those_of_their_days(case: Case) -> None:
    daily = case.run(variables=KEPT, frequency="day")
    monthly = case.run(variables=KEPT, frequency="month")
    yearly = case.run(variables=KEPT, frequency="year")
    assert daily.values.shape == (1, 1, 365, 3)
    assert monthly.first.tolist()[:3] == [0, 31, 59]
    edges = np.append(monthly.first, 365)
    for month, (low, high) in enumerate(pairwise(edges)):
        wanted = daily.values[:, :, low:high].mean(axis=2)
        np.testing.assert_allclose(monthly.values[:, :, month], wanted, rtol=1e-12)
    np.testing.assert_allclose(yearly.values[:, :, 0], daily.values.mean(axis=2), rtol=1e-12)
    np.testing.assert_allclose(
        [daily.latest[0, 0, 0]], daily.history("GPP")[0, 0, [-1]], rtol=1e-12
    )


def test_leap_days_lengthen_february() -> None:
    days = Days.since((2003, 12, 31), 62, "standard")
    assert days.periods("month")[1].tolist() == [0, 1, 32, 61][: len(days.periods("month")[1])]
    assert Days.since((2004, 2, 1), 60, "standard").periods("month")[1].tolist() == [0, 29]
    assert Days.since((2004, 2, 1), 60, "noleap").periods("month")[1].tolist() == [0, 28, 59]


def test_a_member_out_of_range_fails_by_name_and_the_others_go_on(case: Case) -> None:
    parameters = drawn(3)
    parameters.scalars[1, 0] = -1.0
    parameters.pfts[1, 7, 2] = np.nan
    run = case.run(parameters, variables=KEPT, frequency="year")
    assert run.ok.tolist() == [True, False, True]
    (failure,) = run.failures
    assert (failure.member, failure.status, failure.day) == (1, Status.PARAMETER, -1)
    assert "br_mr = -1" in str(failure)
    assert f"slatop[{TREE}] = nan" in str(failure)
    assert np.isnan(run.values[1]).all()
    assert np.isfinite(run.values[[0, 2]]).all()


def test_a_member_that_breaks_down_says_when_and_why(case: Case) -> None:
    parameters = drawn(3)
    state = case.cold(3)
    state.values[1, 0, S_C] = np.nan
    state.values[2, 0, N_COLUMN + STORAGE + LEAF] = -5.0
    run = case.run(parameters, state, variables=KEPT, frequency="month")
    assert run.ok.tolist() == [True, False, False]
    assert [(f.member, f.cell, f.day, f.status) for f in run.failures] == [
        (1, 0, 0, Status.NOT_FINITE),
        (2, 0, 0, Status.NEGATIVE_POOL),
    ]
    alone = case.run(ParameterSet(parameters.scalars[:1], parameters.pfts[:1]))
    assert np.array_equal(run.state.values[0], alone.state.values[0])
    assert np.isnan(run.values[1:]).all()


def test_an_open_budget_is_a_failure_with_its_figures(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package exports the function under the module's name.
    module = sys.modules["catena.coupler.embedded.simulate"]
    monkeypatch.setattr(module, "CLOSED", 1e-30)
    run = case.run(variables=KEPT, frequency="year")
    (failure,) = run.failures
    assert failure.status == Status.BUDGET
    assert "is not conserved: carbon " in str(failure)
    assert np.isnan(run.values).all()


def test_what_does_not_fit_is_refused(case: Case) -> None:
    with pytest.raises(InvalidRequest, match="no output XYZ; known are GPP"):
        case.run(variables=("XYZ",), frequency="year")
    with pytest.raises(InvalidRequest, match="together, or neither"):
        case.run(variables=("GPP",))
    with pytest.raises(InvalidRequest, match=r"the state has shape \(1, 1"):
        case.run(drawn(2), case.cold(1))
    with pytest.raises(InvalidData, match="spinup_state is 0, the run's is 1"):
        case.run(accelerated=True)
    gap = case.forcing.copy()
    gap[0, 17, 7] = np.nan
    with pytest.raises(InvalidData, match="pr on day 17 of cell 0"):
        replace(case, forcing=gap).run()
    with pytest.raises(InvalidRequest, match=r"\(1, 365, 9\) was wanted"):
        simulate(
            case.columns,
            case.forcing[:, :100],
            np.full(365, 380.0),
            np.full(365, 0.4),
            Days.since((1, 1, 1), 365, "noleap"),
            ParameterSet.default(),
            case.cold(),
        )
    with pytest.raises(InvalidRequest, match=r"sum to 0\.5"):
        replace(case.columns, weights=case.columns.weights * 0.5)
    with pytest.raises(InvalidRequest, match=rf"share of {TREE} is -0\.2; 0 or more"):
        Columns.site(0.0, 0.0, 40.0, 20.0, {"c4_grass": 1.2, TREE: -0.2})
    with pytest.raises(InvalidRequest, match="longitude is NaN"):
        Columns.site(0.0, np.nan, 40.0, 20.0, {TREE: 1.0})
    with pytest.raises(InvalidRequest, match="0 days came"):
        none = Days.since((1, 1, 1), 0, "noleap")
        nothing = np.zeros(0)
        simulate(
            case.columns,
            case.forcing[:, :0],
            nothing,
            nothing,
            none,
            ParameterSet.default(),
            case.cold(),
        )
    with pytest.raises(InvalidRequest, match="no plant functional type 'oak'"):
        Columns.site(0.0, 0.0, 40.0, 20.0, {"oak": 1.0})


INTERPRETED = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from support.embedded_cases import drawn, mixed
from catena.coupler.embedded.kernel import run_members
assert not hasattr(run_members, "signatures"), "it is compiled"
case = mixed(cells=1, years=1, seed=1)
run = case.run(drawn(1), variables=("GPP",), frequency="year")
np.save(sys.argv[2], run.state.values)
"""


def test_plain_python_runs_the_same_functions(case: Case, tmp_path: Path) -> None:
    """The reference of the benchmark: compiled code agrees to rounding (fused operations)."""
    file = tmp_path / "state.npy"
    subprocess.run(
        [sys.executable, "-c", INTERPRETED, str(Path(__file__).parents[2]), str(file)],
        check=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        timeout=300,
    )
    compiled = case.run(drawn(1)).state.values
    np.testing.assert_allclose(np.load(file), compiled, rtol=1e-9, atol=1e-12)


def test_an_edited_equation_in_any_file_is_compiled_anew() -> None:
    from catena.coupler.embedded import jit
    from catena.coupler.embedded.kernel import run_members

    assert run_members._cache._cache_file._source_stamp == jit.source_digest()


def test_one_compiled_loop_serves_all_kinds_of_arrays(case: Case) -> None:
    """Compiling takes seconds; a caller's read-only or strided arrays must not cost it again."""
    from catena.coupler.embedded.kernel import derive_days, run_members

    wanted = case.run().state.values
    before = len(run_members.signatures), len(derive_days.signatures)
    strided = np.asfortranarray(case.forcing)
    strided.setflags(write=False)
    parameters = ParameterSet.default()
    for array in (parameters.scalars, parameters.pfts):
        array.setflags(write=False)
    assert np.array_equal(replace(case, forcing=strided).run(parameters).state.values, wanted)
    standard = simulate(
        case.columns,
        case.forcing,
        np.broadcast_to(380.0, 365),
        np.broadcast_to(0.4, 365),
        Days.since((2001, 1, 1), 365, "standard"),
        parameters,
        case.cold(),
    )
    assert np.array_equal(standard.state.values, wanted)
    assert (len(run_members.signatures), len(derive_days.signatures)) == before


def test_the_same_run_gives_the_same_bits_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys, hashlib\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from support.embedded_cases import drawn, mixed\n"
        "state = mixed(cells=1, years=1, seed=1).run(drawn(2)).state.values\n"
        "print(hashlib.sha256(state.tobytes()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script, str(Path(__file__).parents[2])],
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        ).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


def test_forest_grows_from_a_cold_start() -> None:
    run = forest(seed=2).run(
        years=40, supplement_nitrogen=True, variables=("TLAI", "TOTVEGC"), frequency="year"
    )
    assert run.history("TLAI")[0, 0, -1] > 0.5
    assert run.history("TOTVEGC")[0, 0, -1] > 500.0
