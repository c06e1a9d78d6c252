"""Integrated Gradients and their expectation over baselines, of all outputs at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from catena.explainer.attribution.differentiation import check_graph, without_denormals
from catena.explainer.attribution.prediction import (
    ROWS,
    Attribution,
    Predict,
    check_depends,
    check_output,
    paired_baselines,
    predictions,
    reference_predictions,
    shares,
    which_outputs,
)
from catena.explainer.attribution.quadrature import rule_named
from catena.shared.errors import InvalidData

TOLERANCE = 1e-4
"""Completeness error, as a share of the range of the prediction, above which steps are doubled."""
MOST_STEPS = 256
"""Steps that are not doubled any more."""


class IntegratedGradients:
    """Contributions of the inputs along straight paths from baselines to a sample.

    ``(x - x') int_0^1 grad f(x' + a (x - x')) da`` (Sundararajan, Taly & Yan 2017, Eq. 1), and
    with several baselines the mean over them: expected gradients (Erion et al. 2021, section 2.2),
    whose reference is the mean prediction of the baselines.

    Parameters
    ----------
    predict : Predict
        (B, D) to (B, K), differentiable.
    steps : int
        Nodes of each path.
    rule : str
        ``gauss_legendre`` or ``midpoint``.
    tolerance : float
        Share of the range of the prediction; the steps of samples with a larger completeness error
        are doubled.
    most_steps : int
        Where doubling ends. What error is left then is in the result.
    rows : int
        Inputs that are differentiated in one pass; at least one path is.

    Raises
    ------
    InvalidData
        When there is no such rule, or no step or row.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        steps: int = 8,
        rule: str = "gauss_legendre",
        tolerance: float = TOLERANCE,
        most_steps: int = MOST_STEPS,
        rows: int = ROWS,
    ) -> None:
        rule_named(rule, steps)
        if rows < 1 or not tolerance > 0:
            raise InvalidData(
                f"rows of a pass are 1 or more and the tolerance is positive; got {rows} and "
                f"{tolerance}"
            )
        self._predict, self._rule, self._rows = predict, rule, rows
        self._steps, self._tolerance, self._most_steps = steps, tolerance, most_steps

    def attribute(
        self, inputs: Tensor, baselines: Tensor, outputs: Sequence[int] | None = None
    ) -> Attribution:
        """Contributions of every column to every output.

        Parameters
        ----------
        inputs : Tensor, (N, D)
            Samples; NaN where missing. What is missing contributes exactly 0.
        baselines : Tensor, (M, D)
            Of all samples, see :func:`prediction.paired_baselines`. One makes plain Integrated
            Gradients, several the expectation over them.
        outputs : sequence of int, optional
            The outputs wanted, which become the K of the result; all if left out.

        Raises
        ------
        InvalidData
            When inputs and baselines do not fit, a prediction is not finite, has no gradient or
            does not depend on any input, or there is no such output.
        """
        with without_denormals():
            paired = paired_baselines(inputs, baselines)
            prediction = predictions(self._predict, inputs, self._rows)
            references = reference_predictions(self._predict, inputs, baselines, self._rows)
            chosen = which_outputs(outputs, prediction.shape[1])
            prediction, references = prediction[:, chosen], references[..., chosen]
            span = check_depends(prediction, references)
            reference = references.mean(1)
            change = prediction - reference

            steps, evaluations = self._steps, len(inputs) * len(baselines) * self._steps
            values = self._paths(inputs, paired, chosen, steps)
            delta = values.sum(-1) - change
            while 2 * steps <= self._most_steps:
                open_ = shares(delta, span) > self._tolerance
                if not bool(open_.any()):
                    break
                steps *= 2
                at, of = open_.any(1).nonzero().flatten(), open_.any(0).nonzero().flatten()
                values[at[:, None], of] = self._paths(inputs[at], paired[at], chosen[of], steps)
                delta = values.sum(-1) - change
                evaluations += len(at) * len(baselines) * steps
        return Attribution(values, prediction, reference, delta, span, evaluations)

    def _paths(self, inputs: Tensor, paired: Tensor, outputs: Tensor, steps: int) -> Tensor:
        """Contributions (N, K, D), float64, by `steps` nodes on each path."""
        (samples, each), columns = paired.shape[:2], inputs.shape[1]
        values = torch.zeros(samples, len(outputs), columns, dtype=torch.float64)
        pairs = torch.arange(samples * each)
        for some in pairs.tensor_split(-(-len(pairs) * steps // max(self._rows, steps))):
            sample = some // each
            start = paired[sample, some % each]
            added = self._contributions(start, inputs[sample] - start, outputs, steps)
            values.index_add_(0, sample, added)
        return values / each

    def _contributions(self, start: Tensor, way: Tensor, outputs: Tensor, steps: int) -> Tensor:
        """Contributions (P, K, D), float64, of paths that begin at `start` and go `way` (P, D)."""
        nodes, weights = (x.to(way.dtype) for x in rule_named(self._rule, steps))
        # a shift of the whole path: its gradient is the sum over the nodes
        shift = torch.zeros_like(start).requires_grad_()
        points = (start + shift)[:, None] + nodes[:, None] * way[:, None]
        output = check_output(self._predict(points.flatten(0, 1)), len(way) * steps)
        check_graph(output)
        share = output.new_zeros(output.shape)
        mean = []
        for k in outputs.tolist():
            share.zero_()[:, k] = weights.repeat(len(way))
            [gradient] = torch.autograd.grad(output, shift, share, retain_graph=True)
            mean.append(gradient)
        missing = way.isnan()[:, None]
        whole = torch.where(missing, 0.0, torch.stack(mean, 1) * way[:, None])
        return whole.double()
