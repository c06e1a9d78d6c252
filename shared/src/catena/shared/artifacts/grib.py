"""Values of a GRIB message, as a codec under the name that kerchunk's references use.

Only needed where kerchunk, which brings its own, is not installed.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any, ClassVar

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ndarray_copy

from catena.shared.errors import FailedPrecondition

_LOCK = threading.RLock()
_ARRAYS = {"latitude": "latitudes", "longitude": "longitudes"}


def _eccodes() -> Any:
    # A package of its own choice: who reads no GRIB need not have it.
    try:
        return importlib.import_module("eccodes")
    except ImportError:
        raise FailedPrecondition(
            "these data are GRIB, which needs eccodes to be read: pip install eccodes"
        ) from None


class GribMessage(Codec):
    """Decodes one message; its missing values become NaN.

    Parameters
    ----------
    var : str
        ``latitude``, ``longitude``, or anything else for the values.
    dtype : str
        Of the result.

    Raises
    ------
    FailedPrecondition
        When eccodes is not installed.
    """

    codec_id: ClassVar[str] = "grib"

    def __init__(self, var: str, dtype: str | None = None) -> None:
        self.var = var
        self.dtype = dtype or "float32"
        self._eccodes = _eccodes()

    def get_config(self) -> dict[str, Any]:
        """What makes an equal codec."""
        return {"id": self.codec_id, "var": self.var, "dtype": self.dtype}

    def encode(self, buf: Any) -> Any:
        """Messages are only read; what comes goes."""
        return buf

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Values of a message in the order of the file, one-dimensional."""
        eccodes = self._eccodes
        with _LOCK:  # eccodes is not safe in threads everywhere
            handle = eccodes.codes_new_from_message(bytes(buf))
            try:
                values = eccodes.codes_get_array(handle, _ARRAYS.get(self.var, "values"))
                if self.var not in _ARRAYS and eccodes.codes_get(handle, "bitmapPresent"):
                    values[values == eccodes.codes_get(handle, "missingValue", float)] = np.nan
            finally:
                eccodes.codes_release(handle)
        values = values.astype(self.dtype, copy=False)
        return values if out is None else ndarray_copy(values, out)
