"""CMIP6: trees of netCDF files or zarr stores, intake-esm datastores, and ESGF's indexes.

All three are archives with the names of the data reference syntax, so one source reads them all:
a folder or a server (:mod:`catena.data_ingest.archive`), a datastore
(:mod:`~catena.data_ingest.sources.cmip6_datastore`) and an index
(:mod:`~catena.data_ingest.sources.esgf`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import xarray as xr

from catena.data_ingest.sources import cmip6_catalogs, cmip6_files, cmip6_layout
from catena.data_ingest.sources.base import (
    Archive,
    ArchiveFile,
    Description,
    Entry,
    Facets,
    Found,
    VariableInfo,
    describe_dataset,
    matches,
)
from catena.data_ingest.sources.cmip6_datastore import DatastoreArchive, is_datastore
from catena.data_ingest.sources.cmip6_layout import Placed
from catena.data_ingest.sources.cmip6_series import entries
from catena.data_ingest.sources.esgf import EsgfArchive, is_index
from catena.data_ingest.sources.order import Order
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

_DATA = (".nc", ".zarr")


def special_archive(order: Order) -> Archive | None:
    """A datastore of intake-esm or an index of ESGF; None for folders and servers of files."""
    if is_datastore(order.location):
        return DatastoreArchive(order.location, opener=order.opener)
    if order.http is not None and is_index(order.location):
        return EsgfArchive(order.location, http=order.http, opener=order.opener)
    return None


class Cmip6:
    """The source `cmip6`.

    Facets: ``activity_id``, ``institution_id``, ``source_id``, ``experiment_id``, ``member_id``
    (with the start year of decadal forecasts, ``s1960-r1i1p1f1``), ``table_id``, ``variable_id``,
    ``grid_label``, ``version``, ``frequency``, ``dcpp_start_year``. The newest version of a dataset
    wins unless ``version`` is asked for.
    """

    name: ClassVar[str] = "cmip6"

    def search(self, archive: Archive, facets: Facets | None = None) -> Found:
        """Datasets in the archive; names are read, and files only where the names do not suffice.

        With facets, only files that are as asked are among the refused ones.
        """
        wanted = facets or {}
        placed, refused = self._place(archive, wanted)
        found, left_out = entries(
            [file for file in placed if matches(file.facets, wanted)],
            all_versions="version" in wanted,
        )
        if wanted:
            # What says nothing about itself is not known to be asked for.
            refused = []
        return Found(tuple(found), tuple(sorted([*refused, *left_out], key=lambda f: f.file)))

    def describe(self, archive: Archive, entry: Entry) -> Description:
        """Variables and period from the first and the last file; others are as their names say."""
        first = cmip6_files.peek_piece(archive, entry, entry.files[0])
        last = (
            first
            if len(entry.files) == 1
            else cmip6_files.peek_piece(archive, entry, entry.files[-1])
        )
        opened = describe_dataset(first.dataset.assign(first.times.variables), entry.files)
        if "time" not in first.dataset.dims or first is last:
            return opened
        return replace(
            opened,
            end=str(last.last)[:19].replace(" ", "T"),
            variables=tuple(_without_length(info) for info in opened.variables),
        )

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The entry as one dataset along time, lazily; see :mod:`catena.data_ingest.aggregate`."""
        return cmip6_files.open_entry(archive, entry)

    def _place(self, archive: Archive, wanted: Facets) -> tuple[list[Placed], list[Finding]]:
        if isinstance(archive, (EsgfArchive, DatastoreArchive)):
            # An index or a datastore: it searches itself, and knows more than paths say.
            return archive.ask(wanted), []
        placed: list[Placed] = []
        refused: list[Finding] = []
        catalogs: list[ArchiveFile] = []
        for file in archive.find():
            if cmip6_catalogs.is_catalog_file(file.path):
                catalogs.append(file)
                continue
            where = cmip6_layout.place(file)
            if isinstance(where, Finding) and not file.path.endswith(_DATA):
                where = cmip6_catalogs.not_data(file)
            if isinstance(where, Placed):
                where = self._complete(archive, where)
            if isinstance(where, Placed):
                placed.append(where)
            else:
                refused.append(where)
        data = [file.file.path for file in placed]
        return placed, refused + cmip6_catalogs.review(archive, catalogs, data)

    def _complete(self, archive: Archive, placed: Placed) -> Placed | Finding:
        """Facets that only the file itself knows, for names outside the folders of the DRS."""
        if "institution_id" in placed.facets or placed.store:
            return placed
        try:
            attributes = cmip6_files.attributes(archive, placed.file)
        except InvalidData as error:
            return Finding(
                check="unreadable",
                action="refused",
                dataset=placed.dataset,
                file=placed.file.path,
                variable=placed.facets["variable_id"],
                found=error.message,
                wanted="netCDF",
                why="the file is damaged or no netCDF; fetch it again",
            )
        return placed.with_facets(**cmip6_files.facets_of(attributes))


def _without_length(info: VariableInfo) -> VariableInfo:
    """Of several files only the first was looked at: the length of time is not known."""
    if "time" not in info.dims:
        return info
    lengths = tuple(
        -1 if dim == "time" else length for dim, length in zip(info.dims, info.shape, strict=True)
    )
    return replace(info, shape=lengths)
