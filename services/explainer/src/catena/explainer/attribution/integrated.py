"""Integrated Gradients and their expectation over baselines, of all outputs at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from catena.explainer.attribution.differentiation import without_denormals
from catena.explainer.attribution.paths import TOLERANCE, Paths, checked_pass
from catena.explainer.attribution.prediction import ROWS, Attribution, Predict
from catena.explainer.attribution.quadrature import rule_named

GRADIENTS = ("expected_gradients", "integrated_gradients")
"""Names of methods that give each column its own contribution: several baselines, or one."""
MOST_STEPS = 64
"""Steps of a path beyond which it is cut."""
MOST_CUTS = 12
"""Cuts of a path into halves, one after the other, beyond which there are no more."""
TOGETHER = 1024
"""Rows times outputs of gradients that are asked for in one call: about what stays in cache."""


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
        Share of the range of the prediction; paths with a larger completeness error get twice or
        four times the steps.
    most_steps : int
        Where that ends.
    cuts : int
        A path that is not complete then is cut into halves, and each half that is not again, so
        many times at most. What error is left then is in the result.
    rows : int
        Inputs that are differentiated in one pass; at least one path is.

    Raises
    ------
    InvalidData
        When there is no such rule, or no step.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        steps: int = 8,
        rule: str = "gauss_legendre",
        tolerance: float = TOLERANCE,
        most_steps: int = MOST_STEPS,
        cuts: int = MOST_CUTS,
        rows: int = ROWS,
    ) -> None:
        rule_named(rule, steps)
        self._predict, self._rule, self._rows = predict, rule, rows
        self._steps, self._tolerance, self._most_steps = steps, tolerance, most_steps
        self._cuts = cuts
        self._together = bool(getattr(predict, "gradients_together", False))

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
            paths = Paths(self._predict, inputs, baselines, outputs, self._rows)
            if self._together:
                paths.rows = min(self._rows, max(TOGETHER // len(paths.outputs), 1))

            def contributions(start: Tensor, way: Tensor, steps: int) -> Tensor:
                return self._contributions(start, way, steps, paths.outputs)

            values, evaluations = paths.integrate(
                contributions,
                inputs.shape[1:],
                self._steps,
                self._tolerance,
                self._most_steps,
                self._cuts,
            )
        return Attribution(
            values, paths.prediction, paths.reference, paths.delta(values), paths.span, evaluations
        )

    def _contributions(self, start: Tensor, way: Tensor, steps: int, outputs: Tensor) -> Tensor:
        """Contributions (P, K, D), float64, of paths that begin at `start` and go `way` (P, D)."""
        nodes, weights = (x.to(way.dtype) for x in rule_named(self._rule, steps))
        # a shift of the whole path: its gradient is the sum over the nodes
        shift = torch.zeros_like(start).requires_grad_()
        points = (start + shift)[:, None] + nodes[:, None] * way[:, None]
        output = checked_pass(self._predict, points.flatten(0, 1))
        weight = weights.to(output.dtype).repeat(len(way))

        def gradient(share: Tensor) -> Tensor:
            return torch.autograd.grad(output, shift, share, retain_graph=True)[0]

        chosen = torch.nn.functional.one_hot(outputs, output.shape[1]).to(output.dtype)
        if self._together:
            mean = torch.func.vmap(gradient)(weight[:, None] * chosen[:, None])
        else:
            mean = torch.stack([gradient(weight[:, None] * one) for one in chosen])
        # where an input is missing, the way is not a number
        return torch.where(way.isnan(), 0.0, mean * way).transpose(0, 1).double()
