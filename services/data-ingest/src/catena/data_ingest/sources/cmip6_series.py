"""From files to datasets: newest versions, one copy of each file, files that follow each other."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from catena.data_ingest.sources.base import Entry
from catena.data_ingest.sources.cmip6_layout import Placed
from catena.shared.checks.findings import Finding, Fix

VOCABULARY = "cmip6"
NG_VOCABULARY = "cmip6_ng"
_FLAGS = Fix("drop", {"names": ["file_qf"]})
"""cmip6-ng marks files by a quality flag without a meaning in the file."""


def entries(files: Iterable[Placed], *, all_versions: bool) -> tuple[list[Entry], list[Finding]]:
    """Datasets of the files, and the files that are in none of them, each with the reason.

    Parameters
    ----------
    files : iterable of Placed
    all_versions : bool
        Keep older versions too; else the newest wins.

    Returns
    -------
    list of Entry
        Sorted by key. Files that overlap in time, or lie further apart than they are long, are not
        one series: the longest series has the dataset's name, others their period in addition.
    list of Finding
        Older versions, second copies, and files that contradict another of the same name.
    """
    found: list[Entry] = []
    refused: list[Finding] = []
    by_dataset: dict[str, dict[str, list[Placed]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        by_dataset[file.dataset][file.version].append(file)
    for dataset, versions in sorted(by_dataset.items()):
        newest = max(versions)
        for version, placed in sorted(versions.items()):
            # A copy outside the folders has no version: neither older nor newer than any.
            if version and version != newest and not all_versions:
                refused += [_older(file, newest) for file in placed]
                continue
            kept, copies = _one_copy(placed)
            refused += copies
            key = f"{dataset}.{version}" if version else dataset
            found += _series(_safe(key), kept)
    return found, refused


def _series(key: str, files: list[Placed]) -> list[Entry]:
    if not files:
        return []
    parts: list[list[Placed]] = []
    rest = files
    while rest:
        chain = _longest_chain(rest)
        parts += _at_gaps(chain)
        names = {file.file.path for file in chain}
        rest = [file for file in rest if file.file.path not in names]
    parts.sort(key=lambda part: (-_covered(part), part[0].begin, part[0].file.path))
    taken: set[str] = set()
    found = []
    for part in parts:
        name = key if not taken else f"{key}.{_period(part)}"
        # Two leftovers may have the same begin and end by other files.
        number = 2
        while name in taken:
            name = f"{key}.{_period(part)}.{number}"
            number += 1
        taken.add(name)
        found.append(
            Entry(
                key=name,
                files=tuple(file.file for file in part),
                vocabulary=VOCABULARY if "table_id" in part[0].facets else NG_VOCABULARY,
                facets=dict(part[0].facets),
                referable=True,
                fixes=() if "table_id" in part[0].facets else (_FLAGS,),
            )
        )
    return found


def _longest_chain(files: Sequence[Placed]) -> list[Placed]:
    """Files without overlap that cover most time (weighted interval scheduling)."""
    ordered = sorted(files, key=lambda file: (file.end, file.begin, file.file.path))
    ends = [file.end for file in ordered]
    best: list[float] = [0.0]
    taken: list[bool] = []
    for number, file in enumerate(ordered):
        before = bisect_right(ends, file.begin, hi=number)
        # Stores and fixed fields have no period; one of them is a chain of its own.
        with_it = best[before] + max(file.end - file.begin, 1e-9)
        taken.append(with_it > best[-1])
        best.append(max(with_it, best[-1]))
    chain, number = [], len(ordered)
    while number:
        if taken[number - 1]:
            chain.append(ordered[number - 1])
            number = bisect_right(ends, ordered[number - 1].begin, hi=number - 1)
        else:
            number -= 1
    return chain[::-1]


def _at_gaps(chain: list[Placed]) -> list[list[Placed]]:
    # A series with a missing file is a series with a hole, which the checks fill and tell. Two
    # months of different centuries are two snapshots.
    covered = _covered(chain)
    parts = [[chain[0]]]
    for before, after in pairwise(chain):
        if after.begin - before.end > covered:
            parts.append([])
        parts[-1].append(after)
    return parts


def _covered(part: Sequence[Placed]) -> float:
    return sum(file.end - file.begin for file in part)


def _period(part: Sequence[Placed]) -> str:
    first = part[0].period.partition("-")[0]
    last = part[-1].period.rpartition("-")[2]
    return first if first == last else f"{first}-{last}"


def _one_copy(files: list[Placed]) -> tuple[list[Placed], list[Finding]]:
    kept: dict[str, Placed] = {}
    refused = []
    for file in sorted(files, key=lambda item: item.file.path):
        name = file.file.path.rstrip("/").rpartition("/")[2]
        first = kept.setdefault(f"{file.period}/{name}", file)
        if first is not file:
            refused.append(_copy(file, first))
    return list(kept.values()), refused


def _copy(file: Placed, first: Placed) -> Finding:
    ours, theirs = first.file, file.file
    if ours.checksum and theirs.checksum:
        same, values = ours.checksum == theirs.checksum, (theirs.checksum, ours.checksum)
    else:
        same, values = ours.size == theirs.size, (f"{theirs.size} bytes", f"{ours.size} bytes")
    return Finding(
        check="duplicate" if same else "contradiction",
        action="refused",
        dataset=file.dataset,
        file=theirs.path,
        variable=file.facets["variable_id"],
        found=f"a second file of this name and version, {values[0]}",
        wanted=f"one, and {ours.path} has {values[1]}",
        why="the same file twice; the first one is used"
        if same
        else "two contents of one name; the first one is used: find out which one is right",
    )


def _older(file: Placed, newest: str) -> Finding:
    return Finding(
        check="version",
        action="refused",
        dataset=file.dataset,
        file=file.file.path,
        variable=file.facets["variable_id"],
        found=f"version {file.version}",
        wanted=f"version {newest}",
        why="a newer version replaces it; ask for version=* or this version to get it",
    )


def _safe(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", key)
