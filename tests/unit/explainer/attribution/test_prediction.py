"""Baselines, groups and predictions: what fits is paired, what does not is refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from catena.explainer.attribution.prediction import (
    Attribution,
    Groups,
    check_depends,
    check_inputs,
    paired_baselines,
    predictions,
    reference_predictions,
    shares,
    which_outputs,
    worst_share,
)
from catena.shared.errors import InvalidData

NAN = float("nan")


def known(rows: Tensor) -> Tensor:
    """Sum of what is there, and the number of gaps."""
    return torch.stack([rows.nan_to_num(nan=0.0).sum(1), rows.isnan().sum(1).to(rows)], 1)


def test_what_is_missing_in_a_sample_is_missing_in_its_baselines() -> None:
    inputs = torch.tensor([[1.0, NAN, 3.0], [1.0, 2.0, 3.0]])
    baselines = torch.tensor([[10.0, 20.0, NAN], [NAN, 40.0, NAN], [30.0, 60.0, NAN]])
    paired = paired_baselines(inputs, baselines)
    whole = torch.tensor([[10.0, 20.0, 0.0], [20.0, 40.0, 0.0], [30.0, 60.0, 0.0]])
    assert torch.equal(paired[1], whole)  # the mean of the others, and 0 where there is none
    assert paired[0, :, 1].isnan().all()
    assert torch.equal(paired[0][:, [0, 2]], whole[:, [0, 2]])


def test_reference_predictions_are_those_of_the_paired_baselines() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(9, 4, generator=generator)
    inputs[torch.rand(9, 4, generator=generator) < 0.3] = NAN
    baselines = torch.randn(5, 4, generator=generator)
    baselines[2, 1] = NAN
    found = reference_predictions(known, inputs, baselines, per_pass=3)
    wanted = known(paired_baselines(inputs, baselines).flatten(0, 1)).view(9, 5, 2).double()
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_baselines_of_samples_with_the_same_gaps_are_predicted_once() -> None:
    seen = []

    def counted(rows: Tensor) -> Tensor:
        seen.append(len(rows))
        return known(rows)

    reference_predictions(counted, torch.randn(50, 4), torch.randn(6, 4))
    assert sum(seen) == 6


@pytest.mark.parametrize(
    ("inputs", "baselines", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(1, 4), r"baselines of 4 columns do not fit samples of 3"),
        (torch.zeros(2, 3), torch.zeros(3), r"baselines are a matrix .*shape \(3,\)"),
        (torch.zeros(0, 3), torch.zeros(1, 3), r"samples are a matrix .*shape \(0, 3\)"),
        (torch.zeros(2, 3).long(), torch.zeros(1, 3), r"samples .*int64"),
        (torch.full((2, 3), torch.inf), torch.zeros(1, 3), "samples have an infinite number"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: Tensor, baselines: Tensor, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        check_inputs(inputs, baselines)


def test_predictions_that_are_not_finite_are_counted() -> None:
    rows = torch.tensor([[1.0], [-1.0], [4.0]])
    with pytest.raises(InvalidData, match=r"1 of 3 predictions are NaN or infinite \(outputs \[0"):
        predictions(torch.sqrt, rows)


def test_a_prediction_that_mixes_rows_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"4 rows of inputs gave predictions of shape \(1, 3\)"):
        predictions(lambda rows: rows.mean(0, keepdim=True), torch.zeros(4, 3))


def test_a_prediction_that_uses_no_input_is_refused() -> None:
    same = torch.full((3, 2), 1.5)
    with pytest.raises(InvalidData, match=r"the same \(1.5\) for all 3 samples and their 4 base"):
        check_depends(same, torch.full((3, 4, 2), 1.5))


def test_the_range_covers_samples_and_baselines() -> None:
    span = check_depends(torch.tensor([[1.0, 2.0]]), torch.tensor([[[-2.0, 2.0], [0.0, 2.0]]]))
    assert span.tolist() == [3.0, 0.0]
    # an output that does not vary is measured by the others
    errors = torch.tensor([[0.3, -1.5]])
    torch.testing.assert_close(shares(errors, span), torch.tensor([[0.1, 0.5]]))
    assert worst_share(errors, span) == pytest.approx(0.5)


def test_groups_sum_their_columns() -> None:
    groups = Groups.of(["rain", "flow", "rain"])
    assert groups.names == ("rain", "flow")
    values = torch.tensor([[[1.0, 2.0, 4.0]]])
    assert groups.sums(values).tolist() == [[[5.0, 2.0]]]
    none = torch.zeros(1, 1)
    made = Attribution(values, none, none, none, torch.ones(1), 1)
    assert torch.equal(made.grouped(groups), values @ groups.membership(values.dtype))


@pytest.mark.parametrize(
    ("names", "index"),
    [(("a", "b"), [0, 0]), (("a", "a"), [0, 1]), (("a",), [0, 1]), (("a", "b"), [0.0, 1.0])],
)
def test_groups_that_make_no_sense_are_refused(names: tuple[str, ...], index: list[float]) -> None:
    with pytest.raises(InvalidData, match="groups"):
        Groups(names, torch.tensor(index))


def test_groups_of_other_columns_are_refused() -> None:
    with pytest.raises(InvalidData, match="groups of 2 columns do not fit inputs of 3"):
        Groups.of("ab").sums(torch.zeros(1, 3))


@pytest.mark.parametrize("outputs", [[], [3], [-1], [0, 5]])
def test_outputs_that_are_not_there_are_refused(outputs: list[int]) -> None:
    with pytest.raises(InvalidData, match="the prediction has 3: 0 to 2"):
        which_outputs(outputs, 3)
