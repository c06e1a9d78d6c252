"""A federation of ESGF in small: an index, and data nodes that serve folders by THREDDS.

The index answers as the search API does (Solr's JSON, one document per copy, lists for facets) and,
under ``/stac``, as the newer one does (items with assets).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.http_archive import HttpArchive, Reply, Request

from catena.data_ingest.sources.base import ArchiveFile
from catena.data_ingest.sources.cmip6_layout import DRS, Placed, place

_RESERVED = ("format", "fields", "offset", "limit", "facets", "type", "project", "distrib")


class Federation:
    """Index and nodes.

    Parameters
    ----------
    index : HttpArchive
        Gets the handlers.
    nodes : sequence of HttpArchive
        Each serves ``CMIP6/…`` below its folder at ``/thredds/fileServer/``.
    """

    def __init__(self, index: HttpArchive, nodes: Sequence[HttpArchive]) -> None:
        self.index = index
        self.documents = [
            document(node, path, replica=number > 0)
            for number, node in enumerate(nodes)
            for path in sorted(node.folder.rglob("*.nc"))
        ]
        newest: dict[str, str] = {}
        for one in self.documents:
            newest[one["master_id"]] = max(newest.get(one["master_id"], ""), one["version"])
        for one in self.documents:
            one["latest"] = one["version"] == newest[one["master_id"]]
        self.most = 1000  # documents per answer, whatever is asked for
        index.handlers["/esg-search/search"] = self.search
        index.handlers["/stac/search"] = self.items

    def search(self, request: Request) -> Any:
        """``/esg-search/search``."""
        query = request.query
        if query.get("format") != "application/solr+json" or query.get("type") != "File":
            return Reply(b"<response/>", headers={"Content-Type": "text/xml"})
        found = [one for one in self.documents if _fits(one, query)]
        begin, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
        counted: dict[str, list[Any]] = {}
        for name in query.get("facets", "").split(","):
            counts = Counter(_text(one[name]) for one in found) if name else Counter()
            counted[name] = [item for pair in sorted(counts.items()) for item in pair]
        fields = query.get("fields", "*").split(",")
        page = found[begin : begin + min(limit, self.most)]
        return {
            "responseHeader": {"status": 0, "QTime": 1},
            "response": {
                "numFound": len(found),
                "start": begin,
                "docs": [
                    {name: value for name, value in one.items() if name in fields or "*" in fields}
                    for one in page
                ],
            },
            "facet_counts": {"facet_fields": counted},
        }

    def items(self, request: Request) -> Any:
        """``/stac/search``: one item per dataset and version, two per page."""
        if request.method == "GET":
            asked = json.loads(request.query["body"])
        else:
            asked = json.loads(request.body)
        by_item: dict[str, list[dict[str, Any]]] = {}
        for one in self.documents:
            by_item.setdefault(one["dataset_id"].partition("|")[0], []).append(one)
        items = [_item(name, copies) for name, copies in sorted(by_item.items())]
        items = [item for item in items if _holds(asked.get("filter"), item["properties"])]
        begin = int(asked.get("token", 0))
        answer: dict[str, Any] = {"type": "FeatureCollection", "features": items[begin : begin + 2]}
        if begin + 2 < len(items):
            answer["links"] = [
                {
                    "rel": "next",
                    "method": "POST",
                    "href": f"{self.index.url}/stac/search",
                    "body": {"token": begin + 2},
                    "merge": True,
                }
            ]
        return Reply(json.dumps(answer).encode(), headers={"Content-Type": "application/geo+json"})


def document(node: HttpArchive, path: Path, *, replica: bool = False) -> dict[str, Any]:
    """Solr's document of one copy of one file."""
    relative = path.relative_to(node.folder).as_posix()
    where = place(ArchiveFile(relative))
    assert isinstance(where, Placed)
    facets = where.facets
    dataset = ".".join(["CMIP6", *(facets[name] for name in DRS)])
    instance = f"{dataset}.{facets['version']}"
    host = node.url.removeprefix("http://")
    data = path.read_bytes()
    return {
        "id": f"{instance}.{path.name}|{host}",
        "instance_id": f"{instance}.{path.name}",
        "master_id": f"{dataset}.{path.name}",
        "dataset_id": f"{instance}|{host}",
        "title": path.name,
        "version": facets["version"].removeprefix("v"),
        "latest": True,
        "replica": replica,
        "retracted": False,
        "data_node": host,
        "index_node": "index.example.org",
        "project": ["CMIP6"],
        "mip_era": ["CMIP6"],
        "type": "File",
        "size": len(data),
        "checksum": [hashlib.sha256(data).hexdigest()],
        "checksum_type": ["SHA256"],
        "tracking_id": ["hdl:21.14100/0"],
        "sub_experiment_id": [
            f"s{facets['dcpp_start_year']}" if "dcpp_start_year" in facets else "none"
        ],
        "url": [
            f"{node.url}/thredds/fileServer/{relative}|application/netcdf|HTTPServer",
            f"{node.url}/thredds/dodsC/{relative}.html|application/opendap-html|OPENDAP",
            f"globus:0000/{relative}|Globus|Globus",
        ],
        "frequency": [facets["frequency"]],
        **{name: [facets[name]] for name in DRS},
    }


def _text(value: Any) -> str:
    value = value[0] if isinstance(value, list) else value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(one: dict[str, Any], query: dict[str, str]) -> bool:
    return all(
        _text(one.get(name, "")) in value.split(",")
        for name, value in query.items()
        if name not in _RESERVED
    )


def _item(name: str, copies: list[dict[str, Any]]) -> dict[str, Any]:
    first = copies[0]
    properties = {f"cmip6:{facet}": _text(first[facet]) for facet in DRS if facet != "member_id"}
    member = _text(first["member_id"])
    properties |= {
        "cmip6:variant_label": member.rpartition("-")[2],
        "cmip6:sub_experiment_id": _text(first["sub_experiment_id"]),
        "cmip6:frequency": _text(first["frequency"]),
        "version": first["version"],
        "latest": first["latest"],
        "retracted": first["retracted"],
    }
    assets = {
        f"data{number:04}": {
            "href": one["url"][0].partition("|")[0],
            "type": "application/netcdf",
            "description": "HTTPServer Link",
            "file:size": one["size"],
            "file:checksum": f"1220{one['checksum'][0]}",
        }
        for number, one in enumerate(copies)
    }
    assets["index"] = {"href": "https://x.org/reference.json", "description": "kerchunk"}
    return {"type": "Feature", "id": name, "properties": properties, "assets": assets}


def _holds(condition: Any, properties: dict[str, Any]) -> bool:
    if condition is None:
        return True
    operation, arguments = condition["op"], condition["args"]
    if operation == "and":
        return all(_holds(one, properties) for one in arguments)
    if operation == "or":
        return any(_holds(one, properties) for one in arguments)
    value = properties[arguments[0]["property"]]
    if operation == "in":
        return value in arguments[1]
    assert operation == "like"
    from fnmatch import fnmatchcase

    return fnmatchcase(value, arguments[1].replace("%", "*").replace("_", "?"))
