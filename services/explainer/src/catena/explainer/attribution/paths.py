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


NODES = 16
"""Nodes of a part of a path that was cut."""
MOST_PARTS = 64
"""Parts of a path, on average, that are cut further: more of them are no switches, but noise."""
ROUNDINGS = 64
"""Roundings of the prediction that an error may be of, however small its range is."""
SHARE = 8
"""Parts of a path have to be so many times more complete than it: several are left."""


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
        self._predict = predict
        prediction = predictions(predict, inputs, rows)
        references = reference_predictions(predict, inputs, baselines, rows)
        self.outputs = which_outputs(outputs, prediction.shape[1])
        self.prediction, self._references = (
            prediction[:, self.outputs],
            references[..., self.outputs],
        )
        self.span = check_depends(self.prediction, self._references)
        size = torch.cat([self.prediction[:, None], self._references], 1).abs().amax((0, 1))
        self._rounding = ROUNDINGS * torch.finfo(inputs.dtype).eps * size

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
        cuts: int = 0,
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
            A path is accepted as it is, or cut, when twice its nodes would be more.
        cuts : int
            How often a path is cut into halves at most, and each half that is not complete again.
            Only for contributions that add up along a path.

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
        steep: list[Tensor] = []
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
                error = self._error(found, change)
                last = 2 * steps > most_steps
                done = (error <= tolerance) | (last and not cuts)
                values.index_add_(0, sample[done], found[done])
                if last:
                    steep.append(some[~done])
                    continue
                # the error of Gauss's rules falls to its square with twice the nodes: where that
                # is not enough, the rule between would be made in vain
                far = ~done & (error.square() > tolerance) & (4 * steps <= most_steps)
                for more, which in ((4, far), (2, ~done & ~far)):
                    if bool(which.any()):
                        waiting.setdefault(more * steps, []).append(some[which])
        if steep and len(paths := torch.cat(steep)):
            evaluations += self._cut(contributions, paths, tolerance / SHARE, cuts, values)
        return values / each, evaluations

    def _cut(
        self,
        contributions: Contributions,
        paths: Tensor,
        tolerance: float,
        cuts: int,
        values: Tensor,
    ) -> int:
        """Add the contributions of steep paths to `values`, part by part; rows that it took.

        A switch on the way is steep in a short part of it: nodes are spent there. A part is
        complete when its contributions add up to the change of the prediction over it.
        """
        each, evaluations, number = self._references.shape[1], 0, len(paths)
        low, high = torch.zeros(len(paths)), torch.ones(len(paths))
        start, end = self._references.flatten(0, 1)[paths], self.prediction[paths // each]
        for cut in range(1, cuts + 1):
            middle = (low + high) / 2
            between = predictions(self._predict, self._at(paths, middle), self.rows)
            between = between[:, self.outputs]
            paths = paths.repeat(2)
            low, high = torch.cat([low, middle]), torch.cat([middle, high])
            start, end = torch.cat([start, between]), torch.cat([between, end])
            left, last = [], cut == cuts or len(paths) > MOST_PARTS * number
            for some in torch.split(torch.arange(len(paths)), max(self.rows // NODES, 1)):
                first = self._at(paths[some], low[some])
                way = self._at(paths[some], high[some]) - first
                found = contributions(first, way, NODES)
                evaluations += len(some) * NODES
                change = end[some] - start[some]
                done = (self._error(found, change) <= tolerance) | last
                values.index_add_(0, paths[some][done] // each, found[done])
                left.append(some[~done])
            keep = torch.cat(left)
            if not len(keep):
                break
            paths, low, high, start, end = (x[keep] for x in (paths, low, high, start, end))
        return evaluations

    def _error(self, found: Tensor, change: Tensor) -> Tensor:
        """Largest completeness error (P,) of contributions, as a share; 0 if it may be rounding."""
        error = found.flatten(2).sum(-1) - change
        return shares(torch.where(error.abs() <= self._rounding, 0.0, error), self.span).amax(1)

    def _at(self, paths: Tensor, share: Tensor) -> Tensor:
        """Points (P, D) of paths, a share (P,) of the way from the baseline."""
        each = self._references.shape[1]
        start = self._paired.flatten(0, 1)[paths]
        return start + share[:, None].to(start) * (self._inputs[paths // each] - start)


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
