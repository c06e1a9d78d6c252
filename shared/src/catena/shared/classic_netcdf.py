"""Classic netCDF files that were cut off: the library reads what is missing as zeros, silently."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value by its type."""
_HEADER_AT_MOST = 64 * 2**20


class _NotReadable(Exception):
    """The header is damaged."""


@dataclass(frozen=True)
class _Variable:
    begin: int
    size: int
    record: bool


def lacking_bytes(path: Path) -> int:
    """How many bytes a classic netCDF file is shorter than its header says.

    Parameters
    ----------
    path : Path
        Of the formats CDF-1, CDF-2 and CDF-5.

    Returns
    -------
    int
        0 for a whole file, for a file of another format, and for a header that cannot be read (the
        library says so itself).
    """
    with path.open("rb") as file:
        magic = file.read(4)
        if magic[:3] != b"CDF" or magic[3:] not in (b"\x01", b"\x02", b"\x05"):
            return 0
        try:
            wanted = _wanted(_Header(file, magic[3]))
        except _NotReadable:
            return 0
    return max(0, wanted - path.stat().st_size)


class _Header:
    """Reader of a header; counts have 8 bytes in CDF-5, offsets in CDF-2 and CDF-5."""

    def __init__(self, file: BinaryIO, version: int) -> None:
        self._file = file
        self._count = ">q" if version == 5 else ">i"
        self._offset = ">i" if version == 1 else ">q"

    def count(self) -> int:
        return self._number(self._count)

    def offset(self) -> int:
        return self._number(self._offset)

    def tag(self) -> int:
        return self._number(">i")

    def skip(self, size: int) -> None:
        """Bytes and what fills them up to a multiple of 4."""
        self._read(size + -size % 4)

    def _number(self, form: str) -> int:
        (value,) = struct.unpack(form, self._read(struct.calcsize(form)))
        return int(value)

    def _read(self, size: int) -> bytes:
        if size < 0 or self._file.tell() + size > _HEADER_AT_MOST:
            raise _NotReadable
        data = self._file.read(size)
        if len(data) < size:
            raise _NotReadable
        return data


def _wanted(header: _Header) -> int:
    """Bytes up to the end of the last value (netCDF Classic and 64-bit Offset File Formats)."""
    records = header.count()
    lengths = []
    header.tag()
    for _ in range(header.count()):
        header.skip(header.count())
        lengths.append(header.count())
    _skip_attributes(header)
    variables = []
    header.tag()
    for _ in range(header.count()):
        header.skip(header.count())
        dims = [header.count() for _ in range(header.count())]
        _skip_attributes(header)
        kind = header.tag()
        header.count()  # the size in the header is no use for large variables
        if kind not in _SIZES or any(not 0 <= dim < len(lengths) for dim in dims):
            raise _NotReadable
        record = bool(dims) and lengths[dims[0]] == 0
        values = math.prod(lengths[dim] for dim in (dims[1:] if record else dims))
        variables.append(_Variable(header.offset(), values * _SIZES[kind], record))
    along = [each for each in variables if each.record]
    # Records are padded to a multiple of 4, unless there is but one variable along them.
    step = along[0].size if len(along) == 1 else sum(each.size + -each.size % 4 for each in along)
    ends = [each.begin + each.size for each in variables if not each.record]
    if records > 0:
        ends += [each.begin + (records - 1) * step + each.size for each in along]
    return max(ends, default=0)


def _skip_attributes(header: _Header) -> None:
    header.tag()
    for _ in range(header.count()):
        header.skip(header.count())
        kind = header.tag()
        if kind not in _SIZES:
            raise _NotReadable
        header.skip(header.count() * _SIZES[kind])
