"""Fakes that users need too: a store that fails on demand, a clock that is moved by hand."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from catena.shared.artifacts.files import FileInfo, Files
from catena.shared.artifacts.paths import TEMPORARY
from catena.shared.artifacts.store import ArtifactStore


class Killed(BaseException):
    """Stands for kill -9 in the middle of a call: no ``except Exception`` catches it."""


def disk_full() -> OSError:
    """The error of a full disk."""
    return OSError(errno.ENOSPC, "No space left on device")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    operation : {"write", "read", "remove", "list"}
        Writes, exclusive creations and copies all count as "write"; looking whether something
        exists counts as "list".
    at : int
        At which call of that kind, from 1.
    error : callable
        Makes the exception.
    effect : {"none", "partial", "done"}
        What the call did before it failed: nothing, left a half-written temporary file (in a
        folder store), or all of it (only the answer was lost).
    stays : bool
        Every later call fails as well, of any kind: the process is dead, or the disk is gone.
    """

    operation: Literal["write", "read", "remove", "list"]
    at: int
    error: Callable[[], BaseException] = disk_full
    effect: Literal["none", "partial", "done"] = "none"
    stays: bool = False


class FaultyStore(ArtifactStore):
    """A store in which chosen calls fail.

    Parameters
    ----------
    url : str
        Of the real store behind it.
    *faults : Fault

    Attributes
    ----------
    journal : list of (str, str)
        Every call so far: kind of operation and name of the file.

    Examples
    --------
    >>> store = FaultyStore("memory://faulty", Fault("write", at=2))
    >>> store.write_json("a.json", 1)
    >>> store.write_json("b.json", 1)
    Traceback (most recent call last):
    ...
    catena.shared.errors.Unavailable: the store is full: could not write 'b.json'; ...
    """

    def __init__(self, url: str, *faults: Fault) -> None:
        super().__init__(url)
        self.faults = faults
        self._faulty = _FaultyFiles(self.files, faults)
        self.files = self._faulty

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, *self.faults)

    @property
    def journal(self) -> list[tuple[str, str]]:
        """Every call so far."""
        return list(self._faulty.journal)

    def repair(self) -> None:
        """Nothing fails from now on."""
        self._faulty.faults = ()
        self._faulty.broken = None


class _FaultyFiles:
    def __init__(self, inner: Files, faults: tuple[Fault, ...]) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self.faults = faults
        self.broken: Fault | None = None
        self.journal: list[tuple[str, str]] = []

    def _due(self, operation: str, path: str) -> Fault | None:
        with self._lock:
            self.journal.append((operation, path))
            self._counts[operation] = count = self._counts.get(operation, 0) + 1
            if self.broken is not None:
                raise self.broken.error()
            for fault in self.faults:
                if (fault.operation, fault.at) == (operation, count):
                    if fault.stays:
                        self.broken = fault
                    return fault
        return None

    def _run(
        self, operation: str, path: str, call: Callable[[], Any], data: bytes | None = None
    ) -> Any:
        fault = self._due(operation, path)
        if fault is None:
            return call()
        if fault.effect == "done":
            call()
        elif fault.effect == "partial" and data is not None:
            self._tear(path.rpartition("/")[0], data)
        raise fault.error()

    def _tear(self, folder: str, data: bytes) -> None:
        # What a killed write leaves in a folder. Buckets and memory keep nothing of a torn put.
        place = self._inner.local(folder) if folder else None
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{TEMPORARY}torn").write_bytes(data[: len(data) // 2])

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        return self._run("read", path, lambda: self._inner.read(path, start, stop))

    def blocks(self, path: str) -> Iterator[bytes]:
        return self._run("read", path, lambda: self._inner.blocks(path))

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        self._run("write", path, lambda: self._inner.write(path, data, durable=durable), data)

    def put(self, path: str, source: Path, sha256: str) -> None:
        self._run("write", path, lambda: self._inner.put(path, source, sha256))

    def create(self, path: str, data: bytes) -> bool:
        return self._run("write", path, lambda: self._inner.create(path, data), data)

    def exists(self, path: str) -> bool:
        return self._run("list", path, lambda: self._inner.exists(path))

    def ls(self, path: str) -> list[str]:
        return self._run("list", path, lambda: self._inner.ls(path))

    def find(self, path: str) -> list[FileInfo]:
        return self._run("list", path, lambda: self._inner.find(path))

    def remove_tree(self, path: str) -> None:
        self._run("remove", path, lambda: self._inner.remove_tree(path))

    def local(self, path: str) -> Path | None:
        return self._inner.local(path)


class FakeClock:
    """Seconds that pass only when somebody sleeps.

    Parameters
    ----------
    on_sleep : callable, optional
        Called with the time after each sleep: what others do meanwhile.

    Examples
    --------
    >>> clock = FakeClock()
    >>> clock.sleep(1.5)
    >>> clock()
    1.5
    """

    def __init__(self, on_sleep: Callable[[float], None] = lambda now: None) -> None:
        self.now = 0.0
        self.on_sleep = on_sleep

    def __call__(self) -> float:
        """Return the seconds now."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now += seconds
        self.on_sleep(self.now)
