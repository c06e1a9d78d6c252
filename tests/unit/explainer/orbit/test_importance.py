"""Shares of variables, of numbers that are written here."""

from __future__ import annotations

import numpy as np
import xarray as xr

from catena.explainer.orbit.importance import variable_importance, variable_shares


def numbers() -> xr.Dataset:
    """Two samples, a lead, three variables; the forecast gets better where `ua` is swapped."""
    parts = np.array([[[3.0, -1.0, 0.0]], [[-1.0, 3.0, 0.0]]])
    dims = ("sample", "lead", "variable")
    return xr.Dataset(
        {
            "variable_contribution": (dims, parts),
            "shap_kernel": (dims, 0.0 * parts),
            "permutation": (("lead", "variable"), [[0.6, 0.2, -0.4]]),
        },
        {"variable": ["tas", "psl", "ua"]},
        {"first_method": "expected_gradients"},
    )


def test_contributions_that_cancel_are_no_less_important() -> None:
    found = variable_shares(numbers())
    np.testing.assert_allclose(found["expected_gradients"], [[0.5, 0.5, 0.0]])
    assert list(found) == ["expected_gradients", "kernel_shap", "permutation"]
    assert np.isnan(found["kernel_shap"]).all(), "of nothing there are no shares"


def test_a_variable_that_is_better_swapped_is_not_important() -> None:
    np.testing.assert_allclose(variable_importance(numbers())["permutation"], [0.75, 0.25, 0.0])
