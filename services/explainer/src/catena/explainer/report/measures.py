"""Numbers of one basin that process knowledge has an opinion about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from catena.explainer.report.memory import direction, efolding, season_month
from catena.explainer.report.reading import (
    NOISE,
    PRECIPITATION,
    STREAMFLOW,
    TEMPERATURE,
    Explained,
    Rows,
)
from catena.shared.report import number

Array = NDArray[np.float64]

MELT_MONTHS = (4, 5, 6, 7)
"""Months of snowmelt, north of the equator: those of the seasonal forecasts of snowmelt runoff in
the western United States (April to July)."""
LEAST_OF_SEASON = 3
"""Samples with days in the season, and as many with days out of it."""
RECENT_DAYS = 5
"""Days up to the issue that count as the last days."""
LONG_LAG = 30
"""Days; from here on a lag is long."""


@dataclass(frozen=True)
class Measured:
    """A number, and the same in words without a full stop.

    Parameters
    ----------
    found : float
        NaN where it cannot be had; `said` then tells why.
    said : str
    """

    found: float
    said: str


Measure = Callable[[Explained, str], Measured | None]

_NOT_KNOWN = float("nan")


# ------------------------------------------------------------------ snow


def temperature_in_melt_season(x: Explained, basin: str) -> Measured | None:
    """Share of temperature in the melt season less that in the rest of the year."""
    warm = x.columns(TEMPERATURE) if x.attributed else []
    if not warm:
        return None
    rows = x.basin == basin
    melting = _melting(x, basin)
    few = _too_few(x, basin, melting)
    if few:
        return Measured(_NOT_KNOWN, few)
    size = np.abs(x.total[rows])
    inside, outside = (
        float(size[days][:, warm].sum() / max(size[days].sum(), np.finfo(float).tiny))
        for days in (melting, ~melting)
    )
    said = f"its share is {_percent(inside)} in the melt season and {_percent(outside)} elsewhere"
    return Measured(inside - outside, said)


def warmth_in_melt_season(x: Explained, basin: str) -> Measured | None:
    """Which way temperature pushes while snow melts, from -1 to 1."""
    warm = x.columns(TEMPERATURE) if x.attributed else []
    if not warm or x.value is None:
        return None
    rows = x.basin == basin
    melting = _melting(x, basin)
    few = _too_few(x, basin, melting)
    if few:
        return Measured(_NOT_KNOWN, few)
    chosen = np.where(melting[..., None, None], x.contribution[rows][:, :, warm], np.nan)
    return _direction(chosen, x.value[rows][:, None, warm])


def _melting(x: Explained, basin: str) -> Rows:
    """Which days that are forecast are of the melt season, (n, H)."""
    days = x.issue[x.basin == basin][:, None] + x.leads[None].astype("timedelta64[D]")
    latitude = x.fact(basin, "latitude")
    if latitude is None:
        return np.zeros(days.shape, bool)
    return np.isin(season_month(days, float(latitude)), MELT_MONTHS)


def _too_few(x: Explained, basin: str, melting: Rows) -> str:
    if x.fact(basin, "latitude") is None:
        return "the basin's latitude, and so its season, is not known"
    inside, outside = int(melting.any(-1).sum()), int((~melting).any(-1).sum())
    if min(inside, outside) >= LEAST_OF_SEASON:
        return ""
    return (
        f"{inside} samples have days of the melt season and {outside} others; wanted "
        f"{LEAST_OF_SEASON} of each"
    )


# ------------------------------------------------------------------ rain


def recent_rain(x: Explained, basin: str) -> Measured | None:
    """Share of the last days and those ahead in what rain contributes, mean over leads."""
    rain = x.columns(PRECIPITATION) if x.attributed else []
    if not rain:
        return None
    profile = np.nansum(x.profile(x.basin == basin)[:, rain], axis=1)
    whole = profile.sum(-1)
    if not (whole > 0).any():
        return Measured(_NOT_KNOWN, "rain contributes nothing")
    recent = profile[:, x.lags < RECENT_DAYS].sum(-1)
    found = float((recent[whole > 0] / whole[whole > 0]).mean())
    said = f"{_percent(found)} of what rain contributes is of the last {RECENT_DAYS} days or ahead"
    return Measured(found, said)


def rain_before_temperature(x: Explained, basin: str) -> Measured | None:
    """Share of precipitation less share of temperature."""
    rain, warm = (x.columns(n) if x.attributed else [] for n in (PRECIPITATION, TEMPERATURE))
    if not rain or not warm:
        return None
    shares = _mean_shares(x, x.basin == basin)
    wet, heat = float(shares[rain].sum()), float(shares[warm].sum())
    said = f"precipitation has {_percent(wet)}, temperature {_percent(heat)}"
    return Measured(wet - heat, said)


# ------------------------------------------------------------------ groundwater


def past_flow_against_others(x: Explained, basin: str) -> Measured | None:
    """Share of past streamflow less its mean share in basins of other classes."""
    flow = x.columns(STREAMFLOW) if x.attributed else []
    if not flow:
        return None

    def share(name: str) -> float:
        return float(_mean_shares(x, x.basin == name)[flow].sum())

    here, there = share(basin), _others(x, basin, share)
    if np.isnan(there):
        return Measured(_NOT_KNOWN, "no basin of another class was explained")
    return Measured(here - there, f"{_percent(here)} here, {_percent(there)} in the others")


def long_lags_against_others(x: Explained, basin: str) -> Measured | None:
    """Share of long lags in what past days contribute, less that in basins of other classes."""
    columns = x.columns((*PRECIPITATION, *TEMPERATURE, *STREAMFLOW)) if x.attributed else []
    past = x.lags >= 0 if columns else np.zeros(0, bool)
    if not columns or x.lags.max() < LONG_LAG:
        return None

    def share(name: str) -> float:
        profile = np.nansum(x.profile(x.basin == name)[:, columns], axis=(0, 1))
        whole = profile[past].sum()
        return float(profile[x.lags >= LONG_LAG].sum() / whole) if whole > 0 else 0.0

    here, there = share(basin), _others(x, basin, share)
    if np.isnan(there):
        return Measured(_NOT_KNOWN, "no basin of another class was explained")
    return Measured(here - there, f"{_percent(here)} of the past here, {_percent(there)} elsewhere")


def fading_against_others(x: Explained, basin: str) -> Measured | None:
    """E-folding lead of past streamflow over its mean in basins of other classes."""
    if not x.attributed or not x.columns(STREAMFLOW):
        return None
    here = _flow_efolding(x, basin)
    there = _others(x, basin, lambda name: _flow_efolding(x, name))
    if np.isnan(there):
        return Measured(_NOT_KNOWN, "no basin of another class was explained over enough leads")
    if np.isnan(here):
        return Measured(_NOT_KNOWN, "past streamflow contributes nothing, or leads are too few")
    return Measured(here / there, f"to 1/e in {_days(here)} here, in {_days(there)} in the others")


def _others(x: Explained, basin: str, measure: Callable[[str], float]) -> float:
    """Mean of a number over basins of other classes that are known; NaN where there is none."""
    others = [name for name in x.basins if x.basin_class(name) not in ("", x.basin_class(basin))]
    found = np.array([measure(name) for name in others])
    return float(found[np.isfinite(found)].mean()) if np.isfinite(found).any() else _NOT_KNOWN


# ------------------------------------------------------------------ all


def rain_gives_flow(x: Explained, basin: str) -> Measured | None:
    """Which way precipitation pushes, from -1 to 1."""
    rain = x.columns(PRECIPITATION) if x.attributed else []
    if not rain or x.value is None:
        return None
    rows = x.basin == basin
    return _direction(x.contribution[rows][:, :, rain], x.value[rows][:, None, rain])


def rain_memory(x: Explained, basin: str) -> Measured | None:
    """E-folding lag of past rain over the recession constant."""
    rain = x.columns(PRECIPITATION) if x.attributed else []
    if not rain:
        return None
    past = x.lags >= 0
    profile = np.nansum(x.profile(x.basin == basin)[:, rain], axis=(0, 1))[past]
    return _against_recession(x, basin, efolding(profile, x.lags[past]), "past rain")


def flow_memory(x: Explained, basin: str) -> Measured | None:
    """E-folding lead of past streamflow over the recession constant."""
    if not x.attributed or not x.columns(STREAMFLOW):
        return None
    return _against_recession(x, basin, _flow_efolding(x, basin), "past streamflow")


def past_flow_falls(x: Explained, basin: str) -> Measured | None:
    """Importance of past streamflow over the late third of the leads, over that of the early."""
    flow = x.columns(STREAMFLOW) if x.attributed else []
    third = len(x.leads) // 3
    if not flow or not third:
        return None
    size = x.importance(x.basin == basin)[:, flow].sum(-1)
    early, late = float(size[:third].mean()), float(size[-third:].mean())
    if not early > 0:
        return Measured(_NOT_KNOWN, "past streamflow contributes nothing to early leads")
    return Measured(late / early, f"{number(early)} mm d⁻¹ at early leads, {number(late)} at late")


def weather_after_its_day(x: Explained, basin: str) -> Measured | None:
    """Share of days after the day that is forecast."""
    if not x.attributed or not (x.lags < 0).any() or len(x.leads) < 2:
        return None
    profile = np.nansum(x.profile(x.basin == basin), axis=1)
    after = -x.lags[None] > x.leads[:, None]
    whole = float(profile.sum())
    if not whole > 0:
        return Measured(_NOT_KNOWN, "nothing contributes")
    found = float(profile[after].sum()) / whole
    return Measured(found, f"later days have {number(100 * found, 2)} % of the contributions")


def trust_falls(x: Explained, basin: str) -> Measured | None:
    """Rank correlation of the gate with lead or with noise, whichever is lower."""
    if "gate" not in x.data or len(x.leads) < 3:
        return None
    rows = x.basin == basin
    gate = x.data["gate"].transpose("sample", "lead").values[rows]
    lead = np.broadcast_to(x.leads, gate.shape)
    found = {"lead": rank_correlation(gate, lead.astype(np.float64))}
    noise = x.columns((NOISE,)) if x.attributed else []
    ahead = np.isin(-x.lags, x.leads) if noise else np.zeros(0, bool)
    if noise and x.value is not None and ahead.sum() == len(x.leads):
        # lags fall: day by day ahead, as leads
        found["noise"] = rank_correlation(gate, x.value[rows][:, noise[0], ahead])
    known = {name: value for name, value in found.items() if np.isfinite(value)}
    if not known:
        return Measured(_NOT_KNOWN, "the gate is the same everywhere")
    of = min(known, key=lambda name: known[name])
    first, last = float(np.nanmean(gate[:, 0])), float(np.nanmean(gate[:, -1]))
    said = (
        f"rank correlation with {of} {known[of]:.2f}; the gate is {first:.2f} at lead "
        f"{x.leads[0]} and {last:.2f} at lead {x.leads[-1]}"
    )
    return Measured(known[of], said)


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's rank correlation of what both have; NaN where one is constant."""
    there = np.isfinite(first) & np.isfinite(second)
    if there.sum() < 3:
        return _NOT_KNOWN
    ranks = [rankdata(one[there]) for one in (first, second)]
    if any(np.ptp(one) == 0 for one in ranks):
        return _NOT_KNOWN
    return float(np.corrcoef(ranks)[0, 1])


# ------------------------------------------------------------------ shared


def _mean_shares(x: Explained, rows: Rows) -> Array:
    """Shares of groups in all leads together, (G,)."""
    size = x.importance(rows).sum(0)
    return np.asarray(size / max(size.sum(), np.finfo(float).tiny))


def _flow_efolding(x: Explained, basin: str) -> float:
    size = x.importance(x.basin == basin)[:, x.columns(STREAMFLOW)].sum(-1)
    return efolding(size, x.leads)


def _direction(contribution: Array, value: Array) -> Measured:
    found = direction(contribution, value)
    if np.isnan(found):
        return Measured(found, "it contributes nothing, or the same in all samples")
    return Measured(found, f"{found:+.2f} on a scale from -1 (never) to 1 (always)")


def _against_recession(x: Explained, basin: str, days: float, what: str) -> Measured:
    recession = x.fact(basin, "recession_days")
    if recession is None or not np.isfinite(recession) or not recession > 0:
        return Measured(_NOT_KNOWN, "the basin's recession constant is not known")
    if np.isnan(days):
        return Measured(_NOT_KNOWN, f"{what} contributes nothing, or days are too few")
    said = f"{what} fades to 1/e in {_days(days)}, the basin's flow in {_days(float(recession))}"
    return Measured(days / float(recession), said)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _days(days: float) -> str:
    return f"{number(days, 2)} d"
