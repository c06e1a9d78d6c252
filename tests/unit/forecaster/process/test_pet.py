"""Potential evapotranspiration against printed values and its own limits."""

from __future__ import annotations

import numpy as np
import pytest

from catena.forecaster.data.calendar import day_of_year
from catena.forecaster.process.pet import extraterrestrial_radiation, oudin_pet
from catena.shared.errors import InvalidData


def test_radiation_has_the_value_of_the_example_in_fao_56() -> None:
    # example 8: 3 September at 20 degrees south, 32.2 MJ m-2 d-1
    assert extraterrestrial_radiation(-20.0, 246) == pytest.approx(32.2, abs=0.05)


def test_radiation_at_the_poles_is_night_and_day() -> None:
    assert extraterrestrial_radiation(90.0, 355) == 0.0
    assert extraterrestrial_radiation(90.0, 172) > extraterrestrial_radiation(0.0, 172)
    # on the equator both halves of the year are nearly alike
    assert extraterrestrial_radiation(0.0, 80) == pytest.approx(
        extraterrestrial_radiation(0.0, 266), rel=0.02
    )


def test_pet_follows_oudins_formula() -> None:
    days = np.array(["2001-09-03"], "datetime64[D]")
    pet = oudin_pet([[15.0], [-5.0], [-30.0]], [-20.0] * 3, days)
    # 32.2 / 2.45 * (15 + 5) / 100, nothing at -5 degC and below
    assert pet[:, 0] == pytest.approx([2.63, 0.0, 0.0], abs=0.01)


def test_days_may_have_any_shape_and_leap_years_count() -> None:
    days = np.array([["2000-12-31", "2001-12-31"]], "datetime64[D]")
    assert day_of_year(days).tolist() == [[366, 365]]
    t = np.full((3, 1, 2), 10.0)
    t[1, 0, 1] = np.nan
    pet = oudin_pet(t, [10.0, 20.0, 30.0], days)
    assert pet.shape == t.shape and np.isnan(pet).sum() == 1


def test_what_does_not_fit_is_refused() -> None:
    days = np.array(["2001-01-01"], "datetime64[D]")
    with pytest.raises(InvalidData, match=r"latitude\[1\] is nan"):
        oudin_pet(np.zeros((2, 1)), [10.0, np.nan], days)
    with pytest.raises(InvalidData, match="temperature has shape"):
        oudin_pet(np.zeros((2, 5)), [10.0, 20.0], days)
