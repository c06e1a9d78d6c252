"""What is in an HTTP answer: refusals, ranges, versions, and a body that has to be complete."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import HTTPError

from catena.data_ingest.archive_places import shorten
from catena.data_ingest.retries import Transient
from catena.shared.errors import FailedPrecondition, NotFound

_BLOCK = 1 << 18
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})


def refusal(response: requests.Response, url: str) -> Exception:
    """The error for a status: Transient where it may pass."""
    status = response.status_code
    if status in _PASSING:
        return Transient(f"it answered {status}", retry_after(response))
    if status in (404, 410):
        return NotFound(f"there is no {shorten(url)} (it answered {status}); check the name")
    if status in (401, 403, 407):
        return FailedPrecondition(
            f"{shorten(url)} is not open to us (it answered {status}); where the archive needs a "
            "login, put it into ~/.netrc and accept the archive's licence on its web page"
        )
    return FailedPrecondition(f"{shorten(url)} answered {status}; the archive does not offer this")


def blocks(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives; Transient where it breaks off or is shorter than announced."""
    expected = length(response)
    count = 0
    try:
        # What has arrived is handed on at once: a kill then loses nothing that was received.
        while block := response.raw.read1(_BLOCK, decode_content=False):
            count += len(block)
            yield block
    except (HTTPError, OSError) as error:
        slow = "timed out" in str(error).lower()
        why = "nothing more came" if slow else "the connection broke"
        raise Transient(f"{why} after {count} bytes") from error
    if expected is not None and count != expected:
        raise Transient(f"it sent {count} bytes and had announced {expected}")


def length(response: requests.Response) -> int | None:
    """Bytes of the body, as announced."""
    text = response.headers.get("Content-Length", "")
    if text.isdigit() and "chunked" not in response.headers.get("Transfer-Encoding", ""):
        return int(text)
    return None


def content_range(response: requests.Response) -> tuple[int, int | None]:
    """First byte and whole size out of ``bytes 5-9/100``."""
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    span, _, whole = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdigit():
        raise Transient("it sent a part without saying which")
    return int(first), int(whole) if whole.isdigit() else None


def tag(response: requests.Response) -> str:
    """Version of the file: a strong ETag, else Last-Modified, else empty."""
    strong = response.headers.get("ETag", "")
    # A weak tag (W/...) promises the same meaning, not the same bytes.
    return strong if strong.startswith('"') else response.headers.get("Last-Modified", "")


def retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asks to wait, given as seconds or as a date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
