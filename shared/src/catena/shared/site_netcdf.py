"""One flux site's files in netCDF: ELM's, PEcAn's and PLUMBER2's meteorology, CalLMIP's fluxes.

Each file is one place: dimensions of size one go, its position becomes scalar coordinates, its
stamps become starts of whole steps. What comes out goes through
:func:`catena.shared.checks.normalise` with the layout's vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from catena.shared.checks.findings import Finding
from catena.shared.classic_netcdf import lacking_bytes
from catena.shared.errors import InvalidData
from catena.shared.lexicon import rows

Label = Literal["start", "middle", "end"]

SITE = re.compile(r"(?<![A-Za-z])([A-Z]{2}-[A-Za-z0-9]{3})(?![A-Za-z0-9])")
"""Site code of FLUXNET in a file's name."""

_UNITS = re.compile(
    r"^\s*(second|minute|hour|day)s?\s+since\s+(\d{1,4})-(\d{1,2})-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{2})(?::\d{2}(?:\.\d+)?)?)?\s*(Z|UTC|[+-]\d{1,2}(?::?\d{2})?)?\s*$"
)
_UNIT_MINUTES = {"second": 1 / 60, "minute": 1.0, "hour": 60.0, "day": 1440.0}


@dataclass(frozen=True)
class Layout:
    """One kind of file.

    Parameters
    ----------
    name : str
        Product; also the vocabulary.
    signature : frozenset of str
        Variables that a file of this kind has.
    drop : tuple of str
        Auxiliary variables that are no data.
    """

    name: str
    signature: frozenset[str]
    drop: tuple[str, ...] = ()


LAYOUTS = (
    Layout(
        "elm_site",
        frozenset({"DTIME", "TBOT", "FSDS", "LATIXY"}),
        ("EDGEW", "EDGEE", "EDGES", "EDGEN", "start_year", "end_year", "ZBOT"),
    ),
    Layout("callmip", frozenset({"NEE_daily", "Qle_daily", "Qh_daily"})),
    Layout("plumber2", frozenset({"SWdown", "Tair", "Wind"})),
    Layout("plumber2", frozenset({"Qle", "Qh", "NEE"})),
    Layout(
        "pecan_met", frozenset({"air_temperature", "surface_downwelling_shortwave_flux_in_air"})
    ),
)
_POSITIONS = {
    "lat": ("LATIXY", "latitude", "lat"),
    "lon": ("LONGXY", "longitude", "lon"),
}


def layout_of(names: Iterable[str]) -> Layout | None:
    """Kind of a file by its variables; None if it is no site file that is known."""
    have = set(names)
    return next((layout for layout in LAYOUTS if layout.signature <= have), None)


def site_in(name: str, default: str = "") -> str:
    """Site code in a file's name, or its stem."""
    match = SITE.search(PurePosixPath(name).name)
    return match[1] if match else default or PurePosixPath(name).stem.split(".")[0]


def open_raw(path: Path, file: str) -> xr.Dataset:
    """A site's file as it is, lazily, times not decoded.

    Parameters
    ----------
    path : Path
    file : str
        What it is called in messages.

    Raises
    ------
    InvalidData
        When it is no netCDF that can be read.
    """
    try:
        lacking = lacking_bytes(path)
        if lacking:
            raise InvalidData(
                f"file {file}: found it {lacking} bytes shorter than its header says, wanted a "
                "whole one; fetch it again"
            )
        return xr.open_dataset(path, engine="netcdf4", decode_times=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        why = str(error).splitlines()[0].replace(str(path), file)
        raise InvalidData(
            f"file {file}: found no netCDF that can be read ({why}), wanted a whole one; fetch it "
            "again"
        ) from error


def open_site_file(
    path: Path, *, file: str = "", site: str = ""
) -> tuple[xr.Dataset, Layout, tuple[Finding, ...]]:
    """One site's file, lazily, with the file's names of variables; time in whole steps.

    Parameters
    ----------
    path : Path
    file : str
        What it is called in messages; its name by default.
    site : str
        Code of the site; by default that in the file's name.

    Returns
    -------
    dataset : xarray.Dataset
        Times are starts of steps, in the calendar and on the clock of the file; the attribute
        ``time_zone`` says which: ``UTC``, ``UTC-6``, ``local standard time``.
    layout : Layout
        Its name is the vocabulary.
    findings : tuple of Finding
        What was left out or put right on the way.

    Raises
    ------
    InvalidData
        When it cannot be read, is not one of the known kinds, or its times are no even steps.
    """
    file = file or path.name
    dataset = open_raw(path, file)
    layout = layout_of(str(name) for name in dataset.variables)
    if layout is None:
        raise InvalidData(
            f"file {file}: found the variables "
            f"{', '.join(map(str, list(dataset.variables)[:8]))}, wanted those of "
            f"{', '.join(sorted({known.name for known in LAYOUTS}))}"
        )
    position = {name: _position(dataset, candidates) for name, candidates in _POSITIONS.items()}
    taken = [*layout.drop, *(name for names in _POSITIONS.values() for name in names)]
    dataset = dataset.drop_vars([name for name in taken if name in dataset.variables])
    dims = [
        dim for dim, size in dataset.sizes.items() if size == 1 and dim not in ("time", "DTIME")
    ]
    dataset = dataset.squeeze(dims, drop=True)
    if "DTIME" in dataset.dims:
        dataset = dataset.rename({"DTIME": "time"})
    dataset = dataset.assign_coords(site=site or site_in(file))
    dataset = dataset.assign_coords(
        {name: value for name, value in position.items() if value is not None}
    )
    dataset, empty = _without_empty(dataset, file)
    dataset, moved = _even_steps(dataset, layout, file)
    return dataset, layout, (*empty, *moved)


def _position(dataset: xr.Dataset, candidates: Iterable[str]) -> float | None:
    for name in candidates:
        if name in dataset.variables and dataset[name].size == 1:
            return float(np.ravel(dataset[name].values)[0])
    return None


def _without_empty(dataset: xr.Dataset, file: str) -> tuple[xr.Dataset, list[Finding]]:
    """Variables that hold no measurement by the file's own words are left out."""
    empty = [
        str(name)
        for name, array in dataset.data_vars.items()
        if str(array.attrs.get("comment", "")).strip().startswith("0.0% = non-missing")
    ]
    findings = [
        Finding(
            check="placeholder", action="refused", wanted="measurements", file=file, variable=name,
            found="0.0% = non-missing data, in the file's own words",
            why="a constant stands in for a sensor that did not measure",
        )
        for name in empty
    ]  # fmt: skip
    return dataset.drop_vars(empty), findings


def _even_steps(dataset: xr.Dataset, layout: Layout, file: str) -> tuple[xr.Dataset, list[Finding]]:
    """Stamps as starts of whole steps; what the file has instead is a finding."""
    if "time" not in dataset.variables:
        raise InvalidData(
            f"file {file}: found no time, wanted a dimension time or DTIME with its stamps"
        )
    clock = _Clock.of(dataset["time"], file)
    raw = clock.minutes()
    step = max(1, round(float(np.median(np.diff(raw)))))
    even = np.round((raw - raw[0]) / step) * step + round(raw[0])
    off = float(np.abs(even - raw).max()) * 60
    if off > 0.1 * step * 60:
        raise InvalidData(
            f"file {file}: dimension time: found stamps up to {off:.0f} s off steps of {step} "
            "minutes, wanted even steps; repair the time axis"
        )
    label = _label(layout, even[0], step)
    findings: list[Finding] = []
    if off > 0.1:
        findings.append(_time_finding(file, f"up to {off:.2g} s off a whole step", "whole steps",
                                      "days were rounded when the file was written"))  # fmt: skip
    if label != "start":
        findings.append(_time_finding(file, f"stamps at the {label} of {step} minutes",
                                      "at the start", "as this kind of file has them"))  # fmt: skip
    shift = {"start": 0.0, "middle": step / 2, "end": step}[label]
    minutes = np.round(even - shift).astype(np.int64)
    dataset = dataset.assign_coords(time=("time", clock.dates(minutes)))
    known = rows(layout.name)
    for name, array in dataset.data_vars.items():
        # Site files hold means over their steps, also of temperature and wind.
        if name in known and "time" in array.dims:
            array.attrs.setdefault("cell_methods", "time: mean")
    zone = "UTC" if layout.name == "elm_site" else clock.zone
    zone = f"UTC{zone}" if zone.startswith(("+", "-")) else zone
    dataset.attrs["time_zone"] = zone or "local standard time"
    return dataset, findings


def _time_finding(file: str, found: str, wanted: str, why: str) -> Finding:
    return Finding(
        check="time", action="converted", found=found, wanted=wanted, why=why, file=file,
        dimension="time",
    )  # fmt: skip


def _label(layout: Layout, first: float, step: int) -> Label:
    """What a stamp means, by the first one in minutes of its day.

    ELM's site files begin at midnight (starts) or one step later (ends); stamps half a step after
    midnight are middles.
    """
    if layout.name == "elm_site" and first % 1440:
        return "end"
    return "middle" if first % step == step / 2 else "start"


@dataclass(frozen=True)
class _Clock:
    """Time axis of a file as it stands there: numbers, and what they count.

    Decoding 300,000 dates of another calendar takes a second, so it is done once, at the end.
    """

    numbers: np.ndarray[Any, Any]
    origin: tuple[int, int, int, int]
    unit: float
    calendar: str
    zone: str

    @classmethod
    def of(cls, times: xr.DataArray, file: str) -> _Clock:
        units = str(times.attrs.get("units", ""))
        match = _UNITS.match(units)
        if match is None or times.ndim != 1 or times.size < 2:
            raise InvalidData(
                f"file {file}: dimension time: found {times.size} steps in '{units}', "
                "wanted at least 2, in units like 'days since 2000-01-01'"
            )
        word, year, month, day, hour, minute, zone = match.groups()
        calendar = str(times.attrs.get("calendar", "standard")).lower()
        return cls(
            times.values.astype(np.float64),
            (int(year), int(month), int(day), 60 * int(hour or 0) + int(minute or 0)),
            _UNIT_MINUTES[word],
            "noleap" if calendar == "365_day" else calendar,
            "UTC" if (zone or "").strip() in ("Z", "UTC") else (zone or "").strip(),
        )

    def minutes(self) -> np.ndarray[Any, Any]:
        """Minutes since midnight of the date of origin."""
        return self.numbers * self.unit + self.origin[3]

    def dates(self, minutes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | pd.DatetimeIndex:
        """Dates of minutes since midnight of the date of origin."""
        year, month, day, _ = self.origin
        if self.calendar in ("standard", "gregorian", "proleptic_gregorian"):
            start = pd.Timestamp(year=year, month=month, day=day)
            return pd.DatetimeIndex(start + pd.to_timedelta(minutes, unit="min")).as_unit("ns")
        since = f"minutes since {year:04d}-{month:02d}-{day:02d}"
        return np.asarray(cftime.num2date(minutes, since, calendar=self.calendar))
