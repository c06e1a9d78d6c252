"""What is known of why forecasts of fields came out as they did, as one dataset with its facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.explainer.orbit.words import paragraph

__all__ = ["OrbitExplanation", "variable_importance", "variable_shares"]

OTHER_THAN_SUMS = ("permutation", "attention")
"""Methods whose importances are no contributions."""


@dataclass(frozen=True, eq=False)
class OrbitExplanation:
    """An explanation of forecasts of fields.

    Parameters
    ----------
    data : Dataset
        As :meth:`to_dataset` describes it.
    title : str
    model : str
        Title of the checkpoint.
    methods : mapping of str to mapping
        For each method its settings, the largest error of its sum as a share of the range of the
        prediction (`completeness_max`, where it has one) and the time it took (`cpu_s`).
    agreement : mapping
        `methods`, and their `spearman` rank correlations over variables, None where there is none.
    trained_on, background : str
        Days that the weights have seen, and of the baselines, in words.
    generated : bool
        Whether the model was trained on, or explained on, generated fields.
    notes : tuple of str
        What a reader should know.
    """

    data: xr.Dataset
    title: str
    model: str
    methods: Mapping[str, Mapping[str, Any]]
    agreement: Mapping[str, Any]
    trained_on: str
    background: str
    generated: bool
    notes: tuple[str, ...] = ()

    def to_dataset(self) -> xr.Dataset:
        """Numbers.

        ==================================  =======================================================
        variable                            dimensions, units
        ==================================  =======================================================
        prediction, reference, observed     sample, lead, target; units of the target
        contribution, contribution_<other>  sample, lead, target, variable, lat, lon; the same. One
                                            for each method with gradients, the first has no suffix
        variable_contribution (the same)    sample, lead, target, variable: sums over the grid
        shap_<kind>                         sample, lead, target, variable
        permutation                         lead, target, variable: rise of the squared error over
                                            the squared error
        completeness                        method, sample, lead, target; units of the target
        value                               sample, variable, lat, lon; units of the variable
        background_mean                     variable, lat, lon: mean of the baselines
        influence_by_distance               lead, target, source, distance; the source is "all" or
                                            a variable: share of its influence by distance from the
                                            box, see :class:`.influence.Influence`
        influence_share, _outside           lead, target, source
        influence_half, _east, _north,      lead, target, source; km
        _upwind
        wind_travel                         lead, target; km
        attention                           sample, lead, target, block, head, patch_lat, patch_lon
        attention_rollout                   sample, lead, target, patch_lat, patch_lon
        attention_variable                  sample, variable, patch_lat, patch_lon
        attention_importance                sample, lead, target, variable
        cell_share                          target, lat, lon: share of each cell in the mean
        ==================================  =======================================================
        """
        return self.data

    def about(self) -> dict[str, Any]:
        """What is known beside the numbers, as JSON; `words` is a paragraph drawn from them."""
        return {
            "title": self.title,
            "model": self.model,
            "generated": self.generated,
            "trained_on": self.trained_on,
            "background": self.background,
            "samples": self.data["time"].values.tolist(),
            "leads_h": self.data["lead"].values.tolist(),
            "targets": [
                {"label": str(label), "units": str(units)}
                for label, units in zip(
                    self.data["target"].values, self.data["target_units"].values, strict=True
                )
            ],
            "methods": {name: dict(facts) for name, facts in self.methods.items()},
            "agreement": dict(self.agreement),
            "notes": list(self.notes),
            "words": self.words,
        }

    @property
    def words(self) -> str:
        """A paragraph drawn from the numbers."""
        return paragraph(self.data, self.methods, self.agreement)


def variable_shares(data: xr.Dataset) -> dict[str, NDArray[np.float64]]:
    """Share of each variable by each method, (..., lead, variable); mean over samples.

    Of what :meth:`OrbitExplanation.to_dataset` gives, or of one target of it. Shares of a lead and
    a target add up to 1.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for name in map(str, data):
        method = _method(name, str(data.attrs["first_method"]))
        if method:
            sizes = abs(data[name])
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
