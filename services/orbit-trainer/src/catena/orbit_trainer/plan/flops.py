"""Arithmetic of an ORBIT model in closed form: parameters, and FLOPs of a step.

A matrix product of (m, k) and (k, n) is 2 m k n FLOPs, as `torch.utils.flop_counter` counts;
elementwise work, norms and softmax are not counted. Two orders of the aggregation over variables
are known: `folded`, which the model computes, and `reference`, which ClimaX and ORBIT compute
(every patch of every variable a token, with a key and a value of its own).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape

__all__ = [
    "Order",
    "Parts",
    "Shapes",
    "Stage",
    "StepFlops",
    "parameters",
    "rank_flops",
    "shapes",
    "stages",
    "step_flops",
]

Order = Literal["folded", "reference"]


@dataclass(frozen=True)
class Parts:
    """A quantity of an ORBIT model by its parts.

    Parameters
    ----------
    embedding, block, head : float
        Of the embedding, of one block, of the head.
    depth : int
        Blocks.
    """

    embedding: float
    block: float
    head: float
    depth: int

    @property
    def total(self) -> float:
        """Of the whole model."""
        return self.embedding + self.depth * self.block + self.head


class _Product(NamedTuple):
    """A matrix product: its FLOPs, operands that need a gradient, whether it is made again."""

    flops: float
    gradients: int = 2
    again: bool = False


@dataclass(frozen=True)
class Shapes:
    """Rows, and numbers in a row, of all weights that a process computes with.

    Parameters
    ----------
    embedding, block, head : list of (int, int)
        Of the embedding, of one block, of the head.
    """

    embedding: list[tuple[int, int]]
    block: list[tuple[int, int]]
    head: list[tuple[int, int]]


def shapes(config: OrbitConfig, tp: int = 1) -> Shapes:
    """Shapes of the weights, of which `tp` processes share the linear layers of blocks.

    Parameters
    ----------
    config : OrbitConfig
    tp : int
    """
    width, pixels, feed = config.width, config.patch**2, config.feed * config.width
    square, vector = (width, width), (width, 1)
    known, out = len(config.variables), len(config.outputs) * pixels
    # Tokeniser, offset, query; to_query, to_key (without bias), to_value, out; position, lead.
    embedding = [(known, pixels * width), (known, width), vector, square, vector, square]
    embedding += [square, vector, square, vector, (config.tokens, width), vector, vector]
    # Norms of the width, and of heads; qkv and out; up and down.
    block = [vector] * 4 + [(config.head_width, 1)] * 4
    block += [(3 * width // tp, width), (3 * width // tp, 1), (width, width // tp), vector]
    block += [(feed // tp, width), (feed // tp, 1), (width, feed // tp), vector]
    head = [vector] * 2 + [square, vector] * config.decoder_depth + [(out, width), (out, 1)]
    return Shapes(embedding, block, head)


@cache
def parameters(config: OrbitConfig, tp: int = 1, shards: int = 1) -> Parts:
    """Numbers in the weights that a process computes with, by part.

    Parameters
    ----------
    config : OrbitConfig
    tp : int
        Processes that share the linear layers of blocks.
    shards : int
        Processes that share each weight's rows: made a multiple of them, as FSDP2 pads them.
    """
    all_of = shapes(config, tp)

    def numbers(part: list[tuple[int, int]]) -> int:
        return sum(math.ceil(rows / shards) * shards * row for rows, row in part)

    return Parts(
        numbers(all_of.embedding), numbers(all_of.block), numbers(all_of.head), config.depth
    )


@dataclass(frozen=True)
class StepFlops:
    """FLOPs of a step over some samples.

    Parameters
    ----------
    forward, backward : Parts
        Of the passes that a gradient needs: what utilisation (MFU) is measured by.
    again : Parts
        Of what is computed a second time in the backward pass, to save memory.
    """

    forward: Parts
    backward: Parts
    again: Parts

    @property
    def model(self) -> float:
        """Forward and backward, without what is computed a second time."""
        return self.forward.total + self.backward.total

    @property
    def total(self) -> float:
        """All that is computed."""
        return self.model + self.again.total


@cache
def step_flops(
    config: OrbitConfig,
    batch: int,
    order: Order = "folded",
    *,
    variables: int | None = None,
    recompute: bool = False,
) -> StepFlops:
    """FLOPs of the forward and backward pass over a batch.

    Parameters
    ----------
    config : OrbitConfig
    batch : int
        Samples that go through the model together: products of weights alone, which the fold
        needs, are made once for all of them.
    order : {"folded", "reference"}
    variables : int, optional
        Variables in the input; all that the model knows by default.
    recompute : bool
        Whether blocks are computed again in the backward pass.

    Raises
    ------
    ValueError
        When the batch or the number of variables is not possible.
    """
    known = len(config.variables)
    count = known if variables is None else variables
    if batch < 1 or not 1 <= count <= known:
        raise ValueError(
            f"a batch of {batch} with {count} variables; wanted a sample at least, and from 1 to "
            f"the {known} variables of the model"
        )
    embedding = (_folded if order == "folded" else _reference)(config, batch, count)
    block, head = _block(config, batch, recompute), _head(config, batch)

    def parts(made: list[list[float]]) -> Parts:
        return Parts(sum(made[0]), sum(made[1]), sum(made[2]), config.depth)

    places = (embedding, block, head)
    return StepFlops(
        parts([[one.flops for one in products] for products in places]),
        parts([[one.flops * one.gradients for one in products] for products in places]),
        parts([[one.flops for one in products if one.again] for products in places]),
    )


def _folded(config: OrbitConfig, batch: int, count: int) -> list[_Product]:
    """Of :class:`catena.models.orbit_embedding.VariableAggregation` and the lead time."""
    width, places, pixels = config.width, batch * config.tokens, config.patch**2
    numbers = count * (pixels + 1)
    return [
        _Product(2 * width * width),  # the query
        _Product(2 * width * width),  # the query through the keys' weights
        _Product(2 * numbers * width * config.heads),
        _Product(2 * numbers * width * width),
        _Product(2 * places * count * pixels * config.heads, gradients=1),  # scores
        _Product(2 * places * numbers * width),  # values
        _Product(2 * places * width * width),
        _Product(2 * batch * width, gradients=1),  # lead time
    ]


def _reference(config: OrbitConfig, batch: int, count: int) -> list[_Product]:
    """Of ClimaX, section 3.1: tokens, keys and values of all variables at all places."""
    width, places = config.width, batch * config.tokens
    return [
        _Product(2 * places * count * config.patch**2 * width, gradients=1),
        _Product(2 * places * count * width * width),
        _Product(2 * places * count * width * width),
        _Product(2 * places * width * width),  # the query, repeated at all places
        _Product(2 * places * count * width),
        _Product(2 * places * count * width),
        _Product(2 * places * width * width),
        _Product(2 * batch * width, gradients=1),
    ]


def _block(config: OrbitConfig, batch: int, recompute: bool) -> list[_Product]:
    """Of :class:`catena.models.orbit.Block`; made again, all but the last product."""
    square = 2 * batch * config.tokens * config.width**2
    looked = 2 * batch * config.tokens**2 * config.width
    return [
        _Product(3 * square, again=recompute),
        _Product(looked, again=recompute),
        _Product(looked, again=recompute),
        _Product(square, again=recompute),
        _Product(config.feed * square, again=recompute),
        _Product(config.feed * square),
    ]


def _head(config: OrbitConfig, batch: int) -> list[_Product]:
    """Of :class:`catena.models.orbit.FieldHead`."""
    places, width = batch * config.tokens, config.width
    out = len(config.outputs) * config.patch**2
    hidden = [_Product(2 * places * width * width)] * config.decoder_depth
    return [*hidden, _Product(2 * places * width * out)]


@dataclass(frozen=True)
class Stage:
    """What one stage of a pipeline holds.

    Parameters
    ----------
    number : int
        Place in the pipeline.
    blocks : int
    first, last : bool
        Whether it has the embedding, and the head.
    """

    number: int
    blocks: int
    first: bool
    last: bool

    def of(self, parts: Parts) -> float:
        """Its part of a quantity of the model."""
        return self.first * parts.embedding + self.blocks * parts.block + self.last * parts.head


def stages(config: OrbitConfig, count: int) -> list[Stage]:
    """Blocks dealt out as evenly as can be (:mod:`catena.orbit_trainer.parallel.pipeline`)."""
    ends = [config.depth * place // count for place in range(count + 1)]
    return [
        Stage(place, ends[place + 1] - ends[place], place == 0, place == count - 1)
        for place in range(count)
    ]


def rank_flops(flops: StepFlops, config: OrbitConfig, mesh: MeshShape) -> float:
    """FLOPs of the busiest rank, of those of its samples.

    Blocks are shared by `sp` and `tp`; embedding and head are computed by each of these again.

    Parameters
    ----------
    flops : StepFlops
        Of the samples of one data rank.
    config : OrbitConfig
    mesh : MeshShape
    """
    share = mesh.sp * mesh.tp

    def of(parts: Parts) -> Parts:
        return replace(parts, block=parts.block / share)

    passes = (of(flops.forward), of(flops.backward), of(flops.again))
    return max(sum(stage.of(one) for one in passes) for stage in stages(config, mesh.pp))
