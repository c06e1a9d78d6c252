"""What all methods of attribution share: the prediction, its baselines, groups, and the result."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from catena.shared.errors import InvalidData

Predict = Callable[[Tensor], Tensor]
"""From rows of inputs (B, D) to predictions (B, K) in units of the prediction; each row by itself,
and differentiable. One whose attribute `gradients_together` is true has gradients of many outputs
that are cheaper in one call (`torch.func.vmap`) than one after the other."""

ROWS = 256
"""Rows of inputs that go through a prediction in one pass: what bounds the memory."""


@dataclass(frozen=True)
class Groups:
    """Columns of the inputs that are looked at as one feature.

    Parameters
    ----------
    names : tuple of str, (G,)
        One of each group.
    index : Tensor, (D,), int64
        The group that each column is in.

    Raises
    ------
    InvalidData
        When the index points to no group, a group has no column, or two have the same name.
    """

    names: tuple[str, ...]
    index: Tensor

    def __post_init__(self) -> None:
        size = len(self.names)
        if self.index.ndim != 1 or self.index.is_floating_point():
            raise InvalidData(
                f"groups need one whole number per column, (D,); got {self.index.dtype} of shape "
                f"{tuple(self.index.shape)}"
            )
        found = set(self.index.tolist())
        if len(set(self.names)) != size or found != set(range(size)):
            raise InvalidData(
                f"{size} groups ({', '.join(self.names[:8])}) need different names and one column "
                f"or more each; the columns are in groups {sorted(found)[:8]}: number the groups "
                f"0 to {size - 1} and leave out empty ones"
            )

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, labels: Sequence[Hashable]) -> Groups:
        """Groups from a label per column, in the order in which the labels are first seen."""
        order = {label: place for place, label in enumerate(dict.fromkeys(labels))}
        index = torch.tensor([order[label] for label in labels], dtype=torch.int64)
        return cls(tuple(str(label) for label in order), index)

    def membership(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """1 where a column (D) is in a group (G), else 0."""
        return torch.nn.functional.one_hot(self.index, len(self)).to(dtype)

    def sums(self, values: Tensor) -> Tensor:
        """Sums (..., G) over the columns of each group of `values` (..., D).

        Raises
        ------
        InvalidData
            When the values have another number of columns.
        """
        self.check(values.shape[-1])
        total = values.new_zeros(*values.shape[:-1], len(self))
        return total.index_add_(-1, self.index, values)

    def check(self, columns: int) -> None:
        """Refuse groups of another number of columns.

        Raises
        ------
        InvalidData
            With both numbers.
        """
        if len(self.index) != columns:
            raise InvalidData(
                f"groups of {len(self.index)} columns do not fit inputs of {columns}; give each "
                "column of the inputs a group"
            )


@dataclass(frozen=True)
class Attribution:
    """Contributions of columns to predictions; all in units of the prediction.

    Parameters
    ----------
    values : Tensor, (N, K, D), float64
        Contributions of columns to output k of sample n; exactly 0 where an input is missing.
    prediction, reference : Tensor, (N, K), float64
        f(x), and the mean of f over the baselines of a sample.
    delta : Tensor, (N, K), float64
        Completeness error: the sum of the contributions less `prediction - reference`.
    span : Tensor, (K,), float64
        Range of the prediction over samples and baselines: what errors are measured by.
    evaluations : int
        Rows of inputs that were differentiated.
    """

    values: Tensor
    prediction: Tensor
    reference: Tensor
    delta: Tensor
    span: Tensor
    evaluations: int

    @property
    def completeness(self) -> float:
        """The largest completeness error, as a share of the range of its output."""
        return worst_share(self.delta, self.span)

    def grouped(self, groups: Groups) -> Tensor:
        """Contributions of groups of columns, (N, K, G)."""
        return groups.sums(self.values)


def check_inputs(inputs: Tensor, baselines: Tensor) -> None:
    """Refuse inputs and baselines that do not fit together.

    Parameters
    ----------
    inputs : Tensor, (N, D)
        Samples to explain; NaN where missing.
    baselines : Tensor, (M, D)
        What they are compared with; NaN where missing.

    Raises
    ------
    InvalidData
        When either is no matrix of floating-point numbers with a row, their columns differ, or
        there is an infinite number.
    """
    for name, rows in (("samples", inputs), ("baselines", baselines)):
        if rows.ndim != 2 or not rows.numel() or not rows.is_floating_point():
            raise InvalidData(
                f"{name} are a matrix of floating-point numbers with one row or more; got "
                f"{rows.dtype} of shape {tuple(rows.shape)}"
            )
        if rows.isinf().any():
            raise InvalidData(f"{name} have an infinite number; write what is missing as NaN")
    if inputs.shape[1] != baselines.shape[1]:
        raise InvalidData(
            f"baselines of {baselines.shape[1]} columns do not fit samples of {inputs.shape[1]}; "
            f"baselines of shape (any number, {inputs.shape[1]}) are wanted: make them like the "
            "samples"
        )


def paired_baselines(inputs: Tensor, baselines: Tensor) -> Tensor:
    """Baselines of each sample, (N, M, D): whatever is missing in a sample is missing in them.

    Models flag missing values themselves, so a path from a missing value to a present one has no
    meaning. Where an input is missing, the baselines are too, and it contributes nothing. Where an
    input is present and missing in a baseline, that takes the mean of the other baselines, and 0
    if none has a value.

    Parameters
    ----------
    inputs, baselines : Tensor, (N, D) and (M, D)
        As in :func:`check_inputs`, which they pass.

    Raises
    ------
    InvalidData
        As :func:`check_inputs`.
    """
    check_inputs(inputs, baselines)
    mean = baselines.nanmean(0).nan_to_num(nan=0.0)
    whole = torch.where(baselines.isnan(), mean, baselines).to(inputs.dtype)
    return torch.where(inputs.isnan()[:, None], torch.nan, whole)


def predictions(predict: Predict, rows: Tensor, per_pass: int = ROWS) -> Tensor:
    """Predictions (B, K) of rows (B, D), in float64 and without a graph.

    Raises
    ------
    InvalidData
        When a prediction is not finite, or is no matrix with one row per row of inputs.
    """
    with torch.no_grad():
        parts = [
            check_output(predict(part), len(part)).double() for part in torch.split(rows, per_pass)
        ]
    return torch.cat(parts)


def check_output(output: Tensor, rows: int) -> Tensor:
    """The output of a pass of `rows` rows, if it is fit to be explained.

    Raises
    ------
    InvalidData
        When it is not (rows, K), or has NaN or infinite numbers.
    """
    if output.ndim != 2 or len(output) != rows or not output.shape[1]:
        raise InvalidData(
            f"{rows} rows of inputs gave predictions of shape {tuple(output.shape)}; "
            f"({rows}, number of outputs) is wanted: a row must be predicted by itself"
        )
    bad = ~output.isfinite()
    if bad.any():
        raise InvalidData(
            f"{int(bad.any(1).sum())} of {rows} predictions are NaN or infinite (outputs "
            f"{bad.any(0).nonzero().flatten().tolist()[:8]}); such a model cannot be explained: "
            "look at its weights, and at inputs outside the range that it was trained on"
        )
    return output


def reference_predictions(
    predict: Predict, inputs: Tensor, baselines: Tensor, per_pass: int = ROWS
) -> Tensor:
    """Predictions (N, M, K) of the baselines of each sample, see :func:`paired_baselines`.

    Samples that lack the same columns have the same baselines, which are predicted once.

    Raises
    ------
    InvalidData
        As :func:`paired_baselines` and :func:`predictions`.
    """
    missing, pattern = torch.unique(inputs.isnan(), dim=0, return_inverse=True)
    stand_in = torch.where(missing, torch.nan, torch.zeros_like(inputs[:1]))
    paired = paired_baselines(stand_in, baselines)
    values = predictions(predict, paired.flatten(0, 1), per_pass)
    return values.view(len(missing), len(baselines), -1)[pattern]


def check_depends(prediction: Tensor, references: Tensor) -> Tensor:
    """Range (K,) of the predictions over samples and baselines.

    Parameters
    ----------
    prediction : Tensor, (N, K)
        Of the samples.
    references : Tensor, (N, M, K)
        Of their baselines.

    Raises
    ------
    InvalidData
        When no output differs between any two of them: such a model uses none of its inputs.
    """
    every = torch.cat([prediction, references.flatten(0, 1)])
    low, high = every.aminmax(dim=0)
    span: Tensor = high - low
    if not bool((span > 0).any()):
        raise InvalidData(
            f"the prediction is the same ({float(low[0]):.6g}) for all {len(prediction)} samples "
            f"and their {references.shape[1]} baselines: there is nothing to explain. Train the "
            "model, or give samples that differ from the baselines"
        )
    return span


def shares(errors: Tensor, span: Tensor) -> Tensor:
    """Sizes of errors (..., K) as shares of the range (K,) of their outputs.

    An output that does not vary has the widest range of all outputs as its own.
    """
    return errors.abs() / torch.where(span > 0, span, span.max())


def worst_share(errors: Tensor, span: Tensor) -> float:
    """The largest of :func:`shares`."""
    return float(shares(errors, span).max())


def which_outputs(outputs: Sequence[int] | None, size: int) -> Tensor:
    """Numbers (K,) of the outputs that are wanted, of `size` that there are.

    Raises
    ------
    InvalidData
        When one is not there, or none is wanted.
    """
    chosen = list(range(size)) if outputs is None else list(outputs)
    if not chosen or not all(0 <= k < size for k in chosen):
        raise InvalidData(f"no outputs {chosen}; the prediction has {size}: 0 to {size - 1}")
    return torch.tensor(chosen)
