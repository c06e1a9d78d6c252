"""Values of variables as netCDF4 reads them."""

from __future__ import annotations

from typing import Any, TypeAlias

import netCDF4
import numpy as np
from numpy.typing import NDArray

Variable: TypeAlias = "netCDF4.Variable[Any]"


def series_of(variable: Variable) -> NDArray[np.float64]:
    """All values in a row, as float64, NaN where missing."""
    plain = np.ma.asarray(variable[...], dtype=np.float64)
    values: NDArray[np.float64] = np.ma.filled(plain, np.nan).reshape(-1)
    return values


def is_numbers(variable: Variable) -> bool:
    """Whether the values are numbers, no text or compound."""
    return getattr(variable.dtype, "kind", "") in ("f", "i", "u")
