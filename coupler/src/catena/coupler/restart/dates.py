"""Dates of restart and history files, in ELM's calendar without leap years."""

from __future__ import annotations

from collections.abc import Mapping

import cftime

from catena.shared.errors import InvalidData

DAYS_PER_YEAR = 365.0

_CALENDARS = {1: "noleap", 2: "standard"}
_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def day_number(year: int, month: int, day: int) -> float:
    """Days since 0000-01-01 in a calendar without leap years."""
    return year * DAYS_PER_YEAR + _DAYS_BEFORE_MONTH[month - 1] + day - 1


def day_of(date: cftime.datetime, file: str) -> float:
    """Days since 0000-01-01, with the time of day.

    Raises
    ------
    InvalidData
        When the calendar has leap years.
    """
    if date.calendar != "noleap":
        raise InvalidData(
            f"{file} has calendar {date.calendar}, wanted noleap to be compared with histories"
        )
    seconds = date.hour * 3600 + date.minute * 60 + date.second
    return day_number(date.year, date.month, date.day) + seconds / 86400.0


def date_of(header: Mapping[str, int], file: str) -> cftime.datetime:
    """Date of a restart file's state by its ``timemgr_rst_*``.

    Raises
    ------
    InvalidData
        When they are no date.
    """
    ymd, seconds = header["timemgr_rst_curr_ymd"], header["timemgr_rst_curr_tod"]
    calendar = _CALENDARS.get(header["timemgr_rst_type"])
    if calendar is None:
        raise InvalidData(
            f"{file}: timemgr_rst_type is {header['timemgr_rst_type']}, wanted 1 (noleap) or 2 "
            "(Gregorian)"
        )
    try:
        return cftime.datetime(
            ymd // 10000,
            ymd // 100 % 100,
            ymd % 100,
            seconds // 3600,
            seconds // 60 % 60,
            seconds % 60,
            calendar=calendar,
        )
    except ValueError as error:
        raise InvalidData(
            f"{file}: timemgr_rst_curr_ymd is {ymd} and timemgr_rst_curr_tod {seconds}, which is "
            f"no date ({error})"
        ) from None
