"""What goes wrong with the answers of :class:`~support.http_archive.HttpArchive`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one answer."""


@dataclass(frozen=True)
class Drop(Fault):
    """The connection breaks (reset) after so many bytes of the body."""

    after: int


@dataclass(frozen=True)
class Truncate(Fault):
    """The connection is closed in good order after so many bytes, fewer than Content-Length."""

    after: int


@dataclass(frozen=True)
class Status(Fault):
    """An error status instead of the file."""

    code: int
    retry_after: int | str | None = None


@dataclass(frozen=True)
class Content(Fault):
    """Other bytes than the file's, in this one answer."""

    data: bytes


@dataclass(frozen=True)
class Change(Fault):
    """The file is replaced by other bytes for good, just before this answer."""

    data: bytes


@dataclass(frozen=True)
class Stall(Fault):
    """After so many bytes nothing comes for so many seconds."""

    after: int
    seconds: float


@dataclass(frozen=True)
class Trickle(Fault):
    """Slow but steady: so many bytes, a pause in seconds, and so on."""

    size: int
    pause: float


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """The whole file, whatever range was asked for; HEAD does not offer ranges."""


@dataclass(frozen=True)
class IgnoreIfRange(Fault):
    """The range that was asked for, even of a file that has changed."""


@dataclass(frozen=True)
class NoTag(Fault):
    """Neither ETag nor Last-Modified."""


@dataclass(frozen=True)
class NoLength(Fault):
    """No Content-Length: the body ends where the connection ends."""


@dataclass(frozen=True)
class NoHead(Fault):
    """HEAD is answered by 405."""


@dataclass(frozen=True)
class Redirect(Fault):
    """302 to another URL."""

    to: str


NOTHING = Fault()
"""A fault that is none: lets one request through, between others."""
