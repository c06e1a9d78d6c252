"""Requests and replies of the archive server, and how a reply is sent, or half of it."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Protocol

from support.http_faults import (
    Content,
    Drop,
    Fault,
    IgnoreIfRange,
    IgnoreRange,
    NoLength,
    NoTag,
    Stall,
    Trickle,
    Truncate,
)


@dataclass(frozen=True)
class Request:
    """One request as it came, and what became of it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    range: str = ""


@dataclass(frozen=True)
class Reply:
    """What a handler answers."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Counter(Protocol):
    """The server, as far as sending needs it."""

    def add_sent(self, path: str, count: int) -> None:
        """Count bytes of a body."""

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the server's end."""


def file_reply(path: Path, asked: Mapping[str, str], by_type: Mapping[type, Fault]) -> Reply:
    stat, data = path.stat(), path.read_bytes()
    content = by_type.get(Content)
    if isinstance(content, Content):
        data = content.data
    headers = {"Content-Type": "application/octet-stream"}
    tag, modified = (
        f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
        formatdate(stat.st_mtime, usegmt=True),
    )
    if NoTag not in by_type:
        headers |= {"ETag": tag, "Last-Modified": modified}
    if IgnoreRange in by_type:
        return Reply(data, headers=headers)
    headers["Accept-Ranges"] = "bytes"
    condition = asked.get("If-Range", "")
    changed = condition not in ("", tag, modified) and IgnoreIfRange not in by_type
    if asked.get("If-Match", tag) != tag:
        return Reply(b"", 412, headers)
    wanted = asked.get("Range", "")
    if not wanted or changed:
        return Reply(data, headers=headers)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    size = len(data)
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= size:
        return Reply(b"", 416, headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Reply(data[start:stop], 206, headers)


def send(
    http: BaseHTTPRequestHandler,
    counter: Counter,
    request: Request,
    reply: Reply,
    by_type: Mapping[type, Fault],
) -> None:
    http.send_response(reply.status)
    for name, value in reply.headers.items():
        http.send_header(name, value)
    if NoLength in by_type:
        http.send_header("Connection", "close")
        http.close_connection = True
    else:
        http.send_header("Content-Length", str(len(reply.body)))
    if reply.status >= 400 and request.method != "HEAD":
        # Who sees such a status goes on at once, and must not find its body counted later.
        counter.add_sent(request.path, len(reply.body))
        http.end_headers()
        http.wfile.write(reply.body)
        return
    http.end_headers()
    if request.method == "HEAD":
        return
    for piece in _pieces(counter, reply.body, by_type):
        if isinstance(piece, Fault):
            _break(http, piece)
            return
        # Counted first: who has received it must not find it uncounted.
        counter.add_sent(request.path, len(piece))
        http.wfile.write(piece)


def _pieces(
    counter: Counter, body: bytes, by_type: Mapping[type, Fault]
) -> Iterator[bytes | Fault]:
    for fault in by_type.values():
        if isinstance(fault, Drop | Truncate):
            yield body[: fault.after]
            yield fault
            return
        if isinstance(fault, Stall):
            yield body[: fault.after]
            counter.wait(fault.seconds)
            yield body[fault.after :]
            return
        if isinstance(fault, Trickle):
            for start in range(0, len(body), fault.size):
                yield body[start : start + fault.size]
                counter.wait(fault.pause)
            return
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]


def _break(http: BaseHTTPRequestHandler, fault: Fault) -> None:
    http.wfile.flush()
    http.close_connection = True
    if isinstance(fault, Drop):
        _arrived(http.connection)
        http.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        http.connection.close()


def _arrived(connection: socket.socket) -> None:
    """Wait until the other side has what was sent: a reset throws away what is still on its way."""
    end = time.monotonic() + 5
    waiting = 1
    while waiting and time.monotonic() < end:
        time.sleep(0.01)
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        (waiting,) = struct.unpack("i", answer)
