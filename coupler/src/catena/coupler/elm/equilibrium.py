"""Whether a spin-up has reached its equilibrium, judged on whole cycles of the forcing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from catena.coupler.elm.stages import LAST_YEAR_OF_FILLING
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest

JUDGED = "TOTECOSYSC"
BESIDE = ("TOTSOMC", "TOTVEGC", "TLAI", "GPP")


@dataclass(frozen=True)
class Equilibrium:
    """The judgement.

    Parameters
    ----------
    reached : bool
    area_fraction : float
        Part of the land area whose total carbon drifts by less than the limit.
    trends : dict of float
        Area mean of the change a year from the cycle before to the last one, in the units of the
        history (GPP in its own units a year).
    cycles : int
        Whole cycles in the history.
    """

    reached: bool
    area_fraction: float
    trends: dict[str, float]
    cycles: int


def judge_equilibrium(
    history: xr.Dataset,
    cycle_years: int,
    limit: float = 1.0,
    area_fraction: float = 0.97,
    ad_spinup: bool = False,
) -> Equilibrium:
    """Judge a run by its annual history.

    Parameters
    ----------
    history : Dataset (time, cell)
        Of :func:`~catena.coupler.elm.history.read_history`, annual.
    cycle_years : int
        Length of the forcing cycle. Single years swing by hundreds of gC m-2, so only means of
        whole cycles are compared.
    limit : float
        gC m-2 yr-1.
    area_fraction : float
        Part of the area that must drift by less.
    ad_spinup : bool
        Whether the run is in accelerated decomposition, where no trend may span year 40.

    Raises
    ------
    InvalidRequest
        When total carbon is not in the history.
    InvalidData
        When it is not annual, has NaN, or fewer than two whole cycles.
    FailedPrecondition
        When the last two cycles of an accelerated run span the year in which acceleration begins.
    """
    if JUDGED not in history:
        raise InvalidRequest(f"the history has no {JUDGED}; add it to history[].variables")
    bounds = history["time_bounds"].values
    days = np.array([(end - begin).days for begin, end in bounds])
    if ((days < 365) | (days > 366)).any():
        raise InvalidData(f"got intervals of {days.min()} to {days.max()} days, wanted years")
    cycles = history.sizes["time"] // cycle_years
    if cycles < 2:
        raise InvalidData(
            f"got {history.sizes['time']} years, wanted at least 2 cycles of {cycle_years}; an "
            "equilibrium is judged on the means of whole cycles"
        )
    last = history.isel(time=slice(-cycle_years, None))
    before = history.isel(time=slice(-2 * cycle_years, -cycle_years))
    first_year = before["time"].values[0].year
    last_year = last["time"].values[-1].year
    if ad_spinup and first_year <= LAST_YEAR_OF_FILLING < last_year:
        raise FailedPrecondition(
            f"the years {first_year} to {last_year} span year {LAST_YEAR_OF_FILLING}, in which "
            "acceleration begins; there is no trend across it, wait for two cycles after it"
        )
    weight = history["area"] * history["landfrac"] if "area" in history.coords else None
    names = [JUDGED, *(name for name in BESIDE if name in history)]
    drift = {name: (_mean(last[name]) - _mean(before[name])) / cycle_years for name in names}
    if not np.isfinite(drift[JUDGED]).all():
        raise InvalidData(f"{JUDGED} holds NaN; the run went wrong")
    weights = weight.values if weight is not None else np.ones(drift[JUDGED].size)
    settled = np.abs(drift[JUDGED].values) < limit
    part = float((settled * weights).sum() / weights.sum())
    trends = {
        name: float((values.values * weights).sum() / weights.sum())
        for name, values in drift.items()
    }
    return Equilibrium(part >= area_fraction, part, trends, cycles)


def _mean(values: xr.DataArray) -> xr.DataArray:
    # With NaN: a year that is missing must not make a cycle of the others.
    return values.mean("time", skipna=False)
