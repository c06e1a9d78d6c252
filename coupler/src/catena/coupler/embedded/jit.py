"""How the functions of the embedded model are compiled.

With ``NUMBA_DISABLE_JIT=1`` the same functions run as plain Python, which is the reference that the
compiled model is compared with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Digest of all sources of the embedded model."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function that allocates no memory.

    It then need not count references to the arrays that it slices, which would cost as much time as
    the model itself.
    """
    return _compile(function, _nrt=False)


def compiled_loop(function: Callable[..., Any]) -> Any:
    """Compile a function that allocates memory: the loops over days."""
    return _compile(function)


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function to machine code on its first call, and keep that on disk.

    Neither ``fastmath`` nor ``parallel``: one member alone gives the same bits as among others.
    Numba's cache looks at the file of the function only, so that an edited equation in another
    file would go unnoticed; here every source of the model is the stamp.
    """
    njit: Any = numba.njit  # its type hints lack some options
    made = njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    cache = getattr(made, "_cache", None)  # none where compilation is switched off
    if cache is not None and hasattr(cache, "_cache_file"):
        cache._cache_file._source_stamp = source_digest()
    return made
