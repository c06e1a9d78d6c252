"""Shapley values of groups of columns, through the `shap` package, for all outputs at once.

The players of the game are the groups. A coalition is worth the prediction when its groups are
present and all others take the columns of a baseline, averaged over the baselines (interventional
Shapley values: Lundberg & Lee (2017), NeurIPS 30, section 4; Janzing et al. (2020), AISTATS 108).

=============  ===========================================  ====================================
kind           estimator                                    the sum of the contributions
=============  ===========================================  ====================================
kernel         regression weighted by the Shapley kernel    exact: it is a constraint of the fit
permutation    random orders, each forward and backward     exact: differences telescope
gradient       gradients at random points of the way        only in the limit of many points
=============  ===========================================  ====================================

An exact sum is no proof of exact contributions: those have a sampling error, that falls with the
square root of the samples asked for. `shap`'s DeepExplainer is not offered, see :data:`NO_DEEP`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.explainer.attribution.coalitions import CoalitionGame, draws_seed, global_draws
from catena.explainer.attribution.differentiation import check_graph, without_denormals
from catena.explainer.attribution.prediction import (
    ROWS,
    Groups,
    Predict,
    check_depends,
    check_inputs,
    check_output,
    paired_baselines,
    predictions,
    reference_predictions,
    shares,
    which_outputs,
)
from catena.shared.errors import InvalidData, InvalidRequest

ADDITIVITY = 0.01
"""Share of the range of the prediction by which contributions may miss their sum."""

Explain = Callable[[CoalitionGame, int], NDArray[np.float64]]
"""From the game of one sample and a seed to contributions of its players, (P, K)."""

NO_DEEP = (
    "DeepExplainer of shap is not offered: it does not know LSTM and attention, treats them as "
    "linear, and its contributions then miss their sum by 37 to 222 % of the range of the "
    "prediction without an error. Ask for kernel, permutation or gradient SHAP, or for integrated "
    "gradients"
)
"""Why a request for DeepExplainer is refused."""


@dataclass(frozen=True)
class GroupAttribution:
    """Contributions of groups of columns to predictions; all in units of the prediction.

    Parameters
    ----------
    names : tuple of str, (G,)
        Names of the groups.
    values : Tensor, (N, K, G), float64
        Contributions to output k of sample n; exactly 0 where a group is missing, or is the same in
        the sample and all baselines.
    prediction, reference : Tensor, (N, K), float64
        f(x), and the mean of f over the baselines of a sample.
    delta : Tensor, (N, K), float64
        Additivity error: the sum of the contributions less `prediction - reference`.
    span : Tensor, (K,), float64
        Range of the prediction over samples and baselines: what errors are measured by.
    evaluations : int
        Rows of inputs that were predicted, or differentiated once for each output.
    """

    names: tuple[str, ...]
    values: Tensor
    prediction: Tensor
    reference: Tensor
    delta: Tensor
    span: Tensor
    evaluations: int

    @property
    def additivity(self) -> float:
        """The largest additivity error, as a share of the range of its output."""
        return float(shares(self.delta, self.span).max())


def kernel_shap(
    predict: Predict,
    inputs: Tensor,
    baselines: Tensor,
    groups: Groups,
    *,
    outputs: Sequence[int] | None = None,
    coalitions: int | None = None,
    seed: int = 0,
    rows: int = ROWS,
) -> GroupAttribution:
    """Shapley values by a weighted regression on coalitions of groups.

    Lundberg & Lee (2017), NeurIPS 30, theorem 2, by ``shap.KernelExplainer`` without its selection
    of features, which would put most groups to 0. Exact where all 2^G coalitions are tried.

    Parameters
    ----------
    predict : callable
        From rows (B, D) to predictions (B, K).
    inputs : Tensor, (N, D)
        Samples to explain; NaN where missing.
    baselines : Tensor, (M, D)
        What they are compared with; see :func:`paired_baselines` for missing values.
    groups : Groups
        The group of each column.
    outputs : sequence of int, optional
        Outputs to explain; all by default.
    coalitions : int, optional
        Coalitions tried for each sample, each with all M baselines. ``2048 + 2 G`` by default.
    seed : int
        Of the draws; draws of sample n depend on it and on n alone.
    rows : int
        Rows of inputs in one pass.

    Raises
    ------
    InvalidData
        As :func:`check_inputs` and :func:`check_depends`; too few coalitions; or a sum that is
        wrong by more than 1 % of the range of the prediction, with the figure.
    """
    tried = 2048 + 2 * len(groups) if coalitions is None else coalitions
    fewest = _fewest_coalitions(len(groups))
    if tried < fewest:
        raise InvalidData(
            f"{tried} coalitions are too few for {len(groups)} groups: {fewest} or more are "
            f"wanted. Ask for more, or join columns into fewer groups"
        )

    def explain(game: CoalitionGame, word: int) -> NDArray[np.float64]:
        import shap

        np.random.seed(word)  # noqa: NPY002  (shap draws from the global generator)
        players = len(game)
        explainer = shap.KernelExplainer(game, np.zeros((1, players)))
        found = explainer.shap_values(
            np.ones((1, players)), nsamples=tried, l1_reg=False, silent=True
        )
        values: NDArray[np.float64] = np.asarray(found)[0]
        return values

    problem = _Problem.of(predict, inputs, baselines, groups, outputs, rows)
    return problem.solved("kernel", "coalitions", tried, problem.by_games(explain, seed))


def permutation_shap(
    predict: Predict,
    inputs: Tensor,
    baselines: Tensor,
    groups: Groups,
    *,
    outputs: Sequence[int] | None = None,
    orders: int = 10,
    seed: int = 0,
    rows: int = ROWS,
) -> GroupAttribution:
    """Shapley values as means over random orders in which the groups enter and leave.

    Castro et al. (2009), Comput. Oper. Res. 36:1726; with each order also backward (Mitchell et al.
    (2022), J. Mach. Learn. Res. 23:43, section 2.3), by ``shap.PermutationExplainer``. One order is
    exact where groups act together in pairs at most.

    Parameters
    ----------
    predict, inputs, baselines, groups, outputs, seed, rows
        As in :func:`kernel_shap`.
    orders : int
        Random orders for each sample; each costs ``2 G + 1`` coalitions with all M baselines.

    Raises
    ------
    InvalidData
        As :func:`kernel_shap`.
    """
    if orders < 1:
        raise InvalidData(f"{orders} orders of the groups; 1 or more are wanted")

    def explain(game: CoalitionGame, word: int) -> NDArray[np.float64]:
        import shap

        steps = 2 * len(game) + 1
        explainer = shap.PermutationExplainer(game, lambda mask, _: mask[None], seed=word)
        found = explainer(
            np.ones((1, len(game))), max_evals=orders * steps, batch_size=steps, silent=True
        )
        values: NDArray[np.float64] = np.asarray(found.values)[0]
        return values

    problem = _Problem.of(predict, inputs, baselines, groups, outputs, rows)
    return problem.solved("permutation", "orders", orders, problem.by_games(explain, seed))


def gradient_shap(
    predict: Predict,
    inputs: Tensor,
    baselines: Tensor,
    groups: Groups,
    *,
    outputs: Sequence[int] | None = None,
    samples: int = 200,
    seed: int = 0,
    rows: int = ROWS,
) -> GroupAttribution:
    """Expected gradients of columns, summed over groups.

    Erion et al. (2021), Nat. Mach. Intell. 3:620, equation 3, by ``shap.GradientExplainer``: it is
    integrated gradients with random baselines and random points on the way to them, and its sum is
    off by the sampling error. The expected-baseline integrated gradients of this package have the
    same limit and reach it with fewer points.

    Parameters
    ----------
    predict, inputs, baselines, groups, outputs, seed, rows
        As in :func:`kernel_shap`; the prediction must be differentiable.
    samples : int
        Random points for each sample and each output.

    Raises
    ------
    InvalidData
        As :func:`kernel_shap`; a prediction without gradient, or whose gradient is not finite.
    """
    if samples < 1:
        raise InvalidData(f"{samples} samples of the gradient; 1 or more are wanted")
    problem = _Problem.of(predict, inputs, baselines, groups, outputs, rows)
    module = _AsModule(problem.predict, inputs.dtype)

    def explain(n: int, word: int) -> Tensor:
        import shap

        explainer = shap.GradientExplainer(module, problem.paired(n), batch_size=rows)
        found = explainer.shap_values(problem.inputs[n : n + 1], nsamples=samples, rseed=word)
        columns = torch.as_tensor(found[0]).reshape(inputs.shape[1], -1).T
        # the difference of two missing values is no number: what is missing contributes nothing
        columns = torch.where(problem.inputs[n].isnan().cpu(), 0.0, columns)
        if not columns.isfinite().all():
            raise InvalidData(
                f"the gradient of the prediction is NaN or infinite on the way to sample {n}; ask "
                "for kernel or permutation SHAP, which need no gradient"
            )
        return groups.sums(columns)

    check_graph(problem.predict(problem.inputs[:1].detach().requires_grad_()))
    with global_draws(), without_denormals():
        found = [explain(n, draws_seed(seed, n)) for n in range(len(inputs))]
    problem.evaluations += len(inputs) * samples
    return problem.solved("gradient", "random points", samples, torch.stack(found))


SHAP_KINDS: dict[str, Callable[..., GroupAttribution]] = {
    "kernel_shap": kernel_shap,
    "permutation_shap": permutation_shap,
    "gradient_shap": gradient_shap,
}
"""The kinds of SHAP that are offered, by name."""


def shap_kind(name: str) -> Callable[..., GroupAttribution]:
    """The function of a kind of SHAP.

    Raises
    ------
    InvalidRequest
        When there is no such kind, and for DeepExplainer with the reason.
    """
    if "deep" in name.lower():
        raise InvalidRequest(NO_DEEP)
    if name not in SHAP_KINDS:
        raise InvalidRequest(f"there is no SHAP of kind {name!r}; take {', '.join(SHAP_KINDS)}")
    return SHAP_KINDS[name]


class _AsModule(torch.nn.Module):
    """A prediction as `shap` wants it: a module, whose gradients and mode it may set."""

    def __init__(self, predict: Predict, dtype: torch.dtype) -> None:
        super().__init__()
        # in a function, so that it is no submodule even where it is a module itself
        self.call: Predict = lambda rows: predict(rows.to(dtype))

    def forward(self, rows: Tensor) -> Tensor:
        """Predictions (B, K) of rows (B, D)."""
        return self.call(rows)


@dataclass
class _Problem:
    """What the kinds of SHAP share: checked inputs, and the sum that contributions must have."""

    predict: Predict
    inputs: Tensor
    baselines: Tensor
    groups: Groups
    rows: int
    prediction: Tensor
    reference: Tensor
    span: Tensor
    evaluations: int = 0

    @classmethod
    def of(
        cls,
        predict: Predict,
        inputs: Tensor,
        baselines: Tensor,
        groups: Groups,
        outputs: Sequence[int] | None,
        rows: int,
    ) -> _Problem:
        check_inputs(inputs, baselines)
        groups.check(inputs.shape[1])
        chosen = predict if outputs is None else _chosen(predict, outputs)
        prediction = predictions(chosen, inputs, rows)
        references = reference_predictions(chosen, inputs, baselines, rows)
        span = check_depends(prediction, references)
        mean = references.mean(1)
        return cls(chosen, inputs, baselines, groups, rows, prediction, mean, span)

    def paired(self, n: int) -> Tensor:
        """Baselines (M, D) of sample n."""
        return paired_baselines(self.inputs[n : n + 1], self.baselines)[0]

    def by_games(self, explain: Explain, seed: int) -> Tensor:
        """Contributions (N, K, G) from what `explain` finds in each sample's game, (players, K)."""
        size = len(self.groups)
        values = torch.zeros(*self.prediction.shape, size, dtype=torch.float64)
        with global_draws():
            for n, sample in enumerate(self.inputs):
                game = CoalitionGame(
                    self.predict, sample, self.paired(n), self.groups.index, size, self.rows
                )
                if len(game):
                    found = torch.as_tensor(explain(game, draws_seed(seed, n)))
                    # shap leaves out the last axis of a single output
                    values[n][:, game.players] = found.view(len(game), -1).T
                    self.evaluations += game.evaluations
        return values

    def solved(self, kind: str, unit: str, size: int, values: Tensor) -> GroupAttribution:
        """The contributions, unless their sum is wrong."""
        prediction, reference, span = self.prediction.cpu(), self.reference.cpu(), self.span.cpu()
        result = GroupAttribution(
            names=self.groups.names,
            values=values,
            prediction=prediction,
            reference=reference,
            delta=values.sum(-1) - (prediction - reference),
            span=span,
            evaluations=self.evaluations,
        )
        if not result.additivity <= ADDITIVITY:
            raise InvalidData(_wrong_sum(kind, unit, size, result.additivity))
        return result


def _fewest_coalitions(groups: int) -> int:
    """So many that each group is tried alone, and all others without it.

    Without those the regression may be singular. By the Shapley kernel they have a share of about
    ``1 / (1 + 1/2 + ... + 1/(G - 1))`` of all draws; with few groups they are all there are.
    """
    harmonic = sum(1.0 / size for size in range(1, groups))
    return int(min(np.ceil(2 * groups * harmonic), 2 ** min(groups, 30) - 2))


def _wrong_sum(kind: str, unit: str, size: int, additivity: float) -> str:
    found = (
        f"contributions of {kind} SHAP miss their sum, prediction less reference, by "
        f"{100 * additivity:.3g} % of the range of the prediction; {100 * ADDITIVITY:g} % or less "
        f"is wanted"
    )
    if kind != "gradient":
        # their sums are exact for whatever is a function
        return f"{found}. The model gives other predictions for the same inputs: is it training?"
    wanted = float(f"{size * (additivity / ADDITIVITY) ** 2 * 1.5:.2g}")
    return (
        f"{found}. With {size} {unit} that is its sampling error, which falls with their square "
        f"root: ask for about {wanted:.0f}, or for integrated gradients, which have the same "
        f"limit. A request takes steps times baselines of them"
    )


def _chosen(predict: Predict, outputs: Sequence[int]) -> Predict:
    """The prediction of some outputs."""

    def chosen(rows: Tensor) -> Tensor:
        every = predict(rows)
        return check_output(every, len(rows))[:, which_outputs(outputs, every.shape[1])]

    return chosen
