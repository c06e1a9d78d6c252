"""From tables of runs to an ensemble: whatever could spoil a calibration is told with its row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catena.calibrator.ensemble import EnsembleData, OutputTable
from catena.calibrator.prior import Prior
from catena.calibrator.runs import runs_needed
from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]

FILL_VALUE = 1e30
"""Outputs at or beyond this size are fill values of land models (1e36, 9.97e36), not results."""

BOUND_SLACK = 1e-6
"""Part of a prior's width by which a value may pass its bound and still be put on it: tables
written in single precision round 0.1 to 0.10000000149."""

FIELD_OUTPUTS = 50
"""With more outputs than this they are a field, where cells that never change (sea) are normal."""

_SHOWN = 5


def build_ensemble(
    prior: Prior,
    parameters: Array,
    outputs: Array,
    output_table: OutputTable,
    *,
    held_out_runs: int = 0,
    parameter_long_names: Sequence[str] = (),
    generated: bool = False,
    title: str = "",
    source_note: str = "",
    parameters_field: str = "parameters",
    outputs_field: str = "outputs",
) -> EnsembleData:
    """Check a table of runs and make an ensemble of it.

    Parameters
    ----------
    prior : Prior
        Names, units and ranges of the d parameters.
    parameters : (n, d) array
        One row per run, physical units.
    outputs : (n, k) array
        One row per run, physical units. A run with a missing (NaN, infinite) or fill value in any
        output counts as failed and is left out.
    output_table : OutputTable
        What the k outputs are.
    held_out_runs : int
        The last so many rows are kept out of training.
    parameters_field, outputs_field : str
        Names of the request's fields, for messages.

    Raises
    ------
    InvalidData
        Shapes that do not fit; a parameter that is NaN or outside its range; two runs with the same
        parameters; an output that never changes; too few good runs. All findings of one kind come
        at once, each with its row (from 0) and column.
    """
    parameters = np.array(parameters, dtype=np.float64)
    outputs = np.asarray(outputs, dtype=np.float64)
    _check_shapes(prior, parameters, outputs, output_table, parameters_field, outputs_field)
    _snap_to_bounds(prior, parameters)
    # A NaN is not less than anything either.
    good = np.asarray((np.abs(outputs) < FILL_VALUE).all(axis=1))
    held_out = np.arange(len(good)) >= len(good) - held_out_runs
    found = [
        *_outside(prior, parameters, parameters_field),
        *_duplicates(parameters, parameters_field),
        *_too_few(prior, good, held_out),
    ]
    if not found:
        found = _constant(outputs[good & ~held_out], output_table, outputs_field)
    if found:
        raise InvalidData("these runs cannot be used as they are", violations=found)
    return EnsembleData(
        prior=prior,
        parameters=parameters[good],
        outputs=outputs[good],
        output_table=output_table,
        run=np.flatnonzero(good).astype(np.int64),
        held_out=held_out[good],
        failed=tuple(int(row) for row in np.flatnonzero(~good)),
        parameter_long_names=tuple(parameter_long_names) or ("",) * prior.size,
        generated=generated,
        title=title,
        source_note=source_note,
    )


def _check_shapes(
    prior: Prior,
    parameters: Array,
    outputs: Array,
    table: OutputTable,
    parameters_field: str,
    outputs_field: str,
) -> None:
    found = []
    for array, columns, field_ in (
        (parameters, prior.size, parameters_field),
        (outputs, len(table.names), outputs_field),
    ):
        if array.ndim != 2 or array.shape[1] != columns:
            found.append(
                FieldViolation(
                    field_,
                    f"got a table of shape {array.shape}, wanted one row per run and {columns} "
                    "columns",
                )
            )
    if not found and len(parameters) != len(outputs):
        found.append(
            FieldViolation(
                outputs_field,
                f"got {len(outputs)} rows of outputs for {len(parameters)} rows of parameters; "
                "wanted the same runs in the same order (NaN where a run failed)",
            )
        )
    if found:
        raise InvalidData("the tables do not fit together", violations=found)


def _snap_to_bounds(prior: Prior, parameters: Array) -> None:
    slack = BOUND_SLACK * (prior.high - prior.low)
    near = (parameters >= prior.low - slack) & (parameters <= prior.high + slack)
    np.copyto(parameters, np.clip(parameters, prior.low, prior.high), where=near)


def _outside(prior: Prior, parameters: Array, field_: str) -> list[FieldViolation]:
    bad = ~((parameters >= prior.low) & (parameters <= prior.high))  # True for NaN too
    rows, columns = np.nonzero(bad)
    found = []
    for row, column in list(zip(rows, columns, strict=True))[:_SHOWN]:
        low, high = prior.low[column], prior.high[column]
        found.append(
            FieldViolation(
                field_,
                f"run {row} (counted from 0), column {prior.names[column]!r}: got "
                f"{parameters[row, column]:.6g}, wanted a number in the prior [{low:g}, {high:g}]; "
                "correct the run or widen the prior",
            )
        )
    return found + _more(field_, len(rows), "values outside the prior")


def _duplicates(parameters: Array, field_: str) -> list[FieldViolation]:
    _, first, inverse = np.unique(parameters, axis=0, return_index=True, return_inverse=True)
    original = first[inverse.ravel()]
    again = np.flatnonzero(original != np.arange(len(parameters)))
    found = [
        FieldViolation(
            field_,
            f"run {row} has the same parameters as run {original[row]} (counted from 0); the same "
            "run twice would count as two: remove one",
        )
        for row in again[:_SHOWN]
    ]
    return found + _more(field_, len(again), "repeated runs")


def _more(field_: str, total: int, what: str) -> list[FieldViolation]:
    if total <= _SHOWN:
        return []
    return [FieldViolation(field_, f"and {total - _SHOWN} more {what}")]


def _too_few(
    prior: Prior, good: NDArray[np.bool_], held_out: NDArray[np.bool_]
) -> list[FieldViolation]:
    training = int((good & ~held_out).sum())
    wanted = runs_needed(prior.size)
    if training >= wanted:
        return []
    return [
        FieldViolation(
            "held_out_runs" if int(good.sum()) >= wanted else "files",
            f"got {training} good training runs ({len(good)} runs, {int((~good).sum())} failed, "
            f"{int(held_out.sum())} held out); wanted at least {wanted} for {prior.size} "
            "parameters; make more runs or hold out fewer",
        )
    ]


def _constant(outputs: Array, table: OutputTable, field_: str) -> list[FieldViolation]:
    if len(table.names) > FIELD_OUTPUTS:
        return []
    same = np.flatnonzero(outputs.std(axis=0) <= 1e-12 * np.abs(outputs).max(axis=0, initial=0))
    found = [
        FieldViolation(
            field_,
            f"column {table.names[column]!r} has the same value in all training runs, so it says "
            "nothing about any parameter; leave it out",
        )
        for column in same[:_SHOWN]
    ]
    return found + _more(field_, len(same), "constant columns")
