"""The lexicon's tables: CSV files, so that adding a source is adding rows."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

from catena.shared.errors import NotFound


def table_names(prefix: str = "") -> list[str]:
    """Names of the tables that begin with `prefix`, sorted, without ``.csv``."""
    return sorted(
        entry.name.removesuffix(".csv")
        for entry in files(__package__).iterdir()
        if entry.name.startswith(prefix) and entry.name.endswith(".csv")
    )


@lru_cache(maxsize=64)
def read_table(name: str) -> tuple[dict[str, str], ...]:
    """Rows of a table; cells are stripped, missing ones empty.

    Raises
    ------
    NotFound
        When there is no such table.
    """
    path = files(__package__) / f"{name}.csv"
    if not path.is_file():
        raise NotFound(f"no table '{name}' in the lexicon; there are {', '.join(table_names())}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(
        {key: (value or "").strip() for key, value in row.items() if key is not None}
        for row in csv.DictReader(lines)
    )
