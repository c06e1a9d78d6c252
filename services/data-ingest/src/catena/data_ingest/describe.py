"""The quick answers: what a catalog, an archive or an ingested artifact holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catena.api.data_ingest.v1 import data_ingest_pb2 as pb
from catena.data_ingest.places import open_source
from catena.data_ingest.queries import DescribeDatasetQuery, IngestDatasetQuery, SearchCatalogQuery
from catena.data_ingest.sources.base import Description, Entry
from catena.data_ingest.storage import read_ingest
from catena.data_ingest.vocabulary import facet_table
from catena.shared.artifacts import Artifact, ArtifactCache, ArtifactStore
from catena.shared.catalog import Catalog
from catena.shared.catalog_files import KIND, PARQUET
from catena.shared.checks.findings import Finding
from catena.shared.errors import FieldViolation, InvalidRequest, NotFound

_MOST_REFUSED = 100


class CatalogCache:
    """The catalog that was asked for last, kept open: opening takes longer than searching."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._held = ArtifactCache(lambda made: Catalog(made.read_bytes(PARQUET)), most=1)

    def get(self, query: SearchCatalogQuery) -> Catalog:
        """The catalog that a search names, or the newest one.

        Raises
        ------
        NotFound
            When there is none.
        """
        artifact = self._newest() if query.catalog is None else self._store.open(query.catalog)
        return self._held.get(artifact)

    def _newest(self) -> Artifact:
        found = self._store.list(KIND)
        if not found:
            raise NotFound("the store holds no catalog yet; run the flow `ingest`")
        return found[0]


def search_catalog(query: SearchCatalogQuery, catalogs: CatalogCache) -> pb.SearchCatalogResponse:
    """One page of the rows that match."""
    box = query.region
    page = catalogs.get(query).search(
        facet_table(query.facets),
        time=(query.start, query.end) if query.start or query.end else None,
        lat=(box.south, box.north) if box else None,
        lon=box.longitudes if box else None,
        page_size=query.page_size,
        page_token=query.page_token,
    )
    return pb.SearchCatalogResponse(
        rows=[pb.CatalogRow(columns=_texts(row)) for row in page.rows],
        next_page_token=page.next_page_token,
        total=page.total,
    )


def describe_dataset(
    query: DescribeDatasetQuery, store: ArtifactStore
) -> pb.DescribeDatasetResponse:
    """What a request would ingest, or what an artifact holds."""
    start = _offset(query.page_token)
    stop = start + query.page_size
    if query.request is not None:
        return _dry_run(query.request, start, stop)
    assert query.dataset is not None  # the query has one of the two
    ingest = read_ingest(store.open(query.dataset))
    datasets = ingest["datasets"]
    refused = [item for row in ingest["datasets"] for item in row["findings"]]
    return pb.DescribeDatasetResponse(
        datasets=[_kept(row) for row in datasets[start:stop]],
        next_page_token=str(stop) if stop < len(datasets) else "",
        total_datasets=len(datasets),
        total_files=len(ingest["files"]),
        total_bytes=sum(row["bytes"] for row in datasets),
        refused=_refusals(
            Finding.from_dict(item) for item in refused if item["action"] == "refused"
        ),
    )


def _dry_run(request: IngestDatasetQuery, start: int, stop: int) -> pb.DescribeDatasetResponse:
    source, archive = open_source(request)
    found = source.search(archive, facet_table(request.selection.facets))
    sizes = [entry.size for entry in found.entries]
    return pb.DescribeDatasetResponse(
        datasets=[
            _planned(entry, source.describe(archive, entry)) for entry in found.entries[start:stop]
        ],
        next_page_token=str(stop) if stop < len(found.entries) else "",
        total_datasets=len(found.entries),
        total_files=found.files,
        total_bytes=sum(size or 0 for size in sizes),
        refused=_refusals(found.refused),
    )


def _planned(entry: Entry, found: Description) -> pb.DatasetInfo:
    return pb.DatasetInfo(
        key=entry.key,
        facets=_facets(entry.facets),
        variables=[
            pb.VariableInfo(
                name=one.name,
                units=one.units,
                standard_name=one.standard_name,
                dims=one.dims,
                shape=one.shape,
            )
            for one in found.variables
        ],
        start=found.start,
        end=found.end,
        calendar=found.calendar,
        files=found.files,
        bytes=found.bytes or 0,
        generated=entry.generated,
    )


def _kept(row: Mapping[str, Any]) -> pb.DatasetInfo:
    return pb.DatasetInfo(
        key=row["key"],
        facets=_facets(row["facets"]),
        variables=[pb.VariableInfo(**one) for one in row["variables"]],
        start=row["start"],
        end=row["end"],
        calendar=row["calendar"],
        files=len(row["files"]),
        bytes=row["bytes"],
        generated=row["generated"],
    )


def _facets(facets: Mapping[str, str]) -> list[pb.Facet]:
    return [pb.Facet(name=name, values=[value]) for name, value in sorted(facets.items())]


def _refusals(findings: Iterable[Finding]) -> list[pb.Finding]:
    names = (
        "check",
        "action",
        "dataset",
        "file",
        "variable",
        "dimension",
        "found",
        "wanted",
        "why",
    )
    return [
        pb.Finding(**{name: getattr(finding, name) for name in names})
        for finding in list(findings)[:_MOST_REFUSED]
    ]


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in row.items() if value not in ("", None)}


def _offset(token: str) -> int:
    if token and not token.isdecimal():
        raise InvalidRequest(
            "the page token is none",
            violations=[
                FieldViolation("page_token", f"got {token[:40]!r}; copy next_page_token as it came")
            ],
        )
    return int(token or 0)
