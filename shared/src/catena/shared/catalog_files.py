"""The files of a catalog: an intake-esm datastore of ``catalog.json``, parquet and CSV.

Paths in a stored catalog are relative to the store, so that it may be moved;
:func:`resolved` makes them absolute for intake-esm. Equal rows give equal bytes.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from catena.shared.artifacts.manifest import canonical_json
from catena.shared.catalog import BOX, COLUMNS, TEXT, Row
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    import pyarrow as pa

JSON, PARQUET, CSV = "catalog.json", "catalog.parquet", "catalog.csv.gz"
KIND = "catalog"
"""Kind of the artifact that holds a catalog."""
FORMATS = ("zarr", "reference", "netcdf")
MODES = ("copy", "reference")
_REQUIRED = ("source", "dataset", "variable", "mode", "format", "path")
_ROW_GROUP = 65_536


def pack(rows: Sequence[Mapping[str, Any]], *, title: str = "") -> dict[str, bytes]:
    """All files of a catalog, by name.

    Parameters
    ----------
    rows : sequence of mapping
        Column -> value, see :data:`catena.shared.catalog.COLUMNS`; text columns may be left out.
    title : str
        One line for people.

    Raises
    ------
    InvalidData
        For rows without a source, dataset, variable, mode, format or path, for unknown columns, and
        for two rows of one dataset, variable and path.
    """
    table = _table(rows)
    return {
        JSON: canonical_json(datastore(title), indent=1),
        PARQUET: _parquet(table),
        CSV: _csv(table),
    }


def pack_table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Only ``catalog.parquet``; errors as in :func:`pack`."""
    return _parquet(_table(rows))


def datastore(title: str = "") -> dict[str, Any]:
    """The intake-esm description (``catalog.json``), which names the parquet table beside it.

    One key of intake-esm is one variable of one dataset, so nothing is combined: joined keys fail
    where a dataset holds several variables, and the message does not say which file was at fault.
    """
    return {
        "esmcat_version": "0.1.0",
        "id": "catena",
        "title": title,
        "description": "Datasets ingested by catena. Paths are relative to the store; "
        "`catena catalog export` writes a copy with full URLs.",
        "catalog_file": PARQUET,
        "attributes": [{"column_name": name, "vocabulary": ""} for name in COLUMNS],
        "assets": {"column_name": "path", "format_column_name": "format"},
        "aggregation_control": {
            "variable_column_name": "variable",
            "groupby_attrs": ["source", "dataset", "variable"],
            "aggregations": [],
        },
    }


def resolved(rows: Iterable[Row], store_url: str) -> list[Row]:
    """The rows with full URLs as paths.

    Parameters
    ----------
    rows : iterable of dict
    store_url : str
        URL of the store that holds the datasets, e.g. ``file:///data/store``.
    """
    base = store_url.rstrip("/")
    return [
        row if "://" in row["path"] else {**row, "path": f"{base}/{row['path']}"} for row in rows
    ]


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    seen = set()
    for row in rows:
        _check(row)
        identity = (row["source"], row["dataset"], row["variable"], row["path"])
        if identity in seen:
            raise InvalidData(
                f"the catalog has two rows of dataset {row['dataset']}, variable "
                f"{row['variable']}, path {row['path']}; wanted one"
            )
        seen.add(identity)
    ordered = sorted(rows, key=lambda row: tuple(str(row.get(name) or "") for name in _ORDER))
    columns: dict[str, pa.Array] = {}
    for name in TEXT:
        # Missing rather than "": intake-esm would copy empty text into attributes.
        columns[name] = pa.array([_text(row.get(name)) for row in ordered], pa.string())
    for name in BOX:
        columns[name] = pa.array([_number(row.get(name)) for row in ordered], pa.float64())
    columns["generated"] = pa.array([bool(row.get("generated")) for row in ordered], pa.bool_())
    columns["fixes"] = pa.array([int(row.get("fixes") or 0) for row in ordered], pa.int32())
    return pa.table(columns)


_ORDER = ("source", "dataset", "variable", "version", "path")


def _check(row: Mapping[str, Any]) -> None:
    name = row.get("dataset", "?")
    missing = [column for column in _REQUIRED if not row.get(column)]
    if missing:
        raise InvalidData(f"the catalog's row of dataset {name} has no {', '.join(missing)}")
    unknown = sorted(set(row) - set(COLUMNS))
    if unknown:
        raise InvalidData(
            f"the catalog's row of dataset {name} has unknown columns {', '.join(unknown)}; "
            f"there are {', '.join(COLUMNS)}"
        )
    for column, allowed in (("format", FORMATS), ("mode", MODES)):
        if row[column] not in allowed:
            raise InvalidData(
                f"the catalog's row of dataset {name} has {column} {row[column]!r}, "
                f"wanted one of {', '.join(allowed)}"
            )


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=_ROW_GROUP)
    return buffer.getvalue()


def _csv(table: pa.Table) -> bytes:
    import pyarrow.csv as pc

    buffer = io.BytesIO()
    pc.write_csv(table, buffer)
    return gzip.compress(buffer.getvalue(), mtime=0)
