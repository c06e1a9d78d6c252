"""Public files: CAMELS and East River."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.forecaster.data.canonical import SIGNATURES
from catena.forecaster.data.files import EAST_RIVER, read_camels, read_east_river
from catena.forecaster.data.records import unusable
from catena.forecaster.data.splits import YearSplit, spread_basins
from catena.shared.errors import InvalidData, NotFound

DATA = Path(os.environ.get("CATENA_DATA") or "absent")
real = pytest.mark.skipif(
    not all((DATA / name).is_dir() for name in ("camels_us", "streamflow_east_river")),
    reason="needs CATENA_DATA with camels_us and streamflow_east_river",
)


def test_east_river_is_turned_into_mm_a_day(tmp_path: Path) -> None:
    rows = np.array([[0.5, 50.0, 32.0, 9.0, 2.0], [0.0, 41.0, 23.0, 9.0, 1.0]])
    np.savetxt(tmp_path / "Rock.dat", rows)
    made = read_east_river(tmp_path, "Rock Creek", first_day="2000-02-28")
    np.testing.assert_allclose(made.weather[0, 0], [12.7, 5.0, 0.0, 10.0], atol=1e-5)
    # ft3 s-1 over acres x 0.042 are inches a day.
    inches = rows[:, 4] / (799.9965 * 0.042)
    np.testing.assert_allclose(made.flow[0], inches * 25.4, rtol=2e-3)
    assert made.days.tolist() == np.array(["2000-02-28", "2000-02-29"], "datetime64[D]").tolist()
    np.savetxt(tmp_path / "Qui.dat", rows[:, :4])
    with pytest.raises(InvalidData, match=r"Qui\.dat has 4 columns; 5 wanted"):
        read_east_river(tmp_path, "Quigley")
    with pytest.raises(InvalidData, match="one of Quigley, Rock Creek"):
        read_east_river(tmp_path, "Paris")
    with pytest.raises(NotFound, match=r"no file caravan_era5land\.nc"):
        read_camels(tmp_path)


@real
@pytest.mark.data
@pytest.mark.parametrize(("site", "days"), [("Quigley", 774), ("Rock Creek", 1131)])
def test_the_east_river_files_are_read(site: str, days: int) -> None:
    made = read_east_river(DATA / "streamflow_east_river", site)
    assert made.flow.shape == (1, days) and site in EAST_RIVER
    assert not np.isnan(made.weather).any() and not unusable(made)
    # Cold winters, rain and snow of some metre a year, and warmest in July.
    yearly = made.weather[0, :, 0].mean() * 365
    assert 700 < yearly < 1500 and made.weather[0, :, 1].min() < -10
    assert made.days[made.weather[0, :, 1].argmax()].astype(str)[5:7] == "07"


@real
@pytest.mark.data
def test_camels_basins_are_read_as_they_are() -> None:
    names = ["01022500", "14400000"]
    made = read_camels(DATA / "camels_us", names)
    with xr.open_dataset(DATA / "camels_us" / "caravan_era5land.nc") as raw:
        chosen = raw.sel(basin=names)
        np.testing.assert_allclose(made.flow, chosen["streamflow"], rtol=1e-6)
        np.testing.assert_allclose(made.weather[..., 0], chosen["precipitation"], rtol=1e-6)
        np.testing.assert_allclose(made.weather[..., 1], chosen["temperature"], atol=1e-4)
    assert not set(made.attribute_names) & set(SIGNATURES)
    assert {"aridity", "elev_mean", "frac_snow", "geol_porosity"} <= set(made.attribute_names)
    assert (made.latitude > 30).all() and (made.longitude < -60).all() and (made.area > 1e6).all()


@real
@pytest.mark.data
@pytest.mark.slow
def test_the_basins_of_the_benchmark_are_named_by_the_rule() -> None:
    made = read_camels(DATA / "camels_us")
    assert len(made) == 448 and len(made.days) == 12418
    train = YearSplit((1981, 2003), (2004, 2007), (2008, 2014)).days(made.days, "train")
    chosen = spread_basins(made, 24)
    assert chosen[:3] == ("01022500", "01568000", "02092500") and len(chosen) == 24
    perennial = spread_basins(made, 24, max_zero=0.05, days=train)
    assert ((made.flow[made.rows(perennial)][:, train] == 0).mean(axis=1) <= 0.05).all()
    assert (
        made.longitude[made.rows(chosen)].min()
        < -120
        < -75
        < made.longitude[made.rows(chosen)].max()
    )
