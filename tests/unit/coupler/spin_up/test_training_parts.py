"""What is held out is held out: whole blocks of space, and parameter sets that sites share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.coupler.spin_up.training_parts import (
    LEFT_OUT,
    TEST,
    TRAINING,
    VALIDATION,
    block_width,
    parameter_blocks,
    parts,
    spatial_blocks,
    split,
)
from catena.shared.errors import InvalidRequest


def _region(seed: int, cells: int = 60, sets: int = 3):
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(25.0, 49.0, cells), rng.uniform(-104.0, -66.0, cells)
    cell = np.repeat(np.arange(cells), sets)
    return lat[cell], lon[cell], rng.random((cell.size, 4)), cell


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(2.0, 12.0))
def test_no_cell_and_no_block_stands_in_two_parts(seed: int, degrees: float) -> None:
    lat, lon, parameters, cell = _region(seed)
    part, by = split(lat, lon, parameters, degrees, seed)
    assert by == "space"
    assert set(part) == {TRAINING, VALIDATION, TEST}
    for groups in (cell, spatial_blocks(lat, lon, degrees)):
        assert all(len(set(part[groups == g])) == 1 for g in np.unique(groups))


def test_blocks_have_their_width_in_both_conventions_of_longitude() -> None:
    lat, lon, _, _ = _region(1)
    blocks = spatial_blocks(lat, lon, 5.0)
    for block in np.unique(blocks):
        assert np.ptp(lat[blocks == block]) <= 5.0
        assert np.ptp(lon[blocks == block]) <= 5.0
    np.testing.assert_array_equal(blocks, spatial_blocks(lat, lon + 360.0, 5.0))


def test_shared_parameter_sets_are_held_out_with_the_blocks() -> None:
    rng = np.random.default_rng(2)
    lat, lon = rng.uniform(25.0, 49.0, 80), rng.uniform(-104.0, -66.0, 80)
    cell, row = (a.ravel() for a in np.meshgrid(np.arange(80), np.arange(12), indexing="ij"))
    part, by = split(lat[cell], lon[cell], rng.random((12, 8))[row], 6.0)
    assert by == "space"
    assert (part == LEFT_OUT).any()
    for groups in (cell, row):
        for g in np.unique(groups):
            assert len(set(part[groups == g]) - {LEFT_OUT}) <= 1
    assert {TRAINING, VALIDATION, TEST} <= set(part)


def test_at_one_place_neighbouring_parameter_sets_are_held_out_together() -> None:
    rng = np.random.default_rng(3)
    parameters = rng.random((300, 8)) * [1, 10, 1e-6, 1, 1, 1, 5e4, 0]
    part, by = split(np.full(300, 38.7), np.full(300, -92.2), parameters)
    assert by == "parameters"
    blocks = parameter_blocks(parameters, 20, 0)
    assert all(len(set(part[blocks == b])) == 1 for b in np.unique(blocks))
    assert 0.5 < (part == TRAINING).mean() < 0.9
    # Sites of one block are nearer to its middle than to that of all.
    scaled = parameters[:, :7] / parameters[:, :7].std(axis=0)
    inside = [
        np.linalg.norm(scaled[blocks == b] - scaled[blocks == b].mean(0), axis=1)
        for b in set(blocks)
    ]
    assert (
        np.concatenate(inside).mean() < 0.8 * np.linalg.norm(scaled - scaled.mean(0), axis=1).mean()
    )


def test_the_test_stays_the_same_when_there_is_less_to_learn_from() -> None:
    blocks = np.arange(40)
    big, small = parts(blocks, seed=5), parts(blocks, (0.1, 0.15, 0.15), seed=5)
    assert set(np.flatnonzero(big == TEST)) <= set(np.flatnonzero(small == TEST))


def test_too_few_places_and_parameter_sets_are_refused_and_told_why() -> None:
    with pytest.raises(InvalidRequest, match="learn from more cells or more parameter sets"):
        split(np.array([1.0, 1.0]), np.array([2.0, 2.0]), np.ones((2, 3)))
    with pytest.raises(InvalidRequest, match="2 blocks of sites"):
        parts(np.array([0, 1]))
    with pytest.raises(InvalidRequest, match="above 0"):
        split(*_region(0)[:3], degrees=0.0)


def test_a_block_is_a_sixth_of_a_region_and_30_degrees_of_the_globe() -> None:
    assert block_width(np.array([20.0, 50.0]), np.array([0.0, 60.0])) == 10.0
    assert block_width(np.array([-60.0, 80.0]), np.array([-180.0, 180.0])) == 30.0
