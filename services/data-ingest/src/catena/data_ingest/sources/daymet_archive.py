"""Daymet's services as archives: text of pixels, one file a site and decade; subsets of grids, one
file a variable and year.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from catena.data_ingest.http import Http
from catena.data_ingest.sources.asked import Asked
from catena.data_ingest.sources.base import Entry, Facets
from catena.data_ingest.sources.daymet_csv import parse
from catena.data_ingest.sources.daymet_service import (
    FIRST_YEAR,
    LATITUDES,
    LONGITUDES,
    REGIONS,
    VARIABLES,
    Box,
    DaymetService,
    Region,
    pixel_name,
)
from catena.data_ingest.sources.grouping import word
from catena.data_ingest.sources.order import Order
from catena.data_ingest.sources.retrieved import Planned, RetrievedArchive, entry_of
from catena.shared.errors import InvalidData
from catena.shared.lexicon import rows

PIXEL_FACETS = ("lat", "lon", "site", "variable", "year")
GRID_FACETS = ("area", "region", "variable", "year")

_YEARS = 10
"""Of one pixel in one file."""


@dataclass(frozen=True)
class Pixel:
    """Whole years of one pixel."""

    lat: float
    lon: float
    first: int
    last: int
    variables: tuple[str, ...]

    @property
    def period(self) -> tuple[date, date]:
        """First and last day."""
        return date(self.first, 1, 1), date(self.last, 12, 31)


@dataclass(frozen=True)
class Grid:
    """A year of one variable in a box."""

    region: Region
    variable: str
    year: int
    box: Box


def is_pixels(location: str) -> bool:
    """Whether a location is the single-pixel service."""
    return "single-pixel" in _segments(location)


def is_grids(location: str) -> bool:
    """Whether a location is a NetCDF Subset Service (NCSS) of THREDDS."""
    return "ncss" in _segments(location)


class DaymetArchive(RetrievedArchive[Pixel | Grid]):
    """One of Daymet's services; see :class:`RetrievedArchive`.

    Facets of pixels: ``lat`` and ``lon`` (one value a site, degrees), ``site`` (names, in the same
    order; default: the place), ``variable``, ``year``. Facets of grids: ``variable``, ``year``,
    ``region`` (na, hi, pr), ``area`` (north, west, south, east; or the selection's region). Where
    they are not given, variables and period come from the selection; variables are all by default.
    """

    def __init__(self, order: Order, http: Http) -> None:
        super().__init__(order, http)

        def tell(name: str, done: int, whole: int | None) -> None:
            order.tell(f"Daymet: {name}: {done} of {whole or 'unknown'} bytes")

        self._service = DaymetService(http, self.location, self.location, progress=tell)

    def __getstate__(self) -> dict[str, object]:
        quiet = DaymetService(self.http, self.location, self.location)
        return {**super().__getstate__(), "_service": quiet}

    def _plan(self, wanted: Facets) -> list[Planned[Pixel | Grid]]:
        facets = PIXEL_FACETS if is_pixels(self.location) else GRID_FACETS
        asked = Asked("Daymet", wanted, self.order.selection, facets)
        plan = self._pixels if is_pixels(self.location) else self._grids
        planned = plan(asked)
        asked.check()
        return planned

    def _pixels(self, asked: Asked) -> list[Planned[Pixel | Grid]]:
        lats = asked.numbers("lat", *LATITUDES, "degrees north")
        lons = asked.numbers("lon", *LONGITUDES, "degrees east")
        sites = asked.facets.get("site", ())
        if lats and lons and len(lats) != len(lons):
            asked.wrong("lon", f"got {len(lons)} values; wanted {len(lats)}, one for each lat")
        if sites and lats and len(sites) != len(lats):
            asked.wrong("site", f"got {len(sites)} names; wanted {len(lats)}, one for each lat")
        places = list(zip(lats, lons, strict=False))  # of unequal lists nothing comes: see check
        names = tuple(sites) or tuple(f"{lat:.4f}N_{-lon:.4f}W" for lat, lon in places)
        keys = [f"daymet_{word(name)}" for name in names]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            asked.wrong(
                "site" if sites else "lat",
                f"got {', '.join(twice)} for two places; name each place once",
            )
        variables = self._variables(asked, "daymet")
        years = self._years(asked, FIRST_YEAR["na"])
        asked.check()
        planned = []
        for name, key, lat, lon in zip(names, keys, lats, lons, strict=True):
            blocks = [Pixel(lat, lon, first, last, variables) for first, last in _blocks(years)]
            requests = {pixel_name(lat, lon, *block.period, variables): block for block in blocks}
            facets = {
                "format": "csv",
                "frequency": "day",
                "site": name,
                "variable": " ".join(sorted(variables)),
            }
            entry = entry_of(key, requests, "daymet", facets)
            planned.append(_planned(entry, requests, variables, ("time",), years))
        return planned

    def _grids(self, asked: Asked) -> list[Planned[Pixel | Grid]]:
        regions = asked.words("region", REGIONS, ("na",))
        variables = self._variables(asked, "daymet_grid")
        years = self._years(asked, max((FIRST_YEAR[region] for region in regions), default=1980))
        box = None
        if (area := asked.box(needed=True)) is not None:
            north, west, south, east = area
            # A box that ends at 180 degrees does not begin again at -180.
            box = Box(north, _degrees(west), _degrees(east) if east != 180 else 180.0, south)
            if box.west >= box.east:
                asked.wrong("area", f"got {west:g} to {east:g} degrees east; wanted west < east")
        asked.check()
        assert box is not None  # else asked.check had raised
        planned = []
        for region in REGIONS:
            if region not in regions:
                continue
            corner = f"{box.north:g}N_{box.west:g}E_{box.south:g}N_{box.east:g}E"
            requests = {
                f"{region}_{corner}/daymet_v4_daily_{region}_{variable}_{year}.nc": Grid(
                    region, variable, year, box
                )
                for variable in variables
                for year in years
            }
            facets = {
                "format": "netcdf3",
                "frequency": "day",
                "region": region,
                "variable": " ".join(sorted(variables)),
            }
            entry = entry_of(f"daymet_v4_daily_{region}", requests, "daymet_grid", facets)
            planned.append(_planned(entry, requests, variables, ("time", "y", "x"), years))
        return planned

    def _variables(self, asked: Asked, vocabulary: str) -> tuple[str, ...]:
        canonical: dict[str, tuple[str, ...]] = {
            row.name: (row.variable,) for row in rows(vocabulary).values()
        }
        # The mean over daylight becomes one over the day by its length.
        canonical["rsds"] = ("srad", "dayl")
        if "variable" not in asked.facets and not asked.selection.variables:
            return VARIABLES
        return asked.variables(VARIABLES, canonical)

    def _years(self, asked: Asked, first: int) -> tuple[int, ...]:
        # A year is published after its end.
        months = asked.months(date(first, 1, 1), date(self.order.day.year - 1, 12, 31))
        return tuple(sorted({year for year, _ in months}))

    def _retrieve(self, path: str, request: Pixel | Grid) -> Path:
        if isinstance(request, Grid):
            folder = self.folder.joinpath(*PurePosixPath(path).parts[:-1])
            return self._service.grid_file(
                request.variable, request.year, request.box, folder, region=request.region
            )
        start, end = request.period
        found = self._service.pixel_file(
            request.lat, request.lon, start, end, self.folder, variables=request.variables
        )
        try:
            _check(found, request)
        except InvalidData:
            found.unlink(missing_ok=True)
            raise
        return found


def _check(path: Path, pixel: Pixel) -> None:
    """Compare what came with what was asked for: a cached file must not lack a year for ever."""
    dataset = parse(path.read_text(encoding="utf-8", errors="replace"), file=path.name)
    have = [int(year) for year in dataset["time"].dt.year.values]
    days = {year: have.count(year) for year in range(pixel.first, pixel.last + 1)}
    short = [f"{days[year]} of {year}" for year in days if days[year] != 365]
    if short or len(have) != 365 * len(days):
        raise InvalidData(
            f"file {path.name}, dimension time: found {', '.join(short) or len(have)} days, wanted "
            f"365 of each year from {pixel.first} to {pixel.last}; the last year may not be "
            "published yet: ask for fewer years"
        )
    if missing := sorted(set(pixel.variables) - set(map(str, dataset.data_vars))):
        raise InvalidData(
            f"file {path.name}: found no {', '.join(missing)}, wanted {', '.join(pixel.variables)}"
        )


def _planned(
    entry: Entry,
    requests: Mapping[str, Pixel | Grid],
    variables: tuple[str, ...],
    dims: tuple[str, ...],
    years: Sequence[int],
) -> Planned[Pixel | Grid]:
    start, end = f"{years[0]}-01-01", f"{years[-1]}-12-31"
    return Planned(entry, requests, variables, dims, start, end)


def _blocks(years: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of years, cut where a decade begins: other periods then share most of the files."""
    blocks: list[tuple[int, int]] = []
    for year in years:
        if blocks and year == blocks[-1][1] + 1 and year % _YEARS:
            blocks[-1] = (blocks[-1][0], year)
        else:
            blocks.append((year, year))
    return blocks


def _degrees(lon: float) -> float:
    return (lon + 180.0) % 360.0 - 180.0


def _segments(location: str) -> list[str]:
    parts = urlsplit(location)
    return parts.path.split("/") if parts.scheme in ("http", "https") else []
