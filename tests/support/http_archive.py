"""An HTTP server for tests that serves a folder as archives do, and fails as they do.

::

    with HttpArchive(folder) as server:
        server.url                                            # http://127.0.0.1:<port>
        server.fail("/a.nc", Drop(1000), Status(503, retry_after=0), Truncate(50))
        server.always("/slow.nc", Trickle(100, 0.01))
        ...
        server.count("/a.nc", "GET"), server.sent("/a.nc")    # requests, bytes of bodies

What it answers, in this order:

1. `handlers`: a dict of path -> callable. The callable gets a :class:`Request` and returns a
   :class:`Reply` (or bytes, text, or anything for JSON, which become one). A path that ends in
   ``*`` stands for everything that begins so; the longest wins. Add some at any time::

       server.handlers["/esg-search/search"] = lambda request: {"response": {"docs": [...]}}
       server.handlers["/api/jobs/*"] = lambda request: Reply(b"...", status=202)
       request.query["project"]        # first value; request.body and .headers are there too

2. THREDDS: ``/thredds/catalog/<folder>/catalog.xml`` lists a folder of `folder`, and
   ``/thredds/fileServer/<path>`` is a file of it. `checksums` says what the catalog tells:
   "sha256" and the exact size as ESGF does, "" for a rounded size only as plain THREDDS does.

3. Files of the folder under their path, with byte ranges, ETag, Last-Modified and If-Range;
   a folder with a slash at its end is an HTML index where `index` is on. Zarr stores are files.

Faults (:class:`Fault`) are for one path each, without a query. Those of :meth:`~HttpArchive.fail`
are used up, one per GET, in order; :meth:`~HttpArchive.always` stays. Both hold for handlers too.
HEAD requests meet only ``Status``, ``Redirect`` and ``NoHead`` of `always`.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from support.http_faults import (
    NOTHING,
    Change,
    Content,
    Drop,
    Fault,
    IgnoreIfRange,
    IgnoreRange,
    NoHead,
    NoLength,
    NoTag,
    Redirect,
    Stall,
    Status,
    Trickle,
    Truncate,
)
from support.http_sending import Reply, Request, file_reply, send

__all__ = [
    "NOTHING",
    "Change",
    "Content",
    "Drop",
    "Fault",
    "Handler",
    "HttpArchive",
    "IgnoreIfRange",
    "IgnoreRange",
    "NoHead",
    "NoLength",
    "NoTag",
    "Redirect",
    "Reply",
    "Request",
    "Stall",
    "Status",
    "Trickle",
    "Truncate",
]


Handler = Callable[[Request], Any]


class HttpArchive:
    """See the module.

    Parameters
    ----------
    folder : Path, optional
        What is served; without it only handlers answer.
    handlers : mapping
        Path -> callable.
    checksums : {"sha256", "md5", ""}
        What THREDDS catalogs tell.
    index : bool
        Whether folders have an HTML index.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        handlers: Mapping[str, Handler] | None = None,
        checksums: str = "sha256",
        index: bool = True,
    ) -> None:
        self.folder = folder
        self.handlers: dict[str, Handler] = dict(handlers or {})
        self.checksums = checksums
        self.index = index
        self.requests: list[Request] = []
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, list[Fault]] = defaultdict(list)
        self._sent: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> HttpArchive:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, path: str, *faults: Fault) -> None:
        """The next GETs of a path go wrong, one fault each."""
        self._faults[path].extend(faults)

    def always(self, path: str, *faults: Fault) -> None:
        """Every request for a path goes wrong."""
        self._always[path].extend(faults)

    def count(self, path: str, method: str = "GET") -> int:
        """Requests for a path so far."""
        return len(self.of(path, method))

    def of(self, path: str, method: str = "GET") -> list[Request]:
        """Requests for a path so far, in order."""
        with self._lock:
            return [r for r in self.requests if r.path == path and r.method == method]

    def sent(self, path: str) -> int:
        """Bytes of bodies handed to the network for a path so far."""
        with self._lock:
            return self._sent[path]

    def forget(self) -> None:
        """Set all counters to zero; faults stay."""
        with self._lock:
            self.requests.clear()
            self._sent.clear()

    # What follows is called from the threads that answer.

    def note(self, request: Request) -> list[Fault]:
        """Count a request and say what is to go wrong with it."""
        with self._lock:
            self.requests.append(request)
            faults = list(self._always[request.path])
            queue = self._faults[request.path]
            if request.method == "GET" and queue:
                faults.append(queue.popleft())
            return faults

    def add_sent(self, path: str, count: int) -> None:
        """Count bytes of a body."""
        with self._lock:
            self._sent[path] += count

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the server's end."""
        self._closing.wait(seconds)

    def answer(self, request: Request) -> Reply | Path:
        """What a healthy server answers: a reply, or a file to send."""
        handler = self.handlers.get(request.path)
        if handler is None:
            fitting = [
                name
                for name in self.handlers
                if name.endswith("*") and request.path.startswith(name[:-1])
            ]
            handler = self.handlers[max(fitting, key=len)] if fitting else None
        if handler is not None:
            return _as_reply(handler(request))
        if self.folder is None:
            return Reply(b"not found", 404)
        path = unquote(request.path)
        if path.startswith("/thredds/catalog/") and path.endswith("/catalog.xml"):
            return self._catalog(path.removeprefix("/thredds/catalog").removesuffix("catalog.xml"))
        path = path.removeprefix("/thredds/fileServer")
        target = (self.folder / path.lstrip("/")).resolve()
        if not target.is_relative_to(self.folder.resolve()):
            return Reply(b"forbidden", 403)
        if target.is_file() and not path.endswith("/"):
            return target
        if target.is_dir() and path.endswith("/") and self.index:
            return _index(target)
        return Reply(b"not found", 404)

    def _catalog(self, path: str) -> Reply:
        assert self.folder is not None
        folder = self.folder / path.strip("/")
        if not folder.is_dir():
            return Reply(b"not found", 404)
        lines = []
        for entry in sorted(folder.iterdir()):
            name = quoteattr(entry.name)
            if entry.is_dir():
                href = quoteattr(f"{quote(entry.name)}/catalog.xml")
                lines.append(f"<catalogRef xlink:href={href} xlink:title={name} name={name}/>")
                continue
            place = quoteattr(entry.relative_to(self.folder).as_posix())
            lines.append(f"<dataset name={name} ID={place} urlPath={place}>")
            data = entry.read_bytes()
            if self.checksums:
                digest = hashlib.new(self.checksums, data).hexdigest()
                lines.append(f'<property name="size" value="{len(data)}"/>')
                lines.append(f'<property name="checksum" value="{digest}"/>')
                kind = self.checksums.upper()
                lines.append(f'<property name="checksum_type" value="{kind}"/>')
            else:
                lines.append(f'<dataSize units="Kbytes">{len(data) / 1000:.4g}</dataSize>')
            lines.append("</dataset>")
        text = f"""<?xml version="1.0" encoding="UTF-8"?>
<catalog xmlns="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0"
         xmlns:xlink="http://www.w3.org/1999/xlink" version="1.2">
<service name="all" serviceType="Compound" base="">
<service name="dap" serviceType="OPENDAP" base="/thredds/dodsC/"/>
<service name="http" serviceType="HTTPServer" base="/thredds/fileServer/"/>
</service>
<dataset name={quoteattr(folder.name)} ID={quoteattr(path)}>
<metadata inherited="true"><serviceName>all</serviceName></metadata>
{"".join(lines)}
</dataset>
</catalog>"""
        return Reply(text.encode(), headers={"Content-Type": "application/xml"})


def _as_reply(value: Any) -> Reply:
    if isinstance(value, Reply):
        return value
    if isinstance(value, bytes):
        return Reply(value)
    if isinstance(value, str):
        return Reply(value.encode(), headers={"Content-Type": "text/plain"})
    return Reply(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def _index(folder: Path) -> Reply:
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    links = "".join(f"<a href={quoteattr(quote(name))}>{name}</a>\n" for name in names)
    text = (
        f'<html><body><a href="../">Parent</a> <a href="?C=M;O=A">Date</a>\n{links}</body></html>'
    )
    return Reply(text.encode(), headers={"Content-Type": "text/html;charset=utf-8"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Clients that break off are part of the tests; a defect here is not."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


def _handler(archive: HttpArchive) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._go()

        def do_HEAD(self) -> None:
            self._go()

        def do_POST(self) -> None:
            self._go()

        def do_PUT(self) -> None:
            self._go()

        def do_DELETE(self) -> None:
            self._go()

        def _go(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                dict(self.headers.items()),
                body,
                self.headers.get("Range", ""),
            )
            faults = archive.note(request)
            try:
                _respond(self, archive, request, faults)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Answer


def _respond(
    http: BaseHTTPRequestHandler, archive: HttpArchive, request: Request, faults: list[Fault]
) -> None:
    by_type = {type(fault): fault for fault in faults}
    status = by_type.get(Status)
    redirect = by_type.get(Redirect)
    if isinstance(status, Status):
        headers = {} if status.retry_after is None else {"Retry-After": str(status.retry_after)}
        return send(http, archive, request, Reply(b"sorry", status.code, headers), {})
    if isinstance(redirect, Redirect):
        return send(http, archive, request, Reply(b"", 302, {"Location": redirect.to}), {})
    if NoHead in by_type and request.method == "HEAD":
        return send(http, archive, request, Reply(b"", 405), {})
    answer = archive.answer(request)
    change = by_type.get(Change)
    if isinstance(change, Change):
        assert isinstance(answer, Path), "only files change"
        time.sleep(0.002)  # another mtime, hence another ETag
        answer.write_bytes(change.data)
    if isinstance(answer, Path):
        answer = file_reply(answer, http.headers, by_type)
    return send(http, archive, request, answer, by_type)
