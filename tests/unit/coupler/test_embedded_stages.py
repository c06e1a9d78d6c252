"""Spin-up from bare ground to equilibrium, the transient stage, history files of ensembles."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.embedded_cases import TREE, drawn, generated_weather

from catena.coupler.embedded import Columns, ParameterSet, State, spin_up, transient
from catena.coupler.embedded.history import write_history
from catena.coupler.embedded.stages import one_cycle, trend
from catena.coupler.embedded.state import P_ANNSUM_NPP, S_C
from catena.coupler.forcing import FORCING, DailyForcing
from catena.shared.errors import InvalidData, InvalidRequest

COLUMNS = Columns.site(40.0, -90.0, 40.0, 20.0, {TREE: 1.0})


def record(years: int = 3, calendar: str = "noleap", rain: float = 3.0) -> DailyForcing:
    weather = generated_weather(years=years, seed=31, rain=rain)
    return DailyForcing(
        lat=np.array([40.0]),
        lon=np.array([-90.0]),
        start=dt.date(2001, 1, 1),
        calendar=calendar,  # type: ignore[arg-type]
        days=weather.shape[1],
        variables={name: weather[..., n] for n, name in enumerate(FORCING)},
        co2=np.full(weather.shape[1], 380.0),
        ndep=np.full(weather.shape[1], 0.4),
    )


@pytest.fixture(scope="module")
def equilibrium() -> State:
    spun = spin_up(COLUMNS, record(), ParameterSet.default(), ad_years=300, final_years=150)
    assert not spun.failures
    assert spun.years == 450
    assert abs(spun.drift[0, 0]) < 1.0
    return spun.state


def test_an_accelerated_spin_up_ends_where_a_long_native_one_goes(equilibrium: State) -> None:
    """From the accelerated end, 600 native years move the soil by a few percent only."""
    long = spin_up(
        COLUMNS, record(), ParameterSet.default(), ad_years=300, final_years=750, ndep=0.079
    )
    soil = slice(S_C + 4, S_C + 8)
    before = equilibrium.column[0, 0, soil].sum()
    after = long.state.column[0, 0, soil].sum()
    assert before > 2000.0
    assert after == pytest.approx(before, rel=0.1)
    assert equilibrium.plants[0, 0, 0, P_ANNSUM_NPP] > 100.0


def test_lengths_are_rounded_up_to_whole_cycles() -> None:
    spun = spin_up(COLUMNS, record(3), ParameterSet.default(), ad_years=4, final_years=7)
    assert spun.years == 6 + 9
    assert spun.state.spinup_state == 0
    none = spin_up(COLUMNS, record(3), ParameterSet.default(), ad_years=5, final_years=0)
    assert np.isnan(none.drift).all()
    assert none.state.spinup_state == 0


def test_a_record_with_leap_days_is_cycled_without_them() -> None:
    weather = record(years=4, calendar="standard")
    cycle = one_cycle(weather)
    assert (cycle.calendar, cycle.days) == ("noleap", 4 * 365)


def test_no_bit_of_a_spin_up_depends_on_threads() -> None:
    one, many = (
        spin_up(COLUMNS, record(1), drawn(130), ad_years=3, final_years=2, threads=threads)
        for threads in (1, 3)
    )
    assert np.array_equal(one.state.values, many.state.values)


def test_a_failed_member_is_told_once_and_others_spin_up() -> None:
    parameters = drawn(3)
    parameters.scalars[1, 0] = np.nan
    spun = spin_up(COLUMNS, record(1), parameters, ad_years=3, final_years=3)
    assert [failure.member for failure in spun.failures] == [1]
    assert np.isfinite(spun.state.values[[0, 2]]).all()
    assert np.isfinite(spun.drift[[0, 2]]).all()


def test_the_transient_stage_follows_co2_and_calendar(equilibrium: State) -> None:
    weather = record(years=4, calendar="standard")
    low, high = (
        transient(
            COLUMNS,
            weather.with_co2(co2),
            ParameterSet.default(),
            equilibrium,
            variables=("GPP",),
            frequency="year",
        )
        for co2 in (287.0, 560.0)
    )
    assert low.first.tolist() == [0, 365, 730, 1095]
    assert high.history("GPP").sum() > low.history("GPP").sum()
    with pytest.raises(InvalidRequest, match="accelerated decomposition"):
        transient(COLUMNS, weather, ParameterSet.default(), replace(equilibrium, spinup_state=1))


def test_trends_compare_whole_cycles(equilibrium: State) -> None:
    weather = record()
    run = transient(
        COLUMNS,
        weather,
        ParameterSet.default(),
        equilibrium,
        variables=("TOTECOSYSC",),
        frequency="year",
    )
    years = run.history("TOTECOSYSC")[0, 0]
    assert trend(run, 1)[0, 0] == pytest.approx(years[2] - years[1])
    assert np.isnan(trend(run, 2)).all()


def test_the_history_of_a_failed_member_is_not_written(equilibrium: State, tmp_path: Path) -> None:
    parameters = drawn(2)
    parameters.scalars[1, 0] = -1.0
    run = transient(
        COLUMNS,
        record(1),
        parameters,
        equilibrium.of_members(2),
        variables=("GPP",),
        frequency="month",
    )
    write_history(tmp_path / "good.nc", run, COLUMNS, member=0)
    with pytest.raises(InvalidData, match=r"member 1 .*br_mr = -1 is outside"):
        write_history(tmp_path / "bad.nc", run, COLUMNS, member=1)
    assert [path.name for path in tmp_path.iterdir()] == ["good.nc"]
    nothing = transient(COLUMNS, record(1), ParameterSet.default(), equilibrium)
    with pytest.raises(InvalidRequest, match="kept no outputs"):
        write_history(tmp_path / "none.nc", nothing, COLUMNS)
