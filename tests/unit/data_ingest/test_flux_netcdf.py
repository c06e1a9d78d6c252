"""Site files in netCDF: what their stamps mean, in which calendar and clock."""

from __future__ import annotations

from pathlib import Path

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.tables import elm_site_netcdf

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.base import Entry
from catena.data_ingest.sources.flux import Flux
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import Inspection, normalise
from catena.shared.errors import InvalidData

SUN = np.maximum(0, 800 * np.cos((np.arange(24) + 0.5 - 17.0) / 24 * 2 * np.pi))


def opened(folder: Path) -> tuple[Entry, xr.Dataset]:
    archive = open_archive(str(folder))
    (entry,) = Flux().search(archive).entries
    return entry, Flux().open(archive, entry)


def canonical(folder: Path) -> tuple[xr.Dataset, Inspection]:
    entry, raw = opened(folder)
    dataset, inspection = normalise(raw, vocabulary=entry.vocabulary, key=entry.key)
    assert dataset is not None
    return dataset, inspection


@pytest.mark.parametrize("first_label", [0.0, 1 / 24])
def test_starts_and_ends_of_steps_give_the_same_times(tmp_path: Path, first_label: float) -> None:
    elm_site_netcdf(tmp_path / "US-XXX_forcing.nc4", SUN, first_label=first_label, years=2)
    entry, raw = opened(tmp_path)
    assert entry.key == "elm_site_US-XXX"
    assert raw["time"].values[0] == cftime.DatetimeNoLeap(2003, 1, 1)
    assert raw["time"].values[-1] == cftime.DatetimeNoLeap(2004, 12, 31, 23)
    assert raw["FSDS"].values[:24] == pytest.approx(SUN, rel=1e-5)
    assert float(raw["lat"]) == 42.5
    assert str(raw["site"].values) == "US-XXX"
    ends = [each for each in source_findings(raw) if "at the end" in each.found]
    assert len(ends) == (1 if first_label else 0)


def test_a_record_labelled_noleap_that_holds_real_days_is_put_right(tmp_path: Path) -> None:
    # 2003 and 2004: the label has no 29 February 2004, the record has, and ends a day early.
    elm_site_netcdf(tmp_path / "US-Ha1_forcing.nc4", SUN, first_label=1 / 24, years=2)
    dataset, inspection = canonical(tmp_path)
    times = pd.DatetimeIndex(dataset["time"].values)
    assert times[-1] == pd.Timestamp("2004-12-30 23:00")
    assert pd.Timestamp("2004-02-29 12:00") in times
    assert {each.check for each in inspection.of("converted")} >= {"calendar", "longitude", "units"}
    assert float(dataset["lon"]) == pytest.approx(-72.2)
    assert float(dataset["hurs"].max()) == 66.0
    # Sun at noon of the clock that the file has: UTC, not moved.
    sun = dataset["rsds"].groupby("time.hour").mean()
    assert int(sun.argmax()) in (16, 17)
    assert dataset["time"].attrs["utc_offset_h"] == 0


def test_another_site_keeps_its_calendar(tmp_path: Path) -> None:
    elm_site_netcdf(tmp_path / "US-MOz_forcing.nc4", SUN, first_label=0.0, years=2)
    dataset, _ = canonical(tmp_path)
    assert dataset["time"].dt.calendar == "noleap"
    assert dataset["time"].values[-1] == cftime.DatetimeNoLeap(2004, 12, 31, 23)


def test_states_of_site_forcing_are_means_over_their_step(tmp_path: Path) -> None:
    elm_site_netcdf(tmp_path / "US-XXX_forcing.nc4", SUN, first_label=0.0, years=1)
    dataset, _ = canonical(tmp_path)
    assert dataset["tas"].attrs["cell_methods"] == "time: mean"
    assert dataset["time_bnds"].values[0, 1] == cftime.DatetimeNoLeap(2003, 1, 1, 1)


def pecan(path: Path, stamps: np.ndarray, units: str) -> None:
    data = {
        "air_temperature": (270.0 + np.arange(stamps.size) % 7, {"units": "degrees K"}),
        "surface_downwelling_shortwave_flux_in_air": (
            100.0 + np.arange(stamps.size) % 5, {"units": "W/m2"},
        ),
        "mole_fraction_of_carbon_dioxide_in_air": (
            np.full(stamps.size, 3.8e-4),
            {"units": "mole/mole", "comment": "0.0% = non-missing data availability"},
        ),
    }  # fmt: skip
    dataset = xr.Dataset(
        {
            name: (("time", "longitude", "latitude"), values[:, None, None].astype("f4"), attrs)
            for name, (values, attrs) in data.items()
        },
        coords={"latitude": [45.25], "longitude": [-84.75], "time": stamps},
    )
    dataset["time"].attrs["units"] = units
    dataset.to_netcdf(path)


def test_stamps_in_the_middle_are_moved_to_the_start(tmp_path: Path) -> None:
    stamps = np.arange(40) / 4 + 0.125
    pecan(tmp_path / "CRUNCEP.2000.nc", stamps, "days since 2000-01-01T00:00:00Z")
    dataset, _ = canonical(tmp_path)
    assert str(dataset["time"].values[0])[:16] == "2000-01-01T00:00"
    assert str(dataset["time_bnds"].values[0, 1])[:16] == "2000-01-01T06:00"
    assert dataset["time"].attrs["utc_offset_h"] == 0


def test_rounded_days_become_half_hours_and_the_zone_is_minded(tmp_path: Path) -> None:
    stamps = np.round(1 + np.arange(96) / 48, 5)
    pecan(tmp_path / "US-Bo1.2004.nc", stamps, "days since 2003-12-31 -6")
    _, raw = opened(tmp_path)
    assert raw.attrs["time_zone"] == "UTC-6"
    steps = np.diff(pd.DatetimeIndex(raw["time"].values))
    assert set(steps.astype("timedelta64[s]").astype(int).tolist()) == {1800}
    dataset, _ = canonical(tmp_path)
    assert str(dataset["time"].values[0])[:16] == "2004-01-01T06:00"
    assert float(dataset["tas"].min()) == 270.0
    # The file itself says that nothing was measured.
    assert "co2" not in dataset
    assert any("0.0% = non-missing" in each.found for each in source_findings(raw))


def test_uneven_stamps_are_refused(tmp_path: Path) -> None:
    stamps = np.arange(40) / 4
    stamps[20:] += 0.1
    pecan(tmp_path / "US-Bo1.2004.nc", stamps, "days since 2003-12-31")
    with pytest.raises(InvalidData, match=r"dimension time: found stamps up to"):
        opened(tmp_path)


def callmip(path: Path, values: np.ndarray) -> None:
    names = ("NEE_daily", "Qle_daily", "Qh_daily")
    dataset = xr.Dataset(
        {name: ("time", values, {"units": "gC/m2/d" if name == "NEE_daily" else "W/m2"})
         for name in names},
        coords={"time": pd.date_range("2004-01-01", periods=values.size),
                "latitude": ("y", [40.0]), "longitude": ("x", [-105.5])},
    )  # fmt: skip
    dataset["NEE_daily"].attrs["standard_name"] = (
        "surface_net_downward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_all_land_"
        "processes_excluding_anthropogenic_land_use_change"
    )
    dataset.to_netcdf(path)


@pytest.mark.parametrize(("site", "times"), [("US-NR1", 1.0), ("US-MMS", 2.0)])
def test_daily_exchange_is_positive_up_and_that_of_one_site_is_doubled(
    tmp_path: Path, site: str, times: float
) -> None:
    values = -1.0 - np.arange(10) / 10
    callmip(tmp_path / f"{site}_daily_aggregated_2004-2004_FLUXNET2015_Flux.nc", values)
    dataset, _ = canonical(tmp_path)
    assert np.allclose(dataset["nee"], values * times * 1e-3 / 86400)


def test_of_two_files_of_a_site_the_longer_period_is_read(tmp_path: Path) -> None:
    callmip(tmp_path / "DK-Sor_daily_aggregated_1997-2013_FLUXNET2015_Flux.nc", np.ones(500))
    callmip(tmp_path / "DK-Sor_daily_aggregated_1997-2014_FLUXNET2015_Flux.nc", np.ones(10))
    found = Flux().search(open_archive(str(tmp_path)))
    assert [each.file for each in found.refused] == [
        "DK-Sor_daily_aggregated_1997-2013_FLUXNET2015_Flux.nc"
    ]
