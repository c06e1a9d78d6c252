"""Daymet: daily weather of North America on 1 km, as text of a pixel, netCDF grids and GeoTIFF."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry, Facets, Found, matches
from catena.data_ingest.sources.daymet_archive import DaymetArchive, is_grids, is_pixels
from catena.data_ingest.sources.daymet_csv import HEADER_LINES, is_daymet_csv, parse, tile_of
from catena.data_ingest.sources.formats import suffix_of
from catena.data_ingest.sources.geotiff import open_geotiff
from catena.data_ingest.sources.gridded import Gridded
from catena.data_ingest.sources.grouping import (
    by_date,
    join_in_time,
    join_variables,
    key_of,
    undated,
)
from catena.data_ingest.sources.order import Order
from catena.data_ingest.sources.tables import with_findings
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

WANTED = (
    "a single-pixel CSV, a netCDF of Daymet, or a GeoTIFF named <variable>_<statistic>_<year>.tif"
)
Made = tuple[list[Entry], list[Finding]]
VARIABLES = ("dayl", "prcp", "srad", "swe", "tmax", "tmin", "vp")
_BANDS = {"monavg": 12, "monttl": 12, "annavg": 1, "daily": 365}
_VARIABLE = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(VARIABLES)})[_-]")
_YEAR = re.compile(r"(?<!\d)(19[5-9]\d|20\d\d)(?!\d)")


def special_archive(order: Order) -> Archive | None:
    """A service of Daymet, where a location is the address of one; None for any other."""
    if order.http is not None and (is_pixels(order.location) or is_grids(order.location)):
        return DaymetArchive(order, order.http)
    return None


class Daymet(Gridded):
    """Daymet files of any of its four layouts.

    Facets of files: ``format`` (csv, geotiff, hdf5, netcdf3), ``frequency``, ``variable``,
    ``vocabulary``, and of a pixel ``site`` (the file's name) and ``tile``; those of the services
    are in :class:`DaymetArchive`.
    """

    name: ClassVar[str] = "daymet"

    def search(self, archive: Archive, facets: Facets | None = None) -> Found:
        """Datasets below the archive's location."""
        if isinstance(archive, DaymetArchive):
            return archive.ask(facets or {})
        others: list[ArchiveFile] = []
        rasters: list[ArchiveFile] = []
        entries: list[Entry] = []
        refused: list[Finding] = []
        for file in archive.find():
            suffix = suffix_of(file.path)
            if suffix == ".csv":
                made, bad = _pixel(archive, file)
                entries += made
                refused += bad
            elif suffix in (".tif", ".tiff"):
                rasters.append(file)
            else:
                others.append(file)
        for group in by_date(rasters):
            made, bad = _rasters(group)
            entries += made
            refused += bad
        rest = self._search(archive, others, facets)
        wanted = [entry for entry in entries if matches(entry.facets, facets)]
        return Found((*wanted, *rest.entries), (*refused, *rest.refused))

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The entry, lazy; a pixel's text is read whole (it is small)."""
        kind = entry.facets.get("format")
        if kind == "csv":
            texts = [archive.read(file.path) for file in entry.files]
            parts = [
                parse(text.decode("utf-8", errors="replace"), file=file.path)
                for text, file in zip(texts, entry.files, strict=True)
            ]
            whole = join_in_time(parts, entry.files, entry.key).chunk()
            return whole_day_radiation(whole, entry.files[0].path)
        if kind == "geotiff":
            parts = [_open_raster(archive, file) for file in entry.files]
            whole = join_in_time(parts, entry.files, entry.key)
            return whole_day_radiation(whole, entry.files[0].path)
        return super().open(archive, entry)

    def _accepts(self, vocabulary: str) -> str:
        if vocabulary == "daymet_grid":
            return ""
        return f"a file in the words of {vocabulary}, not of Daymet ({', '.join(VARIABLES)})"

    def _arrange(self, dataset: xr.Dataset, file: str) -> xr.Dataset:
        # A copy also where the dates are right: the radiation has to be converted.
        return real_dates(dataset, file).copy()

    def _groups(self, files: list[ArchiveFile]) -> list[tuple[ArchiveFile, ...]]:
        """The variables of a grid lie in files of their own and are one dataset."""
        groups: dict[str, list[ArchiveFile]] = {}
        for file in files:
            groups.setdefault(_VARIABLE.sub("", undated(file.path)), []).append(file)
        return [tuple(group) for _, group in sorted(groups.items())]

    def _key(self, files: tuple[ArchiveFile, ...], part: str) -> str:
        if len({_VARIABLE.search(file.path) and undated(file.path) for file in files}) < 2:
            return key_of(files, part)
        return key_of([ArchiveFile(_VARIABLE.sub("", file.path)) for file in files], part)

    def _join(self, parts: list[xr.Dataset], entry: Entry) -> xr.Dataset:
        by_variable: dict[str, list[int]] = {}
        for number, file in enumerate(entry.files):
            by_variable.setdefault(undated(file.path), []).append(number)
        series = [
            join_in_time([parts[n] for n in numbers], [entry.files[n] for n in numbers], entry.key)
            for numbers in by_variable.values()
        ]
        whole = join_variables(series, entry.key)
        return whole_day_radiation(whole, entry.files[0].path)


def whole_day_radiation(dataset: xr.Dataset, file: str) -> xr.Dataset:
    """Radiation as a mean over 24 h, named ``srad_day``.

    Daymet's ``srad`` is a mean over the hours of daylight; times ``dayl / 86400`` it is one over
    the day. Source: Daymet V4 user guide, section on derived variables. Where the day length is
    missing, or only its monthly mean is known, ``srad`` is refused.
    """
    if "srad" not in dataset:
        return dataset
    found, wanted = "a mean over the hours of daylight", "a mean over 24 h"
    if "dayl" not in dataset:
        why = "the same dataset needs dayl of each day to convert it: fetch dayl too"
        finding = Finding("averaging", "refused", found, wanted, why, file=file, variable="srad")
        return with_findings(dataset.drop_vars("srad"), [finding])
    radiation = dataset["srad"] * (dataset["dayl"] / 86400.0)
    radiation.attrs = dict(dataset["srad"].attrs)
    why = "multiplied by dayl over the length of the day"
    finding = Finding("averaging", "converted", found, wanted, why, file=file, variable="srad")
    return with_findings(dataset.drop_vars("srad").assign(srad_day=radiation), [finding])


def real_dates(dataset: xr.Dataset, file: str) -> xr.Dataset:
    """Give days that are labelled with a 365-day calendar their real dates.

    Daymet's years have 365 days because 31 December of leap years is left out, not because 29
    February is: under a 365-day label everything after February of a leap year is a day off.

    Raises
    ------
    InvalidData
        When the file's own day of the year (``yearday``) fits neither reading of the time axis.
    """
    if "time" not in dataset.coords:
        return dataset
    time = dataset["time"]
    if time.dtype.kind != "O" or time.dt.calendar not in ("noleap", "365_day"):
        return dataset
    dates = list(time.values)
    year = np.array([date.year for date in dates])
    number = np.array([date.timetuple().tm_yday for date in dates])
    hours = np.array([date.hour for date in dates])
    if "yearday" in dataset.variables:
        said = np.asarray(dataset["yearday"].values).ravel().astype(int)
        off = said != number
        if off.any():
            at = int(np.flatnonzero(off)[0])
            raise InvalidData(
                f"file {file}, dimension time, value {at}: found the date {dates[at]} of a "
                f"{time.dt.calendar} calendar, day {number[at]} of its year, wanted day {said[at]} "
                "as the file's own yearday says; fetch the file again"
            )
    start = (year - 1970).astype("datetime64[Y]").astype("datetime64[ns]")
    real = start + (number - 1) * np.timedelta64(1, "D") + hours * np.timedelta64(1, "h")
    last = np.datetime_as_string(real[-1], "D")
    finding = Finding(
        "calendar",
        "converted",
        f"{time.dt.calendar}, ending {dates[-1].strftime('%Y-%m-%d')}",
        f"standard, ending {last}",
        "days of the year of real years; Daymet leaves out 31 December of leap years",
        file=file,
        dimension="time",
    )
    real_time = ("time", real.astype("datetime64[ns]"), dict(time.attrs))
    return with_findings(dataset.assign_coords(time=real_time), [finding])


def _pixel(archive: Archive, file: ArchiveFile) -> Made:
    """Entry of a CSV file, or why it is none."""
    with archive.open(file.path) as stream:
        start = stream.read(200 * HEADER_LINES).decode("utf-8", errors="replace")
    if not is_daymet_csv(start):
        first = (start.splitlines() or [""])[0][:80]
        return [], [_refusal(file, f"a CSV that begins with {first!r}")]
    entry = Entry(
        key=key_of((file,)),
        files=(file,),
        vocabulary="daymet",
        facets={
            "format": "csv",
            "frequency": "day",
            "site": PurePosixPath(file.path).stem,
            "tile": tile_of(start),
            "vocabulary": "daymet",
        },
    )
    return [entry], []


def _rasters(group: tuple[ArchiveFile, ...]) -> Made:
    """Entry of GeoTIFF files that differ in their year, or why they are none."""
    name = PurePosixPath(group[0].path).stem
    variable, statistic, year = _parts(name)
    if not variable or not year:
        why = f"the name {name}: no variable or no year in it"
        return [], [_refusal(file, why) for file in group]
    if statistic not in _BANDS:
        why = f"the statistic {statistic} of {variable}: no mean of days or months"
        return [], [_refusal(file, why, variable) for file in group]
    vocabulary = "daymet" if statistic == "daily" else "daymet_monthly"
    frequency = {"daily": "day", "annavg": "yr"}.get(statistic, "mon")
    entry = Entry(
        key=key_of(group),
        files=group,
        vocabulary=vocabulary,
        facets={
            "format": "geotiff",
            "frequency": frequency,
            "variable": variable,
            "vocabulary": vocabulary,
        },
    )
    return [entry], []


def _open_raster(archive: Archive, file: ArchiveFile) -> xr.Dataset:
    variable, statistic, year = _parts(PurePosixPath(file.path).stem)
    dataset = open_geotiff(archive.local(file), variable, file=file.path)
    bands = dataset.sizes["band"]
    if bands != _BANDS[statistic]:
        raise InvalidData(
            f"file {file.path}, variable {variable}, dimension band: found {bands}, wanted "
            f"{_BANDS[statistic]} for {statistic} of a year"
        )
    if statistic == "daily":
        time = pd.date_range(f"{year}-01-01", periods=bands, freq="D")
    else:
        time = pd.date_range(f"{year}-01-01", periods=bands, freq="MS")
    dataset = dataset.rename(band="time").drop_vars("band_name").assign_coords(time=time)
    if statistic == "monavg":
        within = {"tmax": "maximum", "tmin": "minimum"}.get(variable, "mean")
        dataset[variable].attrs["cell_methods"] = f"time: {within} within days time: mean over days"
    return dataset


def _parts(stem: str) -> tuple[str, str, str]:
    """Variable, statistic and year in a file's name; statistic ``daily`` where none is said."""
    words = stem.lower().split("_")
    variable = next((word for word in words if word in VARIABLES), "")
    statistic = next((word for word in words if re.fullmatch(r"(mon|ann|sea)\w*", word)), "daily")
    year = _YEAR.search(stem)
    return variable, statistic, year.group(1) if year else ""


def _refusal(file: ArchiveFile, found: str, variable: str = "-") -> Finding:
    return Finding("layout", "refused", found, WANTED, file=file.path, variable=variable)
