"""Jobs of a service, newest first, from one short listing.

Each job has an empty file ``index/<service>/<reverse time>-<Method>-<digest>``; names sort by
falling time, so that no job's folder need be opened to list the newest ones.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from catena.shared.artifacts.paths import check_segment
from catena.shared.errors import FieldViolation, InvalidRequest

if TYPE_CHECKING:
    from catena.shared.artifacts.store import ArtifactStore

DEFAULT_PAGE = 50
MAX_PAGE = 1000

_END_OF_TIME_US = 10**16
"""Microseconds since 1970 in the year 2286; keeps 16 digits until then."""
_ENTRY = re.compile(r"([0-9]{16})-([A-Za-z0-9_]+)-([0-9a-f]+)")


@dataclass(frozen=True)
class IndexPage:
    """Names of jobs (``<service>/<Method>/<digest>``), newest first, and where to go on."""

    names: list[str]
    next_page_token: str


class JobIndex:
    """The index of a store.

    Parameters
    ----------
    store : ArtifactStore
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def add(self, name: str, create_time: datetime) -> None:
        """Enter a job; entering it again with the same time changes nothing.

        Parameters
        ----------
        name : str
            ``<service>/<Method>/<digest>``.
        create_time : datetime
            With time zone; the time that the job's own record has.
        """
        self._store.create_bytes(_path(name, create_time), b"")

    def remove(self, name: str, create_time: datetime) -> None:
        """Take a job out."""
        self._store.remove_tree(_path(name, create_time))

    def page(self, service: str, page_size: int = 0, page_token: str = "") -> IndexPage:
        """One page of the jobs of `service`.

        Parameters
        ----------
        service : str
        page_size : int
            0 means 50; more than 1000 means 1000.
        page_token : str
            ``next_page_token`` of the page before; empty for the first.

        Returns
        -------
        IndexPage
            A name may be that of a job whose folder is gone (garbage collection): skip it.

        Raises
        ------
        InvalidRequest
            For a negative size, or a token that no page gave out.
        """
        if page_size < 0:
            raise _invalid("page_size", f"got {page_size}, wanted 0 to {MAX_PAGE}")
        size = min(page_size or DEFAULT_PAGE, MAX_PAGE)
        after = _from_token(page_token)
        entries = [
            (entry, match)
            for entry in self._store.ls(f"index/{check_segment(service, 'service')}")
            if entry > after and (match := _ENTRY.fullmatch(entry))
        ]
        page = entries[:size]
        more = len(entries) > size
        return IndexPage(
            names=[f"{service}/{match[2]}/{match[3]}" for _, match in page],
            next_page_token=_to_token(page[-1][0]) if more else "",
        )


def _path(name: str, create_time: datetime) -> str:
    parts = name.split("/")
    if len(parts) != 3 or create_time.tzinfo is None:
        raise InvalidRequest(
            f"index: got job {name[:60]!r} at {create_time}; wanted <service>/<Method>/<digest> "
            "and a time with time zone"
        )
    service, method, digest = parts
    age = create_time - datetime(1970, 1, 1, tzinfo=UTC)
    stamp = (age.days * 86_400 + age.seconds) * 1_000_000 + age.microseconds
    entry = f"{_END_OF_TIME_US - 1 - stamp:016d}-{method}-{digest}"
    if not _ENTRY.fullmatch(entry):
        raise InvalidRequest(
            f"index: got job {name[:60]!r}; wanted a method of letters and digits and a "
            "hexadecimal digest"
        )
    return f"index/{check_segment(service, 'service')}/{entry}"


def _to_token(entry: str) -> str:
    return base64.urlsafe_b64encode(entry.encode()).decode().rstrip("=")


def _from_token(token: str) -> str:
    if not token:
        return ""
    try:
        entry = base64.b64decode(
            token + "=" * (-len(token) % 4), altchars=b"-_", validate=True
        ).decode("ascii")
    except (binascii.Error, ValueError):
        entry = ""
    if not _ENTRY.fullmatch(entry):
        raise _invalid(
            "page_token", "is not one that a page gave out; pass next_page_token unchanged"
        )
    return entry


def _invalid(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field}: {description}", violations=(FieldViolation(field, description),)
    )
