"""Numbers that can be daily weather, and the units that others betray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catena.coupler.forcing.air import saturation_vapour_pressure
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]


class _Forcing(Protocol):
    @property
    def lat(self) -> Array: ...
    @property
    def lon(self) -> Array: ...
    @property
    def variables(self) -> Mapping[str, Array]: ...
    @property
    def co2(self) -> Array: ...
    @property
    def ndep(self) -> Array: ...
    def dates(self) -> NDArray[np.datetime64]: ...


@dataclass(frozen=True)
class _Range:
    """Smallest and largest value, unit, and what values outside of it usually mean."""

    low: float
    high: float
    units: str
    hint: str


RANGES = {
    "tas": _Range(170, 335, "K", "degC? add 273.15"),
    "tasmin": _Range(165, 335, "K", "degC? add 273.15"),
    "tasmax": _Range(170, 345, "K", "degC? add 273.15"),
    "rsds": _Range(0, 600, "W m-2, mean over 24 h", "a mean over daylight? a sum in J m-2?"),
    "rlds": _Range(40, 650, "W m-2", "a sum in J m-2? a net flux?"),
    "vp": _Range(0, 8000, "Pa", "another quantity than vapour pressure?"),
    "ps": _Range(30_000, 112_000, "Pa", "hPa or kPa?"),
    "pr": _Range(0, 0.03, "kg m-2 s-1", "mm d-1? divide by 86400"),
    "sfcWind": _Range(0, 75, "m s-1", "km h-1?"),
    "co2": _Range(100, 5000, "ppm", "a mole fraction? multiply by 1e6"),
    "ndep": _Range(0, 30, "gN m-2 yr-1", "a flux per second? kgN ha-1? (divide that by 10)"),
    "lat": _Range(-90, 90, "degrees north", "lat and lon exchanged?"),
    "lon": _Range(-180, 180, "degrees east, in [-180, 180)", "0 to 360? subtract 360"),
}
"""Of daily values on land: wider than any record (the wettest day known had 0.021 kg m-2 s-1)."""

DRIEST = 0.02
"""Mean relative humidity below any climate's: Aswan has .25."""
OFF_K = 0.01
"""By this much the mean may lie outside of minimum and maximum: rounding of single precision."""


def check(forcing: _Forcing) -> None:
    """Refuse what cannot be a day's weather.

    Raises
    ------
    InvalidData
        At the first wrong value; names variable, cell, day, what was found and what was wanted.
    """
    days = forcing.dates()
    for name in ("lat", "lon"):
        _within(name, getattr(forcing, name), lambda at: f"cell {at[0]}")
    for name in ("co2", "ndep"):
        _within(name, getattr(forcing, name), lambda at: f"day {days[at[0]]}")
    for name, array in forcing.variables.items():
        _within(name, array, lambda at: f"cell {at[0]}, day {days[at[1]]}")
    values = forcing.variables
    _ordered(values, days)
    _humid(values)


def check_range(name: str, values: Array) -> None:
    """Refuse values of one variable on one day that its units cannot mean.

    Parameters
    ----------
    name : str
        One of :data:`RANGES`.
    values : array (cell,)

    Raises
    ------
    InvalidData
        Names the first wrong value, what was wanted and which unit it looks like.
    """
    _within(name, np.atleast_1d(values), lambda at: f"position {at[0]}")


def _within(name: str, array: Array, place: Callable[[tuple[int, ...]], str]) -> None:
    allowed = RANGES[name]
    wrong = ~((array >= allowed.low) & (array <= allowed.high))
    if name == "lon":
        wrong |= array == allowed.high
    if not wrong.any():
        return
    at = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), array.shape))
    value = float(array[at])
    if np.isnan(value):
        raise InvalidData(
            f"variable {name}: found {np.isnan(array).sum()} missing values, first at {place(at)}; "
            "wanted none: fill them, or ask for gaps='fill' where the forcing is made"
        )
    raise InvalidData(
        f"variable {name}: found {value:.6g} at {place(at)} ({wrong.sum()} such values, median of "
        f"all {float(np.median(array)):.6g}); wanted {allowed.low:g} to {allowed.high:g} "
        f"{allowed.units} ({allowed.hint})"
    )


def _ordered(values: Mapping[str, Array], days: NDArray[np.datetime64]) -> None:
    """Minimum <= mean <= maximum of temperature."""
    for low, high in (("tasmin", "tas"), ("tas", "tasmax")):
        over = values[low] - values[high]
        if over.max() > OFF_K:
            cell, day = np.unravel_index(int(over.argmax()), over.shape)
            raise InvalidData(
                f"variable {low}: found {values[low][cell, day]:.2f} K above {high} "
                f"{values[high][cell, day]:.2f} K in cell {cell}, day {days[day]}; wanted tasmin "
                "<= tas <= tasmax: are the names exchanged?"
            )


def _humid(values: Mapping[str, Array]) -> None:
    """Vapour pressure against saturation: a fraction taken for % and hPa for Pa show here."""
    warm, saturated = (saturation_vapour_pressure(values[name]) for name in ("tasmax", "tas"))
    share = values["vp"].mean(axis=1) / saturated.mean(axis=1)
    cell = int(share.argmin())
    if share[cell] < DRIEST:
        raise InvalidData(
            f"variable vp: found a mean of {values['vp'][cell].mean():.4g} Pa in cell {cell}, "
            f"{100 * share[cell]:.2g} % of saturation at its temperatures; wanted Pa, at least "
            f"{100 * DRIEST:g} %: was relative humidity a fraction where % is wanted, or pressure "
            "in hPa or kPa?"
        )
    over = values["vp"] - 1.2 * warm
    if over.max() > 0:
        at = np.unravel_index(int(over.argmax()), over.shape)
        raise InvalidData(
            f"variable vp: found {values['vp'][at]:.5g} Pa in cell {at[0]}, on day number {at[1]}, "
            f"where air of the day's maximum temperature holds {warm[at]:.5g} Pa; wanted at most "
            "that: is humidity or temperature in another unit?"
        )
