"""Who may talk to whom: certificates and the bearer token, from the settings.

TLS belongs to TCP. A Unix socket has none: its folder (0700) lets in one user only. The token,
where one is set, is asked for on both.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from pathlib import Path

import grpc

from catena.shared.errors import FailedPrecondition, InvalidRequest, Unauthenticated
from catena.shared.settings import Settings

AUTHORIZATION = "authorization"


def is_unix(address: str) -> bool:
    """Whether `address` is a Unix socket."""
    return address.startswith("unix:")


def is_loopback(address: str) -> bool:
    """Whether traffic to ``host:port`` or ``dns:///host:port`` stays on this machine."""
    host = address.removeprefix("dns:///").rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_plain_text(address: str, settings: Settings, what: str) -> None:
    """Refuse unencrypted TCP beyond this machine.

    Raises
    ------
    FailedPrecondition
        Unless ``CATENA_ALLOW_INSECURE`` says that the network itself protects the traffic.
    """
    if is_unix(address) or is_loopback(address) or settings.allow_insecure:
        return
    raise FailedPrecondition(
        f"{what} {address} without TLS would send data and tokens in the clear; set "
        "CATENA_TLS_CERT, CATENA_TLS_KEY and CATENA_TLS_CA, or CATENA_ALLOW_INSECURE=true where "
        "the network itself is encrypted"
    )


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Credentials of a TCP server; None when the settings name no certificate.

    Raises
    ------
    InvalidRequest
        When a named file cannot be read.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    authority = _read(settings.tls_ca, "CATENA_TLS_CA") if settings.tls_client_required else None
    return grpc.ssl_server_credentials(
        [(_read(settings.tls_key, "CATENA_TLS_KEY"), _read(settings.tls_cert, "CATENA_TLS_CERT"))],
        root_certificates=authority,
        require_client_auth=settings.tls_client_required,
    )


def channel_credentials(settings: Settings) -> grpc.ChannelCredentials | None:
    """Credentials of a TCP client; None when the settings name neither a CA nor a certificate.

    Raises
    ------
    InvalidRequest
        When a named file cannot be read.
    """
    if settings.tls_ca is None and settings.tls_cert is None:
        return None
    authority = _read(settings.tls_ca, "CATENA_TLS_CA") if settings.tls_ca else None
    if settings.tls_cert is None or settings.tls_key is None:
        return grpc.ssl_channel_credentials(root_certificates=authority)
    return grpc.ssl_channel_credentials(
        root_certificates=authority,
        private_key=_read(settings.tls_key, "CATENA_TLS_KEY"),
        certificate_chain=_read(settings.tls_cert, "CATENA_TLS_CERT"),
    )


def token_metadata(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Metadata that a client sends with each call."""
    token = settings.bearer_token
    return ((AUTHORIZATION, f"Bearer {token}"),) if token else ()


def check_token(metadata: Iterable[tuple[str, str | bytes]], token: str) -> None:
    """Compare the bearer token of a call with `token`, in constant time.

    Raises
    ------
    Unauthenticated
        When there is none, a wrong one, or more than one.
    """
    sent = [value for key, value in metadata if key == AUTHORIZATION]
    if not sent:
        raise Unauthenticated("this server wants a bearer token; set CATENA_TOKEN")
    value = sent[0].encode() if isinstance(sent[0], str) else sent[0]
    scheme, _, given = value.partition(b" ")
    right = hmac.compare_digest(given, token.encode())
    if len(sent) > 1 or scheme.lower() != b"bearer" or not right:
        raise Unauthenticated("the bearer token is not the server's; check CATENA_TOKEN")


def _read(path: Path | None, variable: str) -> bytes:
    if path is None:
        raise InvalidRequest(f"{variable} is not set")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"the file named by {variable} cannot be read ({error.strerror}); check the path and "
            "its permissions"
        ) from None
