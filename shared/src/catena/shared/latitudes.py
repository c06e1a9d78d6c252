"""Areas of the rows of a grid of latitudes and longitudes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.shared.errors import InvalidData

__all__ = ["latitude_weights"]


def latitude_weights(lat: ArrayLike) -> NDArray[np.float64]:
    """Areas of the rows of a grid, with mean 1.

    ``sin(upper edge) - sin(lower edge)``: on evenly spaced rows proportional to the cosine of the
    latitude, and right also on Gaussian grids and for rows at the poles (as WeatherBench 2).
    Edges lie half way between rows; the outermost reach half a row further, or to the pole when
    less than another half row is left.

    Parameters
    ----------
    lat : array_like, (H,)
        Degrees north, ascending or descending.

    Returns
    -------
    array, (H,)

    Raises
    ------
    InvalidData
        When latitudes are not in order, or beyond the poles.
    """
    rows = np.asarray(lat, np.float64)
    steps = np.diff(rows)
    if rows.ndim != 1 or not rows.size or not (np.abs(rows) <= 90).all():
        raise InvalidData(f"latitudes {rows}; wanted one row or more between -90 and 90")
    if not ((steps > 0).all() or (steps < 0).all()):
        raise InvalidData(f"latitudes {rows}; wanted all ascending or all descending")
    if rows.size == 1:
        return np.ones(1)
    outer = np.array([rows[0] - steps[0] / 2, rows[-1] + steps[-1] / 2])
    reach = np.abs([steps[0], steps[-1]]) / 2
    outer = np.where(90 - np.abs(outer) < reach, np.copysign(90.0, outer), outer)
    edges = np.concatenate([outer[:1], rows[:-1] + steps / 2, outer[1:]])
    areas = np.abs(np.diff(np.sin(np.radians(edges))))
    return np.asarray(areas / areas.mean())
