"""Metrics of a model's climatology against a reference, by the names of the PCMDI metrics package.

Both are 12 calendar months on one grid. Weights are the areas of the cells inside the region;
months count by their days, February 28.25 (PMP, ``stats.seasonal_mean``). A cell of a month counts
only where model and reference both have a value, so that the two are compared over the same places;
means over a season or the year are taken over the months that count.

With ``<.>`` the area-weighted mean, d = model - reference of a season (or the year):

============== =======================================================================
rms_xy         sqrt <d^2>
rmsc_xy        the same of d - <d>
bias_xy        <d>
mae_xy         <|d|>
cor_xy         correlation of model and reference in space
mean_xy, std_xy            <model>, and its standard deviation in space; likewise
mean-obs_xy, std-obs_xy    of the reference
rms_y          sqrt of the mean over latitude of the squared difference of zonal means
rms_devzm      rms_xy of the deviations from the zonal mean
std_xy_devzm, std-obs_xy_devzm   standard deviation of these deviations
rms_xyt        mean over the months of sqrt <d^2> (PMP since version 3)
rms_xyt_pooled sqrt of the mean over the months of <d^2> (Gleckler et al. 2008, eq. 1;
               PMP before version 3 called this rms_xyt)
std_xyt, std-obs_xyt   standard deviation over space and months
============== =======================================================================

Source: PMP 4, ``pcmdi_metrics.stats`` and the list of its mean climate metrics.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData, InvalidRequest

Array = NDArray[np.float64]
Metrics = dict[str, dict[str, float]]
"""Metric -> season -> value; NaN where no cell counts."""

MONTH_DAYS = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
SEASONS = {
    "ann": tuple(range(12)),
    "djf": (11, 0, 1),
    "mam": (2, 3, 4),
    "jja": (5, 6, 7),
    "son": (8, 9, 10),
}
"""Season -> its months, from 0."""

SEASONAL = {
    "rms_xy": "Root mean square difference in space",
    "rmsc_xy": "Root mean square difference in space, without the bias",
    "bias_xy": "Mean difference, model minus reference",
    "mae_xy": "Mean absolute difference",
    "cor_xy": "Correlation in space",
    "mean_xy": "Mean of the model",
    "mean-obs_xy": "Mean of the reference",
    "std_xy": "Standard deviation of the model in space",
    "std-obs_xy": "Standard deviation of the reference in space",
}
ANNUAL = {
    "rms_y": "Root mean square difference of the zonal means",
    "rms_devzm": "Root mean square difference of the deviations from the zonal mean",
    "std_xy_devzm": "Standard deviation of the model's deviations from its zonal mean",
    "std-obs_xy_devzm": "Standard deviation of the reference's deviations from its zonal mean",
    "rms_xyt": "Mean over the months of the root mean square difference in space",
    "rms_xyt_pooled": "Root of the mean square difference over space and months",
    "std_xyt": "Standard deviation of the model over space and months",
    "std-obs_xyt": "Standard deviation of the reference over space and months",
}
METRICS = {**SEASONAL, **ANNUAL}
"""Metric -> what it is."""

BELTS = {
    "global": (-90.0, 90.0),
    "NHEX": (30.0, 90.0),
    "SHEX": (-90.0, -30.0),
    "TROPICS": (-30.0, 30.0),
}
"""Region -> latitudes (Gleckler et al. 2008, section 3; PMP's defaults)."""


def region_weights(
    region: str, lat_edges: Array, lon_edges: Array, land: Array | None = None
) -> Array:
    """Areas of the cells as far as they belong to a region.

    Parameters
    ----------
    region : str
        ``global``, ``NHEX``, ``SHEX``, ``TROPICS``, ``land``, ``ocean``, or a belt of one of
        both: ``land_NHEX``, ``ocean_TROPICS``.
    lat_edges, lon_edges : (ny + 1,), (nx + 1,) arrays
        Degrees.
    land : (ny, nx) array, optional
        Land fraction in percent (CMIP6 ``sftlf``). A cell is land from 50 % on (PMP).

    Returns
    -------
    (ny, nx) array
        Steradians.

    Raises
    ------
    InvalidRequest
        When the region is not known, or needs a land fraction that is not given.
    """
    surface, _, belt = region.rpartition("_")
    if belt in ("land", "ocean") and not surface:
        surface, belt = belt, "global"
    if belt not in BELTS or surface not in ("", "land", "ocean"):
        raise InvalidRequest(
            f"region {region!r}: wanted one of {', '.join(BELTS)}, land, ocean, or e.g. land_NHEX"
        )
    low, high = BELTS[belt]
    sines = np.sin(np.radians(np.clip(lat_edges, low, high)))
    weights = np.outer(np.abs(np.diff(sines)), np.abs(np.diff(np.radians(lon_edges))))
    if not surface:
        return weights
    if land is None:
        raise InvalidRequest(f"region {region!r} needs a land fraction (sftlf); found none")
    if land.shape != weights.shape:
        raise InvalidData(
            f"variable sftlf: found shape {land.shape}, wanted {weights.shape}, the common grid"
        )
    is_land = np.nan_to_num(land) >= 50.0
    return np.where(is_land == (surface == "land"), weights, 0.0)


def compute_metrics(model: Array, reference: Array, weights: Array) -> Metrics:
    """All metrics of one field in one region.

    Parameters
    ----------
    model, reference : (12, ny, nx) arrays
        Climatologies, January first; NaN is missing.
    weights : (ny, nx) array
        Areas, zero outside the region.

    Returns
    -------
    dict
        Metric -> season -> value. The metrics of `SEASONAL` have ``ann``, ``djf``, ``mam``,
        ``jja`` and ``son``, those of `ANNUAL` have ``ann``.

    Raises
    ------
    InvalidData
        When the shapes do not fit.
    """
    if model.shape != reference.shape or model.shape != (12, *weights.shape):
        raise InvalidData(
            f"found shapes {model.shape} (model), {reference.shape} (reference) and "
            f"{weights.shape} (weights), wanted (12, ny, nx) twice and (ny, nx)"
        )
    both = np.isfinite(model) & np.isfinite(reference)
    # Double precision, and both missing where either is.
    model, reference = (np.where(both, a, np.nan).astype(np.float64) for a in (model, reference))
    out: Metrics = {name: {} for name in METRICS}
    for season, months in SEASONS.items():
        m, o = (_season_mean(a, months) for a in (model, reference))
        for name, value in _in_space(m, o, weights).items():
            out[name][season] = value
        if season == "ann":
            for name, value in _zonal(m, o, weights).items():
                out[name][season] = value
    for name, value in _in_space_and_time(model, reference, weights).items():
        out[name]["ann"] = value
    return out


def _season_mean(field: Array, months: tuple[int, ...]) -> Array:
    days = MONTH_DAYS[list(months), None, None]
    part = field[list(months)]
    count = np.where(np.isnan(part), 0.0, days).sum(axis=0)
    total = (np.nan_to_num(part) * days).sum(axis=0)
    return _ratio(total, count)


def _ratio(total: Array, weight: Array) -> Array:
    out: Array = np.full(total.shape, np.nan)
    np.divide(total, weight, out=out, where=weight > 0)
    return out


def mean(field: Array, weights: Array) -> float:
    """Weighted mean over the cells that have a value; NaN without any."""
    used = np.where(np.isnan(field), 0.0, weights)
    total = used.sum()
    return float((used * np.nan_to_num(field)).sum() / total) if total > 0 else float("nan")


def _deviation(field: Array, weights: Array) -> float:
    return float(np.sqrt(mean((field - mean(field, weights)) ** 2, weights)))


def _in_space(m: Array, o: Array, weights: Array) -> dict[str, float]:
    difference = m - o
    m_mean, o_mean, bias = (mean(a, weights) for a in (m, o, difference))
    m_std, o_std = (_deviation(a, weights) for a in (m, o))
    together = mean((m - m_mean) * (o - o_mean), weights)
    return {
        "rms_xy": float(np.sqrt(mean(difference**2, weights))),
        "rmsc_xy": float(np.sqrt(mean((difference - bias) ** 2, weights))),
        "bias_xy": bias,
        "mae_xy": mean(np.abs(difference), weights),
        # A field without any pattern has no correlation.
        "cor_xy": together / (m_std * o_std) if m_std > 0 and o_std > 0 else float("nan"),
        "mean_xy": m_mean,
        "mean-obs_xy": o_mean,
        "std_xy": m_std,
        "std-obs_xy": o_std,
    }


def _zonal(m: Array, o: Array, weights: Array) -> dict[str, float]:
    used = np.where(np.isnan(m), 0.0, weights)
    rows = used.sum(axis=1)

    def zonal_mean(field: Array) -> Array:
        total = (used * np.nan_to_num(field)).sum(axis=1)
        return _ratio(total, rows)

    m_zonal, o_zonal = zonal_mean(m), zonal_mean(o)
    # A latitude counts by the area of its belt, however many of its cells have values.
    belts = np.where(rows > 0, weights.max(axis=1), 0.0)
    m_rest, o_rest = m - m_zonal[:, None], o - o_zonal[:, None]
    return {
        "rms_y": float(np.sqrt(mean((m_zonal - o_zonal) ** 2, belts))),
        "rms_devzm": float(np.sqrt(mean((m_rest - o_rest) ** 2, weights))),
        "std_xy_devzm": _deviation(m_rest, weights),
        "std-obs_xy_devzm": _deviation(o_rest, weights),
    }


def _in_space_and_time(m: Array, o: Array, weights: Array) -> dict[str, float]:
    square = np.array([mean(d**2, weights) for d in m - o])

    def over_months(values: Array) -> float:
        return mean(values, MONTH_DAYS)

    def deviation(field: Array) -> float:
        centre = over_months(np.array([mean(month, weights) for month in field]))
        spread = np.array([mean((month - centre) ** 2, weights) for month in field])
        return float(np.sqrt(over_months(spread)))

    return {
        "rms_xyt": over_months(np.sqrt(square)),
        "rms_xyt_pooled": float(np.sqrt(over_months(square))),
        "std_xyt": deviation(m),
        "std-obs_xyt": deviation(o),
    }
