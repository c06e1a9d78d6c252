"""What an LSTM does with its gates once they are summed, and the gradient of it: compiled.

Loops over a row touch few arrays each, so that the compiler can tell them apart and vectorise.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

Array = NDArray[Any]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})

# x P(x^2) / Q(x^2): a minimax fit of tanh up to 9, where single precision cannot tell it from 1
_P = (9.999999064e-01, 1.337319962e-01, 3.486584064e-03, 2.047186203e-05, 1.318425961e-08)
_Q = (1.0, 4.670649648e-01, 2.584198773e-02, 3.271388753e-04, 7.702679793e-07)
_END = 9.0


def tanh(x: Any) -> Any:
    """Hyperbolic tangent, in compiled code; in single precision to 5e-7, but several times as fast
    as the library's.
    """
    return math.tanh(x)


@overload(tanh)
def _tanh(x: Any) -> Any:
    single = numba.float32
    if x != single:

        def exact(x: Any) -> Any:
            return math.tanh(x)

        return exact
    p0, p1, p2, p3, p4 = _P
    q0, q1, q2, q3, q4 = _Q
    end = _END

    def fast(x: Any) -> Any:
        # comparisons that keep NaN
        x = single(end) if x > single(end) else x
        x = single(-end) if x < single(-end) else x
        t = x * x
        p = single(p3) + t * single(p4)
        p = single(p0) + t * (single(p1) + t * (single(p2) + t * p))
        q = single(q3) + t * single(q4)
        q = single(q0) + t * (single(q1) + t * (single(q2) + t * q))
        return x * p / q

    return fast


@_compiled
def gates_forward(gates: Array, offset: Array, before: Array, after: Array, joint: Array) -> None:
    """Activate the gates of a day and move the state on.

    Parameters
    ----------
    gates : (B, 4 d) array
        Summed inputs of input gate, forget gate, candidate and output gate, without `offset`;
        activated in place.
    offset : (B, 4 d) or (1, 4 d) array
    before, after : (B, d) arrays
        Cell state; the second is filled. They may be the same.
    joint : (B, n + d) array
        Its last columns are filled with the hidden state.
    """
    width = before.shape[1]
    half = gates.dtype.type(0.5)
    first = joint.shape[1] - width
    for b in range(len(gates)):
        row, more = gates[b], offset[b % len(offset)]
        for j in range(len(row)):
            row[j] += more[j]
        enter_forget, candidate, leave = (
            row[: 2 * width],
            row[2 * width : 3 * width],
            row[3 * width :],
        )
        for j in range(len(enter_forget)):
            enter_forget[j] = half + half * tanh(half * enter_forget[j])
        for j in range(len(candidate)):
            candidate[j] = tanh(candidate[j])
        for j in range(len(leave)):
            leave[j] = half + half * tanh(half * leave[j])
        enter, forget, old, new = row[:width], row[width : 2 * width], before[b], after[b]
        for j in range(width):
            new[j] = forget[j] * old[j] + enter[j] * candidate[j]
        hidden = joint[b, first:]
        for j in range(width):
            hidden[j] = leave[j] * tanh(new[j])


@_compiled
def gates_backward(
    gates: Array,
    before: Array,
    after: Array,
    of_joint: Array,
    of_cell: Array,
    of_gates: Array,
    of_offset: Array,
) -> None:
    """Gradients of a day's gates from those of the state after it.

    Parameters
    ----------
    gates : (B, 4 d) array
        As :func:`gates_forward` left them.
    before, after : (B, d) arrays
        Cell state.
    of_joint : (B, n + d) array
        Its last columns are the gradient of the hidden state after the day.
    of_cell : (B, d) array
        Gradient of the cell state after the day; becomes that of the one before it.
    of_gates : (B, 4 d) array, filled
        Gradient of the sums before they were activated.
    of_offset : (B, 4 d) or (1, 4 d) array
        `of_gates` is added to it.
    """
    width = before.shape[1]
    one = gates.dtype.type(1)
    first = of_joint.shape[1] - width
    for b in range(len(gates)):
        row, out, back = gates[b], of_gates[b], of_cell[b]
        hidden, new, old = of_joint[b, first:], after[b], before[b]
        leave, of_leave = row[3 * width :], out[3 * width :]
        for j in range(width):
            end = tanh(new[j])
            of_leave[j] = hidden[j] * end * leave[j] * (one - leave[j])
            back[j] += hidden[j] * leave[j] * (one - end * end)
        enter, forget, candidate = row[:width], row[width : 2 * width], row[2 * width : 3 * width]
        of_enter, of_forget, of_candidate = out[:width], out[width:], out[2 * width :]
        for j in range(width):
            of_enter[j] = back[j] * candidate[j] * enter[j] * (one - enter[j])
        for j in range(width):
            of_forget[j] = back[j] * old[j] * forget[j] * (one - forget[j])
        for j in range(width):
            of_candidate[j] = back[j] * enter[j] * (one - candidate[j] * candidate[j])
        for j in range(width):
            back[j] *= forget[j]
        total = of_offset[b % len(of_offset)]
        for j in range(4 * width):
            total[j] += out[j]


@_compiled
def gates_backward_of_many(
    gates: Array,
    before: Array,
    after: Array,
    of_joint: Array,
    of_cell: Array,
    of_gates: Array,
    of_offset: Array,
) -> None:
    """:func:`gates_backward` of `K` results at once: what they share is computed once.

    Parameters
    ----------
    gates, before, after : arrays
        As there.
    of_joint, of_cell, of_gates, of_offset : (K, ...) arrays
        As there, for each result.
    """
    width = before.shape[1]
    one = gates.dtype.type(1)
    first = of_joint.shape[2] - width
    by = np.empty((5, width), gates.dtype)
    to_leave, to_cell, to_enter, to_forget, to_candidate = by[0], by[1], by[2], by[3], by[4]
    for b in range(len(gates)):
        row, new, old = gates[b], after[b], before[b]
        enter, forget = row[:width], row[width : 2 * width]
        candidate, leave = row[2 * width : 3 * width], row[3 * width :]
        for j in range(width):
            end = tanh(new[j])
            to_leave[j] = end * leave[j] * (one - leave[j])
            to_cell[j] = leave[j] * (one - end * end)
        for j in range(width):
            to_enter[j] = candidate[j] * enter[j] * (one - enter[j])
            to_forget[j] = old[j] * forget[j] * (one - forget[j])
            to_candidate[j] = enter[j] * (one - candidate[j] * candidate[j])
        for k in range(len(of_gates)):
            out, back, hidden = of_gates[k, b], of_cell[k, b], of_joint[k, b, first:]
            for j in range(width):
                back[j] += hidden[j] * to_cell[j]
            of_enter, of_forget = out[:width], out[width : 2 * width]
            of_candidate, of_leave = out[2 * width : 3 * width], out[3 * width :]
            for j in range(width):
                of_leave[j] = hidden[j] * to_leave[j]
                of_enter[j] = back[j] * to_enter[j]
            for j in range(width):
                of_forget[j] = back[j] * to_forget[j]
                of_candidate[j] = back[j] * to_candidate[j]
            for j in range(width):
                back[j] *= forget[j]
            total = of_offset[k, b % of_offset.shape[1]]
            for j in range(4 * width):
                total[j] += out[j]
