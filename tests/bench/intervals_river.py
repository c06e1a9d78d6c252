"""Part of the interval benchmark: two East River sites tracked online, and a break."""

from __future__ import annotations

import time

import numpy as np
from intervals_data import ACRES, TEST_DAYS, east_river

from catena.forecaster.intervals import OnlineConfig, OnlineIntervals, fit_crossfit
from catena.forecaster.intervals.tracking import GRID
from catena.forecaster.metrics import nse, picp, winkler

LEADS = 7
LEVEL = 0.9
AUTHORS = {"Qui": 0.2315, "Rock": 1.109}
"""Winkler score at 90 % of the authors' saved predictions on the test days, inches per day."""
BLOCK_DAYS = 60
SETTING = OnlineConfig(correct=False)
"""Of both sites; found on the last 40 % of their training days. Forecasts here are the last flow,
whose errors are changes of the flow: adding a share of the last change made lead 1 worse there."""


class Persistence:
    """Mean model: the last flow, for every lead; features are the inputs."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.repeat(x[:, :1], LEADS, axis=1)

    def features(self, x: np.ndarray) -> np.ndarray:
        return x

    def spread(self, x: np.ndarray) -> None:
        return None


def lagged(values: np.ndarray, days: int) -> np.ndarray:
    """Values so many days before; the first one before the record begins."""
    return np.concatenate([np.full(days, values[0]), values[:-days]])


def inputs(table: np.ndarray) -> np.ndarray:
    """What is known at the end of each day: flow, its changes, weather; nothing from later."""
    rain, warm, cold, simulated, flow = table.T
    q, s = np.sqrt(np.maximum(flow, 0.0)), np.sqrt(np.maximum(simulated, 0.0))
    return np.stack(
        [
            q,
            q - lagged(q, 1),
            np.abs(q - lagged(q, 1)),
            q - lagged(q, 7),
            np.abs(q - lagged(q, 7)),
            s - lagged(s, 1),
            s - lagged(s, 7),
            rain,
            lagged(rain, 1),
            warm,
            cold,
            warm - lagged(warm, 7),
        ],
        axis=1,
    )


def ahead(values: np.ndarray) -> np.ndarray:
    """Value of each lead after each day, (days, leads); NaN beyond the record."""
    padded = np.concatenate([values, np.full(LEADS, np.nan)])
    return np.stack([padded[h : h + len(values)] for h in range(1, LEADS + 1)], axis=1)


def forecast(
    table: np.ndarray, start: int, config: OnlineConfig = SETTING, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Online forecasts of all days; sizes are fitted to targets before day `start`.

    Returns centre, lower and upper at 90 %, (days, leads), in the table's units.
    """
    x = inputs(table)
    flow = table[:, 4]
    wanted = ahead(np.sqrt(np.maximum(flow, 0.0)))
    day = np.arange(len(table))
    wanted[day[:, None] + np.arange(1, LEADS + 1) >= start] = np.nan
    fitted = fit_crossfit(
        x[:start],
        wanted[:start],
        model=Persistence(),
        folds=day[:start] // BLOCK_DAYS % 5,
        seed=seed,
    )
    lower, upper = (np.maximum(b, 0.0) ** 2 for b in fitted.predict(x, GRID))
    centre = np.maximum(fitted.centre(x), 0.0) ** 2
    online = OnlineIntervals(1, LEADS, config)
    found = np.empty((3, len(table), LEADS))
    for t in day:
        c, low, high = online.issue(centre[None, t], lower[None, t], upper[None, t], [LEVEL])
        found[:, t] = c[0], low[0, :, 0], high[0, :, 0]
        online.observe(flow[t + 1 : t + 2] if t + 1 < len(table) else np.array([np.nan]))
    return found[0], found[1], found[2]


def judged(table: np.ndarray, start: int, lead: int, parts: tuple[np.ndarray, ...]):
    """Coverage, Winkler score and NSE of one lead for the days from `start` on, and persistence."""
    flow = table[:, 4]
    issue = np.arange(start - lead, len(table) - lead)
    centre, lower, upper = (p[issue, lead - 1] for p in parts)
    y = flow[issue + lead]
    return {
        "picp": float(picp(lower, upper, y, 0)),
        "winkler": float(winkler(lower, upper, y, LEVEL, 0)),
        "nse": float(nse(centre, y, 0)),
        "nse_persistence": float(nse(flow[issue], y, 0)),
    }


def recovery(replicates: int = 200, seed: int = 20, config: OnlineConfig | None = None) -> int:
    """Steps after errors grow fourfold until 90 % intervals hold again.

    Over `replicates` series: the first step from which the share covered, averaged over 10 steps,
    is at least .85 and stays there for 60 steps. Leads of 1 day.
    """
    rng = np.random.default_rng(seed)
    before, after = 400, 200
    scale = np.where(np.arange(before + after) < before, 1.0, 4.0)
    y = rng.normal(size=(replicates, before + after)) * scale
    config = config or OnlineConfig()
    config = OnlineConfig(config.tracker, 1.0, config.constant, False, config.memory, config.cap)
    online = OnlineIntervals(replicates, 1, config)
    from scipy.special import ndtri

    half = np.broadcast_to(ndtri((1.0 + GRID) / 2.0), (replicates, 1, len(GRID)))
    centre = np.zeros((replicates, 1))
    covered = np.empty(before + after)
    for t in range(before + after):
        _, low, high = online.issue(centre, -half, half, [LEVEL])
        covered[t] = np.mean((low[:, 0, 0] <= y[:, t]) & (y[:, t] <= high[:, 0, 0]))
        online.observe(y[:, t])
    smooth = np.convolve(covered[before:], np.ones(10) / 10, mode="valid")
    fine = smooth >= 0.85
    for step in range(len(fine) - 60):
        if fine[step : step + 60].all():
            return step
    return after


def measure() -> dict[str, float | None]:
    """Figures of both sites, one setting, and of the break."""
    started = time.process_time()
    figures: dict[str, float | None] = {}
    for site in ACRES:
        table = east_river(site)
        start = len(table) - TEST_DAYS
        parts = forecast(table, start, SETTING)
        for lead in (1, LEADS):
            for name, value in judged(table, start, lead, parts).items():
                figures[f"{site.lower()}_{name}_{lead}d"] = value
        figures[f"{site.lower()}_winkler_ratio"] = (
            figures[f"{site.lower()}_winkler_1d"] / AUTHORS[site]
        )
        figures[f"{site.lower()}_nse_gain_1d"] = (
            figures[f"{site.lower()}_nse_1d"] - figures[f"{site.lower()}_nse_persistence_1d"]
        )
    figures["break_recovery_steps"] = recovery()
    figures["river_cpu_s"] = time.process_time() - started
    return figures
