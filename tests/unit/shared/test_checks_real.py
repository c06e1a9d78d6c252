"""Checks on real files: what is known to be wrong with them is found, the rest comes out right."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.shared.checks import inspect, normalise
from catena.shared.checks.findings import Inspection
from catena.shared.lexicon import variable

DATA = Path(os.environ.get("CATENA_DATA") or "absent")
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the real data in CATENA_DATA"),
]


def _open(path: Path) -> xr.Dataset:
    coder = xr.coders.CFDatetimeCoder(time_unit="us")
    return xr.open_dataset(path, chunks="auto", decode_times=coder)


def _one(pattern: str) -> Path:
    return sorted(DATA.glob(pattern))[0]


def _checks(inspection: Inspection, action: str) -> set[str]:
    return {finding.check for finding in inspection.of(action)}  # type: ignore[arg-type]


def test_each_sample_of_cmip6_is_canonical_or_refused_with_a_reason() -> None:
    paths = sorted(DATA.glob("cmip6/mini_esgf/**/*.nc"))
    assert len(paths) >= 40
    for path in paths:
        normal, inspection = normalise(
            _open(path), vocabulary="cmip6", key=path.stem, file=path.name
        )
        for finding in inspection:
            assert finding.file == path.name and finding.found and finding.wanted
        if normal is None:
            assert inspection.of("refused")
            continue
        for name, array in normal.data_vars.items():
            canonical = variable(str(name))
            assert array.attrs["units"] == canonical.units
            assert array.attrs["standard_name"] == canonical.standard_name
            assert array.dtype == np.float32
            assert canonical.low <= float(array.min()) <= float(array.max()) <= canonical.high
        if "lon" in normal.dims:
            assert (np.diff(normal["lon"]) > 0).all() and float(normal["lon"].max()) < 180
        if "lat" in normal.dims:
            assert (np.diff(normal["lat"]) > 0).all()
        if "time" in normal.dims:
            assert (normal["time_bnds"].values[:, 0] == normal["time"].values).all()
        again = inspect(normal, vocabulary="cmip6", dataset_key=path.stem)
        assert not again.of("converted") and not again.of("refused")


def test_bounds_of_twenty_days_in_cmip6_are_found() -> None:
    path = _one("cmip6/**/ta_Amon_FGOALS-f3-L_historical_r1i1p1f1_gr_196001*.nc")
    normal, inspection = normalise(_open(path), vocabulary="cmip6", key="k")
    assert {"bounds", "fill_value"} <= _checks(inspection, "converted")
    assert normal is not None
    assert {(time.day, time.hour) for time in normal["time"].values} == {(1, 0)}


def test_months_counted_from_january_in_a_record_that_begins_in_november_are_found() -> None:
    path = _one("cmip6/**/pr_Amon_CMCC-CM2-SR5_dcppA-hindcast_s1960-r10i1p1f1_gn_196011*.nc")
    normal, inspection = normalise(_open(path), vocabulary="cmip6", key="k")
    assert "bounds" in _checks(inspection, "converted")
    assert normal is not None
    months = [(time.year, time.month) for time in normal["time"].values]
    assert months[:3] == [(1960, 11), (1960, 12), (1961, 1)]
    assert len(set(months)) == len(months)


def test_years_of_cmip6_ng_are_whole_years_whatever_their_bounds_say() -> None:
    """Their bounds go from January or July to the middle of December."""
    paths = sorted(DATA.glob("cmip6/mesmer_cmip6ng/*/ann/**/*.nc"))
    assert len(paths) >= 12
    for path in paths:
        raw = _open(path)
        normal, inspection = normalise(raw, vocabulary="cmip6_ng", key=path.stem)
        assert normal is not None
        assert "bounds" in _checks(inspection, "converted"), path.name
        years = raw["time"].dt.year.values.astype(str)
        starts = years.astype("datetime64[Y]")
        edges = np.stack([starts, starts + 1], axis=1).astype("datetime64[us]")
        np.testing.assert_array_equal(normal["time"].values, edges[:, 0], err_msg=path.name)
        np.testing.assert_array_equal(normal["time_bnds"].values, edges, err_msg=path.name)
        name = path.name.partition("_")[0]
        np.testing.assert_allclose(
            float(normal[name].mean()), float(raw[name].mean()), rtol=1e-4, err_msg=path.name
        )


def test_site_drivers_hold_real_days_and_relative_humidity() -> None:
    raw = xr.open_dataset(DATA / "flux_sites/drivers/US-Ha1_forcing.nc4", decode_times=False)
    steps = np.arange(raw.sizes["DTIME"])
    hours = xr.date_range("1991-01-01", periods=steps.size, freq="h", calendar="noleap",
                          use_cftime=True)  # fmt: skip
    dataset = raw[["TBOT", "RH", "FSDS", "PRECTmms"]].rename(DTIME="time").chunk(time=20_000)
    dataset = dataset.assign_coords(time=("time", hours.values))
    normal, inspection = normalise(dataset, vocabulary="elm_site", key="US-Ha1")
    assert normal is not None
    assert {"calendar", "scalar_dimension", "units"} <= _checks(inspection, "converted")
    label = next(f for f in inspection if f.check == "units" and f.variable == "RH")
    assert "kg/kg" in label.found and "%" in label.wanted
    assert normal["time"].dtype.kind == "M"
    assert str(normal["time"].values[-1])[:10] == "2012-12-25"
    assert 30 < float(normal["hurs"].mean()) < 90
    # The sun is highest at noon: 12 h minus 72.17 degrees of longitude / 15 is 16.8 h UTC.
    hour = normal["rsds"].groupby("time.hour").mean()
    assert int(hour.idxmax()) in (16, 17)


def test_evaporation_of_caravan_is_refused_and_the_rest_is_in_si() -> None:
    dataset = _open(DATA / "camels_us/caravan_era5land.nc").isel(basin=slice(0, 20))
    normal, inspection = normalise(dataset, vocabulary="caravan", key="caravan_era5land")
    assert normal is not None
    assert inspection.refused_variables == {"potential_evaporation"}
    assert set(normal.data_vars) == {"pr", "tas", "streamflow"}
    raw = float(dataset["precipitation"].mean())
    assert float(normal["pr"].mean()) * 86400 == pytest.approx(raw, rel=1e-5)
    assert inspect(normal, vocabulary="caravan", dataset_key="caravan_era5land").fixes == ()


def test_levels_of_era_interim_become_pascal_from_the_surface_up() -> None:
    dataset = _open(DATA / "reanalysis/eraint_uvz.nc").isel(month=0, drop=True)
    normal, inspection = normalise(dataset, vocabulary="era_interim", key="eraint_uvz")
    assert normal is not None, list(map(str, inspection))
    assert normal["plev"].values.tolist() == [85000.0, 50000.0, 20000.0]
    assert normal["lat"].values[0] == -90
    # 500 hPa lies at about 5.5 km.
    assert 5000 < float(normal["zg"].sel(plev=50000).mean()) < 6000
