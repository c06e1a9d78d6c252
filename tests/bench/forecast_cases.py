"""One forecaster of the streamflow benchmark: 24 basins, fitted to 2003, stopped by 2004-07.

``python forecast_cases.py MODEL SEED CPU_S YEARS FOLDER`` fits a model (or takes GR4J out of the
folder, where it was put by the first call) and writes its forecasts of the judged years under every
kind of forecast weather. ``forecast.py`` calls it, one process for each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from catena.forecaster.data.files import read_camels
from catena.forecaster.data.noise import NO_FORECAST, NOISED, PERFECT, Scenario
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.splits import issues_within, spread_basins
from catena.forecaster.forecast_intervals import ForecastIntervals, targets
from catena.forecaster.forecasters import About, Forecaster, Forecasts, flow_scale, in_period
from catena.forecaster.network_forecaster import NetworkForecaster, Settings
from catena.forecaster.process.baselines import Climatology as ClimatologyOfDays
from catena.forecaster.process.dressing import Dressing
from catena.forecaster.process_forecaster import Gr4j
from catena.forecaster.scenarios import Weather, noised_weather
from catena.forecaster.simple_forecasters import Climatology, Persistence
from catena.forecaster.training import TrainingConfig

Array = NDArray[np.float64]

LEADS = 30
BASINS = 24
TRAIN = ("1981-01-01", "2003-12-31")
VALIDATE = ("2004-01-01", "2007-12-31")
TEST = ("2008-01-01", "2014-12-31")
JUDGED = {"test": TEST, "validate": VALIDATE}
WEATHER: dict[str, Scenario] = {"noised": NOISED, "perfect": PERFECT, "none": NO_FORECAST}
MISSING = 0.2
LEVELS = tuple(np.round(np.arange(0.1, 1.0, 0.1), 3)) + (0.95,)
"""Central levels of the intervals from which the CRPS is computed."""


@dataclass(frozen=True)
class Budgeted(Settings):
    """Settings whose training ends with its CPU seconds."""

    cpu_s: float = 300.0

    def training(self) -> TrainingConfig:
        """As many steps as fit."""
        return replace(super().training(), steps=None, cpu_s=self.cpu_s)


@lru_cache(maxsize=1)
def records() -> BasinRecords:
    """The 24 basins: spread by place and aridity, among those with few gaps and few dry days.

    Streams that are dry on more than a twentieth of the training days are left to a judgement of
    their own: their NSE says little (-47 has been seen).
    """
    folder = os.environ.get("CATENA_DATA", "")
    path = Path(folder) / "camels_us"
    if not folder or not path.is_dir():
        raise SystemExit("the benchmark needs CAMELS: set CATENA_DATA to a folder with camels_us")
    every = read_camels(path)
    names = spread_basins(every, BASINS, max_zero=0.05, days=in_period(every, TRAIN))
    return every.select(list(names))


def about(model: str, seed: int, hybrid: bool = False) -> About:
    """What a forecaster of this benchmark is."""
    return About.of(
        records(),
        model=model,
        title="benchmark",
        leads=LEADS,
        training_days=TRAIN,
        validation_days=VALIDATE,
        seed=seed,
        hybrid=hybrid,
    )


def issues(years: str) -> NDArray[np.int64]:
    """Every day whose thirty leads lie in the judged years."""
    return issues_within(in_period(records(), JUDGED[years]), leads=LEADS)


def weather(kind: str, seed: int) -> Weather:
    """Forecast weather that is judged: another member of the noise than any training has seen."""
    lend = in_period(records(), TRAIN)
    return noised_weather(records(), lend, LEADS, seed=seed).only(WEATHER[kind])


def gappy() -> BasinRecords:
    """The basins with a fifth of their flow hidden, in gaps of one to about ten days."""
    flow = records().flow.copy()
    rng = np.random.default_rng(20)
    while np.isnan(flow).mean() < MISSING:
        basin = rng.integers(0, flow.shape[0], 2000)
        day = rng.integers(0, flow.shape[1], 2000)
        for b, d, length in zip(basin, day, rng.geometric(0.25, 2000), strict=True):
            flow[b, d : d + length] = np.nan
    return replace(records(), flow=flow)


def fitted_gr4j(folder: Path) -> tuple[Gr4j, float]:
    """GR4J + MOS and the CPU seconds it took; calibrated once and kept."""
    path = folder / "gr4j.npz"
    if not path.exists():
        begin = time.process_time()
        made = Gr4j.fit(about("gr4j", 1), records(), progress=said)
        plain = {"about": made.about.to_dict(), "meta": made.meta()}
        plain["cpu_s"] = time.process_time() - begin
        path.with_suffix(".json").write_text(json.dumps(plain))
        np.savez(path, **made.arrays())
    plain = json.loads(path.with_suffix(".json").read_text())
    with np.load(path, allow_pickle=False) as arrays:
        made = Gr4j.from_arrays(About.from_dict(plain["about"]), dict(arrays), plain["meta"])
    return made, float(plain["cpu_s"])


def said(fraction: float, message: str) -> None:
    """Progress to stderr."""
    print(f"  {100 * fraction:3.0f} % {message}", file=sys.stderr, flush=True)


def fit(model: str, seed: int, cpu_s: float, folder: Path) -> tuple[Forecaster, float]:
    """A fitted forecaster and its CPU seconds; a hybrid's are without those of its GR4J."""
    begin = time.process_time()
    if model == "gr4j":
        return fitted_gr4j(folder)
    simple = {"persistence": Persistence, "climatology": Climatology}
    if model in simple:
        return simple[model].fit(about(model, seed), records()), time.process_time() - begin
    process = fitted_gr4j(folder)[0] if model == "tst" else None
    made = NetworkForecaster.fit(
        about(model, seed, hybrid=process is not None),
        records(),
        Budgeted(cpu_s=cpu_s),
        process=process,
        progress=said,
    )
    return made, time.process_time() - begin


def central_to_quantiles(lower: Array, upper: Array, centre: Array) -> tuple[Array, Array]:
    """Levels and quantiles, ascending, of nested central intervals and a median."""
    order = np.argsort(LEVELS)
    half = np.array(LEVELS)[order] / 2
    levels = np.concatenate([0.5 - half[::-1], [0.5], 0.5 + half])
    centre = np.clip(centre, lower[..., order[0]], upper[..., order[0]])
    quantiles = np.concatenate(
        [lower[..., order[::-1]], centre[..., None], upper[..., order]], axis=-1
    )
    return levels, quantiles


def intervals(forecaster: Forecaster, seed: int, years: str, judged: Forecasts) -> dict[str, Array]:
    """Quantiles of the judged forecasts: fitted on the validation years, then tracked."""
    learnt = issues("validate")[::3]
    scale = flow_scale(records(), in_period(records(), TRAIN))
    earlier = forecaster.forecast(records(), learnt, weather("noised", seed))
    fitted = ForecastIntervals.fit("cross_fitted", records(), learnt, earlier, scale, seed=seed)
    bounds = fitted.track(records(), issues(years), judged, LEVELS)
    levels, quantiles = central_to_quantiles(bounds.lower, bounds.upper, judged.flow)
    return {"levels": levels, "quantiles": quantiles.astype(np.float32)}


def baselines(folder: Path, years: str, seed: int) -> dict[str, Array]:
    """Quantiles of climatology, and of GR4J + MOS dressed with its errors of 2004-07."""
    gr4j = fitted_gr4j(folder)[0]
    learnt = issues("validate")
    earlier = gr4j.forecast(records(), learnt, weather("noised", seed)).flow
    dressing = Dressing.fit(earlier, targets(records(), learnt, LEADS))
    now = gr4j.forecast(records(), issues(years), weather("noised", seed)).flow
    days = ClimatologyOfDays.fit(records(), in_period(records(), TRAIN))
    return {
        "dressed_levels": dressing.levels,
        "dressed": dressing.quantiles(now).astype(np.float32),
        "climatology_levels": days.levels,
        "climatology": days.quantiles(records(), issues(years), LEADS).astype(np.float32),
    }


def main() -> None:
    """Fit, forecast, write."""
    model, seed, cpu_s, years = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    folder = Path(sys.argv[5])
    torch.set_num_threads(1)
    forecaster, spent = fit(model, seed, cpu_s, folder)
    kept: dict[str, Any] = {"cpu_s": np.array(spent)}
    noised = None
    for kind in WEATHER if model not in ("persistence", "climatology") else ("noised",):
        made = forecaster.forecast(records(), issues(years), weather(kind, seed))
        noised = made if kind == "noised" else noised
        kept[kind] = made.flow.astype(np.float32)
    assert noised is not None
    if model in ("tst", "gr4j"):
        made = forecaster.forecast(gappy(), issues(years), weather("noised", seed))
        kept["gappy"] = made.flow.astype(np.float32)
    if model == "tst":
        kept |= intervals(forecaster, seed, years, noised)
    if isinstance(forecaster, Gr4j):
        made_of = forecaster.run(
            records(), issues(years), weather("noised", seed), correction="expected"
        )
        kept["expected"] = made_of.astype(np.float32)
        kept |= baselines(folder, years, seed)
    np.savez(folder / f"{model}-{seed}.npz", **kept)


if __name__ == "__main__":
    main()
