"""The real CAMELS and Caravan samples: every file accounted for, and claims on the numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.camels import Camels
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import normalise

DATA = Path(os.environ.get("CATENA_DATA") or "absent")
FOLDERS = ("camels_us", "caravan_multimet")
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not all((DATA / name).is_dir() for name in FOLDERS),
        reason="needs CATENA_DATA with camels_us and caravan_multimet",
    ),
]
SAMPLE = ["01022500", "01547700", "02064000", "03015500"]


@pytest.fixture(scope="module")
def datasets() -> dict[str, xr.Dataset]:
    """Every dataset of both folders in canonical form."""
    found = {}
    for name in FOLDERS:
        archive = open_archive(str(DATA / name))
        for entry in Camels().search(archive).entries:
            raw = Camels().open(archive, entry)
            dataset, _ = normalise(raw, vocabulary=entry.vocabulary, key=entry.key)
            assert dataset is not None, entry.key
            found[entry.key] = dataset.load()
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_every_file_is_in_one_dataset_or_refused_with_both_values(name: str) -> None:
    archive = open_archive(str(DATA / name))
    result = Camels().search(archive)
    used = [file.path for entry in result.entries for file in entry.files]
    refused = [each.file for each in result.refused]
    assert sorted([*used, *refused]) == [file.path for file in archive.find()]
    assert all(each.found and each.wanted for each in result.refused)
    for entry in result.entries:
        said = source_findings(Camels().open(archive, entry))
        assert not [each for each in said if not each.variable], entry.key


def test_copies_in_the_lists_are_refused_as_copies() -> None:
    result = Camels().search(open_archive(str(DATA / "camels_us")))
    copies = [each for each in result.refused if each.check == "duplicate"]
    assert len(copies) == 16
    assert all(each.file.split("/")[1] == "lists" for each in copies)
    assert all(each.found.startswith("a copy of") for each in copies)


def best_lag(one: xr.DataArray, other: xr.DataArray) -> int:
    """Days by which `one` has to be moved back to fit `other` best."""
    both = [one.shift(time=-lag) for lag in (-2, -1, 0, 1, 2)]
    scores = [float(xr.corr(moved, other)) for moved in both]
    return int(np.argmax(scores)) - 2


@pytest.mark.parametrize("basin", [*SAMPLE, "01031500"])
def test_daymet_rain_falls_on_the_days_of_era5_land_and_maurer(
    datasets: dict[str, xr.Dataset], basin: str
) -> None:
    daymet = datasets["daymet"]["pr"].sel(basin=basin).dropna("time")
    era5 = datasets["caravan_era5land"]["pr"].sel(basin=basin)
    rain, other = xr.align(daymet, era5)
    assert best_lag(rain, other) == 0
    assert best_lag(rain.shift(time=1), other) == 1
    if basin in SAMPLE:
        rain, other = xr.align(daymet, datasets["maurer"]["pr"].sel(basin=basin))
        assert best_lag(rain, other) == 0
        assert float(xr.corr(rain, other)) > 0.85
        warm, other = xr.align(
            datasets["daymet"]["tasmax"].sel(basin=basin).dropna("time"),
            datasets["maurer_extended"]["tasmax"].sel(basin=basin),
        )
        assert best_lag(warm - warm.mean(), other - other.mean()) == 0


@pytest.mark.parametrize("basin", SAMPLE)
def test_streamflow_is_that_of_caravan(datasets: dict[str, xr.Dataset], basin: str) -> None:
    usgs, caravan = xr.align(
        datasets["usgs"]["streamflow"].sel(basin=basin).dropna("time"),
        datasets["caravan_era5land"]["streamflow"].sel(basin=basin).dropna("time"),
    )
    assert usgs.sizes["time"] > 1000
    assert float(xr.corr(usgs, caravan)) > 0.9999
    assert float(usgs.mean() / caravan.mean()) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("product", ["daymet", "maurer", "maurer_extended", "nldas"])
def test_radiation_is_less_than_the_sun_sends(
    datasets: dict[str, xr.Dataset], product: str
) -> None:
    dataset = datasets[product]
    latitude = np.radians(dataset["lat"])
    day = dataset["time"].dt.dayofyear
    declination = 0.409 * np.sin(2 * np.pi * day / 365 - 1.39)
    angle = np.arccos(-np.tan(latitude) * np.tan(declination))
    top = (
        1361 / np.pi * (1 + 0.033 * np.cos(2 * np.pi * day / 365))
        * (angle * np.sin(latitude) * np.sin(declination)
           + np.cos(latitude) * np.cos(declination) * np.sin(angle))
    )  # fmt: skip
    share = (dataset["rsds"] / top).quantile([0.5, 0.99])
    assert 0.35 < float(share[0]) < 0.7
    # Taken as means over 24 hours, the numbers in the files give 1.6 to 2.0 here.
    assert float(share[1]) < 0.95


def test_means_that_stood_in_both_columns_are_those_of_the_extremes(
    datasets: dict[str, xr.Dataset],
) -> None:
    mean, extremes = datasets["maurer"], datasets["maurer_extended"]
    middle = (extremes["tasmax"] + extremes["tasmin"]) / 2
    assert float(np.abs(middle - mean["tas"]).mean()) < 0.5


def test_potential_evaporation_of_caravan_is_refused(datasets: dict[str, xr.Dataset]) -> None:
    for key in ("caravan_era5land", "caravan_camelsaus", "caravan_hysets"):
        assert "evspsblpot" not in datasets[key]
        assert {"pr", "tas", "streamflow"} <= set(datasets[key])


def test_scores_and_attributes_join_with_forcing(datasets: dict[str, xr.Dataset]) -> None:
    basins = datasets["caravan_era5land"]["basin"].values
    assert set(basins) <= set(datasets["scores"]["basin"].values)
    assert set(basins) <= set(datasets["attributes"]["basin"].values)
    assert float(datasets["scores"]["calibrate_NSE"].median()) == pytest.approx(0.52, abs=0.01)
    # Rain of two archives, by basin.
    normal = datasets["attributes"]["p_mean"].sel(basin=basins)
    caravan = datasets["caravan_era5land"]["pr"].mean("time") * 86400
    assert float(xr.corr(normal, caravan)) > 0.85
