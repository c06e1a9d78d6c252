"""Weights against closed forms, an independent slow implementation, and what they must conserve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import slow_regrid

from catena.data_ingest.grids import Grid, make_grid
from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.weights import overlaps, separable_weights
from catena.shared.errors import InvalidRequest


def field(grid: Grid, seed: int = 0) -> np.ndarray:
    return 280.0 + 10.0 * np.random.default_rng(seed).standard_normal(grid.shape)


def global_mean(values: np.ndarray, grid: Grid) -> np.ndarray:
    return (values * grid.areas()).sum(axis=(-2, -1)) / grid.areas().sum()


@st.composite
def edges(draw, low, high, least=2, most=9):
    count = draw(st.integers(least, most))
    parts = np.array(draw(st.lists(st.floats(0.2, 1.0), min_size=count, max_size=count)))
    inner = low + (high - low) * np.cumsum(parts) / parts.sum()
    return np.concatenate([[low], inner[:-1], [high]])


@st.composite
def grids(draw, regional=False):
    """Irregular cells, either order of latitude, any longitude origin."""
    if regional:
        south, west = draw(st.floats(-80, 20)), draw(st.floats(-400, 400))
        lat = draw(edges(south, south + draw(st.floats(5, 60))))
        lon = draw(edges(west, west + draw(st.floats(5, 300))))
    else:
        lat = draw(edges(-90.0, 90.0))
        origin = draw(st.floats(-400, 400))
        lon = draw(edges(origin, origin + 360.0))
        lon[-1] = lon[0] + 360.0
    if draw(st.booleans()):
        lat = lat[::-1].copy()
    return Grid((lat[1:] + lat[:-1]) / 2, (lon[1:] + lon[:-1]) / 2, lat, lon)


@settings(max_examples=40)
@given(grids(), st.one_of(grids(), grids(regional=True)))
def test_conservative_weights_equal_the_overlap_of_every_pair_of_cells(source, target):
    values = field(source)
    values[0, 0] = np.nan
    result = separable_weights(source, target).apply(values[None], min_valid=0.3)[0]
    slow, part = slow_regrid.conservative(
        values, source.lat_edges, source.lon_edges, target.lat_edges, target.lon_edges
    )
    clear = np.abs(part - 0.3) > 1e-6
    np.testing.assert_array_equal(np.isnan(result)[clear], (part < 0.3)[clear])
    kept = clear & (part >= 0.3)
    np.testing.assert_allclose(result[kept], slow[kept], rtol=1e-11)


@settings(max_examples=30)
@given(grids(regional=True), grids())
def test_a_regional_source_covers_what_it_covers(source, target):
    try:
        weights = separable_weights(source, target)
    except InvalidRequest:
        return
    values = field(source)
    slow, part = slow_regrid.conservative(
        values, source.lat_edges, source.lon_edges, target.lat_edges, target.lon_edges
    )
    np.testing.assert_allclose(weights.coverage, part, atol=1e-8)
    result = weights.apply(values[None], min_valid=0.0)[0]
    np.testing.assert_array_equal(np.isnan(result), part < 1e-9)
    kept = part > 1e-4
    np.testing.assert_allclose(result[kept], slow[kept], rtol=1e-9)


@settings(max_examples=60)
@given(grids(), grids())
def test_constants_and_the_global_mean_are_kept(source, target):
    weights = separable_weights(source, target)
    constant = weights.apply(np.full((1, *source.shape), 288.15))[0]
    np.testing.assert_allclose(constant, 288.15, rtol=1e-13)
    values = field(source)
    mean = global_mean(weights.apply(values[None])[0], target)
    assert mean == pytest.approx(global_mean(values, source), rel=1e-12)


@settings(max_examples=60)
@given(grids(), grids(), st.sampled_from(["conservative", "bilinear", "nearest"]))
def test_rows_are_a_partition_of_unity_and_nothing_is_negative(source, target, method):
    weights = separable_weights(source, target, method)
    for matrix in (weights.lat, weights.lon):
        assert matrix.data.min() >= 0
        np.testing.assert_allclose(np.asarray(matrix.sum(axis=1)).ravel(), 1.0, rtol=1e-13)


@settings(max_examples=40)
@given(grids(), grids())
def test_the_way_back_is_the_adjoint_in_the_areas(source, target):
    """<a, forth b> over the target's areas is <back a, b> over the source's."""
    forth, back = separable_weights(source, target), separable_weights(target, source)
    b, a = field(source, 1), field(target, 2)
    one = (a * forth.apply(b[None])[0] * target.areas()).sum()
    other = (back.apply(a[None])[0] * b * source.areas()).sum()
    assert one == pytest.approx(other, rel=1e-12)


@settings(max_examples=40)
@given(grids(), grids())
def test_tiles_are_the_sparse_matrices(source, target):
    weights = separable_weights(source, target)
    values = field(source)
    np.testing.assert_allclose(
        weights.product(values),
        weights.lat.toarray() @ values @ weights.lon.toarray().T,
        rtol=1e-12,
    )


@settings(max_examples=40)
@given(grids(), grids())
def test_bilinear_weights_equal_interpolation_point_by_point(source, target):
    values = field(source)
    result = separable_weights(source, target, "bilinear").apply(values[None])[0]
    slow = slow_regrid.bilinear(
        values, source.lat, source.lon, target.lat, target.lon, periodic=True
    )
    np.testing.assert_allclose(result, slow, rtol=1e-9)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("origin", [0.0, -180.0, 20.5])
def test_a_linear_field_is_kept_by_bilinear_weights(order, origin):
    lat = np.arange(-89.0, 90.0, 2.0)[::order]
    lon = np.arange(0.0, 360.0, 2.5) + origin
    source = make_grid(lat, lon)
    target = named_grid("T42").part((-60, 60), (30, 100))
    values = 2.0 * source.lat[:, None] - 0.5 * ((source.lon[None] + 360) % 360)
    result = separable_weights(source, target, "bilinear").apply(values[None])[0]
    exact = 2.0 * target.lat[:, None] - 0.5 * target.lon[None]
    np.testing.assert_allclose(result, exact, atol=1e-11)


def test_means_of_a_spherical_harmonic_are_those_of_its_integral():
    """Cell means of sin(lat) and of cos(lat)^2 sin(2 lon), integrated by hand, stay cell means."""

    def means(grid):
        s = np.sin(np.radians(grid.lat_edges))
        x = np.radians(grid.lon_edges)
        y10 = np.diff(s**2) / 2 / np.diff(s)
        inner = np.diff(s - s**3 / 3) / np.diff(s)
        outer = -np.diff(np.cos(2 * x)) / 2 / np.diff(x)
        return y10[:, None] + np.outer(inner, outer)

    # Every edge of the coarse grid is an edge of the fine one: no error of the first order.
    source, target = named_grid("1.25deg"), named_grid("2.5deg")
    result = separable_weights(source, target).apply(means(source)[None])[0]
    np.testing.assert_allclose(result, means(target), atol=1e-14)


@pytest.mark.parametrize(("method", "bound"), [("conservative", 0.02), ("bilinear", 4e-3)])
def test_the_error_of_a_smooth_field_falls_with_the_cells(method, bound):
    """First order halves it with the cells where edges do not fit, second order quarters it."""
    target = named_grid("T31")

    def harmonic(grid):
        lat, lon = np.radians(grid.lat)[:, None], np.radians(grid.lon)[None]
        return np.cos(lat) ** 2 * np.cos(2 * lon)

    errors = []
    for cells in ("90x180", "180x360"):
        source = named_grid(cells)
        result = separable_weights(source, target, method).apply(harmonic(source)[None])[0]
        if method == "conservative":
            fine = named_grid("720x1440")
            exact = separable_weights(fine, target).apply(harmonic(fine)[None])[0]
        else:
            exact = harmonic(target)
        errors.append(np.abs(result - exact).max())
    assert errors[0] < bound
    assert errors[1] < errors[0] * (0.7 if method == "conservative" else 0.45)


def test_missing_values_take_no_part_and_masks_may_change():
    source, target = named_grid("5deg"), named_grid("10deg")
    values = np.stack([field(source, n) for n in range(4)])
    values[:2, :18] = np.nan  # the same mask twice, then another, then none
    values[2, :, 5] = np.nan
    result = separable_weights(source, target).apply(values, min_valid=0.5)
    assert np.isnan(result[:2, :9]).all()
    assert np.isfinite(result[:2, 9:]).all()
    assert np.isfinite(result[2:]).all()
    for one, field_ in zip(result, values, strict=True):
        slow, part = slow_regrid.conservative(
            field_, source.lat_edges, source.lon_edges, target.lat_edges, target.lon_edges
        )
        kept = part >= 0.5
        np.testing.assert_allclose(one[kept], slow[kept], rtol=1e-12)
    # Half of each cell is gone in the column of the third field: one half and a little is too much.
    strict = separable_weights(source, target).apply(values[2:3], min_valid=0.51)
    assert np.isnan(strict[0, :, 2]).all()
    assert np.isfinite(strict[0, :, 3]).all()


def test_an_infinite_value_is_missing_too():
    source, target = named_grid("5deg"), named_grid("10deg")
    values = field(source)[None]
    values[0, 3, 3] = np.inf
    assert np.isfinite(separable_weights(source, target).apply(values)).all()


def test_single_precision_keeps_a_constant_exactly():
    source, target = named_grid("era5"), named_grid("1.4deg")
    values = np.full((1, *source.shape), 288.15, np.float32)
    result = separable_weights(source, target).apply(values)
    assert result.dtype == np.float32
    assert (result == np.float32(288.15)).all()


def test_nearest_takes_the_value_of_the_nearest_centre_round_the_circle():
    source = make_grid([-45.0, 45.0], [10.0, 130.0, 250.0])
    target = make_grid([-80.0, 1.0], [0.0, 69.9, 189.0, 191.0, 310.1])
    weights = separable_weights(source, target, "nearest")
    assert weights.lon.argmax(axis=1).tolist() == [0, 0, 1, 2, 0]
    assert weights.lat.argmax(axis=1).tolist() == [0, 1]


def test_overlaps_of_intervals_that_do_not_meet_are_none():
    assert overlaps(np.array([0.0, 1.0]), np.array([2.0, 3.0])).nnz == 0


def test_grids_without_a_common_cell_and_unknown_methods_are_refused():
    north = named_grid("5deg").part((30, 60), (0, 50))
    south = named_grid("5deg").part((-60, -30), (0, 50))
    with pytest.raises(InvalidRequest, match="covers no cell"):
        separable_weights(north, south)
    with pytest.raises(InvalidRequest, match="conservative, bilinear, nearest"):
        separable_weights(north, north, "cubic")
