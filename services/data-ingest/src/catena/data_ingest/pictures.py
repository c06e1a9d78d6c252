"""A map and a series out of whatever was ingested, for the page of a catalog."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import xarray as xr

from catena.data_ingest.maps import map_figure, series_figure
from catena.shared.report import Picture, plot

Rows = Iterable[tuple[dict[str, Any], Callable[[], xr.Dataset]]]
"""Rows of ``ingest.json``, and how to open the dataset of each."""

_MOST_CELLS = 2_000_000
_LINES = ("tas", "pr", "rsds", "streamflow", "discharge", "inflow")


def draw_map(rows: Rows) -> Picture | None:
    """The first time step of the finest map that is there; None if there is none."""
    best: tuple[int, dict[str, Any], Callable[[], xr.Dataset], str] | None = None
    for row, opener in rows:
        for one in row["variables"]:
            sizes = dict(zip(one["dims"], one["shape"], strict=True))
            cells = sizes.get("lat", 0) * sizes.get("lon", 0)
            if cells and (best is None or best[0] < cells <= _MOST_CELLS):
                best = cells, row, opener, one["name"]
    if best is None:
        return None
    _, row, opener, name = best
    field = opener()[name]
    rest = {dim: 0 for dim in field.dims if dim not in ("lat", "lon")}
    field = field.isel(rest).compute()
    where = f"{row['key']}, {name}"
    when = str(field["time"].values)[:10] if "time" in field.coords else ""
    level = f"{float(field['plev']) / 100:g} hPa" if "plev" in field.coords else ""
    note = ", ".join(filter(None, (when, level)))
    made_up = " Generated, not observed." if row["generated"] else ""
    figure = map_figure(field, title=_name(field, name), note=note)
    return Picture(
        plot(figure, "map", alt=f"Map of {where}"),
        f"{where}{f' ({note})' if note else ''}: the finest grid that was ingested.{made_up}",
        f"A map of {name}",
    )


def draw_series(rows: Rows) -> Picture | None:
    """The longest series of one place; None if there is none."""
    best: tuple[int, dict[str, Any], Callable[[], xr.Dataset]] | None = None
    for row, opener in rows:
        steps = max((_steps(one) for one in row["variables"] if one["name"] in _LINES), default=0)
        if steps and (best is None or steps > best[0]):
            best = steps, row, opener
    if best is None:
        return None
    _, row, opener = best
    dataset = opener()
    wanted = [name for name in _LINES if name in dataset][:2]
    place = {dim: 0 for dim in dataset.dims if dim not in ("time", "bnds")}
    chosen = dataset[wanted].isel(place).compute()
    made_up = " Generated, not observed." if row["generated"] else ""
    figure = series_figure({name: chosen[name] for name in wanted}, title=row["key"])
    return Picture(
        plot(figure, "series", alt=f"Series of {', '.join(wanted)} of {row['key']}"),
        f"{row['key']}: {', '.join(wanted)}, the longest record that was ingested.{made_up}",
        f"Series of {', '.join(wanted)}",
    )


def _steps(variable: dict[str, Any]) -> int:
    sizes = dict(zip(variable["dims"], variable["shape"], strict=True))
    if "lat" in sizes or "lon" in sizes:
        return 0
    # One place among few: a table of a thousand basins is longer, but its first is any of them.
    others = math.prod(size for dim, size in sizes.items() if dim != "time")
    return int(sizes.get("time", 0)) if others <= 1000 else 0


def _name(field: xr.DataArray, name: str) -> str:
    return str(field.attrs.get("long_name") or name).replace("_", " ")
