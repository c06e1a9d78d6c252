"""Settings: the only difference between a laptop and a cluster.

Everything is read from the environment (``CATENA_*``); nothing has a second config file.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from catena.shared.errors import InvalidRequest

SERVICE_NAMES = (
    "data-ingest",
    "ensemble-runner",
    "calibrator",
    "forecaster",
    "explainer",
    "orbit-trainer",
)
"""Services of this release, in the order in which ``catena up`` starts them."""


class Settings(BaseSettings):
    """What may differ between two installations.

    Every field ``x`` is read from ``CATENA_X``. The address of a service, say the calibrator, is
    read from ``CATENA_CALIBRATOR_ADDRESS`` and defaults to its socket in :attr:`run_dir`.
    """

    model_config = SettingsConfigDict(env_prefix="CATENA_", frozen=True, extra="ignore")

    home: Path = Field(
        default_factory=lambda: Path.home() / ".catena",
        description="Folder for everything that catena keeps on this machine.",
    )
    store: str = Field(
        default="",
        description="URL of the artifact store: file:///..., s3://bucket/prefix. "
        "Default: the folder store/ in home.",
    )
    run_dir: Path = Field(
        default=Path(),
        description="Folder (0700) for sockets, locks and process records; short, because a Unix "
        "socket's path has at most 107 bytes. Default: one per home in the system's temporary "
        "folder.",
    )

    # Data
    data: Path | None = Field(
        default=None, description="Folder of real data that servers may read; empty: none."
    )
    mirror: Path | None = Field(
        default=None,
        description="Folder that stands for the network: https://host/a/b is read from host/a/b in "
        "it, and nothing is asked for outside. Empty: the network.",
    )
    archives: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Archives that servers may read beside the well-known public ones: prefixes "
        "(https://host/path, s3://bucket/prefix, gs://bucket, /folder), separated by commas.",
    )

    # Ray
    ray_address: str = Field(
        default="", description="GCS address (host:port) of the Ray cluster; empty: embedded."
    )
    ray_namespace: str = "catena"
    max_jobs: int = Field(default=2, ge=1, description="Jobs that run at once; the rest queue.")
    job_nice: int = Field(
        default=10, ge=0, le=19, description="Niceness of job processes: servers answer first."
    )
    max_attempts: int = Field(
        default=3, ge=1, description="Attempts without checkpoint progress before a job fails."
    )
    heartbeat_s: float = Field(default=1.0, gt=0, description="Seconds between lease heartbeats.")
    lease_stall_s: float = Field(
        default=8.0, gt=0, description="A lease whose heartbeat stands still this long is free."
    )

    # gRPC
    listen: str = Field(
        default="",
        description="Where the server of this process listens: host:port or unix:/path. "
        "Default: the address of the service.",
    )
    allow_insecure: bool = Field(
        default=False,
        description="Allow TCP without TLS beyond this machine; only where the network itself is "
        "encrypted.",
    )
    token: SecretStr = Field(default=SecretStr(""), description="Bearer token; empty: none.")
    token_file: Path | None = Field(default=None, description="File that holds the bearer token.")
    tls_cert: Path | None = Field(default=None, description="PEM certificate of this side.")
    tls_key: Path | None = Field(default=None, description="PEM key of this side.")
    tls_ca: Path | None = Field(default=None, description="PEM of the CAs that sign the peers.")
    tls_client_required: bool = Field(
        default=False, description="Servers demand a client certificate (mTLS)."
    )
    reflection: bool = Field(default=True, description="Serve gRPC reflection.")
    drain_s: float = Field(default=10.0, ge=0, description="Seconds to finish calls on SIGTERM.")
    deadline_s: float = Field(default=60.0, gt=0, description="Deadline of a unary call.")
    patience_s: float = Field(
        default=60.0,
        ge=0,
        description="Seconds for which a client goes on asking a server that is not there.",
    )
    max_workers: int = Field(default=16, ge=2, description="Threads that answer calls.")

    @field_validator("home", "run_dir", mode="after")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path if path == Path() else path.expanduser().absolute()

    @field_validator("data", "mirror", mode="before")
    @classmethod
    def _no_folder(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("data", "mirror", mode="after")
    @classmethod
    def _absolute_folder(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("archives", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError(
                "only one of CATENA_TLS_CERT and CATENA_TLS_KEY is set; set both or neither"
            )
        if self.tls_client_required and not (self.tls_ca and self.tls_cert):
            raise ValueError(
                "CATENA_TLS_CLIENT_REQUIRED is set without CATENA_TLS_CA and CATENA_TLS_CERT; "
                "name the CA that signs the clients' certificates"
            )
        if not self.store:
            object.__setattr__(self, "store", f"file://{self.home / 'store'}")
        if self.run_dir == Path():
            object.__setattr__(self, "run_dir", _default_run_dir(self.home))
        return self

    @cached_property
    def bearer_token(self) -> str:
        """The token, from ``token`` or else from ``token_file``; empty if neither is set.

        Raises
        ------
        InvalidRequest
            When the token file is named but cannot be read, or what it says is no token.
        """
        if self.token.get_secret_value():
            return _as_token(self.token.get_secret_value(), "CATENA_TOKEN")
        if self.token_file is None:
            return ""
        try:
            text = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise InvalidRequest(
                f"the file named by CATENA_TOKEN_FILE cannot be read ({why}); "
                "mount the secret or unset the variable"
            ) from None
        if not text:
            raise InvalidRequest(
                "the file named by CATENA_TOKEN_FILE is empty; write the token into it"
            )
        return _as_token(text, "the file named by CATENA_TOKEN_FILE")

    def address(self, service: str) -> str:
        """gRPC target of `service`: ``CATENA_<SERVICE>_ADDRESS`` or its embedded Unix socket."""
        variable = f"CATENA_{service.upper().replace('-', '_')}_ADDRESS"
        return os.environ.get(variable) or f"unix:{self.socket_path(service)}"

    def listen_address(self, service: str) -> str:
        """Where the server of `service` listens: ``CATENA_LISTEN``, else its address."""
        return (self.listen or self.address(service)).removeprefix("dns:///")

    def socket_path(self, service: str) -> Path:
        """Socket of an embedded server."""
        return self.run_dir / f"{service}.sock"


def _as_token(text: str, where: str) -> str:
    # HTTP/2 carries nothing else, and its own complaint would show the token.
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise InvalidRequest(
            f"{where} holds no token: wanted printable ASCII without spaces, on one line; "
            "make one with `openssl rand -hex 32`"
        )
    return text


def _default_run_dir(home: Path) -> Path:
    # One per home, so that two homes are two independent installations on one machine.
    tag = hashlib.sha256(str(home).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"catena-{os.getuid()}-{tag}"
