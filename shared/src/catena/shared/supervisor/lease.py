"""The store's lease, seen by whoever ended a Ray: it gives back what that Ray held.

A cluster that vanishes holds its lease until others have watched its heartbeat stand still. The
supervisor knows better: it has seen the last process of that Ray end.
"""

from __future__ import annotations

import logging
import socket

from catena.shared.errors import CatenaError
from catena.shared.settings import Settings

_log = logging.getLogger("catena.supervisor")


def holder(settings: Settings) -> str:
    """Who holds the lease of the store in these settings; empty if it is free."""
    from catena.shared.artifacts import ArtifactStore
    from catena.shared.artifacts.lease import current

    found = current(ArtifactStore(settings.store))
    return found.holder if found else ""


def release(settings: Settings, session: str) -> str:
    """Give back the lease of a Ray whose processes have all ended.

    Parameters
    ----------
    settings : Settings
        The store is named there.
    session : str
        Name of that Ray's session; holders are called ``<host>/<session>``.

    Returns
    -------
    str
        The holder whose lease was given back; empty if it held none.
    """
    from catena.shared.artifacts import ArtifactStore
    from catena.shared.artifacts.lease import current

    if not session:
        return ""
    name = f"{socket.gethostname()}/{session.removeprefix('session_')}"
    try:
        found = current(ArtifactStore(settings.store))
        if found is None or found.holder != name:
            return ""
        found.release()
    except CatenaError as error:
        # It comes free by itself after CATENA_LEASE_STALL_S seconds.
        _log.warning("the lease was not given back", extra={"why": str(error)})
        return ""
    return name
