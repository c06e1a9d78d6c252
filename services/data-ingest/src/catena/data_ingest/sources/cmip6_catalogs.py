"""intake-esm catalogs that lie among the data: read, validated, and told apart from data.

A catalog is no data itself. Where its assets lie below the same location they are datasets of their
own already; where they do not, it says how many are missing and names the first.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".csv.gz", ".parquet")
_ASSET_COLUMNS = ("zstore", "path", "uri", "url")


def is_catalog_file(path: str) -> bool:
    """Whether a file may be an intake-esm description or its table."""
    return path.endswith((".json", *TABLES))


def review(archive: Archive, files: Sequence[ArchiveFile], data: Collection[str]) -> list[Finding]:
    """One finding per catalog file.

    Parameters
    ----------
    archive : Archive
    files : sequence of ArchiveFile
        Those for which :func:`is_catalog_file` holds.
    data : collection of str
        Paths of the files that are data.
    """
    tables = {file.path: _read_table(archive, file) for file in files if file.path.endswith(TABLES)}
    here = _Here(data)
    findings = []
    for file in files:
        if file.path in tables:
            findings.append(_of_table(file, tables[file.path], here))
        else:
            findings.append(_of_description(archive, file, tables, here))
    return findings


def description(data: bytes, where: str) -> Any:
    """A validated intake-esm description (its own pydantic model).

    Raises
    ------
    InvalidData
        When it is no intake-esm catalog; names the fields at fault.
    """
    from intake_esm.cat import ESMCatalogModel
    from pydantic import ValidationError

    try:
        plain = json.loads(data)
    except ValueError:
        raise InvalidData(f"file {where}: is not JSON") from None
    if not isinstance(plain, dict) or "esmcat_version" not in plain:
        raise InvalidData(f"file {where}: is JSON, but no intake-esm catalog (no esmcat_version)")
    try:
        return ESMCatalogModel.model_validate({"last_updated": None, **plain})
    except ValidationError as error:
        fields = sorted({".".join(map(str, item["loc"])) or "catalog" for item in error.errors()})
        raise InvalidData(
            f"file {where}: is no valid intake-esm catalog, wrong are {', '.join(fields)[:200]}"
        ) from None


class _Here:
    """Which assets of catalogs are files of this archive: their paths end alike."""

    def __init__(self, data: Collection[str]) -> None:
        self._by_name: dict[str, list[str]] = {}
        for path in data:
            self._by_name.setdefault(path.rstrip("/").rpartition("/")[2], []).append(f"/{path}")

    def holds(self, asset: str) -> bool:
        """Whether a file here has the asset's CMIP6 path (or its whole one)."""
        asset = asset.rstrip("/")
        ours = self._by_name.get(asset.rpartition("/")[2])
        if ours is None:
            return False
        _, cmip6, tail = asset.rpartition("/CMIP6/")
        end = f"/CMIP6/{tail}" if cmip6 else f"/{asset.removeprefix('./').lstrip('/')}"
        return any(path.rstrip("/").endswith(end) for path in ours)


def _read_table(archive: Archive, file: ArchiveFile) -> pd.DataFrame | str:
    """The table, or what is wrong with it."""
    try:
        return read_frame(archive.read(file.path), file.path)
    except InvalidData as error:
        return error.message


def read_frame(data: bytes, where: str) -> pd.DataFrame:
    """Table of a datastore; every value as text.

    Raises
    ------
    InvalidData
        When it is no table.
    """
    import pandas as pd

    try:
        if where.endswith(".parquet"):
            return pd.read_parquet(io.BytesIO(data)).astype(str)
        raw = gzip.decompress(data) if where.endswith(".gz") else data
        return pd.read_csv(io.BytesIO(raw), dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:  # pandas' and pyarrow's are ValueErrors
        raise InvalidData(f"file {where}: is no table ({str(error)[:100]})") from None


def _of_table(file: ArchiveFile, table: pd.DataFrame | str, here: _Here) -> Finding:
    if isinstance(table, str):
        return not_data(file, table)
    column = next((name for name in _ASSET_COLUMNS if name in table.columns), None)
    if column is None:
        return not_data(file, f"a table of {_columns(table)}")
    return _assets(file, list(table[column]), here)


def _of_description(
    archive: Archive, file: ArchiveFile, tables: dict[str, pd.DataFrame | str], here: _Here
) -> Finding:
    try:
        model = description(archive.read(file.path), file.path)
    except InvalidData as error:
        return not_data(file, error.message)
    column = model.assets.column_name
    if model.catalog_dict is not None:
        return _assets(file, [str(row.get(column, "")) for row in model.catalog_dict], here)
    folder = file.path.rpartition("/")[0]
    name = str(model.catalog_file).rpartition("/")[2]
    beside = f"{folder}/{name}" if folder else name
    table = tables.get(beside, "the table with its assets is not here")
    if isinstance(table, str):
        return _refused(
            file,
            found=f"a catalog whose table is {model.catalog_file}",
            wanted=f"its table beside it, {beside}",
            why=f"{table}; give the catalog's own location",
        )
    if column not in table.columns:
        return _refused(
            file,
            found=f"a catalog of {len(table)} rows with columns {_columns(table)} in {beside}",
            wanted=f"column {column} with the assets, as the description says",
            why="description and table do not fit together; nothing can be opened with them",
        )
    named = [item.column_name for item in model.attributes]
    missing = [name for name in named if name not in table.columns]
    return _assets(file, list(table[column]), here, without=missing)


def _assets(
    file: ArchiveFile, assets: Sequence[str], here: _Here, without: Sequence[str] = ()
) -> Finding:
    missing = [asset for asset in assets if not here.holds(asset)]
    found = f"a catalog of {len(assets)} assets, {len(assets) - len(missing)} of them here"
    if without:
        found += f", without the column {', '.join(without)} of its description"
    if not missing:
        return _refused(
            file,
            found=found,
            wanted="files of data",
            why="no data itself; its assets are datasets of their own",
        )
    return _refused(
        file,
        found=f"{found}; the first missing one is {missing[0][:160]}",
        wanted="assets below this location",
        why="no data itself; give the catalog's own URL as location to read assets elsewhere",
    )


def _columns(table: pd.DataFrame) -> str:
    return ", ".join(map(str, table.columns))[:160]


def _refused(file: ArchiveFile, *, found: str, wanted: str, why: str) -> Finding:
    return Finding(
        check="catalog",
        action="refused",
        file=file.path,
        variable="-",
        found=found,
        wanted=wanted,
        why=why,
    )


def not_data(file: ArchiveFile, found: str = "") -> Finding:
    """A file that is documentation, a licence, a list or the like."""
    name = file.path.rpartition("/")[2]
    return Finding(
        check="not data",
        action="refused",
        file=file.path,
        variable="-",
        found=found or f"file {name}",
        wanted="netCDF, a zarr store or an intake-esm catalog",
        why="documentation or the like; nothing to ingest",
    )
