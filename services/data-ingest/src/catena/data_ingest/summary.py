"""What became of every file: the tables of an ingest, for people and for catalogs.

An ingest is kept as plain data (``ingest.json`` of a dataset artifact)::

    source, location, as_of, mode, title, generated
    datasets: key, name, mode, vocabulary, facets, files, bytes, generated, variables, start, end,
              calendar, frequency, box, findings
    files:    file, dataset, outcome (ingested | refused), converted, refused
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from catena.data_ingest.sources.base import Entry
from catena.shared.checks.clock import find_step, is_time, steps_between
from catena.shared.checks.findings import Finding, Inspection


def dataset_row(
    entry: Entry, dataset: xr.Dataset, inspection: Inspection, *, name: str, mode: str
) -> dict[str, Any]:
    """What a catalog needs to know about one ingested dataset.

    Parameters
    ----------
    entry : Entry
    dataset : xarray.Dataset
        In canonical form; only coordinates are read.
    inspection : Inspection
    name : str
        Of the dataset in its artifact.
    mode : {"copy", "reference"}
    """
    start, end, calendar = _period(dataset)
    return {
        "key": entry.key,
        "name": name,
        "mode": mode,
        "vocabulary": entry.vocabulary,
        "facets": dict(entry.facets),
        "files": [file.path for file in entry.files],
        "bytes": entry.size or 0,
        "generated": entry.generated,
        "variables": [
            {
                "name": str(variable),
                "units": str(array.attrs.get("units", "")),
                "standard_name": str(array.attrs.get("standard_name", "")),
                "dims": [str(dim) for dim in array.dims],
                "shape": list(array.shape),
            }
            for variable, array in dataset.data_vars.items()
            if "bnds" not in array.dims
        ],
        "start": start,
        "end": end,
        "calendar": calendar,
        "frequency": entry.facets.get("frequency") or frequency(dataset),
        "box": box_of(dataset),
        "findings": [finding.to_dict() for finding in inspection],
    }


def file_rows(entry: Entry, findings: Iterable[Finding], *, ingested: bool) -> list[dict[str, Any]]:
    """One row per file of an entry: what became of it.

    A finding that names a file belongs to it, any other to every file of the dataset.
    """
    findings = tuple(findings)
    rows = []
    for file in entry.files:
        mine = [finding for finding in findings if finding.file in ("", entry.key, file.path)]
        gone = [
            str(finding)
            for finding in mine
            if finding.action == "refused" and finding.file == file.path and not finding.variable
        ]
        rows.append(
            {
                "file": file.path,
                "dataset": entry.key,
                "outcome": "ingested" if ingested and not gone else "refused",
                "converted": sorted({what(item) for item in mine if item.action == "converted"}),
                "refused": sorted({str(item) for item in mine if item.action == "refused"}),
            }
        )
    return rows


def one_row_each(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows sorted by file; a file of several datasets is ingested if any of them is."""
    merged: dict[str, dict[str, Any]] = {}
    for row in rows:
        before = merged.setdefault(row["file"], row)
        if before is not row:
            outcome = "ingested" if "ingested" in (before["outcome"], row["outcome"]) else "refused"
            merged[row["file"]] = {
                "file": row["file"],
                "dataset": f"{before['dataset']}, {row['dataset']}",
                "outcome": outcome,
                "converted": sorted({*before["converted"], *row["converted"]}),
                "refused": sorted({*before["refused"], *row["refused"]}),
            }
    return [merged[file] for file in sorted(merged)]


def refused_row(finding: Finding) -> dict[str, Any]:
    """Row of a file that no dataset holds."""
    return {
        "file": finding.file,
        "dataset": "",
        "outcome": "refused",
        "converted": [],
        "refused": [str(finding)],
    }


def what(finding: Finding) -> str:
    """A conversion in a few words, e.g. ``units of pr: mm/day -> kg m-2 s-1``."""
    place = finding.variable or finding.dimension
    of = f" of {place}" if place else ""
    return f"{finding.check}{of}: {finding.found} -> {finding.wanted}"


def counts(ingest: dict[str, Any]) -> dict[str, int]:
    """Files and datasets of an ingest by outcome."""
    outcomes = Counter(row["outcome"] for row in ingest["files"])
    findings = Counter(
        finding["action"] for dataset in ingest["datasets"] for finding in dataset["findings"]
    )
    return {
        "files": len(ingest["files"]),
        "ingested": outcomes["ingested"],
        "refused": outcomes["refused"],
        "datasets": len(ingest["datasets"]),
        "converted": findings["converted"],
        "noted": findings["noted"],
    }


def conversions(ingests: Sequence[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """(source, conversion, number of datasets), the most frequent first."""
    found: Counter[tuple[str, str]] = Counter()
    for ingest in ingests:
        for dataset in ingest["datasets"]:
            mine = {
                what(Finding.from_dict(item))
                for item in dataset["findings"]
                if item["action"] == "converted"
            }
            found.update((ingest["source"], text) for text in mine)
    return [(source, text, number) for (source, text), number in found.most_common()]


def refusals(ingests: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(source, file or dataset, reason), every refused file and variable once."""
    found: dict[tuple[str, str, str], None] = {}
    for ingest in ingests:
        for row in ingest["files"]:
            if row["outcome"] == "refused":
                for reason in row["refused"]:
                    found[(ingest["source"], row["file"], reason)] = None
        for dataset in ingest["datasets"]:
            for item in dataset["findings"]:
                if item["action"] == "refused":
                    finding = Finding.from_dict(item)
                    where = finding.file or dataset["key"]
                    found[(ingest["source"], where, str(finding))] = None
    return list(found)


def frequency(dataset: xr.Dataset) -> str:
    """CMIP's word for the time step: ``1hr``, ``3hr``, ``6hr``, ``day``, ``mon``, ``yr`` or ``fx``.

    An irregular axis has none: empty.
    """
    if "time" not in dataset.dims:
        return "fx"
    times = dataset["time"].values
    step = find_step(times) if is_time(times) else None
    if step is None or steps_between(times, step) is None:
        return ""
    if step.kind != "seconds":
        return {"month": "mon", "year": "yr"}[step.kind]
    hours = step.seconds / 3600
    return {24.0: "day", 0.5: "30min"}.get(hours, f"{hours:g}hr" if hours >= 1 else "")


def _period(dataset: xr.Dataset) -> tuple[str, str, str]:
    for name in ("time", "forecast_reference_time"):
        if name in dataset.coords and dataset[name].size:
            times = dataset[name]
            ends = (times.min().values, times.max().values)
            start, end = (str(value)[:19].replace(" ", "T") for value in ends)
            return start, end, str(times.dt.calendar)
    return "", "", ""


def box_of(dataset: xr.Dataset) -> list[float] | None:
    """South, north, west and east (degrees) of the data; None where there are no coordinates."""
    if not {"lat", "lon"} <= set(dataset.coords):
        return None
    box = []
    for name in ("lat", "lon"):
        values = np.asarray(dataset[name].values, dtype=float)
        if not np.isfinite(values).any():
            return None
        box += [float(np.nanmin(values)), float(np.nanmax(values))]
    return box
