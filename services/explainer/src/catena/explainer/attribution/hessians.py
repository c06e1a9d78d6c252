"""Integrated Hessians: how much of a prediction is due to groups of inputs acting together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from catena.explainer.attribution.differentiation import without_denormals
from catena.explainer.attribution.paths import TOLERANCE, Paths, checked_pass
from catena.explainer.attribution.prediction import ROWS, Groups, Predict, worst_share
from catena.explainer.attribution.quadrature import gauss_logarithmic
from catena.models.derivatives import second_derivatives
from catena.shared.errors import InvalidData

MOST_STEPS = 64
"""Nodes of a path beyond which there are no more."""


@dataclass(frozen=True)
class Interactions:
    """Joint contributions of pairs of groups; all in units of the prediction.

    Parameters
    ----------
    values : Tensor, (N, K, G, G), float64
        Symmetric. Off the diagonal what two groups do together, half of it in each order; on it
        what a group does alone. A row sums to the Integrated Gradients of its group.
    prediction, reference : Tensor, (N, K), float64
        f(x), and the mean of f over the baselines of a sample.
    delta : Tensor, (N, K), float64
        Completeness error: the sum of all values less `prediction - reference`.
    span : Tensor, (K,), float64
        Range of the prediction over samples and baselines.
    names : tuple of str, (G,)
        Of the groups.
    evaluations : int
        Rows of inputs of which a Hessian was made.
    """

    values: Tensor
    prediction: Tensor
    reference: Tensor
    delta: Tensor
    span: Tensor
    names: tuple[str, ...]
    evaluations: int

    @property
    def completeness(self) -> float:
        """The largest completeness error, as a share of the range of its output."""
        return worst_share(self.delta, self.span)


def integrated_hessians(
    predict: Predict,
    inputs: Tensor,
    baselines: Tensor,
    groups: Groups,
    outputs: Sequence[int] | None = None,
    *,
    steps: int = 6,
    tolerance: float = TOLERANCE,
    most_steps: int = MOST_STEPS,
    rows: int = ROWS,
) -> Interactions:
    """Integrated Hessians of groups of columns (Janizek, Sturmfels & Lee 2021, section 3).

    ``Gamma_ij = dx_i dx_j int int a b H_ij(x' + a b dx) da db`` (their Eq. 4), with
    ``dx_i int int grad_i f(x' + a b dx) da db`` added on the diagonal (Eq. 5); with several
    baselines the mean over them. As only the product ``u = ab`` counts, both are integrals over u
    alone, with weights ``-u ln u`` and ``-ln u``. Sums over the columns of groups are derivatives
    with respect to a factor per group that scales its part of the way: a Hessian of (G, G) per
    node, however many columns there are.

    Parameters
    ----------
    predict : Predict
        (B, D) to (B, K), twice differentiable. Networks of `catena.models` are, here.
    inputs, baselines : Tensor, (N, D) and (M, D)
        As for :class:`integrated.IntegratedGradients`.
    groups : Groups
        Of the columns.
    outputs : sequence of int, optional
        The outputs wanted, which become the K of the result; all if left out. Time grows with them.
    steps : int
        Nodes of a path. One whose completeness error is above `tolerance` (a share of the range of
        the prediction) gets twice or four times as many, up to `most_steps`. What error is left is
        in the result.
    rows : int
        Inputs in one pass; at least one path is.

    Raises
    ------
    InvalidData
        When inputs, baselines and groups do not fit, a prediction is not finite, cannot be
        differentiated twice or does not depend on any input, or there is no such output.
    """
    groups.check(inputs.shape[-1])
    size = len(groups)
    with without_denormals(), second_derivatives():
        paths = Paths(predict, inputs, baselines, outputs, rows)

        def interactions(start: Tensor, way: Tensor, steps: int) -> Tensor:
            return _interactions(predict, groups, start, way, steps, paths.outputs)

        values, evaluations = paths.integrate(
            interactions, (size, size), steps, tolerance, most_steps
        )
    values = (values + values.mT) / 2  # rounding apart, they are symmetric
    return Interactions(
        values,
        paths.prediction,
        paths.reference,
        paths.delta(values),
        paths.span,
        groups.names,
        evaluations,
    )


def _interactions(
    predict: Predict, groups: Groups, start: Tensor, way: Tensor, steps: int, outputs: Tensor
) -> Tensor:
    """Interactions (P, K, G, G), float64, of paths from `start` that go `way` (P, D)."""
    pairs, size = len(way), len(groups)
    way = way.nan_to_num(nan=0.0)  # the start is missing too: a factor must not meet NaN
    nodes, weights = gauss_logarithmic(steps)
    factor = nodes.to(way.dtype).repeat(pairs)[:, None].repeat(1, size).requires_grad_()
    scaled = factor @ groups.membership(way.dtype).T
    points = torch.addcmul(
        start.repeat_interleave(steps, 0), scaled, way.repeat_interleave(steps, 0)
    )
    output = checked_pass(predict, points)
    # groups in which samples and baselines do not differ have no derivatives
    moving = groups.sums(way.abs()).any(0)
    found = [_derivatives(output[:, k].sum(), factor, moving) for k in outputs.tolist()]
    slope = torch.stack([first for first, _ in found], 1).double()
    curve = torch.stack([second for _, second in found], 1).double()
    slope, curve = (x.view(pairs, steps, *x.shape[1:]) for x in (slope, curve))
    first = torch.einsum("pskg,s->pkg", slope, weights)
    second = torch.einsum("pskgh,s->pkgh", curve, weights * nodes)
    return second + torch.diag_embed(first)


def _derivatives(total: Tensor, factor: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """First (R, G) and second derivatives (R, G, G) of the output of each row by its factors.

    Rows do not know of one another, so derivatives of a sum over rows are those of each. Second
    ones are computed for the groups that are `moving` (G) alone.

    Raises
    ------
    InvalidData
        When there are no second derivatives.
    """
    try:
        [slope] = torch.autograd.grad(total, factor, create_graph=True)
        curve = factor.new_zeros(*slope.shape, slope.shape[1])
        if slope.requires_grad:  # else the prediction is linear all through
            for group in moving.nonzero().flatten().tolist():
                [curve[:, group]] = torch.autograd.grad(
                    slope[:, group].sum(), factor, retain_graph=True, materialize_grads=True
                )
    except RuntimeError as error:
        raise InvalidData(
            f"the prediction cannot be differentiated twice ({error}); write it in operations of "
            "torch that can, or use permutations for pairs of groups"
        ) from error
    return slope.detach(), curve
