"""Channels to the services: one set of options for every client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc

from catena.shared.credentials import channel_credentials, is_unix, refuse_plain_text
from catena.shared.settings import Settings
from catena.shared.sockets import check_socket_path

_RETRY = {
    "methodConfig": [
        # No retry policy for the stream: who reads it opens it again. Where gRPC retries a stream
        # and its server stays away, the reader waits for ever (grpcio 1.85).
        {"name": [{"service": "catena.api.jobs.v1.JobService", "method": "WatchJob"}]},
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
    ]
}


def channel_options() -> list[tuple[str, Any]]:
    """Options of every channel."""
    return [
        # Proxies are for the web; on many clusters http_proxy would swallow calls to 127.0.0.1.
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config", json.dumps(_RETRY)),
        # A server that restarts is found again within a second or two, not after minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_metadata_size", 64 * 1024),
    ]


def open_channel(address: str, settings: Settings) -> grpc.Channel:
    """Channel to `address`: ``unix:/path``, ``host:port`` or ``dns:///host:port``.

    Raises
    ------
    FailedPrecondition
        When the traffic would leave this machine unencrypted.
    InvalidRequest
        When a certificate cannot be read, or the path of a socket is too long.
    """
    options = channel_options()
    if is_unix(address):
        check_socket_path(Path(address.removeprefix("unix:")))
        return grpc.insecure_channel(address, options)
    credentials = channel_credentials(settings)
    if credentials is None:
        refuse_plain_text(address, settings, "calling")
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, credentials, options)
