"""What servers say about their files: THREDDS catalogs, HTML indexes, lists of checksums."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

from catena.data_ingest.archive_base import ZARR_MARKS
from catena.data_ingest.archive_places import Place, parse, shorten
from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import CatenaError, InvalidData

LISTS = ("SHA256SUMS", "sha256sums.txt", "MD5SUMS", "md5sums.txt", "files.txt", "filelist.txt")
"""Names of lists of files: ``<checksum>  <path>`` or ``<path>`` on each line."""

_HREF = "{http://www.w3.org/1999/xlink}href"
_BYTES = {"bytes": 1, "byte": 1, "b": 1}


@dataclass(frozen=True)
class Listing:
    """One page of a catalog.

    Parameters
    ----------
    files : tuple of (url, size or None, checksum)
    folders : tuple of str
        URLs of further pages.
    """

    files: tuple[tuple[str, int | None, str], ...]
    folders: tuple[str, ...] = ()


def thredds(text: bytes, url: str) -> Listing:
    """Files that a THREDDS catalog offers by HTTP, and the catalogs it refers to.

    Sizes are taken where they are exact (in bytes, or ESGF's property ``size``), checksums from
    the properties ``checksum`` and ``checksum_type``.

    Raises
    ------
    InvalidData
        When it is no catalog.
    """
    root = _xml(text, url)
    services = dict(_services(root))
    files: list[tuple[str, int | None, str]] = []
    folders: list[str] = []
    _datasets(root, url, "", services, files, folders)
    return Listing(tuple(files), tuple(dict.fromkeys(folders)))


def html_index(text: bytes, folder: Place) -> Listing:
    """Files and folders to which a folder's HTML index links; other links lead elsewhere."""
    page = _Links()
    page.feed(text.decode("utf-8", "replace"))
    files, folders = [], []
    for href in dict.fromkeys(page.found):
        target = urljoin(f"{folder.url}/", href)
        try:
            place = parse(target)
        except CatenaError:
            continue  # sort orders (?C=M), other schemes, dotted parts
        if place.below(folder) and len(place.segments) == len(folder.segments) + 1:
            if target.endswith("/"):
                folders.append(place.url)
            else:
                files.append((place.url, None, ""))
    return Listing(tuple(files), tuple(folders))


def plain_list(text: bytes, folder: Place) -> Listing:
    """Files of a list: checksum and path, or path only, one a line; paths may be URLs.

    Raises
    ------
    InvalidData
        For a line that is neither.
    """
    files = []
    for number, raw in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([0-9a-fA-F]{64}|[0-9a-fA-F]{32})\s+\*?(.+)", line)
        digest, path = (match[1].lower(), match[2]) if match else ("", line)
        kind = "sha256" if len(digest) == 64 else "md5"
        try:
            place = parse(path) if "://" in path else _below(folder, path.removeprefix("./"))
        except CatenaError as error:
            raise InvalidData(
                f"line {number} of the list of files in {folder.url}: {error}"
            ) from None
        files.append((place.url, None, f"{kind}:{digest}" if digest else ""))
    return Listing(tuple(files))


def fold_stores(files: list[ArchiveFile]) -> list[ArchiveFile]:
    """Put the files of each zarr store together as one; its size is their sum."""
    marks = {
        file.path.rpartition("/")[0]
        for file in files
        if file.path.rpartition("/")[2] in ZARR_MARKS and "/" in file.path
    }
    sizes: dict[str, int | None] = {}
    single = []
    for file in files:
        parts = file.path.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        store = next((folder for folder in above if folder in marks), None)
        if store is None:
            single.append(file)
            continue
        sum_ = sizes.setdefault(store, 0)
        sizes[store] = None if sum_ is None or file.size is None else sum_ + file.size
    return single + [ArchiveFile(store, size) for store, size in sizes.items()]


def _below(folder: Place, path: str) -> Place:
    from catena.data_ingest.archive_places import join

    return join(folder, path.replace("?", "%3F"))


def _xml(text: bytes, url: str) -> ET.Element:
    # A catalog needs no document type; entities are where XML gets dangerous.
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise InvalidData(f"{shorten(url)} has a document type, wanted a THREDDS catalog without")
    try:
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError as error:
        raise InvalidData(
            f"{shorten(url)} is no XML ({error}), wanted a THREDDS catalog; check the address"
        ) from None
    if _name(root) != "catalog":
        raise InvalidData(
            f"{shorten(url)} is a <{_name(root)}>, wanted a THREDDS <catalog>; check the address"
        )
    return root


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _services(element: ET.Element) -> Iterator[tuple[str, str]]:
    """(name of a service, base of its HTTP file server) for all that have one."""
    for child in element:
        if _name(child) != "service":
            continue
        inner = list(_services(child))
        yield from inner
        kind = child.get("serviceType", "").lower()
        if kind == "httpserver":
            yield child.get("name", ""), child.get("base", "")
        elif kind == "compound" and inner:
            yield child.get("name", ""), inner[0][1]


def _datasets(
    element: ET.Element,
    url: str,
    service: str,
    services: dict[str, str],
    files: list[tuple[str, int | None, str]],
    folders: list[str],
) -> None:
    for child in element:
        kind = _name(child)
        if kind == "catalogRef":
            folders.append(urljoin(url, child.get(_HREF, "")))
        if kind != "dataset":
            continue
        inherited, own = _service_names(child, service)
        for path, name in _accesses(child, own):
            base = services.get(name) if name else next(iter(services.values()), None)
            if base is not None:
                target = urljoin(url, base.rstrip("/") + "/") + _quoted(path)
                files.append((target, *_told(child)))
                break
        _datasets(child, url, inherited, services, files, folders)


def _service_names(dataset: ET.Element, above: str) -> tuple[str, str]:
    """Names of the service for what is below a dataset, and for itself."""
    inherited, own = above, ""
    for child in dataset:
        if _name(child) == "serviceName":
            own = child.text or ""
        elif _name(child) == "metadata":
            for inner in child:
                if _name(inner) == "serviceName":
                    own = own or inner.text or ""
                    if child.get("inherited") == "true":
                        inherited = inner.text or ""
    return inherited.strip(), (dataset.get("serviceName") or own or inherited).strip()


def _accesses(dataset: ET.Element, service: str) -> Iterator[tuple[str, str]]:
    if dataset.get("urlPath"):
        yield dataset.get("urlPath", ""), service
    for child in dataset:
        if _name(child) == "access":
            yield child.get("urlPath", ""), child.get("serviceName", service)


def _told(dataset: ET.Element) -> tuple[int | None, str]:
    told = {
        child.get("name", ""): child.get("value", "")
        for child in dataset
        if _name(child) == "property"
    }
    size = told.get("size", "")
    for child in dataset:
        if _name(child) == "dataSize" and child.get("units", "").lower() in _BYTES:
            size = size or (child.text or "").strip()
    kind = told.get("checksum_type", "").lower().replace("-", "")
    digest = told.get("checksum", "").lower()
    checksum = f"{kind}:{digest}" if digest and kind in ("sha256", "md5") else ""
    return int(size) if size.isdigit() else None, checksum


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path.lstrip("/"), safe="/!$&'()*+,;=:@~%")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]
