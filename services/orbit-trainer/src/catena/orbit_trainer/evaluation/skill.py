"""What an evaluation found: scores by forecaster, lead and variable; maps; spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation.spectra import power_ratio

__all__ = ["CLIMATOLOGY", "PERSISTENCE", "Skill"]

Array = NDArray[np.float64]

PERSISTENCE, CLIMATOLOGY = "persistence", "climatology"

_SCORES = {
    "rmse": ("root mean square error of the (ensemble mean) forecast, weighted by area", ""),
    "bias": ("mean error, weighted by area", ""),
    "acc": ("anomaly correlation coefficient, not centred", "1"),
    "activity": ("standard deviation in space of the forecast's anomalies", ""),
    "crps": ("continuous ranked probability score of the ensemble as it is", ""),
    "crps_fair": ("continuous ranked probability score, for an infinite ensemble", ""),
    "spread": ("root of the mean ensemble variance", ""),
}
"""Score -> what it is, and its units; nothing for those of the variable."""


@dataclass(frozen=True, eq=False)
class Skill:
    """Scores of several forecasters over the same initial times.

    Parameters
    ----------
    forecasters : tuple of str
        Those that were given, then persistence and climatology.
    members : tuple of int
        Of each forecaster.
    leads_h : tuple of float
        Hours.
    variables, units : tuple of str
    lat, lon : tuple of float
    calendar : str
    times_s : array of int64, (T,)
        Initial times, seconds since 1970-01-01 in the calendar.
    generated : bool
        Whether a formula made the fields.
    scores : dict of str to Array, (F, L, V)
        ``rmse``, ``bias``, ``acc``, ``activity``, ``crps``, ``crps_fair``, ``spread``.
    truth_activity : Array, (L, V)
    square_errors : Array, (F, L, V, T)
        Mean square error in space of each initial time.
    bias_map, rmse_map : Array, (F, L, V, H, W)
    bands : tuple of str
    power : Array, (F, L, V, bands, K), or None
        Mean power by zonal wavenumber, of a single member; None on grids that do not go round.
    truth_power : Array, (L, V, bands, K), or None
    shown_time_s : int
        Initial time of the fields below.
    shown : Array, (F, L, V, H, W)
        Forecasts of that time.
    shown_truth : Array, (L, V, H, W)
    """

    forecasters: tuple[str, ...]
    members: tuple[int, ...]
    leads_h: tuple[float, ...]
    variables: tuple[str, ...]
    units: tuple[str, ...]
    lat: tuple[float, ...]
    lon: tuple[float, ...]
    calendar: str
    times_s: NDArray[np.int64]
    generated: bool
    scores: dict[str, Array]
    truth_activity: Array
    square_errors: Array
    bias_map: Array
    rmse_map: Array
    bands: tuple[str, ...]
    power: Array | None
    truth_power: Array | None
    shown_time_s: int
    shown: NDArray[np.float32]
    shown_truth: NDArray[np.float32]

    def score(self, name: str, forecaster: str) -> Array:
        """One score of one forecaster, (L, V)."""
        scores: Array = self.scores[name][self.forecasters.index(forecaster)]
        return scores

    def ratio(self, forecaster: str, reference: str) -> Array:
        """RMSE of one forecaster over that of another, (L, V); below 1 is better."""
        mine, other = self.score("rmse", forecaster), self.score("rmse", reference)
        out = np.full(mine.shape, np.nan)
        np.divide(mine, other, out=out, where=other > 0)
        return out

    def summary(self) -> dict[str, Any]:
        """The figures as JSON; what is not known is None."""
        return {
            "forecasters": list(self.forecasters),
            "members": list(self.members),
            "leads_h": list(self.leads_h),
            "variables": list(self.variables),
            "units": list(self.units),
            "initial_times": len(self.times_s),
            "generated": self.generated,
            "scores": {
                name: {who: _plain(values[place]) for place, who in enumerate(self.forecasters)}
                for name, values in self.scores.items()
            },
            "truth_activity": _plain(self.truth_activity),
        }

    def to_xarray(self) -> xr.Dataset:
        """All of it as a dataset with CF names, ready for netCDF or zarr."""
        first = ("forecaster", "lead", "variable")
        data: dict[str, Any] = {
            name: (first, self.scores[name], _attributes(*about)) for name, about in _SCORES.items()
        }
        data["truth_activity"] = (
            first[1:], self.truth_activity, _attributes("as activity, of the truth", "")
        )  # fmt: skip
        data["mean_square_error"] = (
            (*first, "time"),
            self.square_errors,
            {"long_name": "mean square error in space of each initial time"},
        )
        for name in ("bias", "rmse"):
            values = getattr(self, f"{name}_map").astype(np.float32)
            long_name = f"{_SCORES[name][0].split(',')[0]} of each cell"
            data[f"{name}_map"] = ((*first, "lat", "lon"), values, _attributes(long_name, ""))
        if self.power is not None and self.truth_power is not None:
            axes = ("band", "wavenumber")
            data["power"] = ((*first, *axes), self.power, _POWER)
            data["truth_power"] = ((*first[1:], *axes), self.truth_power, _POWER)
            data["power_ratio"] = (
                (*first, *axes),
                power_ratio(self.power, self.truth_power),
                {"long_name": "power of the forecast over that of the truth", "units": "1"},
            )
        return xr.Dataset(data, self._coordinates(), self._attributes())

    def _coordinates(self) -> dict[str, Any]:
        coordinates: dict[str, Any] = {
            "forecaster": list(self.forecasters),
            "members": ("forecaster", list(self.members), {"long_name": "members"}),
            "lead": (
                "lead",
                np.array(self.leads_h, np.float64),
                {"standard_name": "forecast_period", "units": "hours"},
            ),
            "variable": list(self.variables),
            "variable_units": ("variable", list(self.units), {"long_name": "units"}),
            "time": (
                "time",
                self.times_s,
                {
                    "standard_name": "forecast_reference_time",
                    "units": "seconds since 1970-01-01",
                    "calendar": self.calendar,
                },
            ),
            "lat": ("lat", list(self.lat), {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ("lon", list(self.lon), {"standard_name": "longitude", "units": "degrees_east"}),
        }
        if self.power is not None:
            coordinates["band"] = list(self.bands)
            coordinates["wavenumber"] = (
                "wavenumber",
                np.arange(self.power.shape[-1]),
                {"long_name": "zonal wavenumber", "units": "1"},
            )
        return coordinates

    def _attributes(self) -> dict[str, str]:
        words = "generated" if self.generated else "measured or modelled"
        return {
            "Conventions": "CF-1.11",
            "title": "Skill of forecasts of fields",
            "source": f"fields that were {words}",
            "comment": "definitions of WeatherBench 2 (Rasp et al. 2024)",
        }


_POWER = {"long_name": "power by zonal wavenumber, squared units of the variable"}


def _attributes(long_name: str, units: str) -> dict[str, str]:
    if units:
        return {"long_name": long_name, "units": units}
    return {"long_name": long_name, "comment": "in the units of the variable: variable_units"}


def _plain(values: Array) -> Any:
    if values.ndim:
        return [_plain(one) for one in values]
    return float(values) if np.isfinite(values) else None
