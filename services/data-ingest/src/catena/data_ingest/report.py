"""The page of a catalog: what was ingested, fixed and refused, with a map and a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catena.data_ingest import summary
from catena.shared.artifacts import Artifact
from catena.shared.report import (
    Block,
    Facts,
    Page,
    Picture,
    Section,
    Table,
    Terms,
    Text,
    render,
)

_MOST_ROWS = 400
_SOURCE_COLUMNS = ("source", "files", "ingested", "refused", "datasets", "converted", "noted")

_GLOSSARY = (
    ("converted", "Found in another form and brought to the common one; both values are given."),
    ("refused", "Left out, because what the file says cannot be true or cannot be understood."),
    ("noted", "Legitimate, and worth knowing: gaps, a missing 31 December, a long constant spell."),
    ("copy", "The values lie in the store, as sharded zarr."),
    ("reference", "The archive stays where it is; values are read from it when they are used."),
)


def write_page(
    title: str,
    parts: Sequence[tuple[Artifact, dict[str, Any]]],
    pictures: Sequence[Picture],
) -> str:
    """The HTML page.

    Parameters
    ----------
    title : str
    parts : sequence of (Artifact, dict)
        Ingested artifacts and their ``ingest.json``.
    pictures : sequence of Picture
        A map and a series.
    """
    ingests = [ingest for _, ingest in parts]
    totals = _totals(ingests)
    page = Page(
        title=title or "What was ingested",
        kicker="catena · data ingest",
        lead=(
            f"{totals['ingested']} of {totals['files']} files became {totals['datasets']} datasets "
            f"in one vocabulary; {totals['refused']} files were refused, each with its reason."
        ),
        notices=_notices(ingests),
        sections=[
            Section("By source", [_sources(ingests)]),
            Section("A look at the data", list(pictures) or [Text("Nothing to plot.")]),
            Section("What was converted", _conversions(ingests)),
            Section("What was refused", _refusals(ingests)),
            Section("Where it came from", [_lineage(parts)]),
            Section("Words", [Terms(_GLOSSARY)]),
        ],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    return render(page)


def write_text(ingests: Sequence[dict[str, Any]]) -> str:
    """The same in a few lines, for a terminal."""
    rows = [_SOURCE_COLUMNS, *(_source_row(ingest) for ingest in ingests)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_SOURCE_COLUMNS))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines += ["", "fixed (datasets: what)"]
    fixed = summary.conversions(ingests)
    lines += [f"  {number:5}  {source}: {text}" for source, text, number in fixed[:25]]
    if len(fixed) > 25:
        lines.append(f"         and {len(fixed) - 25} more, on the page")
    refused = summary.refusals(ingests)
    lines += ["", f"refused ({len(refused)})"]
    lines += [f"  {source}: {reason}" for source, _, reason in refused[:25]]
    if len(refused) > 25:
        lines.append(f"  and {len(refused) - 25} more, on the page")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _source_row(ingest: dict[str, Any]) -> tuple[str, ...]:
    numbers = summary.counts(ingest)
    label = ingest["source"] + (" (generated)" if ingest["generated"] else "")
    return (label, *(str(numbers[name]) for name in _SOURCE_COLUMNS[1:]))


def _totals(ingests: Sequence[dict[str, Any]]) -> dict[str, int]:
    totals = dict.fromkeys(_SOURCE_COLUMNS[1:], 0)
    for ingest in ingests:
        for name, number in summary.counts(ingest).items():
            totals[name] += number
    return totals


def _notices(ingests: Sequence[dict[str, Any]]) -> list[str]:
    made_up = sorted({ingest["source"] for ingest in ingests if ingest["generated"]})
    if not made_up:
        return []
    return [
        f"Generated data: {', '.join(made_up)}. A formula made them; they say nothing about any "
        "real place."
    ]


def _sources(ingests: Sequence[dict[str, Any]]) -> Block:
    return Table(
        columns=_SOURCE_COLUMNS,
        rows=[_source_row(ingest) for ingest in ingests],
        caption="Files by outcome; datasets; findings that were converted or noted.",
        numeric=tuple(range(1, len(_SOURCE_COLUMNS))),
    )


def _conversions(ingests: Sequence[dict[str, Any]]) -> list[Block]:
    found = summary.conversions(ingests)
    if not found:
        return [Text("Nothing: all data came in the common form.")]
    rows = [(source, text, str(number)) for source, text, number in found[:_MOST_ROWS]]
    return [Table(("source", "what", "datasets"), rows, _left(found), numeric=(2,))]


def _refusals(ingests: Sequence[dict[str, Any]]) -> list[Block]:
    found = summary.refusals(ingests)
    if not found:
        return [Text("Nothing.")]
    return [Table(("source", "file", "why"), found[:_MOST_ROWS], _left(found))]


def _left(found: Sequence[Any]) -> str:
    more = len(found) - _MOST_ROWS
    return f"{more} more are in ingest.json of the datasets." if more > 0 else ""


def _lineage(parts: Sequence[tuple[Artifact, dict[str, Any]]]) -> Block:
    return Facts(
        [
            (
                ingest["source"],
                f"{ingest['location'] or 'generated'}"
                + (f", as of {ingest['as_of']}" if ingest["as_of"] else "")
                + f" ({artifact.manifest.digest[7:19]})",
            )
            for artifact, ingest in parts
        ]
    )
