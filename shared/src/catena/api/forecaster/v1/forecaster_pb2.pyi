from catena.api.artifacts.v1 import artifacts_pb2 as _artifacts_pb2
from catena.api.jobs.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_UNSPECIFIED: _ClassVar[Model]
    MODEL_PERSISTENCE: _ClassVar[Model]
    MODEL_CLIMATOLOGY: _ClassVar[Model]
    MODEL_GR4J: _ClassVar[Model]
    MODEL_LSTM: _ClassVar[Model]
    MODEL_LSTM_ED: _ClassVar[Model]
    MODEL_INTERPRETABLE_LSTM: _ClassVar[Model]
    MODEL_CHANNEL_TST: _ClassVar[Model]
    MODEL_TST: _ClassVar[Model]

class IntervalMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTERVAL_METHOD_UNSPECIFIED: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_CROSS_FITTED: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_PI3NN: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_CQR: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_CMAL: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_DEEP_ENSEMBLE: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_MC_DROPOUT: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_LAPLACE: _ClassVar[IntervalMethod]
    INTERVAL_METHOD_GP: _ClassVar[IntervalMethod]
MODEL_UNSPECIFIED: Model
MODEL_PERSISTENCE: Model
MODEL_CLIMATOLOGY: Model
MODEL_GR4J: Model
MODEL_LSTM: Model
MODEL_LSTM_ED: Model
MODEL_INTERPRETABLE_LSTM: Model
MODEL_CHANNEL_TST: Model
MODEL_TST: Model
INTERVAL_METHOD_UNSPECIFIED: IntervalMethod
INTERVAL_METHOD_CROSS_FITTED: IntervalMethod
INTERVAL_METHOD_PI3NN: IntervalMethod
INTERVAL_METHOD_CQR: IntervalMethod
INTERVAL_METHOD_CMAL: IntervalMethod
INTERVAL_METHOD_DEEP_ENSEMBLE: IntervalMethod
INTERVAL_METHOD_MC_DROPOUT: IntervalMethod
INTERVAL_METHOD_LAPLACE: IntervalMethod
INTERVAL_METHOD_GP: IntervalMethod

class BasinDataset(_message.Message):
    __slots__ = ("dataset", "key", "attributes_key")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_KEY_FIELD_NUMBER: _ClassVar[int]
    dataset: _artifacts_pb2.ArtifactRef
    key: str
    attributes_key: str
    def __init__(self, dataset: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., key: _Optional[str] = ..., attributes_key: _Optional[str] = ...) -> None: ...

class GeneratedBasins(_message.Message):
    __slots__ = ("basins", "years", "seed", "first_year")
    BASINS_FIELD_NUMBER: _ClassVar[int]
    YEARS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    FIRST_YEAR_FIELD_NUMBER: _ClassVar[int]
    basins: int
    years: int
    seed: int
    first_year: int
    def __init__(self, basins: _Optional[int] = ..., years: _Optional[int] = ..., seed: _Optional[int] = ..., first_year: _Optional[int] = ...) -> None: ...

class Basins(_message.Message):
    __slots__ = ("dataset", "generated", "names", "spread")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    dataset: BasinDataset
    generated: GeneratedBasins
    names: _containers.RepeatedScalarFieldContainer[str]
    spread: int
    def __init__(self, dataset: _Optional[_Union[BasinDataset, _Mapping]] = ..., generated: _Optional[_Union[GeneratedBasins, _Mapping]] = ..., names: _Optional[_Iterable[str]] = ..., spread: _Optional[int] = ...) -> None: ...

class Period(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: str
    end: str
    def __init__(self, start: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...

class Training(_message.Message):
    __slots__ = ("window", "width", "steps", "batch", "learning_rate")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    window: int
    width: int
    steps: int
    batch: int
    learning_rate: float
    def __init__(self, window: _Optional[int] = ..., width: _Optional[int] = ..., steps: _Optional[int] = ..., batch: _Optional[int] = ..., learning_rate: _Optional[float] = ...) -> None: ...

class ForecastDataset(_message.Message):
    __slots__ = ("dataset", "key", "names")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    dataset: _artifacts_pb2.ArtifactRef
    key: str
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., key: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class GeneratedForecasts(_message.Message):
    __slots__ = ("basins", "members", "stride", "seed")
    BASINS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    basins: Basins
    members: int
    stride: int
    seed: int
    def __init__(self, basins: _Optional[_Union[Basins, _Mapping]] = ..., members: _Optional[int] = ..., stride: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class ArchiveWeatherRequest(_message.Message):
    __slots__ = ("dataset", "generated", "leads", "title", "validate_only")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    dataset: ForecastDataset
    generated: GeneratedForecasts
    leads: int
    title: str
    validate_only: bool
    def __init__(self, dataset: _Optional[_Union[ForecastDataset, _Mapping]] = ..., generated: _Optional[_Union[GeneratedForecasts, _Mapping]] = ..., leads: _Optional[int] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ArchiveWeatherResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class TrainForecasterRequest(_message.Message):
    __slots__ = ("basins", "model", "training_days", "validation_days", "leads", "training", "seed", "process", "workers", "tune", "tune_trials", "title", "archive", "validate_only")
    BASINS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DAYS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_DAYS_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    TUNE_FIELD_NUMBER: _ClassVar[int]
    TUNE_TRIALS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    basins: Basins
    model: Model
    training_days: Period
    validation_days: Period
    leads: int
    training: Training
    seed: int
    process: _artifacts_pb2.ArtifactRef
    workers: int
    tune: bool
    tune_trials: int
    title: str
    archive: _artifacts_pb2.ArtifactRef
    validate_only: bool
    def __init__(self, basins: _Optional[_Union[Basins, _Mapping]] = ..., model: _Optional[_Union[Model, str]] = ..., training_days: _Optional[_Union[Period, _Mapping]] = ..., validation_days: _Optional[_Union[Period, _Mapping]] = ..., leads: _Optional[int] = ..., training: _Optional[_Union[Training, _Mapping]] = ..., seed: _Optional[int] = ..., process: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., workers: _Optional[int] = ..., tune: _Optional[bool] = ..., tune_trials: _Optional[int] = ..., title: _Optional[str] = ..., archive: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class TrainForecasterResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class FitIntervalsRequest(_message.Message):
    __slots__ = ("forecaster", "basins", "days", "method", "stride", "seed", "archive", "validate_only")
    FORECASTER_FIELD_NUMBER: _ClassVar[int]
    BASINS_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    forecaster: _artifacts_pb2.ArtifactRef
    basins: Basins
    days: Period
    method: IntervalMethod
    stride: int
    seed: int
    archive: _artifacts_pb2.ArtifactRef
    validate_only: bool
    def __init__(self, forecaster: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., basins: _Optional[_Union[Basins, _Mapping]] = ..., days: _Optional[_Union[Period, _Mapping]] = ..., method: _Optional[_Union[IntervalMethod, str]] = ..., stride: _Optional[int] = ..., seed: _Optional[int] = ..., archive: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class FitIntervalsResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class UpdateIntervalsRequest(_message.Message):
    __slots__ = ("intervals", "forecaster", "basins", "end", "archive", "validate_only")
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    FORECASTER_FIELD_NUMBER: _ClassVar[int]
    BASINS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    intervals: _artifacts_pb2.ArtifactRef
    forecaster: _artifacts_pb2.ArtifactRef
    basins: Basins
    end: str
    archive: _artifacts_pb2.ArtifactRef
    validate_only: bool
    def __init__(self, intervals: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., forecaster: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., basins: _Optional[_Union[Basins, _Mapping]] = ..., end: _Optional[str] = ..., archive: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class UpdateIntervalsResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class IssueForecastsRequest(_message.Message):
    __slots__ = ("forecaster", "intervals", "basins", "issues", "levels", "states", "without_weather", "title", "archive", "validate_only")
    FORECASTER_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    BASINS_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_WEATHER_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    forecaster: _artifacts_pb2.ArtifactRef
    intervals: _artifacts_pb2.ArtifactRef
    basins: Basins
    issues: Period
    levels: _containers.RepeatedScalarFieldContainer[float]
    states: _artifacts_pb2.ArtifactRef
    without_weather: bool
    title: str
    archive: _artifacts_pb2.ArtifactRef
    validate_only: bool
    def __init__(self, forecaster: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., intervals: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., basins: _Optional[_Union[Basins, _Mapping]] = ..., issues: _Optional[_Union[Period, _Mapping]] = ..., levels: _Optional[_Iterable[float]] = ..., states: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., without_weather: _Optional[bool] = ..., title: _Optional[str] = ..., archive: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class IssueForecastsResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class EvaluateForecastsRequest(_message.Message):
    __slots__ = ("forecasters", "intervals", "basins", "days", "stride", "levels", "track", "title", "archive", "validate_only")
    FORECASTERS_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    BASINS_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    forecasters: _containers.RepeatedCompositeFieldContainer[_artifacts_pb2.ArtifactRef]
    intervals: _artifacts_pb2.ArtifactRef
    basins: Basins
    days: Period
    stride: int
    levels: _containers.RepeatedScalarFieldContainer[float]
    track: bool
    title: str
    archive: _artifacts_pb2.ArtifactRef
    validate_only: bool
    def __init__(self, forecasters: _Optional[_Iterable[_Union[_artifacts_pb2.ArtifactRef, _Mapping]]] = ..., intervals: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., basins: _Optional[_Union[Basins, _Mapping]] = ..., days: _Optional[_Union[Period, _Mapping]] = ..., stride: _Optional[int] = ..., levels: _Optional[_Iterable[float]] = ..., track: _Optional[bool] = ..., title: _Optional[str] = ..., archive: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class EvaluateForecastsResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class DrawSamplesRequest(_message.Message):
    __slots__ = ("forecaster", "basins", "issues", "stride", "count", "background", "archive", "without_weather", "seed", "title", "validate_only")
    FORECASTER_FIELD_NUMBER: _ClassVar[int]
    BASINS_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_WEATHER_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    forecaster: _artifacts_pb2.ArtifactRef
    basins: Basins
    issues: Period
    stride: int
    count: int
    background: int
    archive: _artifacts_pb2.ArtifactRef
    without_weather: bool
    seed: int
    title: str
    validate_only: bool
    def __init__(self, forecaster: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., basins: _Optional[_Union[Basins, _Mapping]] = ..., issues: _Optional[_Union[Period, _Mapping]] = ..., stride: _Optional[int] = ..., count: _Optional[int] = ..., background: _Optional[int] = ..., archive: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., without_weather: _Optional[bool] = ..., seed: _Optional[int] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class DrawSamplesResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class BasinRecord(_message.Message):
    __slots__ = ("basin", "start", "precipitation", "temperature", "streamflow", "forecast_precipitation", "forecast_temperature")
    BASIN_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    PRECIPITATION_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    STREAMFLOW_FIELD_NUMBER: _ClassVar[int]
    FORECAST_PRECIPITATION_FIELD_NUMBER: _ClassVar[int]
    FORECAST_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    basin: str
    start: str
    precipitation: _containers.RepeatedScalarFieldContainer[float]
    temperature: _containers.RepeatedScalarFieldContainer[float]
    streamflow: _containers.RepeatedScalarFieldContainer[float]
    forecast_precipitation: _containers.RepeatedScalarFieldContainer[float]
    forecast_temperature: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, basin: _Optional[str] = ..., start: _Optional[str] = ..., precipitation: _Optional[_Iterable[float]] = ..., temperature: _Optional[_Iterable[float]] = ..., streamflow: _Optional[_Iterable[float]] = ..., forecast_precipitation: _Optional[_Iterable[float]] = ..., forecast_temperature: _Optional[_Iterable[float]] = ...) -> None: ...

class ForecastRequest(_message.Message):
    __slots__ = ("forecaster", "intervals", "records", "basins", "issue", "levels", "states", "without_weather")
    FORECASTER_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    BASINS_FIELD_NUMBER: _ClassVar[int]
    ISSUE_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_WEATHER_FIELD_NUMBER: _ClassVar[int]
    forecaster: _artifacts_pb2.ArtifactRef
    intervals: _artifacts_pb2.ArtifactRef
    records: _containers.RepeatedCompositeFieldContainer[BasinRecord]
    basins: Basins
    issue: str
    levels: _containers.RepeatedScalarFieldContainer[float]
    states: _artifacts_pb2.ArtifactRef
    without_weather: bool
    def __init__(self, forecaster: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., intervals: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., records: _Optional[_Iterable[_Union[BasinRecord, _Mapping]]] = ..., basins: _Optional[_Union[Basins, _Mapping]] = ..., issue: _Optional[str] = ..., levels: _Optional[_Iterable[float]] = ..., states: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., without_weather: _Optional[bool] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("level", "lower", "upper")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    level: float
    lower: _containers.RepeatedScalarFieldContainer[float]
    upper: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, level: _Optional[float] = ..., lower: _Optional[_Iterable[float]] = ..., upper: _Optional[_Iterable[float]] = ...) -> None: ...

class BasinForecast(_message.Message):
    __slots__ = ("basin", "issue", "streamflow", "intervals", "confidence", "notes")
    BASIN_FIELD_NUMBER: _ClassVar[int]
    ISSUE_FIELD_NUMBER: _ClassVar[int]
    STREAMFLOW_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    basin: str
    issue: str
    streamflow: _containers.RepeatedScalarFieldContainer[float]
    intervals: _containers.RepeatedCompositeFieldContainer[Interval]
    confidence: _containers.RepeatedScalarFieldContainer[float]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, basin: _Optional[str] = ..., issue: _Optional[str] = ..., streamflow: _Optional[_Iterable[float]] = ..., intervals: _Optional[_Iterable[_Union[Interval, _Mapping]]] = ..., confidence: _Optional[_Iterable[float]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class ForecastResponse(_message.Message):
    __slots__ = ("forecasts",)
    FORECASTS_FIELD_NUMBER: _ClassVar[int]
    forecasts: _containers.RepeatedCompositeFieldContainer[BasinForecast]
    def __init__(self, forecasts: _Optional[_Iterable[_Union[BasinForecast, _Mapping]]] = ...) -> None: ...

class StreamForecastsRequest(_message.Message):
    __slots__ = ("forecaster", "intervals", "basins", "issues", "stride", "levels", "without_weather")
    FORECASTER_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    BASINS_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_WEATHER_FIELD_NUMBER: _ClassVar[int]
    forecaster: _artifacts_pb2.ArtifactRef
    intervals: _artifacts_pb2.ArtifactRef
    basins: Basins
    issues: Period
    stride: int
    levels: _containers.RepeatedScalarFieldContainer[float]
    without_weather: bool
    def __init__(self, forecaster: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., intervals: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., basins: _Optional[_Union[Basins, _Mapping]] = ..., issues: _Optional[_Union[Period, _Mapping]] = ..., stride: _Optional[int] = ..., levels: _Optional[_Iterable[float]] = ..., without_weather: _Optional[bool] = ...) -> None: ...

class StreamForecastsResponse(_message.Message):
    __slots__ = ("forecast",)
    FORECAST_FIELD_NUMBER: _ClassVar[int]
    forecast: BasinForecast
    def __init__(self, forecast: _Optional[_Union[BasinForecast, _Mapping]] = ...) -> None: ...
