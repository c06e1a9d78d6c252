"""The loops over members and days of one cell."""

from __future__ import annotations

import numpy as np

from catena.coupler.embedded.budgets import N_BUDGETS, column_totals, plant_totals
from catena.coupler.embedded.constants import FREEZING
from catena.coupler.embedded.day import (
    carbon_and_nitrogen,
    check,
    describe,
    triggers,
    water_and_energy,
)
from catena.coupler.embedded.decomposition import N_DECOMPOSITION
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.jit import compiled_loop
from catena.coupler.embedded.nitrogen import N_MINERAL
from catena.coupler.embedded.outputs import N_OUTPUTS
from catena.coupler.embedded.state import N_COLUMN, N_PLANT, S_TSOIL
from catena.coupler.embedded.status import OK
from catena.coupler.embedded.surface import N_FLUX
from catena.coupler.embedded.traits import N_RATES, N_TRAITS, fill_rates, fill_traits
from catena.coupler.embedded.weather import N_WEATHER, derive, kinetics_table


@compiled_loop
def derive_days(forcing, co2, ndep, sun, day_of_year):  # type: ignore[no-untyped-def]
    """Derived weather of one cell, float64 (day, N_WEATHER)."""
    days = forcing.shape[0]
    out = np.empty((days, N_WEATHER))
    warmths = kinetics_table()
    for day in range(days):
        derive(forcing[day], co2[day], ndep[day], sun[day_of_year[day]], warmths, out[day])
    return out


@compiled_loop
def run_members(  # type: ignore[no-untyped-def]
    weather,
    year_ends,
    period,
    soil,
    edge,
    ground_share,
    scalars,
    pfts,
    slots,
    weights,
    modes,
    chosen,
    pools_chosen,
    state,
    history,
    worst,
    latest,
    status,
    failed_on,
):
    """Run a block of members of one cell over all days.

    Parameters
    ----------
    weather : float64 (day, N_WEATHER)
        Days of one cycle; longer runs repeat them.
    year_ends : int64 (day,)
        1 on 31 December.
    period : int64 (total days,)
        Where each day's outputs are added up; -1 for nowhere.
    soil : tuple
        Tables, water that fills the layers, one over that, weights of the layers.
    edge, ground_share : float64
    scalars, pfts : float64 (member, ...)
    slots : int64 (slot,)
        Index of the PFT in each slot.
    weights : float64 (slot,)
    modes : tuple of int
        Accelerated decomposition, supplemented nitrogen.
    chosen : int64 (variable,)
    pools_chosen : int
        Whether one of them is of the pools: these sums are not made on days on which nobody looks.
    state : float64 (member, n_state)
        Updated.
    history : float64 (member, period, variable)
        Sums; added to.
    worst : float64 (member, N_BUDGETS)
    latest : float64 (member, N_OUTPUTS)
        Filled with the outputs of the last day that was run.
    status, failed_on : int64 (member,)
        A member whose status is not 0 is left alone.
    """
    slots_n = slots.shape[0]
    traits = np.zeros((slots_n, N_TRAITS))
    plant_parameters = np.zeros((slots_n, pfts.shape[2]))
    rates = np.zeros(N_RATES)
    flux = np.zeros((slots_n, N_FLUX))
    potential = np.zeros(N_LAYERS)
    litter = np.zeros((2, 4))
    cascade = np.zeros(N_DECOMPOSITION)
    mineral = np.zeros(N_MINERAL)
    out = np.zeros(N_OUTPUTS)
    before = np.zeros(N_BUDGETS)
    after = np.zeros(N_BUDGETS)
    days = weather.shape[0]
    for member in range(state.shape[0]):
        if status[member] != OK:
            continue
        constants = scalars[member]
        fill_rates(constants, rates)
        for k in range(slots_n):
            plant_parameters[k] = pfts[member, slots[k]]
            grows = 1.0 if slots[k] > 0 else 0.0
            fill_traits(plant_parameters[k], constants, edge, grows, traits[k])
        column = state[member, :N_COLUMN]
        plants = state[member, N_COLUMN:].reshape(slots_n, N_PLANT)
        for k in range(slots_n):
            if slots[k] == 0:
                plants[k, :] = 0.0  # bare ground, whatever a cold start has sown
        plant_totals(plants, traits, weights, before)
        column_totals(column, before)
        for day in range(period.shape[0]):
            today = day % days
            now = weather[today]
            moisture, washed = water_and_energy(
                now,
                column,
                plants,
                plant_parameters,
                traits,
                weights,
                soil,
                flux,
                potential,
                ground_share,
                modes[0],
                out,
            )
            triggers(
                plants,
                plant_parameters,
                traits,
                constants,
                now,
                column[S_TSOIL] - FREEZING,
                potential,
            )
            carbon_and_nitrogen(
                now,
                column,
                plants,
                plant_parameters,
                traits,
                weights,
                constants,
                rates,
                moisture,
                washed,
                modes,
                year_ends[today],
                flux,
                litter,
                cascade,
                mineral,
                out,
            )
            code = check(column, plants, traits, weights, out, before, after, worst[member])
            if code != OK:
                status[member] = code
                failed_on[member] = day
                break
            before, after = after, before
            where = period[day]
            if where >= 0:
                if pools_chosen == 1:
                    describe(column, plants, weights, out)
                for v in range(chosen.shape[0]):
                    history[member, where, v] += out[chosen[v]]
        describe(column, plants, weights, out)
        latest[member] = out
