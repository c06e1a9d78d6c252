"""An archive in a bucket: ``s3://`` and ``gs://``, through fsspec.

Without credentials in the environment it is read anonymously, as public archives are meant to be.
``AWS_ENDPOINT_URL`` and ``STORAGE_EMULATOR_HOST`` point to other servers than the usual ones.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from catena.data_ingest.archive_base import (
    BaseArchive,
    Listed,
    changed,
    missing,
    ranged_file,
    walk,
)
from catena.data_ingest.archive_http import FILE_SUFFIXES
from catena.data_ingest.archive_places import Place, join, parse
from catena.data_ingest.downloads import Progress, download
from catena.data_ingest.http import Stat, Stream
from catena.data_ingest.retries import Patience, Transient, retried
from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import CatenaError, FailedPrecondition, NotFound

_BLOCK = 8 << 20
_CREDENTIALS = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
}
_REFUSED = {
    "AccessDenied",
    "Forbidden",
    "403",
    "401",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
}
_BEYOND = {"InvalidRange", "RequestedRangeNotSatisfiable", "416"}
_MISSING = {"NoSuchKey", "NoSuchBucket", "NotFound", "404"}

_T = TypeVar("_T")


class ObjectArchive(BaseArchive):
    """A bucket, or a prefix in it.

    Parameters
    ----------
    location : str
        ``s3://bucket/prefix`` or ``gs://bucket/prefix``; one file where it ends as data files do.
    cache : Path
        Where :meth:`local` keeps files: ``s3/bucket/key`` in it.
    patience : Patience, optional
    files : iterable of ArchiveFile, optional
        What there is, where the caller knows; nothing is then listed.
    progress : callable, optional
    """

    def __init__(
        self,
        location: str,
        *,
        cache: Path,
        patience: Patience | None = None,
        files: Iterable[ArchiveFile] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.place = parse(location)
        self.location = self.place.url
        self.cache = cache.absolute()
        self.patience = patience or Patience()
        if self.place.scheme == "gs":
            # The client tries six times by itself before it says a word.
            self.patience = replace(self.patience, attempts=1 + self.patience.attempts // 6)
        self.progress = progress
        self._files = None if files is None else tuple(files)
        segments = self.place.segments
        self.only = segments[-1] if segments and segments[-1].endswith(FILE_SUFFIXES) else ""
        self.root = Place(
            self.place.scheme, self.place.host, 0, segments[:-1] if self.only else segments
        )
        self._made: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    def __getstate__(self) -> dict[str, Any]:
        # A client, and who is told of progress, belong to their process.
        return {**self.__dict__, "_made": None, "progress": None}

    def read(self, path: str) -> bytes:
        """See :class:`Archive`."""
        return bytes(self._asked(lambda fs: fs.cat_file(self._key(path)), path))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """See :class:`BaseArchive`."""
        if stop <= start:
            return b""
        key = self._key(path)
        return bytes(self._asked(lambda fs: _range(fs, key, start, stop), path))

    def open(self, path: str) -> BinaryIO:
        """See :class:`Archive`."""
        stat = self._stat(path)
        size, self._versions[path] = stat.size or 0, stat.tag

        def fetch(start: int, stop: int) -> bytes:
            return self._range(path, start, min(stop, size))

        return ranged_file(fetch, size, self.url(path))

    def local(self, file: ArchiveFile | str) -> Path:
        """See :class:`Archive`; of a zarr store its folder, which shows as one when complete."""
        file = ArchiveFile(file) if isinstance(file, str) else file
        place = join(self.root, file.path)
        target = self.cache.joinpath(*place.mirrored)
        try:
            stat = self._stat(file.path)
        except NotFound:
            if self._store_here(file.path):
                return target
            raise
        download(
            _ObjectFile(self, file.path, self.url(file.path)),
            target,
            size=file.size if file.size is not None else stat.size,
            checksum=file.checksum,
            progress=self.progress,
            patience=self.patience,
        )
        self._versions[file.path] = changed(target)
        return target

    def _members(self, top: str) -> list[ArchiveFile]:
        # One listing of all keys: a question per folder would be many where chunks have folders.
        found = self._asked(lambda fs: fs.find(self._key(top), detail=True, refresh=True), top)
        start = len(self._key("")) + 1
        # Names with a slash at the end are markers of empty folders.
        return [_described(info, name[start:]) for name, info in found.items() if name[-1:] != "/"]

    def url(self, path: str) -> str:
        """See :class:`Archive`."""
        return join(self.root, path).url

    def _find(self, top: str) -> list[ArchiveFile]:
        if self._files is not None:
            return [f for f in self._files if not top or f.path.startswith(f"{top}/")]
        if not self.only:
            return walk(self._list, top)
        if top:
            return []
        try:
            info = self._asked(lambda fs: fs.info(self._key(self.only), refresh=True), self.only)
        except NotFound:
            info = {}
        return (
            [_described(info, self.only)]
            if info.get("type") == "file"
            else walk(self._list, self.only)
        )

    def _list(self, folder: str) -> Listed:
        key = self._key(folder)
        files, folders = [], []
        for info in self._asked(lambda fs: fs.ls(key, detail=True, refresh=True), folder):
            name = str(info["name"]).rstrip("/")
            if name == key:
                continue  # the marker of an empty folder
            path = name[len(self._key("")) + 1 :]
            if info["type"] == "directory":
                folders.append(path)
            else:
                files.append(_described(info, path))
        return files, folders

    def _key(self, path: str) -> str:
        place = join(self.root, path)
        if (place.scheme, place.host) != (self.root.scheme, self.root.host):
            raise NotFound(f"{place.url} is not in the archive {self.location}")
        return "/".join((place.host, *place.segments))

    def _stat(self, path: str) -> Stat:
        info = self._asked(lambda fs: fs.info(self._key(path), refresh=True), path)
        if info.get("type") != "file":
            raise missing(self.location, path)
        tag = info.get("ETag") or info.get("generation") or info.get("etag") or ""
        return Stat(int(info["size"]), str(tag), True)

    def _told(self, path: str) -> str:
        try:
            info = self._asked(lambda fs: fs.info(self._key(path), refresh=True), path)
        except (NotFound, FailedPrecondition):
            return ""  # buckets that may not be listed forbid what they do not have
        # Times too: the ETag of equal metadata stays when a store is written anew.
        names = ("ETag", "etag", "generation", "LastModified", "updated")
        return " ".join(str(info[name]) for name in names if info.get(name))

    def _range(self, path: str, start: int, stop: int) -> bytes:
        key = self._key(path)

        def read(fs: Any) -> bytes:
            data = _range(fs, key, start, stop)
            if len(data) != stop - start:
                raise Transient(f"it sent {len(data)} bytes, wanted {stop - start}")
            return data

        return self._asked(read, path)

    def _asked(self, call: Callable[[Any], _T], path: str) -> _T:
        name = self.url(path) if path else self.location

        def attempt() -> _T:
            with _reported(name, self.place.scheme):
                return call(self._filesystem())

        return retried(attempt, self.patience, name)

    def _filesystem(self) -> Any:
        if self._made is None:
            self._made = _filesystem(self.place.scheme, self.patience)
        return self._made


def _range(fs: Any, key: str, start: int, stop: int) -> bytes:
    try:
        return bytes(fs.cat_file(key, start=start, end=stop))
    except Exception as error:
        if _code(error) in _BEYOND:
            return b""
        raise


@dataclass
class _ObjectFile:
    archive: ObjectArchive
    path: str
    name: str

    def stat(self) -> Stat:
        return self.archive._stat(self.path)

    @contextmanager
    def stream(self, start: int, tag: str) -> Iterator[Stream]:
        stat = self.stat()
        assert stat.size is not None
        first = start if stat.tag == tag or not tag else 0
        yield Stream(first, stat.size, stat.tag, self._blocks(first, stat))

    def _blocks(self, first: int, stat: Stat) -> Iterator[bytes]:
        assert stat.size is not None
        for start in range(first, stat.size, _BLOCK):
            yield self.archive._range(self.path, start, min(start + _BLOCK, stat.size))
        if self.stat().tag != stat.tag:
            raise Transient("it was replaced while it was read")


def _filesystem(scheme: str, patience: Patience) -> Any:
    import fsspec

    anonymous = not any(os.environ.get(name) for name in _CREDENTIALS[scheme])
    if scheme == "gs":
        token = "anon" if anonymous else "google_default"
        # Not the class that fsspec knows as "gs": that one first asks by gRPC, past any proxy, what
        # kind of bucket it is, and waits a minute where it gets no answer.
        from aiohttp import ClientTimeout
        from gcsfs.core import GCSFileSystem

        return GCSFileSystem(
            token=token,
            use_listings_cache=False,
            session_kwargs={"trust_env": True},
            requests_timeout=ClientTimeout(
                total=None, sock_connect=patience.connect_s, sock_read=patience.stall_s
            ),
        )
    return fsspec.filesystem(
        "s3",
        anon=anonymous,
        use_listings_cache=False,
        config_kwargs={
            "connect_timeout": patience.connect_s,
            "read_timeout": patience.stall_s,
            # Attempts are counted here, not there too.
            "retries": {"total_max_attempts": 1},
        },
    )


@contextmanager
def _reported(name: str, scheme: str) -> Iterator[None]:
    """Turn the clients' errors into ours; their texts may hold request headers and keys."""
    try:
        yield
    except (CatenaError, Transient):
        raise
    except FileNotFoundError:
        raise NotFound(f"there is no {name}; check the name") from None
    except Exception as error:
        code = _code(error)
        if code in _MISSING:
            raise NotFound(f"there is no {name} ({code}); check the name") from None
        if code in _REFUSED or isinstance(error, PermissionError) or "Credential" in code:
            wanted = " or ".join(_CREDENTIALS[scheme][:2])
            raise FailedPrecondition(
                f"{name} is not open to us ({code}); it needs credentials in the environment "
                f"({wanted}), or those there have no right to it"
            ) from None
        if isinstance(error, ValueError | TypeError):
            raise FailedPrecondition(f"{name} cannot be asked for ({code})") from None
        raise Transient(f"the object store failed ({code})") from None


def _code(error: BaseException) -> str:
    """What a cloud's client says is wrong, in one word."""
    cause = error.__cause__ or error
    response = getattr(cause, "response", None)
    told = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    if told is None:
        told = getattr(error, "code", None)
    if told is None and str(error).startswith("Forbidden"):
        told = "403"
    return str(told or type(cause).__name__)


def _described(info: dict[str, Any], path: str) -> ArchiveFile:
    checksum = ""
    if info.get("md5Hash"):  # of Google; the ETag of S3 is no checksum in general
        checksum = f"md5:{base64.b64decode(info['md5Hash']).hex()}"
    return ArchiveFile(path, int(info["size"]), checksum)
