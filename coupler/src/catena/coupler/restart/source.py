"""The file behind a restart: what it holds, read when it is asked for, and copied byte by byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.layout import classic_extents, is_classic
from catena.shared.errors import InvalidData

FILL = 1e36
"""ELM's fill value; nothing of that size is a number."""


@dataclass(frozen=True)
class Variable:
    """What the header says of a variable."""

    dtype: np.dtype[Any]
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]


class Source:
    """A netCDF file, or its bytes in memory.

    Parameters
    ----------
    path : Path
        The file.
    wanted : str
        What kind of file it should be, for messages.
    in_memory : bool
        Keep the bytes, so that the file may change or vanish; otherwise variables are read when
        they are asked for, and a file that was changed meanwhile is refused.

    Raises
    ------
    InvalidData
        When the file is missing, no netCDF, or truncated.
    """

    def __init__(self, path: Path, wanted: str, *, in_memory: bool = False) -> None:
        self.path = path
        self.wanted = wanted
        self._bytes: bytes | None = None
        if not path.is_file():
            raise InvalidData(f"{path.name}: there is no such file")
        self._stamp = _stamp(path)
        refuse_truncated(path)
        if in_memory:
            self._bytes = path.read_bytes()
        with self._open() as dataset:
            self.format: str = dataset.data_model
            self.dimensions = {name: len(each) for name, each in dataset.dimensions.items()}
            self.attributes = {name: dataset.getncattr(name) for name in dataset.ncattrs()}
            self.variables = {
                name: Variable(np.dtype(each.dtype), tuple(each.dimensions), tuple(each.shape))
                for name, each in dataset.variables.items()
            }

    def read(self, names: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Values of some variables as they are in the file, fill values included.

        Raises
        ------
        InvalidData
            When a variable is missing (all of them are named) or cannot be read.
        """
        wanted = list(names)
        missing = [name for name in wanted if name not in self.variables]
        if missing:
            raise InvalidData(
                f"{self.path.name}: the file has no variable {', '.join(missing)}; {self.wanted} "
                "is wanted"
            )
        found = {}
        with self._open() as dataset:
            for name in wanted:
                try:
                    values = dataset.variables[name][...]
                except (OSError, RuntimeError) as error:
                    raise InvalidData(
                        f"{self.path.name}: variable {name} cannot be read ({error}); the file is "
                        "damaged, take another copy"
                    ) from None
                found[name] = np.asarray(values)
        return found

    def is_number(self, name: str) -> bool:
        """Whether a variable holds numbers and no text."""
        return self.variables[name].dtype.kind in "fiu"

    def attributes_of(self, name: str) -> dict[str, Any]:
        """Attributes of a variable; none where there is no such variable."""
        with self._open() as dataset:
            variable = dataset.variables.get(name)
            if variable is None:
                return {}
            return {key: variable.getncattr(key) for key in variable.ncattrs()}

    def copy_to(self, target: Path) -> None:
        """Write the same bytes into an existing, empty file."""
        if self._bytes is not None:
            target.write_bytes(self._bytes)
            return
        self._refuse_changed()
        shutil.copyfile(self.path, target)

    @contextmanager
    def _open(self) -> Iterator[netCDF4.Dataset]:
        try:
            if self._bytes is None:
                self._refuse_changed()
                dataset = netCDF4.Dataset(self.path, "r")
            else:
                dataset = netCDF4.Dataset(self.path.name, "r", memory=self._bytes)
        except (OSError, RuntimeError) as error:
            raise InvalidData(
                f"{self.path.name}: this is no whole netCDF file ({error}); it was damaged or cut "
                "off, take another copy"
            ) from None
        try:
            dataset.set_auto_maskandscale(False)
            dataset.set_auto_chartostring(False)
            yield dataset
        finally:
            dataset.close()

    def _refuse_changed(self) -> None:
        if not self.path.is_file() or _stamp(self.path) != self._stamp:
            raise InvalidData(
                f"{self.path.name}: the file was changed after it had been read; read it again"
            )


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def refuse_truncated(path: Path) -> None:
    """The netCDF library reads zeros where a classic file was cut off; this does not.

    Raises
    ------
    InvalidData
        When the file ends before its last variable does.
    """
    if not is_classic(path):
        return
    size = path.stat().st_size
    for name, extent in classic_extents(path).items():
        if extent.end > size:
            raise InvalidData(
                f"{path.name}: the file is truncated: it has {size} bytes and variable {name} ends "
                f"at byte {extent.end}; take another copy"
            )
