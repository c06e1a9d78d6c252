"""The catalog: one row per dataset and variable, searched by facets, time and place.

It is written by :mod:`catena.shared.catalog_files` as an intake-esm datastore, so every tool that
knows intake-esm reads it too; this search needs only its parquet table, no server and no pandas.
Columns are read when a search asks for them, as codes into a list of distinct values: a pattern is
compared with the distinct values, never with the rows.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from catena.shared.errors import FieldViolation, InvalidData, InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Codes = np.ndarray[Any, np.dtype[np.int32]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

FACETS = (
    "source", "variable", "standard_name", "units", "frequency", "calendar", "grid",
    "activity_id", "institution_id", "source_id", "experiment_id", "member_id", "table_id",
    "variable_id", "grid_label", "version", "dcpp_start_year", "site", "basin", "generated", "mode",
    "format",
)  # fmt: skip
"""Columns whose values are counted: few distinct values for many rows."""
TEXT = (
    "source", "dataset", "variable", "standard_name", "units", "frequency", "start", "end",
    "calendar", "grid", "activity_id", "institution_id", "source_id", "experiment_id", "member_id",
    "table_id", "variable_id", "grid_label", "version", "dcpp_start_year", "site", "basin", "mode",
    "format", "path", "digest",
)  # fmt: skip
BOX = ("lat_min", "lat_max", "lon_min", "lon_max")
COLUMNS = (*TEXT, *BOX, "generated", "fixes")
"""Every column. `fixes`: how many changes catena applies when it opens the dataset (references)."""
PAGE_SIZE = 100
MAX_PAGE_SIZE = 10_000

_GROUPS = 8  # row groups kept in memory, some 15 MB each: the next search is of the same rows

Row = dict[str, Any]
Facets = Mapping[str, Sequence[str]]
Range = tuple[float, float]


@dataclass(frozen=True)
class Page:
    """Part of what a search found.

    Parameters
    ----------
    rows : list of dict
        Column -> value; empty text where a column does not apply.
    total : int
        Rows that match, on all pages.
    next_page_token : str
        For the next page; empty on the last one.
    counts : dict
        Facet -> value -> matching rows, most frequent first; empty unless asked for.
    """

    rows: list[Row]
    total: int
    next_page_token: str = ""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


class Catalog:
    """A catalog's table, in memory as far as searches have needed it.

    Parameters
    ----------
    table : Path or bytes
        ``catalog.parquet``.

    Raises
    ------
    InvalidData
        When it is not a parquet table with the columns of a catalog.
    """

    def __init__(self, table: Path | bytes) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        source = io.BytesIO(table) if isinstance(table, bytes) else table
        try:
            # Mapped, so that a search reads the pages of the columns it needs and no others.
            self._file = pq.ParquetFile(
                source, memory_map=isinstance(table, Path), read_dictionary=list(TEXT)
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise InvalidData(
                f"the catalog is no parquet table ({str(error)[:120]}); make the catalog again"
            ) from None
        missing = sorted(set(COLUMNS) - set(self._file.schema_arrow.names))
        if missing:
            raise InvalidData(
                f"the catalog's table has no column {', '.join(missing)}; wanted all of "
                f"{', '.join(COLUMNS)}: make the catalog again with this version"
            )
        self._codes: dict[str, tuple[Codes, pa.Array]] = {}
        self._group = lru_cache(maxsize=_GROUPS)(self._read_group)
        self._numbers: dict[str, Any] = {}
        # Part of every page token: a token of yesterday's catalog would skip or repeat rows.
        self._identity = _footer_digest(table)

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """A catalog of `rows`, as it would be read back from its file."""
        from catena.shared.catalog_files import pack_table

        return cls(pack_table(rows))

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def search(
        self,
        facets: Facets | None = None,
        *,
        time: tuple[str, str] | None = None,
        lat: Range | None = None,
        lon: Range | None = None,
        page_size: int = PAGE_SIZE,
        page_token: str = "",
        counts: bool = False,
    ) -> Page:
        """Rows that match all that is asked.

        Parameters
        ----------
        facets : mapping, optional
            Column -> accepted values, any of them; ``*`` and ``?`` are wildcards.
        time : tuple of str, optional
            Beginnings of ISO 8601 times, e.g. ``("1990", "2000-06")``, both included; empty: open.
            Rows that overlap this period match, and so do fields without a time axis.
        lat, lon : tuple of float, optional
            South and north, west and east in degrees; rows whose box overlaps match. A west larger
            than the east goes across the date line.
        page_size : int
            At most this many rows.
        page_token : str
            Of the page before, for the same search of the same catalog.
        counts : bool
            Count the values of each facet over all matching rows.

        Raises
        ------
        InvalidRequest
            For unknown columns, ranges that are none, a page size outside 1..10000 and a page token
            of another search.
        """
        import numpy as np

        facets = facets or {}
        _check(facets, time, lat, lon, page_size)
        token = _token(self._identity, facets, time, lat, lon)
        start = _offset(page_token, token)
        mask: Mask = np.ones(len(self), dtype=bool)
        for name, patterns in facets.items():
            mask &= self._matching(name, patterns)
        if time is not None:
            mask &= self._during(*time)
        if lat is not None:
            mask &= self._overlap("lat_min", "lat_max", *lat)
        if lon is not None:
            mask &= self._longitudes(*lon)
        found = np.flatnonzero(mask)
        stop = start + page_size
        return Page(
            rows=self._rows(found[start:stop]),
            total=len(found),
            next_page_token=f"{stop}.{token}" if stop < len(found) else "",
            counts=self._counts(mask, len(found)) if counts else {},
        )

    def rows(self) -> list[Row]:
        """All rows."""
        import numpy as np

        return self._rows(np.arange(len(self)))

    def _matching(self, name: str, patterns: Sequence[str]) -> Mask:
        codes, values = self._column(name)
        accepted = _accepted(values, patterns)
        return accepted[codes]

    def _during(self, first: str, last: str) -> Mask:
        # ISO 8601 sorts as text. The end of the range is a beginning: "2000" holds "2000-12-31".
        starts, start_values = self._column("start")
        ends, end_values = self._column("end")
        begins_before = _accept(start_values, lambda text: not last or text[: len(last)] <= last)
        ends_after = _accept(end_values, lambda text: not text or text[: len(first)] >= first)
        return begins_before[starts] & ends_after[ends]

    def _overlap(self, low: str, high: str, first: float, last: float) -> Mask:
        return (self._number(low) <= last) & (self._number(high) >= first)

    def _longitudes(self, west: float, east: float) -> Mask:
        if west <= east:
            return self._overlap("lon_min", "lon_max", west, east)
        across: Mask = self._overlap("lon_min", "lon_max", west, math.inf)
        across |= self._overlap("lon_min", "lon_max", -math.inf, east)
        return across

    def _counts(self, mask: Mask, total: int) -> dict[str, dict[str, int]]:
        import numpy as np

        counts = {}
        for name in FACETS:
            codes, values = self._column(name)
            chosen = codes if total == len(codes) else codes[mask]
            numbers = np.bincount(chosen, minlength=len(values))
            named = zip(values.to_pylist(), numbers.tolist(), strict=True)
            seen = [(value, number) for value, number in named if value and number]
            counts[name] = dict(sorted(seen, key=lambda item: (-item[1], item[0])))
        return counts

    def _column(self, name: str) -> tuple[Codes, pa.Array]:
        """Codes of a text column, shape (rows,), and its distinct values; missing is ""."""
        if name not in self._codes:
            import numpy as np
            import pyarrow as pa
            import pyarrow.compute as pc

            column = self._file.read(columns=[name]).column(name)
            if not pa.types.is_dictionary(column.type):
                column = pc.cast(column, pa.string()).dictionary_encode()
            array = column.unify_dictionaries().combine_chunks()
            if isinstance(array, pa.ChunkedArray):  # a table without rows
                array = pa.array([], pa.dictionary(pa.int32(), pa.string()))
            codes = pc.fill_null(array.indices, -1).to_numpy(zero_copy_only=False)
            # The last value is the missing one, which code -1 finds.
            values = pa.concat_arrays([array.dictionary.cast(pa.string()), pa.array([""])])
            codes = np.where(codes < 0, len(values) - 1, codes).astype(np.int32)
            self._codes[name] = codes, values
        return self._codes[name]

    def _number(self, name: str) -> Any:
        if name not in self._numbers:
            column = self._file.read(columns=[name]).column(name)
            # A dataset without a place overlaps no box: NaN compares false.
            self._numbers[name] = column.to_numpy()
        return self._numbers[name]

    def _read_group(self, group: int) -> pa.Table:
        return self._file.read_row_group(group, columns=list(COLUMNS))

    def _rows(self, indices: Any) -> list[Row]:
        """Rows by number (ascending); only the row groups that hold them are read."""
        import numpy as np
        import pyarrow as pa

        if not len(indices):
            return []
        metadata = self._file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        begins = np.concatenate([[0], np.cumsum(sizes)])
        groups = np.searchsorted(begins, indices, side="right") - 1
        parts = []
        for group in np.unique(groups):
            table = self._group(int(group))
            parts.append(table.take(pa.array(indices[groups == group] - begins[group])))
        columns = {
            name: [value for part in parts for value in part.column(name).to_pylist()]
            for name in COLUMNS
        }
        for name in TEXT:
            columns[name] = [value or "" for value in columns[name]]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values())]  # noqa: B905


def _accepted(values: pa.Array, patterns: Sequence[str]) -> Mask:
    """Which distinct values match any of the patterns."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = [pattern for pattern in patterns if not _is_wild(pattern)]
    wild = [pattern for pattern in patterns if _is_wild(pattern)]
    accepted: Mask = pc.is_in(values, value_set=pa.array(plain, pa.string())).to_numpy(
        zero_copy_only=False
    )
    if wild:
        regex = "|".join(_regex(pattern) for pattern in wild)
        hits = pc.match_substring_regex(values, f"(?s)^(?:{regex})$")
        accepted = accepted | hits.to_numpy(zero_copy_only=False)
        if "" not in plain:
            # "*" asks for a value; a facet that a row lacks matches nothing.
            accepted = accepted & np.asarray(pc.not_equal(values, "").to_numpy(False))
    return accepted


def _is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _regex(pattern: str) -> str:
    parts = {"*": ".*", "?": "."}
    return "".join(parts.get(letter, re.escape(letter)) for letter in pattern)


def _accept(values: pa.Array, rule: Any) -> Mask:
    import numpy as np

    return np.fromiter((rule(text) for text in values.to_pylist()), dtype=bool, count=len(values))


def _check(
    facets: Facets,
    time: tuple[str, str] | None,
    lat: Range | None,
    lon: Range | None,
    page_size: int,
) -> None:
    known = (*TEXT, "generated")
    wrong = [
        FieldViolation(f"facets.{name}", f"no such column; {_like(name, known)}")
        for name in facets
        if name not in known
    ]
    wrong += [
        FieldViolation(f"facets.{name}", "got text, wanted a list of values")
        for name, patterns in facets.items()
        if isinstance(patterns, str)
    ]
    if time is not None and all(time) and time[1] < time[0][: len(time[1])]:
        wrong.append(FieldViolation("time", f"ends at {time[1]}, before it begins at {time[0]}"))
    for text in time or ():
        if text and not re.fullmatch(r"\d{4}(-\d\d(-\d\d(T[\d:]{2,8})?)?)?", text):
            wrong.append(
                FieldViolation("time", f"got {text[:30]!r}, wanted 1990, 1990-06 or 1990-06-30")
            )
    if lat is not None and not -90 <= lat[0] <= lat[1] <= 90:
        wrong.append(FieldViolation("lat", f"got {lat}, wanted south <= north within -90..90"))
    if lon is not None and not all(-180 <= edge <= 180 for edge in lon):
        wrong.append(FieldViolation("lon", f"got {lon}, wanted west, east within -180..180"))
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        wrong.append(FieldViolation("page_size", f"got {page_size}, wanted 1..{MAX_PAGE_SIZE}"))
    if wrong:
        raise InvalidRequest("this is no search of the catalog", violations=wrong)


def _like(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"


def _footer_digest(table: Path | bytes) -> str:
    # The footer, before its length and "PAR1", holds sizes and ranges of all columns.
    with io.BytesIO(table) if isinstance(table, bytes) else table.open("rb") as file:
        file.seek(-8, io.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, io.SEEK_END)
        return hashlib.sha256(file.read(length)).hexdigest()


def _token(*asked: Any) -> str:
    text = json.dumps(asked, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _offset(page_token: str, token: str) -> int:
    if not page_token:
        return 0
    offset, _, of = page_token.partition(".")
    if of != token or not offset.isdecimal() or len(offset) > 12:
        raise InvalidRequest(
            "this page token is not usable",
            violations=[
                FieldViolation(
                    "page_token",
                    f"got {page_token[:40]!r}, which is of another search or of another catalog; "
                    "begin again without a token",
                )
            ],
        )
    return int(offset)
