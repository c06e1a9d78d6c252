"""Where the variables of a classic netCDF file lie (CDF-1, CDF-2, CDF-5).

The netCDF library reads zeros where a classic file ends too early, without a word. This module
computes from the header how long the file has to be, and which variable a truncated file lost.

Source: "The NetCDF Classic Format Specification" (Unidata), grammar of the header.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from catena.shared.errors import InvalidData

_DIMENSION, _VARIABLE, _ATTRIBUTE = 0x0A, 0x0B, 0x0C
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_STREAMING = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class Extent:
    """Bytes ``begin`` to ``end`` (exclusive) of a variable, or of its last record."""

    begin: int
    end: int


def is_classic(path: Path) -> bool:
    """Whether the file begins like a classic netCDF file."""
    with path.open("rb") as file:
        return _version(file.read(4)) != 0


def classic_extents(path: Path) -> dict[str, Extent]:
    """Extent of every variable of a classic netCDF file, in the order of the header.

    Raises
    ------
    InvalidData
        When the header is damaged or the file ends within it.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Header(data).extents()
        except (struct.error, KeyError, IndexError, UnicodeDecodeError, _Damaged) as error:
            raise InvalidData(
                f"{path.name}: the header of the netCDF file is damaged or cut off ({error}); the "
                "file was not written or copied completely, take another copy"
            ) from None


def _version(magic: bytes) -> int:
    return magic[3] if magic[:3] == b"CDF" and magic[3:4] in (b"\x01", b"\x02", b"\x05") else 0


class _Damaged(Exception):
    pass


class _Header:
    """Reads a header from its beginning; ``at`` is the position."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.version = _version(data[:4])
        self.at = 4

    def extents(self) -> dict[str, Extent]:
        records = self._count()
        if records in _STREAMING:
            records = 0
        sizes = [self._size() for _ in range(self._list(_DIMENSION))]
        self._attributes()
        plain: dict[str, Extent] = {}
        recorded: list[tuple[str, int, int]] = []
        for _ in range(self._list(_VARIABLE)):
            name = self._name()
            shape = [sizes[self._count()] for _ in range(self._bounded(self._count()))]
            self._attributes()
            item = _TYPE_BYTES[self._integer(4)]
            self._count()  # vsize: too small for large variables, so it is computed
            begin = self._integer(4 if self.version == 1 else 8)
            if shape and shape[0] == 0:
                recorded.append((name, begin, item * prod(shape[1:])))
                plain[name] = Extent(begin, begin)
            else:
                plain[name] = Extent(begin, begin + item * prod(shape))
        # One record variable alone is not padded to four bytes.
        pad = len(recorded) > 1
        record = sum(_padded(size) if pad else size for _, _, size in recorded)
        for name, begin, size in recorded:
            if records:
                last = begin + (records - 1) * record
                plain[name] = Extent(last, last + size)
        return plain

    def _integer(self, width: int) -> int:
        value: int = struct.unpack_from(">I" if width == 4 else ">Q", self.data, self.at)[0]
        self.at += width
        return value

    def _count(self) -> int:
        return self._integer(8 if self.version == 5 else 4)

    def _bounded(self, count: int) -> int:
        # A damaged count would otherwise be taken for billions of entries.
        if count > len(self.data):
            raise _Damaged(f"{count} entries at byte {self.at}")
        return count

    def _list(self, wanted: int) -> int:
        tag, count = self._integer(4), self._bounded(self._count())
        if tag != wanted and (tag, count) != (0, 0):
            raise _Damaged(f"tag {tag} at byte {self.at}")
        return count

    def _name(self) -> str:
        length = self._bounded(self._count())
        name = self.data[self.at : self.at + length]
        self._skip(length)
        return name.decode("utf-8")

    def _size(self) -> int:
        self._name()
        return self._count()

    def _attributes(self) -> None:
        for _ in range(self._list(_ATTRIBUTE)):
            self._name()
            item = _TYPE_BYTES[self._integer(4)]
            self._skip(item * self._bounded(self._count()))

    def _skip(self, length: int) -> None:
        self.at += _padded(length)
        if self.at > len(self.data):
            raise _Damaged(f"it goes on beyond byte {len(self.data)}")


def _padded(length: int) -> int:
    return -(-length // 4) * 4
