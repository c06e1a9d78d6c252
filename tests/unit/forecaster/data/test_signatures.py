"""Signatures of basins find what was put in, on days of training alone."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from catena.forecaster.data.calendar import day_of_year
from catena.forecaster.data.files import read_camels
from catena.forecaster.data.generated import Reservoirs, generated_records, reservoir_flow
from catena.forecaster.data.records import Array64, BasinRecords
from catena.forecaster.data.signatures import (
    BASEFLOW_INDEX,
    LONG_RECESSION,
    SHORTEST,
    SNOW_FRACTION,
    BasinSignatures,
    baseflow,
    baseflow_index,
    centroid_day,
    lag_days,
    recession_days,
    signatures,
)
from catena.forecaster.data.splits import year_of
from catena.shared.errors import InvalidData

CAMELS = Path(os.environ.get("CATENA_DATA") or "absent") / "camels_us"
DAYS = np.arange(np.datetime64("2001-01-01"), np.datetime64("2005-01-01"))


def storms(rng: np.random.Generator, days: int = len(DAYS)) -> Array64:
    """Rain of 2 to 40 mm on one day out of nine."""
    return np.where(rng.random(days) < 1 / 9, rng.uniform(2, 40, days), 0.0)


def basin(rain: Array64, warmth: Array64, **parameters: float) -> BasinRecords:
    """Records of the known model."""
    given = {"capacity": 50.0, "quick": 0.0, "quick_days": 2.0, "slow_days": 20.0, **parameters}
    made = Reservoirs(**{name: np.array([value]) for name, value in given.items()})
    flow, _, _ = reservoir_flow(rain[None], warmth[None], made)
    weather = np.stack([rain, warmth], -1)[None]
    return BasinRecords(("a",), DAYS, weather.astype(np.float32), ("pr", "tas"), flow)


@pytest.mark.parametrize("days", [4.0, 15.0, 60.0])
def test_the_recession_constant_of_a_linear_reservoir_is_what_was_put_in(days: float) -> None:
    rain = storms(np.random.default_rng(1))
    made = Reservoirs(*(np.array([value]) for value in (50.0, 0.0, 1.0, days)))
    flow, _, _ = reservoir_flow(rain[None], np.full((1, len(rain)), 12.0), made)
    # One day leaves 1 - 1/days of the store: exp(-1/k) of a linear reservoir in continuous time.
    k = -1.0 / math.log(1.0 - 1.0 / days)
    assert recession_days(flow[0], rain) == pytest.approx(k, rel=1e-9)
    gaps = np.where(np.random.default_rng(2).random(len(rain)) < 0.1, np.nan, flow[0])
    assert recession_days(gaps, rain) == pytest.approx(k, rel=1e-9)


def test_quick_flow_behind_a_storm_is_no_recession_of_the_slow_store() -> None:
    """Days without rain are looked at some days later, when the quick store has emptied."""
    rain = storms(np.random.default_rng(3))
    made = basin(rain, np.full(len(rain), 12.0), quick=0.5, quick_days=1.2, slow_days=40.0)
    found = recession_days(made.flow[0].astype(np.float64), rain)
    assert found == pytest.approx(-1 / math.log(1 - 1 / 40), rel=0.02)


def test_a_recession_is_not_made_of_a_few_days() -> None:
    flow = 5.0 * 0.9 ** np.arange(15.0)
    assert math.isnan(recession_days(flow, np.zeros(15)))
    rising = np.arange(1.0, 400.0)
    assert math.isnan(recession_days(rising, np.zeros(399)))


def slow_filter(flow: list[float]) -> list[float]:
    """The filter of Lyne and Hollick as Ladson et al. write it down, day by day."""

    def one_pass(q: list[float]) -> list[float]:
        quick = [q[0]]
        for before, now in pairwise(q):
            quick.append(0.925 * quick[-1] + (1 + 0.925) / 2 * (now - before))
        return [now - f if f > 0 else now for now, f in zip(q, quick, strict=True)]

    made = flow[30:0:-1] + flow + flow[-2:-32:-1]
    for _ in range(2):
        made = one_pass(made)[::-1]
    return one_pass(made)[30:-30]


def test_the_baseflow_filter_is_the_one_of_the_paper() -> None:
    flow = np.random.default_rng(4).gamma(0.5, 3.0, 200)
    found = baseflow(flow)
    np.testing.assert_allclose(found, slow_filter(flow.tolist()), rtol=1e-12)
    assert (found >= 0).all() and (found <= flow + 1e-12).all()


def test_the_baseflow_index_is_one_for_steady_flow_and_small_for_floods() -> None:
    assert baseflow_index(np.full(2000, 3.0)) == pytest.approx(1.0, abs=0.01)
    rain = storms(np.random.default_rng(5))
    warm = np.full(len(rain), 12.0)
    quick, slow = (
        baseflow_index(basin(rain, warm, slow_days=days).flow[0].astype(np.float64))
        for days in (1.5, 80.0)
    )
    assert quick < 0.3 < 0.8 < slow


def test_gaps_part_the_baseflow_and_short_pieces_are_left_out() -> None:
    flow = np.random.default_rng(6).gamma(0.5, 3.0, 500)
    flow[SHORTEST : SHORTEST + 2] = np.nan
    flow[-SHORTEST] = np.nan  # what follows is a day too short
    one, two = flow[:SHORTEST], flow[SHORTEST + 2 : -SHORTEST]
    wanted = (baseflow(one).sum() + baseflow(two).sum()) / (one.sum() + two.sum())
    assert baseflow_index(flow) == pytest.approx(wanted)
    assert math.isnan(baseflow_index(flow[: SHORTEST - 1]))


@pytest.mark.parametrize("lag", [0, 4, 19])
def test_the_lag_of_flow_behind_rain_is_what_was_put_in(lag: int) -> None:
    rng = np.random.default_rng(7)
    rain = storms(rng)
    flow = np.roll(rain, lag) + rng.normal(0, 3, len(rain))
    flow[rng.random(len(rain)) < 0.1] = np.nan
    assert lag_days(flow, rain) == lag
    assert math.isnan(lag_days(np.full(len(rain), 2.0), rain))


def test_the_centroid_of_flow_is_a_day_on_the_circle_of_the_year() -> None:
    day = day_of_year(DAYS)
    assert centroid_day((day == 152).astype(float), DAYS) == pytest.approx(152)
    # Around the turn of the year it is not the summer in between.
    assert centroid_day(np.isin(day, [358, 10]).astype(float), DAYS) % 365 == pytest.approx(
        1, abs=2
    )
    season = 3.0 + 2.0 * np.cos(2 * np.pi * (day - 100) / 365.2425)
    assert centroid_day(season, DAYS) == pytest.approx(100, abs=1)
    gaps = season.copy()
    gaps[(day > 100) & (day < 250) & (year_of(DAYS) < 2004)] = np.nan
    assert centroid_day(gaps, DAYS) == pytest.approx(centroid_day(season, DAYS), abs=1.5)
    assert math.isnan(centroid_day(np.zeros(len(DAYS)), DAYS))


def seasonal(mean: float) -> Array64:
    """Temperature with its lowest in January, degC."""
    day = day_of_year(DAYS)
    return np.asarray(mean - 12.0 * np.cos(2 * np.pi * (day - 15) / 365.2425))


def test_snow_is_what_falls_on_cold_days_and_comes_in_spring() -> None:
    rain = storms(np.random.default_rng(8))
    every = np.ones(len(DAYS), bool)
    [cold] = signatures(basin(rain, seasonal(0.0)), every)
    [warm] = signatures(basin(rain, seasonal(16.0)), every)
    slowly = sum(p for p, t in zip(rain, seasonal(0.0), strict=True) if t < 1.0) / sum(rain)
    assert cold.snow_fraction == pytest.approx(slowly, rel=1e-5)
    assert cold.kind == "snow" and 0.4 < cold.snow_fraction < 0.65
    assert 80 < cold.centroid_day < 200, "it melts when it is above 0 degC again"
    assert warm.snow_fraction == 0.0 and warm.kind in ("rain", "groundwater")


def test_days_that_are_held_out_do_not_enter() -> None:
    records = generated_records(3, 6, seed=2)
    days = records.days < np.datetime64("2004-01-01")
    before = signatures(records, days)
    flow, weather = records.flow.copy(), records.weather.copy()
    flow[:, ~days] *= 7.0
    weather[:, ~days] = weather[:, ~days] * 3.0 + 5.0
    after = signatures(replace(records, flow=flow, weather=weather), days)
    assert after == before
    assert signatures(replace(records, flow=flow, weather=weather), ~days) != before
    mean = np.nanmean(records.flow[:, days].astype(np.float64), axis=1)
    np.testing.assert_allclose([one.mean_flow for one in before], mean)


def test_runoff_is_over_days_that_have_both_rain_and_flow() -> None:
    rain = storms(np.random.default_rng(9))
    flow = 0.4 * rain
    flow[rain > 20] = np.nan
    weather = np.stack([rain, np.full(len(rain), 9.0)], -1)[None]
    records = BasinRecords(("a",), DAYS, weather.astype(np.float32), ("pr", "tas"), flow[None])
    [found] = signatures(records, np.ones(len(DAYS), bool))
    assert found.runoff_ratio == pytest.approx(0.4, rel=1e-5)


@pytest.mark.parametrize(
    ("snow", "baseflow", "recession", "kind"),
    [
        (SNOW_FRACTION + 0.01, 0.9, 90.0, "snow"),
        (SNOW_FRACTION, BASEFLOW_INDEX + 0.01, 5.0, "groundwater"),
        (0.0, 0.2, LONG_RECESSION + 1, "groundwater"),
        (0.2, BASEFLOW_INDEX, LONG_RECESSION, "rain"),
        (0.1, 0.3, math.nan, "rain"),
        (math.nan, math.nan, math.nan, ""),
        (0.1, math.nan, math.nan, ""),  # no gauge
        (math.nan, 0.9, 50.0, ""),  # no temperature: it may be snow that melts slowly
    ],
)
def test_classes_are_parted_by_their_thresholds(
    snow: float, baseflow: float, recession: float, kind: str
) -> None:
    one = BasinSignatures(1.0, 3.0, 0.3, snow, baseflow, recession, 1.0, 90.0)
    assert one.kind == kind
    plain = json.loads(json.dumps(one.plain(), allow_nan=False))
    assert plain["class"] == kind
    assert plain["snow_fraction"] == (None if math.isnan(snow) else snow)


def test_signatures_of_no_day_are_refused() -> None:
    records = generated_records(1, 3)
    with pytest.raises(InvalidData, match="with 0 set came for signatures"):
        signatures(records, np.zeros(len(records.days), bool))


# Well known for it: in the Rockies and the Sierra Nevada; on the sands of Michigan; on the
# claypans of Missouri.
SNOW = ("13313000", "06221400", "11264500")
GROUNDWATER = ("04122500", "04105700")
RAIN = ("05507600", "05503800")


@pytest.mark.skipif(not CAMELS.is_dir(), reason="needs CATENA_DATA with camels_us")
@pytest.mark.data
@pytest.mark.slow
def test_basins_of_camels_are_what_they_are_known_for() -> None:
    names = [*SNOW, *GROUNDWATER, *RAIN]
    records = read_camels(CAMELS, names)
    # The water years that the attributes of CAMELS are of (Addor et al. 2017).
    days = (records.days >= np.datetime64("1989-10-01")) & (
        records.days <= np.datetime64("2009-09-30")
    )
    found = dict(zip(names, signatures(records, days), strict=True))
    kinds = {name: one.kind for name, one in found.items()}
    wanted = {"snow": SNOW, "groundwater": GROUNDWATER, "rain": RAIN}
    assert kinds == {name: kind for kind, group in wanted.items() for name in group}
    for one in found.values():
        assert 0.1 < one.mean_flow < 10 and 0.5 < one.mean_precipitation < 10
        assert 0.1 < one.runoff_ratio < 1.6 and 1 < one.recession_days < 120
    for name in SNOW:
        assert 130 < found[name].centroid_day < 210, "snow melts from May to July"
    # Computed by others from the same flow, with the same filter.
    table = pd.read_csv(
        CAMELS / "attributes_v2.0" / "camels_hydro.txt", sep=";", dtype={"gauge_id": str}
    ).set_index("gauge_id")
    theirs = table.loc[names]
    np.testing.assert_allclose(
        [found[name].baseflow_index for name in names], theirs["baseflow_index"], atol=0.005
    )
    np.testing.assert_allclose(
        [found[name].mean_flow for name in names], theirs["q_mean"], rtol=0.03
    )
