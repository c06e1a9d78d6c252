"""Parameters of a parameter file, changed by name: of the parameter and of the plant (PFT)."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from catena.coupler.elm.parameter_ranges import INERT, check_value
from catena.coupler.pft import pft_index
from catena.coupler.restart.source import refuse_truncated
from catena.coupler.restart.writing import replacing
from catena.shared.errors import FieldViolation, InvalidData, InvalidRequest, NotFound

Changes = Mapping[str, float | Mapping[str, float]]
"""``{"slatop": {"broadleaf_deciduous_temperate_tree": 0.02}, "br_mr": 3e-6}``."""


def pft_names(path: Path) -> tuple[str, ...]:
    """Names of the plant functional types of a parameter file, in the order of their index.

    Raises
    ------
    NotFound, InvalidData
        When the file is not there or is none.
    """
    if not path.is_file():
        raise NotFound(f"there is no parameter file '{path}'")
    refuse_truncated(path)
    try:
        with netCDF4.Dataset(path) as file:
            return _names(file, path)
    except (OSError, RuntimeError) as error:
        raise InvalidData(f"'{path}' is no netCDF file: {error}") from error


def _names(file: netCDF4.Dataset, path: Path) -> tuple[str, ...]:
    if "pftname" not in file.variables:
        raise InvalidData(f"'{path.name}' is no parameter file of ELM: it has no pftname")
    file.set_auto_mask(False)
    file.set_auto_chartostring(False)
    letters = file["pftname"]
    if letters.dtype != np.dtype("S1") or letters.dimensions[:1] != ("pft",) or letters.ndim != 2:
        raise InvalidData(
            f"'{path.name}': pftname is {letters.dtype} {letters.dimensions}, wanted letters (pft, "
            "string length)"
        )
    names = tuple(
        b"".join(row).decode("ascii", "replace").strip("\0 ") for row in np.asarray(letters[:])
    )
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InvalidData(
            f"'{path.name}': pftname holds {', '.join(map(repr, doubled))} more than once; which "
            "plant is meant cannot be told, rename them in the file"
        )
    return names


def read_parameters(path: Path, names: tuple[str, ...], pft: str) -> dict[str, float]:
    """Values of parameters, those per PFT of the named one."""
    known = pft_names(path)
    index = pft_index(pft, known)
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        missing = [name for name in names if name not in file.variables]
        if missing:
            raise InvalidRequest(f"'{path.name}' has no parameter {', '.join(missing)}")
        return {
            name: float(np.ravel(file[name][...])[index if "pft" in file[name].dimensions else 0])
            for name in names
        }


def perturb_parameters(source: Path, target: Path, changes: Changes) -> None:
    """Write a parameter file with some values changed.

    Parameters
    ----------
    source, target : Path
        The target appears whole or not at all; it may be the source. Nothing but the named
        numbers changes: the bytes are copied and the values are written in their places.
    changes : mapping
        Parameters per PFT as a mapping from the file's own PFT names, scalars as a number. An index
        is not accepted: index 3 is another plant in another file.

    Raises
    ------
    InvalidRequest
        With every problem at once: an unknown parameter or PFT, a scalar with a PFT or the other
        way round, a value outside the possible range.
    NotFound, InvalidData
        When the source is not there or is no parameter file.

    Warns
    -----
    UserWarning
        For a value outside the usual range, and for a parameter that has no effect in ELM.
    """
    names = pft_names(source)
    with netCDF4.Dataset(source) as file:
        file.set_auto_mask(False)
        found: list[FieldViolation] = []
        notes: list[str] = []
        places: list[tuple[str, int | None, float]] = []
        for parameter, value in changes.items():
            _check(file, names, parameter, value, found, notes, places)
    if found:
        raise InvalidRequest(f"parameters of '{source.name}'", violations=found)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
        with netCDF4.Dataset(temporary, "r+") as file:
            file.set_auto_mask(False)
            for parameter, index, value in places:
                file[parameter][... if index is None else index] = value


def _check(
    file: netCDF4.Dataset,
    names: tuple[str, ...],
    parameter: str,
    value: float | Mapping[str, float],
    found: list[FieldViolation],
    notes: list[str],
    places: list[tuple[str, int | None, float]],
) -> None:
    if parameter not in file.variables or parameter == "pftname":
        found.append(FieldViolation(parameter, "the file has no such parameter"))
        return
    variable = file[parameter]
    if variable.dtype.kind not in "fiu":
        found.append(FieldViolation(parameter, f"holds {variable.dtype}, wanted numbers"))
        return
    per_pft = variable.dimensions == ("pft",)
    if parameter in INERT:
        notes.append(f"{parameter} has no effect: {INERT[parameter]}")
    if isinstance(value, Mapping):
        if not per_pft:
            found.append(
                FieldViolation(parameter, "one value for all plants; give a number, no PFT")
            )
            return
        for pft, number in value.items():
            where = f"{parameter}.{pft}"
            try:
                index = pft_index(str(pft), names)
            except InvalidRequest as error:
                found.append(FieldViolation(where, error.message))
                continue
            _place(variable, parameter, index, number, where, found, notes, places)
        return
    if per_pft:
        found.append(
            FieldViolation(
                parameter,
                f"one value for each plant; say whose, as {{'{names[min(7, len(names) - 1)]}': "
                f"{value}}}",
            )
        )
    elif variable.size != 1:
        found.append(
            FieldViolation(parameter, f"has dimensions {variable.dimensions}, wanted pft or none")
        )
    else:
        _place(variable, parameter, None, value, parameter, found, notes, places)


def _place(
    variable: Any,
    parameter: str,
    index: int | None,
    number: float,
    where: str,
    found: list[FieldViolation],
    notes: list[str],
    places: list[tuple[str, int | None, float]],
) -> None:
    default = float(np.ravel(variable[...])[index or 0])
    refusal, warning = check_value(parameter, number, default)
    if not refusal and np.issubdtype(variable.dtype, np.integer) and number != int(number):
        refusal = f"got {number}, the file keeps whole numbers"
    if refusal:
        found.append(FieldViolation(where, refusal))
        return
    if warning:
        notes.append(f"{where}: {warning}")
    places.append((parameter, index, float(number)))
