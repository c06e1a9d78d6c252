from catena.api.artifacts.v1 import artifacts_pb2 as _artifacts_pb2
from catena.api.jobs.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METHOD_UNSPECIFIED: _ClassVar[Method]
    METHOD_EXPECTED_GRADIENTS: _ClassVar[Method]
    METHOD_INTEGRATED_GRADIENTS: _ClassVar[Method]
    METHOD_INTEGRATED_HESSIANS: _ClassVar[Method]
    METHOD_KERNEL_SHAP: _ClassVar[Method]
    METHOD_PERMUTATION_SHAP: _ClassVar[Method]
    METHOD_GRADIENT_SHAP: _ClassVar[Method]
    METHOD_ATTENTION: _ClassVar[Method]
    METHOD_IMPORTANCE: _ClassVar[Method]
    METHOD_PERMUTATION: _ClassVar[Method]

class ParameterMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARAMETER_METHOD_UNSPECIFIED: _ClassVar[ParameterMethod]
    PARAMETER_METHOD_SOBOL: _ClassVar[ParameterMethod]
    PARAMETER_METHOD_PAWN: _ClassVar[ParameterMethod]
    PARAMETER_METHOD_SHAP: _ClassVar[ParameterMethod]
METHOD_UNSPECIFIED: Method
METHOD_EXPECTED_GRADIENTS: Method
METHOD_INTEGRATED_GRADIENTS: Method
METHOD_INTEGRATED_HESSIANS: Method
METHOD_KERNEL_SHAP: Method
METHOD_PERMUTATION_SHAP: Method
METHOD_GRADIENT_SHAP: Method
METHOD_ATTENTION: Method
METHOD_IMPORTANCE: Method
METHOD_PERMUTATION: Method
PARAMETER_METHOD_UNSPECIFIED: ParameterMethod
PARAMETER_METHOD_SOBOL: ParameterMethod
PARAMETER_METHOD_PAWN: ParameterMethod
PARAMETER_METHOD_SHAP: ParameterMethod

class Period(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: str
    end: str
    def __init__(self, start: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...

class FlowForecasts(_message.Message):
    __slots__ = ("forecaster", "samples", "leads", "dear_samples", "quantile")
    FORECASTER_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    DEAR_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_FIELD_NUMBER: _ClassVar[int]
    forecaster: _artifacts_pb2.ArtifactRef
    samples: _artifacts_pb2.ArtifactRef
    leads: _containers.RepeatedScalarFieldContainer[int]
    dear_samples: int
    quantile: float
    def __init__(self, forecaster: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., samples: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., leads: _Optional[_Iterable[int]] = ..., dear_samples: _Optional[int] = ..., quantile: _Optional[float] = ...) -> None: ...

class FieldTarget(_message.Message):
    __slots__ = ("variable", "south", "north", "west", "east")
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    SOUTH_FIELD_NUMBER: _ClassVar[int]
    NORTH_FIELD_NUMBER: _ClassVar[int]
    WEST_FIELD_NUMBER: _ClassVar[int]
    EAST_FIELD_NUMBER: _ClassVar[int]
    variable: str
    south: float
    north: float
    west: float
    east: float
    def __init__(self, variable: _Optional[str] = ..., south: _Optional[float] = ..., north: _Optional[float] = ..., west: _Optional[float] = ..., east: _Optional[float] = ...) -> None: ...

class FieldForecasts(_message.Message):
    __slots__ = ("checkpoint", "cache", "days", "count", "background", "leads_h", "targets")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    BACKGROUND_FIELD_NUMBER: _ClassVar[int]
    LEADS_H_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _artifacts_pb2.ArtifactRef
    cache: _artifacts_pb2.ArtifactRef
    days: Period
    count: int
    background: Period
    leads_h: _containers.RepeatedScalarFieldContainer[float]
    targets: _containers.RepeatedCompositeFieldContainer[FieldTarget]
    def __init__(self, checkpoint: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., cache: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., days: _Optional[_Union[Period, _Mapping]] = ..., count: _Optional[int] = ..., background: _Optional[_Union[Period, _Mapping]] = ..., leads_h: _Optional[_Iterable[float]] = ..., targets: _Optional[_Iterable[_Union[FieldTarget, _Mapping]]] = ...) -> None: ...

class ExplainForecastRequest(_message.Message):
    __slots__ = ("flow", "fields", "methods", "baselines", "steps", "seed", "title", "validate_only")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    BASELINES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    flow: FlowForecasts
    fields: FieldForecasts
    methods: _containers.RepeatedScalarFieldContainer[Method]
    baselines: int
    steps: int
    seed: int
    title: str
    validate_only: bool
    def __init__(self, flow: _Optional[_Union[FlowForecasts, _Mapping]] = ..., fields: _Optional[_Union[FieldForecasts, _Mapping]] = ..., methods: _Optional[_Iterable[_Union[Method, str]]] = ..., baselines: _Optional[int] = ..., steps: _Optional[int] = ..., seed: _Optional[int] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ExplainForecastResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class ExplainParametersRequest(_message.Message):
    __slots__ = ("surrogate", "outputs", "methods", "samples", "seed", "title", "validate_only")
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    surrogate: _artifacts_pb2.ArtifactRef
    outputs: _containers.RepeatedScalarFieldContainer[str]
    methods: _containers.RepeatedScalarFieldContainer[ParameterMethod]
    samples: int
    seed: int
    title: str
    validate_only: bool
    def __init__(self, surrogate: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., outputs: _Optional[_Iterable[str]] = ..., methods: _Optional[_Iterable[_Union[ParameterMethod, str]]] = ..., samples: _Optional[int] = ..., seed: _Optional[int] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ExplainParametersResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...
