from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.flow_networks import SMALL, flow_samples, small_network
from torch import Tensor

from catena.explainer.attribution.hessians import integrated_hessians
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.flow.columns import FlowColumns
from catena.explainer.flow.prediction import FlowPrediction, Target
from catena.models.derivatives import second_derivatives
from catena.shared.errors import InvalidData

CASES = [(name, "quantiles", "mean") for name in SMALL] + [
    ("tst", "quantiles", 0.9),
    ("tst", "cmal", "mean"),
    ("lstm", "cmal", 0.3),
    ("interpretable_lstm", "quantiles", 0.9),
]


def prediction_of(
    name: str, kind: str = "quantiles", target: Target = "mean", rows: int = 3
) -> tuple[FlowPrediction, Tensor]:
    """A prediction in double precision, and rows with gaps."""
    samples = flow_samples(rows, dtype=torch.float64)
    network = small_network(name, kind=kind).double()
    made = FlowPrediction.of_basin(network, samples, target)
    return made, made.columns.matrix(samples)


def along(rows: Tensor, seed: int) -> Tensor:
    """A random direction; 0 where an input is missing."""
    generator = torch.Generator().manual_seed(seed)
    way = torch.randn(rows.shape, generator=generator, dtype=rows.dtype)
    return torch.where(rows.isnan(), 0.0, way)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("target", ["mean", 0.8])
def test_it_is_the_networks_forecast_in_flow_units_not_cut_at_zero(
    name: str, target: Target
) -> None:
    samples = flow_samples(30)
    network = small_network(name)
    predict = FlowPrediction.of_basin(network, samples, target)
    with torch.no_grad():
        own = network(samples.inputs)
        scaled = own.mean() if target == "mean" else own.quantile([0.8])[..., 0]
        found = predict(predict.columns.matrix(samples))
    np.testing.assert_allclose(
        found.numpy(), samples.unscaled(scaled.numpy()), rtol=1e-5, atol=1e-5
    )
    dry = FlowPrediction(network, predict.columns, -100.0, 1.0, target)
    with torch.no_grad():
        found = dry(predict.columns.matrix(samples))
    torch.testing.assert_close(found, scaled - 100.0)


@pytest.mark.parametrize(("name", "kind", "target"), CASES)
def test_gradients_are_those_of_finite_differences(name: str, kind: str, target: Target) -> None:
    predict, rows = prediction_of(name, kind, target)
    leaf = rows.clone().requires_grad_()
    output = predict(leaf)
    for lead in (0, 5):
        way = along(rows, lead)
        [found] = torch.autograd.grad(output[:, lead].sum(), leaf, retain_graph=True)
        step = 1e-6
        with torch.no_grad():
            change = (predict(rows + step * way) - predict(rows - step * way))[:, lead] / (2 * step)
        slope = (torch.where(rows.isnan(), 0.0, found) * way).sum(1)
        torch.testing.assert_close(slope, change, rtol=1e-6, atol=1e-7)
        assert (change.abs() > 1e-3).all()


@pytest.mark.parametrize(("name", "kind", "target"), CASES)
def test_second_derivatives_are_finite_differences_of_gradients(
    name: str, kind: str, target: Target
) -> None:
    predict, rows = prediction_of(name, kind, target)
    weights = torch.linspace(0.5, 1.5, 6, dtype=rows.dtype)
    way, other = along(rows, 1), along(rows, 2)
    with second_derivatives():
        leaf = rows.clone().requires_grad_()
        slope = torch.autograd.grad((predict(leaf) * weights).sum(), leaf, create_graph=True)[0]
        turned = (torch.where(rows.isnan(), 0.0, slope) * way).sum()
        second = torch.autograd.grad(turned, leaf)[0]
        curvature = (torch.where(rows.isnan(), 0.0, second) * other).sum(1)
    step = 1e-5

    def first(at: Tensor) -> Tensor:
        leaf = at.clone().requires_grad_()
        [found] = torch.autograd.grad((predict(leaf) * weights).sum(), leaf)
        return (torch.where(rows.isnan(), 0.0, found) * way).sum(1)

    # the gradients of the fast forms: both forms are one function
    change = (first(rows + step * other) - first(rows - step * other)) / (2 * step)
    torch.testing.assert_close(curvature, change, rtol=2e-5, atol=1e-6)
    assert (change.abs() > 1e-4).all()


def test_a_basins_scale_is_its_own_and_baselines_are_read_with_it() -> None:
    samples = flow_samples(6, basins=2)
    network = small_network("tst")
    with pytest.raises(InvalidData, match=r"2 basins \(basin-0, basin-1, basin-0, \.\.\.\)"):
        FlowPrediction.of_basin(network, samples)
    own, other = samples[::2], samples[1::2]
    predict = FlowPrediction.of_basin(network, own)
    rows = predict.columns.matrix(other)
    scaled = FlowPrediction(network, predict.columns, 0.0, 1.0)
    with torch.no_grad():
        torch.testing.assert_close(predict(rows), scaled(rows) * 2.0 + 1.5)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_and_hessians_of_networks_with_gaps_agree_and_are_complete(name: str) -> None:
    predict, rows = prediction_of(name, rows=2)
    background = predict.columns.matrix(flow_samples(2, seed=5, dtype=torch.float64))
    assert rows.isnan().any() and background.isnan().any()
    # a short way, along which quadrature is exact but for rounding
    rows, background = 0.2 * rows, 0.2 * background
    groups = predict.columns.by_variable()
    gradients = IntegratedGradients(predict, steps=32, most_steps=32, cuts=0).attribute(
        rows, background
    )
    joint = integrated_hessians(predict, rows, background, groups, [0], steps=32, most_steps=32)
    assert gradients.completeness < 1e-7
    assert joint.completeness < 1e-7
    assert (gradients.values.movedim(1, 2)[rows.isnan()] == 0).all()
    assert joint.values.abs().amax() > 0.01
    of_groups = gradients.grouped(groups)[:, :1]
    torch.testing.assert_close(joint.values.sum(-1), of_groups, rtol=1e-6, atol=1e-7)


def test_the_network_that_is_given_stays_as_it_is() -> None:
    network, samples = small_network("lstm").train(), flow_samples()
    predict = FlowPrediction.of_basin(network, samples)
    rows = predict.columns.matrix(samples).requires_grad_()
    predict(rows).sum().backward()
    assert network.training
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert rows.grad is not None


def test_rows_of_another_precision_are_taken() -> None:
    samples = flow_samples()
    predict = FlowPrediction.of_basin(small_network("tst"), samples)
    rows = predict.columns.matrix(samples).double().requires_grad_()
    predict(rows).sum().backward()
    assert rows.grad is not None and rows.grad.dtype == torch.float64


def test_what_makes_no_sense_is_refused() -> None:
    samples, network = flow_samples(), small_network("tst")
    columns = FlowColumns.of(samples)
    for scale in (0.0, -1.0, np.nan):
        with pytest.raises(InvalidData, match="a scale above 0"):
            FlowPrediction(network, columns, 1.0, scale)
    for level in (0.0, 1.0, 5, "median"):
        with pytest.raises(InvalidData, match="the level of a quantile"):
            FlowPrediction(network, columns, 1.0, 1.0, level)  # type: ignore[arg-type]
    narrow = replace(
        samples,
        weather=samples.weather[:2],
        inputs=replace(
            samples.inputs,
            past_weather=samples.inputs.past_weather[..., 1:],
            future_weather=samples.inputs.future_weather[..., 1:],
        ),
    )
    with pytest.raises(InvalidData, match="5 columns of past weather"):
        FlowPrediction.of_basin(network, narrow)
