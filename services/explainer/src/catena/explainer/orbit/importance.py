"""How much each variable matters to forecasts of fields, by each method on one scale."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["variable_importance", "variable_shares"]

OTHER_THAN_SUMS = ("permutation", "attention")
"""Methods whose importances are no contributions."""


def variable_shares(data: xr.Dataset) -> dict[str, NDArray[np.float64]]:
    """Share of each variable by each method, (..., lead, variable); mean over samples.

    Of what :meth:`.explanation.OrbitExplanation.to_dataset` gives, or of one target of it. Shares
    of a lead and a target add up to 1.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for name in map(str, data):
        method = _method(name, str(data.attrs["first_method"]))
        if method:
            # Forecasts that get better where a variable is swapped do not rest on it.
            sizes = data[name].clip(min=0.0) if method == "permutation" else abs(data[name])
            if "sample" in sizes.dims:
                sizes = sizes.mean("sample")
            shares = sizes / sizes.sum("variable").where(lambda total: total > 0)
            found[method] = shares.transpose(..., "lead", "variable").values.astype(np.float64)
    return {name: found[name] for name in sorted(found, key=lambda name: name in OTHER_THAN_SUMS)}


def variable_importance(data: xr.Dataset) -> dict[str, NDArray[np.float64]]:
    """How much each variable (V) matters by each method: shares, mean over leads and targets."""
    return {
        name: shares.reshape(-1, shares.shape[-1]).mean(0)
        for name, shares in variable_shares(data).items()
    }


def _method(array: str, first: str) -> str:
    """Name of the method whose importances an array holds, empty where it holds none."""
    if array == "variable_contribution":
        return first
    if array.startswith("variable_contribution_"):
        return array.removeprefix("variable_contribution_")
    if array.startswith("shap_"):
        return f"{array.removeprefix('shap_')}_shap"
    return {"permutation": "permutation", "attention_importance": "attention"}.get(array, "")
