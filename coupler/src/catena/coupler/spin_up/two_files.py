"""What was learned, or is to be, as two files of a folder: a JSON and its arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from catena.shared.errors import InvalidData


def read_two(
    folder: Path, about: str, arrays: str, what: str
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read both files.

    Parameters
    ----------
    folder : Path
    about, arrays : str
        Names of the JSON and of the arrays (safetensors).
    what : str
        That the folder is to hold, for errors: ``emulator``.

    Raises
    ------
    InvalidData
        When one lacks or is something else.
    """
    from catena.shared.artifacts.arrays import unpack_arrays

    try:
        said = json.loads((folder / about).read_text("utf-8"))
        values = unpack_arrays((folder / arrays).read_bytes(), arrays)
    except (OSError, ValueError) as error:
        raise InvalidData(f"'{folder}' holds no {what} ({about}, {arrays}): {error}") from error
    if not isinstance(said, dict):
        raise InvalidData(f"'{folder / about}' holds no object")
    return said, values
