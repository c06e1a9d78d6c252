"""intake-esm datastores as archives: a table of assets that lie somewhere else.

intake-esm validates the datastore and searches it. Assets are opened one by one, by us: where
intake-esm joins many files into one key, its error does not say which of them is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from catena.data_ingest.sources import cmip6_catalogs
from catena.data_ingest.sources.base import Archive, ArchiveFile, Facets, matches
from catena.data_ingest.sources.cmip6_layout import (
    DRS,
    Placed,
    frequency,
    normal_version,
    place,
    start_year,
)
from catena.shared.errors import InvalidData, NotFound

if TYPE_CHECKING:
    from zarr.abc.store import Store

_REQUIRED = tuple(name for name in DRS if name not in ("activity_id", "institution_id"))
_COMPARED = tuple(name for name in DRS if name != "member_id")
_YEARS = ("dcpp_start_year", "dcpp_init_year")
_NOTHING = ("", "nan", "None", "<NA>")


def is_datastore(location: str) -> bool:
    """Whether a location is the description of an intake-esm datastore."""
    return location.endswith(".json")


class DatastoreArchive:
    """An :class:`~catena.data_ingest.sources.base.Archive` of a datastore's assets.

    Paths of files are the assets' full URLs.

    Parameters
    ----------
    location : str
        URL of the JSON description, e.g. ``https://storage.googleapis.com/cmip6/pangeo-cmip6.json``.
    opener : callable
        Location -> archive (:func:`catena.data_ingest.archive.open_archive` with its settings).

    Raises
    ------
    InvalidData
        On first use: when description or table are not those of a CMIP6 datastore.
    """

    def __init__(self, location: str, *, opener: Callable[[str], Archive]) -> None:
        self.location = location
        self._folder = location.rpartition("/")[0]
        # Thousands of assets lie in as many folders; the last ones are kept open.
        self._opener = lru_cache(maxsize=256)(opener)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(DatastoreArchive, opener=self._opener.__wrapped__), (self.location,)

    def ask(self, wanted: Facets) -> list[Placed]:
        """Assets that are as asked.

        Raises
        ------
        InvalidData
            When a row does not say what its asset is; names datastore, row and column.
        """
        frame = self._search(wanted)
        asset = self._model.assets.column_name
        records = frame.to_dict("records")
        placed = (self._placed(row, str(row[asset])) for row in records)
        return [item for item in placed if matches(item.facets, wanted)]

    def find(self, under: str = "") -> list[ArchiveFile]:
        """All assets, or those whose URLs begin with `under`."""
        assets = self._datastore.df[self._model.assets.column_name].astype(str)
        urls = sorted({self._absolute(asset) for asset in assets})
        return [ArchiveFile(url) for url in urls if url.startswith(under)]

    def read(self, path: str) -> bytes:
        """See :class:`Archive`."""
        archive, name = self._at(path)
        return archive.read(name)

    def open(self, path: str) -> BinaryIO:
        """See :class:`Archive`."""
        archive, name = self._at(path)
        return archive.open(name)

    def local(self, file: ArchiveFile | str) -> Path:
        """See :class:`Archive`."""
        archive, name = self._at(file if isinstance(file, str) else file.path)
        return archive.local(name)

    def version(self, path: str) -> str:
        """See :class:`Archive`."""
        archive, name = self._at(path)
        return archive.version(name)

    def url(self, path: str) -> str:
        """The asset's URL, which is its path."""
        return path

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of an asset."""
        archive, name = self._at(path)
        return archive.read_range(name, start, stop)

    def bytes_url(self, path: str) -> str:
        """URL from which the bytes come; another one where a mirror stands for the network."""
        archive, name = self._at(path)
        return archive.bytes_url(name)

    def store(self, path: str) -> Store:
        """A zarr asset for reading, with the retries and rights of its archive."""
        archive, name = self._at(path)
        return archive.store(name)

    def _at(self, path: str) -> tuple[Archive, str]:
        folder, _, name = path.rpartition("/")
        return self._opener(folder), name

    @cached_property
    def _model(self) -> Any:
        name = self.location.rpartition("/")[2]
        return cmip6_catalogs.description(self._opener(self._folder).read(name), self.location)

    @cached_property
    def _datastore(self) -> Any:
        from intake_esm.core import esm_datastore

        model = self._model
        if model.catalog_dict is not None:
            import pandas as pd

            frame = pd.DataFrame(model.catalog_dict).astype(str)
        else:
            folder, _, name = self._absolute(str(model.catalog_file)).rpartition("/")
            table = self._opener(folder).local(name)
            frame = cmip6_catalogs.read_frame(table.read_bytes(), name)
        named = (*_REQUIRED, model.assets.column_name)
        missing = [column for column in named if column not in frame.columns]
        if missing:
            raise InvalidData(
                f"datastore {self.location}: its table has no column {', '.join(missing)}, it has "
                f"{', '.join(map(str, frame.columns))[:200]}; wanted those of CMIP6"
            )
        description = model.model_dump(exclude={"catalog_file", "catalog_dict"})
        return esm_datastore({"esmcat": description, "df": frame})

    def _search(self, wanted: Facets) -> Any:
        frame = self._datastore.df
        # Member, start year and version are written in several ways; they are compared afterwards.
        names = [name for name in wanted if name in _COMPARED and name in frame.columns]
        wild = [name for name in names if any(_is_wild(value) for value in wanted[name])]
        query = {name: list(wanted[name]) for name in names if name not in wild}
        if query:
            frame = self._datastore.search(**query).df
        for name in wild:
            # Patterns meet the distinct values only; those of intake-esm are another language.
            accepted = [
                value
                for value in frame[name].unique()
                if any(fnmatchcase(str(value), pattern) for pattern in wanted[name])
            ]
            frame = frame[frame[name].isin(accepted)]
        return frame

    def _placed(self, row: Mapping[str, Any], asset: str) -> Placed:
        url = self._absolute(asset)
        facets = {
            name: str(row[name]) for name in DRS if name in row and str(row[name]) not in _NOTHING
        }
        missing = [name for name in _REQUIRED if name not in facets]
        if missing:
            raise InvalidData(
                f"datastore {self.location}, asset {url}: has no {', '.join(missing)}; wanted a "
                "value in every row"
            )
        year = next((str(row[name]) for name in _YEARS if str(row.get(name)) not in _NOTHING), "")
        if year and not start_year(facets["member_id"]):
            facets["member_id"] = f"s{year.removesuffix('.0')}-{facets['member_id']}"
        if year := start_year(facets["member_id"]):
            facets["dcpp_start_year"] = year
        facets["frequency"] = frequency(facets["table_id"])
        where = place(ArchiveFile(url))
        version = normal_version(str(row.get("version", "")))
        if not version and isinstance(where, Placed):
            version = where.version
        if version:
            facets["version"] = version
        if isinstance(where, Placed):
            return Placed(
                ArchiveFile(url), facets, where.period, where.begin, where.end, where.store
            )
        return Placed(ArchiveFile(url), facets, store=True)

    def _absolute(self, asset: str) -> str:
        asset = asset.rstrip("/")
        if "://" in asset or asset.startswith("/"):
            return asset if "://" in asset else f"file://{asset}"
        if asset in _NOTHING:
            raise NotFound(f"datastore {self.location}: a row has no asset")
        return f"{self._folder}/{asset.removeprefix('./')}"


def _is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern
