"""Trying again, with growing pauses, what failed for a reason that may pass."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from catena.shared.errors import Unavailable

_T = TypeVar("_T")


class Transient(Exception):
    """It failed, and may succeed when tried again.

    Parameters
    ----------
    why : str
        For people: "it answered 503", "the connection broke after 1000 bytes".
    after_s : float, optional
        Seconds that the server asks to wait (Retry-After).
    """

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.after_s = after_s


@dataclass(frozen=True)
class Patience:
    """How long an archive is given.

    Parameters
    ----------
    attempts : int
        In all, without any new byte in between.
    first_s, longest_s : float
        First pause, s; it doubles up to the longest. Each is shortened by up to a half at random,
        so that many readers do not come back at once. A server that asks for a longer pause than
        the longest is given up.
    connect_s : float
        Seconds to wait for a connection.
    stall_s : float
        Seconds without a byte after which a connection counts as broken. A slow server that
        keeps sending never does.
    sleep : callable
        Waits so many seconds; for tests, and for callers that can be cancelled.
    """

    attempts: int = 6
    first_s: float = 0.5
    longest_s: float = 60.0
    connect_s: float = 10.0
    stall_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int, after_s: float | None = None) -> float:
        """Seconds to wait after so many failures in a row."""
        if after_s is not None:
            return after_s
        longest = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return longest * (0.5 + 0.5 * secrets.randbelow(1000) / 1000)

    def wait(self, failures: int, reason: Transient, what: str) -> None:
        """Pause before the next attempt, or give up.

        Raises
        ------
        Unavailable
            After the last attempt, or when the server asks for more patience than there is.
        """
        asked = reason.after_s
        if failures >= self.attempts or (asked is not None and asked > self.longest_s):
            times = "once" if failures == 1 else f"{failures} times"
            raise Unavailable(
                f"{what}: {reason.why}, tried {times}; ask again later: what has arrived is kept",
                retry_after_s=asked if asked is not None else self.longest_s,
            ) from reason
        self.sleep(self.pause(failures, asked))


def retried(call: Callable[[], _T], patience: Patience, what: str) -> _T:
    """Result of `call`, tried again while it raises :class:`Transient`.

    Raises
    ------
    Unavailable
        After the last attempt; `what` names the file.
    """
    failures = 0
    while True:
        try:
            return call()
        except Transient as reason:
            failures += 1
            patience.wait(failures, reason, what)
