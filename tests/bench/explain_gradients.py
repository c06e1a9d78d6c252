"""Integrated gradients and Hessians of networks of 30 leads beside shap and Captum: one JSON line.

The networks are a TST and an LSTM of default size, trained for some seconds on generated weather,
so that they are as smooth as trained ones and no smoother. Everything runs on one thread, and
figures are CPU seconds. Speed is that of the slower of both networks; each is reported too.

- ``ig_speedup_vs_shap_gradient``: CPU time of ``shap.GradientExplainer`` with 200 samples over that
  of ours, for the same samples and all 30 leads, with the mean of the background as the baseline;
  ``..._expected`` with each of the background as one. Ours takes as many nodes as completeness asks
  for; shap's error of the sum is reported beside it.
- ``ig_vs_captum_ratio``: the same for Captum's IntegratedGradients, lead by lead as it is made for,
  with the same Gauss-Legendre nodes and the error of the sum, which ours always tells;
  ``ig_vs_captum_difference``, in float64, as a share of the range. Captum makes a pass forth and
  one back for each lead, we one forth for all: where both cost the same that is a ratio of 2, and
  the rest is what gradients of leads share on their way back through an LSTM.
- ``completeness_max``: the largest error of the sum over networks, samples and leads.
- ``hessian_cpu_s_per_sample``: of all pairs of variables, for three leads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import shap
import torch
from captum.attr import IntegratedGradients as CaptumGradients
from torch import Tensor, nn

from catena.explainer.attribution.hessians import integrated_hessians
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.attribution.prediction import worst_share
from catena.explainer.flow.columns import FlowColumns
from catena.explainer.flow.prediction import FlowPrediction
from catena.models.flow_model import FlowModel
from catena.models.flow_models import new_flow_model
from catena.models.forecast_inputs import ForecastInputs

NETWORKS = ("tst", "lstm")
PAST, LEADS, WEATHER, STATICS = 90, 30, 3, 8
BACKGROUND, SAMPLES, NODES = 4, 6, 16
TRAINING_STEPS, BATCH = 80, 64
HESSIAN_LEADS = (0, 6, 29)

T = TypeVar("T")


def generated(size: int, seed: int) -> tuple[ForecastInputs, Tensor]:
    """Weather with a memory of some days, and the flow of a reservoir that it fills."""
    rng = np.random.default_rng(seed)
    days = PAST + LEADS
    weather = rng.normal(size=(size, 60 + days, WEATHER))
    for day in range(1, weather.shape[1]):
        weather[:, day] = 0.7 * weather[:, day - 1] + 0.7 * weather[:, day]
    warm = 1 / (1 + np.exp(-weather[..., 1]))
    water, flow = np.zeros(size), np.empty(weather.shape[:2])
    for day in range(weather.shape[1]):
        water = 0.93 * water + np.maximum(weather[:, day, 0], 0) * warm[:, day]
        flow[:, day] = water
    flow = (flow - flow.mean()) / flow.std()
    start = rng.uniform(0, 2 * np.pi, size)[:, None]
    season = start + 2 * np.pi * np.arange(days) / 365.2425
    columns = [weather[:, 60:], np.sin(season)[..., None], np.cos(season)[..., None]]
    whole = torch.from_numpy(np.concatenate(columns, -1)).float()
    flows = torch.from_numpy(flow[:, 60:]).float()
    inputs = ForecastInputs(
        past_weather=whole[:, :PAST],
        past_flow=flows[:, :PAST],
        future_weather=whole[:, PAST:],
        noise=torch.zeros(size, LEADS),
        statics=torch.from_numpy(rng.normal(size=(size, STATICS))).float(),
    )
    return inputs, flows[:, PAST:]


def trained(name: str) -> FlowModel[Any]:
    """A network of default size after some steps."""
    sizes = {"past_variables": WEATHER + 2, "future_variables": WEATHER + 2, "statics": STATICS}
    network = new_flow_model(name, {**sizes, "head": {"process": False}}, seed=0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    inputs, flow = generated(1024, seed=0)
    for step in range(TRAINING_STEPS):
        rows = torch.arange(step * BATCH, (step + 1) * BATCH) % len(inputs)
        loss = network(inputs[rows]).crps(flow[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


COLUMNS = FlowColumns(
    weather=tuple(f"weather_{n}" for n in range(WEATHER)),
    statics=tuple(f"attribute_{n}" for n in range(STATICS)),
    past=PAST,
    leads=LEADS,
    process=False,
)


def rows_of(size: int, seed: int) -> Tensor:
    """Flat rows (N, D)."""
    x, _ = generated(size, seed)
    parts = (x.past_weather, x.past_flow, x.future_weather, x.noise, x.statics)
    return torch.cat([part.flatten(1) for part in parts], 1)


class AsModule(nn.Module):
    """A prediction as shap and Captum take one."""

    def __init__(self, predict: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._predict = predict

    def forward(self, rows: Tensor) -> Tensor:
        """Flow of each lead."""
        return self._predict(rows)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of some work, and what it gave."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def fastest(work: Callable[[], T], turns: int = 3) -> tuple[float, T]:
    """The shortest of some turns, after one that is not counted: machines are shared."""
    work()
    found = [timed(work) for _ in range(turns)]
    return min(cpu for cpu, _ in found), found[0][1]


def beside_shap(predict: FlowPrediction, rows: Tensor, background: Tensor) -> dict[str, float]:
    """Speed-up over expected gradients of shap, and the errors of the sum on both sides."""
    mean = background.mean(0, keepdim=True)
    plain, one = fastest(lambda: IntegratedGradients(predict).attribute(rows, mean))
    expected, many = fastest(lambda: IntegratedGradients(predict).attribute(rows, background), 1)
    explainer = shap.GradientExplainer(AsModule(predict), background)
    few = rows[:2]
    theirs, values = timed(lambda: explainer.shap_values(few, nsamples=200, rseed=0))
    sums = torch.from_numpy(np.asarray(values)).sum(1)
    theirs *= len(rows) / len(few)
    error = sums - (many.prediction - many.reference)[: len(few)]
    return {
        "ig_speedup_vs_shap_gradient": theirs / plain,
        "ig_speedup_vs_shap_gradient_expected": theirs / expected,
        "ig_cpu_s_per_sample": plain / len(rows),
        "expected_gradients_cpu_s_per_sample": expected / len(rows),
        "shap_gradient_cpu_s_per_sample": theirs / len(rows),
        "shap_gradient_completeness": worst_share(error, many.span),
        "completeness_max": max(one.completeness, many.completeness),
        "nodes_per_path": one.evaluations / len(rows),
    }


def beside_captum(predict: FlowPrediction, rows: Tensor, background: Tensor) -> dict[str, float]:
    """Speed-up over Captum with the same nodes."""
    few, mean = rows[:4], background.mean(0, keepdim=True)
    own = IntegratedGradients(predict, steps=NODES, most_steps=NODES, cuts=0)
    captum = CaptumGradients(AsModule(predict))

    def theirs() -> None:
        for lead in range(LEADS):
            captum.attribute(
                few, mean, target=lead, n_steps=NODES, method="gausslegendre",
                return_convergence_delta=True,
            )  # fmt: skip

    ours_s, _ = fastest(lambda: own.attribute(few, mean))
    theirs_s, _ = fastest(theirs)
    return {"ig_vs_captum_ratio": theirs_s / ours_s}


def captum_difference(network: FlowModel[Any], rows: Tensor, background: Tensor) -> float:
    """Largest difference from Captum in float64, as a share of the range of the lead."""
    predict = FlowPrediction(network.double(), COLUMNS, 1.0, 2.0)
    few, mean = rows[:2].double(), background.double().mean(0, keepdim=True)
    own = IntegratedGradients(predict, steps=NODES, most_steps=NODES, cuts=0).attribute(few, mean)
    captum = CaptumGradients(AsModule(predict))
    worst = 0.0
    for k in range(LEADS):
        theirs = captum.attribute(few, mean, target=k, n_steps=NODES, method="gausslegendre")
        worst = max(worst, float((own.values[:, k] - theirs).abs().max() / own.span[k]))
    return worst


def hessians(predict: FlowPrediction, rows: Tensor, background: Tensor) -> dict[str, float]:
    """CPU time of joint contributions."""
    mean, groups = background.mean(0, keepdim=True), COLUMNS.by_variable()

    def work() -> float:
        return integrated_hessians(predict, rows, mean, groups, HESSIAN_LEADS).completeness

    cpu_s, completeness = timed(work)
    return {
        "hessian_cpu_s_per_sample": cpu_s / len(rows),
        "hessian_completeness": completeness,
        "hessian_groups": len(groups),
    }


WORST_IS_LEAST = ("ig_speedup_vs_shap_gradient", "ig_vs_captum_ratio")
WORST_IS_MOST = ("ig_vs_captum_difference", "completeness_max", "hessian_cpu_s_per_sample")


def measure() -> dict[str, Any]:
    """All figures: of each network, and the worst of them under its plain name."""
    torch.set_num_threads(1)
    rows, background = rows_of(SAMPLES, seed=1), rows_of(BACKGROUND, seed=2)
    figures: dict[str, Any] = {}
    for name in NETWORKS:
        network = trained(name)
        predict = FlowPrediction(network, COLUMNS, 1.0, 2.0)
        found = beside_shap(predict, rows, background) | beside_captum(predict, rows, background)
        found |= hessians(predict, rows, background)
        found["ig_vs_captum_difference"] = captum_difference(network, rows, background)
        figures |= {f"{key}_{name}": value for key, value in found.items()}
    for keys, worst in ((WORST_IS_LEAST, min), (WORST_IS_MOST, max)):
        figures |= {key: worst(figures[f"{key}_{name}"] for name in NETWORKS) for key in keys}
    return {key: float(f"{value:.3g}") for key, value in figures.items()}


if __name__ == "__main__":
    print(json.dumps(measure()))
