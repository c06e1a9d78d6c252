"""Observations of CalLMIP: units, gaps, the site whose NEE is halved, seasons."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from support.callmip_files import DAYS, LAT, LON, fluxes, observations_file

from catena.coupler.callmip.observations import (
    WEIGHT_AT_MOST,
    Observations,
    find_observations,
    read_observations,
    season_of,
)
from catena.shared.errors import InvalidData


def test_fluxes_uncertainties_days_and_place(tmp_path: Path) -> None:
    made = read_observations(observations_file(tmp_path, "US-NR1"))
    truth = fluxes(seed=1)
    assert (made.site, made.start, made.days) == ("US-NR1", dt.date(1999, 1, 1), DAYS)
    assert made.dates()[-1] == np.datetime64("2002-12-31")
    assert (made.lat, made.lon) == (LAT, LON)
    assert made.values["hfls"] == pytest.approx(truth["hfls"], rel=1e-5)
    known = np.isfinite(made.values["nee"])
    assert 0 < known.sum() < DAYS
    assert made.values["nee"][known] == pytest.approx(-86.4e6 * truth["nep"][known], rel=1e-4)
    spread = 0.1 * np.abs(made.values["nee"][known]) + 0.01
    assert made.uncertainty["nee"][known] == pytest.approx(spread, rel=1e-4)
    assert made.notes == ()


@pytest.mark.parametrize(
    ("asked", "attributes", "factor"),
    [
        ({}, {}, 2),
        ({}, {"scaling_factor_NEE": "umolCO2/m2/s -> 1e-6 * 12 * 1800 gC/m2/half-hour"}, 2),
        ({"as_published": True}, {}, 1),
        ({}, {"scaling_factor_NEE": "umolCO2/m2/s -> 1e-6 * 12 * 3600 gC/m2/hour"}, 1),
    ],
)
def test_halved_nee_is_doubled_and_said(tmp_path: Path, asked, attributes, factor) -> None:
    made = read_observations(observations_file(tmp_path, "US-MMS", **attributes), **asked)
    other = read_observations(observations_file(tmp_path, "US-NR1"))
    for one, two in ((made.values, other.values), (made.uncertainty, other.uncertainty)):
        assert np.allclose(one["nee"], factor * two["nee"], equal_nan=True)
        assert np.array_equal(one["hfls"], two["hfls"], equal_nan=True)
    (note,) = made.notes
    assert note.action == ("converted" if factor == 2 else "noted")
    assert "times 2" in str(note)
    assert "half-hourly" in str(note)


def test_units_are_read(tmp_path: Path) -> None:
    path = observations_file(tmp_path, "US-NR1")
    first = read_observations(path)
    with netCDF4.Dataset(path, "r+") as file:
        for name in ("NEE_daily", "NEE_uc_daily"):
            file[name].units = "umolCO2 m-2 s-1"
            file[name][:] = file[name][:] / 1.0377504
    second = read_observations(path)
    assert second.values["nee"] == pytest.approx(first.values["nee"], rel=1e-6, nan_ok=True)
    with netCDF4.Dataset(path, "r+") as file:
        file["Qle_daily"].units = "mm"
    with pytest.raises(InvalidData, match=r"variable Qle_daily: .*'mm'"):
        read_observations(path)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = observations_file(tmp_path, "US-NR1")
    with netCDF4.Dataset(path, "r+") as file:
        file.renameVariable("Qh_uc_daily", "Qh_error")
    with pytest.raises(InvalidData, match=r"missing are Qh_uc_daily"):
        read_observations(path)
    values = {"Qh": np.full(DAYS, 50.0)}
    values["Qh"][31] = 5000
    path = observations_file(tmp_path, "US-NR1", values=values)
    with pytest.raises(InvalidData, match=r"Qh_daily: found 5000 on 1999-02-01"):
        read_observations(path)
    path = observations_file(tmp_path, "US-NR1")
    with netCDF4.Dataset(path, "r+") as file:
        file["Qh_uc_daily"][3] = -1
    with pytest.raises(InvalidData, match=r"Qh_uc_daily: found -1, wanted 0 or more"):
        read_observations(path)
    path = observations_file(tmp_path, "US-NR1")
    with netCDF4.Dataset(path, "r+") as file:
        file["time"][100:] = file["time"][100:] + 86400
    with pytest.raises(InvalidData, match=r"found 1999-04-12 after 1999-04-10"):
        read_observations(path)
    os.truncate(path, path.stat().st_size - 200)
    with pytest.raises(InvalidData, match=r"US-NR1.*200 bytes shorter") as error:
        read_observations(path)
    assert str(tmp_path) not in str(error.value)
    path.write_text("none")
    with pytest.raises(InvalidData, match="found no netCDF"):
        read_observations(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda time: time.delncattr("units"), "the units None"),
        (lambda time: time.setncattr("units", "fortnights since 1999"), "fortnights since 1999"),
        (lambda time: time.setncattr("calendar", "mayan"), "calendar 'mayan'"),
        (lambda time: time.__setitem__(5, np.nan), r"no value at 5 \(from 0\)"),
        (lambda time: time.__setitem__(5, 1e30), "wanted times since a date"),
    ],
)
def test_times_that_are_none(tmp_path: Path, change: Any, said: str) -> None:
    path = observations_file(tmp_path, "US-NR1")
    with netCDF4.Dataset(path, "r+") as file:
        change(file["time"])
    with pytest.raises(InvalidData, match=rf"US-NR1.*variable time: .*{said}"):
        read_observations(path)


def observed(nee: np.ndarray) -> Observations:
    other = np.zeros(nee.size)
    series = {"nee": nee, "hfls": other, "hfss": other}
    return Observations("XX-Yyy", 0, 0, dt.date(2001, 1, 1), series, series)


def test_seasons() -> None:
    days = np.array(["2001-12-01", "2001-02-28", "2001-03-01", "2001-08-31", "2001-11-30"],
                    dtype="datetime64[D]")  # fmt: skip
    assert list(season_of(days)) == [0, 0, 1, 2, 3]


def test_each_season_weighs_its_length() -> None:
    nee = np.ones(365)
    season = season_of(np.datetime64("2001-01-01") + np.arange(365))
    summer = np.flatnonzero(season == 2)
    nee[summer[::2]] = np.nan
    made = observed(nee)
    weights = made.season_weights("nee")
    known = np.isfinite(nee)
    assert weights[~known].max() == 0
    assert weights[known].mean() == pytest.approx(1)
    for k in range(4):
        share = weights[season == k].sum() / weights.sum()
        assert share == pytest.approx((season == k).mean()), k
    assert made.coverage()["nee"]["JJA"] == (46, 92)
    assert made.coverage()["hfls"]["JJA"] == (92, 92)


def test_a_single_day_does_not_stand_for_a_summer() -> None:
    nee = np.ones(365)
    season = season_of(np.datetime64("2001-01-01") + np.arange(365))
    nee[np.flatnonzero(season == 2)[1:]] = np.nan
    assert observed(nee).season_weights("nee").max() == WEIGHT_AT_MOST


def test_no_days_no_weights() -> None:
    assert observed(np.full(365, np.nan)).season_weights("nee").max() == 0


def test_of_two_files_of_a_site_the_longer_is_found(tmp_path: Path) -> None:
    for name in ("DK-Sor_daily_aggregated_1997-2013_FLUXNET2015_Flux.nc",
                 "DK-Sor_daily_aggregated_1997-2014_FLUXNET2015_Flux.nc"):  # fmt: skip
        (tmp_path / name).touch()
    found = find_observations(tmp_path, "DK-Sor")
    assert found is not None
    assert "1997-2014" in found.name
    assert find_observations(tmp_path, "US-Ha1") is None
