"""Phenology, growth and the signs of responses on generated weather."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from support.embedded_cases import EVERGREEN, GRASS, TREE, Case, forest

from catena.coupler.embedded import Columns, ParameterSet, Run, State
from catena.coupler.embedded.phenology import display, shed_fraction
from catena.coupler.embedded.state import (
    N_PLANT,
    P_DORMANT,
    P_OFFSET_COUNTER,
    P_ONSET_COUNTER,
    XFER,
)
from catena.coupler.embedded.sun import day_length

KEPT = ("GPP", "NPP", "TLAI", "EFLX_LH_TOT", "MR", "FROOTC")


@cache
def grown() -> tuple[Case, State]:
    """A young forest with nitrogen enough."""
    case = forest(seed=21)
    return case, case.run(years=40, supplement_nitrogen=True).state


def with_one(name: str, value: float, pft: str | None) -> ParameterSet:
    parameters = ParameterSet.default(2)
    values = parameters.get(name, pft)
    values[1] = value
    return parameters.set(name, values, pft=pft)


def pair(
    name: str, value: float, pft: str | None = None, years: int = 20, **options: object
) -> Run:
    """Default and changed member side by side."""
    case, state = grown()
    return case.run(
        with_one(name, value, pft),
        state.of_members(2),
        years=years,
        supplement_nitrogen=True,
        variables=KEPT,
        frequency="day" if years == 1 else "year",
        **options,
    )


def change(run: Run, name: str) -> float:
    """Relative change of the mean of the last years."""
    means = run.history(name)[:, 0, -5:].mean(axis=-1)
    return float(means[1] / means[0] - 1.0)


@pytest.mark.parametrize(
    ("name", "value", "pft", "output", "sign"),
    [
        ("flnr", 0.15, TREE, "GPP", 1),
        ("slatop", 0.045, TREE, "GPP", -1),
        ("crit_dayl", 43000.0, None, "GPP", -1),
        ("br_mr", 3.5e-6, None, "NPP", -1),
        ("br_mr", 3.5e-6, None, "MR", 1),
        ("crit_onset_gdd", 900.0, None, "GPP", -1),
        ("froot_leaf", 1.5, TREE, "FROOTC", 1),
        ("medlynslope", 2.5, TREE, "EFLX_LH_TOT", -1),
    ],
)
def test_responses_have_the_signs_of_elm(
    name: str, value: float, pft: str | None, output: str, sign: int
) -> None:
    assert sign * change(pair(name, value, pft), output) > 0.01


def test_roots_matter_when_it_is_dry_and_little_when_it_is_wet() -> None:
    drops = []
    for rain in (1.2, 6.0):
        case = forest(seed=22, rain=rain)
        state = case.run(years=40, supplement_nitrogen=True).state
        run = case.run(
            with_one("rootb_par", 4.0, TREE),
            state.of_members(2),
            years=10,
            supplement_nitrogen=True,
            variables=KEPT,
            frequency="year",
        )
        drops.append(change(run, "EFLX_LH_TOT"))
    dry, wet = drops
    assert dry < -0.005
    assert abs(wet) < 0.5 * abs(dry)


def test_more_co2_makes_more_growth_with_less_water() -> None:
    case, state = grown()
    few, many = (
        replace(case, co2=co2).run(
            state=state, years=5, supplement_nitrogen=True, variables=KEPT, frequency="year"
        )
        for co2 in (300.0, 600.0)
    )
    assert many.history("GPP").mean() > 1.1 * few.history("GPP").mean()
    assert many.history("EFLX_LH_TOT").mean() < few.history("EFLX_LH_TOT").mean()


def test_leaves_come_with_warmth_and_go_with_the_day_length() -> None:
    leaf = pair("crit_onset_gdd", 800.0, None, years=1).history("TLAI")[:, 0]
    begin = (leaf > 0.05).argmax(axis=1)
    assert 60 < begin[0] < begin[1] < 170
    case, _ = grown()
    length = day_length(float(case.columns.lat[0]), np.arange(1.0, 366.0))
    shortening = np.flatnonzero((length < 39300.0) & (np.arange(365) > 172))[0]
    full = leaf[0, shortening - 1]
    assert leaf[0, shortening + 1] < full
    assert leaf[0, shortening + 7] > 0.2 * full
    assert leaf[0, shortening + 16] == 0.0
    late = pair("crit_dayl", 36000.0, None, years=1).history("TLAI")[:, 0]
    assert (late[1] > 0.05).sum() > (late[0] > 0.05).sum() + 10


@pytest.mark.parametrize("days", [2.0, 15.0, 30.0, 22.7])
def test_onset_shows_all_and_offset_sheds_all(days: float) -> None:
    plant = np.zeros(N_PLANT)
    plant[XFER], plant[P_ONSET_COUNTER] = 100.0, days
    shown = [0.0]
    while plant[P_ONSET_COUNTER] > 0.0:
        display(plant)
        shown.append(float(plant[0]))
    steps = np.diff(shown)
    assert shown[-1] == pytest.approx(100.0, rel=1e-12)
    assert (steps[:-2] >= steps[1:-1] - 1e-9).all(), "the flux declines"
    leaf, shed = 100.0, []
    plant[P_OFFSET_COUNTER] = days
    while plant[P_OFFSET_COUNTER] > 0.0:
        part = shed_fraction(plant, days)
        shed.append(part * leaf)
        leaf -= shed[-1]
    assert leaf == pytest.approx(0.0, abs=1e-12)
    assert plant[P_DORMANT] == 1.0
    assert (np.diff(shed[:-1]) > 0.0).all(), "litterfall rises"


def alone(pft: str, latitude: float = 35.0, **weather: object) -> Run:
    case = replace(
        forest(seed=23, **weather), columns=Columns.site(latitude, 0.0, 45.0, 15.0, {pft: 1.0})
    )
    state = case.run(years=25, supplement_nitrogen=True).state
    return case.run(state=state, supplement_nitrogen=True, variables=KEPT, frequency="day")


def test_evergreens_keep_their_leaves() -> None:
    leaf = alone(EVERGREEN).history("TLAI")[0, 0]
    assert leaf.min() > 0.5
    assert leaf.max() / leaf.min() < 2.0


def test_grass_rests_in_the_cold_and_not_in_eternal_spring() -> None:
    cold = alone(GRASS, warmth=278.0, swing=14.0).history("TLAI")[0, 0]
    assert cold[:15].max() == 0.0
    assert cold.max() > 0.2
    mild = alone(GRASS, 10.0, warmth=293.0, swing=1.0, rain=6.0).history("TLAI")[0, 0]
    assert mild.min() > 0.2


def test_grass_sheds_in_a_drought() -> None:
    case = replace(
        forest(seed=24, warmth=295.0, swing=3.0, rain=5.0),
        columns=Columns.site(15.0, 0.0, 45.0, 15.0, {GRASS: 1.0}),
    )
    state = case.run(years=20, supplement_nitrogen=True).state
    dry = case.forcing.copy()
    dry[:, 60:, 7] = 0.0
    run = replace(case, forcing=dry).run(
        state=state, supplement_nitrogen=True, variables=KEPT, frequency="day"
    )
    leaf = run.history("TLAI")[0, 0]
    assert leaf[59] > 0.2
    assert leaf[-1] == 0.0


def test_the_southern_hemisphere_has_its_seasons_half_a_year_later() -> None:
    case, _ = grown()
    south = Columns.site(-40.0, -90.0, 40.0, 20.0, {TREE: 1.0})
    turned = np.roll(case.forcing, 182, axis=1)
    there = Case(south, turned)
    state = there.run(years=40, supplement_nitrogen=True).state
    leaf = there.run(
        state=state, supplement_nitrogen=True, variables=("TLAI",), frequency="day"
    ).history("TLAI")[0, 0]
    assert leaf[172] == 0.0
    assert leaf[0] > 0.3
