"""CARDAMOM's binary site files (``.cbf``): monthly drivers and observations.

Raw little-endian float64: 100 header values (identifier, latitude, months, drivers, observations,
...), 4 x 50 priors, then one row per month of drivers and observations (Yang et al.,
CARDAMOM-FluxVal 1.0). Months are the calendar's; the file dates them by their middle, in months of
30.4375 days.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.tables import Record, index_of, refuse
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

HEADER, PRIORS = 100, 200
MISSING = -9999.0
MONTH_DAYS = 365.25 / 12
DRIVERS = (
    "day", "tmin", "tmax", "solar", "co2", "day_of_year", "burned_area", "vpd", "precipitation",
)  # fmt: skip
OBSERVATIONS = ("gpp", "lai", "nbe", "observation_4", "et")
UNITS = {
    "tmin": "degC", "tmax": "degC", "solar": "MJ m-2 d-1", "co2": "ppm", "burned_area": "1",
    "vpd": "hPa", "precipitation": "mm d-1", "gpp": "gC m-2 d-1", "lai": "1",
    "nbe": "gC m-2 d-1", "et": "mm d-1",
}  # fmt: skip


def cbf(archive: Archive, file: ArchiveFile, place: Mapping[str, float | str]) -> Record:
    """One site.

    Parameters
    ----------
    archive : Archive
    file : ArchiveFile
    place : mapping
        What the table of sites says; its latitude has to be the header's, to half a degree (drivers
        are on a grid).

    Raises
    ------
    InvalidData
        When the size is not what the header says, or the latitude is another site's.
    """
    data = archive.local(file).read_bytes()
    if len(data) % 8 or len(data) < 8 * (HEADER + PRIORS):
        raise InvalidData(
            f"file {file.path}: found {len(data)} bytes, wanted at least "
            f"{8 * (HEADER + PRIORS)} and whole float64 values: it is cut off; fetch it again"
        )
    numbers = np.frombuffer(data, "<f8")
    # A damaged header may hold anything, not only sensible counts.
    latitude, months, drivers, observations = (float(value) for value in numbers[1:5])
    counts = (months, drivers, observations)
    wanted = HEADER + PRIORS + months * (drivers + observations)
    if drivers != len(DRIVERS) or not all(1 <= count <= 1e5 for count in counts):
        raise InvalidData(
            f"file {file.path}: found {months:g} months, {drivers:g} drivers and "
            f"{observations:g} observations in the header, wanted {len(DRIVERS)} drivers"
        )
    if numbers.size != wanted:
        raise InvalidData(
            f"file {file.path}: dimension time: found {numbers.size} values, the header wants "
            f"{wanted:g} ({months:g} months): it is cut off; fetch it again"
        )
    known = place.get("lat")
    if isinstance(known, float) and abs(known - latitude) > 0.5:
        raise InvalidData(
            f"file {file.path}: found latitude {latitude:g} in the header, wanted {known:g} of "
            "the site in this row of location_fluxnet.csv: the numbers are another site's"
        )
    table = numbers[HEADER + PRIORS :].reshape(int(months), -1)
    return Record(
        _months(table[:, 0], file.path),
        *_columns(table),
        coords={"lat": latitude, **place},
        notes=_unknown(table, file.path),
        missing=MISSING,
    )


def _months(middles: np.ndarray, path: str) -> pd.DatetimeIndex:
    counted = (np.arange(middles.size) + 0.5) * MONTH_DAYS
    if np.abs(middles - counted).max() > 1:
        at = int(np.abs(middles - counted).argmax())
        raise InvalidData(
            f"file {path}: dimension time: found day {middles[at]:g} in row {at}, wanted "
            f"{counted[at]:g}, the middle of that month counted from 2001-01"
        )
    return index_of(pd.date_range("2001-01-01", periods=middles.size, freq="MS"), path)


def _columns(table: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    names = (*DRIVERS, *OBSERVATIONS)
    values = {name: table[:, at] for at, name in enumerate(names) if name in UNITS}
    return values, {name: UNITS[name] for name in values}


def _unknown(table: np.ndarray, path: str) -> tuple[Finding, ...]:
    first = len(DRIVERS)
    known = {first + at for at, name in enumerate(OBSERVATIONS) if name in UNITS}
    filled = [
        at
        for at in range(first, table.shape[1])
        if at not in known and (table[:, at] != MISSING).any()
    ]
    return tuple(
        refuse(path, f"values in column {at + 1}", "a column whose meaning is stated",
               "the source does not say what it is (biomass or soil carbon)", check="lexicon",
               variable=f"column_{at + 1}")
        for at in filled
    )  # fmt: skip
