"""How many calls a server computes for at once, so that its other rpcs keep their processors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from catena.shared.errors import DeadlineExceeded, Unavailable

LOOK_S = 0.2
"""How often somebody who waits looks whether its client is still there."""


class Call(Protocol):
    """What is asked of the context of a call."""

    def is_active(self) -> bool:
        """Whether its client waits for it."""
        ...


class Turns:
    """Turns of computing; who has none waits, and leaves when nobody wants its answer any more.

    Parameters
    ----------
    most : int
        Turns at once.
    patience_s : float
        Seconds for which a call waits that holds one of the threads of all rpcs.
    """

    def __init__(self, most: int, patience_s: float) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._most, self._patience_s = most, patience_s

    @contextmanager
    def one(self, context: Call, *, patient: bool = False) -> Iterator[None]:
        """A turn, for as long as the block runs.

        Parameters
        ----------
        context : Call
            Of the call.
        patient : bool
            Wait until the client leaves or its time is over: for streams, which have threads of
            their own.

        Raises
        ------
        Unavailable
            When no turn came in time.
        DeadlineExceeded
            When the client has left, or its time is over.
        """
        end = time.monotonic() + self._patience_s
        while True:
            refuse_unwanted(context)
            if self._free.acquire(timeout=LOOK_S):
                break
            if not patient and time.monotonic() > end:
                raise Unavailable(
                    f"{self._most} answers are being computed already; ask again",
                    retry_after_s=2.0,
                )
        try:
            refuse_unwanted(context)
            yield
        finally:
            self._free.release()


def refuse_unwanted(context: Call) -> None:
    """Stop where nobody waits for the answer.

    Raises
    ------
    DeadlineExceeded
        When the client has left, or its time is over.
    """
    if not context.is_active():
        raise DeadlineExceeded(
            "the client has left or its time is over; give the call more time, ask for less, or "
            "use an rpc that makes a job, which needs no call that waits"
        )
