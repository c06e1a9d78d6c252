"""Regridding cell by cell, in plain loops: an implementation that shares nothing with ours."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np


def conservative(field, lat_edges, lon_edges, target_lat_edges, target_lon_edges):
    """Mean of `field` over each target cell, by the areas of all intersections.

    Returns the means and the covered part of each cell; NaN in the field takes no part.
    """
    ny, nx = len(target_lat_edges) - 1, len(target_lon_edges) - 1
    total, valid, cells = (np.zeros((ny, nx)) for _ in range(3))
    for j in range(ny):
        south, north = sorted(target_lat_edges[j : j + 2])
        for i in range(nx):
            west, east = sorted(target_lon_edges[i : i + 2])
            cells[j, i] = (east - west) * _height(south, north)
            for m in range(len(lat_edges) - 1):
                s, n = sorted(lat_edges[m : m + 2])
                height = _height(max(s, south), min(n, north))
                if max(s, south) >= min(n, north):
                    continue
                for k in range(len(lon_edges) - 1):
                    w, e = sorted(lon_edges[k : k + 2])
                    width = 0.0
                    for turn in range(-3, 4):
                        width += max(0.0, min(e + 360 * turn, east) - max(w + 360 * turn, west))
                    if width and not math.isnan(field[m, k]):
                        total[j, i] += field[m, k] * width * height
                        valid[j, i] += width * height
    with np.errstate(invalid="ignore"):
        return total / valid, valid / cells


def _height(south, north):
    return math.sin(math.radians(north)) - math.sin(math.radians(south))


def bilinear(field, lat, lon, target_lat, target_lon, *, periodic):
    """Linear in latitude and longitude between centres; constant beyond the outermost latitude."""
    out = np.empty((len(target_lat), len(target_lon)))
    for j, y in enumerate(target_lat):
        for i, x in enumerate(target_lon):
            rows = _between(list(lat), y)
            columns = _between_lon(list(lon), x, periodic)
            out[j, i] = sum(
                a * b * field[m, k] for m, a in rows for k, b in columns if a * b != 0.0
            )
    return out


def _between(axis, place):
    order = sorted(range(len(axis)), key=lambda n: axis[n])
    if place <= axis[order[0]]:
        return [(order[0], 1.0)]
    if place >= axis[order[-1]]:
        return [(order[-1], 1.0)]
    for low, high in pairwise(order):
        if axis[low] <= place <= axis[high]:
            part = (place - axis[low]) / (axis[high] - axis[low])
            return [(low, 1.0 - part), (high, part)]
    raise AssertionError


def _between_lon(axis, place, periodic):
    if not periodic:
        return _between(axis, place)
    values = [(x + 360 * turn, k) for k, x in enumerate(axis) for turn in range(-3, 4)]
    values.sort()
    for (low, k), (high, n) in pairwise(values):
        if low <= place <= high:
            part = (place - low) / (high - low)
            return [(k, 1.0 - part), (n, part)]
    raise AssertionError
