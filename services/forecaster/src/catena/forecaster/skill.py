"""Scores of forecasters on held-out days, as a table by model, basin and lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEADTIME = {"standard_name": "forecast_period", "units": "days", "long_name": "lead"}


@dataclass(frozen=True, eq=False)
class Shown:
    """One basin's forecasts over the test days, for a plot; mm d-1.

    Parameters
    ----------
    basin : str
    lead : int
    days, observed, flow : (I,) arrays
        Of the days that are forecast.
    lower, upper : (levels, I) arrays
    """

    basin: str
    lead: int
    days: NDArray[np.datetime64]
    observed: Array
    flow: Array
    lower: Array
    upper: Array


@dataclass(eq=False)
class Evaluation:
    """Scores; `M` models, `N` basins, `H` leads, `L` levels.

    Parameters
    ----------
    models : tuple of str
        The first one is judged.
    basins : tuple of str
    latitude, longitude : (N,) arrays
    levels : tuple of float
    issues : int
        Number of issue times.
    nse, kge : (M, N, H) arrays
        Of the days that every model forecasts, but for models that forecast none.
    picp, mpiw, winkler : (N, H, L) arrays
        NaN without intervals.
    crps, crps_climatology : (N, H) arrays, mm d-1
        Means over forecasts that both have.
    pit : dict of int to array
        By lead; of all basins.
    shown : list of Shown
    """

    models: tuple[str, ...]
    basins: tuple[str, ...]
    latitude: Array
    longitude: Array
    levels: tuple[float, ...]
    issues: int
    nse: Array
    kge: Array
    picp: Array
    mpiw: Array
    winkler: Array
    crps: Array
    crps_climatology: Array
    pit: dict[int, Array] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)

    @property
    def crpss(self) -> Array:
        """Skill against climatology over all basins, (H,)."""
        ours, theirs = (np.nansum(x, axis=0) for x in (self.crps, self.crps_climatology))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(theirs > 0, 1.0 - ours / theirs, np.nan)

    def median_nse(self) -> dict[str, Array]:
        """Median over basins by model, (H,) each."""
        return {name: median(self.nse[place]) for place, name in enumerate(self.models)}

    def to_xarray(self) -> xr.Dataset:
        """Scores in CF style."""
        leads = np.arange(1, self.nse.shape[2] + 1)
        made = xr.Dataset(
            {
                "nse": (("model", "basin", "leadtime"), self.nse),
                "kge": (("model", "basin", "leadtime"), self.kge),
                "picp": (("basin", "leadtime", "level"), self.picp),
                "mpiw": (("basin", "leadtime", "level"), self.mpiw),
                "winkler": (("basin", "leadtime", "level"), self.winkler),
                "crps": (("basin", "leadtime"), self.crps),
                "crps_climatology": (("basin", "leadtime"), self.crps_climatology),
            },
            coords={
                "model": list(self.models),
                "basin": list(self.basins),
                "leadtime": ("leadtime", leads.astype(np.int32), LEADTIME),
                "level": list(self.levels),
                "lat": ("basin", self.latitude, {"units": "degrees_north"}),
                "lon": ("basin", self.longitude, {"units": "degrees_east"}),
            },
            attrs={"Conventions": "CF-1.11", "title": "skill of streamflow forecasts"},
        )
        for name in ("mpiw", "winkler", "crps", "crps_climatology"):
            made[name].attrs["units"] = "mm d-1"
        return made


def median(values: Array) -> Array:
    """Median over the first axis without NaN; NaN where nothing is."""
    there = ~np.isnan(values).all(axis=0)
    made = np.full(values.shape[1:], np.nan)
    made[there] = np.nanmedian(values[:, there], axis=0)
    return made


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Blocks of basins as one."""
    first = parts[0]

    def along(name: str, axis: int) -> Array:
        return np.concatenate([getattr(part, name) for part in parts], axis=axis)

    return Evaluation(
        first.models,
        tuple(basin for part in parts for basin in part.basins),
        along("latitude", 0),
        along("longitude", 0),
        first.levels,
        first.issues,
        along("nse", 1),
        along("kge", 1),
        along("picp", 0),
        along("mpiw", 0),
        along("winkler", 0),
        along("crps", 0),
        along("crps_climatology", 0),
        {lead: np.concatenate([part.pit[lead] for part in parts]) for lead in first.pit},
        [one for part in parts for one in part.shown],
    )
