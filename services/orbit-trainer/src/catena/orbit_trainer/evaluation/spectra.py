"""Power of fields by zonal wavenumber: whether a forecast is as rough as the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.shared.latitudes import latitude_weights

__all__ = ["BANDS", "band_power", "is_periodic", "power_ratio", "zonal_power"]

Array = NDArray[np.float64]

BANDS: Mapping[str, tuple[float, float]] = {
    "globe": (-90.0, 90.0),
    "north": (30.0, 90.0),
    "tropics": (-30.0, 30.0),
    "south": (-90.0, -30.0),
}
"""Latitudes (degrees) over which spectra are averaged, both included."""


def zonal_power(fields: NDArray[Any]) -> Array:
    """Power of each wavenumber along every row.

    ``|F_0|^2`` and ``2 |F_k|^2`` with ``F_k = sum_l f_l exp(-2 pi i k l / W) / W``; the shortest
    wave of an even W counts once. So the sum over k is the mean square of the row (Parseval), and
    the sum over k > 0 its variance.

    Parameters
    ----------
    fields : array, (..., H, W)
        All the way round the globe.

    Returns
    -------
    Array, (..., H, W // 2 + 1)
        Squared units; NaN for rows with a missing value.
    """
    width = fields.shape[-1]
    amplitude = np.fft.rfft(np.asarray(fields, np.float64), axis=-1) / width
    power = amplitude.real**2 + amplitude.imag**2
    power[..., 1 : (width + 1) // 2] *= 2.0
    return np.asarray(power)


def band_power(
    fields: NDArray[Any], lat: Array, bands: Mapping[str, tuple[float, float]] = BANDS
) -> Array:
    """Power by zonal wavenumber, averaged over bands of latitude by area.

    Parameters
    ----------
    fields : array, (..., H, W)
    lat : Array, (H,)
        Degrees north.
    bands : mapping of str to (south, north)

    Returns
    -------
    Array, (..., bands, W // 2 + 1)
        Squared units; NaN for a band without a complete row.
    """
    power = zonal_power(fields)
    whole = np.isfinite(power[..., 0])
    power = np.where(whole[..., None], power, 0.0)
    inside = np.array([(lat >= low) & (lat <= high) for low, high in bands.values()])
    rows = inside * latitude_weights(lat)
    total = np.einsum("bh,...hk->...bk", rows, power)
    weight = np.einsum("bh,...h->...b", rows, whole.astype(np.float64))[..., None]
    out = np.full(total.shape, np.nan)
    np.divide(total, weight, out=out, where=weight > 0)
    return out


def power_ratio(forecast: Array, truth: Array) -> Array:
    """Power of the forecast over that of the truth; under 1 it is too smooth at that wavenumber."""
    out = np.full(np.broadcast_shapes(forecast.shape, truth.shape), np.nan)
    np.divide(forecast, truth, out=out, where=truth > 0)
    return out


def is_periodic(lon: Array) -> bool:
    """Whether even steps of longitude (degrees) go once round the globe."""
    steps = np.diff(lon)
    return bool(
        lon.size > 1
        and np.allclose(steps, steps[0], rtol=1e-3)
        and np.isclose(abs(steps[0]) * lon.size, 360.0, rtol=1e-3)
    )
