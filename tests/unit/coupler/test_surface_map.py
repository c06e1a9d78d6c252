"""Plants of a region from a map."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from catena.coupler.embedded.columns import Columns
from catena.coupler.pft import PFT_NAMES, pft_index
from catena.coupler.surface_map import TREES, Box, generated_surface_map, read_surface_map
from catena.shared.errors import InvalidData, InvalidRequest

PINE = pft_index("needleleaf_evergreen_temperate_tree")
OAK = pft_index("broadleaf_deciduous_temperate_tree")
CROP = pft_index("c3_crop")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three by four cells, longitudes 268.5 to 271.5 east, percent of plants by hand."""
    path = tmp_path / "surfdata.nc"
    lat, lon = np.meshgrid([30.5, 31.5, 32.5], [268.5, 269.5, 270.5, 271.5], indexing="ij")
    share = np.full(lat.shape, 80.0)
    share[0] = [10.0, 20.0, 0.0, 40.0]  # the third has no natural vegetation
    table = np.zeros((17, *lat.shape))
    table[0] = 10.0
    table[OAK], table[PINE], table[CROP] = 40.0, 20.0, 30.0
    table[OAK, 2], table[PINE, 2] = 1.0, 59.0
    with netCDF4.Dataset(path, "w") as out:
        out.createDimension("natpft", 17)
        out.createDimension("lsmlat", 3)
        out.createDimension("lsmlon", 4)
        for name, values in (("LATIXY", lat), ("LONGXY", lon), ("PCT_NATVEG", share)):
            out.createVariable(name, "f8", ("lsmlat", "lsmlon"))[:] = values
        out.createVariable("PCT_NAT_PFT", "f8", ("natpft", "lsmlat", "lsmlon"))[:] = table
    return path


ALL = Box(30, 33, -92, -88)


def test_crops_and_bare_ground_are_left_out_and_shares_sum_to_one(file: Path) -> None:
    made = read_surface_map(file, ALL, slots=3)
    assert made.of_cell(0) == {
        "broadleaf_deciduous_temperate_tree": pytest.approx(2 / 3),
        "needleleaf_evergreen_temperate_tree": pytest.approx(1 / 3),
    }
    np.testing.assert_allclose(made.weights.sum(axis=1), 1.0)


def test_cells_without_vegetation_are_left_out(file: Path) -> None:
    made = read_surface_map(file, ALL)
    assert len(made.lat) == 11
    assert (30.5, -89.5) not in set(zip(made.lat, made.lon, strict=True))
    assert made.lon.min() == -91.5


def test_only_the_box_counts(file: Path) -> None:
    made = read_surface_map(file, Box(31, 33, -91, -89))
    assert sorted(set(made.lat)) == [31.5, 32.5]
    assert sorted(set(made.lon)) == [-90.5, -89.5]


def test_the_greenest_cells_are_taken_and_ordered(file: Path) -> None:
    made = read_surface_map(file, ALL, cells=9)
    assert len(made.lat) == 9
    assert made.lat[0] == 30.5 and made.lon[0] == -88.5  # 40 % of its row's cell
    assert (np.diff(made.lat) >= 0).all()


def test_one_slot_holds_the_most_frequent_plant(file: Path) -> None:
    made = read_surface_map(file, ALL, slots=1)
    assert set(made.pfts[made.lat < 32, 0]) == {OAK}
    assert set(made.pfts[made.lat > 32, 0]) == {PINE}
    assert (made.weights == 1.0).all()


def test_rare_plants_are_left_out(file: Path) -> None:
    made = read_surface_map(file, ALL, slots=2)
    assert made.of_cell(len(made.lat) - 1) == {"needleleaf_evergreen_temperate_tree": 1.0}


def test_only_the_plants_asked_for_count(file: Path) -> None:
    with netCDF4.Dataset(file, "a") as out:
        grass = pft_index("c4_grass")
        out["PCT_NAT_PFT"][grass] = 50.0
        out["PCT_NAT_PFT"][:9, 1] = 0.0  # no tree in the middle row
    assert read_surface_map(file, ALL).of_cell(0) == {"c4_grass": 1.0}
    made = read_surface_map(file, ALL, plants=TREES)
    assert set(made.lat) == {30.5, 32.5}
    assert made.of_cell(0) == {"broadleaf_deciduous_temperate_tree": 1.0}


def test_more_cells_than_the_box_has(file: Path) -> None:
    with pytest.raises(InvalidData, match="11 cells of the box have such plants; 12"):
        read_surface_map(file, ALL, cells=12)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.nc"
    netCDF4.Dataset(path, "w").close()
    with pytest.raises(InvalidData, match=r"other\.nc.*PCT_NAT_PFT was wanted"):
        read_surface_map(path, ALL)
    path.write_bytes(b"no netCDF")
    with pytest.raises(InvalidData, match="cannot be read"):
        read_surface_map(path, ALL)


@pytest.mark.parametrize("corners", [(33, 30, -92, -88), (30, 33, -88, -92), (30, 95, 0, 1)])
def test_boxes_that_are_none(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidRequest, match="south < north"):
        Box(*corners)


def test_generated_map_has_pines_in_the_south_and_feeds_the_model() -> None:
    box = Box(25, 48, -96, -66)
    made = generated_surface_map(box, 0.5, cells=1422, slots=2)
    assert len(made.lat) == 1422
    east = made.lon > -80
    by_lat = [made.pfts[east & (made.lat > low) & (made.lat < low + 3), 0] for low in (31, 38, 45)]
    names = [PFT_NAMES[int(np.bincount(found).argmax())] for found in by_lat]
    assert names == [
        "needleleaf_evergreen_temperate_tree",
        "broadleaf_deciduous_temperate_tree",
        "needleleaf_evergreen_boreal_tree",
    ]
    soil = np.full((1422, 10), 30.0)
    assert Columns(made.lat, made.lon, soil, soil, made.pfts, made.weights).cells == 1422


def test_slots_out_of_range() -> None:
    with pytest.raises(InvalidRequest, match="0 plants"):
        generated_surface_map(Box(25, 48, -96, -66), 1.0, slots=0)
