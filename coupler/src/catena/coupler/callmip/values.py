"""Values of variables as netCDF4 reads them."""

from __future__ import annotations

from typing import Any, TypeAlias

import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Variable: TypeAlias = "netCDF4.Variable[Any]"


def series_of(variable: Variable) -> NDArray[np.float64]:
    """All values in a row, as float64, NaN where missing.

    Raises
    ------
    InvalidData
        When they are no numbers, or an attribute that masks or scales them does not fit them.
    """
    if getattr(variable.dtype, "kind", "") not in ("f", "i", "u"):
        raise InvalidData(
            f"variable {variable.name}: found values of type {variable.dtype}, wanted numbers"
        )
    try:
        plain = np.ma.asarray(variable[...], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InvalidData(
            f"variable {variable.name}: found attributes that do not fit its values ({error}); "
            "wanted _FillValue, missing_value, valid_range, scale_factor in the type of the values"
        ) from error
    values: NDArray[np.float64] = np.ma.filled(plain, np.nan).reshape(-1)
    return values


def numbers_of(variable: Variable) -> NDArray[np.float64] | None:
    """As :func:`series_of`, but None where that is refused."""
    try:
        return series_of(variable)
    except InvalidData:
        return None


def is_text(value: object, *wanted: str) -> bool:
    """Whether an attribute is one of these texts; attributes may be arrays of numbers too."""
    return isinstance(value, str) and value in wanted
