from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catena.calibrator.prior import Prior
from catena.shared.errors import InvalidData

BOX = Prior(("a", "b"), np.array([1.5e-6, 35000.0]), np.array([4e-6, 45000.0]), ("s-1", "s"))
numbers = st.floats(-1e300, 1e300, allow_nan=False)


@given(arrays(np.float64, (4, 2), elements=numbers))
def test_no_number_leaves_the_box(z: np.ndarray) -> None:
    for x in (BOX.from_probit(z), BOX.from_unit(np.clip(z, 0, 1).astype(np.float32))):
        assert (x >= BOX.low).all() and (x <= BOX.high).all()


@given(arrays(np.float64, (3, 2), elements=st.floats(1e-6, 1 - 1e-6)))
def test_maps_are_inverses(unit: np.ndarray) -> None:
    x = BOX.from_unit(unit)
    np.testing.assert_allclose(BOX.to_unit(x), unit, atol=1e-9)
    np.testing.assert_allclose(BOX.from_probit(BOX.to_probit(x)), x, rtol=1e-9)


def test_probit_of_the_prior_is_standard_normal() -> None:
    z = BOX.unit_to_probit(BOX.sobol_unit(4096, 1))
    np.testing.assert_allclose(z.mean(0), 0.0, atol=5e-3)
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=1e-2)


def test_faces_of_the_box_have_finite_probits() -> None:
    assert np.isfinite(BOX.to_probit(np.stack([BOX.low, BOX.high]))).all()


def test_edges_are_inside() -> None:
    assert BOX.contains(np.stack([BOX.low, BOX.high])).all()
    assert not BOX.contains(np.nextafter(BOX.high, np.inf)[None]).any()


def test_dictionary_round_trip() -> None:
    again = Prior.from_dict(BOX.to_dict())
    assert again.names == BOX.names and again.units == BOX.units
    assert np.array_equal(again.low, BOX.low) and np.array_equal(again.high, BOX.high)


@pytest.mark.parametrize(
    ("names", "low", "high", "said"),
    [
        (("a", "b"), [0, 1], [1, 1], r"parameters\[1\]"),
        (("a", "b"), [0, np.nan], [1, 1], r"parameters\[1\]"),
        (("a", "a"), [0, 0], [1, 1], "appears twice"),
        (("a",), [0, 0], [1, 1], "one of each per parameter"),
        ((), [], [], "one of each per parameter"),
    ],
)
def test_a_box_that_is_none_is_refused(
    names: tuple[str, ...], low: list[float], high: list[float], said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        Prior(names, np.array(low), np.array(high))
