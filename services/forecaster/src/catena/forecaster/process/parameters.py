"""The calibrated parameters of the process model: names, units, ranges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]


class Parameter(NamedTuple):
    """One parameter; `log` ones are searched on a logarithmic scale."""

    name: str
    units: str
    low: float
    high: float
    log: bool
    meaning: str


PARAMETERS = (
    Parameter("x1", "mm", 10.0, 3000.0, True, "capacity of the production store"),
    Parameter("x2", "mm d-1", -10.0, 5.0, False, "exchange with groundwater; negative is a loss"),
    Parameter("x3", "mm", 2.0, 1000.0, True, "capacity of the routing store for one day"),
    Parameter("x4", "d", 0.5, 15.0, True, "time base of the unit hydrograph"),
    Parameter("melt_factor", "mm degC-1 d-1", 0.5, 10.0, True, "melt of a degree-day"),
    Parameter("snow_temperature", "degC", -2.0, 4.0, False, "half of the precipitation is snow"),
    Parameter("cold_memory", "1", 0.0, 1.0, False, "weight of yesterday in the pack's temperature"),
    Parameter("precipitation_factor", "1", 0.7, 1.5, True, "corrects the precipitation"),
    Parameter("pet_factor", "1", 0.5, 1.5, True, "corrects the potential evapotranspiration"),
)
"""GR4J's four (Perrin et al. 2003), three of snow (after Valery et al. 2014), two corrections of
the forcing. Ranges are wider than the 80 % intervals of Perrin et al. (2003, table 1)."""

NAMES = tuple(parameter.name for parameter in PARAMETERS)
LOW, HIGH = (np.array([getattr(p, side) for p in PARAMETERS]) for side in ("low", "high"))
_LOG = np.array([p.log for p in PARAMETERS])
_UNIT_LOW, _UNIT_HIGH = (
    np.where(_LOG, np.log(np.where(_LOG, side, 1.0)), side) for side in (LOW, HIGH)
)


def from_unit(unit: Array) -> Array:
    """Points of the unit cube as parameters, (..., 9) -> (..., 9)."""
    scaled = _UNIT_LOW + np.asarray(unit, float) * (_UNIT_HIGH - _UNIT_LOW)
    return np.clip(np.where(_LOG, np.exp(np.where(_LOG, scaled, 0.0)), scaled), LOW, HIGH)


def check_parameters(parameters: Array, basins: int) -> Array:
    """Parameters as (basins, 9), finite and in their ranges.

    Raises
    ------
    InvalidData
        Another shape, or values out of range; names them.
    """
    values = np.ascontiguousarray(np.atleast_2d(np.asarray(parameters, float)))
    if values.shape != (basins, len(PARAMETERS)):
        raise InvalidData(
            f"parameters have shape {np.shape(parameters)}; want ({basins}, {len(PARAMETERS)}): "
            f"a row per basin of {', '.join(NAMES)}"
        )
    wrong = ~((values >= LOW) & (values <= HIGH))
    if wrong.any():
        raise InvalidData(
            "parameters are out of range",
            violations=[
                FieldViolation(
                    f"parameters[{b}].{NAMES[j]}",
                    f"{values[b, j]:g}; want {LOW[j]:g} to {HIGH[j]:g} {PARAMETERS[j].units}",
                )
                for b, j in np.argwhere(wrong)[:20]
            ],
        )
    return values
