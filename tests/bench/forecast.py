"""Benchmark of streamflow forecasts: 24 CAMELS basins, judged once on 2008-14, as one JSON line.

Every network is fitted to 1981-2003 and stopped by 2004-07, in a process and on a thread of its
own, three seeds each. TST is the hybrid: it has the forecast of GR4J + MOS as an input. LSTM-ED and
the public form of the time-series transformer get the CPU seconds of TST and of its GR4J together.
Forecast weather is observed weather, noised more with each lead; the noise that is judged is not
that of training. GR4J + MOS is run with that weather as it comes; GR4J run with the weather that is
to be expected, as inside the hybrid, is reported beside it. ``--years validate`` is for work on
models: it judges 2004-07, which training has looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from forecast_cases import LEADS, issues, records
from numpy.typing import NDArray

from catena.forecaster.forecast_intervals import targets
from catena.forecaster.metrics import crps_quantiles, crpss, nse, picp

Array = NDArray[np.float64]
Figures = dict[str, Any]

SHOWN = (1, 3, 7, 14, 21, 30)
PEERS = {"lstm_ed": "gain_vs_lstm_ed", "channel_tst": "gain_vs_public_tst"}

TARGETS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "nse_noised_gain_per_lead": (
        ">= 0 at every lead, >= 0.03 at 14 and 30",
        lambda v: all(v[k] >= (0.03 if k in ("14", "30") else 0) for k in v),
    ),
    "nse_perfect_gap": ("<= 0.01", lambda v: v <= 0.01),
    "gain_vs_lstm_ed": (
        ">= 0.05 at 3 and 7, >= 0.03 at 30",
        lambda v: v["3"] >= 0.05 and v["7"] >= 0.05 and v["30"] >= 0.03,
    ),
    "gain_vs_public_tst": (
        ">= 0.05 at 3 and 7, >= 0.03 at 30",
        lambda v: v["3"] >= 0.05 and v["7"] >= 0.05 and v["30"] >= 0.03,
    ),
    "cover90_per_lead": ("0.87 to 0.93", lambda v: all(0.87 <= c <= 0.93 for c in v.values())),
    "crpss_3d": ("> 0.3", lambda v: v > 0.3),
    "crpss_30d": ("> 0", lambda v: v > 0),
    "crpss_vs_dressed_gr4j_min": (">= 0", lambda v: v >= 0),
    "missing_flow_loss": ("<= 0.03", lambda v: v <= 0.03),
    "training_cpu_s_max": ("<= 600", lambda v: v <= 600),
}
"""Figure -> what is wanted, in words and as a test; all others are reported only."""


def run(jobs: list[tuple[str, int, float]], years: str, folder: Path, processes: int) -> None:
    """Fit and forecast, several processes at once; what is there is not done again."""

    def one(job: tuple[str, int, float]) -> None:
        model, seed, cpu_s = job
        if (folder / f"{model}-{seed}.npz").exists():
            return
        print(f"{model}, seed {seed} ...", file=sys.stderr, flush=True)
        with (folder / f"{model}-{seed}.log").open("w") as log:
            subprocess.run(
                [sys.executable, "-W", "ignore", "forecast_cases.py"]
                + [model, str(seed), str(cpu_s), years, str(folder)],
                cwd=Path(__file__).parent,
                env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
                stderr=log,
                check=True,
            )

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(one, jobs))


def at(values: Array, leads: tuple[int, ...] = SHOWN) -> dict[str, float]:
    """Values of some leads, rounded."""
    return {str(lead): round(float(values[lead - 1]), 4) for lead in leads}


def median_nse(made: Array, observed: Array) -> Array:
    """Median over basins of the NSE, by lead."""
    return np.asarray(np.nanmedian(nse(made, observed), axis=0))


class Results:
    """Forecasts that processes have written."""

    def __init__(self, folder: Path, seeds: list[int]) -> None:
        self.folder, self.seeds = folder, seeds

    def of(self, model: str, seed: int) -> Mapping[str, Any]:
        """Arrays of one process."""
        return np.load(self.folder / f"{model}-{seed}.npz", allow_pickle=False)

    def mean_nse(self, model: str, kind: str, observed: Array) -> Array:
        """Mean over seeds of the median NSE, by lead; GR4J has one calibration."""
        seeds = self.seeds if model not in ("gr4j", "persistence", "climatology") else [1]
        every = [median_nse(self.of(model, seed)[kind], observed) for seed in seeds]
        return np.asarray(np.mean(every, axis=0))


def judge(results: Results, years: str) -> tuple[Figures, Figures]:
    """Figures that have targets, and those that are reported beside them."""
    chosen = issues(years)
    observed = targets(records(), chosen, LEADS)
    table = {
        f"{model}_{kind}": results.mean_nse(model, kind, observed)
        for model, kinds in {
            "tst": ("noised", "perfect", "none", "gappy"),
            "gr4j": ("noised", "perfect", "none", "gappy", "expected"),
            "lstm_ed": ("noised", "perfect", "none"),
            "channel_tst": ("noised", "perfect", "none"),
            "persistence": ("noised",),
            "climatology": ("noised",),
        }.items()
        for kind in kinds
    }
    tst = table["tst_noised"]
    every = np.array([lead - 1 for lead in SHOWN])
    lost = (tst - table["tst_gappy"])[every]
    figures: Figures = {
        "nse_noised_gain_per_lead": at(tst - table["gr4j_noised"]),
        "nse_gain_vs_expected_weather": at(tst - table["gr4j_expected"]),
        "nse_perfect_gap": float((table["gr4j_perfect"] - table["tst_perfect"])[every].max()),
        "missing_flow_loss": float(lost.max()),
        **{key: at(tst - table[f"{peer}_noised"], (3, 7, 30)) for peer, key in PEERS.items()},
        **uncertainty(results, observed),
    }
    spent = {
        model: [float(results.of(model, seed)["cpu_s"]) for seed in results.seeds]
        for model in ("tst", *PEERS)
    }
    figures["training_cpu_s_max"] = max(spent["tst"])
    gr4j = results.of("gr4j", 1)
    by_basin = nse(gr4j["noised"], observed)[:, 0]
    report: Figures = {
        "nse": {name: at(values) for name, values in table.items()},
        "cpu_s": {**{k: np.round(v, 1).tolist() for k, v in spent.items()}}
        | {"gr4j": float(gr4j["cpu_s"])},
        "seeds": results.seeds,
        "basins": list(records().basins),
        "gr4j_below_zero_at_1_day": [
            name for name, value in zip(records().basins, by_basin, strict=True) if value < 0
        ],
    }
    return figures, report


def uncertainty(results: Results, observed: Array) -> Figures:
    """Coverage by lead, and CRPS against climatology and a dressed GR4J + MOS."""
    gr4j = results.of("gr4j", 1)
    reference = {
        name: crps_quantiles(gr4j[name], gr4j[f"{name}_levels"], observed)
        for name in ("climatology", "dressed")
    }
    cover, skill = [], {name: [] for name in reference}
    for seed in results.seeds:
        mine = results.of("tst", seed)
        levels = mine["levels"]
        low, high = (int(np.argmin(abs(levels - p))) for p in (0.05, 0.95))
        quantiles = mine["quantiles"]
        inside = picp(quantiles[..., low], quantiles[..., high], observed)
        cover.append(np.nanmean(inside, axis=0))
        score = crps_quantiles(quantiles, levels, observed)
        for name, other in reference.items():
            skill[name].append(np.nanmedian(crpss(score, other), axis=0))
    climatology, dressed = (np.mean(skill[name], axis=0) for name in ("climatology", "dressed"))
    shown = np.array([lead - 1 for lead in SHOWN])
    return {
        "cover90_per_lead": at(np.mean(cover, axis=0)),
        "crpss_3d": float(climatology[2]),
        "crpss_30d": float(climatology[29]),
        "crpss_vs_dressed_gr4j": at(dressed),
        "crpss_vs_dressed_gr4j_min": float(dressed[shown].min()),
    }


def main() -> None:
    """Fit, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu-s", type=float, default=400.0, help="of each TST, without GR4J")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--years", choices=("test", "validate"), default="test")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, help="where forecasts are kept; default: anew")
    asked = parser.parse_args()
    begin = time.monotonic()
    folder = asked.folder or Path(__file__).parents[2] / ".catena" / f"bench-forecast-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = list(range(1, asked.seeds + 1))
    run([("gr4j", 1, 0.0)], asked.years, folder, 1)
    results = Results(folder, seeds)
    equal = asked.cpu_s + float(results.of("gr4j", 1)["cpu_s"])
    networks = [(model, seed, equal) for model in PEERS for seed in seeds]
    networks += [("tst", seed, asked.cpu_s) for seed in seeds]
    simple = [(model, 1, 0.0) for model in ("persistence", "climatology")]
    run([*networks, *simple], asked.years, folder, asked.processes)
    figures, report = judge(results, asked.years)
    verdicts = {
        key: {"target": wanted, "value": figures[key], "passed": bool(test(figures[key]))}
        for key, (wanted, test) in TARGETS.items()
    }
    report |= {"judged": asked.years, "wall_s": round(time.monotonic() - begin)}
    print(json.dumps({"bench": "forecast", "targets": verdicts, "figures": figures | report}))


if __name__ == "__main__":
    main()
