"""Plants and soils at places: of the nearest cell of a map, or made up and called so."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from catena.coupler.pft import PFT_NAMES
from catena.coupler.surface_map import TREES
from catena.coupler.surface_places import made_up_soil, plants_at
from catena.shared.errors import InvalidData

FIRST = PFT_NAMES[1]
GRASS = "c4_grass"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two rows and three columns: a forest, grass, sea; all of the north is forest."""
    path = tmp_path / "map.nc"
    with netCDF4.Dataset(path, "w") as data:
        for name, size in (("natpft", 15), ("lsmlat", 2), ("lsmlon", 3)):
            data.createDimension(name, size)
        grid = ("lsmlat", "lsmlon")
        data.createVariable("LATIXY", "f8", grid)[:] = [[30.0] * 3, [31.0] * 3]
        data.createVariable("LONGXY", "f8", grid)[:] = [[268.0, 269.0, 270.0]] * 2
        data.createVariable("PCT_NATVEG", "f8", grid)[:] = [[80.0, 40.0, 0.0], [100.0] * 3]
        plants = data.createVariable("PCT_NAT_PFT", "f8", ("natpft", *grid))
        plants[:] = 0.0
        plants[1] = [[90.0, 20.0, 50.0], [100.0] * 3]
        plants[14] = [[10.0, 80.0, 50.0], [0.0] * 3]
    return path


def test_each_place_has_the_plants_of_the_nearest_cell(file: Path) -> None:
    found = plants_at(np.array([30.2, 29.9]), np.array([-91.9, 268.8]), file, slots=2)
    assert not found.made_up and found.kept.tolist() == [0, 1]
    assert found.plants.of_cell(0) == pytest.approx({FIRST: 0.9, GRASS: 0.1})
    assert found.plants.of_cell(1) == pytest.approx({GRASS: 0.8, FIRST: 0.2})
    assert found.plants.lon.tolist() == pytest.approx([-91.9, -91.2]), "the place, not the map's"


def test_places_in_the_sea_are_left_out(file: Path) -> None:
    found = plants_at(np.array([30.0, 30.0, 31.0]), np.array([-92.0, -90.0, -90.0]), file)
    assert found.kept.tolist() == [0, 2]


def test_the_places_with_most_of_the_plants_are_taken(file: Path) -> None:
    lat, lon = np.array([30.0, 30.0, 31.0]), np.array([-92.0, -91.0, -90.0])
    assert plants_at(lat, lon, file, cells=2).kept.tolist() == [0, 2]
    trees = plants_at(lat, lon, file, plants=TREES, slots=2)
    assert trees.plants.of_cell(1) == {FIRST: 1.0}


@pytest.mark.parametrize(
    ("lat", "cells", "words"),
    [(40.0, 0, "degrees away from the map"), (30.0, 2, "at 1 of 1 places; 2 were wanted")],
)
def test_places_off_the_map_and_too_few_of_them_are_refused(
    file: Path, lat: float, cells: int, words: str
) -> None:
    with pytest.raises(InvalidData, match=words):
        plants_at(np.array([lat]), np.array([-92.0]), file, cells=cells)


def test_made_up_plants_follow_latitude_and_are_called_so() -> None:
    found = plants_at(np.array([31.0, 39.0, 50.0, 39.0]), np.array([-80.0, -80.0, -80.0, -100.0]))
    assert found.made_up and found.kept.size == 4
    names = [next(iter(found.plants.of_cell(cell))) for cell in range(4)]
    assert [name.split("_")[0] for name in names] == ["needleleaf", "broadleaf", "needleleaf", "c3"]
    assert "boreal" in names[2] and "boreal" not in names[0]
    trees = plants_at(np.array([39.0]), np.array([-100.0]), plants=TREES)
    assert "tree" in next(iter(trees.plants.of_cell(0)))


def test_soils_are_soils_smooth_and_follow_from_place_and_seed() -> None:
    lat, lon = (axis.ravel() for axis in np.meshgrid(np.arange(25, 50, 0.5), np.arange(-100, -65)))
    sand, clay = made_up_soil(lat, lon, 3)
    assert sand.shape == clay.shape == (lat.size, 10)
    assert (sand >= 0).all() and (clay >= 0).all() and (sand + clay <= 100).all()
    assert np.ptp(sand[:, 0]) > 30 and np.ptp(clay[:, 0]) > 15, "contrasts of a region"
    steps = np.abs(np.diff(sand[:, 0].reshape(35, 50), axis=1))
    assert np.median(steps) < 0.4 * sand[:, 0].std()
    assert (np.diff(clay, axis=1) >= 0).all(), "clay never shrinks with depth"
    assert (clay[:, -1] > clay[:, 0]).mean() > 0.8
    some = made_up_soil(lat[7:9], lon[7:9], 3)
    np.testing.assert_array_equal(some[0], sand[7:9])
    assert not np.array_equal(made_up_soil(lat, lon, 4)[0], sand)
