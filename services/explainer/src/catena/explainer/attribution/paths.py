"""Straight paths from baselines to samples, and integrals along them to a given completeness."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from catena.explainer.attribution.differentiation import check_graph
from catena.explainer.attribution.prediction import (
    Predict,
    check_depends,
    check_output,
    paired_baselines,
    predictions,
    reference_predictions,
    shares,
    which_outputs,
)
from catena.shared.errors import InvalidData

Contributions = Callable[[Tensor, Tensor, int], Tensor]
"""Of paths that begin at (P, D), go a way (P, D) and have some nodes: (P, K, ...), float64, whose
sum is the change of the prediction if the nodes are enough."""

TOLERANCE = 1e-4
"""Completeness error of a path, as a share of the range of the prediction, above which it gets
twice or four times the nodes."""


class Paths:
    """All pairs of a sample and a baseline, and their predictions.

    Parameters
    ----------
    predict : Predict
        (B, D) to (B, K).
    inputs, baselines : Tensor, (N, D) and (M, D)
        See :func:`prediction.paired_baselines`.
    outputs : sequence of int or None
        The outputs wanted; all if None.
    rows : int
        Inputs in one pass.

    Raises
    ------
    InvalidData
        When inputs and baselines do not fit, a prediction is not finite or does not depend on any
        input, or there is no such output.
    """

    def __init__(
        self,
        predict: Predict,
        inputs: Tensor,
        baselines: Tensor,
        outputs: Sequence[int] | None,
        rows: int,
    ) -> None:
        if rows < 1:
            raise InvalidData(f"a pass has one row or more; got {rows}")
        self._inputs, self._paired, self.rows = inputs, paired_baselines(inputs, baselines), rows
        prediction = predictions(predict, inputs, rows)
        references = reference_predictions(predict, inputs, baselines, rows)
        self.outputs = which_outputs(outputs, prediction.shape[1])
        self.prediction, self._references = (
            prediction[:, self.outputs],
            references[..., self.outputs],
        )
        self.span = check_depends(self.prediction, self._references)

    @property
    def reference(self) -> Tensor:
        """Mean prediction of the baselines of each sample, (N, K)."""
        return self._references.mean(1)

    def delta(self, values: Tensor) -> Tensor:
        """Completeness error (N, K) of contributions (N, K, ...)."""
        return values.flatten(2).sum(-1) - (self.prediction - self.reference)

    def integrate(
        self,
        contributions: Contributions,
        shape: Sequence[int],
        steps: int,
        tolerance: float,
        most_steps: int,
    ) -> tuple[Tensor, int]:
        """Mean contributions over the paths of each sample.

        Parameters
        ----------
        contributions : Contributions
            Of some paths, see there.
        shape : sequence of int
            What follows (P, K) in their shape.
        steps : int
            Nodes of every path to begin with.
        tolerance : float
            Completeness error, as a share of the range, of a path that is accepted.
        most_steps : int
            A path is accepted as it is when twice its nodes would be more.

        Returns
        -------
        values : Tensor, (N, K, ...), float64
        evaluations : int
            Rows of inputs that were differentiated.

        Raises
        ------
        InvalidData
            When there is no step, no positive tolerance, or a gradient is not finite.
        """
        if steps < 1 or not tolerance > 0:
            raise InvalidData(
                f"one step or more and a positive tolerance are wanted; got {steps} and {tolerance}"
            )
        samples, each = self._references.shape[:2]
        values = torch.zeros(samples, len(self.outputs), *shape, dtype=torch.float64)
        waiting, evaluations = {steps: [torch.arange(samples * each)]}, 0
        while waiting:
            steps = min(waiting)
            paths = torch.cat(waiting.pop(steps))
            evaluations += len(paths) * steps
            for some in torch.split(paths, max(self.rows // steps, 1)):
                sample, baseline = some // each, some % each
                start = self._paired[sample, baseline]
                found = contributions(start, self._inputs[sample] - start, steps)
                if not bool(found.isfinite().all()):
                    raise InvalidData(
                        "the prediction is finite and its gradient is not; look for roots, "
                        "logarithms or divisions at 0 in it, or use permutation or kernel SHAP"
                    )
                change = self.prediction[sample] - self._references[sample, baseline]
                error = shares(found.flatten(2).sum(-1) - change, self.span).amax(1)
                done = (error <= tolerance) | (2 * steps > most_steps)
                values.index_add_(0, sample[done], found[done])
                # the error of Gauss's rules falls to its square with twice the nodes: where that
                # is not enough, the rule between would be made in vain
                far = ~done & (error.square() > tolerance) & (4 * steps <= most_steps)
                for more, which in ((4, far), (2, ~done & ~far)):
                    if bool(which.any()):
                        waiting.setdefault(more * steps, []).append(some[which])
        return values / each, evaluations


def checked_pass(predict: Predict, points: Tensor) -> Tensor:
    """Predictions (B, K) of points (B, D), with their graph.

    Raises
    ------
    InvalidData
        When they are not finite, not of one row per point, or keep no graph to their inputs.
    """
    output = check_output(predict(points), len(points))
    check_graph(output)
    return output
