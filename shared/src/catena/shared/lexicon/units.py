"""Units: from what files write to what the lexicon wants, as a factor and an offset.

Pint knows the units; here are the spellings of UDUNITS and of the archives, and the three bridges
between quantities that only knowledge of the substance allows: depth of water and mass, moles of
CO2 and mass of carbon, geopotential and height.
"""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from catena.shared.errors import InvalidData
from catena.shared.lexicon.variables import Substance

if TYPE_CHECKING:
    import pint

WATER_DENSITY = 1000.0
"""kg m-3."""
CARBON_MASS = 12.011e-3
"""kg mol-1."""
CO2_MASS = 44.009e-3
"""kg mol-1."""
WATER_MASS = 18.01528e-3
"""kg mol-1."""
GRAVITY = 9.80665
"""m s-2, WMO's constant for geopotential height."""

_DEFINITIONS = (
    "percent = 0.01 = %",
    "ppm = 1e-6",
    "ppb = 1e-9",
    "degrees_north = degree = degree_north = degree_N = degrees_N = degreeN = degreesN",
    "degrees_east = degree = degree_east = degree_E = degrees_E = degreeE = degreesE",
    "cubic_foot_per_second = foot ** 3 / second = cfs",
    "acrefoot = 43560 * foot ** 3",
    "thousand_acre_foot = 1000 * acrefoot = taf = kaf",
    "cumec = meter ** 3 / second",
    "geopotential_meter = meter = gpm",
)
_SPELLINGS = {
    "": "dimensionless", "1": "dimensionless", "-": "dimensionless", "none": "dimensionless",
    "unitless": "dimensionless", "fraction": "dimensionless", "m2 m-2": "dimensionless",
    "%": "percent", "pct": "percent", "psu": "0.001",
    "c": "degC", "deg c": "degC", "deg_c": "degC", "degc": "degC", "celsius": "degC",
    "degrees c": "degC", "degree c": "degC", "degrees_celsius": "degC", "degree_celsius": "degC",
    "°c": "degC", "degrees celsius": "degC", "degree celsius": "degC",
    "degk": "K", "deg_k": "K", "deg k": "K", "degrees_k": "K", "degrees k": "K",
    "kelvin": "K", "kelvins": "K",
    "f": "degF", "deg_f": "degF", "deg f": "degF", "fahrenheit": "degF",
    "mb": "hPa", "mbar": "hPa", "millibars": "hPa", "millibar": "hPa", "hpa": "hPa", "pa": "Pa",
    "kpa": "kPa", "degrees": "degree", "deg": "degree",
    "ppmv": "ppm", "cumecs": "cumec", "m of water equivalent": "m", "mm of water equivalent": "mm",
    "mmday-1": "mm d-1", "mm/dy": "mm d-1",
}  # fmt: skip
_WORDS = {
    "ft3": "foot**3", "acre-ft": "acrefoot", "acre-feet": "acrefoot", "acre-foot": "acrefoot",
    "acre_feet": "acrefoot", "acre_ft": "acrefoot", "af": "acrefoot", "acft": "acrefoot",
    "d": "day", "dy": "day", "hr": "hour", "h": "hour", "yr": "year", "mon": "month",
    "sec": "second",
    "mb": "hPa", "millibars": "hPa", "Kelvin": "kelvin", "Pascal": "pascal", "pascals": "pascal",
    "Watt": "watt", "Watts": "watt", "watts": "watt", "%": "percent", "mwh": "MWh", "Mwh": "MWh",
    "C": "degC", "w": "W",
}  # fmt: skip
_CARBON = re.compile(r"\b(u|µ|μ|m|n)?(g|kg|Mg|t|mol|Pg|Tg)_?\s?(CO2|C|H2O)\b")
_CALENDAR_WORDS = {"month": "28 to 31 days", "year": "365 or 366 days"}


def factor_offset(
    from_units: str,
    to_units: str,
    *,
    substance: Substance = "",
    area: float | None = None,
) -> tuple[float, float]:
    """How to convert: ``converted = value * factor + offset``.

    Parameters
    ----------
    from_units, to_units : str
        UDUNITS spelling and the archives' variants of it (``W/m2``, ``mm/day``, ``cfs``).
    substance : str
        Of the variable: ``water`` lets depth become mass, ``carbon`` lets moles and mass of CO2
        become mass of carbon, ``geopotential`` lets m2 s-2 become m.
    area : float, optional
        m2: lets a volume become a depth (streamflow of a basin).

    Raises
    ------
    InvalidData
        For a unit that is not understood; that is no multiple of the other; or that is a month or
        a year, which have no fixed length.
    """
    if area is not None and not area > 0:
        raise InvalidData(f"area is {area} m2, wanted a positive number; give the basin's area")
    return _factor_offset(from_units.strip(), to_units.strip(), substance, area)


def same_units(first: str, second: str) -> bool:
    """Whether two spellings mean the same unit; False if either is not understood."""
    if first.strip() == second.strip():
        return True
    try:
        return factor_offset(first, second) == (1.0, 0.0)
    except InvalidData:
        return False


@lru_cache(maxsize=4096)
def _factor_offset(
    from_units: str, to_units: str, substance: Substance, area: float | None
) -> tuple[float, float]:
    if from_units == to_units:
        return 1.0, 0.0
    source, target = _parse(from_units, substance), _parse(to_units, substance)
    for word, length in _CALENDAR_WORDS.items():
        # Days per year stay days per year; only what leaves the calendar has no fixed length.
        holds = [word in str(parsed.units) for parsed in (source, target)]
        if holds[0] != holds[1]:
            raise InvalidData(
                f"unit '{from_units if holds[0] else to_units}' holds a {word}, which has no fixed "
                f"length ({length}); divide by the length of each {word} first "
                "(lexicon: accumulated)"
            )
    source = _bridged(source, target, substance, area)
    if source.dimensionality != target.dimensionality:
        raise InvalidData(
            f"unit '{from_units}' ({_words(source)}) cannot become '{to_units}' ({_words(target)})"
            + _hint(source, target, substance)
        )
    unit = source.units
    scale = target.magnitude
    registry = _registry()
    zero, one, many = (
        float(registry.Quantity(value * source.magnitude, unit).to(target.units).magnitude) / scale
        for value in (0.0, 1.0, 1000.0)
    )
    # Without an offset one alone says it, without the loss of digits of a difference.
    return (_tidy(one), 0.0) if zero == 0 else (_tidy((many - zero) / 1000), _tidy(zero))


def _bridged(source: Any, target: Any, substance: Substance, area: float | None) -> Any:
    registry = _registry()
    ratio = (target / source).dimensionality if not _has_offset(source) else {}
    bridges: list[Any] = []
    if substance == "water":
        density = registry.Quantity(WATER_DENSITY, "kg/m**3")
        molar = registry.Quantity(WATER_MASS, "kg/mol")
        bridges += [density, 1 / density, molar]
        if area is not None:
            basin = registry.Quantity(area, "m**2")
            bridges += [1 / basin, density / basin]
    elif substance == "carbon":
        bridges.append(registry.Quantity(CARBON_MASS, "kg/mol"))
    elif substance == "geopotential":
        bridges.append(1 / registry.Quantity(GRAVITY, "m/s**2"))
    for bridge in bridges:
        if bridge.dimensionality == ratio:
            return (source * bridge).to_base_units() if not _has_offset(source) else source
    return source


def _hint(source: Any, target: Any, substance: Substance) -> str:
    ratio = dict((target / source).dimensionality) if not _has_offset(source) else {}
    if ratio in ({"[time]": -1}, {"[time]": -1, "[mass]": 1, "[length]": -3}):
        return "; it is an amount: say over which time it is accumulated (lexicon: accumulated)"
    if substance == "water" and ratio in (
        {"[length]": -2},
        {"[mass]": 1, "[length]": -5},
    ):
        return "; a volume becomes a depth by the basin's area in m2 (coordinate or attribute area)"
    return "; correct the unit in the source or overrule it in the lexicon (labelled)"


def _has_offset(quantity: Any) -> bool:
    return str(quantity.units) in ("degree_Celsius", "degree_Fahrenheit")


def _parse(text: str, substance: Substance) -> Any:
    registry = _registry()
    parsed: Any = None
    # On garbage pint's tokenizer raises kinds of its own beside PintError: all mean the same.
    with contextlib.suppress(Exception):
        parsed = registry.Quantity(_spelled(text, substance))
    if parsed is None:
        raise InvalidData(
            f"unit '{text}' is not understood; write it as UDUNITS does, e.g. 'kg m-2 s-1'"
        )
    return parsed


def _spelled(text: str, substance: Substance) -> str:
    plain = re.sub(r"\s+", " ", text.strip().replace("µ", "u").replace("μ", "u"))
    plain = plain.replace("^", "**").replace("²", "2").replace("³", "3")
    plain = _SPELLINGS.get(plain.lower(), plain)
    if substance == "water":
        # A rate made of such an amount has the words in its middle.
        plain = plain.replace(" of water equivalent", "")
    if substance in ("carbon", "water", "air"):
        plain = _CARBON.sub(_without_substance, plain)
    plain = re.sub(r"acre[- ](ft|feet|foot)", "acrefoot", plain)
    factors: list[str] = []
    for part in re.split(r"(\s*[*/](?!\*)(?<!\*\*)\s*|\s+)", plain.replace("**", "^")):
        if not part:
            continue
        if part.strip() in ("", "*", "/"):
            factors.append(part.strip() or "*")
            continue
        factors.append(_factor(part))
    return "".join(factors)


def _factor(part: str) -> str:
    number = re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", part)
    if number:
        return part
    found = re.fullmatch(
        r"\(?([A-Za-z_%°]+(?:\d(?=[A-Za-z]))?[A-Za-z_]*)\^?\(?([-+]?\d+)?\)?", part
    )
    if found is None:
        return _WORDS.get(part, part).replace("^", "**")
    word, power = found.groups()
    if word + (power or "") in _WORDS:
        return _WORDS[word + (power or "")]
    spelled = _WORDS.get(word, word)
    return f"{spelled}**{power}" if power else spelled


def _without_substance(found: re.Match[str]) -> str:
    prefix, unit, of = found.group(1) or "", found.group(2), found.group(3)
    # A mass of CO2 holds 12/44 of carbon; moles of CO2 are moles of carbon.
    share = f"{CARBON_MASS / CO2_MASS!r}*" if of == "CO2" and unit != "mol" else ""
    return f"{share}{prefix}{unit}"


def _words(quantity: Any) -> str:
    return str(quantity.dimensionality)


def _tidy(value: float) -> float:
    """The nearest number of 15 digits: 1000.0000000000001 is 1000."""
    return float(f"{value:.15g}")


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[Any]:
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry
