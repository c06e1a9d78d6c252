from catena.api.artifacts.v1 import artifacts_pb2 as _artifacts_pb2
from catena.api.jobs.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Design(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DESIGN_UNSPECIFIED: _ClassVar[Design]
    DESIGN_SOBOL: _ClassVar[Design]
    DESIGN_LATIN_HYPERCUBE: _ClassVar[Design]

class StageKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_KIND_UNSPECIFIED: _ClassVar[StageKind]
    STAGE_KIND_AD_SPINUP: _ClassVar[StageKind]
    STAGE_KIND_FINAL: _ClassVar[StageKind]
    STAGE_KIND_TRANSIENT: _ClassVar[StageKind]

class Frequency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FREQUENCY_UNSPECIFIED: _ClassVar[Frequency]
    FREQUENCY_DAILY: _ClassVar[Frequency]
    FREQUENCY_MONTHLY: _ClassVar[Frequency]
    FREQUENCY_YEARLY: _ClassVar[Frequency]

class RestartMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESTART_MODE_UNSPECIFIED: _ClassVar[RestartMode]
    RESTART_MODE_HOTSTART: _ClassVar[RestartMode]
    RESTART_MODE_RESUME: _ClassVar[RestartMode]

class SpinUpKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPIN_UP_KIND_UNSPECIFIED: _ClassVar[SpinUpKind]
    SPIN_UP_KIND_NATIVE: _ClassVar[SpinUpKind]
    SPIN_UP_KIND_EMULATOR: _ClassVar[SpinUpKind]
    SPIN_UP_KIND_SASU: _ClassVar[SpinUpKind]
    SPIN_UP_KIND_ANDERSON: _ClassVar[SpinUpKind]
    SPIN_UP_KIND_ANALOGUE: _ClassVar[SpinUpKind]
    SPIN_UP_KIND_TREES: _ClassVar[SpinUpKind]
DESIGN_UNSPECIFIED: Design
DESIGN_SOBOL: Design
DESIGN_LATIN_HYPERCUBE: Design
STAGE_KIND_UNSPECIFIED: StageKind
STAGE_KIND_AD_SPINUP: StageKind
STAGE_KIND_FINAL: StageKind
STAGE_KIND_TRANSIENT: StageKind
FREQUENCY_UNSPECIFIED: Frequency
FREQUENCY_DAILY: Frequency
FREQUENCY_MONTHLY: Frequency
FREQUENCY_YEARLY: Frequency
RESTART_MODE_UNSPECIFIED: RestartMode
RESTART_MODE_HOTSTART: RestartMode
RESTART_MODE_RESUME: RestartMode
SPIN_UP_KIND_UNSPECIFIED: SpinUpKind
SPIN_UP_KIND_NATIVE: SpinUpKind
SPIN_UP_KIND_EMULATOR: SpinUpKind
SPIN_UP_KIND_SASU: SpinUpKind
SPIN_UP_KIND_ANDERSON: SpinUpKind
SPIN_UP_KIND_ANALOGUE: SpinUpKind
SPIN_UP_KIND_TREES: SpinUpKind

class ParameterInfo(_message.Message):
    __slots__ = ("name", "units", "long_name", "per_pft", "low", "high", "defaults", "lowest", "highest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    LONG_NAME_FIELD_NUMBER: _ClassVar[int]
    PER_PFT_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    LOWEST_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    units: str
    long_name: str
    per_pft: bool
    low: float
    high: float
    defaults: _containers.RepeatedScalarFieldContainer[float]
    lowest: float
    highest: float
    def __init__(self, name: _Optional[str] = ..., units: _Optional[str] = ..., long_name: _Optional[str] = ..., per_pft: _Optional[bool] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., defaults: _Optional[_Iterable[float]] = ..., lowest: _Optional[float] = ..., highest: _Optional[float] = ...) -> None: ...

class OutputInfo(_message.Message):
    __slots__ = ("name", "units", "long_name", "usual")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    LONG_NAME_FIELD_NUMBER: _ClassVar[int]
    USUAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    units: str
    long_name: str
    usual: bool
    def __init__(self, name: _Optional[str] = ..., units: _Optional[str] = ..., long_name: _Optional[str] = ..., usual: _Optional[bool] = ...) -> None: ...

class ParameterRange(_message.Message):
    __slots__ = ("name", "pft", "low", "high")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PFT_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    name: str
    pft: str
    low: float
    high: float
    def __init__(self, name: _Optional[str] = ..., pft: _Optional[str] = ..., low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class ParameterValue(_message.Message):
    __slots__ = ("name", "pft", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PFT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    pft: str
    value: float
    def __init__(self, name: _Optional[str] = ..., pft: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class ParameterDesign(_message.Message):
    __slots__ = ("design", "members", "seed", "parameters", "first_size")
    DESIGN_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FIRST_SIZE_FIELD_NUMBER: _ClassVar[int]
    design: Design
    members: int
    seed: int
    parameters: _containers.RepeatedCompositeFieldContainer[ParameterRange]
    first_size: int
    def __init__(self, design: _Optional[_Union[Design, str]] = ..., members: _Optional[int] = ..., seed: _Optional[int] = ..., parameters: _Optional[_Iterable[_Union[ParameterRange, _Mapping]]] = ..., first_size: _Optional[int] = ...) -> None: ...

class ParameterColumn(_message.Message):
    __slots__ = ("name", "pft")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PFT_FIELD_NUMBER: _ClassVar[int]
    name: str
    pft: str
    def __init__(self, name: _Optional[str] = ..., pft: _Optional[str] = ...) -> None: ...

class ParameterTable(_message.Message):
    __slots__ = ("columns", "values")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedCompositeFieldContainer[ParameterColumn]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, columns: _Optional[_Iterable[_Union[ParameterColumn, _Mapping]]] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class ParameterDraws(_message.Message):
    __slots__ = ("draws", "site", "members")
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    draws: _artifacts_pb2.ArtifactRef
    site: str
    members: int
    def __init__(self, draws: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., site: _Optional[str] = ..., members: _Optional[int] = ...) -> None: ...

class Forcing(_message.Message):
    __slots__ = ("dataset", "key", "files", "file", "site", "utc_offset_h", "fill_gaps", "first_year", "last_year", "co2_ppm", "co2", "co2_file", "n_deposition")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_H_FIELD_NUMBER: _ClassVar[int]
    FILL_GAPS_FIELD_NUMBER: _ClassVar[int]
    FIRST_YEAR_FIELD_NUMBER: _ClassVar[int]
    LAST_YEAR_FIELD_NUMBER: _ClassVar[int]
    CO2_PPM_FIELD_NUMBER: _ClassVar[int]
    CO2_FIELD_NUMBER: _ClassVar[int]
    CO2_FILE_FIELD_NUMBER: _ClassVar[int]
    N_DEPOSITION_FIELD_NUMBER: _ClassVar[int]
    dataset: _artifacts_pb2.ArtifactRef
    key: str
    files: _artifacts_pb2.ArtifactRef
    file: str
    site: str
    utc_offset_h: float
    fill_gaps: bool
    first_year: int
    last_year: int
    co2_ppm: float
    co2: _artifacts_pb2.ArtifactRef
    co2_file: str
    n_deposition: float
    def __init__(self, dataset: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., key: _Optional[str] = ..., files: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., file: _Optional[str] = ..., site: _Optional[str] = ..., utc_offset_h: _Optional[float] = ..., fill_gaps: _Optional[bool] = ..., first_year: _Optional[int] = ..., last_year: _Optional[int] = ..., co2_ppm: _Optional[float] = ..., co2: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., co2_file: _Optional[str] = ..., n_deposition: _Optional[float] = ...) -> None: ...

class PftFraction(_message.Message):
    __slots__ = ("name", "fraction")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    fraction: float
    def __init__(self, name: _Optional[str] = ..., fraction: _Optional[float] = ...) -> None: ...

class SoilLayer(_message.Message):
    __slots__ = ("bottom_m", "sand_percent", "clay_percent")
    BOTTOM_M_FIELD_NUMBER: _ClassVar[int]
    SAND_PERCENT_FIELD_NUMBER: _ClassVar[int]
    CLAY_PERCENT_FIELD_NUMBER: _ClassVar[int]
    bottom_m: float
    sand_percent: float
    clay_percent: float
    def __init__(self, bottom_m: _Optional[float] = ..., sand_percent: _Optional[float] = ..., clay_percent: _Optional[float] = ...) -> None: ...

class Surface(_message.Message):
    __slots__ = ("pfts", "soil")
    PFTS_FIELD_NUMBER: _ClassVar[int]
    SOIL_FIELD_NUMBER: _ClassVar[int]
    pfts: _containers.RepeatedCompositeFieldContainer[PftFraction]
    soil: _containers.RepeatedCompositeFieldContainer[SoilLayer]
    def __init__(self, pfts: _Optional[_Iterable[_Union[PftFraction, _Mapping]]] = ..., soil: _Optional[_Iterable[_Union[SoilLayer, _Mapping]]] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("kind", "years", "co2_ppm", "n_deposition", "first_year")
    KIND_FIELD_NUMBER: _ClassVar[int]
    YEARS_FIELD_NUMBER: _ClassVar[int]
    CO2_PPM_FIELD_NUMBER: _ClassVar[int]
    N_DEPOSITION_FIELD_NUMBER: _ClassVar[int]
    FIRST_YEAR_FIELD_NUMBER: _ClassVar[int]
    kind: StageKind
    years: int
    co2_ppm: float
    n_deposition: float
    first_year: int
    def __init__(self, kind: _Optional[_Union[StageKind, str]] = ..., years: _Optional[int] = ..., co2_ppm: _Optional[float] = ..., n_deposition: _Optional[float] = ..., first_year: _Optional[int] = ...) -> None: ...

class Restart(_message.Message):
    __slots__ = ("artifact", "file", "mode")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    artifact: _artifacts_pb2.ArtifactRef
    file: str
    mode: RestartMode
    def __init__(self, artifact: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., file: _Optional[str] = ..., mode: _Optional[_Union[RestartMode, str]] = ...) -> None: ...

class Setup(_message.Message):
    __slots__ = ("forcing", "surfaces", "stages", "restart", "fixed", "surface_map")
    FORCING_FIELD_NUMBER: _ClassVar[int]
    SURFACES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    RESTART_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    SURFACE_MAP_FIELD_NUMBER: _ClassVar[int]
    forcing: Forcing
    surfaces: _containers.RepeatedCompositeFieldContainer[Surface]
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    restart: Restart
    fixed: _containers.RepeatedCompositeFieldContainer[ParameterValue]
    surface_map: SurfaceMap
    def __init__(self, forcing: _Optional[_Union[Forcing, _Mapping]] = ..., surfaces: _Optional[_Iterable[_Union[Surface, _Mapping]]] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., restart: _Optional[_Union[Restart, _Mapping]] = ..., fixed: _Optional[_Iterable[_Union[ParameterValue, _Mapping]]] = ..., surface_map: _Optional[_Union[SurfaceMap, _Mapping]] = ...) -> None: ...

class SurfaceMap(_message.Message):
    __slots__ = ("files", "file", "plants", "seed", "trees", "cells")
    FILES_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    PLANTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TREES_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    files: _artifacts_pb2.ArtifactRef
    file: str
    plants: int
    seed: int
    trees: bool
    cells: int
    def __init__(self, files: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., file: _Optional[str] = ..., plants: _Optional[int] = ..., seed: _Optional[int] = ..., trees: _Optional[bool] = ..., cells: _Optional[int] = ...) -> None: ...

class SpinUpSetup(_message.Message):
    __slots__ = ("forcing", "surfaces", "surface_map", "fixed")
    FORCING_FIELD_NUMBER: _ClassVar[int]
    SURFACES_FIELD_NUMBER: _ClassVar[int]
    SURFACE_MAP_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    forcing: Forcing
    surfaces: _containers.RepeatedCompositeFieldContainer[Surface]
    surface_map: SurfaceMap
    fixed: _containers.RepeatedCompositeFieldContainer[ParameterValue]
    def __init__(self, forcing: _Optional[_Union[Forcing, _Mapping]] = ..., surfaces: _Optional[_Iterable[_Union[Surface, _Mapping]]] = ..., surface_map: _Optional[_Union[SurfaceMap, _Mapping]] = ..., fixed: _Optional[_Iterable[_Union[ParameterValue, _Mapping]]] = ...) -> None: ...

class SpinUpMethod(_message.Message):
    __slots__ = ("kind", "ad_years", "final_years", "emulator", "training")
    KIND_FIELD_NUMBER: _ClassVar[int]
    AD_YEARS_FIELD_NUMBER: _ClassVar[int]
    FINAL_YEARS_FIELD_NUMBER: _ClassVar[int]
    EMULATOR_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    kind: SpinUpKind
    ad_years: int
    final_years: int
    emulator: _artifacts_pb2.ArtifactRef
    training: _artifacts_pb2.ArtifactRef
    def __init__(self, kind: _Optional[_Union[SpinUpKind, str]] = ..., ad_years: _Optional[int] = ..., final_years: _Optional[int] = ..., emulator: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., training: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ...) -> None: ...

class SiteSample(_message.Message):
    __slots__ = ("sites", "share", "seed", "block_deg")
    SITES_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BLOCK_DEG_FIELD_NUMBER: _ClassVar[int]
    sites: int
    share: float
    seed: int
    block_deg: float
    def __init__(self, sites: _Optional[int] = ..., share: _Optional[float] = ..., seed: _Optional[int] = ..., block_deg: _Optional[float] = ...) -> None: ...

class SpinUpLessons(_message.Message):
    __slots__ = ("ad_years", "block_deg", "seed")
    AD_YEARS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_DEG_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ad_years: int
    block_deg: float
    seed: int
    def __init__(self, ad_years: _Optional[int] = ..., block_deg: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class SpinUpCheck(_message.Message):
    __slots__ = ("settle_cycles", "limit", "fallback_years", "no_fallback", "drift", "no_polish")
    SETTLE_CYCLES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_YEARS_FIELD_NUMBER: _ClassVar[int]
    NO_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    NO_POLISH_FIELD_NUMBER: _ClassVar[int]
    settle_cycles: int
    limit: float
    fallback_years: int
    no_fallback: bool
    drift: float
    no_polish: bool
    def __init__(self, settle_cycles: _Optional[int] = ..., limit: _Optional[float] = ..., fallback_years: _Optional[int] = ..., no_fallback: _Optional[bool] = ..., drift: _Optional[float] = ..., no_polish: _Optional[bool] = ...) -> None: ...

class TowerFluxes(_message.Message):
    __slots__ = ("files", "file", "site", "as_published")
    FILES_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    AS_PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    files: _artifacts_pb2.ArtifactRef
    file: str
    site: str
    as_published: bool
    def __init__(self, files: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., file: _Optional[str] = ..., site: _Optional[str] = ..., as_published: _Optional[bool] = ...) -> None: ...

class TowerRuns(_message.Message):
    __slots__ = ("runs", "tower")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    TOWER_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_artifacts_pb2.ArtifactRef]
    tower: TowerFluxes
    def __init__(self, runs: _Optional[_Iterable[_Union[_artifacts_pb2.ArtifactRef, _Mapping]]] = ..., tower: _Optional[_Union[TowerFluxes, _Mapping]] = ...) -> None: ...

class SubmittedSite(_message.Message):
    __slots__ = ("site", "prior", "posterior", "tower", "monthly", "monthly_key")
    SITE_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    POSTERIOR_FIELD_NUMBER: _ClassVar[int]
    TOWER_FIELD_NUMBER: _ClassVar[int]
    MONTHLY_FIELD_NUMBER: _ClassVar[int]
    MONTHLY_KEY_FIELD_NUMBER: _ClassVar[int]
    site: str
    prior: _artifacts_pb2.ArtifactRef
    posterior: _artifacts_pb2.ArtifactRef
    tower: TowerFluxes
    monthly: _artifacts_pb2.ArtifactRef
    monthly_key: str
    def __init__(self, site: _Optional[str] = ..., prior: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., posterior: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., tower: _Optional[_Union[TowerFluxes, _Mapping]] = ..., monthly: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., monthly_key: _Optional[str] = ...) -> None: ...

class DescribeModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class DescribeModelResponse(_message.Message):
    __slots__ = ("model", "version", "parameters", "outputs", "pfts", "stages", "models")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PFTS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    parameters: _containers.RepeatedCompositeFieldContainer[ParameterInfo]
    outputs: _containers.RepeatedCompositeFieldContainer[OutputInfo]
    pfts: _containers.RepeatedScalarFieldContainer[str]
    stages: _containers.RepeatedScalarFieldContainer[StageKind]
    models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[ParameterInfo, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[OutputInfo, _Mapping]]] = ..., pfts: _Optional[_Iterable[str]] = ..., stages: _Optional[_Iterable[_Union[StageKind, str]]] = ..., models: _Optional[_Iterable[str]] = ...) -> None: ...

class DrawParametersRequest(_message.Message):
    __slots__ = ("model", "draw")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    model: str
    draw: ParameterDesign
    def __init__(self, model: _Optional[str] = ..., draw: _Optional[_Union[ParameterDesign, _Mapping]] = ...) -> None: ...

class DrawParametersResponse(_message.Message):
    __slots__ = ("table", "units", "low", "high")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    table: ParameterTable
    units: _containers.RepeatedScalarFieldContainer[str]
    low: _containers.RepeatedScalarFieldContainer[float]
    high: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, table: _Optional[_Union[ParameterTable, _Mapping]] = ..., units: _Optional[_Iterable[str]] = ..., low: _Optional[_Iterable[float]] = ..., high: _Optional[_Iterable[float]] = ...) -> None: ...

class RunCaseRequest(_message.Message):
    __slots__ = ("model", "setup", "outputs", "frequencies", "title", "model_version", "validate_only")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SETUP_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    FREQUENCIES_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    setup: Setup
    outputs: _containers.RepeatedScalarFieldContainer[str]
    frequencies: _containers.RepeatedScalarFieldContainer[Frequency]
    title: str
    model_version: str
    validate_only: bool
    def __init__(self, model: _Optional[str] = ..., setup: _Optional[_Union[Setup, _Mapping]] = ..., outputs: _Optional[_Iterable[str]] = ..., frequencies: _Optional[_Iterable[_Union[Frequency, str]]] = ..., title: _Optional[str] = ..., model_version: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RunCaseResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class RunEnsembleRequest(_message.Message):
    __slots__ = ("model", "setup", "draw", "table", "draws", "outputs", "frequency", "title", "model_version", "validate_only")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SETUP_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    setup: Setup
    draw: ParameterDesign
    table: ParameterTable
    draws: ParameterDraws
    outputs: _containers.RepeatedScalarFieldContainer[str]
    frequency: Frequency
    title: str
    model_version: str
    validate_only: bool
    def __init__(self, model: _Optional[str] = ..., setup: _Optional[_Union[Setup, _Mapping]] = ..., draw: _Optional[_Union[ParameterDesign, _Mapping]] = ..., table: _Optional[_Union[ParameterTable, _Mapping]] = ..., draws: _Optional[_Union[ParameterDraws, _Mapping]] = ..., outputs: _Optional[_Iterable[str]] = ..., frequency: _Optional[_Union[Frequency, str]] = ..., title: _Optional[str] = ..., model_version: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RunEnsembleResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class SummariseFluxesRequest(_message.Message):
    __slots__ = ("sites", "held_back_years", "least_days", "title", "validate_only")
    SITES_FIELD_NUMBER: _ClassVar[int]
    HELD_BACK_YEARS_FIELD_NUMBER: _ClassVar[int]
    LEAST_DAYS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    sites: _containers.RepeatedCompositeFieldContainer[TowerRuns]
    held_back_years: int
    least_days: int
    title: str
    validate_only: bool
    def __init__(self, sites: _Optional[_Iterable[_Union[TowerRuns, _Mapping]]] = ..., held_back_years: _Optional[int] = ..., least_days: _Optional[int] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SummariseFluxesResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class DrawFluxesRequest(_message.Message):
    __slots__ = ("runs", "site", "member", "error_fraction", "missing", "seed", "validate_only")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FRACTION_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    runs: _artifacts_pb2.ArtifactRef
    site: str
    member: int
    error_fraction: float
    missing: float
    seed: int
    validate_only: bool
    def __init__(self, runs: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., site: _Optional[str] = ..., member: _Optional[int] = ..., error_fraction: _Optional[float] = ..., missing: _Optional[float] = ..., seed: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class DrawFluxesResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class WriteSubmissionRequest(_message.Message):
    __slots__ = ("model", "sites", "held_back_years", "statistics", "draws", "title", "validate_only")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    HELD_BACK_YEARS_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    sites: _containers.RepeatedCompositeFieldContainer[SubmittedSite]
    held_back_years: int
    statistics: _artifacts_pb2.ArtifactRef
    draws: _artifacts_pb2.ArtifactRef
    title: str
    validate_only: bool
    def __init__(self, model: _Optional[str] = ..., sites: _Optional[_Iterable[_Union[SubmittedSite, _Mapping]]] = ..., held_back_years: _Optional[int] = ..., statistics: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., draws: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class WriteSubmissionResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class SpinUpRequest(_message.Message):
    __slots__ = ("model", "setup", "draw", "table", "draws", "own_parameters", "method", "sample", "check", "title", "model_version", "lessons", "validate_only")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SETUP_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    OWN_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    LESSONS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    setup: SpinUpSetup
    draw: ParameterDesign
    table: ParameterTable
    draws: ParameterDraws
    own_parameters: bool
    method: SpinUpMethod
    sample: SiteSample
    check: SpinUpCheck
    title: str
    model_version: str
    lessons: SpinUpLessons
    validate_only: bool
    def __init__(self, model: _Optional[str] = ..., setup: _Optional[_Union[SpinUpSetup, _Mapping]] = ..., draw: _Optional[_Union[ParameterDesign, _Mapping]] = ..., table: _Optional[_Union[ParameterTable, _Mapping]] = ..., draws: _Optional[_Union[ParameterDraws, _Mapping]] = ..., own_parameters: _Optional[bool] = ..., method: _Optional[_Union[SpinUpMethod, _Mapping]] = ..., sample: _Optional[_Union[SiteSample, _Mapping]] = ..., check: _Optional[_Union[SpinUpCheck, _Mapping]] = ..., title: _Optional[str] = ..., model_version: _Optional[str] = ..., lessons: _Optional[_Union[SpinUpLessons, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SpinUpResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class CompareSpinUpsRequest(_message.Message):
    __slots__ = ("model", "setup", "draw", "table", "draws", "own_parameters", "methods", "reference", "sample", "check", "free_cycles", "title", "model_version", "validate_only")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SETUP_FIELD_NUMBER: _ClassVar[int]
    DRAW_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    OWN_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    FREE_CYCLES_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    model: str
    setup: SpinUpSetup
    draw: ParameterDesign
    table: ParameterTable
    draws: ParameterDraws
    own_parameters: bool
    methods: _containers.RepeatedCompositeFieldContainer[SpinUpMethod]
    reference: SpinUpMethod
    sample: SiteSample
    check: SpinUpCheck
    free_cycles: int
    title: str
    model_version: str
    validate_only: bool
    def __init__(self, model: _Optional[str] = ..., setup: _Optional[_Union[SpinUpSetup, _Mapping]] = ..., draw: _Optional[_Union[ParameterDesign, _Mapping]] = ..., table: _Optional[_Union[ParameterTable, _Mapping]] = ..., draws: _Optional[_Union[ParameterDraws, _Mapping]] = ..., own_parameters: _Optional[bool] = ..., methods: _Optional[_Iterable[_Union[SpinUpMethod, _Mapping]]] = ..., reference: _Optional[_Union[SpinUpMethod, _Mapping]] = ..., sample: _Optional[_Union[SiteSample, _Mapping]] = ..., check: _Optional[_Union[SpinUpCheck, _Mapping]] = ..., free_cycles: _Optional[int] = ..., title: _Optional[str] = ..., model_version: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CompareSpinUpsResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...
