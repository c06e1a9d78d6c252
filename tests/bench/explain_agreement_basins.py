"""Agreement of methods, and SHAP's sums and cost, for an LSTM of real basins.

Twelve CAMELS basins, four fed by snow, by rain and by groundwater; an LSTM of a minute, days of
validation. Importances are of variables over all their lags, mean over 30 leads.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from explain_agreement import shap_figures
from forecast_cases import LEADS, NOISED, TRAIN, VALIDATE, Budgeted, said

from catena.explainer.attribution.agreement import mean_importance, rank_agreement
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.attribution.permutation import permutation_importance
from catena.explainer.flow.columns import FlowColumns
from catena.explainer.flow.prediction import FlowPrediction
from catena.forecaster.data.files import read_camels
from catena.forecaster.data.splits import issues_within
from catena.forecaster.forecasters import About, in_period
from catena.forecaster.network_forecaster import NetworkForecaster
from catena.forecaster.samples import Drawn, draw
from catena.forecaster.scenarios import noised_weather

BASINS = {
    "snow": ("11266500", "09352900", "13331500", "13011900"),
    "rain": ("11481200", "02450250", "02464000", "07340300"),
    "groundwater": ("04122500", "04122200", "02112360", "01487000"),
}
CPU_S = 60.0
COUNT = 480
BACKGROUND = 120
GRADIENT_SAMPLES = 10
"""Of a basin, for gradients; permutation has all of its samples."""
SHAP_BASELINES = 4
SHAP_LEADS = [0, 6, 29]


def trained() -> tuple[NetworkForecaster, Drawn]:
    """An LSTM, and what it sees of some days."""
    path = Path(os.environ["CATENA_DATA"]) / "camels_us"
    records = read_camels(path, [name for names in BASINS.values() for name in names])
    about = About.of(
        records,
        model="lstm",
        title="benchmark",
        leads=LEADS,
        training_days=TRAIN,
        validation_days=VALIDATE,
        seed=1,
    )
    forecaster = NetworkForecaster.fit(about, records, Budgeted(cpu_s=CPU_S), progress=said)
    weather = noised_weather(records, in_period(records, TRAIN), LEADS, seed=1).only(NOISED)
    days = issues_within(in_period(records, VALIDATE), leads=LEADS)
    return forecaster, draw(
        forecaster, records, days, weather, count=COUNT, background=BACKGROUND, seed=1
    )


def basin_figures() -> dict[str, Any]:
    """Figures of the first basin of each kind; none where there is no CAMELS."""
    if not (Path(os.environ.get("CATENA_DATA", "")) / "camels_us").is_dir():
        print("  no CAMELS in CATENA_DATA: no figures of real basins", file=sys.stderr)
        return {}
    forecaster, drawn = trained()
    columns = FlowColumns.of(drawn.explained)
    groups = columns.by_variable()
    figures: dict[str, Any] = {}
    for kind, names in BASINS.items():
        samples, background = (
            some[np.flatnonzero(np.array(some.basins) == names[0])]
            for some in (drawn.explained, drawn.background)
        )
        predict = FlowPrediction.of_basin(forecaster.network, samples)
        rows, baselines = columns.matrix(samples), columns.matrix(background)
        few = rows[:: -(-len(rows) // GRADIENT_SAMPLES)]
        own = IntegratedGradients(predict).attribute(few, baselines)
        targets = {
            "own": predict(rows).detach().double(),
            "observed": torch.as_tensor(samples.observed),
        }
        by = {"gradients": mean_importance(own.grouped(groups))}
        for name, wanted in targets.items():
            found = permutation_importance(predict, rows, wanted, groups, repeats=5, seed=1)
            by[name] = np.nanmean(found.rise.numpy(), 0)
        agreement = rank_agreement(by)
        figures[f"{kind}_rank_agreement_permutation"] = round(
            agreement.between("gradients", "own"), 3
        )
        figures[f"{kind}_rank_agreement_permutation_observed"] = round(
            agreement.between("gradients", "observed"), 3
        )
        figures[f"{kind}_completeness"] = own.completeness
        print(f"  {kind}: {figures}", file=sys.stderr, flush=True)
        if kind == "snow":
            figures |= shap_figures(
                kind,
                predict,
                rows[:: len(rows) // 2][:2],
                baselines[:SHAP_BASELINES],
                columns.by_blocks(),
                SHAP_LEADS,
            )
    return figures
