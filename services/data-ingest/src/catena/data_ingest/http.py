"""A client of HTTP archives: retries, byte ranges, and no surprise at redirects.

Based on requests, which honours ``http_proxy``, ``no_proxy``, ``~/.netrc`` (Earthdata and other
logins) and ``REQUESTS_CA_BUNDLE``. Redirects are followed here, one by one, because each new place
has to be allowed like the first. Answers are taken as they come, without decompression: sizes,
ranges and checksums are about the bytes of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from catena.data_ingest import http_answers as answers
from catena.data_ingest.archive_allow import AllowList
from catena.data_ingest.archive_places import parse, shorten
from catena.data_ingest.http_peers import CheckedAdapter
from catena.data_ingest.retries import Patience, Transient, retried
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    NotFound,
    TooLarge,
)

WHOLE = 1 << 30
"""Most bytes that are read into memory at once."""

_REDIRECTS = 8
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "catena-data-ingest"}


@dataclass(frozen=True)
class Stat:
    """What a server says about a file.

    Parameters
    ----------
    size : int, optional
        Bytes.
    tag : str
        Changes when the file does: a strong ETag, else Last-Modified, else empty.
    ranges : bool
        Whether parts of it can be asked for.
    modified : str
        Last-Modified, as it came.
    """

    size: int | None
    tag: str
    ranges: bool
    modified: str = ""


@dataclass(frozen=True)
class Stream:
    """A file on its way.

    Parameters
    ----------
    start : int
        Offset of the first byte that comes: the one asked for, or 0 when the file has changed or
        the server knows no ranges.
    size : int, optional
        Bytes of the whole file.
    tag : str
        See :class:`Stat`.
    blocks : iterator of bytes
        Raises :class:`~catena.data_ingest.retries.Transient` when it breaks off early.
    """

    start: int
    size: int | None
    tag: str
    blocks: Iterator[bytes]


@dataclass(frozen=True)
class Answer:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def _stat(response: requests.Response, size: int | None, *, ranges: bool) -> Stat:
    modified = response.headers.get("Last-Modified", "")
    return Stat(size, answers.tag(response), ranges, modified)


class Http:
    """See the module. Threads may share one; it can be pickled.

    Parameters
    ----------
    allow : AllowList, optional
        Asked before every request and at every redirect; without it every host is allowed.
    patience : Patience
    """

    def __init__(self, *, allow: AllowList | None = None, patience: Patience | None = None) -> None:
        self.allow = allow
        self.patience = patience or Patience()
        self._session = requests.Session()
        self._session.headers.update(_HEADERS)
        for prefix in ("http://", "https://"):
            self._session.mount(prefix, CheckedAdapter(allow))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.allow, self.patience)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> bytes:
        """A small file, whole.

        Raises
        ------
        NotFound, Unavailable, FailedPrecondition
            See :meth:`request`.
        TooLarge
            Beyond :data:`WHOLE`.
        """
        return self.request("GET", url, headers=headers).body

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """Ask an API; passing errors are tried again, so POST only what may be said twice.

        Parameters
        ----------
        method, url : str
        headers : mapping, optional
            Credentials belong here, never in the URL; they are not sent on to other hosts.
        json : optional
            Body.
        accept : tuple of int
            Error statuses that are answers to the caller.

        Raises
        ------
        NotFound
            For 404 and 410.
        FailedPrecondition
            For 401, 403 and other refusals, and for certificates that are not trusted.
        Unavailable
            When the server stays away or overloaded.
        InvalidRequest
            For places that are not allowed.
        """

        def attempt() -> Answer:
            with self._asked(method, url, headers=headers, json=json, accept=accept) as response:
                told = {name.lower(): value for name, value in response.headers.items()}
                pieces, size = [], 0
                for block in answers.blocks(response):
                    size += len(block)
                    if size > WHOLE:
                        raise TooLarge(
                            f"{shorten(url)} has more than {WHOLE >> 20} MiB; read it by ranges"
                        )
                    pieces.append(block)
                return Answer(response.status_code, told, b"".join(pieces))

        return retried(attempt, self.patience, shorten(url))

    def stat(self, url: str) -> Stat:
        """Size and version of a file, by HEAD or, where that is refused, by asking for one byte."""

        def attempt() -> Stat:
            with self._asked("HEAD", url, accept=(403, 405, 501)) as response:
                if response.ok:
                    length = response.headers.get("Content-Length", "")
                    size = int(length) if length.isdigit() else None
                    ranges = response.headers.get("Accept-Ranges", "").lower() == "bytes"
                    if ranges and size is not None:
                        return _stat(response, size, ranges=True)
            with self._asked("GET", url, headers={"Range": "bytes=0-0"}, accept=(416,)) as response:
                if response.status_code == 416:
                    return _stat(response, 0, ranges=True)
                if response.status_code == 206:
                    return _stat(response, answers.content_range(response)[1], ranges=True)
                return _stat(response, answers.length(response), ranges=False)

        return retried(attempt, self.patience, shorten(url))

    @contextmanager
    def stream(self, url: str, start: int = 0, tag: str = "") -> Iterator[Stream]:
        """One attempt at the bytes from `start` on, if the file is still the version `tag`.

        Raises
        ------
        Transient
            Also out of the stream's blocks; the caller tries again from where it is.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and tag:
            headers["If-Range"] = tag
        with self._asked("GET", url, headers=headers, accept=(416,) if start else ()) as response:
            if response.status_code == 206:
                first, size = answers.content_range(response)
                now = answers.tag(response)
                # Some servers do not know If-Range and send a part of another version.
                if first == start and (not tag or now == tag):
                    yield Stream(start, size, now, answers.blocks(response))
                    return
            elif response.status_code == 200:
                yield Stream(
                    0, answers.length(response), answers.tag(response), answers.blocks(response)
                )
                return
        with self.stream(url) as stream:
            yield stream

    def read_range(self, url: str, start: int, stop: int, tag: str = "") -> bytes:
        """Bytes [start, stop) of a file, fewer where it ends before.

        Parameters
        ----------
        url : str
        start, stop : int
        tag : str
            Version that the file must have (see :class:`Stat`); empty: any.

        Raises
        ------
        InvalidData
            When the file has become another.
        """
        if start < 0 or stop < start:
            raise InvalidRequest(f"range: got {start} to {stop}, wanted 0 <= start <= stop")
        received = bytearray()

        def attempt() -> bytes:
            if len(received) < stop - start:
                self._append_range(url, start, stop, tag, received)
            return bytes(received)

        return retried(attempt, self.patience, shorten(url))

    def _append_range(self, url: str, start: int, stop: int, tag: str, received: bytearray) -> None:
        at = start + len(received)
        headers = {"Range": f"bytes={at}-{stop - 1}"}
        with self._asked("GET", url, headers=headers, accept=(416,)) as response:
            if response.status_code == 416:
                return
            now = answers.tag(response)
            if tag and now != tag:
                raise InvalidData(
                    f"{shorten(url)} has changed while it was read: version {tag}, now {now}; "
                    "open it again"
                )
            skip = at
            if response.status_code == 206:
                first = answers.content_range(response)[0]
                if first != at:
                    raise Transient(f"it sent bytes from {first} on, wanted from {at} on")
                skip = 0
            for block in answers.blocks(response):
                if skip >= len(block):
                    skip -= len(block)
                    continue
                received += block[skip : skip + stop - start - len(received)]
                skip = 0
                if len(received) >= stop - start:
                    return

    @contextmanager
    def _asked(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        accept: tuple[int, ...] = (),
    ) -> Iterator[requests.Response]:
        response = self._followed(method, url, dict(headers or {}), json)
        try:
            if not response.ok and response.status_code not in accept:
                raise answers.refusal(response, url)
            yield response
        finally:
            response.close()

    def _followed(
        self, method: str, url: str, headers: dict[str, str], json: Any
    ) -> requests.Response:
        origin = self._place(url)
        for _ in range(_REDIRECTS):
            response = self._sent(method, url, headers, json)
            target = self._session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            came = url
            url = urljoin(url, target)
            if url == f"{came}/":
                raise NotFound(f"{shorten(came)} is a folder, not a file; name a file in it")
            place = self._place(url)
            if came.startswith("https:") and place.scheme != "https":
                raise FailedPrecondition(
                    f"{shorten(came)} leads on to {shorten(url)} without encryption; "
                    "use the archive's own address"
                )
            if (place.host, place.port) != (origin.host, origin.port):
                # Credentials of one host are not for another.
                headers = {n: v for n, v in headers.items() if n in ("Range", "If-Range")}
            if response.status_code == 303 or (response.status_code in (301, 302) and json):
                method, json = "GET", None
        raise FailedPrecondition(f"{shorten(url)} leads on more than {_REDIRECTS} times")

    def _place(self, url: str) -> Any:
        if self.allow is not None:
            place = self.allow.check(url, query=True)
            self.allow.check_network(url)
        else:
            place = parse(url, query=True)
        if place.scheme not in ("http", "https"):
            raise InvalidRequest(f"{shorten(url)} is not on the web; wanted http or https")
        return place

    def _sent(self, method: str, url: str, headers: dict[str, str], json: Any) -> requests.Response:
        timeout = (self.patience.connect_s, self.patience.stall_s)
        try:
            return self._session.request(
                method,
                url,
                headers=headers,
                json=json,
                stream=True,
                allow_redirects=False,
                timeout=timeout,
            )
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise FailedPrecondition(
                    f"{shorten(url)}: its certificate is not trusted here; behind a proxy that "
                    "opens TLS set REQUESTS_CA_BUNDLE to the file of its authority"
                ) from error
            raise Transient("TLS broke off") from error
        except requests.exceptions.ProxyError as error:
            raise Transient("the proxy of http_proxy did not let us through") from error
        except requests.exceptions.ConnectTimeout as error:
            raise Transient(f"no connection within {self.patience.connect_s:g} s") from error
        except requests.exceptions.Timeout as error:
            raise Transient(f"no answer within {self.patience.stall_s:g} s") from error
        except requests.exceptions.ConnectionError as error:
            raise Transient("the connection failed") from error
        except (requests.exceptions.RequestException, HTTPError, ValueError) as error:
            raise FailedPrecondition(
                f"{shorten(url)} cannot be asked for ({type(error).__name__})"
            ) from error


def _rebuilt(allow: AllowList | None, patience: Patience) -> Http:
    return Http(allow=allow, patience=patience)
