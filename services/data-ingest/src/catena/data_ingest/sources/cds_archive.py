"""The Climate Data Store as an archive: ERA5 by request, one file a month.

Monthly means come as one file a year. The dry run needs no key; :meth:`CdsArchive.local` does.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from catena.data_ingest.sources.asked import Asked
from catena.data_ingest.sources.base import ArchiveFile, Facets
from catena.data_ingest.sources.cds_account import CdsAccount
from catena.data_ingest.sources.cds_datasets import (
    DATASETS,
    PRESSURES,
    CdsDataset,
    Product,
    request,
)
from catena.data_ingest.sources.era5_cds import Cds
from catena.data_ingest.sources.era5_retrieve import accept, digest, kept, retrieve
from catena.data_ingest.sources.retrieved import Planned, RetrievedArchive, entry_of
from catena.shared.errors import InvalidData

FACETS = (
    "dataset", "product_type", "variable", "year", "month", "day", "time", "pressure_level", "area",
)  # fmt: skip

_AHEAD = 4
"""Requests that wait in the store's queue at once: each may take hours there."""

_EARLY = timedelta(days=100)
"""The store replaces early data by final ones some two to three months later."""

Month = tuple[int, int]


@dataclass(frozen=True)
class CdsRequest:
    """A dataset of the store, and what to ask of it."""

    dataset: str
    inputs: dict[str, Any]


class CdsArchive(RetrievedArchive[CdsRequest]):
    """ERA5 of the Climate Data Store; see :class:`RetrievedArchive`.

    Facets: ``dataset``, ``product_type`` (default: the reanalysis), ``variable`` (long names; or
    canonical ones in the selection), ``year`` and ``month`` (or the selection's first and last
    day), ``day``, ``time`` (``00:00``), ``pressure_level`` (hPa), ``area`` (north, west, south,
    east; or the selection's region). Files hold whole months of what is asked for, so that another
    period of the same needs only the months that are new.
    """

    def bring(self, files: Sequence[ArchiveFile]) -> Iterator[list[Path]]:
        """Files of each request in order, while the next ones wait in the store's queue.

        Raises
        ------
        CatenaError
            As :meth:`local`.
        """
        for number, file in enumerate(files):
            for later in files[number : number + _AHEAD]:
                self._queue(later.path)
            found = self.local(file)
            yield sorted(found.iterdir()) if found.is_dir() else [found]

    @cached_property
    def _cds(self) -> Cds:
        account = CdsAccount.from_environment()
        account.check_location(self.location)
        return Cds(account, self.http)

    def __getstate__(self) -> dict[str, Any]:
        # The key is read again where it is needed.
        return {name: value for name, value in super().__getstate__().items() if name != "_cds"}

    def _queue(self, path: str) -> None:
        wanted, (folder, name) = self._request(path), self._place(path)
        if kept(folder, name) is None:
            accept(
                self._cds, wanted.dataset, wanted.inputs, folder, name=name,
                progress=self.order.tell,
            )  # fmt: skip

    def _retrieve(self, path: str, request: CdsRequest) -> Path:
        folder, name = self._place(path)
        found = kept(folder, name)
        if found is None:
            found = retrieve(
                self._cds, request.dataset, request.inputs, folder, name=name,
                progress=self.order.tell,
            )  # fmt: skip
        for one in sorted(found.iterdir()) if found.is_dir() else [found]:
            with one.open("rb") as file:
                start = file.read(8)
            if not start.startswith((b"CDF", b"\x89HDF")):
                shutil.rmtree(found) if found.is_dir() else found.unlink()
                raise InvalidData(
                    f"{self.url(path)}: found an answer that begins with {start!r}, wanted "
                    "netCDF; it was not kept: ask again"
                )
        return found

    def _place(self, path: str) -> tuple[Path, str]:
        pure = PurePosixPath(path)
        return self.folder.joinpath(*pure.parts[:-1]), pure.stem

    def _plan(self, wanted: Facets) -> list[Planned[CdsRequest]]:
        asked = Asked("Climate Data Store", wanted, self.order.selection, FACETS)
        names = asked.words("dataset", DATASETS)
        planned = [plan for name in names for plan in self._planned_of(asked, name)]
        asked.check()
        return planned

    def _planned_of(self, asked: Asked, name: str) -> list[Planned[CdsRequest]]:
        dataset = DATASETS[name]
        default = next(iter(dataset.products))
        if default:
            types = asked.words("product_type", dataset.products, [default])
        else:
            types = ("",)
            _unwanted(asked, "product_type", f"{name} has none")
        levels: tuple[str, ...] = ()
        if dataset.levels:
            levels = asked.words("pressure_level", PRESSURES)
        else:
            _unwanted(asked, "pressure_level", f"{name} has no levels")
        if any(dataset.products[one].monthly for one in types):
            _unwanted(asked, "day", f"{name} has means of months")
        days = asked.whole("day", 1, 31)
        area = asked.box(needed=False)
        months = asked.months(dataset.first, self.order.day)
        planned = []
        for product_type in types:
            product = dataset.products[product_type]
            made = request(
                product_type,
                product,
                asked.variables(dataset.variables, dataset.canonical(product.vocabulary)),
                hours=asked.words("time", product.hours, product.hours),
                days=days,
                levels=levels,
                area=area,
            )
            if months:
                planned.append(self._entry(name, dataset, product_type, product, made, months))
        return planned

    def _entry(
        self,
        name: str,
        dataset: CdsDataset,
        product_type: str,
        product: Product,
        made: dict[str, Any],
        months: Sequence[Month],
    ) -> Planned[CdsRequest]:
        blocks: dict[str, list[Month]] = {}
        for year, month in months:
            blocks.setdefault(
                f"{year:04d}" if product.monthly else f"{year:04d}-{month:02d}", []
            ).append((year, month))
        requests = {}
        for label, block in blocks.items():
            inputs = made | {
                "year": [f"{block[0][0]:04d}"],
                "month": [f"{month:02d}" for _, month in block],
            }
            early = _end(block[-1]) > self.order.day - _EARLY
            # What may still change is asked for again on another day.
            day = f"-as-of-{self.order.day}" if early else ""
            stem = f"{product_type or 'all'}-{label}{day}-{digest(name, inputs)}"
            requests[f"{name}/{stem}.nc"] = CdsRequest(name, inputs)
        facets = {
            "format": "hdf5",
            "frequency": product.frequency,
            "variable": " ".join(sorted(made["variable"])),
            "dataset": name,
            **({"product_type": product_type} if product_type else {}),
        }
        key = f"{name}.{product_type}" if product_type else name
        return Planned(
            entry=entry_of(key, requests, product.vocabulary, facets),
            requests=requests,
            variables=tuple(made["variable"]),
            dims=(
                "time",
                *(("pressure_level",) if dataset.levels else ()),
                "latitude",
                "longitude",
            ),
            start=f"{months[0][0]:04d}-{months[0][1]:02d}-01",
            end=str(min(_end(months[-1]), self.order.day)),
        )


def _end(month: Month) -> date:
    """Last day of a month."""
    year, number = month
    return date(year + number // 12, number % 12 + 1, 1) - timedelta(days=1)


def _unwanted(asked: Asked, facet: str, why: str) -> None:
    if facet in asked.facets:
        asked.wrong(facet, f"is given, but {why}; leave it out")
