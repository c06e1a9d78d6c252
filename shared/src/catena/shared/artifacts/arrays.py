"""Named arrays as bytes: safetensors, which cannot run code when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from catena.shared.errors import InvalidData


def pack_arrays(arrays: Mapping[str, np.ndarray[Any, Any]], where: str) -> bytes:
    """Equal arrays become equal bytes, whatever their order and memory layout.

    Parameters
    ----------
    arrays : mapping
        Arrays of floats (16 to 64 bits), integers or booleans, of any shape.
    where : str
        Name of the file, for messages.

    Raises
    ------
    InvalidData
        For strings, objects, complex numbers and other things that are not such numbers.
    """
    from safetensors.numpy import save

    return save({key: _plain(arrays[key], key, where) for key in sorted(arrays)})


def unpack_arrays(data: bytes, where: str) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays by name, sorted; InvalidData when `data` is no safetensors file of numbers."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(sorted(load(data).items()))
    except (SafetensorError, KeyError, ValueError):
        raise InvalidData(f"'{where}' is no safetensors file of numbers") from None


def _plain(array: np.ndarray[Any, Any], key: str, where: str) -> np.ndarray[Any, Any]:
    values = np.asarray(array)
    if not (
        values.dtype == np.bool_
        or values.dtype.kind in "iu"
        or (values.dtype.kind == "f" and values.dtype.itemsize <= 8)
    ):
        raise InvalidData(
            f"'{where}': array '{key}' has type {values.dtype}, wanted floats, integers or "
            "booleans; put text into a JSON file"
        )
    return np.asarray(values, dtype=values.dtype.newbyteorder("<"), order="C")
