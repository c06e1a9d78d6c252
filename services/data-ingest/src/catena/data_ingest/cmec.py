"""Metrics as JSON in the layout of the PCMDI metrics package and of CMEC.

``RESULTS`` nests variable, model, reference, realisation, region, metric and season, and
``DIMENSIONS`` says so (Earth System Metrics and Diagnostics Standards, "Common Metric Output
Format"). PMP writes a file per variable, without the first level: :func:`one_variable`. Every
metric has every season; what is not defined is null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from catena.data_ingest.metrics import BELTS, METRICS, SEASONS, Metrics
from catena.shared.errors import InvalidData, NotFound

STRUCTURE = ["variable", "model", "reference", "rip", "region", "statistic", "season"]
"""The names that PMP gives to the levels; the first is ours."""

Results = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Mapping[str, Metrics]]]]]
"""variable -> model -> reference -> realisation -> region -> metrics."""

MONTHS = {
    "ann": "January to December",
    "djf": "December, January, February",
    "mam": "March to May",
    "jja": "June to August",
    "son": "September to November",
}


def cmec_document(
    results: Results,
    *,
    units: Mapping[str, str],
    provenance: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The JSON of all metrics.

    Parameters
    ----------
    results : nested mapping
    units : mapping
        Of the variables; metrics have them, but for correlations.
    provenance : mapping, optional
        What is to be said of how it was made.
    """
    tree = {
        variable: {
            model: {
                reference: {
                    rip: {region: _all_seasons(metrics) for region, metrics in regions.items()}
                    for rip, regions in rips.items()
                }
                for reference, rips in references.items()
            }
            for model, references in models.items()
        }
        for variable, models in results.items()
    }
    return {
        "SCHEMA": {"name": "CMEC", "version": "v1", "package": "catena"},
        "DIMENSIONS": {
            "json_structure": list(STRUCTURE),
            "variable": {name: {"units": units[name]} for name in tree},
            "model": {name: {} for name in _keys(tree, 1)},
            "reference": {name: {} for name in _keys(tree, 2)},
            "rip": {name: {} for name in _keys(tree, 3)},
            "region": {name: _region(name) for name in _keys(tree, 4)},
            "statistic": {name: {"Abstract": METRICS[name]} for name in _keys(tree, 5)},
            "season": {name: {"Months": MONTHS[name]} for name in SEASONS},
        },
        "RESULTS": tree,
        "PROVENANCE": dict(provenance or {}),
    }


def one_variable(document: Mapping[str, Any], variable: str) -> dict[str, Any]:
    """The part of a document about one variable, as PMP writes it.

    Raises
    ------
    NotFound
        When the document has no such variable.
    """
    dimensions = dict(document["DIMENSIONS"])
    known = dimensions.pop("variable")
    if variable not in known:
        raise NotFound(f"found no variable {variable!r}, wanted one of {', '.join(known)}")
    dimensions["json_structure"] = dimensions["json_structure"][1:]
    return {
        **document,
        "DIMENSIONS": dimensions,
        "Variable": {"id": variable, **known[variable]},
        "RESULTS": document["RESULTS"][variable],
    }


def _all_seasons(metrics: Metrics) -> dict[str, dict[str, float | None]]:
    out: dict[str, dict[str, float | None]] = {}
    for name, seasons in metrics.items():
        values = {season: seasons.get(season, math.nan) for season in SEASONS}
        out[name] = {
            season: value if math.isfinite(value) else None for season, value in values.items()
        }
    return out


def _region(name: str) -> dict[str, str]:
    surface, _, belt = name.rpartition("_")
    if belt in ("land", "ocean"):
        surface, belt = belt, "global"
    low, high = BELTS[belt]
    words = {"latitude": f"{low:g} to {high:g}"}
    return {**words, "surface": surface} if surface else words


def _keys(tree: Mapping[str, Any], level: int) -> list[str]:
    trees: list[Mapping[str, Any]] = [tree]
    for _ in range(level):
        trees = [below for one in trees for below in one.values()]
    return list(dict.fromkeys(key for one in trees for key in one))


def check_cmec(document: Mapping[str, Any]) -> None:
    """Check a document against CMEC's structure.

    ``DIMENSIONS`` and ``RESULTS`` are there, ``json_structure`` names each dimension once, the
    results nest as deep as it says with keys that their dimension lists, and end in numbers,
    strings or null. A key ``attributes`` is allowed at each level.

    Raises
    ------
    InvalidData
        With the path of what is wrong.
    """
    for key in ("DIMENSIONS", "RESULTS"):
        if not isinstance(document.get(key), Mapping):
            raise InvalidData(f"found no object {key}, wanted DIMENSIONS and RESULTS")
    dimensions = document["DIMENSIONS"]
    structure = dimensions.get("json_structure")
    named = sorted(name for name in dimensions if name != "json_structure")
    if not isinstance(structure, list) or sorted(structure) != named:
        raise InvalidData(
            f"DIMENSIONS: found json_structure {structure} and dimensions {named}, wanted the same "
            "names in both"
        )
    _check_level(document["RESULTS"], structure, dimensions, "RESULTS")


def _check_level(
    tree: Mapping[str, Any], structure: list[str], dimensions: Mapping[str, Any], path: str
) -> None:
    name, below = structure[0], structure[1:]
    for key, value in tree.items():
        if key == "attributes":
            continue
        if key not in dimensions[name]:
            raise InvalidData(f"{path}: found key {key!r}, wanted one that dimension {name} lists")
        if below:
            if not isinstance(value, Mapping):
                raise InvalidData(f"{path}/{key}: found a value, wanted dimension {below[0]}")
            _check_level(value, below, dimensions, f"{path}/{key}")
        elif not (value is None or isinstance(value, str | int | float)):
            raise InvalidData(f"{path}/{key}: found {type(value).__name__}, wanted a number")
