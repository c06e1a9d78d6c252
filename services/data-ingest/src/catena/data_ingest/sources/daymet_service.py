"""Daymet over the network: the single-pixel service, and subsets of its grids.

==============================================================  ================================
``{pixel}/data?lat=&lon=&vars=&start=&end=``                      text of one pixel, all days
``{grids}/daymet_v4_daily_{region}_{variable}_{year}.nc?...``     netCDF of a box (NCSS)
==============================================================  ================================

Neither needs a key. Source: Daymet single pixel extraction web service guide, and the NetCDF Subset
Service reference of Unidata. A subset of a grid is limited to 6 GB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from catena.data_ingest import downloads
from catena.data_ingest.http import Http
from catena.data_ingest.sources.daymet_csv import is_daymet_csv
from catena.data_ingest.sources.web_file import WebFile
from catena.shared.errors import InvalidData, InvalidRequest

PIXEL = "https://daymet.ornl.gov/single-pixel/api"
GRIDS = "https://thredds.daac.ornl.gov/thredds/ncss/ornldaac/2129"
VARIABLES = ("dayl", "prcp", "srad", "swe", "tmax", "tmin", "vp")
FIRST_YEAR = {"na": 1980, "hi": 1980, "pr": 1950}

Region = Literal["na", "hi", "pr"]
REGIONS: tuple[Region, ...] = ("na", "hi", "pr")
"""North America, Hawaii, Puerto Rico."""

LATITUDES, LONGITUDES = (14.0, 83.5), (-179.0, -52.0)
"""Degrees between which places lie."""


@dataclass(frozen=True)
class Box:
    """A box of latitudes and longitudes, in degrees."""

    north: float
    west: float
    east: float
    south: float


@dataclass
class DaymetService:
    """Daymet's two services.

    Parameters
    ----------
    http : Http
    pixel, grids : str
        Their addresses.
    progress : callable, optional
        Told of downloads.
    """

    http: Http = field(default_factory=Http)
    pixel: str = PIXEL
    grids: str = GRIDS
    progress: downloads.Progress | None = None

    def pixel_file(
        self,
        lat: float,
        lon: float,
        start: date,
        end: date,
        folder: Path,
        *,
        variables: Sequence[str] = VARIABLES,
    ) -> Path:
        """Days of the pixel in which a point lies, as Daymet's text.

        Parameters
        ----------
        lat, lon : float
            Degrees.
        start, end : datetime.date
            First and last day, both included.
        folder : Path
            Where the file is kept; it is fetched once.
        variables : sequence of str

        Raises
        ------
        InvalidRequest
            For a variable, a place or a period that Daymet has not.
        InvalidData
            When something else comes than Daymet's text.
        Unavailable
            When the service does not answer.
        """
        (south, north), (west, east) = LATITUDES, LONGITUDES
        if not (south <= lat <= north and west <= lon <= east):
            raise InvalidRequest(
                f"Daymet: got latitude {lat:g}, longitude {lon:g}; wanted a place in North "
                f"America: {south:g} to {north:g} and {west:g} to {east:g} degrees"
            )
        query = {
            "lat": f"{lat:.6f}",
            "lon": f"{lon:.6f}",
            "vars": ",".join(_known(variables)),
            "start": start.isoformat(),
            "end": end.isoformat(),
        }
        _check_period(start, end, 1980)
        name = pixel_name(lat, lon, start, end, variables)
        path = self._fetch(f"{self.pixel}/data?{urlencode(query)}", folder / name)
        with path.open(encoding="utf-8", errors="replace") as file:
            beginning = file.read(8000)
        if not is_daymet_csv(beginning):
            path.unlink()
            first = (beginning.splitlines() or [""])[0][:200]
            raise InvalidData(
                f"Daymet pixel {lat:g}, {lon:g}: found a text that begins with {first!r}, wanted "
                "lines about the place and then 'year,yday,...'; see whether the place lies on "
                "land in North America"
            )
        return path

    def grid_file(
        self, variable: str, year: int, box: Box, folder: Path, *, region: Region = "na"
    ) -> Path:
        """A year of a variable in a box, as netCDF.

        Raises
        ------
        InvalidRequest, InvalidData, Unavailable
            As :meth:`pixel_file`.
        """
        (variable,) = _known([variable])
        _check_period(date(year, 1, 1), date(year, 12, 31), FIRST_YEAR[region])
        if not (box.south < box.north and box.west < box.east):
            raise InvalidRequest(
                f"Daymet: got a box from {box.south:g} to {box.north:g} degrees north and "
                f"{box.west:g} to {box.east:g} degrees east; wanted south < north and west < east"
            )
        query = [
            *(("var", name) for name in ("lat", "lon", variable)),
            ("north", f"{box.north:g}"),
            ("west", f"{box.west:g}"),
            ("east", f"{box.east:g}"),
            ("south", f"{box.south:g}"),
            ("disableProjSubset", "on"),
            ("horizStride", "1"),
            ("time_start", f"{year}-01-01T12:00:00Z"),
            ("time_end", f"{year}-12-31T12:00:00Z"),
            ("timeStride", "1"),
            ("accept", "netcdf"),
        ]
        name = f"daymet_v4_daily_{region}_{variable}_{year}.nc"
        path = self._fetch(f"{self.grids}/{name}?{urlencode(query)}", folder / name)
        with path.open("rb") as file:
            start = file.read(200)
        if not start.startswith((b"CDF", b"\x89HDF")):
            path.unlink()
            raise InvalidData(
                f"Daymet {name}: found an answer that begins with {start[:100]!r}, wanted netCDF; "
                "a subset may have at most 6 GB: ask for a smaller box"
            )
        return path

    def _fetch(self, url: str, target: Path) -> Path:
        if target.is_file():
            return target
        return downloads.download(
            WebFile.of(self.http, url),
            target,
            progress=self.progress,
            patience=self.http.patience,
        )


def pixel_name(lat: float, lon: float, start: date, end: date, variables: Sequence[str]) -> str:
    """Name of a pixel's file: it stands for all that was asked."""
    names = list(dict.fromkeys(variables))
    what = "" if len(names) == len(VARIABLES) else f"_{'-'.join(names)}"
    return f"daymet_{lat:.4f}N_{-lon:.4f}W_{start:%Y%m%d}_{end:%Y%m%d}{what}.csv"


def _known(variables: Sequence[str]) -> list[str]:
    wrong = sorted(set(variables) - set(VARIABLES))
    if wrong or not variables:
        raise InvalidRequest(
            f"Daymet: got the variables {', '.join(wrong) or 'none'}; wanted some of "
            f"{', '.join(VARIABLES)}"
        )
    return list(dict.fromkeys(variables))


def _check_period(start: date, end: date, first: int) -> None:
    if start.year < first or end < start:
        raise InvalidRequest(
            f"Daymet: got {start} to {end}; wanted days from {first}-01-01 on, in order"
        )
