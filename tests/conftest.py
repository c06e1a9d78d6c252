from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest
from support.servers import Running, serving


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see the defaults, whatever the shell they are run in has set."""
    for name in list(os.environ):
        if name.startswith("CATENA_") and name != "CATENA_DATA":
            monkeypatch.delenv(name)


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """``serve(add_services, **settings)``: a running server, ended with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda add, **settings: stack.enter_context(serving(add, **settings))
