"""Daily fluxes of a site as CalLMIP hands them out: NEE, latent and sensible heat."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cftime
import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.coupler.callmip.report import shown
from catena.coupler.callmip.values import Variable, series_of
from catena.coupler.forcing import calendar
from catena.shared.checks.findings import Action, Finding
from catena.shared.classic_netcdf import lacking_bytes
from catena.shared.errors import InvalidData
from catena.shared.lexicon import defects, factor_offset
from catena.shared.lexicon.variables import Substance
from catena.shared.site_netcdf import site_in

Array = NDArray[np.float64]

FLUXES = ("nee", "hfls", "hfss")
UNITS = {"nee": "gC m-2 d-1", "hfls": "W m-2", "hfss": "W m-2"}
FILE_NAMES = {"nee": "NEE", "hfls": "Qle", "hfss": "Qh"}
"""How the files' variables begin."""
_LIMITS = {"nee": 60.0, "hfls": 900.0, "hfss": 900.0}
"""No day at any tower lies further from zero."""

SEASONS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}
WEIGHT_AT_MOST = 10.0


@dataclass(frozen=True, eq=False)
class Observations:
    """Daily fluxes of one site, in local days.

    Parameters
    ----------
    site : str
    lat, lon : float
        Degrees.
    start : datetime.date
    values, uncertainty : dict of str to array (day,)
        For each of :data:`FLUXES`: `nee` (gC m-2 d-1, positive into the atmosphere), `hfls` and
        `hfss` (W m-2); NaN where more than a quarter of the day was gap-filled. The uncertainty is
        that of measurement, one standard deviation.
    notes : tuple of Finding
        What was changed.
    """

    site: str
    lat: float
    lon: float
    start: dt.date
    values: Mapping[str, Array]
    uncertainty: Mapping[str, Array]
    notes: tuple[Finding, ...] = ()

    @property
    def days(self) -> int:
        """Number of days."""
        return int(self.values[FLUXES[0]].size)

    def dates(self) -> NDArray[np.datetime64]:
        """Date of each day, datetime64[D] (day,), leap days included."""
        return calendar.dates(self.start, self.days, "standard")

    def coverage(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Days with a value and days in all, by flux and season."""
        season = season_of(self.dates())
        return {
            name: {
                label: (int(np.isfinite(self.values[name][season == k]).sum()),
                        int((season == k).sum()))
                for k, label in enumerate(SEASONS)
            }
            for name in FLUXES
        }  # fmt: skip

    def season_weights(self, name: str) -> Array:
        """Weight of each day so that every season counts by its length, not by its luck with gaps.

        Days of a season weigh (its share of the calendar) / (its share of the days with a value),
        at most :data:`WEIGHT_AT_MOST`; days without a value weigh 0. At US-MMS 61 days of June to
        August stand for 16 summers: unweighted, NEE would be fitted in winter.

        Parameters
        ----------
        name : str
            One of :data:`FLUXES`.

        Returns
        -------
        array (day,)
            Without the cap the weights of the days with a value have a mean of 1.
        """
        known = np.isfinite(self.values[name])
        season = season_of(self.dates())
        weights = np.zeros(self.days)
        for k in range(len(SEASONS)):
            days = season == k
            here = days & known
            if here.any():
                weights[here] = (days.sum() / self.days) / (here.sum() / known.sum())
        return np.minimum(weights, WEIGHT_AT_MOST)


def season_of(dates: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Position in :data:`SEASONS` of each day."""
    month = calendar.month_day(dates) // 100
    return np.asarray(month % 12 // 3, dtype=np.int64)


def read_observations(
    path: str | Path, *, site: str = "", as_published: bool = False
) -> Observations:
    """Observations of a file ``<Site>_daily_aggregated_<years>_FLUXNET2015_Flux.nc``.

    Parameters
    ----------
    path : path
    site : str
        By default that in the file's name.
    as_published : bool
        Leave known errors of published files in. By default what the lexicon's table of defects
        says of NEE is applied to it and to its uncertainty (US-MMS: doubled, as its hourly values
        were summed as if half-hourly), unless the file's own words show that it was made anew.

    Raises
    ------
    InvalidData
        When the file is damaged, lacks a variable, has another unit, or its days do not follow
        each other.
    """
    path = Path(path)
    site = site or site_in(path.name)
    try:
        lacking = lacking_bytes(path)
        if lacking:
            raise OSError(f"it is {lacking} bytes shorter than its header says")
        with netCDF4.Dataset(path) as file:
            return _read(file, path.name, site, as_published)
    except (OSError, RuntimeError) as error:
        why = str(error).replace(str(path), path.name)
        raise InvalidData(
            f"file {path.name}: found no netCDF that can be read ({why}); wanted CalLMIP's daily "
            "fluxes: fetch it again"
        ) from error


def find_observations(folder: str | Path, site: str) -> Path | None:
    """The file of a site in a folder, of several that with the most days; None if there is none."""
    files = Path(folder).glob(f"{site}_daily_aggregated_*.nc")
    years = {path: re.search(r"_(\d{4})-(\d{4})_", path.name) for path in sorted(files)}
    spans = {path: int(found[2]) - int(found[1]) for path, found in years.items() if found}
    return max(spans, key=lambda path: spans[path], default=None)


def _read(file: netCDF4.Dataset, name: str, site: str, as_published: bool) -> Observations:
    wanted = [f"{own}{kind}_daily" for own in FILE_NAMES.values() for kind in ("", "_uc")]
    missing = [each for each in (*wanted, "time") if each not in file.variables]
    if missing:
        raise InvalidData(
            f"file {name}: found the variables {', '.join(file.variables)}; missing are "
            f"{', '.join(missing)}: wanted CalLMIP's daily fluxes"
        )
    start, days = _days(file["time"], name)
    values, uncertainty = {}, {}
    for flux, own in FILE_NAMES.items():
        values[flux] = _series(file[f"{own}_daily"], UNITS[flux], days, name)
        uncertainty[flux] = _series(file[f"{own}_uc_daily"], UNITS[flux], days, name)
        off = np.abs(values[flux]) > _LIMITS[flux]
        if off.any():
            raise InvalidData(
                f"file {name}, variable {own}_daily: found {values[flux][off][0]:g} on "
                f"{calendar.day_after(start, int(off.argmax()), 'standard')}, wanted within "
                f"+-{_LIMITS[flux]:g} {UNITS[flux]}"
            )
        if (uncertainty[flux] < 0).any():
            raise InvalidData(
                f"file {name}, variable {own}_uc_daily: found {np.nanmin(uncertainty[flux]):g}, "
                "wanted 0 or more"
            )
    notes = _mend(file, name, site, as_published, values, uncertainty)
    lat, lon = (
        float(series_of(file[each])[0]) if each in file.variables else np.nan
        for each in ("latitude", "longitude")
    )
    return Observations(site, lat, lon, start, values, uncertainty, tuple(notes))


def _mend(
    file: netCDF4.Dataset,
    name: str,
    site: str,
    as_published: bool,
    values: dict[str, Array],
    uncertainty: dict[str, Array],
) -> list[Finding]:
    scaling = str(getattr(file, "scaling_factor_NEE", ""))
    notes = []
    for defect in defects("callmip", f"callmip_{site}"):
        if defect.action != "scale" or defect.variable != "NEE_daily":
            continue
        action: Action = "converted"
        found, why = "values as published", defect.note
        if as_published or (scaling and "1800" not in scaling):
            action, found = "noted", "left as published"
            reason = "asked for" if as_published else f"made with '{scaling}', says the file"
            why = f"{reason}; {defect.note}"
        else:
            values["nee"] = values["nee"] * defect.number
            uncertainty["nee"] = uncertainty["nee"] * defect.number
        notes.append(
            Finding(
                check="known_defect",
                action=action,
                found=found,
                wanted=f"times {defect.number:g}, its uncertainty too",
                why=why,
                file=name,
                variable="NEE_daily",
            )
        )
    return notes


def _series(variable: Variable, units: str, days: int, name: str) -> Array:
    where = f"file {name}, variable {variable.name}"
    if variable.size != days:
        raise InvalidData(f"{where}: found {variable.size} values, wanted {days}, one a day")
    try:
        substance: Substance = "carbon" if "gC" in units else ""
        factor, _ = factor_offset(str(getattr(variable, "units", "")), units, substance=substance)
    except InvalidData as error:
        raise InvalidData(f"{where}: {error}") from error
    return series_of(variable) * factor


def _days(time: Variable, name: str) -> tuple[dt.date, int]:
    numbers = series_of(time)
    known = np.isfinite(numbers)
    if not numbers.size or not known.all():
        found = f"no value at {int(np.argmin(known))} (from 0)" if numbers.size else "no days"
        raise InvalidData(f"file {name}, variable time: found {found}, wanted one time a day")
    units = getattr(time, "units", None)
    label = getattr(time, "calendar", "standard")
    try:
        stamps = cftime.num2date(numbers, units, label, only_use_cftime_datetimes=True)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidData(
            f"file {name}, variable time: found the units {shown(units)} and the calendar "
            f"{shown(label)} ({error}), wanted times since a date"
        ) from error
    dates = np.array([f"{stamp.year:04d}-{stamp.month:02d}-{stamp.day:02d}" for stamp in stamps],
                     dtype="datetime64[D]")  # fmt: skip
    odd = np.flatnonzero(np.diff(dates).astype(int) != 1)
    if odd.size:
        raise InvalidData(
            f"file {name}, dimension time: found {dates[odd[0] + 1]} after {dates[odd[0]]}, wanted "
            "consecutive days with their leap days"
        )
    first: dt.date = dates[0].item()
    return first, int(dates.size)
