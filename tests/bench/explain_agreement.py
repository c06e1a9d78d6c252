"""Methods of attribution against one another, as one JSON line.

Planted truth: y = P_lag3 * T_lag1 + 2 * Q_lag1 with noise, learned by three small LSTMs. Real
basins (``explain_agreement_basins.py``): an LSTM of a minute on twelve CAMELS basins.

``rank_agreement_permutation`` is Spearman's correlation of the importances of expected-baseline
integrated gradients and of permutation, the lowest of the networks. Permutation is there held
against the network's own predictions, since both are to say what the *network* leans on. Held
against fresh observations it asks another question. An input of no use on which a network leans
with a weight w adds w^2 to its error as it is, and the error does not rise when that input is
permuted: all such inputs are equal up to noise, and their ranks say nothing. Both other figures are
reported beside it: ``..._observed`` (fresh observations) and ``..._trained`` (those of training).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parents[1]))  # of the tests: the planted truth
from support.planted_series import GROUPS, PLANTED, PlantedLstm, observed, series, trained_lstm

from catena.explainer.attribution.agreement import mean_importance, rank_agreement
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.attribution.permutation import permutation_importance
from catena.explainer.attribution.prediction import Groups, Predict
from catena.explainer.attribution.shapley import (
    GroupAttribution,
    gradient_shap,
    kernel_shap,
    permutation_shap,
)
from catena.shared.errors import InvalidData

SEEDS = (0, 1, 2)
BASELINES = 30
GRADIENT_SAMPLES = (200, 6400)
"""The default of shap, and 32 times as many where the sum is then still wrong."""


def importance_of_gradients(network: Predict, x: Tensor, baselines: Tensor) -> NDArray[np.float64]:
    """Of the planted groups, by expected-baseline integrated gradients."""
    return mean_importance(IntegratedGradients(network).attribute(x, baselines).grouped(GROUPS))


def planted_agreement(seed: int, network: PlantedLstm, trained_on: Tensor) -> dict[str, Any]:
    """Ranks of the groups by gradients and by permutation."""
    fresh = series(2000, 100 + seed)
    cases = {
        "own": (fresh, network(fresh).detach()),
        "trained": (trained_on, observed(trained_on, seed)),
        "observed": (fresh, observed(fresh, 100 + seed)),
    }
    by = {"gradients": importance_of_gradients(network, fresh[:300], trained_on[:BASELINES])}
    for name, (x, y) in cases.items():
        found = permutation_importance(network, x, y, GROUPS, repeats=10, seed=seed)
        by[name] = found.rise[0].numpy()
    first = {GROUPS.names[int(g)] for g in np.argsort(by["gradients"])[::-1][: len(PLANTED)]}
    agreement = rank_agreement(by)
    return {
        **{name: agreement.between("gradients", name) for name in cases},
        "planted_first": first == set(PLANTED),
        "error": float((network(fresh) - observed(fresh, 100 + seed)).detach().square().mean()),
    }


def shap_figures(
    name: str, predict: Predict, x: Tensor, baselines: Tensor, groups: Groups, outputs: list[int]
) -> dict[str, Any]:
    """Additivity errors (of the range) and CPU seconds, per sample, of the three kinds of SHAP."""
    figures: dict[str, Any] = {}
    kinds: dict[str, Callable[[], GroupAttribution]] = {
        f"{kind.__name__}": partial(kind, predict, x, baselines, groups, outputs=outputs)
        for kind in (kernel_shap, permutation_shap)
    }
    for samples in GRADIENT_SAMPLES:
        kinds[f"gradient_shap_{samples}"] = partial(
            gradient_shap, predict, x, baselines, groups, outputs=outputs, samples=samples
        )
    importances: dict[str, NDArray[np.float64]] = {}
    for kind, explain in kinds.items():
        if kind.startswith("gradient") and any(other.startswith("grad") for other in importances):
            break
        begin = time.process_time()
        try:
            found = explain()
        except InvalidData as error:
            figures[f"{name}_{kind}_refused"] = str(error).split(";")[0]
        else:
            figures[f"{name}_{kind}_additivity"] = found.additivity
            importances[kind] = mean_importance(found.values)
        spent = time.process_time() - begin
        figures[f"{name}_{kind}_cpu_s_per_sample"] = round(spent / len(x), 3)
        print(f"  {name}, {kind}: {spent:.1f} CPU s", file=sys.stderr, flush=True)
    own = IntegratedGradients(predict).attribute(x, baselines, outputs)
    importances["gradients"] = mean_importance(own.grouped(groups))
    agreement = rank_agreement(importances)
    for kind in agreement.methods[:-1]:
        figures[f"{name}_rank_agreement_{kind}"] = round(agreement.between("gradients", kind), 3)
    return figures


def planted_figures() -> dict[str, Any]:
    """Figures of the planted truth; the lowest agreement of all networks."""
    found, figures = [], {}
    for seed in SEEDS:
        rows = series(4000, seed)
        network = trained_lstm(rows, seed)
        found.append(planted_agreement(seed, network, rows))
        print(f"  planted, seed {seed}: {found[-1]}", file=sys.stderr, flush=True)
        if seed == SEEDS[0]:
            x, baselines = series(4, 200), rows[:BASELINES]
            # what compiles at first use is no cost of a sample
            for kind in (kernel_shap, permutation_shap):
                kind(network, x[:1], baselines[:1], GROUPS)
            figures = shap_figures("planted", network, x, baselines, GROUPS, [0])
    lowest = {name: min(each[name] for each in found) for name in ("own", "trained", "observed")}
    return {
        "rank_agreement_permutation": round(lowest["own"], 3),
        "rank_agreement_permutation_trained": round(lowest["trained"], 3),
        "rank_agreement_permutation_observed": round(lowest["observed"], 3),
        "planted_found": all(each["planted_first"] for each in found),
        **figures,
    }


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    figures = planted_figures()
    from explain_agreement_basins import basin_figures

    print(json.dumps(figures | basin_figures()))


if __name__ == "__main__":
    main()
