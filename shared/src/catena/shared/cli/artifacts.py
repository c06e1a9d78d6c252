"""``catena artifacts``: what lies in the store. Works without any server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catena.shared.cli.common import (
    AsJson,
    Group,
    note,
    print_json,
    print_table,
    settings,
    size,
)
from catena.shared.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact, ArtifactStore, GcItem

app = typer.Typer(cls=Group, no_args_is_help=True, help="Results in the store.")

Uri = Annotated[
    str, typer.Argument(help="As `catena artifacts list` prints it; a beginning is enough.")
]


@app.command("list")
def list_artifacts(
    kind: str = typer.Option("", "--kind", help="Only this kind, e.g. report."),
    limit: int = typer.Option(50, "--limit", min=1, help="At most this many."),
    as_json: AsJson = False,
) -> None:
    """List artifacts, newest first."""
    found = _store().list(kind or None)
    if as_json:
        print_json([_summary(item) for item in found[:limit]])
        return
    print_table(
        ("artifact", "kind", "size", "made", "title"),
        (
            (
                item.uri[: item.uri.rfind("/") + 13],
                item.kind,
                size(item.manifest.size),
                f"{item.manifest.create_time:%Y-%m-%d %H:%M:%S} UTC",
                item.manifest.title,
            )
            for item in found[:limit]
        ),
        empty="the store holds no artifacts" if not kind else f"no artifacts of kind {kind}",
    )
    if len(found) > limit:
        note(f"{len(found) - limit} older ones are not shown; see --limit")


@app.command()
def show(
    uri: Uri,
    verify: bool = typer.Option(False, "--verify", help="Read every file and compare its hash."),
    as_json: AsJson = False,
) -> None:
    """Show an artifact: its files, units, and what it was made from."""
    item = _open(_store(), uri)
    if verify:
        item.verify()
    manifest = item.manifest
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    typer.echo(f"artifact  {item.uri}")
    typer.echo(f"kind      {item.kind}")
    typer.echo(f"title     {manifest.title}")
    typer.echo(f"digest    {manifest.digest}{' (every file verified)' if verify else ''}")
    typer.echo(f"made      {manifest.create_time:%Y-%m-%d %H:%M:%S} UTC")
    lineage = manifest.lineage
    if lineage.method:
        typer.echo(f"by        {lineage.service}/{lineage.method}, code {lineage.code_version}")
    for ref in lineage.inputs:
        typer.echo(f"from      {ref.uri} ({ref.kind})")
    for name, value in manifest.costs.items():
        typer.echo(f"cost      {name} {value:.3g}")
    for entry in manifest.files:
        typer.echo(f"file      {entry.path}  {size(entry.size)}")


@app.command("import")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Files, each under its own name.", exists=True)
    ],
    title: str = typer.Option("", "--title", help="What they are, in a few words."),
    as_json: AsJson = False,
) -> None:
    """Copy files into the store as one artifact; the same content is the same artifact."""
    ref = _store().put_files(files, title=title)
    if as_json:
        print_json({"uri": ref.uri, "digest": ref.digest, "kind": ref.kind})
    else:
        typer.echo(ref.uri)


@app.command()
def export(
    uri: Uri,
    folder: Annotated[Path, typer.Argument(help="Folder to copy into; made if it is missing.")],
) -> None:
    """Copy an artifact's files out of the store."""
    store = _store()
    for path in store.export(_open(store, uri).ref, folder):
        typer.echo(str(path))


@app.command()
def pin(uri: Uri) -> None:
    """Keep an artifact, and all that it was made from, from garbage collection."""
    store = _store()
    item = _open(store, uri)
    store.pin(item.ref)
    typer.echo(f"pinned {item.uri}")


@app.command()
def unpin(uri: Uri) -> None:
    """Take the pin off again."""
    store = _store()
    item = _open(store, uri)
    store.unpin(item.ref)
    typer.echo(f"unpinned {item.uri}")


@app.command()
def gc(
    dry_run: bool = typer.Option(
        True, "--dry-run/--remove", help="Only tell, or really remove. Telling is the default."
    ),
    grace_days: float = typer.Option(7.0, "--grace-days", min=0, help="Keep what is younger."),
    as_json: AsJson = False,
) -> None:
    """Tell, or remove, what nobody needs: not pinned, not in use, nothing was made from it."""
    plan = _store().gc(dry_run=dry_run, grace_s=grace_days * 86_400)
    if as_json:
        groups = {"remove": plan.remove, "keep": plan.keep, "failed": plan.failed}
        rows = {name: [_item(item) for item in items] for name, items in groups.items()}
        print_json({"dry_run": plan.dry_run, "bytes": plan.size, **rows})
    else:
        for word, items in (("remove", plan.remove), ("keep", plan.keep), ("failed", plan.failed)):
            for item in items:
                typer.echo(f"{word:7} {size(item.size):>9}  {item.path}  ({item.why})")
        what = "would be removed" if plan.dry_run else "removed"
        typer.echo(f"{len(plan.remove)} folders, {size(plan.size)} {what}")
    if plan.failed:
        raise typer.Exit(1)


def _store() -> ArtifactStore:
    from catena.shared.client import open_store

    return open_store(settings())


def _open(store: ArtifactStore, uri: str) -> Artifact:
    digest = uri.rpartition("/")[2]
    if len(digest) == 64:
        return store.open(uri)
    beginning = uri.removeprefix(f"{store.url}/")
    found = [folder for folder in store.artifact_folders() if folder.startswith(beginning)]
    if len(found) == 1:
        return store.open(found[0])
    if not found:
        raise NotFound(f"no artifact begins with {uri!r}; `catena artifacts list` shows them")
    raise InvalidRequest(f"{uri!r} could be {len(found)} artifacts; give more of the digest")


def _summary(item: Artifact) -> dict[str, Any]:
    return {
        "uri": item.uri,
        "digest": item.manifest.digest,
        "kind": item.kind,
        "title": item.manifest.title,
        "bytes": item.manifest.size,
        "create_time": item.manifest.create_time.isoformat(),
    }


def _item(item: GcItem) -> dict[str, Any]:
    return {"path": item.path, "bytes": item.size, "why": item.why}
