"""Carbon, nitrogen, water and energy are conserved every day, whatever the weather and plants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.embedded_cases import C4, EVERGREEN, GRASS, TREE, Case, drawn, forest, mixed

from catena.coupler.embedded import Columns, ParameterSet, leave_ad, parameter_table
from catena.coupler.embedded.simulate import CLOSED
from catena.coupler.embedded.state import (
    N_LAYERS,
    N_POOLS,
    P_CPOOL,
    P_NPOOL,
    S_C,
    S_N,
    S_SMINN,
    S_SNOW,
    State,
)
from catena.coupler.pft import PFT_NAMES


def test_budgets_close_far_within_a_billionth() -> None:
    run = mixed(seed=4, years=3).run(drawn(4), years=3)
    assert not run.failures
    assert run.budget.shape == (4, 1, 4)
    assert run.budget.max() < 1e-12


def test_budgets_close_in_every_stage() -> None:
    case = forest(seed=5)
    first = replace(case.cold(), spinup_state=1)
    supplied = case.run(state=first, years=10, accelerated=True, supplement_nitrogen=True)
    accelerated = case.run(state=supplied.state, years=10, accelerated=True)
    final = case.run(state=leave_ad(accelerated.state), years=3)
    for run in (supplied, accelerated, final):
        assert not run.failures
        assert run.budget.max() < CLOSED


def fluxes(case: Case, names: tuple[str, ...], state: State) -> tuple[dict[str, float], State]:
    """Totals over a year from the history alone, which knows nothing of the kernel's own check."""
    run = case.run(state=state, variables=names, frequency="run")
    year = 86400.0 * 365.0
    return {n: float(run.history(n)[0, 0, 0]) * year for n in names}, run.state


def test_the_budgets_can_be_drawn_up_from_the_outside() -> None:
    """Stocks of the state against fluxes of the history: a check that lies could not hide here."""
    case = forest(seed=6)
    begin = case.run(years=8, supplement_nitrogen=True).state
    names = (
        "NEE", "RAIN", "SNOW", "QVEGT", "QVEGE", "QSOIL", "QOVER", "QDRAI",
        "NFIX_TO_SMINN", "NDEP_TO_SMINN", "DENIT", "SMINN_LEACHED",
    )  # fmt: skip
    flux, end = fluxes(case, names, begin)
    ratios = np.array([25.0, 42.0, 50.0, 500.0, 50.0, 500.0] * 3)

    def stocks(state: State) -> tuple[float, float, float]:
        column, plant = state.column[0, 0], state.plants[0, 0, 0]
        carbon = column[S_C : S_C + N_POOLS].sum() + plant[:18].sum() + plant[P_CPOOL]
        nitrogen = column[S_N : S_N + N_POOLS].sum() + column[S_SMINN]
        nitrogen += (plant[:18] / ratios).sum() + plant[P_NPOOL]
        water = column[:N_LAYERS].sum() + column[S_SNOW] + plant[P_CPOOL + 2]
        return carbon, nitrogen, water

    (c0, n0, w0), (c1, n1, w1) = stocks(begin), stocks(end)
    assert abs(flux["NEE"]) > 1.0
    assert c1 - c0 == pytest.approx(-flux["NEE"], rel=1e-9)
    gained = flux["NFIX_TO_SMINN"] + flux["NDEP_TO_SMINN"] - flux["DENIT"] - flux["SMINN_LEACHED"]
    assert n1 - n0 == pytest.approx(gained, rel=1e-8, abs=1e-9 * n0)
    lost = sum(flux[name] for name in ("QVEGT", "QVEGE", "QSOIL", "QOVER", "QDRAI"))
    assert w1 - w0 == pytest.approx(flux["RAIN"] + flux["SNOW"] - lost, rel=1e-8, abs=1e-9 * w0)


def test_energy_closes_between_radiation_and_its_uses() -> None:
    names = ("RNET", "EFLX_LH_TOT", "FSH", "FGR", "FSM")
    run = mixed(seed=7).run(variables=names, frequency="day")
    net, *used = (run.history(name) for name in names)
    np.testing.assert_allclose(sum(used), net, atol=1e-9)
    assert (run.history("FSM") > 0.0).any(), "snow melts in this climate"


def parameters_in_range(seed: int, members: int) -> ParameterSet:
    """Every parameter that can be drawn, within its prior; others by default."""
    random = np.random.default_rng(seed)
    changes: list[tuple[str, str | None, np.ndarray]] = []
    for known in parameter_table().values():
        if known.prior is None:
            continue
        for pft in (TREE, EVERGREEN, GRASS, C4) if known.per_pft else (None,):
            if known.name in ("livewdcn", "deadwdcn", "croot_stem", "flivewd") and pft in (
                GRASS,
                C4,
            ):
                continue
            changes.append((known.name, pft, random.uniform(*known.prior, members)))
    return ParameterSet.default(members).update(changes)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    warmth=st.floats(250.0, 305.0),
    rain=st.floats(0.0, 15.0),
    swing=st.floats(0.0, 25.0),
    latitude=st.floats(-89.0, 89.0),
    sand=st.floats(2.0, 60.0),
    clay=st.floats(2.0, 40.0),
    co2=st.floats(180.0, 1200.0),
)
def test_any_plants_in_any_weather_keep_budgets_and_stay_positive(
    seed: int,
    warmth: float,
    rain: float,
    swing: float,
    latitude: float,
    sand: float,
    clay: float,
    co2: float,
) -> None:
    one = mixed(seed=seed, warmth=warmth, rain=rain, swing=swing)
    columns = Columns.site(
        latitude, 0.0, sand, clay, {TREE: 0.4, EVERGREEN: 0.2, GRASS: 0.2, C4: 0.1}
    )
    case = replace(one, columns=columns, co2=co2)
    parameters = parameters_in_range(seed, 3)
    accelerated = case.run(
        parameters,
        replace(case.cold(3), spinup_state=1),
        years=12,
        accelerated=True,
        supplement_nitrogen=True,
    )
    run = case.run(
        parameters, leave_ad(accelerated.state), years=4, variables=("GPP",), frequency="day"
    )
    for each in (accelerated, run):
        assert not each.failures, str(each.failures[0])
        assert each.budget.max() < CLOSED
    state = run.state
    assert (state.column >= -1e-9).all()
    pools = np.delete(state.plants[..., : P_NPOOL + 2], P_CPOOL, axis=-1)
    assert (pools >= -1e-9).all()
    assert (run.history("GPP") >= -1e-12).all()


@pytest.mark.parametrize("pft", PFT_NAMES)
def test_every_pft_lives_by_its_budget(pft: str) -> None:
    warm = pft.startswith("broadleaf") and "tropical" in pft
    one = forest(seed=8, warmth=298.0 if warm else 284.0, swing=2.0 if warm else 12.0)
    case = replace(one, columns=Columns.site(35.0, 0.0, 40.0, 20.0, {pft: 1.0}))
    run = case.run(years=15, supplement_nitrogen=True, variables=("GPP",), frequency="year")
    assert not run.failures
    assert run.budget.max() < CLOSED
    grown = run.history("GPP")[0, 0, -1] * 86400 * 365
    assert grown == 0.0 if pft == "not_vegetated" else grown > 20.0
