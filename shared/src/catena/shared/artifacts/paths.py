"""Names inside the store, checked before anything is opened.

A name is relative to the store, in POSIX form: segments of ``A-Z a-z 0-9 . _ -`` joined by ``/``.
Whatever passes :func:`check_relative` stays below the root it is joined to; symbolic links are
dealt with where the file is opened (see :mod:`catena.shared.artifacts.files`).
"""

from __future__ import annotations

import re
from pathlib import Path

from catena.shared.errors import FieldViolation, UnsafePath

MAX_PATH = 512
"""Longest name in the store, in characters."""

MAX_SEGMENT = 255
"""Longest part between two slashes: what file systems allow."""

TEMPORARY = ".tmp-"
"""Segments that begin so are half-written files: never listed, never taken as a name."""

_ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
_SHOWN = 60


def check_relative(path: object, field: str = "path") -> str:
    """Return `path` if it is a safe name inside the store.

    Parameters
    ----------
    path : object
        What came. Anything but a string is refused.
    field : str
        Which field it came in, for the message.

    Returns
    -------
    str
        `path`, unchanged: there is one spelling of each name.

    Raises
    ------
    UnsafePath
        Its message names the field and what came; its violation repeats both for the client.
    """
    problem = _problem(path)
    if problem is not None:
        description = (
            f"got {_shown(path)}: {problem}; wanted a name inside the store, "
            "of letters, digits and . _ - joined by /"
        )
        raise UnsafePath(
            f"{field}: {description}", violations=(FieldViolation(field, description),)
        )
    assert isinstance(path, str)  # _problem has seen to it
    return path


def is_safe(path: str) -> bool:
    """Whether :func:`check_relative` accepts `path`."""
    return _problem(path) is None


def check_segment(name: object, field: str = "name") -> str:
    """Return `name` if it is a safe name of one segment (no ``/``); raises UnsafePath."""
    checked = check_relative(name, field)
    if "/" in checked:
        description = f"got {_shown(name)}: it has a /; wanted a plain file name"
        raise UnsafePath(
            f"{field}: {description}", violations=(FieldViolation(field, description),)
        )
    return checked


def inside(root: Path, path: str) -> Path:
    """Join `path` to the folder `root` and make sure that no symbolic link leads out of it.

    Raises
    ------
    UnsafePath
        When the real place of the file is not below the real place of `root`.
    """
    joined = root / check_relative(path)
    try:
        real = joined.resolve()
    except (OSError, RuntimeError):
        # A loop of links; Python 3.11 raises RuntimeError, later versions OSError.
        raise UnsafePath(f"path: got {_shown(path)}: its symbolic links go in a circle") from None
    if not real.is_relative_to(root.resolve()):
        raise UnsafePath(
            f"path: got {_shown(path)}: a symbolic link leads out of the folder; "
            "copy the file to where the link stands"
        )
    return joined


def _problem(path: object) -> str | None:
    if not isinstance(path, str):
        return f"it is a {type(path).__name__}, not text"
    if not path:
        return "it is empty"
    if len(path) > MAX_PATH:
        return f"it has {len(path)} characters, at most {MAX_PATH} are allowed"
    if "\0" in path:
        return "it has a NUL character"
    if "\\" in path:
        return "it has a backslash"
    if "://" in path:
        return "it names another place than this store"
    if path.startswith("/"):
        return "it is absolute"
    for segment in path.split("/"):
        if not segment:
            return "it has an empty part between slashes"
        if segment in (".", ".."):
            return f"it has a part '{segment}'"
        if not _ALLOWED.fullmatch(segment):
            return "it has a character that is not allowed"
        if len(segment) > MAX_SEGMENT:
            return f"it has a part longer than {MAX_SEGMENT} characters"
        if segment.startswith(TEMPORARY):
            return f"names that begin with {TEMPORARY} are kept for half-written files"
    return None


def _shown(value: object) -> str:
    # Long or odd input is cut and escaped: it goes into logs and to clients.
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
