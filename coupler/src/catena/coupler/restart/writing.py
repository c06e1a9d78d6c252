"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import netCDF4
from numpy.typing import NDArray

from catena.coupler.restart.source import Source

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new, empty file beside `target` that takes its place when the block ends well.

    Whoever looks at `target` sees the old file or the whole new one. The new one is on the disk
    before it takes the name.

    Raises
    ------
    OSError
        When the disk is full or the folder cannot be written; `target` is what it was, and nothing
        is left beside it.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        _to_disk(temporary)
        temporary.replace(target)
        with suppress(OSError):  # not every file system can do that with a folder
            _to_disk(target.parent)
    except (OSError, RuntimeError) as error:
        # The netCDF library reports a failed write as RuntimeError.
        raise _explained(error, target) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_changed(source: Source, changed: Mapping[str, NDArray[Any]], target: Path) -> None:
    """Write `source` with some variables replaced; every other byte stays the same.

    Parameters
    ----------
    source : Source
        The file as it was read.
    changed : mapping
        Whole arrays by variable name.
    target : Path
        May be the file of `source` itself.
    """
    with replacing(target) as temporary:
        source.copy_to(temporary)
        whole = temporary.stat().st_size
        patch(temporary, changed)
        if temporary.stat().st_size < whole:
            raise OSError(errno.EIO, "the file became shorter while it was written")


def patch(path: Path, changed: Mapping[str, NDArray[Any]]) -> None:
    """Overwrite values in place; the header is not touched."""
    if not changed:
        return
    with netCDF4.Dataset(path, "r+") as dataset:
        dataset.set_auto_maskandscale(False)
        for name, values in changed.items():
            dataset.variables[name][...] = values


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(error: OSError | RuntimeError, target: Path) -> OSError:
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
    cause = "the disk is full" if number in _FULL else str(error)
    return OSError(
        number,
        f"{target.name} was not written: {cause}; what was there before is unchanged",
    )
