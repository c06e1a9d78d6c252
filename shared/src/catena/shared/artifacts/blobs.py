"""Small files by name, with the user's errors instead of the system's.

This is what jobs, leases and indexes are made of; artifacts add meaning on top
(:class:`~catena.shared.artifacts.store.ArtifactStore`).
"""

from __future__ import annotations

import errno
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from catena.shared.artifacts.files import FileInfo, Files
from catena.shared.artifacts.folder import LocalFiles
from catena.shared.artifacts.manifest import MANIFEST, canonical_json
from catena.shared.artifacts.paths import check_relative
from catena.shared.errors import (
    ArtifactCorrupt,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    Unavailable,
    UnsafePath,
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MISSING: Any = object()


class Blobs:
    """Bytes and JSON by name.

    Parameters
    ----------
    url : str
        ``file:///folder``, ``s3://bucket/prefix`` or ``memory://name``.

    Raises
    ------
    InvalidRequest
        For any other URL.
    """

    def __init__(self, url: str) -> None:
        self.url, self.files = open_files(url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url,)

    def read_bytes(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Bytes of a file (or a range of them); NotFound if it is missing."""
        with _reported("read", check_relative(path)):
            return self.files.read(path, start, stop)

    def blocks(self, path: str) -> Iterator[bytes]:
        """A file in pieces; NotFound if it is missing."""
        with _reported("read", check_relative(path)):
            yield from self.files.blocks(path)

    def write_bytes(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Replace a file in one step; Unavailable if the store is full or fails."""
        with _reported("write", check_relative(path)):
            self.files.write(path, data, durable=durable)

    def put(self, path: str, source: Path, sha256: str) -> None:
        """Replace a file by a copy of a local one; InvalidData if that has another digest."""
        with _reported("write", check_relative(path)):
            self.files.put(path, source, sha256)

    def link(self, source: str, path: str) -> None:
        """Replace a file by another file of the store, which must not change after; NotFound if
        there is no such file."""
        check_relative(source)
        with _reported("write", check_relative(path)):
            self.files.link(source, path)

    def create_bytes(self, path: str, data: bytes) -> bool:
        """Write a file if nobody has; of many callers at most one gets True.

        A bucket whose answer is lost may say False to the one that did create the file (the client
        tries again by itself); who must know looks at the content.
        """
        with _reported("create", check_relative(path)):
            return self.files.create(path, data)

    def read_json(self, path: str, default: Any = _MISSING) -> Any:
        """Content of a JSON file.

        Parameters
        ----------
        path : str
            Name in the store.
        default : optional
            Returned when the file is missing; without it NotFound is raised.

        Raises
        ------
        ArtifactCorrupt
            When the file is not JSON.
        """
        try:
            data = self.read_bytes(path)
        except NotFound:
            if default is _MISSING:
                raise
            return default
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise ArtifactCorrupt(f"'{path}' is not JSON; remove it and ask again") from None

    def write_json(self, path: str, value: object, *, durable: bool = True) -> None:
        """Replace a JSON file in one step."""
        self.write_bytes(path, canonical_json(value, indent=1), durable=durable)

    def create_json(self, path: str, value: object) -> bool:
        """Write a JSON file if nobody has; see :meth:`create_bytes`."""
        return self.create_bytes(path, canonical_json(value, indent=1))

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder of that name."""
        with _reported("look for", check_relative(path)):
            return self.files.exists(path)

    def ls(self, path: str) -> list[str]:
        """Sorted names in a folder (files and folders); none if it is missing."""
        with _reported("list", check_relative(path)):
            return self.files.ls(path)

    def find(self, path: str) -> list[FileInfo]:
        """All files below a folder, with sizes (bytes) and times of last change."""
        with _reported("list", check_relative(path)):
            return self.files.find(path)

    def remove_tree(self, path: str) -> None:
        """Remove a file or folder; an artifact's manifest goes first, so that no half is seen."""
        with _reported("remove", check_relative(path)):
            # Where a link stands in place of a folder there is no manifest of ours below it.
            with suppress(UnsafePath):
                self.files.remove_tree(f"{path}/{MANIFEST}")
            self.files.remove_tree(path)

    def local(self, path: str) -> Path | None:
        """Where a file lies on this machine; None for buckets and memory."""
        with _reported("look for", check_relative(path)):
            return self.files.local(path)

    def check_exclusive(self) -> None:
        """Make sure that the store lets only one of two creators win.

        Raises
        ------
        FailedPrecondition
            When it does not (an S3-like server that ignores ``If-None-Match``): a lease on such a
            store would protect nothing.
        """
        probe = f"lease/probe-{secrets.token_hex(8)}"
        first = self.create_bytes(probe, b"1")
        second = self.create_bytes(probe, b"2")
        self.remove_tree(probe)
        if not first or second:
            raise FailedPrecondition(
                "the store lets two writers create the same file (it ignores If-None-Match); "
                "use a store with conditional writes"
            )


def open_files(url: str) -> tuple[str, Files]:
    """Normal form of a store's URL, and its files.

    Parameters
    ----------
    url : str
        ``file:///folder`` (or an absolute path), ``s3://bucket/prefix`` or ``memory://name``.
        Credentials and endpoint of S3 come from the environment (``AWS_*``), never from the URL.

    Raises
    ------
    InvalidRequest
        For any other URL.
    """
    if url.startswith("/"):
        url = f"file://{url}"
    scheme, separator, rest = url.partition("://")
    rest = rest.rstrip("/")
    if separator and scheme == "file" and rest.startswith("/"):
        return f"file://{rest}", LocalFiles(Path(rest))
    if separator and scheme in ("s3", "memory") and rest.strip("/"):
        import fsspec

        from catena.shared.artifacts.bucket import ObjectFiles

        rest = rest.strip("/")
        if "@" in rest or any(part in ("", ".", "..") for part in rest.split("/")):
            raise InvalidRequest(
                f"store: the {scheme} URL has an empty or dotted part or an @; "
                "wanted s3://bucket/prefix, with credentials in the environment"
            )
        if scheme == "memory":
            return f"memory://{rest}", ObjectFiles(fsspec.filesystem("memory"), f"/{rest}")
        filesystem = fsspec.filesystem("s3", use_listings_cache=False)
        return f"s3://{rest}", ObjectFiles(filesystem, rest)
    raise InvalidRequest(
        f"store: got a URL that begins with {url[:12]!r}; "
        "wanted file:///folder, s3://bucket/prefix or memory://name"
    )


@contextmanager
def _reported(doing: str, path: str) -> Iterator[None]:
    """Turn the system's errors into the user's: no server paths, and what to do."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFound(f"there is no file '{path}' in the store") from error
    except PermissionError as error:
        raise FailedPrecondition(
            f"the store did not let us {doing} '{path}'; check its permissions"
        ) from error
    except OSError as error:
        if error.errno in _FULL:
            raise Unavailable(
                f"the store is full: could not {doing} '{path}'; "
                "free space (catena artifacts gc) and ask again"
            ) from error
        # Clients of object stores say why by the class of their error, e.g. NoCredentialsError.
        told = error.__cause__ or error
        cause = errno.errorcode.get(getattr(told, "errno", None) or 0, type(told).__name__)
        raise Unavailable(
            f"the store failed to {doing} '{path}' ({cause}); ask again", retry_after_s=5.0
        ) from error
