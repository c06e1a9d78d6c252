"""Pools of the embedded model as a table, and other pools into its state by ELM's rules."""

from __future__ import annotations

import numpy as np
import pytest
from support.embedded_cases import C4, EVERGREEN, GRASS, TREE
from support.spin_up_cases import case

from catena.coupler.embedded.budgets import column_totals, plant_totals
from catena.coupler.embedded.grid import EDGE
from catena.coupler.embedded.parameters import pft_parameter_names
from catena.coupler.embedded.state import (
    DEADSTEM,
    LITR1,
    N_TISSUES,
    S_C,
    S_N,
    SOIL1,
    STORAGE,
    State,
)
from catena.coupler.embedded.traits import N_TRAITS, fill_traits
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.native import Native
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound

RATIOS = (12.0, 12.0, 10.0, 10.0)


@pytest.fixture(scope="module")
def grown() -> tuple[EmbeddedCase, State]:
    made = case()
    return made, Native(ad_years=20, final_years=10, supplemented_years=10).run(made).state


def nothing(made: EmbeddedCase) -> np.ndarray:
    return np.full((made.sites, len(made.layout.names)), np.nan)


def test_pools_that_a_plant_cannot_have_are_no_columns(grown: tuple[EmbeddedCase, State]) -> None:
    made, _ = grown
    names = made.layout.names
    assert names[:8] == (
        "litr1c", "litr2c", "litr3c", "cwdc", "soil1c", "soil2c", "soil3c", "soil4c",
    )  # fmt: skip
    assert names[8:13] == ("litr1n", "litr2n", "litr3n", "cwdn", "sminn")
    of = {
        plant: {name.split(".")[0] for name in names if name.endswith(f".{plant}")}
        for plant in (TREE, EVERGREEN, GRASS, C4)
    }
    assert {"deadstemc", "livecrootc_xfer", "leafc_storage", "npool"} <= of[TREE]
    assert "deadstemc" in of[EVERGREEN]
    assert not {name for name in of[EVERGREEN] if name.endswith(("_storage", "_xfer"))}
    assert "leafc_storage" in of[GRASS]
    assert not {name for name in of[GRASS] if "stem" in name or "croot" in name}
    assert len(of[TREE]) == 18 + 3
    signed = {pool.name.split(".")[0] for pool in made.layout.pools if pool.signed}
    assert signed == {"cpool", "annsum_npp"}


def test_the_table_holds_what_the_state_holds(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    pools = made.pools(state)
    names = list(made.layout.names)
    # Sites: set by set, in cells of trees, of evergreens over grass, of two grasses.
    assert np.isnan(pools[1, names.index(f"leafc.{TREE}")])
    assert np.isfinite(pools[[0, 3], names.index(f"leafc.{TREE}")]).all()
    assert np.isnan(pools[0, names.index(f"leafc.{C4}")])
    assert pools[4, names.index(f"deadstemc.{EVERGREEN}")] == state.plants[4, 0, 0, DEADSTEM]
    grass = state.plants[2, 0, 0, STORAGE]
    assert pools[2, names.index(f"leafc_storage.{GRASS}")] == grass
    np.testing.assert_array_equal(pools[:, :8], state.column[:, 0, S_C : S_C + 8])


def test_the_same_pools_again_change_no_bit(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    assert np.array_equal(made.with_pools(state, made.pools(state)).values, state.values)
    assert np.array_equal(made.with_pools(state, nothing(made)).values, state.values)


def test_nitrogen_of_soil_and_tissue_follows_carbon(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    new = made.pools(state) * 3.0
    new[:, 8:13] = np.nan
    got = made.with_pools(state, new)
    column, before = got.column[:, 0], state.column[:, 0]
    for n, ratio in enumerate(RATIOS):
        np.testing.assert_allclose(
            column[:, S_C + SOIL1 + n] / column[:, S_N + SOIL1 + n], ratio, rtol=1e-12
        )
    # Litter and debris keep the ratio that was there.
    np.testing.assert_allclose(column[:, S_N : S_N + 4], 3.0 * before[:, S_N : S_N + 4], rtol=1e-12)
    np.testing.assert_allclose(column[:, S_C : S_C + 8], 3.0 * before[:, S_C : S_C + 8], rtol=1e-15)
    # The model closes its budgets from there on, to 1e-9 on each day.
    assert not made.run(got, 1).failed


def test_nitrogen_of_litter_can_be_given(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    new = nothing(made)
    new[:, made.layout.at(["litr2c", "litr2n", "sminn"])] = (200.0, 4.0, 2.5)
    wooded = state.column[:, 0, S_C + 3] > 0.0
    new[wooded, made.layout.at(["cwdn"])] = 1.0
    got = made.with_pools(state, new).column[:, 0]
    np.testing.assert_array_equal(got[:, S_C + 1], 200.0)
    np.testing.assert_array_equal(got[:, S_N + 1], 4.0)
    np.testing.assert_array_equal(got[:, S_N + 3], wooded)
    np.testing.assert_array_equal(got[:, S_C + 3], state.column[:, 0, S_C + 3])
    np.testing.assert_array_equal(made.pools(made.with_pools(state, new))[:, 12], 2.5)


def test_what_was_put_in_is_reported_to_the_last_gram(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    new = nothing(made)
    new[:, made.layout.at(["soil4c", "litr3c"])] = made.pools(state)[:, [7, 2]] + (120.0, 40.0)
    wood = made.layout.at([f"deadstemc.{TREE}"])[0]
    new[0, wood] = made.pools(state)[0, wood] + 1000.0
    before, after = made.stocks(state), made.stocks(made.with_pools(state, new))
    carbon = after.carbon - before.carbon
    np.testing.assert_allclose(carbon[1:], 160.0, rtol=1e-10)
    assert carbon[0] == pytest.approx(1160.0, rel=1e-10)
    litter = state.column[:, 0, S_N + 2] / state.column[:, 0, S_C + 2] * 40.0
    nitrogen = after.nitrogen - before.nitrogen
    np.testing.assert_allclose(nitrogen[1:], 12.0 + litter[1:], rtol=1e-9)
    assert nitrogen[0] == pytest.approx(12.0 + litter[0] + 1000.0 / 500.0, rel=1e-9)


def test_stocks_are_those_of_the_models_own_budget(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    stocks = made.stocks(state)
    for site in range(made.sites):
        cell = made.cell[site]
        pfts, weights = made.columns.pfts[cell], made.columns.weights[cell]
        traits = np.zeros((pfts.size, N_TRAITS))
        for slot, pft in enumerate(pfts):
            fill_traits(
                made.parameters.pfts[site, pft],
                made.parameters.scalars[site],
                EDGE,
                float(pft > 0),
                traits[slot],
            )
        out = np.zeros(4)
        plant_totals(np.ascontiguousarray(state.plants[site, 0]), traits, weights.copy(), out)
        column_totals(np.ascontiguousarray(state.column[site, 0]), out)
        assert stocks.carbon[site] == pytest.approx(out[0], rel=1e-12)
        assert stocks.nitrogen[site] == pytest.approx(out[1], rel=1e-12)


def test_evergreens_store_nothing_and_grasses_have_no_wood() -> None:
    """From bare ground, where a cold start has sown storage for every plant."""
    made = case()
    state = made.cold_start()
    new = nothing(made)
    new[:, made.layout.at([f"leafc.{EVERGREEN}", f"leafc.{GRASS}"])] = 50.0
    new[:, :4], new[:, 8:12] = 10.0, 0.2
    got = made.with_pools(state, new)
    evergreen, grass = got.plants[1, 0, 0], got.plants[1, 0, 1]
    assert evergreen[0] == grass[0] == 50.0
    assert (evergreen[STORAGE : 3 * N_TISSUES] == 0.0).all()
    assert grass[STORAGE] == state.plants[1, 0, 1, STORAGE]
    names = pft_parameter_names()
    wooden = state.values.copy()
    wooden[1, 0, made._places._index[1, made.layout.at([f"leafc.{GRASS}"])[0]] + DEADSTEM] = 7.0
    assert made.parameters.pfts[1, 13, names.index("woody")] == 0.0
    assert made.with_pools(State(wooden), new).plants[1, 0, 1, DEADSTEM] == 0.0


@pytest.mark.parametrize(
    ("pool", "value", "said"),
    [
        ("soil3c", -1.0, "soil3c of site 2 is -1 gC m-2"),
        (f"npool.{GRASS}", -0.1, "npool.c3_non-arctic_grass of site 2 is -0.1"),
        ("cwdc", np.inf, "cwdc of site 2 is inf"),
        ("litr1n", 1e-9, "C:N from 2 to 3000"),
        ("litr1n", 1e6, "C:N from 2 to 3000"),
    ],
)
def test_impossible_pools_are_refused(
    grown: tuple[EmbeddedCase, State], pool: str, value: float, said: str
) -> None:
    made, state = grown
    new = nothing(made)
    new[2, made.layout.at([pool])] = value
    with pytest.raises(InvalidData, match=said):
        made.with_pools(state, new)


def test_litter_without_carbon_has_no_nitrogen(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    new = nothing(made)
    new[2, made.layout.at(["litr1c", "litr1n"])] = 0.0, 50.0
    with pytest.raises(InvalidData, match="litr1 of site 2 would have 0 gC and 50 gN m-2"):
        made.with_pools(state, new)
    new[2, made.layout.at(["litr1n"])] = 0.0
    assert (made.with_pools(state, new).column[2, 0, [S_C, S_N]] == 0.0).all()


def test_a_deficit_of_the_reserve_is_no_negative_pool(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    new = nothing(made)
    new[2, made.layout.at([f"cpool.{GRASS}"])] = -3.0
    assert not made.run(made.with_pools(state, new), 1).failed


def test_nothing_but_a_living_site_as_it_is_takes_pools(grown: tuple[EmbeddedCase, State]) -> None:
    made, state = grown
    accelerated = made.run(made.cold_start(), 1, accelerated=True).state
    with pytest.raises(FailedPrecondition, match="leave that first"):
        made.with_pools(accelerated, nothing(made))
    with pytest.raises(InvalidData, match="site 0 would hold"):
        made.with_pools(state, np.zeros_like(nothing(made)))
    with pytest.raises(InvalidData, match="was wanted"):
        made.with_pools(state, nothing(made)[:3])
    bare = nothing(made)
    bare[:, LITR1] = 5.0
    with pytest.raises(InvalidData, match="litr1 came without its nitrogen"):
        made.with_pools(made.cold_start(), bare)
    with pytest.raises((InvalidData, NotFound), match="there is no pool soil5c"):
        made.layout.at(["soil5c"])


def test_a_site_that_died_by_itself_does_not_refuse_the_pools_of_others(
    grown: tuple[EmbeddedCase, State],
) -> None:
    """Its plants owe some carbon, and nothing else is left."""
    made, state = grown
    dead = state.copy()
    owing = [pool.name.startswith("cpool") for pool in made.layout.pools]
    index = made._places._index[0]
    dead.values[0, 0, index[index >= 0]] = 0.0
    dead.values[0, 0, index[(index >= 0) & np.array(owing)]] = -5.5
    assert made.stocks(dead).carbon[0] < 0.0
    pools = nothing(made)
    pools[1, made.layout.names.index("soil4c")] = 4000.0
    after = made.with_pools(dead, pools)
    np.testing.assert_array_equal(after.values[0], dead.values[0])
    assert made.pools(after)[1, made.layout.names.index("soil4c")] == 4000.0
    pools[0, made.layout.names.index("litr1c")] = 0.1
    pools[0, made.layout.names.index("litr1n")] = 0.01
    with pytest.raises(InvalidData, match="site 0 would hold -"):
        made.with_pools(dead, pools)
