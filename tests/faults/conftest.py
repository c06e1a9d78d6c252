from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from catena.shared.jobs import safety


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a drill is worth without its safety is looked at when drills or safeties change."""
    for item in items:
        if "without" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.exhaustive)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``without("guard")`` removes a safety for all jobs and processes that are started later."""

    def remove(*safeties: str) -> None:
        assert set(safeties) <= set(safety.SAFETIES)
        before = filter(None, os.environ.get(safety.VARIABLE, "").split(","))
        monkeypatch.setenv(safety.VARIABLE, ",".join([*before, *safeties]))

    return remove
