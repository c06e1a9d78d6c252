"""Decomposition against closed forms; leaving accelerated decomposition; the linear system."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.embedded_cases import Case, forest

from catena.coupler.embedded import ParameterSet, leave_ad
from catena.coupler.embedded.cascade import (
    CASCADE_OUTPUTS,
    linear_system,
    steady_state,
    transfer_matrix,
    with_steady_pools,
)
from catena.coupler.embedded.decomposition import (
    N_DECOMPOSITION,
    decompose,
    potential_decomposition,
)
from catena.coupler.embedded.state import (
    AD_FACTORS,
    DEADCROOT,
    DEADSTEM,
    N_POOLS,
    POOLS,
    S_C,
    S_N,
    State,
)
from catena.coupler.embedded.traits import N_RATES, R_DECOMPOSITION, fill_rates
from catena.shared.errors import FailedPrecondition, InvalidRequest

RATIOS = np.array([40.0, 80.0, 60.0, 400.0, 12.0, 12.0, 10.0, 10.0])
LITTER = np.array([0.3, 0.8, 0.5, 0.4])


def rates_of(parameters: ParameterSet) -> np.ndarray:
    rates = np.zeros(N_RATES)
    fill_rates(parameters.scalars[0], rates)
    return rates


def decompose_day(
    carbon: np.ndarray, nitrogen: np.ndarray, rates: np.ndarray, fpi: float = 1.0
) -> tuple[float, float, float, np.ndarray]:
    out = np.zeros(N_DECOMPOSITION)
    bound, freed = potential_decomposition(carbon, nitrogen, 15.0, 0.7, rates, 0, out)
    respired = decompose(carbon, nitrogen, LITTER, LITTER / RATIOS[:4], fpi, 0.76, rates, out)
    return respired, bound, freed, out


def test_one_day_is_the_published_cascade() -> None:
    """Thornton and Rosenbloom (2005), with the day's exact loss 1 - exp(-k)."""
    rates = rates_of(ParameterSet.default())
    carbon = np.array([5.0, 150.0, 200.0, 3000.0, 30.0, 250.0, 2400.0, 19000.0])
    before, nitrogen = carbon.copy(), carbon / RATIOS
    respired, _, _, _ = decompose_day(carbon, nitrogen, rates)
    k = rates[R_DECOMPOSITION : R_DECOMPOSITION + N_POOLS] * 1.5 ** (-1.0) * 0.7
    loss = before * -np.expm1(-k)
    rf = np.array([0.39, 0.55, 0.29, 0.0, 0.28, 0.46, 0.55, 1.0])
    wanted = before - loss
    wanted[:4] += LITTER
    for donor, receiver in ((0, 4), (1, 5), (2, 6), (4, 5), (5, 6), (6, 7)):
        wanted[receiver] += loss[donor] * (1.0 - rf[donor])
    wanted[1] += 0.76 * loss[3]
    wanted[2] += 0.24 * loss[3]
    np.testing.assert_allclose(carbon, wanted, rtol=1e-12)
    assert respired == pytest.approx((loss * rf).sum(), rel=1e-12)
    np.testing.assert_allclose(carbon[4:] / nitrogen[4:], RATIOS[4:], rtol=1e-12)


def test_lack_of_nitrogen_slows_only_what_binds_it() -> None:
    rates = rates_of(ParameterSet.default())
    carbon = np.full(8, 100.0)
    nitrogen = carbon / RATIOS
    free, bound, _, out = decompose_day(carbon.copy(), nitrogen.copy(), rates)
    slow, _, _, starved = decompose_day(carbon.copy(), nitrogen.copy(), rates, fpi=0.0)
    assert bound > 0.0
    assert slow < free
    binding = out[N_POOLS : 2 * N_POOLS] > 0.0
    assert binding[:3].all()
    assert (starved[:N_POOLS][binding] == 0.0).all()
    np.testing.assert_array_equal(starved[:N_POOLS][~binding], out[:N_POOLS][~binding])


def test_constant_input_leads_to_the_analytic_steady_state() -> None:
    """Day by day to the end against -(A K)^-1 u, made for slow pools that turn over in years."""
    parameters = ParameterSet.default().update(
        [("k_s3", None, 0.02), ("k_s4", None, 0.005), ("k_frag", None, 0.02)]
    )
    rates = rates_of(parameters)
    carbon, nitrogen = np.full(8, 10.0), np.full(8, 10.0) / RATIOS
    for _ in range(30_000):
        decompose_day(carbon, nitrogen, rates)
    k = rates[R_DECOMPOSITION : R_DECOMPOSITION + N_POOLS] * 1.5 ** (-1.0) * 0.7
    losses = -np.expm1(-k)[np.newaxis, np.newaxis]
    litter = np.concatenate([LITTER, np.zeros(4)])[np.newaxis, np.newaxis]
    wanted = steady_state(transfer_matrix(parameters), losses, litter)[0, 0]
    np.testing.assert_allclose(carbon, wanted, rtol=1e-8)
    # In closed form for the first pools of the chain.
    assert wanted[0] == pytest.approx(LITTER[0] / losses[0, 0, 0])
    assert wanted[4] == pytest.approx(LITTER[0] * 0.61 / losses[0, 0, 4])


@pytest.fixture(scope="module")
def accelerated() -> tuple[Case, State]:
    case = forest(seed=11)
    return case, case.accelerated(30).state


def test_leaving_accelerated_decomposition_changes_no_flux(
    accelerated: tuple[Case, State],
) -> None:
    case, state = accelerated
    names = ("HR", "GPP", "NPP", "NEE", "FPI", "SMINN", "EFLX_LH_TOT")
    names += tuple(f"{pool.upper()}C_LOSS" for pool in POOLS[:3] + POOLS[4:6])
    fast = case.run(state=state, accelerated=True, variables=names, frequency="day")
    slow = case.run(state=leave_ad(state), variables=names, frequency="day")
    np.testing.assert_allclose(slow.values[:, :, 0], fast.values[:, :, 0], rtol=1e-9, atol=1e-18)
    # After a year too: pools that hardly move stay in proportion.
    np.testing.assert_allclose(slow.history("HR"), fast.history("HR"), rtol=0.02)


def test_the_exit_multiplies_what_elm_multiplies(accelerated: tuple[Case, State]) -> None:
    _, state = accelerated
    out = leave_ad(state)
    assert (out.spinup_state, state.spinup_state) == (0, 1)
    for n, pool in enumerate(POOLS):
        factor = AD_FACTORS.get(pool, 1.0)
        for first in (S_C, S_N):
            np.testing.assert_allclose(
                out.column[..., first + n], factor * state.column[..., first + n], rtol=1e-15
            )
    factors = np.ones(out.plants.shape[-1])
    factors[[DEADSTEM, DEADCROOT]] = 10.0
    np.testing.assert_allclose(out.plants, state.plants * factors, rtol=1e-15)
    half = leave_ad(replace(state, scalaravg=0.5))
    soil4 = S_C + POOLS.index("soil4")
    np.testing.assert_allclose(half.column[..., soil4], 54.8 * state.column[..., soil4])
    with pytest.raises(FailedPrecondition, match="out of nothing"):
        leave_ad(out)


def test_the_linear_system_finds_the_models_own_steady_state() -> None:
    """Pools put at -(A K)^-1 u hardly move over the next cycle, though they were far away."""
    case = forest(seed=12)
    begun = case.run(years=60, supplement_nitrogen=True)
    state = begun.state
    parameters = ParameterSet.default()
    drift = []
    for _ in range(4):
        run = case.run(
            state=state,
            supplement_nitrogen=True,
            variables=(*CASCADE_OUTPUTS, "TOTSOMC"),
            frequency="run",
        )
        pools = steady_state(transfer_matrix(parameters), *linear_system(run))
        before = state.column[..., S_C + 4 : S_C + 8].sum()
        drift.append(abs(run.state.column[..., S_C + 4 : S_C + 8].sum() - before) / before)
        state = with_steady_pools(run.state, pools)
    assert drift[0] > 1e-3
    assert drift[-1] < 0.1 * drift[0]
    np.testing.assert_allclose(
        state.column[..., S_C + 6 : S_C + 8] / state.column[..., S_N + 6 : S_N + 8], 10.0, rtol=1e-9
    )


def test_a_pool_without_losses_has_no_steady_state() -> None:
    with pytest.raises(FailedPrecondition, match="litr1 of member 0"):
        steady_state(
            transfer_matrix(ParameterSet.default()), np.zeros((1, 1, 8)), np.ones((1, 1, 8))
        )
    case = forest(seed=12)
    with pytest.raises(InvalidRequest, match="CASCADE_OUTPUTS"):
        linear_system(case.run(variables=("GPP",), frequency="run"))
