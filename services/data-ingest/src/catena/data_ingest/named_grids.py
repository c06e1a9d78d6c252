"""Global grids by the names that the field uses for them."""

from __future__ import annotations

import re

import numpy as np

from catena.data_ingest.grids import Grid, gaussian_latitudes, make_grid
from catena.shared.errors import InvalidRequest

SPECTRAL = {21: 32, 31: 48, 42: 64, 63: 96, 85: 128, 106: 160, 127: 192, 170: 256, 213: 320}
"""Truncation -> latitudes of the Gaussian grid on which its quadratic terms are exact."""
ROUNDED = {"1.4": 1.40625, "2.8": 2.8125, "5.6": 5.625, "0.7": 0.703125}
"""Names in common use for divisions of the circle into powers of two."""


def named_grid(name: str) -> Grid:
    """A global grid by its name; latitudes from the south, longitudes from -180.

    Parameters
    ----------
    name : str
        ``2.5deg``: cells of so many degrees, edges at the poles and at -180 (``1.4deg`` is
        1.40625, 128 x 256; likewise ``0.7deg``, ``2.8deg``, ``5.6deg``).
        ``0.25deg poles``: points at the poles and at -180, 721 x 1440, as ERA5 (``era5``).
        ``128x256`` or ``cmip6 128x256``: so many regular cells. ``2.5x2.5``: degrees, as the PCMDI
        metrics write it (numbers below 16 are degrees).
        ``gaussian:64``: so many Gaussian latitudes and twice as many longitudes. ``T42``: the
        Gaussian grid of a truncation. ``F80``: so many Gaussian latitudes per hemisphere.

    Raises
    ------
    InvalidRequest
        When the name says no grid, or the degrees do not divide the sphere.
    """
    text = " ".join(name.lower().replace("_", " ").split())
    if text == "era5":
        text = "0.25deg poles"
    number = r"(\d+(?:\.\d+)?)"
    if found := re.fullmatch(rf"{number} ?deg(?:rees?)?([ -]poles)?", text):
        size = ROUNDED.get(found[1], float(found[1]))
        return _regular(_count(name, 180, size), _count(name, 360, size), bool(found[2]), name)
    if found := re.fullmatch(rf"(?:cmip6 )?{number} ?x ?{number}([ -]poles)?", text):
        ny, nx = float(found[1]), float(found[2])
        if ny < 16 or nx < 16:
            ny, nx = _count(name, 180, ny), _count(name, 360, nx)
        elif ny % 1 or nx % 1:
            raise InvalidRequest(
                f"grid {name!r}: found {ny:g} x {nx:g} cells, wanted whole numbers"
            )
        elif found[3]:
            ny -= 1
        return _regular(int(ny), int(nx), bool(found[3]), name)
    if found := re.fullmatch(r"gaussian[: ](\d+)|t(\d+)|f(\d+)", text):
        if found[2] and int(found[2]) not in SPECTRAL:
            raise InvalidRequest(
                f"grid {name!r}: no such truncation, wanted one of "
                f"{', '.join(f'T{t}' for t in SPECTRAL)}; or give the latitudes, e.g. gaussian:64"
            )
        count = int(found[1] or 0) or SPECTRAL.get(int(found[2] or 0)) or 2 * int(found[3] or 0)
        if count < 2 or count % 2 or count > 5000:
            raise InvalidRequest(f"grid {name!r}: found {count} latitudes, wanted an even number")
        lat, lat_edges = gaussian_latitudes(count)
        lon_edges = np.linspace(-180.0, 180.0, 2 * count + 1)
        return Grid(lat, (lon_edges[:-1] + lon_edges[1:]) / 2, lat_edges, lon_edges, name)
    raise InvalidRequest(
        f"grid {name!r} is not known; wanted e.g. '2.5deg', '0.25deg poles', '128x256', "
        "'gaussian:64', 'T42'"
    )


def _count(name: str, whole: int, size: float) -> int:
    cells = round(whole / size) if size > 0 else 0
    if cells < 2 or abs(cells * size - whole) > 1e-6 * whole:
        raise InvalidRequest(
            f"grid {name!r}: {size:g} degrees do not divide {whole} degrees into whole cells; "
            "give the numbers of cells, e.g. '128x256'"
        )
    return cells


def _regular(ny: int, nx: int, poles: bool, name: str) -> Grid:
    if poles:
        lat, lon = np.linspace(-90.0, 90.0, ny + 1), np.arange(nx) * (360.0 / nx) - 180.0
        return make_grid(lat, lon, name=name)
    lat_edges, lon_edges = np.linspace(-90.0, 90.0, ny + 1), np.linspace(-180.0, 180.0, nx + 1)
    lat, lon = (lat_edges[:-1] + lat_edges[1:]) / 2, (lon_edges[:-1] + lon_edges[1:]) / 2
    return Grid(lat, lon, lat_edges, lon_edges, name)
