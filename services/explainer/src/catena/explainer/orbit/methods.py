"""The methods that explain forecasts of fields at work, lead by lead."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from catena.explainer.attribution.integrated import GRADIENTS, IntegratedGradients
from catena.explainer.attribution.permutation import permutation_importance
from catena.explainer.attribution.prediction import predictions, reference_predictions
from catena.explainer.attribution.shapley import SHAP_KINDS
from catena.explainer.orbit.attending import attended
from catena.explainer.orbit.influence import (
    Influence,
    Place,
    distance_edges,
    steering_wind,
    wind_over,
)
from catena.explainer.orbit.loading import Fields
from catena.explainer.orbit.prediction import FieldPrediction, flat, variable_groups

__all__ = ["METHODS", "SAMPLE", "Work"]

SHAPLEY = tuple(SHAP_KINDS)
METHODS = (*GRADIENTS, *SHAPLEY, "attention", "permutation")

NUMBERS_PER_PASS = 2_000_000
"""Numbers of the fields of one pass: what bounds the memory."""
MOST_STEPS = 128
SAMPLE = ("sample", "lead", "target")
"""Dimensions of what there is of each forecast."""
ORDERS = 4
"""Orders of the variables in permutation SHAP: each is gone through forward and backward."""
GRADIENT_SAMPLES = 1000
REPEATS = 5
IN_KM = ("half", "east", "north", "upwind")

Array = NDArray[np.float64]


class Work:
    """One explanation under way: what its methods share, and what they have found, by lead.

    Parameters
    ----------
    whole : FieldPrediction
        All targets at all leads.
    samples, background : Fields
    methods : sequence of str
        Of :data:`METHODS`, in the order in which they are asked for.
    steps, seed : int
        As in :func:`.explain.explain_fields`.
    """

    def __init__(
        self,
        whole: FieldPrediction,
        samples: Fields,
        background: Fields,
        methods: Sequence[str],
        steps: int,
        seed: int,
    ) -> None:
        self.whole, self.samples, self.background = whole, samples, background
        self.steps, self.seed = steps, seed
        self.first = next((name for name in methods if name in GRADIENTS), "")
        self.inputs, self.baselines = flat(samples.values), flat(background.values)
        self.groups = variable_groups(whole.forecast)
        self.rows = max(1, min(256, NUMBERS_PER_PASS // whole.columns))
        self.places = [Place.of(cells, samples.lat, samples.lon) for cells in whole.cells]
        self.edges = distance_edges(samples.lat)
        self.winds = _winds(whole, samples)
        self._found: dict[str, tuple[tuple[str, ...], list[Array]]] = {}
        self._constant: dict[str, Any] = {}
        self._errors: dict[str, list[Array]] = defaultdict(list)
        self._facts: dict[str, dict[str, Any]] = defaultdict(dict)

    def predicted(self, lead: float) -> None:
        """Predictions and, unless a method with gradients has its own, what they differ from."""
        predict = self.whole.at_lead(lead)
        prediction = predictions(predict, self.inputs, self.rows)
        self._add("prediction", ("sample", "target"), prediction.numpy())
        if not self.first:
            usual = reference_predictions(predict, self.inputs, self.baselines, self.rows)
            self._add("reference", ("sample", "target"), usual.mean(1).numpy())

    def method(self, method: str, lead: float, observed: Array) -> None:
        """What a method finds at a lead, where this was observed, (N, T)."""
        before = time.process_time()
        predict = self.whole.at_lead(lead)
        if method in GRADIENTS:
            self._gradients(method, predict, lead)
        elif method in SHAPLEY:
            self._shapley(method, predict)
        elif method == "attention":
            self._attention(lead)
        else:
            self._permutation(predict, observed)
        facts = self._facts[method]
        facts["cpu_s"] = facts.get("cpu_s", 0.0) + time.process_time() - before

    def facts(self, method: str) -> dict[str, Any]:
        """Settings, error and time of a method."""
        return dict(self._facts[method])

    def dataset(self, leads: Sequence[float]) -> xr.Dataset:
        """All that was found."""
        arrays: dict[str, Any] = {}
        for name, (dims, by_lead) in self._found.items():
            axis = 1 if dims[0] == "sample" else 0
            arrays[name] = ((*dims[:axis], "lead", *dims[axis:]), np.stack(by_lead, axis))
        if self._errors:
            errors = np.stack([np.stack(one, 1) for one in self._errors.values()])
            arrays["completeness"] = (("method", *SAMPLE), errors)
        samples, patch = self.samples, self.whole.forecast.model.config.patch
        targets = self.whole.targets
        coordinates = {
            "time": ("sample", samples.dates(), {"calendar": samples.calendar}),
            "lead": ("lead", np.array(leads, np.float64), {"units": "h"}),
            "target": ("target", [target.label for target in targets]),
            "target_units": ("target", list(self.whole.units)),
            "target_variable": ("target", [target.variable for target in targets]),
            "variable": ("variable", list(samples.variables)),
            "variable_units": ("variable", list(samples.units)),
            "lat": ("lat", samples.lat, {"units": "degrees_north"}),
            "lon": ("lon", samples.lon, {"units": "degrees_east"}),
            "patch_lat": ("patch_lat", samples.lat.reshape(-1, patch).mean(1)),
            "patch_lon": ("patch_lon", samples.lon.reshape(-1, patch).mean(1)),
            "distance": ("distance", self.edges, {"units": "km", "long_name": "outer edge"}),
            "source": ("source", ["all", *samples.variables]),
            "method": ("method", list(self._errors)),
        }
        grid = ("variable", "lat", "lon")
        arrays |= self._constant | {
            "value": (("sample", *grid), samples.values),
            "background_mean": (grid, _mean(self.background.values)),
            "cell_share": (("target", "lat", "lon"), self.whole.cells),
        }
        data = xr.Dataset(arrays, coordinates, {"first_method": self.first})
        for array in arrays:
            data[array].attrs["units"] = _units(array)
        return data

    # -------------------------------------------------------------- methods

    def _gradients(self, method: str, predict: FieldPrediction, lead: float) -> None:
        baselines = self.baselines
        if method == "integrated_gradients":
            baselines = flat(_mean(self.background.values)[None])
        found = IntegratedGradients(
            predict, steps=self.steps, most_steps=max(MOST_STEPS, self.steps), rows=self.rows
        ).attribute(self.inputs, baselines)
        maps = found.values.numpy().reshape(*found.values.shape[:2], *self.whole.shape)
        other = "" if method == self.first else f"_{method}"
        name = f"contribution{other}"
        self._add(f"reference{other}", ("sample", "target"), found.reference.numpy())
        dims = ("sample", "target", "variable")
        self._add(name, (*dims, "lat", "lon"), maps.astype(np.float32))
        self._add(f"variable_{name}", dims, maps.sum((-2, -1)))
        self._sums(method, found.delta, found.completeness)
        self._facts[method] |= {"steps": self.steps, "baselines": len(baselines)}
        if not other:
            self._influence(maps, lead)

    def _influence(self, maps: Array, lead: float) -> None:
        """Where the contributions (N, T, V, H, W) come from."""
        found = [
            Influence.of(maps[:, place], where, self.edges, self.winds[place], lead)
            for place, where in enumerate(self.places)
        ]
        by_distance = np.stack([one.by_distance for one in found])
        self._add("influence_by_distance", ("target", "source", "distance"), by_distance)
        for name in ("share", "half_km", "outside", "east_km", "north_km", "upwind_km"):
            values = np.stack([getattr(one, name) for one in found])
            self._add(f"influence_{name.removesuffix('_km')}", ("target", "source"), values)
        self._add("wind_travel", ("target",), np.array([one.travel_km for one in found]))

    def _shapley(self, method: str, predict: FieldPrediction) -> None:
        count = len(self.groups)
        sizes: dict[str, dict[str, int]] = {
            "kernel_shap": {"coalitions": min(2 ** min(count, 30) - 2, 64 + 16 * count)},
            "permutation_shap": {"orders": ORDERS},
            "gradient_shap": {"samples": GRADIENT_SAMPLES},
        }
        found = SHAP_KINDS[method](
            predict,
            self.inputs,
            self.baselines,
            self.groups,
            seed=self.seed,
            rows=self.rows,
            **sizes[method],
        )
        name = f"shap_{method.removesuffix('_shap')}"
        self._add(name, ("sample", "target", "variable"), found.values.numpy())
        self._sums(method, found.delta, found.additivity)
        self._facts[method] |= {**sizes[method], "baselines": len(self.baselines)}

    def _permutation(self, predict: FieldPrediction, observed: Array) -> None:
        known = np.flatnonzero(np.isfinite(observed).any(1))
        found = permutation_importance(
            predict,
            self.inputs[torch.from_numpy(known)],
            torch.from_numpy(observed[known]),
            self.groups,
            repeats=REPEATS,
            seed=self.seed,
            rows=self.rows,
        )
        self._add("permutation", ("target", "variable"), found.relative.numpy())
        self._facts["permutation"] |= {"repeats": REPEATS, "forecasts": known.size}

    def _attention(self, lead: float) -> None:
        found = attended(self.whole.forecast, self.samples, self.whole.cells, lead)
        patch = ("patch_lat", "patch_lon")
        self._add("attention", ("sample", "target", "block", "head", *patch), found.maps)
        self._add("attention_rollout", ("sample", "target", *patch), found.rollout)
        self._add("attention_importance", ("sample", "target", "variable"), found.importance)
        # What is taken up at a patch is chosen before the lead is known.
        self._constant["attention_variable"] = (("sample", "variable", *patch), found.variables)

    # -------------------------------------------------------------- parts

    def _add(self, name: str, dims: tuple[str, ...], values: Array) -> None:
        self._found.setdefault(name, (dims, []))[1].append(values)

    def _sums(self, method: str, delta: Tensor, worst: float) -> None:
        """Errors (N, T) of the sums of contributions, and the worst as a share of the range."""
        self._errors[method].append(delta.numpy())
        facts = self._facts[method]
        facts["completeness_max"] = max(facts.get("completeness_max", 0.0), worst)


def _winds(whole: FieldPrediction, samples: Fields) -> list[Array | None]:
    """Winds (N, 2) over the box of each target."""
    pair = steering_wind(dict(zip(samples.variables, samples.units, strict=True)))
    if pair is None:
        return [None] * len(whole.targets)
    winds = [wind_over(samples.values, samples.variables, pair, cells) for cells in whole.cells]
    return [wind if np.isfinite(wind).all() else None for wind in winds]


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over times of fields, NaN where none is known."""
    known = np.isfinite(values)
    count = known.sum(0)
    total = np.where(known, values, 0.0).sum(0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _units(name: str) -> str:
    """Units of an array of the result, by its name."""
    if name in (*(f"influence_{kind}" for kind in IN_KM), "wind_travel"):
        return "km"
    if name in ("value", "background_mean"):
        return "those of variable_units"
    if name.startswith(("influence", "attention", "permutation", "cell_share")):
        return "1"
    return "those of target_units"
