"""What is made ahead comes in order, not too far ahead, and ends cleanly."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from catena.orbit_trainer.ahead import Ahead


def test_items_come_in_order_from_the_first_asked() -> None:
    with Ahead(lambda step: step**2, first=3) as squares:
        assert list(itertools.islice(squares, 5)) == [9, 16, 25, 36, 49]


def test_no_more_is_made_than_may_wait() -> None:
    made: list[int] = []
    with Ahead(lambda step: made.append(step) or step, depth=2) as numbers:
        next(numbers)
        deadline = time.monotonic() + 5
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        # One taken, two wait, one stands at the door.
        assert made == [0, 1, 2, 3]


def test_an_error_comes_in_its_place_and_ends_all() -> None:
    def make(step: int) -> int:
        if step == 2:
            raise OSError("disk is gone")
        return step

    with Ahead(make) as numbers:
        assert [next(numbers), next(numbers)] == [0, 1]
        with pytest.raises(OSError, match="disk is gone"):
            next(numbers)
        with pytest.raises(StopIteration):
            next(numbers)


def test_leaving_stops_the_thread_even_when_all_is_full() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyError), Ahead(lambda step: step, depth=1) as numbers:
        next(numbers)
        raise KeyError
    assert set(threading.enumerate()) == before
    with pytest.raises(StopIteration):
        next(numbers)


def test_the_wait_is_counted() -> None:
    with Ahead(lambda step: time.sleep(0.05)) as slow:
        for _ in range(4):
            next(slow)
    assert slow.waited_s >= 0.15
    with Ahead(lambda step: step) as quick:
        time.sleep(0.1)
        next(quick)
        assert quick.waited_s < 0.05
