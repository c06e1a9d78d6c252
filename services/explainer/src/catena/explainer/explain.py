"""Forecasts of streamflow, explained by all methods that were asked for, basin by basin.

A basin's forecasts are compared with days of the training climate of the same basin: what a
forecast rests on is then not that its basin is wet, but that this day is not like the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from catena.explainer.attribution.agreement import rank_agreement
from catena.explainer.flow.basin import Basin, FlowSettings
from catena.explainer.flow.columns import FlowColumns
from catena.explainer.flow.ledger import Ledger
from catena.explainer.flow.loading import LoadedNetwork, LoadedSamples
from catena.explainer.flow.methods import OF_NETWORK, explain_basin, read_network_words
from catena.explainer.report.knowledge import check_knowledge
from catena.explainer.report.words import explanation_words

Progress = Callable[[float, str], None]

OF_BASIN = ("sample", "method", "gauge")
"""Dimensions along which basins and methods are joined."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Numbers, and what is known of them.

    Parameters
    ----------
    dataset : xr.Dataset
        As ``explanation.zarr`` holds it.
    about : dict
        As ``explanation.json`` holds it.
    """

    dataset: xr.Dataset
    about: dict[str, Any]


def explain_flow(
    network: LoadedNetwork,
    loaded: LoadedSamples,
    settings: FlowSettings,
    *,
    title: str = "",
    progress: Progress = lambda share, message: None,
) -> Explanation:
    """Explain a network's forecasts.

    Parameters
    ----------
    network : LoadedNetwork
    loaded : LoadedSamples
        What the forecaster drew: forecasts to explain, days of the training climate.
    settings : FlowSettings
    title : str
    progress : callable

    Raises
    ------
    InvalidData
        When the network does not take the samples, its forecasts are not finite or do not depend
        on any input, Shapley values do not add up, or the background lacks a basin.
    """
    columns = FlowColumns.of(loaded.explained)
    columns.check(network.network)
    names = list(dict.fromkeys(loaded.explained.basins))
    asked = [name for name in settings.methods if name not in OF_NETWORK]
    ledger = Ledger()
    basins = []
    for place, name in enumerate(names):
        basin = Basin.of(name, network, loaded, settings)
        found = [basin.dataset()]
        for nth, method in enumerate(asked):
            done = (place + nth / len(asked)) / len(names)
            progress(0.02 + 0.9 * done, f"{method.replace('_', ' ')} of basin {name}")
            found.append(explain_basin(method, basin, settings, ledger))
        basins.append(xr.merge(found, join="outer", compat="no_conflicts"))
    dataset = _joined(basins)
    notes = []
    for method in (name for name in settings.methods if name in OF_NETWORK):
        shown = read_network_words(method, network, loaded, columns.groups, ledger)
        notes += [shown.attrs["note"]] if "note" in shown.attrs else []
        dataset = xr.merge([dataset, shown], join="exact", combine_attrs="drop")
    about = _about(network, loaded, settings, ledger, title) | {"notes": notes}
    checks = check_knowledge(dataset, about)
    about["knowledge"] = [check.to_dict() for check in checks]
    about["words"] = explanation_words(dataset, about, checks)
    dataset.attrs = {"Conventions": "CF-1.11", "title": about["title"]}
    if about["generated"]:
        dataset.attrs["generated"] = "true"
    return Explanation(dataset, about)


def _joined(basins: list[xr.Dataset]) -> xr.Dataset:
    """Basins one after the other, in the order of their samples."""
    own = [name for name in basins[0].data_vars if "gauge" in basins[0][name].dims]
    samples = [basin.drop_vars(own).drop_vars("gauge", errors="ignore") for basin in basins]
    joined = xr.concat(samples, "sample", data_vars="minimal", coords="minimal", join="exact")
    if own:
        gauges = xr.concat([basin[own] for basin in basins], "gauge", join="exact")
        joined = joined.merge(gauges)
        rises = joined["permutation_of_gauge"]
        joined["permutation"] = rises.mean("gauge", keep_attrs=True)
    return joined


def _about(
    network: LoadedNetwork,
    loaded: LoadedSamples,
    settings: FlowSettings,
    ledger: Ledger,
    title: str,
) -> dict[str, Any]:
    """What is known of an explanation, as JSON."""
    agreement = rank_agreement(ledger.mean_importance()) if ledger.importance else None
    plain = asdict(settings)
    del plain["methods"]
    about = dict(loaded.about)
    basins = dict(about["basins"])
    return {
        "title": title or f"{network.model}: forecasts of {len(basins)} basins explained",
        "model": network.model,
        "generated": bool(about["generated"]),
        "samples": {name: about[name] for name in ("title", "periods") if name in about},
        "basins": basins,
        "settings": plain,
        "methods": {
            name: {
                "completeness_max": ledger.completeness.get(name),
                "cpu_s": round(ledger.cpu_s.get(name, 0.0), 2),
            }
            for name in settings.methods
        },
        "importance": {
            name: dict(zip(FlowColumns.of(loaded.explained).groups, map(float, found), strict=True))
            for name, found in ledger.mean_importance().items()
        },
        "agreement": None
        if agreement is None
        else {
            "methods": list(agreement.methods),
            "spearman": [
                [None if np.isnan(value) else round(float(value), 3) for value in row]
                for row in agreement.spearman
            ],
        },
    }
