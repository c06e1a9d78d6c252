"""Data-ingest's rpcs: each checks its request, then answers or submits a job. No science."""

from __future__ import annotations

import grpc

from catena.api.data_ingest.v1 import data_ingest_pb2 as pb
from catena.api.data_ingest.v1 import data_ingest_pb2_grpc
from catena.data_ingest import describe, jobs, queries
from catena.data_ingest.describe import CatalogCache
from catena.data_ingest.preflight import check_against_settings
from catena.shared.query import Query
from catena.shared.server import Runtime, Servicer


class DataIngest(Servicer, data_ingest_pb2_grpc.DataIngestServiceServicer):
    """Implementation of ``catena.api.data_ingest.v1.DataIngestService``."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.catalogs = CatalogCache(runtime.store)

    def check(self, query: Query) -> None:
        """Against what this server may read and knows."""
        check_against_settings(query, self.settings)

    def IngestDataset(
        self, request: pb.IngestDatasetRequest, context: grpc.ServicerContext
    ) -> pb.IngestDatasetResponse:
        """Read, check and keep datasets of a source."""
        return self.submit(jobs.ingest_dataset, request, pb.IngestDatasetResponse)

    def WriteCatalog(
        self, request: pb.WriteCatalogRequest, context: grpc.ServicerContext
    ) -> pb.WriteCatalogResponse:
        """Put datasets into one catalog."""
        return self.submit(jobs.write_catalog, request, pb.WriteCatalogResponse)

    def SelectModels(
        self, request: pb.SelectModelsRequest, context: grpc.ServicerContext
    ) -> pb.SelectModelsResponse:
        """Select CMIP6 models by quality."""
        return self.submit(jobs.select_models, request, pb.SelectModelsResponse)

    def Regrid(self, request: pb.RegridRequest, context: grpc.ServicerContext) -> pb.RegridResponse:
        """Put datasets on another grid."""
        return self.submit(jobs.regrid, request, pb.RegridResponse)

    def BuildCache(
        self, request: pb.BuildCacheRequest, context: grpc.ServicerContext
    ) -> pb.BuildCacheResponse:
        """Make a hot cache for training."""
        return self.submit(jobs.build_cache, request, pb.BuildCacheResponse)

    def SearchCatalog(
        self, request: pb.SearchCatalogRequest, context: grpc.ServicerContext
    ) -> pb.SearchCatalogResponse:
        """Find datasets in a catalog."""
        query = queries.SearchCatalogQuery.from_message(request)
        return describe.search_catalog(query, self.catalogs)

    def DescribeDataset(
        self, request: pb.DescribeDatasetRequest, context: grpc.ServicerContext
    ) -> pb.DescribeDatasetResponse:
        """Say what an archive or an artifact holds."""
        query = queries.DescribeDatasetQuery.from_message(request)
        if query.request is not None:
            self.check(query.request)
        return describe.describe_dataset(query, self.store)


def add_services(server: grpc.Server, runtime: Runtime) -> None:
    """Register data-ingest's rpcs at `server`."""
    data_ingest_pb2_grpc.add_DataIngestServiceServicer_to_server(  # type: ignore[no-untyped-call]
        DataIngest(runtime), server
    )
