"""As much of Google's object store as reading needs, as a handler of :class:`HttpArchive`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from support.http_archive import Reply, Request


def google_handlers(
    bucket: str, objects: Mapping[str, bytes]
) -> dict[str, Callable[[Request], Any]]:
    """Handlers that serve a bucket; set ``STORAGE_EMULATOR_HOST`` to the server's URL."""

    def answer(request: Request) -> Any:
        key = unquote(request.path).partition("/o/")[2]
        if not key:
            return _listing(objects, request.query)
        if key not in objects:
            return Reply(b'{"error": {"code": 404}}', 404)
        if request.query.get("alt") != "media":
            return _item(key, objects[key])
        first, _, last = request.range.removeprefix("bytes=").partition("-")
        if not first:
            return objects[key]
        if int(first) >= len(objects[key]):
            return Reply(b"", 416)
        return Reply(objects[key][int(first) : int(last) + 1], 206)

    return {
        f"/storage/v1/b/{bucket}/o*": answer,
        f"/download/storage/v1/b/{bucket}/o*": answer,
    }


def _listing(objects: Mapping[str, bytes], query: Mapping[str, str]) -> dict[str, Any]:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    items, prefixes = [], set()
    for key in objects:
        rest = key.removeprefix(prefix)
        if not key.startswith(prefix):
            continue
        if delimiter and delimiter in rest:
            prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
        else:
            items.append(_item(key, objects[key]))
    return {"items": items, "prefixes": sorted(prefixes)}


def _item(key: str, data: bytes) -> dict[str, str]:
    digest = hashlib.md5(data).digest()
    return {
        "name": key,
        "size": str(len(data)),
        "generation": str(int.from_bytes(digest[:6], "big")),
        "md5Hash": base64.b64encode(digest).decode(),
        "updated": "2020-01-01T00:00:00Z",
        "timeCreated": "2020-01-01T00:00:00Z",
    }
