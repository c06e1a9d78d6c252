"""Spun-up sites as restart files: no path leads to equilibrium pools under the flag of AD."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.spin_up_cases import case

from catena.coupler.embedded.restart_state import from_restart
from catena.coupler.embedded.state import S_N, State
from catena.coupler.restart import check, read_restart
from catena.coupler.spin_up.anderson import Anderson
from catena.coupler.spin_up.check import CheckPlan, check_and_fall_back
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.native import Native, accelerated
from catena.coupler.spin_up.restarts import ratios_of, restarts, sets_of_sites
from catena.coupler.spin_up.sasu import Sasu
from catena.shared.errors import CatenaError, FailedPrecondition, InvalidData

SHORT = Native(ad_years=20, final_years=10, supplemented_years=10)


@pytest.fixture(scope="module")
def grown() -> tuple[EmbeddedCase, State]:
    made = case()
    return made, SHORT.run(made).state


def test_there_is_one_file_for_each_parameter_set(
    grown: tuple[EmbeddedCase, State], tmp_path: Path
) -> None:
    made, state = grown
    found = list(restarts(made, state))
    assert len(found) == 2
    for member, (group, written) in enumerate(found):
        path = tmp_path / f"{member}.nc"
        written.write(path)
        restart = read_restart(path)
        assert restart.spinup_state == 0
        refused = [
            each
            for each in check(restart, stoichiometry=ratios_of(group.parameters))
            if each.action == "refused"
        ]
        assert not refused
        sites = slice(3 * member, 3 * member + 3)
        assert np.array_equal(from_restart(restart, group.columns), state.values[sites, 0])


def test_sites_in_any_order_come_by_their_parameter_set(
    grown: tuple[EmbeddedCase, State],
) -> None:
    made, state = grown
    order = np.array([4, 0, 5])
    groups = sets_of_sites(made.part(order))
    assert [group.sites.tolist() for group in groups] == [[0, 2], [1]]
    np.testing.assert_array_equal(groups[0].columns.lat, made.columns.lat[[1, 2]])
    for group, restart in restarts(made.part(order), made.take(state, order)):
        values = from_restart(restart, group.columns)
        assert np.array_equal(values, state.values[order[group.sites], 0])


def broken(state: State, kind: str) -> State:
    values = state.values.copy()
    if kind == "NaN":
        values[4, 0, 3] = np.nan
    elif kind == "negative":
        values[4, 0, S_N - 1] = -1.0
    elif kind == "ratio":
        values[4, 0, S_N + 6] *= 2.0
    return replace(state, values=values)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("NaN", "state of site 4 is NaN"),
        ("negative", "soil4c of site 4 is -1"),
        ("ratio", "soil3n"),
    ],
)
def test_a_broken_state_is_refused(grown: tuple[EmbeddedCase, State], kind: str, said: str) -> None:
    made, state = grown
    with pytest.raises(InvalidData, match=said):
        list(restarts(made, broken(state, kind)))


def test_no_way_leads_to_equilibrium_pools_under_the_flag_of_accelerated_decomposition(
    grown: tuple[EmbeddedCase, State],
) -> None:
    made, state = grown
    inside = accelerated(made, 4)
    assert inside.spinup_state == 1
    # Its own pools cannot be written as a spun-up state,
    with pytest.raises(FailedPrecondition, match="leave_ad"):
        next(restarts(made, inside))
    # nor can other pools come into it,
    with pytest.raises(FailedPrecondition, match="leave that first"):
        made.with_pools(inside, made.pools(state))
    # nor a spun-up site among accelerated ones, or the other way round;
    some = np.array([0])
    for whole, part in ((inside, state), (state, inside)):
        with pytest.raises(CatenaError, match="leave accelerated decomposition"):
            made.put(whole, some, made.take(part, some))
    # a spun-up state cannot be run accelerated, nor left twice, nor an accelerated one checked.
    with pytest.raises(InvalidData, match="spinup_state"):
        made.run(state, 1, accelerated=True)
    with pytest.raises(FailedPrecondition, match="out of nothing"):
        made.leave_ad(state)
    spun = SHORT.run(made)
    with pytest.raises(InvalidData, match="spinup_state"):
        check_and_fall_back(made, replace(spun, state=inside))


@pytest.mark.parametrize(
    "method",
    [SHORT, Native(10, 0), Sasu(4, 1, 0), Sasu(4, 2, 2), Anderson(4, 2), Anderson(4, 3, depth=1)],
    ids=lambda method: f"{method}",
)
def test_every_method_writes_the_flag_0(method: object, tmp_path: Path) -> None:
    made = case(members=1, cells=2)
    spun = method.run(made)  # type: ignore[attr-defined]
    checked = check_and_fall_back(
        made, spun, CheckPlan(tries=1, patience=0, chunk_cycles=1, native=SHORT)
    )
    for state in (spun.state, checked.state):
        ((_, restart),) = restarts(made, state)
        restart.write(tmp_path / "r.nc")
        assert read_restart(tmp_path / "r.nc").spinup_state == 0
