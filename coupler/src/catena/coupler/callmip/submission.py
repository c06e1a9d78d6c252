"""Submission files of CalLMIP: written so that the protocol's checklist passes, and read again.

The protocol wants `lat` and `lon` as dimensions and as scalar variables of the same name. xarray
refuses such files and HDF5 has to rename the variables, so they are classic netCDF, written and
read with netCDF4, as the protocol's own template is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cftime
import netCDF4
import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.coupler.callmip.checks import check_submission
from catena.coupler.callmip.observations import Observations
from catena.coupler.callmip.protocol import (
    DAY_S,
    FILE_NAME,
    OPTIMISED,
    OUTPUTS,
    POST_UNC,
    SubmissionName,
)
from catena.coupler.callmip.values import series_of
from catena.coupler.forcing import calendar
from catena.coupler.restart.writing import replacing
from catena.shared.classic_netcdf import lacking_bytes
from catena.shared.errors import InvalidData
from catena.shared.version import code_version

Array = NDArray[np.float64]

FILL = 1e20


@dataclass(frozen=True, eq=False)
class Submission:
    """Contents of a submission file.

    Parameters
    ----------
    name : SubmissionName
    lat, lon : float
    start : datetime.date
        First day, the first of January of a year.
    variables : dict of str to array (day,)
        In the protocol's names and units; posterior uncertainties with their suffix.
    """

    name: SubmissionName
    lat: float
    lon: float
    start: dt.date
    variables: Mapping[str, Array]

    @property
    def days(self) -> int:
        """Number of days."""
        return int(next(iter(self.variables.values())).size)

    def dates(self) -> NDArray[np.datetime64]:
        """Date of each day, datetime64[D] (day,)."""
        return calendar.dates(self.start, self.days, "standard")

    def fluxes(self) -> dict[str, Array]:
        """The fluxes as observations have them: `nee` (gC m-2 d-1), `hfls`, `hfss` (W m-2)."""
        return {
            "nee": nee_of_nep(self.variables["nep"]),
            "hfls": self.variables["hfls"],
            "hfss": self.variables["hfss"],
        }


def nep_of_nee(nee: ArrayLike) -> Array:
    """Net ecosystem productivity (kgC m-2 s-1, into the land) of NEE (gC m-2 d-1, out of it)."""
    return -np.asarray(nee, dtype=np.float64) / (1000 * DAY_S)


def nee_of_nep(nep: ArrayLike) -> Array:
    """Inverse of :func:`nep_of_nee`."""
    return -np.asarray(nep, dtype=np.float64) * (1000 * DAY_S)


def with_leap_days(
    values: ArrayLike, dates: NDArray[np.datetime64]
) -> tuple[Array, NDArray[np.datetime64]]:
    """A series of a model without leap days, with them: the mean of 28 February and 1 March.

    As the protocol proposes in section 6.2.

    Parameters
    ----------
    values : array (day,)
    dates : array of datetime64[D] (day,)
        In order, complete but for 29 February.

    Returns
    -------
    values : array (more days,)
    dates : array of datetime64[D] (more days,)
    """
    series = np.asarray(values, dtype=np.float64)
    whole = np.arange(dates[0], dates[-1] + 1)
    if series.shape != dates.shape:
        raise InvalidData(f"found {series.size} values for {dates.size} days, wanted one each")
    lacking = np.setdiff1d(whole, dates)
    if not calendar.is_leap_day(lacking).all():
        raise InvalidData(
            f"days: found none for {lacking[~calendar.is_leap_day(lacking)][0]}, wanted every day "
            "but 29 February"
        )
    filled = np.interp(whole.astype(np.int64), dates.astype(np.int64), series)
    return filled, whole


def write_submission(
    folder: str | Path,
    submission: Submission,
    *,
    observations: Observations | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Path:
    """Write a submission file; it appears whole and checked, or not at all.

    Time is written as ``0.5, 1.5, ... days since YYYY-01-01 00:00:00``: of the forms that the
    protocol accepts the only one that CF and the protocol read alike.

    Parameters
    ----------
    folder : path
        An existing folder; the file's name is the protocol's.
    submission : Submission
        Every variable of the protocol (`hfg` where the model has it); in a posterior file also the
        uncertainty of each variable that its scenario optimises.
    observations : Observations, optional
        Of the site: the days must be theirs.
    attributes : mapping of str to str, optional
        More global attributes.

    Returns
    -------
    Path

    Raises
    ------
    InvalidData
        When a variable is missing, or the protocol's checklist does not pass; names every rule that
        is broken.
    OSError
        When the disk is full.
    """
    _complete(submission)
    target = Path(folder) / submission.name.file
    with replacing(target) as temporary:
        _write(temporary, submission, dict(attributes or {}))
        report = check_submission(
            temporary, observations=observations, file_name=submission.name.file
        )
        if report.failed:
            raise InvalidData(
                f"submission {target.name}: {len(report.failed)} of the protocol's rules are "
                f"broken: {'; '.join(str(row) for row in report.failed)}"
            )
    return target


def read_submission(path: str | Path) -> Submission:
    """Read anybody's submission file.

    Raises
    ------
    InvalidData
        When it is damaged, not named as the protocol wants, or lacks fluxes or their days;
        ``catena callmip check`` says more.
    """
    path = Path(path)
    name = SubmissionName.parse(path.name)
    if name is None:
        raise InvalidData(f"file {path.name}: found another name than {FILE_NAME}; rename it")
    try:
        if lacking := lacking_bytes(path):
            raise OSError(f"it is {lacking} bytes shorter than its header says")
        with netCDF4.Dataset(path) as file:
            days = len(file.dimensions["time"])
            series = {
                each: series_of(file[each])
                for each in file.variables
                if each.removesuffix(POST_UNC) in OUTPUTS and file[each].size == days
            }
            origin = cftime.num2date(0, file["time"].units)
            first = float(np.ma.filled(file["time"][0], np.nan))
            lat, lon = (float(np.ravel(file[each][...])[0]) for each in ("lat", "lon"))
    except (
        InvalidData, OSError, RuntimeError, KeyError, IndexError, AttributeError, ValueError,
        TypeError, OverflowError,
    ) as error:  # fmt: skip
        why = str(error).replace(str(path), path.name)
        raise InvalidData(
            f"file {path.name}: found no submission that can be read ({why}); see what is wrong "
            "with `catena callmip check`"
        ) from error
    missing = [each for each in ("nep", "hfls", "hfss") if each not in series]
    if missing:
        raise InvalidData(
            f"file {path.name}: found no {', '.join(missing)}, wanted one value a day"
        )
    # An origin on 31 December with steps 1, 2, 3 means the same days as CF reads it.
    start = dt.date(origin.year, origin.month, origin.day)
    if (start.month, start.day) != (1, 1):
        start += dt.timedelta(days=int(np.floor(first)))
    return Submission(name, lat, lon, start, series)


def _complete(submission: Submission) -> None:
    """Refuse what cannot even be written."""
    name, have = submission.name, submission.variables
    wanted = [output.name for output in OUTPUTS.values() if not output.optional]
    if name.stage == "Posterior":
        wanted += [f"{each}{POST_UNC}" for each in OPTIMISED[name.scenario]]
    missing = [each for each in wanted if each not in have]
    if missing:
        raise InvalidData(
            f"submission {name.file}: missing are {', '.join(missing)}; wanted every variable of "
            "table 3, and in a posterior file the uncertainties of what was optimised"
        )
    if (submission.start.month, submission.start.day) != (1, 1):
        raise InvalidData(
            f"submission {name.file}: found {submission.start} as first day, wanted 1 January: "
            "time counts from the start of the year"
        )
    unknown = [each for each in have if each.removesuffix(POST_UNC) not in OUTPUTS]
    if unknown:
        raise InvalidData(
            f"submission {name.file}: found {', '.join(unknown)}; wanted the names of table 3: "
            f"{', '.join(OUTPUTS)}, and {POST_UNC} after them"
        )
    for each, values in have.items():
        if np.shape(values) != (submission.days,):
            raise InvalidData(
                f"submission {name.file}, variable {each}: found shape {np.shape(values)}, wanted "
                f"({submission.days},)"
            )


def _write(path: Path, submission: Submission, attributes: dict[str, str]) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        for dim, size in (("time", submission.days), ("lat", 1), ("lon", 1)):
            file.createDimension(dim, size)
        time = file.createVariable("time", "f8", ("time",))
        time.long_name, time.standard_name, time.axis = "time", "time", "T"
        time.units = f"days since {submission.start.year:04d}-01-01 00:00:00"
        time.calendar = "standard"
        time[:] = np.arange(submission.days) + 0.5
        for name, word, units, value in (
            ("lat", "latitude", "degrees_north", submission.lat),
            ("lon", "longitude", "degrees_east", submission.lon),
        ):
            place = file.createVariable(name, "f8", ())
            place.units, place.long_name, place.standard_name = units, word, word
            place[...] = value
        for name, values in sorted(submission.variables.items(), key=_order):
            output = OUTPUTS[name.removesuffix(POST_UNC)]
            variable = file.createVariable(name, "f8", ("time", "lat", "lon"), fill_value=FILL)
            variable.units = output.units[0]
            spread = "Posterior uncertainty (standard deviation): "
            variable.long_name = (spread if name.endswith(POST_UNC) else "") + output.long_name
            variable.cell_methods = "time: mean"
            variable[:] = np.ma.masked_invalid(np.asarray(values, dtype=np.float64))[:, None, None]
        file.setncatts(
            {
                **attributes,
                "Conventions": "CF-1.11",
                "title": f"CalLMIP Phase 1b, {submission.name.site}, {submission.name.stage}",
                "source": f"{submission.name.model}, written by catena {code_version()}",
                **submission.name.attributes,
            }
        )


def _order(item: tuple[str, Array]) -> tuple[bool, int]:
    names = list(OUTPUTS)
    return item[0].endswith(POST_UNC), names.index(item[0].removesuffix(POST_UNC))
