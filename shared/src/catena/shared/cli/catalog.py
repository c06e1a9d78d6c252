"""``catena catalog``: what was ingested. Works without any server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catena.shared.cli.common import AsJson, Group, note, print_json, print_table, settings
from catena.shared.errors import FieldViolation, InvalidRequest, NotFound

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact, ArtifactStore
    from catena.shared.catalog import Catalog, Page

app = typer.Typer(cls=Group, no_args_is_help=True, help="Datasets that were ingested.")

_RANGES = ("time", "lat", "lon")
_SHOWN = ("dataset", "variable", "units", "frequency", "start", "end", "mode")
_MOST_VALUES = 12  # of one facet, in the table; JSON has them all

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FACET=VALUE]...",
        help="E.g. variable=tas,pr experiment_id=ssp* time=1990/2000-06 lat=30/50 lon=-120/-70; "
        "commas mean or, * and ? are wildcards.",
    ),
]
Uri = Annotated[
    str, typer.Option("--catalog", help="Artifact of the catalog; the newest one if left out.")
]


@app.command()
def search(
    words: Words = None,
    limit: int = typer.Option(50, "--limit", min=1, max=10_000, help="At most this many rows."),
    facets: bool = typer.Option(False, "--facets", help="Count the values that rows have."),
    catalog: Uri = "",
    as_json: AsJson = False,
) -> None:
    """Find datasets by variable, source, model, site, period, place and so on."""
    item, found = _search(_store(), catalog, words or [], limit, facets)
    if as_json:
        plain: dict[str, Any] = {"catalog": item.uri, "total": found.total, "rows": found.rows}
        print_json({**plain, "facets": found.counts} if facets else plain)
        return
    if facets:
        _print_counts(found)
    else:
        print_table(
            _SHOWN,
            ([_cell(row[name], name) for name in _SHOWN] for row in found.rows),
            empty="nothing in the catalog is like that; `catena catalog search --facets` shows "
            "what there is",
        )
        if found.total > len(found.rows):
            note(f"{found.total - len(found.rows)} more rows are not shown; see --limit")


@app.command()
def show(
    dataset: Annotated[
        str, typer.Argument(help="Key of a dataset, as search prints it; the whole if left out.")
    ] = "",
    catalog: Uri = "",
    as_json: AsJson = False,
) -> None:
    """Show the catalog as a whole, or all that it says about one dataset."""
    store = _store()
    item = _artifact(store, catalog)
    table = _open(item)
    if dataset:
        _show_dataset(table, dataset, as_json)
        return
    found = table.search(page_size=1, counts=True)
    if as_json:
        print_json({"catalog": item.uri, "rows": found.total, "facets": found.counts})
        return
    typer.echo(f"catalog   {item.uri}")
    typer.echo(f"title     {item.manifest.title}")
    typer.echo(f"made      {item.manifest.create_time:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(f"rows      {found.total}")
    _print_counts(found)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; made if it is missing.")],
    everything: bool = typer.Option(
        False, "--all", help="Also references with fixes, which only catena applies."
    ),
    catalog: Uri = "",
) -> None:
    """Write an intake-esm catalog with full URLs, for notebooks and other tools."""
    from catena.shared.catalog_files import pack, resolved

    store = _store()
    item = _artifact(store, catalog)
    rows = _open(item).rows()
    # intake-esm knows nothing of our fixes: it would show these data as wrong as they came.
    kept = rows if everything else [row for row in rows if not row["fixes"]]
    folder.mkdir(parents=True, exist_ok=True)
    files = pack(resolved(kept, store.url), title=item.manifest.title)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        typer.echo(str(folder / name))
    if len(kept) < len(rows):
        note(
            f"{len(rows) - len(kept)} rows are left out: references whose fixes only catena "
            "applies; --all writes them too"
        )


def parse(words: list[str]) -> dict[str, Any]:
    """Arguments of :meth:`Catalog.search` from words of the form ``facet=value``.

    Parameters
    ----------
    words : list of str
        ``variable=tas,pr``, ``time=1990/2000``, ``lat=30/50``, ``lon=-120/-70``. A facet that comes
        twice takes the values of both.

    Raises
    ------
    InvalidRequest
        For words of another form; names every one.
    """
    arguments: dict[str, Any] = {"facets": {}}
    wrong = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            wrong.append(FieldViolation(word, "wanted FACET=VALUE, e.g. variable=tas"))
        elif name not in _RANGES:
            arguments["facets"].setdefault(name, []).extend(value.split(","))
        else:
            first, _, last = value.partition("/")
            try:
                last = last if "/" in value else first
                ends = (first, last) if name == "time" else (float(first), float(last))
                arguments[name] = ends
            except ValueError:
                wrong.append(FieldViolation(word, "wanted two numbers, e.g. lat=30/50"))
    if wrong:
        raise InvalidRequest("this is no search of the catalog", violations=wrong)
    return arguments


def _search(
    store: ArtifactStore, uri: str, words: list[str], limit: int, counts: bool
) -> tuple[Artifact, Page]:
    arguments = parse(words)
    item = _artifact(store, uri)
    return item, _open(item).search(**arguments, page_size=limit, counts=counts)


def _show_dataset(table: Catalog, dataset: str, as_json: bool) -> None:
    found = table.search({"dataset": [dataset]}, page_size=10_000)
    if not found.rows:
        raise NotFound(
            f"the catalog has no dataset {dataset!r}; `catena catalog search dataset=...` finds "
            "keys, with * and ? as wildcards"
        )
    if as_json:
        print_json(found.rows)
        return
    for number, row in enumerate(found.rows):
        if number:
            typer.echo("")
        for name, value in row.items():
            if value not in ("", None):
                typer.echo(f"{name:<16}  {_cell(value, name)}")


def _print_counts(found: Page) -> None:
    rows = []
    for name, values in found.counts.items():
        if values:
            most = [f"{value} ({number})" for value, number in list(values.items())[:_MOST_VALUES]]
            more = f", {len(values) - _MOST_VALUES} more" if len(values) > _MOST_VALUES else ""
            rows.append((name, str(len(values)), ", ".join(most) + more))
    print_table(("facet", "values", "most frequent (rows)"), rows, empty="no rows")


def _cell(value: Any, name: str) -> str:
    if name in ("start", "end"):
        return str(value).removesuffix("T00:00:00")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _store() -> ArtifactStore:
    from catena.shared.client import open_store

    return open_store(settings())


def _artifact(store: ArtifactStore, uri: str) -> Artifact:
    from catena.shared.catalog_files import KIND

    if uri:
        item = store.open(uri)
        if item.kind != KIND:
            raise InvalidRequest(f"{item.uri} is of kind {item.kind!r}, wanted a {KIND}")
        return item
    found = store.list(KIND)
    if not found:
        raise NotFound(
            "the store holds no catalog yet; ingest something first, e.g. `catena flow run ingest`"
        )
    return found[0]


def _open(item: Artifact) -> Catalog:
    from catena.shared.catalog import Catalog
    from catena.shared.catalog_files import PARQUET

    return Catalog(item.local_path(PARQUET))
