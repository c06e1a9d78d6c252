"""Vocabularies: what sources call the canonical variables, and how they mean them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from catena.shared.errors import InvalidData, NotFound
from catena.shared.lexicon.tables import read_table, table_names
from catena.shared.lexicon.variables import Variable, variable, variables

CF = "cf"
"""Vocabulary of files that follow CF or CMIP6: canonical names, or standard names alone."""

PREFIX = "vocabulary_"
KINDS_OF_ACCUMULATION = ("", "step", "forecast", "month")


@dataclass(frozen=True)
class Row:
    """One variable of one source.

    Parameters
    ----------
    vocabulary, variable : str
        The source's vocabulary, and its own name for the variable.
    name : str
        Canonical name.
    units : str
        Unit that the source really uses where its files do not say, or say wrongly.
    labelled : str
        A wrong unit label that is known and overruled by `units`.
    accumulated : str
        Seconds over which amounts are accumulated, or ``step`` (one step of time), ``month``
        (the calendar month), ``forecast`` (since the forecast started); empty if they are not.
    sign : int
        -1 where the source's positive direction is the opposite of ours.
    note : str
    """

    vocabulary: str
    variable: str
    name: str
    units: str = ""
    labelled: str = ""
    accumulated: str = ""
    sign: int = 1
    note: str = ""

    @property
    def canonical(self) -> Variable:
        """The canonical variable."""
        return variable(self.name)


def vocabulary_names() -> list[str]:
    """All vocabularies, sorted."""
    return sorted({CF, *(name.removeprefix(PREFIX) for name in table_names(PREFIX))})


@lru_cache(maxsize=64)
def rows(vocabulary: str) -> Mapping[str, Row]:
    """All rows of a vocabulary, by the source's name.

    Raises
    ------
    NotFound
        For a vocabulary that does not exist.
    InvalidData
        For a row that cannot be used; names table, row and value.
    """
    if vocabulary not in vocabulary_names():
        raise NotFound(
            f"no vocabulary '{vocabulary}' in the lexicon; "
            f"there are {', '.join(vocabulary_names())}"
        )
    table: dict[str, Row] = {}
    if f"{PREFIX}{vocabulary}" not in table_names(PREFIX):
        return MappingProxyType(table)
    for cells in read_table(f"{PREFIX}{vocabulary}"):
        row = _row(vocabulary, cells)
        if row.variable in table:
            raise InvalidData(
                f"vocabulary '{vocabulary}': '{row.variable}' stands there twice; delete one row"
            )
        table[row.variable] = row
    return MappingProxyType(table)


def lookup(
    vocabulary: str,
    source_variable: str,
    standard_name: str = "",
    *,
    cell_methods: str = "",
    dims: Iterable[str] = (),
) -> Row | None:
    """The row of a source's variable.

    First the vocabulary's own table is asked; then CF, by canonical name and by standard name.

    Parameters
    ----------
    vocabulary : str
    source_variable : str
        As the source calls it.
    standard_name, cell_methods : str
        Of the file, if it has them.
    dims : iterable of str
        Its dimensions: an air temperature with levels is `ta`, without them `tas`.

    Returns
    -------
    Row or None
        None when the lexicon does not know it, or when name and standard name contradict.

    Raises
    ------
    NotFound
        For a vocabulary that does not exist.
    """
    row = rows(vocabulary).get(source_variable)
    if row is not None:
        return row
    name = _canonical_name(source_variable, standard_name, cell_methods, tuple(dims))
    return Row(vocabulary, source_variable, name) if name else None


def contradiction(source_variable: str, standard_name: str) -> Variable | None:
    """The variable that `standard_name` stands for, if it is another than the name says."""
    named = variables().get(source_variable)
    if named is None or not standard_name or standard_name == named.standard_name:
        return None
    others = [other for other in variables().values() if other.standard_name == standard_name]
    return others[0] if others else None


def _canonical_name(
    source_variable: str, standard_name: str, cell_methods: str, dims: tuple[str, ...]
) -> str:
    if source_variable in variables():
        return "" if contradiction(source_variable, standard_name) else source_variable
    aliases = {row["standard_name"]: row["name"] for row in read_table("standard_names")}
    if standard_name in aliases:
        return aliases[standard_name]
    candidates = [each for each in variables().values() if each.standard_name == standard_name]
    if not standard_name or not candidates:
        return ""
    levels = bool({"plev", "lev", "level", "pressure", "isobaricInhPa"} & set(dims))
    extreme = next((word for word in ("minimum", "maximum") if word in cell_methods), "")
    fitting = [
        each
        for each in candidates
        if bool(each.dims) == levels and (extreme in each.cell_methods if extreme else True)
    ]
    # The first row of a standard name is its plain form (tas before tasmin); an area fraction
    # without more is of nothing in particular.
    return fitting[0].name if fitting and standard_name != "area_fraction" else ""


def _row(vocabulary: str, cells: dict[str, str]) -> Row:
    where = f"vocabulary '{vocabulary}', variable '{cells['variable']}'"
    if cells["name"] not in variables():
        raise InvalidData(f"{where}: name '{cells['name']}' is not in variables.csv; add it there")
    accumulated = cells.get("accumulated", "")
    if accumulated not in KINDS_OF_ACCUMULATION and not _is_positive(accumulated):
        raise InvalidData(
            f"{where}: accumulated is '{accumulated}', wanted seconds or one of "
            f"{', '.join(KINDS_OF_ACCUMULATION[1:])}"
        )
    if cells.get("sign", "") not in ("", "-1", "1"):
        raise InvalidData(f"{where}: sign is '{cells['sign']}', wanted -1 or nothing")
    if cells.get("labelled") and not cells.get("units"):
        raise InvalidData(f"{where}: labelled '{cells['labelled']}' needs units that overrule it")
    return Row(
        vocabulary=vocabulary,
        variable=cells["variable"],
        name=cells["name"],
        units=cells.get("units", ""),
        labelled=cells.get("labelled", ""),
        accumulated=accumulated,
        sign=int(cells.get("sign") or 1),
        note=cells.get("note", ""),
    )


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
