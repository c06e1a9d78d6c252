"""Bytes of an archive's files, by ranges, through fsspec: from a folder, the web or a bucket.

Only what lies below one location is read. Networks fail for a while: then it is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from catena.shared.errors import (
    CatenaError,
    FailedPrecondition,
    InvalidData,
    NotFound,
    Unavailable,
    UnsafePath,
)

log = logging.getLogger(__name__)

ATTEMPTS = 5
PAUSE_S = 0.2
"""Seconds before the second attempt; doubled before each further one."""

SCHEMES = ("file", "http", "https", "s3", "gs")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_T = TypeVar("_T")


@dataclass(frozen=True)
class FileStamp:
    """What tells whether a file is still the one that was referred to.

    Parameters
    ----------
    url : str
    size : int, optional
        Bytes.
    tag : str
        ETag of a server or bucket.
    modified : str
        Time of last change: nanoseconds of a folder, else what the server says. It is compared only
        where there is no tag.
    """

    url: str
    size: int | None = None
    tag: str = ""
    modified: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(**plain)

    def difference(self, now: FileStamp) -> str:
        """How the file differs now, both values in words; empty if it does not."""
        if self.size is not None and now.size is not None and self.size != now.size:
            return f"it has {now.size} bytes, the reference was made of {self.size}"
        if self.tag and now.tag:
            return "" if self.tag == now.tag else f"its ETag is {now.tag}, it was {self.tag}"
        if self.modified and now.modified and self.modified != now.modified:
            return f"it was changed at {now.modified}, the reference knows it from {self.modified}"
        return ""


class Ranges:
    """Reads below one location.

    Parameters
    ----------
    location : str
        ``file:///folder``, ``https://host/path``, ``s3://bucket/prefix``, ``gs://bucket/prefix``.
        Credentials come from the environment; without them buckets are read anonymously.

    Raises
    ------
    UnsafePath
        For any other location.
    """

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._scheme = urlsplit(location).scheme
        if self._scheme not in SCHEMES or _dotted(location):
            raise UnsafePath(
                f"location: got '{location[:80]}'; wanted an absolute URL without dots, one of "
                f"{', '.join(SCHEMES)}"
            )
        self._made: tuple[int, Any] | None = None
        self._inside: set[str] = set()
        self._top: Path | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}  # a client belongs to its process

    def check(self, url: str) -> str:
        """Return `url` if it is below the location; UnsafePath if not."""
        if url in self._inside:
            return url
        below = url.startswith(f"{self.location}/") or url == self.location
        if below and self._scheme == "file":
            # A symbolic link must not lead out of the folder either.
            if self._top is None:
                self._top = _local_path(self.location).resolve()
            below = _local_path(url).resolve().is_relative_to(self._top)
        if not below or _dotted(url):
            raise UnsafePath(
                f"a reference points to '{url[:120]}', which is outside of its archive "
                f"'{self.location}'; it is not followed: ingest the data again"
            )
        if len(self._inside) > 100_000:
            self._inside.clear()
        self._inside.add(url)
        return url

    def read(self, url: str, offset: int | None = None, length: int | None = None) -> bytes:
        """Bytes ``[offset, offset + length)`` of a file, or all of it.

        Raises
        ------
        UnsafePath
            When it is outside of the location.
        NotFound
            When the file is gone.
        InvalidData
            When it is shorter, or the server does not honour ranges.
        Unavailable
            When it does not answer after some attempts.
        """
        self.check(url)
        if offset is None or length is None:
            return _retried(lambda: bytes(self._fs.cat_file(url)), url)
        if length == 0:
            return b""
        if self._scheme == "file":
            data = _retried(lambda: _local_range(url, offset, length), url)
        else:
            data = _retried(lambda: self._remote_range(url, offset, length), url)
        if len(data) < length:
            raise InvalidData(
                f"file {url}: bytes {offset} to {offset + length} were referred to, but it ends "
                f"after {offset + len(data)}; it was cut short or changed: ingest the data again"
            )
        if len(data) > length:
            raise InvalidData(
                f"file {url}: {length} bytes were asked for, {len(data)} came: the server does not "
                "honour byte ranges; ingest the data as copies"
            )
        return data

    def _remote_range(self, url: str, offset: int, length: int) -> bytes:
        data = bytes(self._fs.cat_file(url, start=offset, end=offset + length))
        if len(data) < length:
            # Either the answer or the file is short; the file's own size tells which.
            size = self._fs.info(url).get("size")
            if size is None or size >= offset + length:
                raise ConnectionError(f"{len(data)} of {length} bytes came")
        return data

    def stamp(self, url: str) -> FileStamp:
        """Size, tag and time of a file as they are now; errors as in :meth:`read`."""
        self.check(url)
        if self._scheme == "file":
            stat = _retried(lambda: _local_path(url).stat(), url)
            return FileStamp(url, stat.st_size, "", str(stat.st_mtime_ns))
        info = _retried(lambda: self._info(url), url)
        size = info.get("size")
        tag = next((str(info[key]) for key in ("ETag", "etag", "generation") if info.get(key)), "")
        time_ = next(
            (str(info[k]) for k in ("LastModified", "Last-Modified", "mtime") if info.get(k)), ""
        )
        return FileStamp(url, None if size is None else int(size), tag.strip('"'), time_)

    def _info(self, url: str) -> dict[str, Any]:
        self._fs.invalidate_cache()
        return dict(self._fs.info(url))

    @property
    def _fs(self) -> Any:
        # After a fork the parent's connections are not ours.
        if self._made is None or self._made[0] != os.getpid():
            self._made = (os.getpid(), _filesystem(self._scheme, self.location))
        return self._made[1]


def _filesystem(scheme: str, location: str) -> Any:
    import fsspec

    try:
        if scheme == "s3":
            known = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
                     "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip
            return fsspec.filesystem(
                "s3", anon=not any(map(os.environ.get, known)), use_listings_cache=False
            )
        if scheme == "gs":
            anonymous = not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
            return fsspec.filesystem("gs", **({"token": "anon"} if anonymous else {}))
        if scheme == "file":
            return fsspec.filesystem("file")
        # Clusters reach the web through the proxy that the environment names, never themselves.
        outside = urlsplit(location).hostname not in _LOOPBACK
        return fsspec.filesystem(
            "http",
            client_kwargs={"trust_env": outside, "trace_configs": [_stay_there()]},
            use_listings_cache=False,
        )
    except ImportError as error:
        raise FailedPrecondition(
            f"reading {scheme}:// needs the package that {error.name or 'fsspec'} names; install "
            "catena-data-ingest where its references are read"
        ) from error


@lru_cache(maxsize=1)
def _stay_there() -> Any:
    """Refuse redirects to other servers: what a reference may read is said by its location."""
    import aiohttp

    async def check(_session: Any, _context: Any, told: Any) -> None:
        came, to = str(told.url), told.response.headers.get("Location", "")
        target = urljoin(came, to)
        if not _same_server(came, target):
            raise UnsafePath(
                f"file {came[:200]}: its server sends readers on to '{target[:120]}', which is "
                "another server; it is not followed: ingest the data as copies"
            )

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(check)
    return trace


def _same_server(one: str, other: str) -> bool:
    try:
        a, b = urlsplit(one), urlsplit(other)
        ports = [part.port or {"http": 80, "https": 443}.get(part.scheme) for part in (a, b)]
    except ValueError:
        return False
    encrypted = (a.scheme, b.scheme, *ports) == ("http", "https", 80, 443)
    return a.hostname == b.hostname and (encrypted or (a.scheme == b.scheme and len({*ports}) == 1))


def _local_path(url: str) -> Path:
    return Path(url.removeprefix("file://"))


def _local_range(url: str, offset: int, length: int) -> bytes:
    with _local_path(url).open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _retried(call: Callable[[], _T], url: str) -> _T:
    pause = PAUSE_S
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except CatenaError:
            raise
        except (FileNotFoundError, IsADirectoryError) as error:
            if isinstance(error.__cause__, CatenaError):
                raise error.__cause__ from None  # fsspec takes every error for a missing file
            raise NotFound(
                f"file {url}: it is not there any more; ingest the data again"
            ) from error
        except PermissionError as error:
            raise FailedPrecondition(
                f"file {url}: the archive does not let us read it; check the credentials"
            ) from error
        except Exception as error:
            status = getattr(error, "status", None)
            if not _passes(error, status):
                raise FailedPrecondition(
                    f"file {url}: the archive refused ({_said(error, status)}); check the request"
                ) from error
            if attempt == ATTEMPTS:
                raise Unavailable(
                    f"file {url}: the archive does not answer ({_said(error, status)}) after "
                    f"{ATTEMPTS} attempts; try again later",
                    retry_after_s=60.0,
                ) from error
            log.info("%s: attempt %d failed (%s)", url, attempt, _said(error, status))
        time.sleep(pause)
        pause *= 2
    raise AssertionError("not reached")


def _passes(error: Exception, status: int | None) -> bool:
    """Whether it may pass by itself: the network, or a server that is busy."""
    if status is not None:
        return status in (408, 425, 429) or status >= 500
    # Clients of aiohttp and botocore have exception trees of their own.
    of_network = type(error).__module__.partition(".")[0] in ("aiohttp", "botocore", "aiobotocore")
    return of_network or isinstance(error, OSError | asyncio.TimeoutError)


def _said(error: Exception, status: int | None) -> str:
    return f"status {status}" if status is not None else type(error).__name__


def _dotted(url: str) -> bool:
    # Also when percent-encoded: servers decode before they look for the file.
    return any(part in (".", "..") for part in unquote(unquote(url)).split("/")) or "\\" in url
