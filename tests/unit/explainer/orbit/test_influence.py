"""Where influence comes from, on a globe whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest

from catena.explainer.orbit.geometry import EARTH_KM, distances_km
from catena.explainer.orbit.influence import (
    Influence,
    Place,
    distance_edges,
    named_offset,
    steering_wind,
)
from catena.explainer.orbit.prediction import Target

LAT = np.arange(-85.0, 90.0, 10.0)
LON = np.arange(0.0, 360.0, 10.0)
DEGREE = EARTH_KM * np.pi / 180.0
BOX = Target("tas", 0.0, 10.0, 90.0, 110.0).cells(LAT, LON)  # row 9 (5 N), columns 9 to 11


def contributions(*cells: tuple[int, int, float], variable: int = 0) -> np.ndarray:
    """Contributions (1, 2, H, W) of some cells."""
    made = np.zeros((1, 2, len(LAT), len(LON)))
    for row, column, value in cells:
        made[0, variable, row, column] = value
    return made


def test_distances_are_great_circles_to_the_nearest_cell_of_the_box() -> None:
    found = distances_km(BOX > 0, LAT, LON)
    assert not found[9, 9:12].any()
    assert found[13, 10] == pytest.approx(40.0 * DEGREE)  # due north
    # From 5 N 90 E to 5 N 0 E: cos c = sin^2 5 + cos^2 5 cos 90.
    assert found[9, 0] == pytest.approx(EARTH_KM * np.arccos(np.sin(np.radians(5.0)) ** 2))
    # All cells of a large box, also those that others surround, are in it.
    large = np.zeros((len(LAT), len(LON)), bool)
    large[5:12, 30:] = large[5:12, :4] = True
    slow = np.min(
        [distances_km(_only(row, column), LAT, LON) for row, column in np.argwhere(large)], 0
    )
    np.testing.assert_allclose(distances_km(large, LAT, LON), slow, atol=1e-9)


def _only(row: int, column: int) -> np.ndarray:
    made = np.zeros((len(LAT), len(LON)), bool)
    made[row, column] = True
    return made


def test_influence_lies_where_contributions_are() -> None:
    edges = distance_edges(LAT)
    place = Place.of(BOX, LAT, LON)
    # 3 inside the box, 4 due west by 40 degrees of longitude from its middle: squares 9 and 16.
    both = contributions((9, 10, 3.0)) + contributions((9, 6, -4.0), variable=1)
    found = Influence.of(both, place, edges)
    np.testing.assert_allclose(found.share, [1.0, 9 / 25, 16 / 25])
    np.testing.assert_allclose(found.outside, [16 / 25, 0.0, 1.0])
    np.testing.assert_allclose(found.by_distance.sum(1), 1.0)
    away = place.distance[9, 6]
    assert found.half_km.tolist() == [away, 0.0, away] and 29 < away / DEGREE < 30
    ring = np.flatnonzero(found.by_distance[2])[0]
    assert edges[ring - 1] <= away < edges[ring]
    assert found.east_km[2] == pytest.approx(-40.0 * DEGREE, rel=0.01)
    assert abs(found.north_km[2]) < 0.1 * abs(found.east_km[2])
    assert found.east_km[0] == pytest.approx(16 / 25 * found.east_km[2])
    assert np.isnan(found.upwind_km).all() and np.isnan(found.travel_km)


@pytest.mark.parametrize(
    ("wind", "sign"), [((20.0, 0.0), 1.0), ((-20.0, 0.0), -1.0), ((0.0, 20.0), 0.0)]
)
def test_upwind_is_where_the_wind_comes_from(wind: tuple[float, float], sign: float) -> None:
    place = Place.of(BOX, LAT, LON)
    west = contributions((9, 6, 1.0))
    found = Influence.of(west, place, distance_edges(LAT), np.array([wind]), 24.0)
    assert found.upwind_km[0] == pytest.approx(sign * 40.0 * DEGREE, rel=0.01, abs=200.0)
    assert found.travel_km == pytest.approx(20.0 * 86.4)
    # What has no influence comes from nowhere.
    assert np.isnan([found.half_km[2], found.upwind_km[2], found.outside[2]]).all()


def test_a_box_that_is_most_of_the_globe_has_no_direction() -> None:
    place = Place.of(Target("tas").cells(LAT, LON), LAT, LON)
    found = Influence.of(contributions((3, 3, 1.0)), place, distance_edges(LAT))
    assert found.outside[0] == 0.0 and np.isnan(found.east_km[0])


@pytest.mark.parametrize(("south", "north"), [(-20.0, 20.0), (60.0, 80.0), (80.0, 90.0)])
def test_a_belt_around_the_globe_has_no_direction(south: float, north: float) -> None:
    """All meridians are alike: a middle of it would be on one that rounding chooses."""
    place = Place.of(Target("tas", south, north).cells(LAT, LON), LAT, LON)
    found = Influence.of(contributions((3, 3, 1.0)), place, distance_edges(LAT))
    assert found.outside[0] == 1.0 and found.half_km[0] > 0.0
    assert np.isnan([found.east_km[0], found.north_km[0]]).all()


def test_rings_reach_around_the_globe() -> None:
    for lat in (LAT, np.linspace(-89.5, 89.5, 180), np.array([10.0])):
        edges = distance_edges(lat)
        assert edges[0] == 0.0 and edges[-1] >= np.pi * EARTH_KM
        assert np.ptp(np.diff(edges)) == 0.0


def test_the_wind_that_carries_weather_is_known_by_its_name_and_units() -> None:
    def of(*names: str) -> tuple[str, str] | None:
        return steering_wind(dict.fromkeys(names, "m s-1"))

    levels = [f"{kind}_{level}" for level in (100000, 85000, 60000, 50000) for kind in ("ua", "va")]
    assert of("uas", "vas", *levels) == ("ua_60000", "va_60000")
    assert of("uas", "vas", "ua", "va") == ("ua", "va") and of("uas", "vas") == ("uas", "vas")
    assert of("ua_50000", "va_85000", "tas") is None
    assert steering_wind({"ua": "1", "va": "1"}) is None


def test_ways_have_names() -> None:
    assert named_offset(-1234.4, 3.0) == "1,234 km west"
    assert named_offset(300.0, 300.0) == "424 km north-east"
    assert named_offset(float("nan"), 1.0) == ""
