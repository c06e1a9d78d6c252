"""Caravan: files of basins side by side, units from the file's own text, netCDF and CSV alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.tables import caravan_netcdf, days, write

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.camels import Camels
from catena.data_ingest.sources.caravan import units_of
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import normalise

RAIN = np.array([0.0, 8.64, 17.28, 0.0])
FLOW = np.array([8.64, np.nan, 4.32, 0.0])


def test_basins_of_a_subset_are_one_dataset_in_canonical_units(tmp_path: Path) -> None:
    folder = tmp_path / "timeseries/netcdf/camels"
    caravan_netcdf(folder / "camels_01022500.nc", days("2000-01-01", 4), RAIN, FLOW)
    caravan_netcdf(folder / "camels_02064000.nc", days("2000-01-02", 4), RAIN, FLOW)
    caravan_netcdf(
        tmp_path / "timeseries/netcdf/hysets/hysets_01075000.nc",
        days("2000-01-01", 4), RAIN, FLOW,
    )  # fmt: skip
    archive = open_archive(str(tmp_path))
    found = Camels().search(archive)
    assert [entry.key for entry in found.entries] == ["caravan_camels", "caravan_hysets"]
    raw = Camels().open(archive, found.entries[0])
    assert raw["basin"].values.tolist() == ["01022500", "02064000"]
    assert raw["time_zone"].values.tolist() == ["America/New_York"] * 2
    dataset, _ = normalise(raw, vocabulary="caravan_multimet", key="caravan_camels")
    assert dataset is not None
    assert dataset["pr"].sel(basin="01022500").values[:4] == pytest.approx([0, 1e-4, 2e-4, 0])
    assert dataset["streamflow"].values[0, 0] == pytest.approx(1e-4)
    assert np.isnan(dataset["streamflow"].values[0, 1])
    assert np.allclose(dataset["tas"].sel(basin="01022500").values[:4], 283.15)
    other = Camels().open(archive, found.entries[1])
    assert other["basin"].values.tolist() == ["hysets_01075000"]


def test_csv_and_netcdf_say_the_same(tmp_path: Path) -> None:
    times = days("2000-01-01", 4)
    caravan_netcdf(tmp_path / "a/hysets_01075000.nc", times, RAIN, FLOW)
    frame = pd.DataFrame(
        {"date": times.strftime("%Y-%m-%d"), "total_precipitation_sum": RAIN,
         "temperature_2m_mean": 10.0, "streamflow": FLOW}
    )  # fmt: skip
    write(tmp_path / "b/hysets_01075000.csv", frame.to_csv(index=False))
    both = []
    for part in ("a", "b"):
        archive = open_archive(str(tmp_path / part))
        (entry,) = Camels().search(archive).entries
        dataset, inspection = normalise(
            Camels().open(archive, entry), vocabulary=entry.vocabulary, key=entry.key
        )
        assert dataset is not None
        assert not inspection.refused_variables
        both.append(dataset.drop_vars("time_zone", errors="ignore"))
    xr.testing.assert_allclose(both[0], both[1])


def test_one_table_of_all_basins_is_read_as_it_is(tmp_path: Path) -> None:
    dataset = xr.Dataset(
        {
            "precipitation": (("basin", "time"), np.stack([RAIN, RAIN]), {"units": "mm d-1"}),
            "potential_evaporation": (("basin", "time"), np.ones((2, 4)), {"units": "mm d-1"}),
        },
        coords={"basin": ["01022500", "02064000"], "time": days("2000-01-01", 4)},
    )
    dataset.to_netcdf(tmp_path / "caravan_era5land.nc")
    archive = open_archive(str(tmp_path))
    (entry,) = Camels().search(archive).entries
    assert entry.referable
    raw = Camels().open(archive, entry)
    assert raw["precipitation"].chunks is not None
    normal, inspection = normalise(raw, vocabulary=entry.vocabulary, key=entry.key)
    assert normal is not None
    assert "potential_evaporation" in inspection.refused_variables
    assert set(normal) == {"pr"}


def test_a_broken_basin_is_left_out_by_name(tmp_path: Path) -> None:
    good = caravan_netcdf(tmp_path / "camels_01022500.nc", days("2000-01-01", 4), RAIN, FLOW)
    (tmp_path / "camels_02064000.nc").write_bytes(good.read_bytes()[:500])
    archive = open_archive(str(tmp_path))
    (entry,) = Camels().search(archive).entries
    dataset = Camels().open(archive, entry)
    assert dataset["basin"].values.tolist() == ["01022500"]
    lost = [each for each in source_findings(dataset) if not each.variable]
    assert [each.file for each in lost] == ["camels_02064000.nc"]


def test_units_stand_in_the_text_of_the_file() -> None:
    text = "temperature_2m: 2m air temperature [°C]\nstreamflow: Observed streamflow [mm/d]\n"
    temperatures = [f"temperature_2m_{part}" for part in ("mean", "max")]
    names = [*temperatures, "streamflow", "dewpoint_temperature_2m_mean"]
    assert units_of(text, names) == {
        "temperature_2m_mean": "°C", "temperature_2m_max": "°C", "streamflow": "mm/d",
    }  # fmt: skip
