"""What the next steps need, made by a thread while the present one computes."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_LOOK_S = 0.1  # how often a full queue looks whether it is still wanted


class Ahead(Iterator[T], Generic[T]):
    """Endless iterator over ``make(first)``, ``make(first + 1)``, ..., a few of them in advance.

    What `make` raises is raised by the step that would have been given; then the thread has ended.
    Close it, or use it in a ``with`` block.

    Parameters
    ----------
    make : callable
        From a step's number to what that step needs; called in one thread, in order.
    first : int
    depth : int
        How many may wait to be taken.

    Attributes
    ----------
    waited_s : float
        Seconds that the taker has waited in all.
    """

    def __init__(self, make: Callable[[int], T], first: int = 0, depth: int = 2) -> None:
        self._make, self._first = make, first
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._closed = threading.Event()
        self._ended = False
        self.waited_s = 0.0
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self._thread.start()

    def __next__(self) -> T:
        if self._ended or self._closed.is_set():
            raise StopIteration
        started = time.perf_counter()
        made, error = self._queue.get()
        self.waited_s += time.perf_counter() - started
        if error is not None:
            self._ended = True
            raise error
        return made  # type: ignore[return-value]  # something was made where nothing was raised

    def close(self) -> None:
        """Stop the thread; what was made and not taken is dropped."""
        self._closed.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        step = self._first
        while not self._closed.is_set():
            try:
                made = self._make(step)
            except BaseException as error:  # it is the taker's to handle
                self._put((None, error))
                return
            self._put((made, None))
            step += 1

    def _put(self, item: tuple[T | None, BaseException | None]) -> None:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return
