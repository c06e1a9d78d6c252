"""Members: which parameters vary, and their values, one row for each member."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.ensemble_runner.designs import physical, unit_rows
from catena.ensemble_runner.models import Column, Model, Parameter
from catena.ensemble_runner.vocabulary import ParameterDesign, ParameterRange, ParameterTable
from catena.shared.contracts import nearest
from catena.shared.errors import FieldViolation

Array = NDArray[np.float64]

_TOLD = 20
"""Values out of range that are named one by one."""


@dataclass(frozen=True, eq=False)
class Members:
    """A table of parameters.

    Parameters
    ----------
    columns : tuple of Column
    rows : array (member, column)
        In the parameters' units.
    units, long_names : tuple of str
        Long names say the plants, where a column is of some only.
    low, high : array (column,)
        Of the range that the rows were drawn from, or of the rows themselves.
    """

    columns: tuple[Column, ...]
    rows: Array
    units: tuple[str, ...]
    long_names: tuple[str, ...]
    low: Array
    high: Array


def find(model: Model, column: Column, field: str) -> tuple[Parameter | None, list[FieldViolation]]:
    """A parameter of a model, and what is wrong with how it is named.

    Parameters
    ----------
    model : Model
    column : Column
    field : str
        Path of the message with ``name`` and ``pft`` in the request.
    """
    known = {parameter.name: parameter for parameter in model.parameters}
    parameter = known.get(column.name)
    if parameter is None:
        guess = nearest(column.name, known)
        hint = f"did you mean {guess}?" if guess else "DescribeModel lists them"
        return None, [
            FieldViolation(
                f"{field}.name", f"got {column.name!r}, no parameter of {model.name}; {hint}"
            )
        ]
    if not column.pft:
        return parameter, []
    if not parameter.per_pft:
        return parameter, [
            FieldViolation(
                f"{field}.pft",
                f"got {column.pft!r}, but {column.name} is one number for all plants; leave it out",
            )
        ]
    return parameter, pft_known(model, column.pft, f"{field}.pft")


def pft_known(model: Model, name: str, field: str) -> list[FieldViolation]:
    """Violation where a model has no plant functional type of that name."""
    if name in model.pfts:
        return []
    guess = nearest(name, model.pfts)
    hint = f"did you mean {guess}?" if guess else f"known are {', '.join(model.pfts)}"
    return [FieldViolation(field, f"got {name!r}, no plant functional type; {hint}")]


def design_fits(model: Model, design: ParameterDesign, field: str = "draw") -> list[FieldViolation]:
    """What is wrong with a design, given the model's parameters."""
    found: list[FieldViolation] = []
    for i, item in enumerate(design.parameters):
        where = f"{field}.parameters[{i}]"
        parameter, wrong = find(model, Column(item.name, item.pft), where)
        found += wrong
        if parameter is None:
            continue
        low, high = _bounds(parameter, item)
        if low is None or high is None:
            found.append(
                FieldViolation(
                    f"{where}.low",
                    f"is missing, and {item.name} has no usual range; give low and high",
                )
            )
            continue
        for end, value in (("low", low), ("high", high)):
            found += _inside(parameter, value, f"{where}.{end}")
    return found


def rows_fit(
    model: Model, columns: Sequence[Column], rows: Array, where: Iterable[str], values: str
) -> list[FieldViolation]:
    """What is wrong with a table of values.

    Parameters
    ----------
    model : Model
    columns : sequence of Column
    rows : array (member, column)
    where : iterable of str
        Path of each column in the request.
    values : str
        Path of the values; rows and columns are added to it.
    """
    found: list[FieldViolation] = []
    for number, (column, path) in enumerate(zip(columns, where, strict=True)):
        parameter, wrong = find(model, column, path)
        found += wrong
        if parameter is None:
            continue
        outside = (rows[:, number] < parameter.lowest) | (rows[:, number] > parameter.highest)
        for row in np.flatnonzero(outside | ~np.isfinite(rows[:, number]))[:_TOLD]:
            value = float(rows[row, number])
            found.append(
                FieldViolation(
                    values, f"member {row}, {column.label}: {_range_text(parameter, value)}"
                )
            )
    return found


def drawn(model: Model, design: ParameterDesign) -> Members:
    """Members of a design that fits (:func:`design_fits`)."""
    known = {parameter.name: parameter for parameter in model.parameters}
    bounds = [_bounds(known[item.name], item) for item in design.parameters]
    low = np.array([bound[0] for bound in bounds], dtype=np.float64)
    high = np.array([bound[1] for bound in bounds], dtype=np.float64)
    unit = unit_rows(
        design.design,
        design.members,
        len(bounds),
        seed=design.seed,
        first_size=design.first_size,
    )
    columns = tuple(Column(item.name, item.pft) for item in design.parameters)
    return _members(model, columns, physical(unit, low, high), low, high)


def columns_of(table: ParameterTable) -> list[Column]:
    """Columns of a table in a request."""
    return [Column(item.name, item.pft) for item in table.columns]


def rows_of(table: ParameterTable) -> Array:
    """Rows of a table in a request, (member, column)."""
    return np.array(table.values, dtype=np.float64).reshape(-1, len(table.columns))


def table_fits(model: Model, table: ParameterTable) -> list[FieldViolation]:
    """What is wrong with a table in a request."""
    where = [f"table.columns[{i}]" for i in range(len(table.columns))]
    return rows_fit(model, columns_of(table), rows_of(table), where, "table.values")


def given(model: Model, columns: Sequence[Column], rows: Array) -> Members:
    """Members from rows."""
    return _members(model, tuple(columns), rows, rows.min(axis=0), rows.max(axis=0))


def evenly(rows: Array, count: int) -> Array:
    """`count` rows, evenly spread over all; all of them for 0 or too many."""
    if not 0 < count < len(rows):
        return rows
    return rows[np.arange(count) * len(rows) // count]


def single_values(
    model: Model, items: Sequence[tuple[Column, float]], field: str
) -> Iterator[FieldViolation]:
    """What is wrong with single values for parameters."""
    for i, (column, value) in enumerate(items):
        parameter, wrong = find(model, column, f"{field}[{i}]")
        yield from wrong
        if parameter is not None:
            yield from _inside(parameter, value, f"{field}[{i}].value")


def _bounds(parameter: Parameter, item: ParameterRange) -> tuple[float | None, float | None]:
    if item.low is not None:
        return item.low, item.high
    return parameter.low, parameter.high


def _inside(parameter: Parameter, value: float, field: str) -> list[FieldViolation]:
    if parameter.lowest <= value <= parameter.highest:
        return []
    return [FieldViolation(field, _range_text(parameter, value))]


def _range_text(parameter: Parameter, value: float) -> str:
    return f"got {value:g}, wanted {parameter.lowest:g} to {parameter.highest:g} {parameter.units}"


def _members(
    model: Model, columns: tuple[Column, ...], rows: Array, low: Array, high: Array
) -> Members:
    known = {parameter.name: parameter for parameter in model.parameters}
    units = tuple(known[column.name].units for column in columns)
    long_names = tuple(
        known[column.name].long_name + (f", {column.pft.replace('_', ' ')}" if column.pft else "")
        for column in columns
    )
    return Members(columns, rows, units, long_names, low, high)
