"""What was learned for another case is refused by what it says of itself, not by luck."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from support.toy_land import ToyLand

from catena.coupler.spin_up.lineage import differences, lineage_of, refuse_other
from catena.shared.errors import FailedPrecondition

LEARNED = lineage_of(ToyLand.drawn(80))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"version": "2"}, "version of the land model: learned 1, the case has 2"),
        ({"model": "elm"}, "land model: learned toy, the case has elm"),
        ({"cycle_years": 11}, "years of the forcing's cycle: learned 10, the case has 11"),
        ({"co2_ppm": 400.0}, "CO2, ppm: learned 285.0, the case has 400.0"),
        ({"soil_levels": 10}, "soil_levels: learned nothing, the case has 10"),
        (
            {"parameters": {"other": [0.5, 2.0]}},
            "parameters that vary: learned rate, the case other",
        ),
        ({"parameters": {"rate": [0.2, 1.0]}}, "the case has 0.2 to 1"),
        ({"parameters": {"rate": [1.0, 2.5]}}, "the case has 1 to 2.5"),
        ({"plants": ["oak", "maize"]}, "plants that were not learned: maize"),
        ({"region": [25.0, 60.0, -100.0, -70.0]}, "region: learned"),
        (
            {"inputs": {**LEARNED["inputs"], "climate": ["rain"]}},
            "inputs of kind climate: learned warmth, the case has rain",
        ),
    ],
)
def test_another_case_is_refused_and_the_difference_is_named(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(FailedPrecondition, match="was learned for another case") as refused:
        refuse_other("emulator", LEARNED, {**LEARNED, **changes})
    assert named in str(refused.value)


def test_all_differences_are_named_at_once() -> None:
    found = differences(LEARNED, {**LEARNED, "version": "2", "cycle_years": 5})
    assert len(found) == 2


def test_less_of_the_same_is_no_other_case() -> None:
    case = copy.deepcopy(LEARNED)
    case["parameters"]["rate"] = [1.0, 1.5]
    case["plants"] = ["grass"]
    case["region"] = [30.0, 31.0, -90.0, -89.0]
    refuse_other("emulator", LEARNED, case)


def test_two_samples_of_one_range_are_of_one_kind() -> None:
    # The largest value of one sample lies a little above that of the other.
    refuse_other("emulator", lineage_of(ToyLand.drawn(400, 1)), lineage_of(ToyLand.drawn(400, 2)))


def test_both_conventions_of_longitude_are_one_region() -> None:
    case = ToyLand.drawn(80)
    case.lon = case.lon + 360.0
    assert differences(LEARNED, lineage_of(case)) == []
