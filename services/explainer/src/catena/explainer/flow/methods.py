"""Each method on one basin's forecasts, or on what a network shows of itself, as a dataset."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from catena.explainer.attribution.agreement import mean_importance
from catena.explainer.attribution.hessians import integrated_hessians
from catena.explainer.attribution.integrated import GRADIENTS, IntegratedGradients
from catena.explainer.attribution.permutation import (
    permutation_importance,
    pinball_loss,
    squared_error,
)
from catena.explainer.attribution.shapley import shap_kind
from catena.explainer.flow.basin import MM, Basin, FlowSettings
from catena.explainer.flow.internals import importances, read_internals
from catena.explainer.flow.ledger import Ledger
from catena.explainer.flow.loading import LoadedNetwork, LoadedSamples

Array = NDArray[np.float64]

LEAST_POINTS = 200
"""Random points of gradient SHAP; more where steps times baselines are more."""
HESSIANS = "integrated_hessians"
PERMUTATION = "permutation"
ATTENTION = "attention"
IMPORTANCE = "importance"
OF_NETWORK = (ATTENTION, IMPORTANCE)
"""Methods that read what the network shows of itself; all others ask it, basin by basin."""


def explain_basin(method: str, basin: Basin, settings: FlowSettings, ledger: Ledger) -> xr.Dataset:
    """What a method finds in a basin's forecasts.

    Raises
    ------
    InvalidData
        When forecasts are not finite or depend on no input, or Shapley values do not add up.
    """
    with ledger.cost(method):
        if method in GRADIENTS:
            return _gradients(method, basin, settings, ledger)
        if method == HESSIANS:
            return _hessians(basin, ledger)
        if method == PERMUTATION:
            return _permutation(basin, settings, ledger)
        return _shapley(method, basin, settings, ledger)


def _gradients(method: str, basin: Basin, settings: FlowSettings, ledger: Ledger) -> xr.Dataset:
    """Contributions of each variable and lag; those of the first such method are the main ones."""
    baselines = basin.baselines
    if method == "integrated_gradients":
        baselines = baselines.nanmean(0, keepdim=True)
    made = IntegratedGradients(basin.predict, steps=settings.steps).attribute(basin.rows, baselines)
    grouped = made.grouped(basin.columns.by_variable())
    ledger.note(method, mean_importance(grouped[:, basin.leads]), made.completeness)
    contribution, attributes = basin.columns.to_arrays(made.values)
    first = next(name for name in settings.methods if name in GRADIENTS)
    suffix = "" if method == first else f"_{method}"
    about = {**MM, "long_name": f"contribution by {method.replace('_', ' ')}"}
    one = len(baselines) == 1
    reference = {
        **MM, "long_name": "forecast of the baseline" if one else "mean forecast of the baselines"
    }  # fmt: skip
    return xr.Dataset(
        {
            f"contribution{suffix}": (
                ("sample", "lead", "variable", "lag"),
                contribution.astype(np.float32),
                about,
            ),
            f"attribute_contribution{suffix}": (
                ("sample", "lead", "attribute"),
                attributes.astype(np.float32),
                about,
            ),
            f"reference{suffix}": (("sample", "lead"), made.reference.numpy(), reference),
            "completeness": _completeness(method, made.delta.numpy()),
        }
    ).assign_coords(method=[method])


def _hessians(basin: Basin, ledger: Ledger) -> xr.Dataset:
    """What pairs of variables contribute together."""
    groups = basin.columns.by_variable()
    made = integrated_hessians(
        basin.predict, basin.rows[basin.dear], basin.baselines, groups, outputs=basin.leads
    )
    ledger.note(HESSIANS, mean_importance(made.values.sum(-1)), made.completeness)
    dims = ("sample", "interaction_lead", "group", "other_group")
    about = {**MM, "long_name": "joint contribution of two groups of inputs"}
    return xr.Dataset(
        {
            "interaction": (dims, basin.whole(made.values).astype(np.float32), about),
            "completeness": _completeness(HESSIANS, _of_all_leads(made.delta, basin)),
        }
    ).assign_coords(method=[HESSIANS])


def _shapley(method: str, basin: Basin, settings: FlowSettings, ledger: Ledger) -> xr.Dataset:
    """Shapley values of variables over blocks of lags."""
    more = {}
    if method == "gradient_shap":
        more["samples"] = max(LEAST_POINTS, settings.steps * settings.baselines)
    made = shap_kind(method)(
        basin.predict,
        basin.rows[basin.dear],
        basin.baselines,
        basin.columns.by_blocks(),
        outputs=basin.leads,
        seed=settings.seed,
        **more,
    )
    of_variable = np.array([feature.variable for feature in basin.columns.features()])
    whole = [made.values[..., of_variable == group].sum(-1) for group in basin.columns.groups]
    ledger.note(method, mean_importance(torch.stack(whole, -1)), made.additivity)
    values = basin.whole(made.values).astype(np.float32)
    about = {**MM, "long_name": f"Shapley value by {method.replace('_', ' ')}"}
    name = f"shap_{method.removesuffix('_shap')}"
    return xr.Dataset(
        {
            name: (("sample", "shap_lead", "feature"), values, about),
            "completeness": _completeness(method, _of_all_leads(made.delta, basin)),
        }
    ).assign_coords(method=[method])


def _permutation(basin: Basin, settings: FlowSettings, ledger: Ledger) -> xr.Dataset:
    """Rise of the error when a variable comes from another day; NaN where that says nothing."""
    level, groups = settings.quantile, basin.columns.by_variable()
    error = "squared error" if level is None else f"pinball loss of the {level:g} quantile"
    about = {"units": "1", "long_name": f"rise of the {error} over the {error}"}
    lacking = _cannot_permute(basin)
    if lacking:
        ledger.remarks.append(f"permutation says nothing of basin {basin.name}, {lacking}")
        values = np.full((1, basin.samples.leads, len(groups)), np.nan)
    else:
        made = permutation_importance(
            basin.predict,
            basin.rows,
            torch.from_numpy(basin.samples.observed),
            groups,
            loss=squared_error if level is None else pinball_loss(level),
            seed=settings.seed,
        )
        rise = made.rise[basin.leads].clamp(min=0).nanmean(0)
        ledger.note(PERMUTATION, rise.numpy())
        values = made.relative.numpy()[None]
    return xr.Dataset(
        {"permutation_of_gauge": (("gauge", "lead", "group"), values, about)}
    ).assign_coords(gauge=[basin.name])


def _cannot_permute(basin: Basin) -> str:
    """Why variables cannot come from another day, or their errors not be known; empty if they can.

    Other methods have something to say of such a basin, so it is no error.
    """
    if len(basin.samples) < 2:
        return "of which one forecast only was drawn: there is no other day to take from"
    if not np.isfinite(basin.samples.observed).any():
        return "in which no flow of the days that are forecast was observed"
    return ""


def _of_all_leads(delta: torch.Tensor, basin: Basin) -> Array:
    """Errors of the dear rows and leads among all (N, H), NaN elsewhere."""
    made = np.full((len(basin.rows), basin.samples.leads), np.nan)
    made[:, basin.leads] = basin.whole(delta)
    return made


def _completeness(method: str, delta: Array) -> tuple[tuple[str, ...], Array, dict[str, str]]:
    about = {**MM, "long_name": "sum of the contributions less what they explain"}
    return ("method", "sample", "lead"), delta[None], about


def read_network_words(
    method: str,
    network: LoadedNetwork,
    loaded: LoadedSamples,
    groups: tuple[str, ...],
    ledger: Ledger,
) -> xr.Dataset:
    """What the network shows of itself: attention and gate, or importances; empty if nothing.

    The attribute ``note`` says why it is empty.
    """
    with ledger.cost(method):
        shown = read_internals(network.network, loaded.explained)
        names = [str(name) for name in shown.data_vars]
        found = shown[[name for name in names if ("importance" in name) == (method == IMPORTANCE)]]
        if method == IMPORTANCE and "variable_importance" in found:
            share = found["variable_importance"].mean(("sample", "lead"))
            ledger.note(method, _of_groups(share, groups))
            posterior = importances(network.network, loaded.explained)
            if posterior is not None:
                found[str(posterior.name)] = posterior
        if not found.data_vars:
            kind = "importances" if method == IMPORTANCE else "attention"
            found.attrs["note"] = f"{network.model} has no {kind} of its own to show"
    return found


def _of_groups(share: xr.DataArray, groups: tuple[str, ...]) -> Array:
    """Importance of groups, past and forecast of a variable together, (G,)."""
    made = np.zeros(len(groups))
    for name, value in zip(share["importance_variable"].values, share.values, strict=True):
        made[groups.index(str(name).removeprefix("forecast "))] += value
    return made
