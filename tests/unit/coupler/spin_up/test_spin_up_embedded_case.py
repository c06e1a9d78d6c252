"""The embedded model as sites: the same numbers as its own spin-up, whatever the grouping."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.embedded_cases import TREE
from support.spin_up_cases import case, columns, forcing, parameters

from catena.coupler.embedded import ParameterSet, spin_up, version
from catena.coupler.embedded.state import State
from catena.coupler.forcing import FORCING
from catena.coupler.pft import pft_index
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.embedded_known import CLIMATE, STATIC
from catena.coupler.spin_up.native import Native
from catena.shared.errors import InvalidData, InvalidRequest


@pytest.fixture(scope="module")
def grown() -> tuple[EmbeddedCase, State]:
    """Two sets in three cells after some years out of accelerated decomposition."""
    made = case()
    return made, Native(ad_years=20, final_years=10, supplemented_years=10).run(made).state


def test_a_native_spin_up_is_that_of_the_model_itself_bit_by_bit() -> None:
    made = case()
    spun = Native(ad_years=30, final_years=6).run(made)
    own = spin_up(columns(), forcing(), parameters(), ad_years=30, final_years=6)
    assert spun.years.tolist() == [36.0] * 6
    assert own.years == 36
    # Sites go set by set, cells within.
    assert np.array_equal(spun.state.values.reshape(own.state.values.shape), own.state.values)
    assert spun.state.spinup_state == 0


def test_no_bit_depends_on_the_other_sites_or_threads(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    whole = made.run(state, 2)
    threads = case(threads=3).run(state, 2)
    order = np.array([4, 0, 5])
    some = made.part(order).run(made.take(state, order), 2)
    for other, sites in ((threads, np.arange(6)), (some, order)):
        assert np.array_equal(other.state.values, whole.state.values[sites])
        assert np.array_equal(other.nee, whole.nee[sites])
        assert np.array_equal(other.pools, whole.pools[sites], equal_nan=True)
        assert whole.cascade is not None
        assert other.cascade is not None
        for name in ("losses", "litter", "means", "matrix"):
            assert np.array_equal(
                getattr(other.cascade, name),
                getattr(whole.cascade, name)[sites],
                equal_nan=True,
            ), name


def test_two_cycles_at_once_are_one_after_the_other(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    both = made.run(state, 2)
    first = made.run(state, 1)
    second = made.run(first.state, 1)
    assert np.array_equal(both.state.values, second.state.values)
    np.testing.assert_array_equal(both.nee, np.concatenate([first.nee, second.nee], axis=1))
    assert both.means["GPP"] == pytest.approx(second.means["GPP"], rel=1e-15)


def test_nee_is_the_carbon_that_a_site_loses(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    run = made.run(state, 3)
    lost = made.stocks(state).carbon - made.stocks(run.state).carbon
    np.testing.assert_allclose(run.nee.sum(axis=1) * made.cycle_years, lost, rtol=1e-8)
    balance = run.means["HR"] + run.means["AR"] - run.means["GPP"]
    np.testing.assert_allclose(run.nee[:, -1], balance, atol=1e-8)


def test_nitrogen_changes_by_what_comes_in_and_goes_out(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    run = made.run(state, 1)
    gained = made.stocks(run.state).nitrogen - made.stocks(state).nitrogen
    inward = run.means["NFIX_TO_SMINN"] + run.means["NDEP_TO_SMINN"]
    outward = run.means["DENIT"] + run.means["SMINN_LEACHED"]
    np.testing.assert_allclose(gained, (inward - outward) * made.cycle_years, rtol=1e-7, atol=1e-9)


def test_one_set_for_each_site_can_be_given() -> None:
    rows = parameters(3)
    one_each = EmbeddedCase(columns(), forcing(), rows, cell=np.array([2, 2, 0]))
    assert one_each.sites == 3
    product = EmbeddedCase(columns(), forcing(), rows)
    state = one_each.run(one_each.cold_start(), 2, accelerated=True).state
    other = product.run(product.cold_start(), 2, accelerated=True).state
    at = [0 * 3 + 2, 1 * 3 + 2, 2 * 3 + 0]
    assert np.array_equal(state.values, other.values[at])
    with pytest.raises(InvalidRequest, match="for each of the 3 rows"):
        EmbeddedCase(columns(), forcing(), rows, cell=np.array([0, 3, 1]))
    with pytest.raises(InvalidRequest, match="forcing has 2 cells"):
        EmbeddedCase(columns(), forcing(2), rows)


def test_parts_are_put_back_where_they_were_taken(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    sites = np.array([5, 1])
    part = made.take(state, sites)
    assert np.array_equal(made.put(state, sites, part).values, state.values)
    doubled = made.put(state, sites, replace(part, values=2.0 * part.values))
    assert np.array_equal(doubled.values[sites], 2.0 * state.values[sites])
    others = np.setdiff1d(np.arange(6), sites)
    assert np.array_equal(doubled.values[others], state.values[others])
    with pytest.raises(InvalidRequest, match="leave accelerated decomposition"):
        made.put(state, sites, replace(part, spinup_state=1))


def test_costs_of_parts_are_counted_together(grown: tuple[EmbeddedCase, State]) -> None:
    made = case()
    made.run(made.cold_start(), 1, accelerated=True)
    part = made.part(np.array([1, 2]))
    part.run(part.cold_start(), 2, accelerated=True)
    assert made.cost.site_years == 6 * 2 + 2 * 4
    assert made.cost.cpu_s > 0.0


def test_a_site_that_fails_is_told_and_the_others_go_on(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    broken = parameters()
    broken.scalars[1, 0] = -1.0
    other = EmbeddedCase(columns(), forcing(), broken)
    run = other.run(state, 1)
    assert list(run.failed) == [3, 4, 5]
    assert "br_mr = -1 is outside" in run.failed[3]
    assert np.isnan(run.state.values[3:]).all()
    assert np.isnan(run.nee[3:]).all()
    assert np.isnan(run.means["GPP"][3:]).all()
    assert np.array_equal(run.state.values[:3], made.run(state, 1).state.values[:3])
    before = other.cost.site_years
    again = other.run(run.state, 1)
    assert again.failed[4] == "an earlier run of this site failed; spin it up from bare ground"
    assert other.cost.site_years - before == 3 * 2
    # Pools cannot bring a failed site back: its water is lost too.
    doubled = other.with_pools(run.state, 2.0 * other.pools(state))
    assert np.isnan(doubled.values[3:]).all()
    assert np.isfinite(doubled.values[:3]).all()


def test_a_spun_up_state_cannot_enter_accelerated_decomposition(
    grown: tuple[EmbeddedCase, State],
) -> None:
    made, state = grown
    with pytest.raises(InvalidData, match="spinup_state is 0, the run's is 1"):
        made.run(state, 1, accelerated=True)
    with pytest.raises(InvalidData, match="spinup_state is 1, the run's is 0"):
        made.run(replace(state, spinup_state=1), 1)


def test_climate_is_the_mean_and_spread_of_each_month() -> None:
    made = case(members=1)
    weather = forcing()
    climate = made.known()["climate"]
    assert climate.shape == (3, 12, len(CLIMATE))
    july = [slice(181, 212), slice(365 + 181, 365 + 212)]
    for name in FORCING:
        means = [float(np.mean(weather.variables[name][1, days])) for days in july]
        at = CLIMATE.index(name)
        assert climate[1, 6, at] == pytest.approx(np.mean(means), rel=1e-12)
        assert climate[1, 6, at + len(FORCING)] == pytest.approx(np.std(means), rel=1e-9)


def test_what_is_known_of_land_and_parameters() -> None:
    made = case()
    known = made.known()
    static = dict(zip(STATIC, known["static"][4].tolist(), strict=True))  # set 2 in cell 1
    assert static["sin_lat"] == pytest.approx(np.sin(np.deg2rad(41.0)))
    assert static["sand_deep"] == pytest.approx(0.45)
    assert static["share_needleleaf_evergreen_boreal_tree"] == pytest.approx(0.7)
    assert static["share_c3_non-arctic_grass"] == pytest.approx(0.3)
    values = known["parameters"]
    assert values.shape == (6, 3)
    rows = parameters()
    np.testing.assert_array_equal(values[:, 0], np.repeat(rows.get("flnr", TREE), 3))
    # slatop without a PFT is the mean over the plants of the cell.
    evergreen, grass = (
        rows.get("slatop", name)[0]
        for name in ("needleleaf_evergreen_boreal_tree", "c3_non-arctic_grass")
    )
    assert values[1, 1] == pytest.approx(0.7 * evergreen + 0.3 * grass)
    about = made.about()
    assert about["parameters"]["br_mr"] == [2.5e-6, 3.0e-6]
    assert about["inputs"]["parameters"] == [f"flnr.{TREE}", "slatop", "br_mr"]
    assert about["cycle_years"] == 2
    with pytest.raises(InvalidRequest, match="no parameter 'flur'"):
        EmbeddedCase(columns(), forcing(), rows, varied=[("flur", None)])


def test_a_plant_has_one_slot_in_a_cell() -> None:
    twice = columns()
    twice.pfts[0, 1] = pft_index(TREE)
    twice.weights[0] = (0.6, 0.4, 0.0)
    with pytest.raises(InvalidRequest, match="two slots in cell 0"):
        EmbeddedCase(twice, forcing(), ParameterSet.default())


def test_the_version_changes_with_equations_and_not_with_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = version._HERE
    copy = tmp_path / "embedded"
    shutil.copytree(here, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def digest() -> str:
        version.model_version.cache_clear()
        return version.model_version()

    own = digest()
    monkeypatch.setattr(version, "_HERE", copy)
    assert digest() == own

    def edit(name: str, old: str, new: str) -> None:
        text = (copy / name).read_text("utf-8")
        assert old in text
        (copy / name).write_text(text.replace(old, new, 1), "utf-8")

    edit("nitrogen.py", "# All of the mineralised nitrogen", "# All of the nitrogen")
    edit("nitrogen.py", '"""Mineral nitrogen of a column', '"""Mineral N of a column')
    edit("history.py", '"lndgrid"', '"gridcell"')
    assert digest() == own
    edit("decomposition.py", "if rate < 0.02:", "if rate < 0.03:")
    assert digest() != own
    version.model_version.cache_clear()
