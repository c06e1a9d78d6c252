"""Tables that come with forcing: CO2 year by year, facts of sites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catena.coupler.forcing import CO2_1850_PPM, NDEP_1850, SITES, CO2Record, read_co2, site_facts
from catena.coupler.forcing import sites as module
from catena.coupler.pft import PFT_NAMES
from catena.shared.errors import InvalidData, InvalidRequest, NotFound


def test_a_table_of_co2_is_read(tmp_path: Path) -> None:
    path = tmp_path / "co2.txt"
    path.write_text("# ppm\nAnnee_1850=287.43\n1851 287.48\n\nAnnee_1852 = 287.50")
    record = read_co2(path)
    assert (record.first, record.last) == (1850, 1852)
    dates = np.array(["1850-12-31", "1851-01-01"], dtype="datetime64[D]")
    assert list(record.of(dates)) == [287.43, 287.48]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Annee_1850=287.43\nAnnee_1852=287.5\n", "no value for 1851"),
        ("Annee_1850=287.43\nAnnee_1850=287.5\n", "line 2: found 1850 twice"),
        ("Annee_1850=287.43\nAnnee_18", r"line 2: found 'Annee_18'"),
        ("Annee_1850=2.8743e-4\n", "line 1"),
        ("1850 0.00028\n", "wanted ppm"),
        ("", "found no year"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "co2.txt"
    path.write_text(text)
    with pytest.raises(InvalidData, match=words) as error:
        read_co2(path)
    assert "co2.txt" in str(error.value)


def test_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"file co2.txt: found no text"):
        read_co2(tmp_path / "co2.txt")


def test_years_outside_of_the_record_are_refused() -> None:
    with pytest.raises(InvalidData, match="wanted 1999 to 2000"):
        CO2Record({2000: 370.0}).of(np.array(["1999-12-31", "2000-01-01"], dtype="datetime64[D]"))


def test_the_protocols_numbers() -> None:
    assert CO2_1850_PPM == 287.42
    assert pytest.approx(0.79 * 1000 / 10_000) == NDEP_1850


def test_sites_have_a_clock_near_the_sun_and_plants_that_add_up() -> None:
    assert {"US-Ha1", "US-MMS", "US-NR1", "US-MOz", "US-WCr"} <= set(SITES)
    for facts in SITES.values():
        assert abs(facts.utc_offset_h - facts.lon / 15) < 1, facts.code
        assert set(facts.pft) <= set(PFT_NAMES)
        assert sum(facts.pft.values()) == pytest.approx(1)
        assert {"place", "pft", "soil"} == set(facts.sources)
    assert site_facts("US-NR1").pft["needleleaf_evergreen_boreal_tree"] == 0.83
    assert [layer.sand for layer in site_facts("US-MMS").soil] == [34]


def test_an_unknown_site_is_named_with_those_that_are_known() -> None:
    with pytest.raises(NotFound, match=r"no facts about a site 'XX-Yyy'; known are .*US-MMS"):
        site_facts("XX-Yyy")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pft": {"c3_crop": 0.5}}, "pft add up to 0.5"),
        ({"pft": {"oak": 1.0}}, "no plant functional type 'oak'"),
        ({"soil": [{"top": 0, "bottom": 10, "sand": 50, "silt": 20, "clay": 20}]}, "90 %"),
        ({"soil": [{"top": 5, "bottom": 10, "sand": 50, "silt": 30, "clay": 20}]}, "from 0.0 cm"),
    ],
)
def test_a_table_of_sites_checks_itself(change: dict, words: str) -> None:
    plain = {
        "name": "x", "lat": 0, "lon": 0, "elevation": 0, "utc_offset_h": 0,
        "pft": {"c3_crop": 1.0}, "soil": [], "sources": {},
    }  # fmt: skip
    module._site("XX-Yyy", plain)
    with pytest.raises((InvalidData, InvalidRequest), match=words):
        module._site("XX-Yyy", {**plain, **change})
