"""Settings of a training, checked as a whole before anything is started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Literal, Self

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.shared.errors import FieldViolation, InvalidRequest

__all__ = ["TrainingSettings"]

_CHOICES = {
    "precision": ("fp32", "bf16"),
    "engine": ("torch", "deepspeed"),
    "nan": ("skip", "stop"),
    "zero_stage": (0, 1, 2, 3),
}
_WHOLE = ["steps", "batch", "seed", "zero_stage", "microbatches"]
_WHOLE += ["checkpoint_every", "validate_every"]
_NUMBERS = ("learning_rate", "weight_decay", "warmup", "clip")
_FLAGS = ("offload", "recompute", "compile")


@dataclass(frozen=True)
class TrainingSettings:
    """How long, how fast and on how many processes a model learns.

    Parameters
    ----------
    steps : int
        Updates of the weights.
    batch : int
        Samples per step, over all processes.
    learning_rate : float
        Peak rate of AdamW.
    betas : tuple of float
        Decay of its first and second moment.
    weight_decay : float
        Decoupled decay of matrices; biases, norms and other vectors have none.
    warmup : float
        Share of the steps in which the rate rises.
    clip : float
        Longest gradient; longer ones are shortened to it.
    precision : {"fp32", "bf16"}
        Of the computations; weights, moments and the loss are float32.
    seed : int
        Of first weights and the order of samples.
    mesh : MeshShape
        Processes along each kind of parallelism.
    engine : {"torch", "deepspeed"}
    zero_stage : {0, 1, 2, 3}
        What DeepSpeed spreads over the processes: nothing, moments, also gradients, also weights.
    offload : bool
        Whether DeepSpeed keeps moments (and weights, in stage 3) in the host's memory.
    microbatches : int
        Parts of a step's samples that go through the model one after the other.
    recompute : bool
        Whether activations inside blocks are computed again in the backward pass, to save memory.
    compile : bool
        Whether blocks are compiled.
    checkpoint_every, validate_every : int
        Steps between checkpoints, and between looks at the validation batches.
    nan : {"skip", "stop"}
        What to do where a batch or its gradient is not finite.

    Raises
    ------
    InvalidRequest
        With everything that is wrong, by the name of its field.
    """

    steps: int
    batch: int
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1e-5
    warmup: float = 0.05
    clip: float = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    mesh: MeshShape = field(default_factory=MeshShape)
    engine: Literal["torch", "deepspeed"] = "torch"
    zero_stage: int = 0
    offload: bool = False
    microbatches: int = 1
    recompute: bool = False
    compile: bool = False
    checkpoint_every: int = 100
    validate_every: int = 100
    nan: Literal["skip", "stop"] = "skip"

    def __post_init__(self) -> None:
        wrong = self._kinds() or [*self._numbers(), *self._together()]
        if wrong:
            raise InvalidRequest("these settings do not make a training", violations=wrong)

    def _kinds(self) -> list[FieldViolation]:
        """What is of another kind than it should be: files may hold anything."""
        kinds: dict[str, tuple[type, str]] = dict.fromkeys(_WHOLE, (Integral, "a whole number"))
        kinds |= dict.fromkeys(_NUMBERS, (Real, "a number"))
        kinds |= dict.fromkeys(_FLAGS, (bool, "true or false"))
        return [
            FieldViolation(name, f"{getattr(self, name)!r}; wanted {said}")
            for name, (kind, said) in kinds.items()
            if not _is(getattr(self, name), kind)
        ]

    def _numbers(self) -> list[FieldViolation]:
        """What is wrong with single fields."""
        wrong = []
        for name in ("steps", "batch", "microbatches", "checkpoint_every", "validate_every"):
            if getattr(self, name) < 1:
                wrong.append(FieldViolation(name, f"{getattr(self, name)}; wanted at least 1"))
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                wrong.append(FieldViolation(name, f"{value:g}; wanted a number above 0"))
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            wrong.append(FieldViolation("weight_decay", f"{self.weight_decay:g}; wanted 0 or more"))
        if not 0 <= self.warmup < 1:
            wrong.append(
                FieldViolation("warmup", f"{self.warmup:g}; a share of the steps, in [0, 1)")
            )
        betas: object = self.betas
        if not isinstance(betas, (tuple, list)) or not (
            len(betas) == 2 and all(_is(beta, Real) and 0 <= beta < 1 for beta in betas)
        ):
            wrong.append(FieldViolation("betas", f"{betas}; wanted two numbers in [0, 1)"))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                said = " or ".join(map(str, choices))
                wrong.append(FieldViolation(name, f"{getattr(self, name)!r}; wanted {said}"))
        return wrong

    def _together(self) -> list[FieldViolation]:
        """What does not fit together."""
        wrong = []
        parts = self.mesh.data_ranks * max(self.microbatches, 1)
        if self.batch > 0 and self.batch % parts:
            wrong.append(
                FieldViolation(
                    "batch",
                    f"{self.batch} samples for {self.mesh.data_ranks} data ranks (ddp x fsdp) x "
                    f"{self.microbatches} microbatches; wanted a multiple of {parts}",
                )
            )
        if self.microbatches < self.mesh.pp:
            wrong.append(
                FieldViolation(
                    "microbatches",
                    f"{self.microbatches} for {self.mesh.pp} stages of a pipeline; wanted one for "
                    "each stage at least, or stages would only wait",
                )
            )
        if self.engine == "torch":
            if self.zero_stage:
                wrong.append(
                    FieldViolation(
                        "zero_stage",
                        f"{self.zero_stage} with the engine torch; set engine to deepspeed, or "
                        "mesh.fsdp to spread weights with torch",
                    )
                )
            if self.offload:
                wrong.append(
                    FieldViolation(
                        "offload", "wanted with the engine torch; only deepspeed offloads"
                    )
                )
        elif self.engine == "deepspeed":
            others = {name: getattr(self.mesh, name) for name in ("pp", "sp", "tp")}
            split = [f"{name} {count}" for name, count in others.items() if count > 1]
            if split:
                wrong.append(
                    FieldViolation(
                        "mesh",
                        f"{', '.join(split)} with the engine deepspeed, which here spreads data "
                        "only (ddp, fsdp); set engine to torch",
                    )
                )
            if self.offload and not self.zero_stage:
                wrong.append(
                    FieldViolation(
                        "offload", "wanted with zero_stage 0, which spreads nothing; wanted 1 to 3"
                    )
                )
            if self.compile:
                wrong.append(
                    FieldViolation("compile", "wanted with the engine deepspeed; set it to false")
                )
        return wrong

    def check(self, config: OrbitConfig, ranks: int) -> None:
        """Refuse a model or a number of processes that the mesh does not fit.

        Raises
        ------
        InvalidRequest
            When the mesh has not `ranks` places, or does not divide the model's heads or blocks.
        """
        self.mesh.check(config, ranks)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "betas": list(self.betas)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave, or a part of it.

        Raises
        ------
        InvalidRequest
            When a name is unknown or missing, or a value makes no training.
        """
        if not isinstance(values, Mapping):
            raise InvalidRequest(
                f"settings are {values!r}; wanted an object with steps and batch at least"
            )
        given = dict(values)
        known = {one.name for one in fields(cls)}
        wrong = [
            FieldViolation(name, f"there is no such setting; there are {', '.join(sorted(known))}")
            for name in sorted(set(given) - known)
        ]
        wrong += [
            FieldViolation(name, "is missing") for name in ("steps", "batch") if name not in given
        ]
        if wrong:
            raise InvalidRequest("these settings do not make a training", violations=wrong)
        if isinstance(given.get("betas"), list):
            given["betas"] = tuple(given["betas"])
        if "mesh" in given and not isinstance(given["mesh"], MeshShape):
            given["mesh"] = _mesh(given["mesh"])
        return cls(**given)


def _mesh(values: Any) -> MeshShape:
    """Mesh of a JSON object."""
    sides = {one.name for one in fields(MeshShape)}
    said = ", ".join(sorted(sides))
    if not isinstance(values, Mapping):
        wrong = [FieldViolation("mesh", f"{values!r}; wanted an object with some of {said}")]
    else:
        wrong = [
            FieldViolation(f"mesh.{name}", f"wanted one of {said}")
            for name in sorted(set(values) - sides)
        ] + [
            FieldViolation(f"mesh.{name}", f"{count!r}; wanted a whole number")
            for name, count in values.items()
            if not _is(count, Integral)
        ]
    if wrong:
        raise InvalidRequest("these settings do not make a training", violations=wrong)
    return MeshShape(**values)


def _is(value: object, kind: type) -> bool:
    """Whether a value is of a kind; true and false are no numbers."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
