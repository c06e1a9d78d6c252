"""The lexicon: its tables hold together, and sources' variables find their way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from catena.shared.errors import InvalidData, NotFound
from catena.shared.lexicon import (
    Row,
    defects,
    factor_offset,
    lookup,
    rows,
    variable,
    variables,
    vocabulary_names,
)


def test_there_are_the_variables_of_land_air_and_rivers() -> None:
    assert len(variables()) >= 120
    for name in ("tas", "pr", "gpp", "nee", "streamflow", "storage", "generation", "co2", "mrsofc"):
        assert variable(name).name == name


@pytest.mark.parametrize("name", list(variables()))
def test_a_variable_can_be_used(name: str) -> None:
    each = variable(name)
    assert each.low < each.high
    assert each.units and each.long_name
    assert factor_offset(each.units, each.units) == (1.0, 0.0)
    # pint understands the unit: it converts into a thousandth of itself.
    assert factor_offset(f"1e-3 {each.units}", each.units)[0] == pytest.approx(1e-3, rel=1e-12)
    assert each.positive in ("", "up", "down")
    assert each.repeats in ("never", "points", "any")
    assert each.substance in ("", "water", "carbon", "air", "geopotential")
    assert 0 <= each.least_max < max(each.high, 1)
    assert 0 <= each.tolerance < each.high - each.low


@pytest.mark.parametrize("vocabulary", vocabulary_names())
def test_rows_lead_to_variables_with_units_that_convert(vocabulary: str) -> None:
    for row in rows(vocabulary).values():
        canonical = row.canonical
        if not row.units:
            continue
        units = f"{row.units} s-1" if row.accumulated else row.units
        factor, _ = factor_offset(units, canonical.units, substance=canonical.substance, area=1.0)
        assert factor > 0, row


def test_defects_name_vocabularies_that_exist() -> None:
    from catena.shared.lexicon.tables import read_table

    known = set(vocabulary_names())
    for cells in read_table("defects"):
        assert cells["vocabulary"] in known, cells
        assert cells["note"], cells
        defects(cells["vocabulary"], cells["dataset"].replace("*", "x"))


def test_known_cases_are_known() -> None:
    site = {(each.action, each.value) for each in defects("elm_site", "US-Ha1")}
    assert ("calendar", "standard") in site and ("utc_offset_h", "0") in site
    assert not [each for each in defects("elm_site", "US-MOz") if each.action == "calendar"]
    doubled = [each for each in defects("callmip", "US-MMS") if each.action == "scale"]
    assert [each.number for each in doubled] == [2.0]
    assert not [each for each in defects("callmip", "US-NR1") if each.action == "scale"]


def test_a_misspelled_name_is_answered_with_close_ones() -> None:
    with pytest.raises(NotFound, match="tasmax"):
        variable("tasmx")
    with pytest.raises(NotFound, match="no vocabulary 'cmpi6'"):
        lookup("cmpi6", "tas")


@pytest.mark.parametrize(
    ("name", "standard_name", "methods", "dims", "wanted"),
    [
        ("tas", "air_temperature", "", (), "tas"),
        ("tas", "", "", (), "tas"),
        ("x", "air_temperature", "", ("time", "lat", "lon"), "tas"),
        ("x", "air_temperature", "time: maximum within days", (), "tasmax"),
        ("x", "air_temperature", "time: minimum", (), "tasmin"),
        ("t", "air_temperature", "", ("time", "plev"), "ta"),
        ("x", "lwe_precipitation_rate", "", (), "pr"),
        ("x", "area_fraction", "", (), None),
        ("x", "sea_water_age", "", (), None),
        ("x", "", "", (), None),
        ("tas", "precipitation_flux", "", (), None),
    ],
)
def test_files_that_follow_cf_need_no_rows(
    name: str, standard_name: str, methods: str, dims: tuple[str, ...], wanted: str | None
) -> None:
    row = lookup("cf", name, standard_name, cell_methods=methods, dims=dims)
    assert (row.name if row else None) == wanted


def test_a_vocabulary_comes_before_cf() -> None:
    assert lookup("elm_site", "RH") == rows("elm_site")["RH"]
    assert isinstance(lookup("elm_site", "x", "air_temperature"), Row)


def test_the_lexicon_is_light_to_import() -> None:
    code = "import sys, catena.shared.lexicon; print(*{name.split('.')[0] for name in sys.modules})"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert not {"pint", "xarray", "numpy", "pandas"} & set(out.split())


def _table(monkeypatch: pytest.MonkeyPatch, module: str, cells: dict[str, str]) -> None:
    """One row in place of a table."""
    import importlib

    loaded = importlib.import_module(f"catena.shared.lexicon.{module}")
    monkeypatch.setattr(loaded, "read_table", lambda name: (cells,))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "rain"}, "'rain' is not in variables.csv"),
        ({"accumulated": "daily"}, "accumulated is 'daily'"),
        ({"accumulated": "-3600"}, "accumulated is '-3600'"),
        ({"sign": "down"}, "sign is 'down'"),
        ({"labelled": "kg/kg", "units": ""}, "needs units"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    changed: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"variable": "x", "name": "pr", "units": "mm", "accumulated": "step", "sign": ""}
    _table(monkeypatch, "vocabularies", {**good, **changed})
    with pytest.raises(InvalidData, match=words):
        rows.__wrapped__("cmip6")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"action": "double"}, "action is 'double'"),
        ({"value": "two"}, "scale is 'two'"),
        ({"action": "calendar", "value": "julianish"}, "calendar is 'julianish'"),
    ],
)
def test_a_defect_that_cannot_be_used_is_named(
    changed: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    good = {
        "vocabulary": "cf", "dataset": "*", "variable": "pr", "action": "scale", "value": "2",
        "note": "half",
    }  # fmt: skip
    _table(monkeypatch, "defects", {**good, **changed})
    with pytest.raises(InvalidData, match=words):
        importlib.import_module("catena.shared.lexicon.defects")._all.__wrapped__()
