"""Is a server healthy? Its own health service answers."""

from __future__ import annotations

from dataclasses import dataclass

from catena.shared.client import connect
from catena.shared.errors import CatenaError
from catena.shared.settings import Settings


@dataclass(frozen=True)
class Health:
    """Answer of a server.

    Parameters
    ----------
    serving : bool
        It says that it serves.
    detail : str
        Why not, in a few words.
    """

    serving: bool
    detail: str = ""


def check(settings: Settings, service: str, timeout_s: float = 2.0) -> Health:
    """Ask the server of `service` at its address in `settings`, once."""
    try:
        with connect(service, settings) as client:
            answer = client.health(timeout_s)
    except CatenaError as error:
        return Health(False, error.code.lower().replace("_", " "))
    if answer == "SERVING":
        return Health(True)
    return Health(False, answer.lower().replace("_", " "))
