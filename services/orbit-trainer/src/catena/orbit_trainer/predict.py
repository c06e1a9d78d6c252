"""Loaded checkpoints, and predictions of a few fields as a server answers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from catena.models.orbit import Orbit
from catena.models.orbit_checkpoint import About
from catena.models.orbit_downscale import OrbitDownscale
from catena.orbit_trainer import storage
from catena.orbit_trainer.evaluation.forecasters import RollOut
from catena.orbit_trainer.queries import PredictQuery
from catena.orbit_trainer.tasks.downscale import Downscaler, spacing_of
from catena.orbit_trainer.tasks.forecast import OrbitForecaster
from catena.orbit_trainer.vocabulary import step_at
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predictor:
    """A checkpoint that was loaded."""

    about: About
    model: nn.Module

    @property
    def forecaster(self) -> OrbitForecaster:
        """Its forecasts, in the units of the fields."""
        model = cast("Orbit", self.model)
        return OrbitForecaster(model, self.about.statistics, residual=self.about.residual)

    @property
    def downscaler(self) -> Downscaler:
        """Its fine fields, in their units."""
        model, about = cast("OrbitDownscale", self.model), self.about
        spacing = spacing_of(about.lat) * model.config.factor
        return Downscaler(model, about.statistics, spacing)

    @classmethod
    def read(cls, artifact: Artifact) -> Self:
        """Of an artifact of kind "checkpoint"."""
        checkpoint = storage.read_checkpoint(artifact)
        return cls(checkpoint.about, checkpoint.model())


@dataclass(frozen=True)
class Predicted:
    """Fields by name and units, and what a reader should know of them."""

    fields: Sequence[tuple[str, str, Array]]
    notes: Sequence[str]


def predict(
    predictor: Predictor, query: PredictQuery, open_: Callable[[Any], Artifact]
) -> Predicted:
    """Predict what a checked request asks for.

    Raises
    ------
    InvalidData
        When no field of the input has a value.
    """
    about = predictor.about
    inputs = _inputs(about, query, open_)
    known = [bool(np.isfinite(field).any()) for field in inputs]
    if not any(known):
        raise InvalidData("all fields of the input are missing; give one at least")
    if about.task == "downscale":
        made = predictor.downscaler.downscale(inputs[None])[0]
    else:
        places = [about.fields.variables.index(name) for name in about.fields.outputs]
        run = RollOut(predictor.forecaster, query.lead_h, places)
        made = next(iter(run.run(inputs[None], [query.lead_h * query.steps])))[0, 0]
    notes = []
    lacking = [name for name, there in zip(about.fields.variables, known, strict=True) if not there]
    if lacking:
        notes.append(f"without {', '.join(lacking)}: they were not given")
    if about.generated:
        notes.append("trained on generated fields, which were never observed")
    units = dict(zip(about.statistics.variables, about.statistics.units, strict=True))
    wanted = query.outputs or about.fields.outputs
    return Predicted(
        [(name, units[name], made[about.fields.outputs.index(name)]) for name in wanted], notes
    )


def _inputs(about: About, query: PredictQuery, open_: Callable[[Any], Artifact]) -> Array:
    """Fields (V, H, W) of all that the model knows, NaN where they are not given."""
    names, grid = about.fields.variables, about.fields.grid
    inputs = np.full((len(names), *grid), np.nan, np.float32)
    if query.cache is None or query.time is None:
        for field in query.fields:
            inputs[names.index(field.name)] = np.array(field.values, np.float32).reshape(grid)
        return inputs
    cache = storage.open_cache(open_(query.cache))
    fields = cache.physical(cache.sample(step_at(cache, query.time)))
    for place, channel in enumerate(cache.channels):
        if channel.label in names:
            inputs[names.index(channel.label)] = fields[place]
    return inputs
