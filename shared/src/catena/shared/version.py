"""Which code is running: jobs refuse to start on other code than their submitter's."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import catena


@lru_cache(maxsize=1)
def code_version() -> str:
    """Digest of every Python source of the installed catena packages, e.g. ``src-1f0c…``.

    Release numbers would not see an edited checkout; the sources do. Costs milliseconds, once.
    """
    digest = hashlib.sha256()
    for root in sorted({Path(entry) for entry in catena.__path__}):
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"src-{digest.hexdigest()[:16]}"
