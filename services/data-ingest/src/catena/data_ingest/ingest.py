"""Reading one dataset: opened by its source, cut to what was asked for, checked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import xarray as xr

from catena.data_ingest.cut import checks_with_cut
from catena.data_ingest.sources.base import Archive, Entry, Found, Source
from catena.data_ingest.sources.tables import FINDINGS, source_findings
from catena.data_ingest.vocabulary import Selection
from catena.shared.checks import Finding, Fix, Inspection, apply, inspect
from catena.shared.checks.statistics import collect
from catena.shared.errors import CatenaError, InvalidData, InvalidRequest, NotFound


@dataclass(frozen=True)
class Reading:
    """One dataset as it was read.

    Parameters
    ----------
    entry : Entry
    dataset : xarray.Dataset, optional
        In canonical form, lazily; None when it was refused.
    inspection : Inspection
    raw : xarray.Dataset, optional
        As the source opened it; None where that failed.
    mark : str
        Differs between datasets of other files, coordinates or attributes. Empty where the dataset
        is small, and where the archive does not tell whether a file is still the same: a later
        attempt then reads it anew.
    """

    entry: Entry
    dataset: xr.Dataset | None
    inspection: Inspection
    raw: xr.Dataset | None = None
    mark: str = ""

    @property
    def checked(self) -> dict[str, Any]:
        """What was found, as JSON, for :func:`read_entry` of a later attempt."""
        return {"mark": self.mark, "findings": [finding.to_dict() for finding in self.inspection]}

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """What turns the files, as they are, into :attr:`dataset`."""
        return (*self.entry.fixes, *self.inspection.fixes)


def check_size(found: Found, max_bytes: int) -> None:
    """Refuse to begin what is larger than asked for.

    Raises
    ------
    InvalidRequest
        When the files have more bytes, or the archive does not say how many.
    NotFound
        When nothing matches.
    """
    if not found.entries and not found.refused:
        raise NotFound("the archive holds nothing that matches; widen the facets")
    if not max_bytes:
        return
    sizes = [entry.size for entry in found.entries]
    if None in sizes:
        raise InvalidRequest(
            "max_bytes was given, but the archive does not say how large its files are; "
            "leave it out"
        )
    total = sum(size for size in sizes if size is not None)
    if total > max_bytes:
        raise InvalidRequest(
            f"the archive's files have {total} bytes, wanted at most {max_bytes}; "
            "narrow the facets, or raise max_bytes"
        )


def read_entry(
    source: Source,
    archive: Archive,
    entry: Entry,
    selection: Selection,
    known: Mapping[str, Any] | None = None,
    *,
    large: float = math.inf,
) -> Reading:
    """Open a dataset, cut it, check it.

    What is wrong with the data becomes a finding; only what may pass by itself (a network that does
    not answer) is raised.

    Parameters
    ----------
    source : Source
    archive : Archive
    entry : Entry
    selection : Selection
    known : mapping, optional
        :attr:`Reading.checked` of an earlier reading. Where the archive has still the same files
        and coordinates, what was found then holds, and the values are not read again.
    large : float
        Only datasets of more bytes than this are marked: of their files the archive may be asked
        once more.

    Raises
    ------
    Unavailable
        When the archive does not answer.
    """
    file = entry.files[0].path if len(entry.files) == 1 else ""
    try:
        raw = source.open(archive, entry)
        said = source_findings(raw)
        raw = raw.assign_attrs()
        raw.attrs.pop(FINDINGS, None)
        opened = apply(raw, entry.fixes)
        # Before any value is read: what is replaced later must not pass for what was read.
        mark = _mark(archive, entry, opened) if opened.nbytes > large else ""
        if mark and known is not None and known.get("mark") == mark:
            before = Inspection(tuple(map(Finding.from_dict, known["findings"])))
            return Reading(entry, apply(opened, before.fixes), before, raw, mark)
        inspection = _inspected(source, archive, entry, opened, file, selection)
    except (InvalidData, NotFound) as error:
        finding = Finding(
            "readable",
            "refused",
            found=error.message,
            wanted="files that can be read together",
            dataset=entry.key,
            file=file,
        )
        return Reading(entry, None, Inspection((finding,)))
    everything = Inspection(
        (*(finding.at(dataset=entry.key, file=file) for finding in said), *inspection)
    )
    if inspection.refused:
        return Reading(entry, None, everything)
    dataset = apply(opened, inspection.fixes)
    return Reading(entry, dataset if dataset.data_vars else None, everything, raw, mark)


def _inspected(
    source: Source,
    archive: Archive,
    entry: Entry,
    opened: xr.Dataset,
    file: str,
    selection: Selection,
) -> Inspection:
    try:
        return inspect(
            opened,
            vocabulary=entry.vocabulary,
            dataset_key=entry.key,
            file=file,
            checks=checks_with_cut(selection),
        )
    except (CatenaError, MemoryError):
        raise
    except Exception as error:
        # Codecs have no common error, and theirs name no file: each file is read by itself.
        damage = _damage(source, archive, entry)
        if damage is None:
            raise
        raise InvalidData(f"dataset {entry.key}, {damage}") from error


def _damage(source: Source, archive: Archive, entry: Entry) -> str | None:
    """Which file's values cannot be decoded, and why; None where all of them can."""
    alone = [(f"file {file.path}", replace(entry, files=(file,))) for file in entry.files]
    together = [] if len(alone) == 1 else [("its files together", entry)]
    for name, part in (*alone, *together):
        try:
            raw = source.open(archive, part)
        except (InvalidData, NotFound):
            continue  # not a dataset by itself
        try:
            collect(raw, map(str, raw.data_vars))
        except (CatenaError, MemoryError):
            raise
        except Exception as error:
            text = (str(error).splitlines() or [""])[0][:120]
            return (
                f"{name}: values cannot be decoded ({type(error).__name__}: {text}); "
                "it is damaged: fetch it again"
            )
    return None


def _mark(archive: Archive, entry: Entry, opened: xr.Dataset) -> str:
    """See :attr:`Reading.mark`; values of variables are not read."""
    versions = [archive.version(file.path) for file in entry.files]
    if not all(versions):
        return ""
    attributes = sorted(opened.attrs.items(), key=str)
    digest = hashlib.sha256(repr((entry, versions, attributes)).encode())
    for name, variable in sorted(opened.variables.items(), key=lambda item: str(item[0])):
        head = (name, variable.sizes, variable.dtype, sorted(variable.attrs.items(), key=str))
        digest.update(repr(head).encode())
        if variable.chunks is None and name in opened.coords:
            values = variable.values
            digest.update(repr(values.tolist()).encode() if values.dtype == object
                          else values.tobytes())  # fmt: skip
    return digest.hexdigest()
