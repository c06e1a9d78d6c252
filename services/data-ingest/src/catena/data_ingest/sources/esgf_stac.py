"""ESGF's newer index, a STAC API: items are datasets, assets are copies of files.

Items have the CMIP6 extension's properties (``cmip6:source_id``, ...); assets with HTTP links have
``file:size`` and ``file:checksum`` (a multihash) where the node gives them. Filters are CQL2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from catena.data_ingest.sources.base import Facets
from catena.data_ingest.sources.cmip6_layout import DRS, normal_version
from catena.data_ingest.sources.esgf_index import MOST_FILES, Copy
from catena.shared.errors import InvalidRequest, Unavailable

PAGE = 100
COLLECTION = "CMIP6"
_SHA256 = "1220"  # multihash: function 0x12, 0x20 bytes


class Poster(Protocol):
    """Sends a question: :class:`catena.data_ingest.http.Http`."""

    def request(self, method: str, url: str, *, json: Any = None) -> Any:
        """The answer, with its `body`."""


def copies(http: Poster, index: str, wanted: Facets) -> Iterator[Copy]:
    """Every copy of the files that are asked for.

    Parameters
    ----------
    http : Poster
    index : str
        Of the API, with or without ``/search`` at its end.
    wanted : mapping
        Facets; without ``version``, items that are marked as not the latest are left out.

    Raises
    ------
    InvalidRequest
        When too many files match.
    Unavailable
        When the index answers something else than a collection of items.
    """
    url = index.rstrip("/").removesuffix("/search") + "/search"
    body: dict[str, Any] = {"collections": [COLLECTION], "limit": PAGE}
    if conditions := _conditions(wanted):
        body |= {"filter-lang": "cql2-json", "filter": {"op": "and", "args": conditions}}
    files = 0
    for item in _items(http, url, body):
        properties = item.get("properties", {})
        outdated = properties.get("latest") is False and "version" not in wanted
        if properties.get("retracted") is True or outdated:
            continue
        for copy in _copies(item):
            files += 1
            if files > MOST_FILES:
                raise InvalidRequest(
                    f"the index {url} knows more than {MOST_FILES} copies of files like that; give "
                    "more facets, e.g. source_id, experiment_id and variable_id"
                )
            yield copy


def _conditions(wanted: Facets) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = []
    for name, values in wanted.items():
        if name not in (*DRS, "frequency") or "*" in values:
            continue
        # The extension has the member without its start year; that is compared afterwards.
        name, values = (
            ("variant_label", [value.rpartition("-")[2] for value in values])
            if name == "member_id"
            else (name, list(values))
        )
        target = {"property": f"cmip6:{name}"}
        if any("*" in value or "?" in value for value in values):
            likes = [
                {
                    "op": "like",
                    "args": [target, value.replace("_", r"\_").replace("*", "%").replace("?", "_")],
                }
                for value in values
            ]
            conditions.append(likes[0] if len(likes) == 1 else {"op": "or", "args": likes})
        else:
            conditions.append({"op": "in", "args": [target, values]})
    return conditions


def _items(http: Poster, url: str, body: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    method, target, asked = "POST", url, body
    while True:
        answer = _json(http.request(method, target, json=asked if method == "POST" else None), url)
        yield from answer["features"]
        following: Mapping[str, Any] = next(
            (link for link in answer.get("links", []) if link.get("rel") == "next"), {}
        )
        if not following or not answer["features"]:
            return
        method = str(following.get("method", "GET")).upper()
        target = str(following["href"])
        more = following.get("body", {})
        asked = {**asked, **more} if following.get("merge") else more or asked


def _json(answer: Any, url: str) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("features"), list):
        raise Unavailable(
            f"the index {url} answered {answer.body[:60]!r}, wanted a STAC collection of items; "
            "try later, or another index"
        )
    return found


def _copies(item: Mapping[str, Any]) -> Iterator[Copy]:
    dataset = str(item.get("id", "")).partition("|")[0]
    if not normal_version(dataset.rpartition(".")[2]):
        dataset = _dataset(item.get("properties", {}))
    for asset in item.get("assets", {}).values():
        url = str(asset.get("href", ""))
        name = url.partition("?")[0].rpartition("/")[2]
        if not url.startswith(("http://", "https://")) or not name.endswith(".nc"):
            continue
        size, checksum = asset.get("file:size"), str(asset.get("file:checksum", "")).lower()
        yield Copy(
            path=f"{dataset.replace('.', '/')}/{name}",
            url=url,
            size=size if isinstance(size, int) else None,
            checksum=f"sha256:{checksum[4:]}"
            if checksum.startswith(_SHA256) and len(checksum) == 68
            else "",
        )


def _dataset(properties: Mapping[str, Any]) -> str:
    def one(name: str) -> str:
        value = properties.get(f"cmip6:{name}", properties.get(name, ""))
        return str(value[0] if isinstance(value, list) and value else value or "")

    start = one("sub_experiment_id")
    member = one("member_id") or one("variant_label")
    if start.startswith("s") and not member.startswith("s"):
        member = f"{start}-{member}"
    parts = {name: one(name) for name in DRS} | {"member_id": member}
    return ".".join(["CMIP6", *(parts[name] for name in DRS), normal_version(one("version"))])
