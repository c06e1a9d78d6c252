"""Data-ingest's jobs: one function per long rpc, from a request to an artifact.

Each opens its inputs, calls the science and commits. Raise a job's `version` when its science
changes: results of the old version are then not reused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.data_ingest import report, summary
from catena.data_ingest.copying import Copier, Progress
from catena.data_ingest.derived import cache_input, derived_row, regridder, years
from catena.data_ingest.hot_cache import write_hot_cache
from catena.data_ingest.ingest import Reading, check_size, read_entry
from catena.data_ingest.pictures import draw_map, draw_series
from catena.data_ingest.places import open_source
from catena.data_ingest.queries import (
    BuildCacheQuery,
    IngestDatasetQuery,
    RegridQuery,
    SelectModelsQuery,
    WriteCatalogQuery,
)
from catena.data_ingest.references import NotReferable, build_reference, reference_files
from catena.data_ingest.selection import select
from catena.data_ingest.sources.base import Archive, Entry, Source
from catena.data_ingest.storage import (
    CACHE,
    FOLDER,
    INGEST,
    catalog_rows,
    open_datasets,
    read_ingest,
    write_selection,
)
from catena.data_ingest.vocabulary import facet_table
from catena.shared.artifacts import Artifact
from catena.shared.artifacts.shards import SHARD_BYTES
from catena.shared.catalog_files import pack
from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache_format import METADATA
from catena.shared.jobs import JobContext, job
from catena.shared.settings import Settings

SERVICE = "data-ingest"


@job(service=SERVICE, method="IngestDataset", query=IngestDatasetQuery, version=3)
def ingest_dataset(query: IngestDatasetQuery, ctx: JobContext) -> ArtifactRef:
    """A source's datasets, checked, as copies or references."""
    done = total = 0

    def tell(line: str) -> None:
        ctx.progress(done / max(total, 1), line)

    source, archive = open_source(query, tell=tell)
    ctx.progress(0.0, "looking for datasets")
    found = source.search(archive, facet_table(query.selection.facets))
    check_size(found, query.max_bytes)
    copier = Copier(ctx.writer, ctx.checkpoint, threads=max(1, ctx.cpus))
    datasets: list[dict[str, Any]] = []
    files = [summary.refused_row(finding) for finding in found.refused]
    total = len(found.entries)

    def progress(fraction: float, message: str) -> None:
        ctx.progress((done + fraction) / total, f"{done + 1} of {total}: {message}")

    for number, entry in enumerate(found.entries):
        done = number
        progress(0.0, entry.key)
        note = _keep(copier, source, archive, entry, query, progress)
        datasets += [note["dataset"]] if note["dataset"] else []
        files += note["files"]
    ingest = {
        "source": query.source,
        "location": query.location,
        "as_of": query.as_of,
        "mode": query.mode,
        "title": query.title,
        "generated": query.source.startswith("generated"),
        "datasets": datasets,
        "files": summary.one_row_each(files),
    }
    ctx.writer.write_json(INGEST, ingest)
    title = query.title or f"{query.source}: {len(datasets)} datasets"
    return ctx.commit(kind="dataset", units=_units(datasets), title=title)


def _keep(
    copier: Copier,
    source: Source,
    archive: Archive,
    entry: Entry,
    query: IngestDatasetQuery,
    progress: Progress,
) -> dict[str, Any]:
    """Note about one entry: its row and those of its files. A finished entry is not read again."""
    copy, reference = (f"{FOLDER}/{entry.key}.{ending}" for ending in ("zarr", "json"))
    for name in (copy, reference):
        if (note := copier.finished(name)) is not None:
            return note
    checked = f"{FOLDER}/{entry.key}.checked"  # no file: only a note in the journal
    known = copier.finished(checked)
    reading = read_entry(source, archive, entry, query.selection, known, large=SHARD_BYTES)
    dataset = reading.dataset
    if dataset is None:
        note = _note(reading, copy, "copy")
        copier.put(copy, {}, note)
        return note
    if query.mode == "reference":
        try:
            made = build_reference(archive, entry, reading.raw)
        except NotReferable as error:
            reading = replace(reading, inspection=reading.inspection + (error.finding,))
        else:
            note = _note(reading, reference, "reference")
            copier.put(reference, reference_files(reference, made, reading.fixes), note)
            return note
    if known is None and reading.mark and dataset.nbytes > SHARD_BYTES:
        # Who goes on with a copy that was broken off then reads only what that lacks.
        copier.put(checked, {}, reading.checked)
    note = _note(reading, copy, "copy")
    copier.copy(copy, dataset, version=reading.mark or None, note=note, progress=progress)
    return note


def _note(reading: Reading, name: str, mode: str) -> dict[str, Any]:
    row = None
    if reading.dataset is not None:
        row = summary.dataset_row(
            reading.entry, reading.dataset, reading.inspection, name=name, mode=mode
        )
    files = summary.file_rows(
        reading.entry, reading.inspection, ingested=reading.dataset is not None
    )
    return {"dataset": row, "files": files}


def _units(datasets: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["units"] for row in datasets for one in row["variables"]}


@job(service=SERVICE, method="WriteCatalog", query=WriteCatalogQuery)
def write_catalog(query: WriteCatalogQuery, ctx: JobContext) -> ArtifactRef:
    """One intake-esm catalog over datasets, and the page about them."""
    parts = [(artifact, read_ingest(artifact)) for artifact in map(ctx.open, query.datasets)]
    rows = [row for artifact, ingest in parts for row in catalog_rows(artifact, ingest)]
    title = query.title or f"{len(rows)} variables of {len(parts)} ingests"
    ctx.progress(0.3, f"{len(rows)} rows")
    for name, data in pack(rows, title=title).items():
        ctx.writer.write_bytes(name, data)
    ctx.progress(0.6, "drawing a map and a series")
    pictures = [picture for draw in (draw_map, draw_series) if (picture := draw(_datasets(parts)))]
    ctx.writer.write_bytes("report.html", report.write_page(title, parts, pictures).encode())
    text = report.write_text([ingest for _, ingest in parts])
    ctx.writer.write_bytes("report.txt", text.encode())
    return ctx.commit(kind="catalog", title=title)


def _datasets(
    parts: list[tuple[Artifact, dict[str, Any]]],
) -> Iterator[tuple[dict[str, Any], Any]]:
    for artifact, ingest in parts:
        for row in ingest["datasets"]:
            yield row, lambda name=row["name"], home=artifact: home.open_dataset(name)


@job(service=SERVICE, method="Regrid", query=RegridQuery)
def regrid(query: RegridQuery, ctx: JobContext) -> ArtifactRef:
    """Datasets on another grid; those without a grid are left out, and said to be."""
    artifact = ctx.open(query.dataset)
    ingest = read_ingest(artifact)
    weights = None
    if query.weights is not None and query.weights_file is not None:
        weights = ctx.open(query.weights).local_path(query.weights_file)
    apply = regridder(query.grid, query.method, weights)
    copier = Copier(ctx.writer, ctx.checkpoint, threads=max(1, ctx.cpus))
    rows: list[dict[str, Any]] = []
    wanted = list(open_datasets(artifact, query.keys))
    for number, (row, dataset) in enumerate(wanted):
        ctx.progress(number / len(wanted), row["key"])
        if not {"lat", "lon"} <= set(dataset.dims) and weights is None:
            continue
        name = f"{FOLDER}/{row['key']}.zarr"
        note = copier.finished(name)
        if note is None:
            moved = apply(dataset)
            note = derived_row(row, moved, name)
            copier.copy(name, moved, note=note)
        rows.append(note)
    if not rows:
        raise InvalidRequest(
            f"none of {len(wanted)} datasets has the dimensions lat and lon; give keys of gridded "
            "ones"
        )
    ctx.writer.write_json(INGEST, {**ingest, "mode": "copy", "datasets": rows, "files": []})
    where = query.grid or query.weights_file
    return ctx.commit(
        kind="dataset",
        units=_units(rows),
        title=f"{ingest['title'] or ingest['source']} on {where}",
    )


@job(service=SERVICE, method="SelectModels", query=SelectModelsQuery)
def select_models(query: SelectModelsQuery, ctx: JobContext) -> ArtifactRef:
    """CMIP6 models, kept or not, by their climatology against a reference."""
    models = list(open_datasets(ctx.open(query.models)))
    reference = list(open_datasets(ctx.open(query.reference)))
    selection = select(
        models,
        reference,
        variables=query.variables,
        threshold=query.threshold,
        years=(query.first_year, query.last_year),
        progress=ctx.progress,
    )
    write_selection(ctx.writer, selection)
    kept = sum(row.kept for row in selection.table)
    return ctx.commit(
        kind="model_selection", title=f"{kept} of {len(selection.table)} models are kept"
    )


@job(service=SERVICE, method="BuildCache", query=BuildCacheQuery, version=2)
def build_cache(query: BuildCacheQuery, ctx: JobContext) -> ArtifactRef:
    """Hot cache for training."""
    artifact = ctx.open(query.dataset)
    opened = list(open_datasets(artifact, query.keys))
    dataset = cache_input([(row["key"], each) for row, each in opened])
    # Written beside the store, where files can be mapped; a new attempt on this machine goes on.
    folder = Settings().home / "cache" / ctx.name
    if (folder / METADATA).exists():
        shutil.rmtree(folder)
    write_hot_cache(
        dataset,
        folder,
        variables=query.variables or None,
        dtype="float16" if query.half else "float32",
        normalise=query.half,
        leads_s=query.leads_s,
        statistics_steps=years(dataset, query.first_year, query.last_year),
        generated=any(row["generated"] for row, _ in opened),
        progress=lambda share, message: ctx.progress(0.95 * share, message),
    )
    for path in sorted(folder.iterdir()):
        with ctx.writer.local_file(f"{CACHE}/{path.name}") as target:
            _link(path, target)
    ref = ctx.commit(
        kind="hot_cache",
        units={str(name): str(dataset[name].attrs.get("units", "")) for name in dataset.data_vars},
        title=f"hot cache of {read_ingest(artifact)['title'] or artifact.uri}",
    )
    shutil.rmtree(folder, ignore_errors=True)
    return ref


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
