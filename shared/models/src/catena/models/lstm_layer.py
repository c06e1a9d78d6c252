"""LSTM layer whose days are made by a matrix product and one compiled pass each, both ways.

On a CPU it trains several times as fast as torch's own: the affine map of a day's inputs is folded
into the weights, what does not change over a sequence is added once, gates and states of a day stay
in cache, and the gradient is written by hand. For derivatives of the gradient there is a form of
torch's own operations, see :func:`plain_recurrence`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from catena.models.lstm_kernels import gates_backward, gates_backward_of_many, gates_forward

FORGET_BIAS = 3.0

State = tuple[Tensor, Tensor]
"""Hidden and cell state, (B, d) each."""

_PLAIN = ContextVar("_PLAIN", default=False)


@contextmanager
def plain_recurrence() -> Iterator[None]:
    """Recurrences of this thread are made of torch's own operations while this lasts.

    The same numbers, slower, but they can be differentiated any number of times, where the compiled
    passes refuse a second derivative.
    """
    before = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(before)


class LSTMLayer(nn.Module):
    """An LSTM that starts with open forget gates.

    Parameters have the names, shapes and initial values of `torch.nn.LSTM`'s, but for the biases:
    a forget bias of 3 keeps memory over months from the start (Gers et al. 2000; Kratzert et al.
    2019 use it for streamflow).

    Parameters
    ----------
    inputs, width : int
        Lengths of the inputs of a day, and `d` of the hidden state.
    """

    weight_ih_l0: nn.Parameter
    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        for name, value in nn.LSTM(inputs, width).named_parameters():
            self.register_parameter(name, value)
        with torch.no_grad():
            self.bias_ih_l0.zero_()
            self.bias_hh_l0.zero_()[width : 2 * width] = FORGET_BIAS

    def forward(
        self,
        days: Tensor,
        start: State | None = None,
        *,
        through: nn.Linear | None = None,
        plus: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Hidden state after each day, (B, T, d), and the state after the last.

        Parameters
        ----------
        days : Tensor, (B, T, n)
        start : pair of Tensor (B, d), optional
            Zeros if left out.
        through : nn.Linear, optional
            Makes the layer's inputs of `days`; the same as mapping them first, for less.
        plus : Tensor, (B, inputs), optional
            Added to the inputs of every day.
        """
        weight: Tensor = self.weight_ih_l0
        offset = (self.bias_ih_l0 + self.bias_hh_l0)[None]
        if plus is not None:
            offset = offset + plus @ weight.T
        if through is not None:
            offset = offset + through.bias @ weight.T
            weight = weight @ through.weight
        return recur(days, weight, self.weight_hh_l0, offset, start)


def recur(
    days: Tensor, of_input: Tensor, of_hidden: Tensor, offset: Tensor, start: State | None = None
) -> tuple[Tensor, State]:
    """The LSTM recurrence (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    Parameters
    ----------
    days : Tensor, (B, T, n)
        At least one day, on a CPU.
    of_input, of_hidden : Tensor, (4 d, n) and (4 d, d)
        Weights of input gate, forget gate, candidate and output gate, one under the other.
    offset : Tensor, (B, 4 d) or (1, 4 d)
        Added to the gates of every day: biases, and the share of inputs that never change.
    start : pair of Tensor (B, d), optional
        Hidden and cell state before the first day; zeros if left out.

    Returns
    -------
    states : Tensor, (B, T, d)
        Hidden state after each day.
    end : pair of Tensor (B, d)
        Hidden and cell state after the last day.

    Raises
    ------
    ValueError
        When there is no day, or the shapes do not fit together.
    """
    batch, width = len(days), of_hidden.shape[1]
    hidden, cell = start or (days.new_zeros(batch, width),) * 2
    came = [tuple(each.shape) for each in (of_input, of_hidden, hidden, cell)]
    wanted = [(4 * width, days.shape[2]), (4 * width, width), (batch, width), (batch, width)]
    rows = tuple(offset.shape) in {(1, 4 * width), (batch, 4 * width)}
    if came != wanted or not rows or not days.shape[1]:
        raise ValueError(
            f"an LSTM was given days {tuple(days.shape)}, offsets {tuple(offset.shape)} and "
            f"weights and states {came}; one day or more, offsets (1 or {batch}, {4 * width}) and "
            f"{wanted} wanted"
        )
    inputs = (days, of_input, of_hidden, offset, hidden, cell)
    if _PLAIN.get():
        return _plain(*inputs)
    if torch.is_grad_enabled() and any(each.requires_grad for each in inputs):
        states, hidden, cell = _Recurrence.apply(*inputs)  # type: ignore[no-untyped-call]
        return states, (hidden, cell)
    newest = cell[None].clone()
    joint = _walk(*inputs, days.new_empty(1, batch, 4 * width), newest)
    return _states(joint, width), (joint[-1, :, -width:].clone(), newest[0])


def _plain(
    days: Tensor, of_input: Tensor, of_hidden: Tensor, offset: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, State]:
    """:func:`recur` in torch's own operations."""
    states = []
    driven = days.transpose(0, 1) @ of_input.T + offset
    for now in driven.unbind():
        gates = torch.addmm(now, hidden, of_hidden.T)
        enter, forget, candidate, leave = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
        hidden = leave.sigmoid() * cell.tanh()
        states.append(hidden)
    return torch.stack(states, 1), (hidden, cell)


def _walk(
    days: Tensor,
    of_input: Tensor,
    of_hidden: Tensor,
    offset: Tensor,
    hidden: Tensor,
    cell: Tensor,
    gates: Tensor,
    cells: Tensor,
) -> Tensor:
    """Inputs of each day beside the hidden state before it, (T + 1, B, n + d), time first.

    `gates` (T, B, 4 d) and `cells` (T + 1, B, d) are filled; either may have room for one day only.
    """
    _, steps, inputs = days.shape
    weight = torch.cat([of_input, of_hidden], 1).T.contiguous()
    joint = days.new_empty(steps + 1, len(days), weight.shape[0])
    joint[:-1, :, :inputs] = days.transpose(0, 1)
    joint[0, :, inputs:] = hidden
    cells[0] = cell
    of_day, now = joint.unbind(), gates.unbind()
    g, c, h, more = (each.numpy() for each in (gates, cells, joint, offset.detach().contiguous()))
    for day in range(steps):
        at, before, after = day % len(g), day % len(c), (day + 1) % len(c)
        torch.mm(of_day[day], weight, out=now[at])
        gates_forward(g[at], more, c[before], c[after], h[day + 1])
    return joint


def _states(joint: Tensor, width: int) -> Tensor:
    return joint[1:, :, -width:].transpose(0, 1)


class _Kept:
    """Gates and cells of all days of a sequence, for its gradient.

    Their memory goes on to the next sequence once the graph is gone: pages fresh from the system
    cost up to a fifth of a training step.
    """

    spare: ClassVar[list[Tensor]] = []

    def __init__(self, steps: int, batch: int, width: int, dtype: torch.dtype) -> None:
        split = steps * batch * 4 * width
        size = split + (steps + 1) * batch * width
        try:
            self.memory = self.spare.pop()
        except IndexError:
            self.memory = torch.empty(0, dtype=dtype)
        if self.memory.dtype != dtype or len(self.memory) < size:
            self.memory = torch.empty(size, dtype=dtype)
        self.gates = self.memory[:split].view(steps, batch, 4 * width)
        self.cells = self.memory[split:size].view(steps + 1, batch, width)

    def __del__(self) -> None:
        held = self.spare[-1:]  # another thread may take it meanwhile
        if not held or len(held[0]) < len(self.memory):
            self.spare[:] = [self.memory]


class _Recurrence(torch.autograd.Function):
    """:func:`recur` with its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        days: Tensor,
        of_input: Tensor,
        of_hidden: Tensor,
        offset: Tensor,
        hidden: Tensor,
        cell: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, T, d), and the last hidden and cell state."""
        width = of_hidden.shape[1]
        ctx.kept = kept = _Kept(days.shape[1], len(days), width, days.dtype)
        joint = _walk(days, of_input, of_hidden, offset, hidden, cell, kept.gates, kept.cells)
        ctx.save_for_backward(of_input, of_hidden, offset, joint)
        ctx.set_materialize_grads(False)
        return _states(joint, width), joint[-1, :, -width:].clone(), kept.cells[-1].clone()

    @staticmethod
    def backward(
        ctx: Any, of_states: Tensor | None, of_end: Tensor | None, of_cell: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Gradients of all inputs, from the last day to the first."""
        if torch.is_grad_enabled():  # torch would leave the part of this layer out, silently
            raise RuntimeError(
                "a compiled LSTM has no second derivative; compute its results and their gradient "
                "within catena.models.derivatives.second_derivatives()"
            )
        of_input, of_hidden, offset, joint = ctx.saved_tensors
        inputs = of_input.shape[1]
        asked = ctx.needs_input_grad
        days, weight, of_offset, hidden, cell = _walk_back(
            of_states, of_end, of_cell, of_input, of_hidden, offset, joint, ctx.kept.gates,
            ctx.kept.cells, asked[0], asked[1] or asked[2],
        )  # fmt: skip
        return (
            days.transpose(0, 1) if asked[0] else None,
            weight[:inputs].T if asked[1] else None,
            weight[inputs:].T if asked[2] else None,
            of_offset,
            hidden,
            cell,
        )


# An operation that torch knows: it can be mapped over many gradients of the same results.
@torch.library.custom_op("catena::lstm_walk_back", mutates_args=(), device_types="cpu")
def _walk_back(
    of_states: Tensor | None,
    of_end: Tensor | None,
    of_cell: Tensor | None,
    of_input: Tensor,
    of_hidden: Tensor,
    offset: Tensor,
    joint: Tensor,
    gates: Tensor,
    cells: Tensor,
    with_days: bool,
    with_weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of days (T, B, n), weights (n + d, 4 d), offset, hidden and cell state.

    Those of days or weights are empty where they are not asked for.
    """
    (steps, batch, sums), width = gates.shape, of_hidden.shape[1]
    inputs = joint.shape[2] - width
    # in training most days are data, and the hidden part of their gradient is all that is needed;
    # in an explanation the weights stay as they are
    days = joint.new_empty((steps, batch, inputs) if with_days else 0)
    weight = torch.cat([of_input, of_hidden], 1) if with_days else of_hidden.contiguous()
    back = joint.new_zeros(batch, weight.shape[1])
    hidden = back[:, -width:]
    if of_end is not None:
        hidden += of_end
    cell = joint.new_zeros(batch, width)
    if of_cell is not None:
        cell += of_cell
    of_gates, of_offset = joint.new_empty(batch, sums), joint.new_zeros(offset.shape)
    of_weight = joint.new_zeros((inputs + width, sums) if with_weights else 0)
    of_day = joint.unbind()
    g, c = gates.numpy(), cells.numpy()
    filled = [each.numpy() for each in (back, cell, of_gates, of_offset)]
    for day in reversed(range(steps)):
        if of_states is not None:
            hidden += of_states[:, day]
        gates_backward(g[day], c[day], c[day + 1], *filled)
        if with_weights:
            of_weight.addmm_(of_day[day].T, of_gates)
        torch.mm(of_gates, weight, out=back)
        if with_days:
            days[day] = back[:, :inputs]
    return days, of_weight, of_offset, hidden.contiguous(), cell


BLOCK = 1024
"""Rows whose gradients stay in cache from day to day: results times sequences."""


@_walk_back.register_vmap
def _walk_back_many(
    info: Any, in_dims: tuple[int | None, ...], *arguments: Any
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """:func:`_walk_back` of many results, whose gradients lie along `in_dims` of the arguments."""
    moved = [
        each if dim is None else each.movedim(dim, 0)
        for each, dim in zip(arguments, in_dims, strict=True)
    ]
    of_results, shared, with_weights = moved[:3], moved[3:10], moved[10]
    if with_weights or any(dim is not None for dim in in_dims[3:]):
        one_by_one = [
            _walk_back(
                *(
                    each if dim is None else each[result]
                    for each, dim in zip(moved, in_dims, strict=True)
                )
            )
            for result in range(info.batch_size)
        ]
        return tuple(torch.stack(each) for each in zip(*one_by_one, strict=True)), (0,) * 5
    of_results = [
        each if each is None or dim is not None else each.expand(info.batch_size, *each.shape)
        for each, dim in zip(of_results, in_dims, strict=False)
    ]
    return _walk_back_together(info.batch_size, *of_results, *shared), (0,) * 5


def _walk_back_together(
    many: int,
    of_states: Tensor | None,
    of_end: Tensor | None,
    of_cell: Tensor | None,
    of_input: Tensor,
    of_hidden: Tensor,
    offset: Tensor,
    joint: Tensor,
    gates: Tensor,
    cells: Tensor,
    with_days: bool,
) -> tuple[Tensor, ...]:
    """:func:`_walk_back` of `many` results, first in every gradient, with the weights fixed.

    The derivatives of a day's gates are the same for all results, and a block of sequences stays in
    cache on its way back. A result of early days has no gradient later on: where results are in the
    order of their days, as leads are, they join on their last day.
    """
    (steps, batch, sums), width = gates.shape, of_hidden.shape[1]
    inputs = joint.shape[2] - width
    days = joint.new_empty((many, steps, batch, inputs) if with_days else (many, 0))
    weight = torch.cat([of_input, of_hidden], 1) if with_days else of_hidden.contiguous()
    of_offset = joint.new_zeros(many, *offset.shape)
    hidden, cell = (joint.new_zeros(many, batch, width) for _ in range(2))
    for whole, ends in ((hidden, of_end), (cell, of_cell)):
        if ends is not None:
            whole += ends
    joins = [0] * steps  # the first result that has a gradient on a day
    if of_states is not None and of_end is None and of_cell is None:
        touched = of_states.ne(0).any(3).any(1).flip(1).cumsum(1).flip(1) > 0
        joins = [int(day.nonzero()[0]) if day.any() else many for day in touched.unbind(1)]
    g, c = gates.numpy(), cells.numpy()
    size = max(BLOCK // many, 1)
    for first in range(0, batch, size):
        rows = slice(first, first + size)
        back = joint.new_zeros(many, len(hidden[0, rows]), weight.shape[1])
        back[..., -width:] = hidden[:, rows]
        of_block = cell[:, rows].contiguous()
        of_gates = joint.new_empty(*back.shape[:2], sums)
        total = of_offset[:, rows if len(offset) > 1 else slice(None)]
        filled = [each.numpy() for each in (back, of_block, of_gates, total)]
        for day, join in zip(reversed(range(steps)), reversed(joins), strict=True):
            if join < many:
                if of_states is not None:
                    back[join:, :, -width:] += of_states[join:, rows, day]
                gates_backward_of_many(
                    g[day, rows], c[day, rows], c[day + 1, rows], *(each[join:] for each in filled)
                )
                into = back[join:].view(-1, weight.shape[1])
                torch.mm(of_gates[join:].view(-1, sums), weight, out=into)
            if with_days:
                days[:, day, rows] = back[..., :inputs]
        hidden[:, rows], cell[:, rows] = back[..., -width:], of_block
    return days, joint.new_empty(many, 0), of_offset, hidden, cell
