"""What is known of why forecasts of fields came out as they did, as one dataset with its facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from catena.explainer.orbit.words import paragraph

__all__ = ["OrbitExplanation"]


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
        prediction, observed                sample, lead, target; units of the target
        reference, reference_<other>        sample, lead, target: what contributions add up from, by
                                            method with gradients as below; otherwise the mean
                                            prediction of the background
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
