"""Units: every spelling of the archives, against factors worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.shared.errors import InvalidData
from catena.shared.lexicon import factor_offset, same_units, variables

DAY = 86400.0
ACRE_FOOT = 43560 * 0.3048**3

SPELLINGS = [
    ("mm/day", "kg m-2 s-1", "water", 1 / DAY, 0),
    ("mm d-1", "kg m-2 s-1", "water", 1 / DAY, 0),
    ("mm day-1", "kg m-2 s-1", "water", 1 / DAY, 0),
    ("mm s-1", "kg m-2 s-1", "water", 1, 0),
    ("mm h-1", "kg m-2 s-1", "water", 1 / 3600, 0),
    ("inches/day", "kg m-2 s-1", "water", 25.4 / DAY, 0),
    ("kg/m2/s", "kg m-2 s-1", "water", 1, 0),
    ("kg m^-2 s^-1", "kg m-2 s-1", "water", 1, 0),
    ("kg m**-2 s**-1", "kg m-2 s-1", "water", 1, 0),
    ("m", "kg m-2", "water", 1000, 0),
    ("m of water equivalent", "kg m-2", "water", 1000, 0),
    ("mm", "kg m-2", "water", 1, 0),
    ("1e-3 kg m-2", "kg m-2", "", 1e-3, 0),
    ("degC", "K", "", 1, 273.15),
    ("deg_C", "K", "", 1, 273.15),
    ("deg c", "K", "", 1, 273.15),
    ("Celsius", "K", "", 1, 273.15),
    ("°C", "K", "", 1, 273.15),
    ("C", "K", "", 1, 273.15),
    ("degF", "K", "", 5 / 9, 459.67 * 5 / 9),
    ("degK", "K", "", 1, 0),
    ("Kelvin", "K", "", 1, 0),
    ("W/m2", "W m-2", "", 1, 0),
    ("W m**-2", "W m-2", "", 1, 0),
    ("W/m^2", "W m-2", "", 1, 0),
    ("MJ m-2 d-1", "W m-2", "", 1e6 / DAY, 0),
    ("J m-2 s-1", "W m-2", "", 1, 0),
    ("%", "1", "", 0.01, 0),
    ("percent", "1", "", 0.01, 0),
    ("1", "%", "", 100, 0),
    ("", "%", "", 100, 0),
    ("kg/kg", "1", "", 1, 0),
    ("kg kg-1", "1", "", 1, 0),
    ("g/kg", "1", "", 1e-3, 0),
    ("m3 m-3", "1", "", 1, 0),
    ("hPa", "Pa", "", 100, 0),
    ("mb", "Pa", "", 100, 0),
    ("millibars", "Pa", "", 100, 0),
    ("kPa", "Pa", "", 1000, 0),
    ("Pascal", "Pa", "", 1, 0),
    ("ft3/s", "m3 s-1", "", 0.3048**3, 0),
    ("cfs", "m3 s-1", "", 0.3048**3, 0),
    ("acre-ft/day", "m3 s-1", "", ACRE_FOOT / DAY, 0),
    ("taf/day", "m3 s-1", "", 1000 * ACRE_FOOT / DAY, 0),
    ("acre-feet", "m3", "", ACRE_FOOT, 0),
    ("MWh/day", "W", "", 1e6 / 24, 0),
    ("ppm", "mol mol-1", "air", 1e-6, 0),
    ("umolCO2 mol-1", "mol mol-1", "air", 1e-6, 0),
    ("umol m-2 s-1", "kg m-2 s-1", "carbon", 12.011e-9, 0),
    ("umol CO2 m-2 s-1", "kg m-2 s-1", "carbon", 12.011e-9, 0),
    ("umolCO2 m-2 s-1", "kg m-2 s-1", "carbon", 12.011e-9, 0),
    ("µmol m-2 s-1", "kg m-2 s-1", "carbon", 12.011e-9, 0),
    ("gC m-2 d-1", "kg m-2 s-1", "carbon", 1e-3 / DAY, 0),
    ("gC/m2/d", "kg m-2 s-1", "carbon", 1e-3 / DAY, 0),
    ("kg C m-2 s-1", "kg m-2 s-1", "carbon", 1, 0),
    ("gCO2 m-2 d-1", "kg m-2 s-1", "carbon", 1e-3 / DAY * 12.011 / 44.009, 0),
    ("mmol m-2 s-1", "kg m-2 s-1", "water", 18.01528e-6, 0),
    ("umol m-2 s-1", "mol m-2 s-1", "", 1e-6, 0),
    ("m**2 s**-2", "m", "geopotential", 1 / 9.80665, 0),
    ("hours", "s", "", 3600, 0),
    ("psu", "1e-3", "", 1, 0),
    ("km2", "m2", "", 1e6, 0),
]


@pytest.mark.parametrize(("source", "target", "substance", "factor", "offset"), SPELLINGS)
def test_spelling(source: str, target: str, substance: str, factor: float, offset: float) -> None:
    got = factor_offset(source, target, substance=substance)  # type: ignore[arg-type]
    assert got == pytest.approx((factor, offset), rel=1e-12)


def test_a_volume_needs_the_area_of_its_basin() -> None:
    # 1 m3 s-1 over 1 km2 is 1 mm in 1000 s.
    assert factor_offset("m3 s-1", "kg m-2 s-1", substance="water", area=1e6) == (1e-3, 0)
    factor, _ = factor_offset("cfs", "mm d-1", substance="water", area=2.5e9)
    assert factor == pytest.approx(0.3048**3 / 2.5e9 * 1000 * DAY, rel=1e-12)
    with pytest.raises(InvalidData, match="area in m2"):
        factor_offset("cfs", "kg m-2 s-1", substance="water")
    with pytest.raises(InvalidData, match="area is -1"):
        factor_offset("cfs", "kg m-2 s-1", substance="water", area=-1)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("K", "Pa", "cannot become 'Pa'"),
        ("mm", "kg m-2 s-1", "accumulated"),
        ("J m-2", "W m-2", "accumulated"),
        ("mm/month", "kg m-2 s-1", "28 to 31 days"),
        ("gC m-2 yr-1", "kg m-2 s-1", "365 or 366 days"),
        ("furlong^^", "K", "not understood"),
        ("degrees of doom", "K", "not understood"),
        ("__import__('os')", "K", "not understood"),
        ("umol m-2 s-1", "kg m-2 s-1", "cannot become"),
    ],
)
def test_what_does_not_convert_says_why(source: str, target: str, words: str) -> None:
    substance = "carbon" if "gC" in source else "water"
    with pytest.raises(InvalidData, match=words):
        factor_offset(source, target, substance="" if "umol" in source else substance)  # type: ignore[arg-type]


def test_carbon_is_not_water() -> None:
    with pytest.raises(InvalidData):
        factor_offset("mm d-1", "kg m-2 s-1", substance="carbon")
    # Snow depth is a thickness of snow, not of water.
    with pytest.raises(InvalidData):
        factor_offset("kg m-2", "m", substance=variables()["snd"].substance)


def test_spellings_of_one_unit_are_the_same() -> None:
    assert same_units("W/m2", "W m-2") and same_units("kg/kg", "1")
    assert not same_units("degC", "K") and not same_units("nonsense", "K")


@given(
    st.sampled_from([row for row in SPELLINGS if row[2] == ""]),
    st.floats(-1e6, 1e6, allow_subnormal=False),
)
def test_there_and_back_is_the_same_number(
    row: tuple[str, str, str, float, float], value: float
) -> None:
    source, target, *_ = row
    there, back = factor_offset(source, target), factor_offset(target, source)
    again = (value * there[0] + there[1]) * back[0] + back[1]
    assert again == pytest.approx(value, rel=1e-9, abs=1e-9)
