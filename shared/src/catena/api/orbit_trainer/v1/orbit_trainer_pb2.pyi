from catena.api.artifacts.v1 import artifacts_pb2 as _artifacts_pb2
from catena.api.jobs.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Size(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIZE_UNSPECIFIED: _ClassVar[Size]
    SIZE_8M: _ClassVar[Size]
    SIZE_115M: _ClassVar[Size]
    SIZE_1B: _ClassVar[Size]
    SIZE_10B: _ClassVar[Size]
    SIZE_113B: _ClassVar[Size]

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_FORECAST: _ClassVar[Task]
    TASK_DOWNSCALE: _ClassVar[Task]
    TASK_SPIN_UP: _ClassVar[Task]

class Adapter(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADAPTER_UNSPECIFIED: _ClassVar[Adapter]
    ADAPTER_ALL: _ClassVar[Adapter]
    ADAPTER_FROZEN: _ClassVar[Adapter]
    ADAPTER_LORA: _ClassVar[Adapter]

class Precision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRECISION_UNSPECIFIED: _ClassVar[Precision]
    PRECISION_FP32: _ClassVar[Precision]
    PRECISION_BF16: _ClassVar[Precision]

class Engine(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENGINE_UNSPECIFIED: _ClassVar[Engine]
    ENGINE_TORCH: _ClassVar[Engine]
    ENGINE_DEEPSPEED: _ClassVar[Engine]

class NanPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NAN_POLICY_UNSPECIFIED: _ClassVar[NanPolicy]
    NAN_POLICY_SKIP: _ClassVar[NanPolicy]
    NAN_POLICY_STOP: _ClassVar[NanPolicy]

class ClusterPreset(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLUSTER_PRESET_UNSPECIFIED: _ClassVar[ClusterPreset]
    CLUSTER_PRESET_FRONTIER: _ClassVar[ClusterPreset]
    CLUSTER_PRESET_H200: _ClassVar[ClusterPreset]
SIZE_UNSPECIFIED: Size
SIZE_8M: Size
SIZE_115M: Size
SIZE_1B: Size
SIZE_10B: Size
SIZE_113B: Size
TASK_UNSPECIFIED: Task
TASK_FORECAST: Task
TASK_DOWNSCALE: Task
TASK_SPIN_UP: Task
ADAPTER_UNSPECIFIED: Adapter
ADAPTER_ALL: Adapter
ADAPTER_FROZEN: Adapter
ADAPTER_LORA: Adapter
PRECISION_UNSPECIFIED: Precision
PRECISION_FP32: Precision
PRECISION_BF16: Precision
ENGINE_UNSPECIFIED: Engine
ENGINE_TORCH: Engine
ENGINE_DEEPSPEED: Engine
NAN_POLICY_UNSPECIFIED: NanPolicy
NAN_POLICY_SKIP: NanPolicy
NAN_POLICY_STOP: NanPolicy
CLUSTER_PRESET_UNSPECIFIED: ClusterPreset
CLUSTER_PRESET_FRONTIER: ClusterPreset
CLUSTER_PRESET_H200: ClusterPreset

class Period(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: str
    end: str
    def __init__(self, start: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...

class Shape(_message.Message):
    __slots__ = ("size", "patch", "width", "depth", "heads", "decoder_depth", "drop_path")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PATCH_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    DECODER_DEPTH_FIELD_NUMBER: _ClassVar[int]
    DROP_PATH_FIELD_NUMBER: _ClassVar[int]
    size: Size
    patch: int
    width: int
    depth: int
    heads: int
    decoder_depth: int
    drop_path: float
    def __init__(self, size: _Optional[_Union[Size, str]] = ..., patch: _Optional[int] = ..., width: _Optional[int] = ..., depth: _Optional[int] = ..., heads: _Optional[int] = ..., decoder_depth: _Optional[int] = ..., drop_path: _Optional[float] = ...) -> None: ...

class Mesh(_message.Message):
    __slots__ = ("pp", "ddp", "fsdp", "sp", "tp")
    PP_FIELD_NUMBER: _ClassVar[int]
    DDP_FIELD_NUMBER: _ClassVar[int]
    FSDP_FIELD_NUMBER: _ClassVar[int]
    SP_FIELD_NUMBER: _ClassVar[int]
    TP_FIELD_NUMBER: _ClassVar[int]
    pp: int
    ddp: int
    fsdp: int
    sp: int
    tp: int
    def __init__(self, pp: _Optional[int] = ..., ddp: _Optional[int] = ..., fsdp: _Optional[int] = ..., sp: _Optional[int] = ..., tp: _Optional[int] = ...) -> None: ...

class Training(_message.Message):
    __slots__ = ("steps", "batch", "learning_rate", "warmup", "weight_decay", "clip", "precision", "nan", "checkpoint_every", "mesh", "engine", "zero_stage", "offload", "microbatches", "recompute", "compile", "validate_every")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    CLIP_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    NAN_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_EVERY_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    ZERO_STAGE_FIELD_NUMBER: _ClassVar[int]
    OFFLOAD_FIELD_NUMBER: _ClassVar[int]
    MICROBATCHES_FIELD_NUMBER: _ClassVar[int]
    RECOMPUTE_FIELD_NUMBER: _ClassVar[int]
    COMPILE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_EVERY_FIELD_NUMBER: _ClassVar[int]
    steps: int
    batch: int
    learning_rate: float
    warmup: float
    weight_decay: float
    clip: float
    precision: Precision
    nan: NanPolicy
    checkpoint_every: int
    mesh: Mesh
    engine: Engine
    zero_stage: int
    offload: bool
    microbatches: int
    recompute: bool
    compile: bool
    validate_every: int
    def __init__(self, steps: _Optional[int] = ..., batch: _Optional[int] = ..., learning_rate: _Optional[float] = ..., warmup: _Optional[float] = ..., weight_decay: _Optional[float] = ..., clip: _Optional[float] = ..., precision: _Optional[_Union[Precision, str]] = ..., nan: _Optional[_Union[NanPolicy, str]] = ..., checkpoint_every: _Optional[int] = ..., mesh: _Optional[_Union[Mesh, _Mapping]] = ..., engine: _Optional[_Union[Engine, str]] = ..., zero_stage: _Optional[int] = ..., offload: _Optional[bool] = ..., microbatches: _Optional[int] = ..., recompute: _Optional[bool] = ..., compile: _Optional[bool] = ..., validate_every: _Optional[int] = ...) -> None: ...

class Cluster(_message.Message):
    __slots__ = ("preset", "name", "gpus", "gpus_per_node", "peak_flops", "attainable", "memory", "gpu_bandwidth", "node_bandwidth", "gpu_latency_s", "node_latency_s", "watts", "fp32_share", "rings", "collective_overhead_s", "step_overhead_s", "straggler_spread")
    PRESET_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    GPUS_PER_NODE_FIELD_NUMBER: _ClassVar[int]
    PEAK_FLOPS_FIELD_NUMBER: _ClassVar[int]
    ATTAINABLE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    GPU_BANDWIDTH_FIELD_NUMBER: _ClassVar[int]
    NODE_BANDWIDTH_FIELD_NUMBER: _ClassVar[int]
    GPU_LATENCY_S_FIELD_NUMBER: _ClassVar[int]
    NODE_LATENCY_S_FIELD_NUMBER: _ClassVar[int]
    WATTS_FIELD_NUMBER: _ClassVar[int]
    FP32_SHARE_FIELD_NUMBER: _ClassVar[int]
    RINGS_FIELD_NUMBER: _ClassVar[int]
    COLLECTIVE_OVERHEAD_S_FIELD_NUMBER: _ClassVar[int]
    STEP_OVERHEAD_S_FIELD_NUMBER: _ClassVar[int]
    STRAGGLER_SPREAD_FIELD_NUMBER: _ClassVar[int]
    preset: ClusterPreset
    name: str
    gpus: int
    gpus_per_node: int
    peak_flops: float
    attainable: float
    memory: float
    gpu_bandwidth: float
    node_bandwidth: float
    gpu_latency_s: float
    node_latency_s: float
    watts: float
    fp32_share: float
    rings: bool
    collective_overhead_s: float
    step_overhead_s: float
    straggler_spread: float
    def __init__(self, preset: _Optional[_Union[ClusterPreset, str]] = ..., name: _Optional[str] = ..., gpus: _Optional[int] = ..., gpus_per_node: _Optional[int] = ..., peak_flops: _Optional[float] = ..., attainable: _Optional[float] = ..., memory: _Optional[float] = ..., gpu_bandwidth: _Optional[float] = ..., node_bandwidth: _Optional[float] = ..., gpu_latency_s: _Optional[float] = ..., node_latency_s: _Optional[float] = ..., watts: _Optional[float] = ..., fp32_share: _Optional[float] = ..., rings: _Optional[bool] = ..., collective_overhead_s: _Optional[float] = ..., step_overhead_s: _Optional[float] = ..., straggler_spread: _Optional[float] = ...) -> None: ...

class ListCheckpointsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class CheckpointInfo(_message.Message):
    __slots__ = ("checkpoint", "title", "task", "parameters", "variables", "outputs", "rows", "columns", "leads_h", "steps", "training_days", "generated", "create_time")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    LEADS_H_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DAYS_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _artifacts_pb2.ArtifactRef
    title: str
    task: str
    parameters: int
    variables: _containers.RepeatedScalarFieldContainer[str]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    rows: int
    columns: int
    leads_h: _containers.RepeatedScalarFieldContainer[float]
    steps: int
    training_days: Period
    generated: bool
    create_time: str
    def __init__(self, checkpoint: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., title: _Optional[str] = ..., task: _Optional[str] = ..., parameters: _Optional[int] = ..., variables: _Optional[_Iterable[str]] = ..., outputs: _Optional[_Iterable[str]] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ..., leads_h: _Optional[_Iterable[float]] = ..., steps: _Optional[int] = ..., training_days: _Optional[_Union[Period, _Mapping]] = ..., generated: _Optional[bool] = ..., create_time: _Optional[str] = ...) -> None: ...

class ListCheckpointsResponse(_message.Message):
    __slots__ = ("checkpoints", "next_page_token")
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checkpoints: _containers.RepeatedCompositeFieldContainer[CheckpointInfo]
    next_page_token: str
    def __init__(self, checkpoints: _Optional[_Iterable[_Union[CheckpointInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Field(_message.Message):
    __slots__ = ("name", "units", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    units: str
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., units: _Optional[str] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("checkpoint", "fields", "cache", "time", "lead_h", "steps", "outputs")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    LEAD_H_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _artifacts_pb2.ArtifactRef
    fields: _containers.RepeatedCompositeFieldContainer[Field]
    cache: _artifacts_pb2.ArtifactRef
    time: str
    lead_h: float
    steps: int
    outputs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, checkpoint: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., fields: _Optional[_Iterable[_Union[Field, _Mapping]]] = ..., cache: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., time: _Optional[str] = ..., lead_h: _Optional[float] = ..., steps: _Optional[int] = ..., outputs: _Optional[_Iterable[str]] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("fields", "rows", "columns", "lead_h", "notes")
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    LEAD_H_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedCompositeFieldContainer[Field]
    rows: int
    columns: int
    lead_h: float
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, fields: _Optional[_Iterable[_Union[Field, _Mapping]]] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ..., lead_h: _Optional[float] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class PretrainRequest(_message.Message):
    __slots__ = ("caches", "variables", "outputs", "leads_h", "training_days", "validation_days", "shape", "training", "seed", "title", "validate_only")
    CACHES_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    LEADS_H_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DAYS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_DAYS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    caches: _containers.RepeatedCompositeFieldContainer[_artifacts_pb2.ArtifactRef]
    variables: _containers.RepeatedScalarFieldContainer[str]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    leads_h: _containers.RepeatedScalarFieldContainer[float]
    training_days: Period
    validation_days: Period
    shape: Shape
    training: Training
    seed: int
    title: str
    validate_only: bool
    def __init__(self, caches: _Optional[_Iterable[_Union[_artifacts_pb2.ArtifactRef, _Mapping]]] = ..., variables: _Optional[_Iterable[str]] = ..., outputs: _Optional[_Iterable[str]] = ..., leads_h: _Optional[_Iterable[float]] = ..., training_days: _Optional[_Union[Period, _Mapping]] = ..., validation_days: _Optional[_Union[Period, _Mapping]] = ..., shape: _Optional[_Union[Shape, _Mapping]] = ..., training: _Optional[_Union[Training, _Mapping]] = ..., seed: _Optional[int] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class PretrainResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class SpinUpSites(_message.Message):
    __slots__ = ("files", "file", "pools", "linear", "members")
    FILES_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    LINEAR_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    files: _artifacts_pb2.ArtifactRef
    file: str
    pools: _containers.RepeatedScalarFieldContainer[str]
    linear: bool
    members: int
    def __init__(self, files: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., file: _Optional[str] = ..., pools: _Optional[_Iterable[str]] = ..., linear: _Optional[bool] = ..., members: _Optional[int] = ...) -> None: ...

class FineTuneRequest(_message.Message):
    __slots__ = ("checkpoint", "task", "cache", "variables", "outputs", "leads_h", "factor", "training_days", "validation_days", "samples", "adapter", "rank", "training", "seed", "title", "shape", "sites", "validate_only")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    LEADS_H_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DAYS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_DAYS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _artifacts_pb2.ArtifactRef
    task: Task
    cache: _artifacts_pb2.ArtifactRef
    variables: _containers.RepeatedScalarFieldContainer[str]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    leads_h: _containers.RepeatedScalarFieldContainer[float]
    factor: int
    training_days: Period
    validation_days: Period
    samples: int
    adapter: Adapter
    rank: int
    training: Training
    seed: int
    title: str
    shape: Shape
    sites: SpinUpSites
    validate_only: bool
    def __init__(self, checkpoint: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., task: _Optional[_Union[Task, str]] = ..., cache: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., variables: _Optional[_Iterable[str]] = ..., outputs: _Optional[_Iterable[str]] = ..., leads_h: _Optional[_Iterable[float]] = ..., factor: _Optional[int] = ..., training_days: _Optional[_Union[Period, _Mapping]] = ..., validation_days: _Optional[_Union[Period, _Mapping]] = ..., samples: _Optional[int] = ..., adapter: _Optional[_Union[Adapter, str]] = ..., rank: _Optional[int] = ..., training: _Optional[_Union[Training, _Mapping]] = ..., seed: _Optional[int] = ..., title: _Optional[str] = ..., shape: _Optional[_Union[Shape, _Mapping]] = ..., sites: _Optional[_Union[SpinUpSites, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class FineTuneResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class EvaluateCheckpointRequest(_message.Message):
    __slots__ = ("checkpoint", "cache", "days", "leads_h", "stride", "roll_out", "members", "seed", "title", "compared", "validate_only")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    LEADS_H_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    ROLL_OUT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    checkpoint: _artifacts_pb2.ArtifactRef
    cache: _artifacts_pb2.ArtifactRef
    days: Period
    leads_h: _containers.RepeatedScalarFieldContainer[float]
    stride: int
    roll_out: bool
    members: int
    seed: int
    title: str
    compared: _containers.RepeatedCompositeFieldContainer[_artifacts_pb2.ArtifactRef]
    validate_only: bool
    def __init__(self, checkpoint: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., cache: _Optional[_Union[_artifacts_pb2.ArtifactRef, _Mapping]] = ..., days: _Optional[_Union[Period, _Mapping]] = ..., leads_h: _Optional[_Iterable[float]] = ..., stride: _Optional[int] = ..., roll_out: _Optional[bool] = ..., members: _Optional[int] = ..., seed: _Optional[int] = ..., title: _Optional[str] = ..., compared: _Optional[_Iterable[_Union[_artifacts_pb2.ArtifactRef, _Mapping]]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class EvaluateCheckpointResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...

class PlanTrainingRequest(_message.Message):
    __slots__ = ("shape", "variables", "rows", "columns", "cluster", "gpus", "batch", "samples", "bytes_per_sample", "precision", "trace", "title", "validate_only")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    shape: Shape
    variables: int
    rows: int
    columns: int
    cluster: Cluster
    gpus: int
    batch: int
    samples: int
    bytes_per_sample: float
    precision: Precision
    trace: bool
    title: str
    validate_only: bool
    def __init__(self, shape: _Optional[_Union[Shape, _Mapping]] = ..., variables: _Optional[int] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ..., cluster: _Optional[_Union[Cluster, _Mapping]] = ..., gpus: _Optional[int] = ..., batch: _Optional[int] = ..., samples: _Optional[int] = ..., bytes_per_sample: _Optional[float] = ..., precision: _Optional[_Union[Precision, str]] = ..., trace: _Optional[bool] = ..., title: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class PlanTrainingResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...
