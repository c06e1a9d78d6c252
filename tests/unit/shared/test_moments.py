"""Merged moments are those of all values at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.shared.moments import Moments


@settings(deadline=None, max_examples=40)
@given(
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    seed=st.integers(0, 99),
    level=st.floats(-1e6, 1e6),
)
def test_merged_moments_are_those_of_two_passes(cuts: list[int], seed: int, level: float) -> None:
    values = np.random.default_rng(seed).normal(level, 1.0, (sum(cuts), 2, 3, 5))
    values[0, 1, 0, 0] = np.nan
    moments, start = Moments(2), 0
    for cut in cuts:
        moments.update(values[start : start + cut])
        start += cut
    for channel in range(2):
        flat = values[:, channel].ravel()
        flat = flat[~np.isnan(flat)]
        assert moments.mean[channel] == pytest.approx(flat.mean(), rel=1e-12, abs=1e-12)
        centred = flat - flat.mean()
        # The means carry rounding of 1e-16 |level| each, beside a standard deviation of 1.
        wanted = np.sqrt(np.mean(centred**2))
        assert moments.std[channel] == pytest.approx(wanted, rel=1e-12 + 1e-15 * abs(level))
        assert (moments.low[channel], moments.high[channel]) == (flat.min(), flat.max())
    assert moments.missing.tolist() == [0, 1]


def test_moments_of_two_streams_merge_and_survive_json() -> None:
    values = np.random.default_rng(3).normal(300, 2, (40, 3, 4, 4))
    first, second, whole = Moments(3), Moments(3), Moments(3)
    first.update(values[:13])
    second.update(values[13:])
    whole.update(values)
    restored = Moments.from_dict(json.loads(json.dumps(first.to_dict())))
    restored.merge(second)
    np.testing.assert_allclose(restored.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(restored.std, whole.std, rtol=1e-12)
    assert np.array_equal(restored.count, whole.count)
