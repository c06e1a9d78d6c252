"""Forecasters behind one interface: kept and found again, warmed up or gone on with, not fooled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import forecasts as small

from catena.forecaster import storage
from catena.forecaster.basins import read_basins
from catena.forecaster.data.noise import PERFECT, forecast_weather
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.forecast_intervals import targets
from catena.forecaster.forecasters import About, Forecaster, flow_scale, in_period
from catena.forecaster.network_forecaster import NetworkForecaster, Settings, process_flow
from catena.forecaster.process.mos import Mos
from catena.forecaster.process_forecaster import Gr4j
from catena.forecaster.scenarios import Weather, given_weather, no_weather, noised_weather
from catena.forecaster.vocabulary import Basins
from catena.shared.errors import InvalidData
from catena.shared.testing import Killed

ISSUES = np.arange(1700, 1760, 7)


@pytest.fixture(scope="module")
def records() -> BasinRecords:
    def never(ref: Any) -> Any:
        raise AssertionError("generated basins are in no artifact")

    return read_basins(Basins.model_validate(small.BASINS), never)


def loaded(ref: small.Ref) -> Forecaster:
    return storage.read_forecaster(small.made().store.open(ref["uri"]))


def noised(forecaster: Forecaster, records: BasinRecords) -> Weather:
    about = forecaster.about
    return noised_weather(records, in_period(records, about.training_days), about.leads, seed=1)


def flow(forecaster: Forecaster, records: BasinRecords, weather: Weather, **more: Any) -> Any:
    return forecaster.forecast(records, ISSUES, weather, **more).flow


@pytest.mark.parametrize("model", ["persistence", "climatology", "gr4j", "tst"])
def test_the_future_of_flow_is_not_looked_at(model: str, records: BasinRecords) -> None:
    ref = {"gr4j": small.gr4j, "tst": small.hybrid}.get(model, lambda: small.made().train(model))()
    forecaster = loaded(ref)
    weather = noised(forecaster, records)
    planted = records.flow.copy()
    planted[:, ISSUES[-1] + 1 :] = 777.0
    before = flow(forecaster, records, weather)
    assert before.shape == (2, len(ISSUES), small.LEADS)
    assert np.isfinite(before).all() and (before >= 0).all()
    assert np.array_equal(before, flow(forecaster, records.with_flow(planted), weather))


@pytest.mark.parametrize("model", ["gr4j", "tst"])
def test_a_dropped_forecast_is_no_forecast_whatever_the_weather_was(
    model: str, records: BasinRecords
) -> None:
    forecaster = loaded({"gr4j": small.gr4j, "tst": small.hybrid}[model]())
    changed = replace(records, weather=records.weather.copy())
    changed.weather[:, ISSUES[-1] + 1 :, 0] = 300.0
    one = flow(forecaster, records, no_weather())
    assert np.array_equal(one[:, -1], flow(forecaster, changed, no_weather())[:, -1])
    deluge = flow(forecaster, changed, noised(forecaster, records).only(PERFECT))
    assert (deluge[:, -1] > 2 * one[:, -1]).any(), "weather that is given counts"


def test_flow_that_was_never_seen_is_no_hindrance(records: BasinRecords) -> None:
    forecaster = loaded(small.hybrid())
    blind = records.with_flow(np.full_like(records.flow, np.nan))
    made = flow(forecaster, blind, noised(forecaster, records))
    assert np.isfinite(made).all()
    gone = flow(loaded(small.made().train("persistence")), blind, no_weather())
    assert np.isnan(gone).all(), "persistence has nothing to go on from"


@pytest.mark.parametrize("model", ["persistence", "climatology", "gr4j", "tst"])
def test_a_forecaster_that_was_kept_forecasts_the_same(model: str, records: BasinRecords) -> None:
    ref = {"gr4j": small.gr4j, "tst": small.hybrid}.get(model, lambda: small.made().train(model))()
    one = loaded(ref)
    two = type(one).from_arrays(About.from_dict(one.about.to_dict()), one.arrays(), one.meta())
    weather = noised(one, records)
    assert np.array_equal(flow(one, records, weather), flow(two, records, weather))


def test_one_basin_alone_is_forecast_as_among_others(records: BasinRecords) -> None:
    for ref in (small.gr4j(), small.hybrid()):
        forecaster = loaded(ref)
        both = flow(forecaster, records, noised(forecaster, records))
        one = records.select([records.basins[1]])
        alone = flow(forecaster, one, noised(forecaster, one))
        assert np.allclose(alone[0], both[1], rtol=1e-5)


def uncorrected(forecaster: Gr4j) -> Gr4j:
    none = Mos(forecaster.sharp.persistence, np.zeros_like(forecaster.sharp.weights))
    return Gr4j(
        forecaster.about,
        forecaster.scale,
        forecaster.process.without_mos(),
        none,
        none,
        forecaster.believed,
    )


def test_expected_weather_forecasts_better_than_noised_weather_at_its_word(
    records: BasinRecords,
) -> None:
    forecaster = loaded(small.gr4j())
    assert isinstance(forecaster, Gr4j)
    plain, weather = uncorrected(forecaster), noised(forecaster, records)
    many = np.arange(400, len(records.days) - forecaster.about.leads, 3)
    came = targets(records, many, forecaster.about.leads)
    error = {}
    for kind in ("noised", "expected"):
        made = plain.run(records, many, weather, correction=kind)
        error[kind] = np.nanmean((made - came) ** 2, axis=(0, 1))
    assert error["expected"].mean() < error["noised"].mean()


def test_a_hybrid_has_a_process_flow_without_any_forecast(records: BasinRecords) -> None:
    forecaster = loaded(small.gr4j())
    assert isinstance(forecaster, Gr4j)
    [made] = process_flow(forecaster, records, ISSUES, no_weather()).values()
    assert np.isfinite(made[:, ISSUES]).all()
    others = np.setdiff1d(np.arange(len(records.days)), ISSUES)
    assert np.isnan(made[:, others]).all()


def tail(records: BasinRecords, first: int) -> BasinRecords:
    return replace(
        records,
        days=records.days[first:],
        weather=records.weather[:, first:],
        flow=records.flow[:, first:],
    )


def test_states_that_were_saved_spare_the_warm_up_to_the_bit(records: BasinRecords) -> None:
    forecaster = loaded(small.gr4j())
    assert isinstance(forecaster, Gr4j)
    plain = uncorrected(forecaster)
    saved = state_of(plain, records, 1600)
    short = tail(records, 1590)
    cold = plain.forecast(records, ISSUES, no_weather()).flow
    hot = plain.forecast(short, ISSUES - 1590, no_weather(), saved).flow
    assert np.array_equal(hot, cold)
    again = state_of(plain, short, 1650 - 1590, saved)
    assert np.array_equal(again["states"], state_of(plain, records, 1650)["states"])


def state_of(forecaster: Forecaster, records: BasinRecords, day: int, *before: Any) -> Any:
    states, words = forecaster.states(records, np.array([day - 3, day]), *before)
    assert words == "GR4J"
    return storage.state_of(states, 1)


@pytest.mark.parametrize("gap", [(), (1597, 1603), (1601, 1690), (1400, 1600), (1500, 1720)])
def test_a_forecast_from_a_state_and_the_days_after_it_is_that_of_the_whole_record(
    gap: tuple[int, ...], records: BasinRecords
) -> None:
    forecaster = loaded(small.gr4j())
    assert isinstance(forecaster, Gr4j)
    observed = records.flow.copy()
    if gap:
        observed[:, slice(*gap)] = np.nan
    whole = records.with_flow(observed)
    issues = np.concatenate([[1601, 1602, 1650], ISSUES])
    saved = state_of(forecaster, whole, 1600)
    weather = noised(forecaster, whole)
    cold = forecaster.forecast(whole, issues, weather).flow
    for first in (1601, 1570):
        given = given_weather(
            forecast_weather(whole, issues[:1], small.LEADS, weather.forecasts)[:, 0]
        )
        short = tail(whole, first)
        hot = forecaster.forecast(short, issues - first, no_weather(), saved).flow
        assert np.abs(hot - forecaster.forecast(whole, issues, no_weather()).flow).max() < 1e-9
        hot = forecaster.forecast(short, issues[:1] - first, given, saved).flow
        assert np.abs(hot - cold[:, :1]).max() < 1e-9
        # A state that goes on from a state.
        again = state_of(forecaster, short, 1650 - first, saved)
        for name, values in state_of(forecaster, whole, 1650).items():
            assert np.allclose(again[name], values, rtol=0, atol=1e-9), name


def test_a_hybrid_goes_on_from_a_state_with_the_days_that_its_network_looks_back_on(
    records: BasinRecords,
) -> None:
    forecaster = loaded(small.hybrid())
    assert isinstance(forecaster, NetworkForecaster) and forecaster.process is not None
    saved = state_of(forecaster, records, 1600)
    first = ISSUES[0] - 364  # the longest means of rain are of a year
    short, at = tail(records, first), ISSUES - first
    parts = ((records, ISSUES, None), (short, at, saved))
    cold, hot = (
        process_flow(forecaster.process, part, places, no_weather(), states)["none"][:, places]
        for part, places, states in parts
    )
    assert np.array_equal(hot, cold)
    cold, hot = (
        forecaster.forecast(part, places, no_weather(), states).flow
        for part, places, states in parts
    )
    assert np.allclose(hot, cold, rtol=1e-5)


def test_a_short_record_without_states_is_refused_with_a_way_out(records: BasinRecords) -> None:
    forecaster = loaded(small.gr4j())
    short = tail(records, 1590)
    with pytest.raises(InvalidData, match=r"wanted 365 more .* or states"):
        forecaster.forecast(short, ISSUES - 1590, no_weather())
    saved = state_of(forecaster, records, 1500)
    with pytest.raises(InvalidData, match=r"states are of 2005-02-09; wanted a day from"):
        forecaster.forecast(short, ISSUES - 1590, no_weather(), saved)


def test_strange_basins_and_weather_are_refused_by_name(records: BasinRecords) -> None:
    forecaster = loaded(small.hybrid())
    strange = replace(records, basins=("a", "b"))
    with pytest.raises(InvalidData, match="not trained on 2 of 2 basins: a, b"):
        forecaster.forecast(strange, ISSUES, no_weather())
    other = replace(records, weather_names=("pr", "tasmax"))
    with pytest.raises(InvalidData, match="wants pr, tas"):
        forecaster.forecast(other, ISSUES, no_weather())


class Kept:
    """A checkpoint in memory that dies after so many saves."""

    def __init__(self, saves: int) -> None:
        self.saves, self.state = saves, None

    def load(self) -> Any:
        return self.state

    def save(self, arrays: Any, meta: Any) -> None:
        self.state = ({name: np.array(value) for name, value in arrays.items()}, meta)
        self.saves -= 1
        if self.saves == 0:
            raise Killed


@pytest.mark.filterwarnings("error")
def test_a_basin_without_flow_has_a_scale_of_one(records: BasinRecords) -> None:
    flow = records.flow.copy()
    flow[0] = np.nan
    days = np.arange(len(records.days)) < 400
    found = flow_scale(replace(records, flow=flow), days)
    assert found[0] == 1.0
    np.testing.assert_allclose(found[1:], np.nanstd(flow[1:, :400], axis=1))


def same(one: Forecaster, two: Forecaster) -> bool:
    a, b = one.arrays(), two.arrays()
    return set(a) == set(b) and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)


def test_a_killed_training_ends_with_the_same_weights(records: BasinRecords) -> None:
    about = loaded(small.hybrid()).about
    process = loaded(small.gr4j())
    settings = Settings(**small.NETWORK)
    assert isinstance(process, Gr4j)
    kept = Kept(saves=5)
    with pytest.raises(Killed):
        NetworkForecaster.fit(about, records, settings, process=process, checkpoint=kept)
    assert kept.state[1]["step"] > 0
    resumed = NetworkForecaster.fit(about, records, settings, process=process, checkpoint=kept)
    whole = NetworkForecaster.fit(about, records, settings, process=process)
    assert same(resumed, whole)
    assert same(whole, loaded(small.hybrid())), "the job trains no other one"


def test_a_killed_calibration_does_no_basin_twice(
    records: BasinRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catena.forecaster import process_forecaster

    about = loaded(small.gr4j()).about
    kept = Kept(saves=1)
    with pytest.raises(Killed):
        Gr4j.fit(about, records, checkpoint=kept)
    done: list[str] = []
    fit = process_forecaster.fit_process

    def spy(one: BasinRecords, *args: Any, **more: Any) -> Any:
        done.extend(one.basins)
        return fit(one, *args, **more)

    monkeypatch.setattr(process_forecaster, "fit_process", spy)
    resumed = Gr4j.fit(about, records, checkpoint=kept)
    assert done == [records.basins[1]]
    assert same(resumed, loaded(small.gr4j()))
