"""Forecasts of streamflow, explained by all methods that were asked for, basin by basin.

A basin's forecasts are compared with days of the training climate of the same basin: what a
forecast rests on is then not that its basin is wet, but that this day is not like the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
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
from catena.shared.errors import InvalidData

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
    loaded = _by_basin(loaded)
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
    notes = [*_baseline_notes(names, loaded, settings), *ledger.remarks]
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


def _by_basin(loaded: LoadedSamples) -> LoadedSamples:
    """Samples one basin after the other, as results are joined; each has a background.

    Raises
    ------
    InvalidData
        Before minutes were spent on the basins that have one.
    """
    basins = np.array(loaded.explained.basins)
    names = list(dict.fromkeys(loaded.explained.basins))
    lacking = [name for name in names if name not in loaded.background.basins]
    if lacking:
        raise InvalidData(
            f"the background has no day of {len(lacking)} of {len(names)} basins "
            f"({', '.join(lacking[:5])}), so there is nothing to measure contributions from; draw "
            "the samples again, with a larger background"
        )
    order = np.argsort([names.index(name) for name in basins], kind="stable")
    return replace(loaded, explained=loaded.explained[order])


def _baseline_notes(
    names: list[str], loaded: LoadedSamples, settings: FlowSettings
) -> Iterator[str]:
    """What a reader must know of the days that forecasts are compared with."""
    there = [loaded.background.basins.count(name) for name in names]
    short = [count for count in there if count < settings.baselines]
    if short:
        few = f"{min(short)} to {max(short)}" if min(short) < max(short) else f"{min(short)}"
        yield (
            f"{len(short)} of {len(names)} basins are compared with {few} baselines, where "
            f"{settings.baselines} were asked for: draw a larger background"
        )
    weather = loaded.about.get("weather", {})
    if weather.get("explained") != weather.get("background"):
        yield (
            f"forecasts were made with other weather ({weather['explained']}) than the baselines "
            f"({weather['background']})"
        )


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
    count, number = len(loaded.explained), len(set(loaded.explained.basins))
    what = f"forecast{'s' * (count > 1)} of {number} basin{'s' * (number > 1)}"
    return {
        "title": title or f"{network.model}: {what} explained",
        "model": network.model,
        "generated": bool(about["generated"]),
        "samples": {name: about[name] for name in ("title", "periods") if name in about},
        "basins": {name: about["basins"][name] for name in dict.fromkeys(loaded.explained.basins)},
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
