"""Daily forcing: it validates itself, and its years follow each other in the right order."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from catena.coupler.forcing import FORCING, N_FORCING, DailyForcing
from catena.shared.errors import InvalidData, InvalidRequest


def forcing(days: int = 365, cells: int = 1, start=dt.date(2001, 1, 1), calendar="noleap"):
    day = np.arange(days)
    tas = np.tile(280 + 10 * np.sin(day / 58) + day / 1000, (cells, 1))
    values = {
        "tas": tas, "tasmin": tas - 5, "tasmax": tas + 5, "rsds": 150 + 0 * tas,
        "rlds": 300 + 0 * tas, "vp": 700 + 0 * tas, "ps": 98000 + 0 * tas,
        "pr": 3e-5 + 0 * tas, "sfcWind": 3 + 0 * tas,
    }  # fmt: skip
    return DailyForcing(
        lat=40.0 + np.arange(cells), lon=-90.0 + np.arange(cells), start=start, calendar=calendar,
        days=days, variables=values, co2=np.full(days, 380.0) + day / 100, ndep=np.full(days, 0.5),
    )  # fmt: skip


def changed(name: str, index: tuple[int, int], value: float) -> DailyForcing:
    good = forcing(cells=2)
    values = {key: array.copy() for key, array in good.variables.items()}
    values[name][index] = value
    return replace(good, variables=values)


def test_the_array_is_contiguous_in_the_order_of_forcing() -> None:
    made = forcing(cells=3)
    array = made.array()
    assert array.shape == (3, 365, N_FORCING)
    assert array.flags.c_contiguous
    for column, name in enumerate(FORCING):
        assert np.array_equal(array[:, :, column], made.variables[name])
    array[:] = 0  # the caller's own
    assert made.variables["tas"].min() > 200
    with pytest.raises(ValueError, match="read-only"):
        made.variables["tas"][0, 0] = 1


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("tas", 12.0, "degC"), ("ps", 980.0, "hPa"), ("pr", 5.0, "mm d-1"),
        ("rsds", 900.0, "24 h"), ("rlds", 5.0, "W m-2"), ("sfcWind", -1.0, "m s-1"),
        ("vp", 9000.0, "Pa"),
    ],
)  # fmt: skip
def test_a_wrong_unit_is_named_with_variable_day_and_value(name, value, hint) -> None:
    with pytest.raises(InvalidData) as error:
        changed(name, (1, 31), value)
    for word in (f"variable {name}", "cell 1", "2001-02-01", f"{value:g}", hint):
        assert word in str(error.value)


def test_missing_values_are_counted() -> None:
    with pytest.raises(InvalidData, match=r"variable pr: found 1 missing.*cell 0, day 2001-01-03"):
        changed("pr", (0, 2), np.nan)


def test_a_mean_outside_of_the_extremes_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"tasmin.*above tas .*2001-01-06"):
        changed("tasmin", (0, 5), 300.0)


def test_vapour_pressure_in_hectopascal_or_of_a_fraction_is_refused() -> None:
    good = forcing()
    with pytest.raises(InvalidData, match=r"fraction where % is wanted, or pressure in hPa"):
        replace(good, variables={**good.variables, "vp": good.variables["vp"] / 100})
    with pytest.raises(InvalidData, match=r"variable vp: .*at most"):
        replace(good, variables={**good.variables, "vp": good.variables["vp"] * 10})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"days": 364}, r"variable co2: found shape \(365,\), wanted \(364,\)"),
        ({"calendar": "360_day"}, "wanted noleap or standard"),
        ({"lon": np.array([270.0])}, "subtract 360"),
        ({"lat": np.array([95.0])}, "variable lat"),
        ({"co2": np.full(365, 3.8e-4)}, "mole fraction"),
        ({"ndep": np.full(365, -1.0)}, "variable ndep"),
        ({"start": dt.date(2004, 2, 29)}, "noleap"),
    ],
)
def test_shapes_places_and_gases_are_checked(change, words) -> None:
    with pytest.raises(InvalidData, match=words):
        replace(forcing(), **change)


def test_a_variable_too_few_or_too_many_is_refused() -> None:
    good = dict(forcing().variables)
    with pytest.raises(InvalidData, match="wanted exactly tas, tasmin"):
        replace(forcing(), variables={**good, "lai": good["tas"]})
    del good["vp"]
    with pytest.raises(InvalidData, match="wanted exactly tas, tasmin"):
        replace(forcing(), variables=good)


def test_no_29_february_in_noleap() -> None:
    made = forcing(days=4 * 365, start=dt.date(2003, 1, 1))
    dates = made.dates()
    assert made.end == dt.date(2006, 12, 31)
    assert np.datetime64("2004-02-29") not in dates
    assert dates[365 + 59] == np.datetime64("2004-03-01")
    standard = forcing(days=1461, start=dt.date(2003, 1, 1), calendar="standard")
    assert np.datetime64("2004-02-29") in standard.dates()
    assert standard.end == dt.date(2006, 12, 31)


def test_select_takes_both_ends_and_refuses_what_is_not_there() -> None:
    made = forcing(days=730)
    part = made.select(dt.date(2001, 3, 1), dt.date(2001, 3, 31))
    assert (part.days, part.start, part.end) == (31, dt.date(2001, 3, 1), dt.date(2001, 3, 31))
    assert part.variables["tas"][0, 0] == made.variables["tas"][0, 59]
    assert part.co2[0] == made.co2[59]
    with pytest.raises(InvalidRequest, match="2001-01-01 to 2002-12-31"):
        made.select(dt.date(2000, 12, 31), dt.date(2001, 1, 2))


def test_cycled_years_of_the_record_stand_for_themselves() -> None:
    record = forcing(days=3 * 365, start=dt.date(2000, 1, 1))
    made = record.cycle(years=153, first_year=1850)
    assert (made.start, made.end) == (dt.date(1850, 1, 1), dt.date(2002, 12, 31))
    assert np.array_equal(made.variables["tas"][:, -3 * 365 :], record.variables["tas"])
    # 1850 = 2000 - 150, and 150 is 50 cycles of 3 years.
    assert np.array_equal(made.variables["tas"][:, :365], record.variables["tas"][:, :365])


def test_cycling_keeps_seasons_where_they_are_over_leap_years() -> None:
    # 2001-2004 with a leap year at the end: 100 cycles must not drift by a day.
    record = forcing(days=1461, start=dt.date(2001, 1, 1), calendar="standard")
    made = record.cycle(years=400, first_year=1601)
    dates = made.dates()
    july = np.flatnonzero(dates == np.datetime64("1951-07-01"))[0]
    source = record.variables["tas"][0, 181 + (1951 - 2001) % 4 * 365]
    assert made.variables["tas"][0, july] == source
    # 1700 is 2004's turn but has no 29 February; 1704 is 2004's and has one, its own.
    leap = np.flatnonzero(dates == np.datetime64("1704-02-29"))[0]
    own = np.flatnonzero(record.dates() == np.datetime64("2004-02-29"))[0]
    assert made.variables["tas"][0, leap] == record.variables["tas"][0, own]


def test_a_29_february_that_a_year_lacks_is_the_day_before() -> None:
    record = forcing(days=365, start=dt.date(2001, 1, 1))
    made = record.cycle(years=4, calendar_to="standard")
    leap = np.flatnonzero(made.dates() == np.datetime64("2004-02-29"))[0]
    assert made.days == 1461
    assert made.variables["tas"][0, leap] == record.variables["tas"][0, 58]
    assert made.variables["tas"][0, leap + 1] == record.variables["tas"][0, 59]


def test_days_that_a_record_lacks_at_its_end_come_from_the_nearest_year() -> None:
    whole = forcing(days=1095, start=dt.date(2001, 1, 1))
    record = whole.select(dt.date(2001, 1, 1), dt.date(2003, 12, 27))
    made = record.complete_years()
    assert made.end == dt.date(2003, 12, 31)
    assert np.array_equal(made.variables["tas"][:, :-4], record.variables["tas"])
    assert np.array_equal(made.variables["tas"][:, -4:], whole.variables["tas"][:, 726:730])
    assert "4 days at the ends" in str(made.notes[-1])
    assert whole.complete_years() is whole


def test_a_lone_year_takes_its_last_day_again() -> None:
    record = forcing().select(dt.date(2001, 1, 1), dt.date(2001, 12, 29))
    made = record.cycle(days=730)
    assert made.variables["tas"][0, 364] == record.variables["tas"][0, 362]
    assert made.variables["tas"][0, 365] == record.variables["tas"][0, 0]


def test_half_a_year_is_not_cycled() -> None:
    record = forcing(days=500)
    with pytest.raises(InvalidData, match=r"year 2002 .*found 135 of 365 days"):
        record.cycle(years=10)


def test_one_length_is_wanted() -> None:
    with pytest.raises(InvalidRequest, match="one of the two"):
        forcing().cycle()
    with pytest.raises(InvalidRequest, match="one of the two"):
        forcing().cycle(days=1, years=1)
    with pytest.raises(InvalidRequest, match="0 days"):
        forcing().cycle(days=0)


def test_other_gases_under_the_same_weather() -> None:
    made = forcing().with_co2(287.42, 0.079)
    assert set(made.co2) == {287.42}
    assert set(made.ndep) == {0.079}
    assert set(forcing().with_co2(300.0).ndep) == {0.5}
