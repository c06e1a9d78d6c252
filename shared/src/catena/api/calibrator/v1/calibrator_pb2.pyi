from catena.api.artifacts.v1 import artifacts_pb2 as _artifacts_pb2
from catena.api.jobs.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SurrogateMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SURROGATE_METHOD_UNSPECIFIED: _ClassVar[SurrogateMethod]
    SURROGATE_METHOD_AUTO: _ClassVar[SurrogateMethod]
    SURROGATE_METHOD_MLP: _ClassVar[SurrogateMethod]
    SURROGATE_METHOD_GP: _ClassVar[SurrogateMethod]

class PosteriorMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POSTERIOR_METHOD_UNSPECIFIED: _ClassVar[PosteriorMethod]
    POSTERIOR_METHOD_AUTO: _ClassVar[PosteriorMethod]
    POSTERIOR_METHOD_SIR: _ClassVar[PosteriorMethod]
    POSTERIOR_METHOD_GENERATOR: _ClassVar[PosteriorMethod]
    POSTERIOR_METHOD_GENERATOR_REWEIGHTED: _ClassVar[PosteriorMethod]
    POSTERIOR_METHOD_FAITHFUL: _ClassVar[PosteriorMethod]

class McmcMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MCMC_METHOD_UNSPECIFIED: _ClassVar[McmcMethod]
    MCMC_METHOD_ENSEMBLE: _ClassVar[McmcMethod]
    MCMC_METHOD_NUTS: _ClassVar[McmcMethod]

class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_UNSPECIFIED: _ClassVar[Aggregation]
    AGGREGATION_AS_STORED: _ClassVar[Aggregation]
    AGGREGATION_MONTHLY: _ClassVar[Aggregation]
    AGGREGATION_YEARLY: _ClassVar[Aggregation]
    AGGREGATION_SEASONAL_CYCLE: _ClassVar[Aggregation]
SURROGATE_METHOD_UNSPECIFIED: SurrogateMethod
SURROGATE_METHOD_AUTO: SurrogateMethod
SURROGATE_METHOD_MLP: SurrogateMethod
SURROGATE_METHOD_GP: SurrogateMethod
POSTERIOR_METHOD_UNSPECIFIED: PosteriorMethod
POSTERIOR_METHOD_AUTO: PosteriorMethod
POSTERIOR_METHOD_SIR: PosteriorMethod
POSTERIOR_METHOD_GENERATOR: PosteriorMethod
POSTERIOR_METHOD_GENERATOR_REWEIGHTED: PosteriorMethod
POSTERIOR_METHOD_FAITHFUL: PosteriorMethod
MCMC_METHOD_UNSPECIFIED: McmcMethod
MCMC_METHOD_ENSEMBLE: McmcMethod
MCMC_METHOD_NUTS: McmcMethod
AGGREGATION_UNSPECIFIED: Aggregation
AGGREGATION_AS_STORED: Aggregation
AGGREGATION_MONTHLY: Aggregation
AGGREGATION_YEARLY: Aggregation
AGGREGATION_SEASONAL_CYCLE: Aggregation

class Parameter(_message.Message):
    __slots__ = ("name", "units", "low", "high", "long_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LONG_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    units: str
    low: float
    high: float
    long_name: str
    def __init__(self, name: _Optional[str] = ..., units: _Optional[str] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., long_name: _Optional[str] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("name", "units", "long_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    LONG_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    units: str
    long_name: str
    def __init__(self, name: _Optional[str] = ..., units: _Optional[str] = ..., long_name: _Optional[str] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("values", "error_sd", "observed", "site", "synthetic", "source", "run")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ERROR_SD_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    error_sd: _containers.RepeatedScalarFieldContainer[float]
    observed: _containers.RepeatedScalarFieldContainer[bool]
    site: str
    synthetic: bool
    source: str
    run: int
    def __init__(self, values: _Optional[_Iterable[float]] = ..., error_sd: _Optional[_Iterable[float]] = ..., observed: _Optional[_Iterable[bool]] = ..., site: _Optional[str] = ..., synthetic: _Optional[bool] = ..., source: _Optional[str] = ..., run: _Optional[int] = ...) -> None: ...

class EnsembleFiles(_message.Message):
    __slots__ = ("files", "parameters_file", "outputs_file")
    FILES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FILE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FILE_FIELD_NUMBER: _ClassVar[int]
    files: _artifacts_pb2.ArtifactRef
    parameters_file: str
    outputs_file: str
    def __init__(self, files: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., parameters_file: _Optional[str] = ..., outputs_file: _Optional[str] = ...) -> None: ...

class GeneratedEnsemble(_message.Message):
    __slots__ = ("runs", "seed")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    runs: int
    seed: int
    def __init__(self, runs: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class RunVariable(_message.Message):
    __slots__ = ("name", "aggregation")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    aggregation: Aggregation
    def __init__(self, name: _Optional[str] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ...) -> None: ...

class EnsembleRuns(_message.Message):
    __slots__ = ("runs", "variables", "cells", "start", "end")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    runs: _artifacts_pb2.ArtifactRef
    variables: _containers.RepeatedCompositeFieldContainer[RunVariable]
    cells: _containers.RepeatedScalarFieldContainer[int]
    start: str
    end: str
    def __init__(self, runs: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., variables: _Optional[_Iterable[_Union[RunVariable, _Mapping]]] = ..., cells: _Optional[_Iterable[int]] = ..., start: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...

class EnsembleStatistics(_message.Message):
    __slots__ = ("statistics",)
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    statistics: _artifacts_pb2.ArtifactRef
    def __init__(self, statistics: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ...) -> None: ...

class ImportEnsembleRequest(_message.Message):
    __slots__ = ("files", "generated", "runs", "statistics", "parameters", "outputs", "held_out_runs", "title", "source_note", "validate_only")
    FILES_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_RUNS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_NOTE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    files: EnsembleFiles
    generated: GeneratedEnsemble
    runs: EnsembleRuns
    statistics: EnsembleStatistics
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    outputs: _containers.RepeatedCompositeFieldContainer[Output]
    held_out_runs: int
    title: str
    source_note: str
    validate_only: bool
    def __init__(self, files: _Optional[_Union[EnsembleFiles, _Mapping]] = ..., generated: _Optional[_Union[GeneratedEnsemble, _Mapping]] = ..., runs: _Optional[_Union[EnsembleRuns, _Mapping]] = ..., statistics: _Optional[_Union[EnsembleStatistics, _Mapping]] = ..., parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Output, _Mapping]]] = ..., held_out_runs: _Optional[int] = ..., title: _Optional[str] = ..., source_note: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ImportEnsembleResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class TrainSurrogateRequest(_message.Message):
    __slots__ = ("ensemble", "method", "seed", "folds", "svd_above_outputs", "tune", "tune_trials", "validate_only")
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    FOLDS_FIELD_NUMBER: _ClassVar[int]
    SVD_ABOVE_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    TUNE_FIELD_NUMBER: _ClassVar[int]
    TUNE_TRIALS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ensemble: _artifacts_pb2.ArtifactRef
    method: SurrogateMethod
    seed: int
    folds: int
    svd_above_outputs: int
    tune: bool
    tune_trials: int
    validate_only: bool
    def __init__(self, ensemble: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., method: _Optional[_Union[SurrogateMethod, str]] = ..., seed: _Optional[int] = ..., folds: _Optional[int] = ..., svd_above_outputs: _Optional[int] = ..., tune: _Optional[bool] = ..., tune_trials: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class TrainSurrogateResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class TrainPosteriorRequest(_message.Message):
    __slots__ = ("surrogate", "ensemble", "method", "seed", "bank_size", "labels", "min_error_fraction", "max_error_fraction", "validate_only")
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BANK_SIZE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MIN_ERROR_FRACTION_FIELD_NUMBER: _ClassVar[int]
    MAX_ERROR_FRACTION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    surrogate: _artifacts_pb2.ArtifactRef
    ensemble: _artifacts_pb2.ArtifactRef
    method: PosteriorMethod
    seed: int
    bank_size: int
    labels: int
    min_error_fraction: float
    max_error_fraction: float
    validate_only: bool
    def __init__(self, surrogate: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., ensemble: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., method: _Optional[_Union[PosteriorMethod, str]] = ..., seed: _Optional[int] = ..., bank_size: _Optional[int] = ..., labels: _Optional[int] = ..., min_error_fraction: _Optional[float] = ..., max_error_fraction: _Optional[float] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class TrainPosteriorResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class SamplePosteriorRequest(_message.Message):
    __slots__ = ("posterior", "observations", "draws", "seed", "method")
    POSTERIOR_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    posterior: _artifacts_pb2.ArtifactRef
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    draws: int
    seed: int
    method: PosteriorMethod
    def __init__(self, posterior: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., draws: _Optional[int] = ..., seed: _Optional[int] = ..., method: _Optional[_Union[PosteriorMethod, str]] = ...) -> None: ...

class PosteriorDraws(_message.Message):
    __slots__ = ("values", "draws", "parameters", "effective_size", "out_of_range", "distance_sd", "method_used")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_SIZE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_RANGE_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_SD_FIELD_NUMBER: _ClassVar[int]
    METHOD_USED_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    draws: int
    parameters: _containers.RepeatedScalarFieldContainer[str]
    effective_size: float
    out_of_range: bool
    distance_sd: float
    method_used: PosteriorMethod
    def __init__(self, values: _Optional[_Iterable[float]] = ..., draws: _Optional[int] = ..., parameters: _Optional[_Iterable[str]] = ..., effective_size: _Optional[float] = ..., out_of_range: _Optional[bool] = ..., distance_sd: _Optional[float] = ..., method_used: _Optional[_Union[PosteriorMethod, str]] = ...) -> None: ...

class SamplePosteriorResponse(_message.Message):
    __slots__ = ("draws",)
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    draws: _containers.RepeatedCompositeFieldContainer[PosteriorDraws]
    def __init__(self, draws: _Optional[_Iterable[_Union[PosteriorDraws, _Mapping]]] = ...) -> None: ...

class SampleSitesRequest(_message.Message):
    __slots__ = ("posterior", "observations", "observations_file", "draws", "seed", "method", "validate_only")
    POSTERIOR_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FILE_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    posterior: _artifacts_pb2.ArtifactRef
    observations: _artifacts_pb2.ArtifactRef
    observations_file: str
    draws: int
    seed: int
    method: PosteriorMethod
    validate_only: bool
    def __init__(self, posterior: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., observations: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., observations_file: _Optional[str] = ..., draws: _Optional[int] = ..., seed: _Optional[int] = ..., method: _Optional[_Union[PosteriorMethod, str]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SampleSitesResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class RunMcmcRequest(_message.Message):
    __slots__ = ("surrogate", "observation", "method", "chains", "draws", "warmup", "seed", "validate_only")
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CHAINS_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    WARMUP_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    surrogate: _artifacts_pb2.ArtifactRef
    observation: Observation
    method: McmcMethod
    chains: int
    draws: int
    warmup: int
    seed: int
    validate_only: bool
    def __init__(self, surrogate: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., observation: _Optional[_Union[Observation, _Mapping]] = ..., method: _Optional[_Union[McmcMethod, str]] = ..., chains: _Optional[int] = ..., draws: _Optional[int] = ..., warmup: _Optional[int] = ..., seed: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RunMcmcResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class CheckCalibrationRequest(_message.Message):
    __slots__ = ("posterior", "ensemble", "observation", "simulated_pairs", "draws", "noise_fraction", "seed", "method", "validate_only")
    POSTERIOR_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_PAIRS_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    NOISE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    posterior: _artifacts_pb2.ArtifactRef
    ensemble: _artifacts_pb2.ArtifactRef
    observation: Observation
    simulated_pairs: int
    draws: int
    noise_fraction: float
    seed: int
    method: PosteriorMethod
    validate_only: bool
    def __init__(self, posterior: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., ensemble: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., observation: _Optional[_Union[Observation, _Mapping]] = ..., simulated_pairs: _Optional[int] = ..., draws: _Optional[int] = ..., noise_fraction: _Optional[float] = ..., seed: _Optional[int] = ..., method: _Optional[_Union[PosteriorMethod, str]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CheckCalibrationResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class WriteReportRequest(_message.Message):
    __slots__ = ("title", "ensemble", "surrogate", "posterior", "check", "chains", "observation", "draws", "seed", "predictive", "withheld", "spin_up", "validate_only")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    POSTERIOR_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    CHAINS_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PREDICTIVE_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    SPIN_UP_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    title: str
    ensemble: _artifacts_pb2.ArtifactRef
    surrogate: _artifacts_pb2.ArtifactRef
    posterior: _artifacts_pb2.ArtifactRef
    check: _artifacts_pb2.ArtifactRef
    chains: _artifacts_pb2.ArtifactRef
    observation: Observation
    draws: int
    seed: int
    predictive: _artifacts_pb2.ArtifactRef
    withheld: Observation
    spin_up: _artifacts_pb2.ArtifactRef
    validate_only: bool
    def __init__(self, title: _Optional[str] = ..., ensemble: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., surrogate: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., posterior: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., check: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., chains: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., observation: _Optional[_Union[Observation, _Mapping]] = ..., draws: _Optional[int] = ..., seed: _Optional[int] = ..., predictive: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., withheld: _Optional[_Union[Observation, _Mapping]] = ..., spin_up: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class WriteReportResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class DrawObservationRequest(_message.Message):
    __slots__ = ("ensemble", "run", "error_fraction", "seed", "site")
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FRACTION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    ensemble: _artifacts_pb2.ArtifactRef
    run: int
    error_fraction: float
    seed: int
    site: str
    def __init__(self, ensemble: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., run: _Optional[int] = ..., error_fraction: _Optional[float] = ..., seed: _Optional[int] = ..., site: _Optional[str] = ...) -> None: ...

class DrawObservationResponse(_message.Message):
    __slots__ = ("observation",)
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    observation: Observation
    def __init__(self, observation: _Optional[_Union[Observation, _Mapping]] = ...) -> None: ...

class ObservedVariable(_message.Message):
    __slots__ = ("name", "observed_as", "relative_sd", "absolute_sd", "units")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AS_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_SD_FIELD_NUMBER: _ClassVar[int]
    ABSOLUTE_SD_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    observed_as: str
    relative_sd: float
    absolute_sd: float
    units: str
    def __init__(self, name: _Optional[str] = ..., observed_as: _Optional[str] = ..., relative_sd: _Optional[float] = ..., absolute_sd: _Optional[float] = ..., units: _Optional[str] = ...) -> None: ...

class ReadObservationRequest(_message.Message):
    __slots__ = ("ensemble", "dataset", "key", "site", "variables", "start", "end", "least_coverage", "statistics")
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LEAST_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    ensemble: _artifacts_pb2.ArtifactRef
    dataset: _artifacts_pb2.ArtifactRef
    key: str
    site: str
    variables: _containers.RepeatedCompositeFieldContainer[ObservedVariable]
    start: str
    end: str
    least_coverage: float
    statistics: _artifacts_pb2.ArtifactRef
    def __init__(self, ensemble: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., dataset: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., key: _Optional[str] = ..., site: _Optional[str] = ..., variables: _Optional[_Iterable[_Union[ObservedVariable, _Mapping]]] = ..., start: _Optional[str] = ..., end: _Optional[str] = ..., least_coverage: _Optional[float] = ..., statistics: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ...) -> None: ...

class ReadObservationResponse(_message.Message):
    __slots__ = ("observation", "withheld")
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    observation: Observation
    withheld: Observation
    def __init__(self, observation: _Optional[_Union[Observation, _Mapping]] = ..., withheld: _Optional[_Union[Observation, _Mapping]] = ...) -> None: ...
