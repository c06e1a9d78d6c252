"""Connections that look whom they have reached, before a word is said.

The name of an allowed host may be made to lead to an address inside. What counts is the address of
the socket that is used, not what a look-up said a moment before. Behind a proxy the proxy decides.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from catena.data_ingest.archive_allow import AllowList

POOL = 16
"""Connections that are kept open to one host."""


class CheckedAdapter(HTTPAdapter):
    """Adapter whose connections ask :meth:`AllowList.check_peer`."""

    def __init__(self, allow: AllowList | None) -> None:
        self._allow = allow
        super().__init__(pool_maxsize=POOL, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Pools with checked connections, except through proxies."""
        super().init_poolmanager(*args, **kwargs)
        if self._allow is not None:
            allow = self._allow
            self.poolmanager.pool_classes_by_scheme = {
                "http": type("_Pool", (HTTPConnectionPool,), {"ConnectionCls": _checked(allow)}),
                "https": type(
                    "_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": _checked_tls(allow)}
                ),
            }


def _checked(allow: AllowList) -> type[HTTPConnection]:
    class Checked(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _look(super()._new_conn(), self.host, allow)

    return Checked


def _checked_tls(allow: AllowList) -> type[HTTPSConnection]:
    class Checked(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _look(super()._new_conn(), self.host, allow)

    return Checked


def _look(connected: socket.socket, host: str, allow: AllowList) -> socket.socket:
    try:
        allow.check_peer(host, str(connected.getpeername()[0]))
    except BaseException:
        connected.close()
        raise
    return connected
