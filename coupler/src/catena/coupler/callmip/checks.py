"""The protocol's checklist, on anybody's submission file.

Every rule is looked at, also when others are broken; nothing is changed. Rules and sections are
those of the CalLMIP Phase 1 Protocol v2 (June 2026).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import netCDF4

from catena.coupler.callmip import checks_time, checks_variables
from catena.coupler.callmip.observations import Observations
from catena.coupler.callmip.protocol import (
    CALIBRATION_SITES,
    FILE_NAME,
    MODEL,
    PHASE,
    VALIDATION_SITES,
    SubmissionName,
)
from catena.coupler.callmip.report import Report, Row, judged, shown
from catena.coupler.callmip.values import is_text, numbers_of
from catena.shared.classic_netcdf import lacking_bytes

PLACE_OFF_DEG = 0.05
"""Sites are given to 2 to 5 digits; further off it is another place."""
_WORDS = {"lat": ("latitude", "degrees_north", 90.0), "lon": ("longitude", "degrees_east", 360.0)}


def check_submission(
    path: str | Path, *, observations: Observations | None = None, file_name: str = ""
) -> Report:
    """Check one file against every rule of the protocol.

    Parameters
    ----------
    path : path
    observations : Observations, optional
        Of the file's site: then its days and its place are compared with theirs.
    file_name : str
        Name that is judged, where the file has another one for the time being.

    Returns
    -------
    Report
        A file that cannot be read has one failed row for that; nothing is raised.
    """
    path = Path(path)
    shown_name = file_name or path.name
    name = SubmissionName.parse(shown_name)
    rows = [*_named(shown_name, name)]
    try:
        if lacking := lacking_bytes(path):
            raise OSError(f"{lacking} bytes shorter than its header says")
        with netCDF4.Dataset(path) as file:
            rows.append(judged("file.netcdf", "7", True, file.data_model, "a netCDF file"))
            rows += _global_attributes(file, name)
            rows += _dimensions(file)
            for which in ("lat", "lon"):
                rows += _place(file, which, observations)
            rows += checks_time.check(file, observations)
            rows += checks_variables.check(file, name)
            rows += _advice(file)
    except (OSError, RuntimeError) as error:
        why = str(error).replace(str(path), shown_name)
        rows.append(judged("file.netcdf", "7", False, why, "a whole netCDF file"))
    return Report(shown_name, tuple(rows))


def _named(file: str, name: SubmissionName | None) -> Iterator[Row]:
    yield judged("file.name", "7", name is not None, shown(file), FILE_NAME)
    if name is None:
        return
    sites = CALIBRATION_SITES if name.purpose == "Cal" else VALIDATION_SITES
    table = "1, calibration" if name.purpose == "Cal" else "2, validation"
    yield judged(
        "file.site", "2.3", name.site in sites, name.site,
        f"one of table {table} sites: {', '.join(sorted(sites))}",
    )  # fmt: skip


def _global_attributes(file: netCDF4.Dataset, name: SubmissionName | None) -> Iterator[Row]:
    allowed = {
        "Model": "<model_name>.<model_version>",
        "CalLMIP_Phase": PHASE,
        "Calibration_Scenario": "Scen1 to Scen6",
        "Calibration_stage": "Prior or Posterior",
        "Cal_Val": "Calibration or Validation",
    }
    choices = {
        "CalLMIP_Phase": {PHASE},
        "Calibration_Scenario": {f"Scen{number}" for number in range(1, 7)},
        "Calibration_stage": {"Prior", "Posterior"},
        "Cal_Val": {"Calibration", "Validation"},
    }
    for key, wanted in allowed.items():
        rule = f"attribute.{key}"
        if key not in file.ncattrs():
            yield judged(rule, "6.3", False, "none", wanted)
            continue
        value = file.getncattr(key)
        good = isinstance(value, str) and (
            value in choices[key] if key in choices else MODEL.fullmatch(value) is not None
        )
        if good and name is not None:
            wanted = f"{shown(name.attributes[key])}, as the file's name says"
            good = value == name.attributes[key]
        yield judged(rule, "6.3", good, shown(value), wanted)


def _dimensions(file: netCDF4.Dataset) -> Iterator[Row]:
    sizes = {dim: len(file.dimensions[dim]) for dim in ("time", "lat", "lon")
             if dim in file.dimensions}  # fmt: skip
    good = len(sizes) == 3 and sizes["lat"] == sizes["lon"] == 1 and sizes["time"] > 0
    found = ", ".join(f"{dim} = {len(each)}" for dim, each in file.dimensions.items()) or "none"
    yield judged("dimensions", "6.2", good, found, "time = days, lat = 1, lon = 1")


def _place(file: netCDF4.Dataset, which: str, observations: Observations | None) -> Iterator[Row]:
    word, units, limit = _WORDS[which]
    if which not in file.variables:
        yield judged(f"{which}.variable", "6.2", False, "none", f"a variable {which}")
        return
    variable = file[which]
    values = numbers_of(variable) if getattr(variable.dtype, "kind", "") == "f" else None
    number = values is not None
    yield judged(
        f"{which}.variable", "6.2", number, str(variable.dtype), "a variable of floating point"
    )
    dims = f"({', '.join(variable.dimensions)})"
    yield judged(
        f"{which}.scalar", "checklist", variable.ndim == 0, f"{which}{dims}",
        "a scalar, without dimensions",
    )  # fmt: skip
    for key, wanted in (("units", units), ("long_name", word)):
        value = getattr(variable, key, None)
        yield judged(
            f"{which}.{key}", "6.2", is_text(value, wanted),
            "none" if value is None else shown(value), shown(wanted),
        )  # fmt: skip
    if values is None or values.size != 1:
        return
    (value,) = values
    inside = -limit <= value <= limit
    wanted = f"degrees, {-limit:g} to {limit:g}"
    if observations is not None:
        site = observations.lat if which == "lat" else observations.lon
        off = abs((value - site + 180) % 360 - 180)
        inside = inside and off <= PLACE_OFF_DEG
        wanted = f"{site:g}, the site's, to {PLACE_OFF_DEG} degrees"
    yield judged(f"{which}.value", "6.2", inside, f"{value:g}", wanted)


def _advice(file: netCDF4.Dataset) -> Iterator[Row]:
    value = getattr(file, "Conventions", None)
    good = isinstance(value, str) and value.startswith("CF-")
    yield Row(
        "attribute.Conventions", "7", "passed" if good else "advice",
        "none" if value is None else shown(value), "CF-<version>: metadata are to be CF-compliant",
    )  # fmt: skip
