"""Faults of values, for the catalogue of :mod:`support.faulty_datasets`."""

from __future__ import annotations

import numpy as np
import xarray as xr
from support.faulty_datasets import Plant, fault, planted


def _nan_at(name: str, *place: object) -> Plant:
    def truth(good: xr.Dataset) -> xr.Dataset:
        def change(values: np.ndarray) -> np.ndarray:
            values[place] = np.nan
            return values

        return planted(good, name, change)

    return truth


def _set(dataset: xr.Dataset, name: str, value: float, *place: object) -> xr.Dataset:
    def change(values: np.ndarray) -> np.ndarray:
        values[place] = value
        return values

    return planted(dataset, name, change)


# Numbers that are none


@fault(
    "monthly_gridded",
    "fill_value",
    "tas",
    "-9999 (2 of",
    "259.284",
    truth=_nan_at("tas", 5, 2, [1, 3]),
)
def fill_9999(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "tas", -9999, 5, 2, [1, 3])


@fault(
    "daily_basin",
    "fill_value",
    "streamflow",
    "-999 (3 of",
    "2e-05",
    truth=_nan_at("streamflow", 1, [0, 7, 9]),
)
def fill_999(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "streamflow", -999, 1, [0, 7, 9])


@fault("hourly_site", "fill_value", "tas", "-99.99 (1 of", "NaN", truth=_nan_at("tas", 17))
def fill_99_in_celsius(good: xr.Dataset) -> xr.Dataset:
    # -99.99 degC is possible on Earth, but not beside 10 degC.
    celsius = planted(good, "tas", lambda v: v - np.float32(273.15), units="degC")
    return _set(celsius, "tas", -99.99, 17)


@fault("monthly_gridded", "fill_value", "pr", "1e+20 (48 of", "NaN", truth=_nan_at("pr", 3))
def fill_1e20(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "pr", 1e20, 3)


@fault(
    "daily_levels",
    "fill_value",
    "ta",
    "1e+30 (90 of",
    "NaN",
    truth=_nan_at("ta", slice(None), 0, 1, 1),
)
def fill_1e30(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "ta", 1e30, slice(None), 0, 1, 1)


@fault("daily_noleap", "fill_value", "tas", "1e+36 (1 of", "NaN", truth=_nan_at("tas", 1, 1, 1))
def fill_1e36(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "tas", 1e36, 1, 1, 1)


@fault("daily_360", "fill_value", "pr", "9.96921e+36 (1 of", "NaN", truth=_nan_at("pr", 1, 1, 1))
def fill_of_netcdf(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "pr", 9.969209968386869e36, 1, 1, 1)


@fault("monthly_gridded", "fill_value", "tas", "-555", "NaN", truth=_nan_at("tas", 0, 0, 0))
def fill_declared_but_not_decoded(good: xr.Dataset) -> xr.Dataset:
    changed = _set(good, "tas", -555, 0, 0, 0)
    changed["tas"].attrs["_FillValue"] = np.float32(-555)
    return changed


@fault(
    "monthly_gridded",
    "infinite",
    "rsds",
    "2 infinite",
    "finite",
    truth=_nan_at("rsds", 1, 1, [0, 1]),
)
def infinities(good: xr.Dataset) -> xr.Dataset:
    return _set(_set(good, "rsds", np.inf, 1, 1, 0), "rsds", -np.inf, 1, 1, 1)


@fault(
    "daily_basin", "missing", "streamflow", "5 % of values missing, at most 120 steps",
    "no missing values", outcome="noted", truth=_nan_at("streamflow", 1, slice(100, 220)),
)  # fmt: skip
def block_of_nan(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "streamflow", np.nan, 1, slice(100, 220))


@fault("monthly_gridded", "missing", "tas", "1728 of 1728", "values", outcome="refused", gone="tas")
def nothing_but_nan(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "tas", np.nan, slice(None))


def _packed(good: xr.Dataset) -> xr.Dataset:
    return planted(
        good, "hurs", lambda v: (np.round((v - 50) / 0.0025) * 0.0025 + 50).astype("float32")
    )


@fault(
    "monthly_gridded", "packing", "hurs", "packed as int16, scale 0.0025", "values", truth=_packed
)
def packed_and_not_decoded(good: xr.Dataset) -> xr.Dataset:
    return planted(
        good, "hurs", lambda v: np.round((v - 50) / 0.0025).astype("int16"),
        scale_factor=0.0025, add_offset=50.0,
    )  # fmt: skip


@fault("monthly_gridded", "packing", "tas", "int16", "165 to 340 K", outcome="refused", gone="tas")
def packing_lost(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: np.round((v - 280) / 0.002).astype("int16"))


@fault("monthly_gridded", "precision", "", "float64 for tas", "float32")
def double_precision(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "tas", lambda v: v.astype("float64"))


# Ranges


@fault(
    "hourly_site",
    "negative",
    "pr",
    "down to -1e-10",
    "0 or more",
    truth=lambda g: _set(g, "pr", 0, 3),
)
def trace_below_zero(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "pr", -1e-10, 3)


@fault(
    "hourly_site", "negative", "pr", "down to -0.0001", "0 or more", outcome="refused", gone="pr"
)
def negative_rain(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "pr", -1e-4, 3)


@fault(
    "monthly_gridded",
    "range",
    "clt",
    "to 100.04 %",
    "0 to 100 %",
    truth=lambda g: _set(g, "clt", 100, 3, 3, 3),
)
def overshoot_of_rounding(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "clt", 100.04, 3, 3, 3)


@fault("monthly_gridded", "range", "tas", "to 700 K", "165 to 340 K", outcome="refused", gone="tas")
def spike(good: xr.Dataset) -> xr.Dataset:
    return _set(good, "tas", 700, 3, 3, 3)


@fault(
    "daily_noleap", "frozen", "tas", "the same values in 2 steps, 1 times", "fewer than 2",
    truth=_nan_at("tas", 31),
)  # fmt: skip
def repeated_field(good: xr.Dataset) -> xr.Dataset:
    def repeat(values: np.ndarray) -> np.ndarray:
        values[31] = values[30]
        return values

    return planted(good, "tas", repeat)


@fault(
    "hourly_site", "frozen", "tas", "the same values in 60 steps", "fewer than 48",
    truth=_nan_at("tas", slice(101, 160)),
)  # fmt: skip
def stuck_sensor(good: xr.Dataset) -> xr.Dataset:
    def stick(values: np.ndarray) -> np.ndarray:
        values[100:160] = values[100]
        return values

    return planted(good, "tas", stick)


@fault(
    "daily_noleap", "frozen", "pr", "the same values in 400 steps", "fewer than 2",
    outcome="refused", gone="pr",
)  # fmt: skip
def frozen_model(good: xr.Dataset) -> xr.Dataset:
    return planted(good, "pr", lambda v: np.repeat(v[:1], v.shape[0], axis=0))
