"""Logs: one line per event, ``key=value``, quoted so that nothing can forge a second line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """One line per record; tracebacks become one quoted value.

    Parameters
    ----------
    service : str
        Name of the service that logs.
    secrets : sequence of str
        Texts that never appear; they are blotted out wherever they turn up.
    """

    def __init__(self, service: str, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._service = service
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        """Line of `record`."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": time,
            "level": record.levelname,
            "service": self._service,
            "event": record.getMessage(),
        }
        # Libraries that change how records are made add their own, with an underscore.
        fields |= {
            key: value
            for key, value in vars(record).items()
            if key not in _STANDARD and not key.startswith("_")
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        line = " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


def _quoted(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    plain = text.isascii() and text.isprintable() and text != ""
    return text if plain and not set(text) & set(' "=\\') else json.dumps(text)


def configure_logs(service: str, secrets: Sequence[str] = (), level: int = logging.INFO) -> None:
    """Send this process's logs to stderr, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(service, secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
