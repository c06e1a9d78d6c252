"""Submission files: written whole, checked and readable, or not at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.callmip_files import DAYS, LAT, LON, Draft, fluxes, observations_file, posterior

from catena.coupler.callmip import submission as module
from catena.coupler.callmip.checks import check_submission
from catena.coupler.callmip.observations import read_observations
from catena.coupler.callmip.protocol import SubmissionName
from catena.coupler.callmip.submission import (
    Submission,
    nee_of_nep,
    nep_of_nee,
    read_submission,
    with_leap_days,
    write_submission,
)
from catena.shared.errors import InvalidData, InvalidRequest


def made(stage: str = "Posterior", **changes) -> Submission:
    name = SubmissionName("CATENA.v1", 1, "US-MMS", "Cal", stage)
    values = posterior() if stage == "Posterior" else fluxes()
    return replace(Submission(name, LAT, LON, dt.date(1999, 1, 1), values), **changes)


@pytest.mark.parametrize("stage", ["Prior", "Posterior"])
def test_what_is_written_passes_and_comes_back(tmp_path: Path, stage: str) -> None:
    observations = read_observations(observations_file(tmp_path))
    path = write_submission(tmp_path, made(stage), observations=observations)
    assert path.name == f"CATENA.v1_Phase1b_Scen1_US-MMS_Cal_{stage}.nc"
    report = check_submission(path, observations=observations)
    assert report.failed == report.of("advice") == ()
    back = read_submission(path)
    assert (back.name, back.lat, back.lon) == (made(stage).name, LAT, LON)
    assert (back.start, back.days) == (dt.date(1999, 1, 1), DAYS)
    assert back.dates()[-1] == np.datetime64("2002-12-31")
    assert set(back.variables) == set(made(stage).variables)
    for name, values in made(stage).variables.items():
        assert np.array_equal(back.variables[name], values), name


def test_the_file_is_laid_out_as_the_protocol_says(tmp_path: Path) -> None:
    path = write_submission(tmp_path, made(), attributes={"institution": "somewhere"})
    with netCDF4.Dataset(path) as file:
        assert file.data_model == "NETCDF3_CLASSIC"
        sizes = {name: len(dim) for name, dim in file.dimensions.items()}
        assert sizes == {"time": DAYS, "lat": 1, "lon": 1}
        assert file["lat"].dimensions == file["lon"].dimensions == ()
        assert float(file["lon"][...]) == LON
        assert file["time"].units == "days since 1999-01-01 00:00:00"
        assert list(file["time"][:3]) == [0.5, 1.5, 2.5]
        stamps = netCDF4.num2date(file["time"][:], file["time"].units)
        assert (stamps[0].day, stamps[-1].month, stamps[-1].day) == (1, 12, 31)
        assert file["nep"].dimensions == ("time", "lat", "lon")
        assert (file["nep"].units, file["lai"].units) == ("kgC m-2 s-1", "m2 m-2")
        assert file["nep_post_unc"].units == "kgC m-2 s-1"
        assert (file.Model, file.Cal_Val, file.institution) == ("CATENA.v1", "Calibration",
                                                                "somewhere")  # fmt: skip


def test_the_same_submission_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first, second = (write_submission(folder, made()) for folder in (tmp_path, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_left_of_what_does_not_pass(tmp_path: Path) -> None:
    good = write_submission(tmp_path, made())
    before = good.read_bytes()
    for changes, words in (
        ({"nep": -posterior()["nep"]}, "nep.sign"),
        ({"ts": posterior()["ts"] - 273.15}, "ts.values"),
        ({"lai": np.where(np.arange(DAYS) == 7, np.nan, 1.0)}, "lai.values .*first day 8"),
    ):
        with pytest.raises(InvalidData, match=words):
            write_submission(tmp_path, made(variables=posterior() | changes))
        assert [path.name for path in tmp_path.iterdir()] == [good.name]
        assert good.read_bytes() == before


def test_days_that_are_not_the_observed_ones(tmp_path: Path) -> None:
    observations = read_observations(observations_file(tmp_path))
    days = DAYS - 1
    with pytest.raises(InvalidData, match=r"time.days .*found 1460, wanted 1461"):
        write_submission(tmp_path, made(variables=posterior(days)), observations=observations)
    with pytest.raises(InvalidData, match=r"time.start"):
        write_submission(tmp_path, made(start=dt.date(2000, 1, 1)), observations=observations)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": dt.date(1999, 1, 2)}, "wanted 1 January"),
        ({"variables": fluxes()}, "missing are nep_post_unc, hfls_post_unc, hfss_post_unc"),
        ({"variables": posterior() | {"NEE": fluxes()["nep"]}}, "found NEE; wanted the names"),
        ({"variables": posterior() | {"lai": np.ones(3)}}, r"variable lai: found shape \(3,\)"),
    ],
)
def test_what_cannot_be_a_submission_is_refused(tmp_path: Path, changes, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        write_submission(tmp_path, made(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_crash_while_writing_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    good = write_submission(tmp_path, made("Prior"))
    before = good.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(OSError, match="not written"):
        write_submission(tmp_path, made("Prior"))
    assert [path.name for path in tmp_path.iterdir()] == [good.name]
    assert good.read_bytes() == before


def test_names() -> None:
    name = SubmissionName.parse("CLASSIC.v2_Phase1b_Scen1_DK-Sor_Cal_Prior.nc")
    assert name == SubmissionName("CLASSIC.v2", 1, "DK-Sor", "Cal", "Prior")
    assert name is not None
    assert name.file == "CLASSIC.v2_Phase1b_Scen1_DK-Sor_Cal_Prior.nc"
    assert name.attributes["Cal_Val"] == "Calibration"
    assert SubmissionName.parse("CLASSIC_Phase1b_Scen1_DK-Sor_Cal_Prior.nc") is None
    for wrong in (("CATENA", 1, "US-MMS"), ("CATENA.v1", 7, "US-MMS"), ("CATENA.v1", 1, "MMS"),
                  ("CATENA.v1_x", 1, "US-MMS")):  # fmt: skip
        with pytest.raises(InvalidRequest, match="wanted <model>"):
            SubmissionName(*wrong, "Cal", "Prior")


def test_nep_is_the_opposite_of_nee() -> None:
    assert nep_of_nee([8.64]) == pytest.approx([-1e-7])
    assert nee_of_nep(nep_of_nee([1.0, -2.0])) == pytest.approx([1.0, -2.0])
    assert made().fluxes()["nee"] == pytest.approx(-86.4e6 * posterior()["nep"])


def test_leap_days_of_a_model_without() -> None:
    whole = np.datetime64("2003-12-31") + np.arange(366 + 2)
    dates = whole[whole != np.datetime64("2004-02-29")]
    values, filled = with_leap_days(np.arange(dates.size, dtype=float), dates)
    assert np.array_equal(filled, whole)
    leap = int(np.flatnonzero(filled == np.datetime64("2004-02-29"))[0])
    assert values[leap] == (values[leap - 1] + values[leap + 1]) / 2
    assert np.array_equal(np.delete(values, leap), np.arange(dates.size))
    with pytest.raises(InvalidData, match="found none for 2004-01-05"):
        with_leap_days(np.zeros(dates.size - 1), np.delete(dates, 5))
    with pytest.raises(InvalidData, match="3 values for"):
        with_leap_days(np.zeros(3), dates)


def test_another_groups_origin_in_december_is_read_as_cf_reads_it(tmp_path: Path) -> None:
    draft = Draft(time=np.arange(DAYS) + 1.0,
                  time_attributes={"units": "days since 1998-12-31 00:00"})  # fmt: skip
    assert read_submission(draft.write(tmp_path)).start == dt.date(1999, 1, 1)
    # And the protocol's own 1, 2, 3 from 1 January are the days from 1 January.
    draft.time_attributes = {}
    assert read_submission(draft.write(tmp_path)).start == dt.date(1999, 1, 1)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    path = Draft().write(tmp_path)
    other = path.rename(tmp_path / "other.nc")
    with pytest.raises(InvalidData, match="found another name than <model>"):
        read_submission(other)
    other.rename(path)
    data = path.read_bytes()
    path.write_bytes(data[:-10])
    with pytest.raises(InvalidData, match="10 bytes shorter"):
        read_submission(path)
    Draft(without={"hfss"}).write(tmp_path)
    with pytest.raises(InvalidData, match="found no hfss"):
        read_submission(path)
    Draft(without={"time"}).write(tmp_path)
    with pytest.raises(InvalidData, match="catena callmip check"):
        read_submission(path)
