from catena.api.artifacts.v1 import artifacts_pb2 as _artifacts_pb2
from catena.api.jobs.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_CMIP6: _ClassVar[Source]
    SOURCE_ERA5: _ClassVar[Source]
    SOURCE_DAYMET: _ClassVar[Source]
    SOURCE_CAMELS: _ClassVar[Source]
    SOURCE_FLUX: _ClassVar[Source]
    SOURCE_FORECAST: _ClassVar[Source]
    SOURCE_RESERVOIR: _ClassVar[Source]
    SOURCE_GRIDDED: _ClassVar[Source]
    SOURCE_GENERATED_WEATHER: _ClassVar[Source]
    SOURCE_GENERATED_PLANET: _ClassVar[Source]

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_COPY: _ClassVar[Mode]
    MODE_REFERENCE: _ClassVar[Mode]

class RegridMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REGRID_METHOD_UNSPECIFIED: _ClassVar[RegridMethod]
    REGRID_METHOD_CONSERVATIVE: _ClassVar[RegridMethod]
    REGRID_METHOD_BILINEAR: _ClassVar[RegridMethod]
    REGRID_METHOD_NEAREST: _ClassVar[RegridMethod]
SOURCE_UNSPECIFIED: Source
SOURCE_CMIP6: Source
SOURCE_ERA5: Source
SOURCE_DAYMET: Source
SOURCE_CAMELS: Source
SOURCE_FLUX: Source
SOURCE_FORECAST: Source
SOURCE_RESERVOIR: Source
SOURCE_GRIDDED: Source
SOURCE_GENERATED_WEATHER: Source
SOURCE_GENERATED_PLANET: Source
MODE_UNSPECIFIED: Mode
MODE_COPY: Mode
MODE_REFERENCE: Mode
REGRID_METHOD_UNSPECIFIED: RegridMethod
REGRID_METHOD_CONSERVATIVE: RegridMethod
REGRID_METHOD_BILINEAR: RegridMethod
REGRID_METHOD_NEAREST: RegridMethod

class Facet(_message.Message):
    __slots__ = ("name", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("south", "north", "west", "east")
    SOUTH_FIELD_NUMBER: _ClassVar[int]
    NORTH_FIELD_NUMBER: _ClassVar[int]
    WEST_FIELD_NUMBER: _ClassVar[int]
    EAST_FIELD_NUMBER: _ClassVar[int]
    south: float
    north: float
    west: float
    east: float
    def __init__(self, south: _Optional[float] = ..., north: _Optional[float] = ..., west: _Optional[float] = ..., east: _Optional[float] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("facets", "variables", "start", "end", "region")
    FACETS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    facets: _containers.RepeatedCompositeFieldContainer[Facet]
    variables: _containers.RepeatedScalarFieldContainer[str]
    start: str
    end: str
    region: Region
    def __init__(self, facets: _Optional[_Iterable[_Union[Facet, _Mapping]]] = ..., variables: _Optional[_Iterable[str]] = ..., start: _Optional[str] = ..., end: _Optional[str] = ..., region: _Optional[_Union[Region, _Mapping]] = ...) -> None: ...

class GeneratedWeather(_message.Message):
    __slots__ = ("sites", "years", "step_s", "seed", "climates", "first_year", "region")
    SITES_FIELD_NUMBER: _ClassVar[int]
    YEARS_FIELD_NUMBER: _ClassVar[int]
    STEP_S_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CLIMATES_FIELD_NUMBER: _ClassVar[int]
    FIRST_YEAR_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    sites: int
    years: int
    step_s: int
    seed: int
    climates: _containers.RepeatedScalarFieldContainer[str]
    first_year: int
    region: WeatherRegion
    def __init__(self, sites: _Optional[int] = ..., years: _Optional[int] = ..., step_s: _Optional[int] = ..., seed: _Optional[int] = ..., climates: _Optional[_Iterable[str]] = ..., first_year: _Optional[int] = ..., region: _Optional[_Union[WeatherRegion, _Mapping]] = ...) -> None: ...

class WeatherRegion(_message.Message):
    __slots__ = ("box", "step_deg", "latitudes", "longitudes", "elevations_m")
    BOX_FIELD_NUMBER: _ClassVar[int]
    STEP_DEG_FIELD_NUMBER: _ClassVar[int]
    LATITUDES_FIELD_NUMBER: _ClassVar[int]
    LONGITUDES_FIELD_NUMBER: _ClassVar[int]
    ELEVATIONS_M_FIELD_NUMBER: _ClassVar[int]
    box: Region
    step_deg: float
    latitudes: _containers.RepeatedScalarFieldContainer[float]
    longitudes: _containers.RepeatedScalarFieldContainer[float]
    elevations_m: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, box: _Optional[_Union[Region, _Mapping]] = ..., step_deg: _Optional[float] = ..., latitudes: _Optional[_Iterable[float]] = ..., longitudes: _Optional[_Iterable[float]] = ..., elevations_m: _Optional[_Iterable[float]] = ...) -> None: ...

class GeneratedPlanet(_message.Message):
    __slots__ = ("latitudes", "days", "seed")
    LATITUDES_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    latitudes: int
    days: int
    seed: int
    def __init__(self, latitudes: _Optional[int] = ..., days: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("check", "action", "dataset", "file", "variable", "dimension", "found", "wanted", "why")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    check: str
    action: str
    dataset: str
    file: str
    variable: str
    dimension: str
    found: str
    wanted: str
    why: str
    def __init__(self, check: _Optional[str] = ..., action: _Optional[str] = ..., dataset: _Optional[str] = ..., file: _Optional[str] = ..., variable: _Optional[str] = ..., dimension: _Optional[str] = ..., found: _Optional[str] = ..., wanted: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class VariableInfo(_message.Message):
    __slots__ = ("name", "units", "standard_name", "dims", "shape")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    STANDARD_NAME_FIELD_NUMBER: _ClassVar[int]
    DIMS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    units: str
    standard_name: str
    dims: _containers.RepeatedScalarFieldContainer[str]
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., units: _Optional[str] = ..., standard_name: _Optional[str] = ..., dims: _Optional[_Iterable[str]] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class DatasetInfo(_message.Message):
    __slots__ = ("key", "facets", "variables", "start", "end", "calendar", "files", "bytes", "generated")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FACETS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CALENDAR_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    key: str
    facets: _containers.RepeatedCompositeFieldContainer[Facet]
    variables: _containers.RepeatedCompositeFieldContainer[VariableInfo]
    start: str
    end: str
    calendar: str
    files: int
    bytes: int
    generated: bool
    def __init__(self, key: _Optional[str] = ..., facets: _Optional[_Iterable[_Union[Facet, _Mapping]]] = ..., variables: _Optional[_Iterable[_Union[VariableInfo, _Mapping]]] = ..., start: _Optional[str] = ..., end: _Optional[str] = ..., calendar: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., generated: _Optional[bool] = ...) -> None: ...

class SearchCatalogRequest(_message.Message):
    __slots__ = ("catalog", "facets", "start", "end", "region", "page_size", "page_token")
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    FACETS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    catalog: _artifacts_pb2.ArtifactRef
    facets: _containers.RepeatedCompositeFieldContainer[Facet]
    start: str
    end: str
    region: Region
    page_size: int
    page_token: str
    def __init__(self, catalog: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., facets: _Optional[_Iterable[_Union[Facet, _Mapping]]] = ..., start: _Optional[str] = ..., end: _Optional[str] = ..., region: _Optional[_Union[Region, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class CatalogRow(_message.Message):
    __slots__ = ("columns",)
    class ColumnsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.ScalarMap[str, str]
    def __init__(self, columns: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SearchCatalogResponse(_message.Message):
    __slots__ = ("rows", "next_page_token", "total")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[CatalogRow]
    next_page_token: str
    total: int
    def __init__(self, rows: _Optional[_Iterable[_Union[CatalogRow, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class DescribeDatasetRequest(_message.Message):
    __slots__ = ("request", "dataset", "page_size", "page_token")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    request: IngestDatasetRequest
    dataset: _artifacts_pb2.ArtifactRef
    page_size: int
    page_token: str
    def __init__(self, request: _Optional[_Union[IngestDatasetRequest, _Mapping]] = ..., dataset: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class DescribeDatasetResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token", "total_datasets", "total_files", "total_bytes", "refused")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_DATASETS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FILES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[DatasetInfo]
    next_page_token: str
    total_datasets: int
    total_files: int
    total_bytes: int
    refused: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, datasets: _Optional[_Iterable[_Union[DatasetInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_datasets: _Optional[int] = ..., total_files: _Optional[int] = ..., total_bytes: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class IngestDatasetRequest(_message.Message):
    __slots__ = ("source", "location", "mode", "selection", "as_of", "weather", "planet", "title", "max_bytes", "validate_only")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    WEATHER_FIELD_NUMBER: _ClassVar[int]
    PLANET_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    source: Source
    location: str
    mode: Mode
    selection: Selection
    as_of: str
    weather: GeneratedWeather
    planet: GeneratedPlanet
    title: str
    max_bytes: int
    validate_only: bool
    def __init__(self, source: _Optional[_Union[Source, str]] = ..., location: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., as_of: _Optional[str] = ..., weather: _Optional[_Union[GeneratedWeather, _Mapping]] = ..., planet: _Optional[_Union[GeneratedPlanet, _Mapping]] = ..., title: _Optional[str] = ..., max_bytes: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class IngestDatasetResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class WriteCatalogRequest(_message.Message):
    __slots__ = ("datasets", "title", "validate_only")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[_artifacts_pb2.ArtifactRef]
    title: str
    validate_only: bool
    def __init__(self, datasets: _Optional[_Iterable[_Union[_artifacts_pb2.ArtifactRef, _Mapping]]] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class WriteCatalogResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class SelectModelsRequest(_message.Message):
    __slots__ = ("models", "reference", "variables", "threshold", "first_year", "last_year", "validate_only")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    FIRST_YEAR_FIELD_NUMBER: _ClassVar[int]
    LAST_YEAR_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    models: _artifacts_pb2.ArtifactRef
    reference: _artifacts_pb2.ArtifactRef
    variables: _containers.RepeatedScalarFieldContainer[str]
    threshold: float
    first_year: int
    last_year: int
    validate_only: bool
    def __init__(self, models: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., reference: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., variables: _Optional[_Iterable[str]] = ..., threshold: _Optional[float] = ..., first_year: _Optional[int] = ..., last_year: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SelectModelsResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class RegridRequest(_message.Message):
    __slots__ = ("dataset", "grid", "method", "weights", "weights_file", "keys", "validate_only")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FILE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    dataset: _artifacts_pb2.ArtifactRef
    grid: str
    method: RegridMethod
    weights: _artifacts_pb2.ArtifactRef
    weights_file: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    validate_only: bool
    def __init__(self, dataset: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., grid: _Optional[str] = ..., method: _Optional[_Union[RegridMethod, str]] = ..., weights: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., weights_file: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RegridResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class BuildCacheRequest(_message.Message):
    __slots__ = ("dataset", "keys", "variables", "half", "leads_s", "first_year", "last_year", "validate_only")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    HALF_FIELD_NUMBER: _ClassVar[int]
    LEADS_S_FIELD_NUMBER: _ClassVar[int]
    FIRST_YEAR_FIELD_NUMBER: _ClassVar[int]
    LAST_YEAR_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    dataset: _artifacts_pb2.ArtifactRef
    keys: _containers.RepeatedScalarFieldContainer[str]
    variables: _containers.RepeatedScalarFieldContainer[str]
    half: bool
    leads_s: _containers.RepeatedScalarFieldContainer[int]
    first_year: int
    last_year: int
    validate_only: bool
    def __init__(self, dataset: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., keys: _Optional[_Iterable[str]] = ..., variables: _Optional[_Iterable[str]] = ..., half: _Optional[bool] = ..., leads_s: _Optional[_Iterable[int]] = ..., first_year: _Optional[int] = ..., last_year: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class BuildCacheResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...
