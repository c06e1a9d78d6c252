"""ESGF's search API: which files there are, and every node that has a copy.

Documented at https://github.com/ESGF/esgf.github.io/wiki/ESGF_Search_REST_API. Answers are those of
Solr; the bridge to the newer index (ESGF-1.5) answers alike. One document is one copy of one file:
copies of several nodes become one file here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol
from urllib.parse import urlencode

from catena.data_ingest.sources.base import Facets
from catena.data_ingest.sources.cmip6_layout import DRS, normal_version
from catena.shared.errors import InvalidRequest, Unavailable

PAGE = 1000
MOST_FILES = 100_000
_FIELDS = (
    "title", "dataset_id", "size", "checksum", "checksum_type", "url", "data_node", "version",
    "retracted",
)  # fmt: skip
_ASKABLE = (*DRS, "frequency")
_FORMAT = "application/solr+json"


class Getter(Protocol):
    """Brings small answers: :class:`catena.data_ingest.http.Http`."""

    def get(self, url: str) -> bytes:
        """The answer, whole; retried where that may help."""


@dataclass(frozen=True)
class Copy:
    """One copy of one file.

    Parameters
    ----------
    path : str
        By the data reference syntax, ``CMIP6/…/<version>/<name>``: equal for all copies.
    url : str
        Of an HTTP server.
    size : int, optional
        Bytes.
    checksum : str
        ``sha256:<hex>`` or ``md5:<hex>``; empty if unknown.
    """

    path: str
    url: str
    size: int | None
    checksum: str


def copies(http: Getter, index: str, wanted: Facets) -> Iterator[Copy]:
    """Every copy of the files that are asked for.

    Parameters
    ----------
    http : Getter
    index : str
        ``https://<node>/esg-search``, or with ``/search`` at its end.
    wanted : mapping
        Facets; wildcards are looked up in the index first. Without ``version``, the latest.

    Raises
    ------
    InvalidRequest
        When too many files match.
    Unavailable
        When the index answers something else than the API says.
    """
    base = index.rstrip("/").removesuffix("/search") + "/search"
    constraints: dict[str, str] = {"project": "CMIP6", "type": "File", "retracted": "false"}
    if "version" not in wanted:
        constraints["latest"] = "true"
    else:
        versions = [normal_version(value).removeprefix("v") for value in wanted["version"]]
        if all(versions):
            constraints["version"] = ",".join(versions)
    plain, wild = _split(wanted)
    constraints |= {name: ",".join(values) for name, values in plain.items()}
    for name, patterns in wild.items():
        values = _values(http, base, constraints, name, patterns)
        if not values:
            return
        constraints[name] = ",".join(values)
    for document in _documents(http, base, constraints):
        copy = _copy(document)
        if copy is not None:
            yield copy


def copies_of(http: Getter, index: str, path: str) -> list[Copy]:
    """Every copy of one file.

    Parameters
    ----------
    path : str
        As in :class:`Copy`.
    """
    *folders, name = path.split("/")
    dataset = ".".join(folders)
    base = index.rstrip("/").removesuffix("/search") + "/search"
    constraints = {"type": "File", "title": name, "instance_id": f"{dataset}.{name}"}
    found = (_copy(document) for document in _documents(http, base, constraints))
    return [copy for copy in found if copy is not None and copy.path == path]


def _split(wanted: Facets) -> tuple[dict[str, Sequence[str]], dict[str, Sequence[str]]]:
    """Facets for the index, and those with wildcards, which it does not know."""
    asked: dict[str, Sequence[str]] = {
        name: list(values) for name, values in wanted.items() if name in _ASKABLE
    }
    if years := wanted.get("dcpp_start_year"):
        asked["sub_experiment_id"] = [f"s{year}" for year in years]
    wild = {
        name: values
        for name, values in asked.items()
        if any("*" in value or "?" in value for value in values)
    }
    wild = {name: values for name, values in wild.items() if "*" not in values}
    plain = {
        name: values
        for name, values in asked.items()
        if name not in wild and "*" not in values and values
    }
    return plain, wild


def _values(
    http: Getter, base: str, constraints: Mapping[str, str], name: str, patterns: Iterable[str]
) -> list[str]:
    answer = _ask(http, base, {**constraints, "facets": name, "limit": "0"})
    counts = answer.get("facet_counts", {}).get("facet_fields", {}).get(name, [])
    patterns = list(patterns)
    # Solr lists value, count, value, count, ...
    return [
        str(value)
        for value in counts[::2]
        if any(fnmatchcase(str(value), pattern) for pattern in patterns)
    ]


def _documents(http: Getter, base: str, constraints: Mapping[str, str]) -> Iterator[Any]:
    fields = ",".join((*_FIELDS, *DRS))
    seen = 0
    while True:
        page = {"fields": fields, "offset": str(seen), "limit": str(PAGE)}
        response = _ask(http, base, {**constraints, **page}).get("response", {})
        documents, total = response.get("docs"), response.get("numFound")
        if not isinstance(documents, list) or not isinstance(total, int):
            raise Unavailable(
                f"the index {base} answered without response.docs and response.numFound; wanted "
                "those of ESGF's search API: try another index node"
            )
        if total > MOST_FILES:
            raise InvalidRequest(
                f"the index {base} knows {total} copies of files like that, wanted at most "
                f"{MOST_FILES}; give more facets, e.g. source_id, experiment_id and variable_id"
            )
        yield from documents
        seen += len(documents)
        if seen >= total:
            return
        if not documents:
            raise Unavailable(
                f"the index {base} stopped at {seen} of {total} files; ask again", retry_after_s=60
            )


def _ask(http: Getter, base: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    data = http.get(f"{base}?{urlencode({**parameters, 'format': _FORMAT})}")
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unavailable(
            f"the index {base} answered {data[:60]!r}, wanted JSON of ESGF's search API; it may be "
            "under maintenance, or no index: try later, or another index node"
        )
    return answer


def _copy(document: Mapping[str, Any]) -> Copy | None:
    """A copy that an HTTP server offers; None for tapes, GridFTP and OPeNDAP alone."""
    urls = [entry.split("|") for entry in document.get("url", [])]
    http = [parts[0] for parts in urls if parts[-1] == "HTTPServer"]
    dataset = str(document.get("dataset_id", "")).partition("|")[0]
    title = _one(document, "title")
    if not http or not title or not dataset:
        return None
    kind, value = _one(document, "checksum_type").lower(), _one(document, "checksum").lower()
    size = document.get("size")
    return Copy(
        path=f"{dataset.replace('.', '/')}/{title}",
        url=http[0],
        size=size if isinstance(size, int) else None,
        checksum=f"{kind}:{value}" if kind in ("sha256", "md5") and value else "",
    )


def _one(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value or "")
