"""Prefect's settings for flows that run in the user's own process.

Prefect reads the environment when it is imported, so this comes first. What the user has set wins;
a worker of a Prefect server brings its own settings and does not come through here.
"""

from __future__ import annotations

import os

from catena.shared.client import Settings


def prepare(settings: Settings) -> None:
    """Set what is not set."""
    for name, value in _defaults(settings).items():
        os.environ.setdefault(name, value)
    # Prefect talks to its API on this machine by HTTP; on many clusters http_proxy is set and would
    # swallow that, without a word.
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    direct = ",".join(filter(None, [given, "127.0.0.1", "localhost"]))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = direct


def _defaults(settings: Settings) -> dict[str, str]:
    return {
        # Its database lies with the rest of catena, not in the user's own Prefect.
        "PREFECT_HOME": str(settings.home / "prefect"),
        # The API in the same process starts in seconds, but not on a loaded machine.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # The command prints what happens; Prefect's own lines (and tracebacks) would bury it.
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_CLI_COLORS": "false",
    }
