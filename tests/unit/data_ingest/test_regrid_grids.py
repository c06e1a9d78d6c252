"""Grids: edges, areas, names."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.grids import (
    axis_names,
    gaussian_latitudes,
    grid_of,
    make_grid,
)
from catena.data_ingest.named_grids import named_grid
from catena.shared.errors import InvalidData, InvalidRequest

# Gaussian latitudes of T42, as published with the NCAR models (degrees).
T42_NORTH = [87.8638, 85.0965, 82.3129, 79.5256]


@pytest.mark.parametrize(
    "name",
    [
        "2.5deg",
        "1.4deg",
        "era5",
        "T42",
        "gaussian:96",
        "128x256",
        "cmip6 128x256",
        "2.5x2.5",
        "F48",
    ],
)
def test_a_named_grid_covers_the_sphere(name):
    grid = named_grid(name)
    assert grid.is_global
    assert grid.areas().sum() == pytest.approx(4 * np.pi, rel=1e-14)
    assert (np.diff(grid.lat) > 0).all()
    assert grid.lon.min() >= -180
    assert grid.lon.max() < 180


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("1.4deg", (128, 256)),
        ("5.6deg", (32, 64)),
        ("0.25deg", (720, 1440)),
        ("0.25deg poles", (721, 1440)),
        ("era5", (721, 1440)),
        ("721x1440 poles", (721, 1440)),
        ("2.5x2.5", (72, 144)),
        ("T42", (64, 128)),
        ("T85", (128, 256)),
        ("F80", (160, 320)),
    ],
)
def test_names_and_sizes(name, shape):
    assert named_grid(name).shape == shape


@pytest.mark.parametrize("name", ["1.7deg", "T43", "gaussian:63", "fine", "0deg", "16.5x32"])
def test_a_name_that_says_no_grid_is_refused_with_a_hint(name):
    with pytest.raises(InvalidRequest, match=r"wanted|give"):
        named_grid(name)


def test_gaussian_latitudes_are_the_published_ones_and_bands_have_their_weights():
    lat, edges = gaussian_latitudes(64)
    np.testing.assert_allclose(lat[::-1][:4], T42_NORTH, atol=5e-5)
    areas = np.diff(np.sin(np.radians(edges)))
    # The quadrature is exact for polynomials up to degree 127: here x^6, whose integral is 2/7.
    assert (areas * np.sin(np.radians(lat)) ** 6).sum() == pytest.approx(2 / 7, rel=1e-12)
    assert (edges == -edges[::-1]).all()


@pytest.mark.parametrize("order", [1, -1])
def test_gaussian_centres_get_gaussian_edges(order):
    lat, edges = gaussian_latitudes(64)
    rounded = np.round(lat, 3)[::order]
    grid = make_grid(rounded, np.arange(128) * 2.8125)
    np.testing.assert_allclose(grid.lat_edges, edges[::order], atol=1e-9)


def test_edges_go_to_the_pole_only_where_the_cells_mean_to():
    assert make_grid(np.arange(-89.5, 90), [0, 180]).lat_edges[0] == -90
    assert make_grid(np.arange(-90, 91, 2.0), [0, 180]).lat_edges[-1] == 90
    part = make_grid(np.arange(-80, 89.6, 0.5), [0, 180])
    assert part.lat_edges[-1] == pytest.approx(89.75)
    assert not part.is_global


@pytest.mark.parametrize("origin", [0.0, -180.0, 37.0])
@pytest.mark.parametrize("turn", [0.0, 360.0])
def test_longitudes_with_any_origin_and_any_seam_go_round(origin, turn):
    lon = (np.arange(144) * 2.5 + origin + 180) % 360 - 180 + turn
    grid = make_grid([-45, 45], lon)
    assert grid.periodic
    assert (np.diff(grid.lon) > 0).all()
    np.testing.assert_allclose((grid.lon - lon + 180) % 360, 180, atol=1e-9)


def test_single_precision_longitudes_close_exactly():
    lon = np.linspace(0, 360, 288, endpoint=False, dtype=np.float32)
    grid = make_grid([-45, 45], lon)
    assert grid.lon_edges[-1] - grid.lon_edges[0] == 360.0


def test_bounds_of_data_are_used_in_either_order_and_a_turn_away():
    data = xr.Dataset(
        coords={
            "latitude": ("latitude", [60.0, 0.0, -60.0], {"bounds": "edges"}),
            "longitude": ("longitude", [10.0, 100.0, 250.0]),
        },
        data_vars={
            "edges": (("latitude", "n"), [[30.0, 90.0], [-30.0, 30.0], [-90.0, -30.0]]),
            "longitude_bnds": (
                ("longitude", "n"),
                [[340.0, 400.0], [40.0, 160.0], [-200.0, -20.0]],
            ),
        },
    )
    grid = grid_of(data)
    assert axis_names(data) == ("latitude", "longitude")
    assert grid.lat_edges.tolist() == [90, 30, -30, -90]
    assert grid.lon_edges.tolist() == [-20, 40, 160, 340]
    assert grid.is_global


def test_a_part_of_a_grid_may_cross_its_seam():
    part = named_grid("10deg").part((-20, 20), (170, 200))
    assert part.lon.tolist() == [175, 185, 195]
    assert part.lon_edges.tolist() == [170, 180, 190, 200]
    assert part.lat_edges.tolist() == [-20, -10, 0, 10, 20]
    with pytest.raises(InvalidRequest, match="no cell"):
        named_grid("10deg").part((1, 2), (0, 10))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lat": [0, 100], "lon": [0, 180]}, "lat: found 100"),
        ({"lat": [0, 1, 1], "lon": [0, 180]}, "1 followed by 1"),
        ({"lat": [0, np.nan], "lon": [0, 180]}, "missing values"),
        ({"lat": [[0, 1]], "lon": [0, 180]}, "ESMF weight file"),
        ({"lat": [0], "lon": [0, 180]}, "1 cell without bounds"),
        ({"lat": [0, 1], "lon": np.arange(0, 361, 10.0)}, "drop the repeated columns"),
        ({"lat": [0, 1], "lon": [0, 9], "lat_bounds": [[-1, 0.2], [0.5, 1]]}, "cells that touch"),
        ({"lat": [0, 1], "lon": [0, 9], "lat_bounds": [[-1, 0.2, 3]]}, r"wanted \(2, 2\)"),
    ],
)
def test_axes_that_are_none_are_refused_and_named(arguments, words):
    with pytest.raises(InvalidData, match=words):
        make_grid(**arguments)


def test_data_without_a_rectilinear_grid_are_refused():
    curvilinear = xr.Dataset(coords={"lat": (("y", "x"), np.zeros((2, 2)))})
    with pytest.raises(InvalidData, match="ESMF weight file"):
        grid_of(curvilinear)
