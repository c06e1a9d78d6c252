"""Locations and paths of archives, taken apart and checked before anything is opened.

Everything is compared and joined in parts (scheme, host, port, path segments), never as text: a
prefix of text is no prefix of a place (``https://a.org`` and ``https://a.org.evil.net``).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from catena.shared.errors import InvalidRequest, UnsafePath

SCHEMES = ("file", "http", "https", "s3", "gs")

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*"
)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}[A-Za-z0-9]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_SHOWN = 100
_TAIL = 120


@dataclass(frozen=True)
class Place:
    """A location in parts.

    Parameters
    ----------
    scheme : {"file", "http", "https", "s3", "gs"}
    host : str
        In lower case, an address in its shortest form; of a bucket its name; empty for folders.
    port : int
        0 where there is none.
    segments : tuple of str
        Of the path, decoded.
    query : str
        As it came, without the ``?``.
    """

    scheme: str
    host: str = ""
    port: int = 0
    segments: tuple[str, ...] = ()
    query: str = ""

    @property
    def netloc(self) -> str:
        """Host, and port where it is not the usual one; the name of a host's folder in a mirror."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (0, _PORTS.get(self.scheme)) else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """Decoded path without a slash at either end."""
        return "/".join(self.segments)

    @property
    def url(self) -> str:
        """As a URL, without a slash at the end."""
        if self.scheme in ("s3", "gs"):
            return "/".join((f"{self.scheme}://{self.host}", *self.segments))
        parts = (quote(segment, safe="!$&'()*+,;=:@~") for segment in self.segments)
        text = "/".join((f"{self.scheme}://{self.netloc}", *parts))
        return f"{text}?{self.query}" if self.query else text

    def below(self, other: Place) -> bool:
        """Whether this place is `other` or lies below it."""
        count = len(other.segments)
        return (self.scheme, self.host, self.port, self.segments[:count]) == (
            other.scheme,
            other.host,
            other.port,
            other.segments,
        )

    @property
    def mirrored(self) -> tuple[str, ...]:
        """Folders and file name below which a mirror or a cache keeps this place."""
        name = self.segments if not self.query else (*self.segments[:-1], self._with_query)
        return (
            (self.scheme, self.host, *name) if self.scheme in ("s3", "gs") else (self.netloc, *name)
        )

    @property
    def _with_query(self) -> str:
        return f"{self.segments[-1] if self.segments else ''}?{self.query.replace('/', '%2F')}"


def parse(location: str, *, query: bool = False, field: str = "location") -> Place:
    """Take a location apart.

    Parameters
    ----------
    location : str
        ``file:///folder``, ``/folder``, ``https://host/path``, ``s3://bucket/prefix``,
        ``gs://bucket/prefix``.
    query : bool
        Whether a ``?query`` may follow; locations have none (it is where secrets travel).
    field : str
        Where it came from, for the message.

    Raises
    ------
    InvalidRequest
        For another scheme, a user name, a query, a host or an address in an unusual form.
    UnsafePath
        For ``.``, ``..`` and empty parts in the path, encoded or not.
    """
    shown = shorten(location)
    if _ODD.search(location.replace(" ", "") if location.startswith("/") else location):
        raise InvalidRequest(
            f"{field}: {shown} has a space, a control character or a backslash; encode it (%20)"
        )
    if location.startswith("/"):
        return Place("file", segments=_segments(location, shown, field, decode=False))
    try:
        parts = urlsplit(location)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise InvalidRequest(f"{field}: {shown} is no URL ({error})") from None
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES or not location[len(scheme) :].startswith("://"):
        raise InvalidRequest(
            f"{field}: got {shown}; wanted an absolute path, file:///folder, https://host/path, "
            "s3://bucket/prefix or gs://bucket/prefix"
        )
    if "@" in parts.netloc:
        raise InvalidRequest(
            f"{field}: the URL has a user name or password before the host {host!r}; leave it out: "
            "credentials come from the environment (AWS_*, ~/.netrc)"
        )
    if parts.fragment or (parts.query and not query):
        raise InvalidRequest(
            f"{field}: {shown} has a ? or # part; name the folder or file without it"
        )
    decode = scheme not in ("s3", "gs")
    segments = _segments(parts.path, shown, field, decode=decode)
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise InvalidRequest(f"{field}: {shown} names a host; wanted file:///folder")
        return Place("file", segments=segments)
    if scheme in ("s3", "gs"):
        if port is not None or not _BUCKET.fullmatch(parts.netloc):
            raise InvalidRequest(f"{field}: {shown} has no valid bucket; wanted {scheme}://bucket")
        return Place(scheme, parts.netloc, 0, segments)
    return Place(scheme, _host(host, shown, field), port or _PORTS[scheme], segments, parts.query)


def check_path(path: str, field: str = "path") -> str:
    """Return `path` if it is a safe name relative to an archive (decoded, with ``/``).

    Raises
    ------
    UnsafePath
        For absolute paths, URLs, backslashes, control characters, and parts that are empty or
        dotted, also where they are percent-encoded.
    """
    problem = ""
    if not isinstance(path, str) or not path:
        problem = "it is empty"
    elif "\0" in path or "\\" in path or any(ord(c) < 32 or ord(c) == 127 for c in path):
        problem = "it has a backslash or a control character"
    elif path.startswith("/"):
        problem = "it is absolute"
    elif "://" in path:
        problem = "it is a URL"
    else:
        problem = next(filter(None, map(_dotted, path.split("/"))), "")
    if problem:
        raise UnsafePath(
            f"{field}: got {shorten(str(path))}: {problem}; wanted a name below the archive's "
            "location, such as CMIP6/tas.nc"
        )
    return path


def join(base: Place, path: str) -> Place:
    """Place of a file of an archive on the network.

    Parameters
    ----------
    base : Place
        Root of the archive.
    path : str
        Relative to it; may have a ``?query`` on the web. Or a URL of its own, as catalogs that
        point to other servers have.

    Raises
    ------
    UnsafePath, InvalidRequest
        See :func:`check_path` and :func:`parse`.
    """
    if "://" in path:
        return parse(path, query=True, field="path")
    query = ""
    if base.scheme in ("http", "https"):
        path, _, query = path.partition("?")
    parts = tuple(check_path(path).split("/")) if path else ()
    return replace(base, segments=(*base.segments, *parts), query=query)


def shorten(text: str) -> str:
    """A location as it may be shown: without user name and query, and not too long."""
    text = re.sub(r"//[^/]*@", "//", text.partition("?")[0])
    shown = ascii(text)
    if len(shown) <= _SHOWN:
        return shown
    # Both ends: the host, and the name of the file at fault.
    return f"{shown[:40]}...{shown[40:][-_TAIL:]}"


def _segments(path: str, shown: str, field: str, *, decode: bool) -> tuple[str, ...]:
    raw = path.removeprefix("/").rstrip("/").split("/")
    if raw == [""]:
        return ()
    for segment in raw:
        problem = _dotted(segment)
        if problem:
            raise UnsafePath(f"{field}: got {shown}: {problem}; write the path in full")
    segments = tuple(unquote(segment) if decode else segment for segment in raw)
    for segment in segments:
        if re.search(r"[\x00-\x1f\x7f/\\]", segment):
            raise UnsafePath(f"{field}: got {shown}: it has an encoded slash or control character")
    return segments


def _dotted(segment: str) -> str:
    """What is wrong with one part of a path; decoded as often as careless servers may."""
    for _ in range(4):
        if not segment:
            return "it has an empty part between slashes"
        if segment in (".", ".."):
            return f"it has a part '{segment}'"
        if len(segment.encode()) > 255:
            return "it has a part longer than 255 bytes"
        segment, before = unquote(segment), segment
        if segment == before:
            return ""
        if segment.startswith(("../", "..\\", "./", "/")) or "/../" in segment:
            return "it has encoded dots or slashes"
    return "it is encoded again and again"


def _host(host: str, shown: str, field: str) -> str:
    host = host.removesuffix(".")
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise InvalidRequest(f"{field}: {shown} has no valid IPv6 address") from None
        if address.scope_id:
            raise InvalidRequest(f"{field}: {shown} has an address with a zone; leave it out")
        return str(address.ipv4_mapped or address)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # What C libraries take for an IPv4 address: 2130706433, 0x7f.1, 127.1, 0177.0.0.1.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise InvalidRequest(
                f"{field}: {shown} has an address in an unusual form; wanted four decimal numbers"
            ) from None
    if not _HOST.fullmatch(host):
        raise InvalidRequest(f"{field}: {shown} has no valid host name")
    return host
