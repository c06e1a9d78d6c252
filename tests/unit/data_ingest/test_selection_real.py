"""The selection on real climatologies: GFDL-ESM2G, GISS-E2-H and NorESM1-ME."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.candidates import Candidate
from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.regrid import regrid
from catena.data_ingest.selection import select_models

FOLDER = Path(os.environ.get("CATENA_DATA") or "absent") / "climatology_fields"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs CATENA_DATA with climatology_fields"),
]

PAIRS = {
    # variable: file of the model, file of the reference
    "tas": (
        "tas_GFDL-ESM2G_Amon_historical_r1i1p1_198501-200512-clim.nc",
        "tas_pcmdi-metrics_Amon_ERAINT_198901-200911-clim.nc",
    ),
    "ta-850": (
        "ta_GISS-E2-H_historical_r1i1p1_mo_atm_Amon_ta_ver-1_ac.nc",
        "ta_ERA40_000001-000012_ac.nc",
    ),
    "pr": (
        "pr_NorESM1-ME_Amon_historical_r1i1p1_198001-200512-clim.nc",
        "pr_GPCP_000001-000012_ac.nc",
    ),
}


def opened(file: str) -> xr.Dataset:
    # "days since 0" is no date that xarray could decode.
    data = xr.open_dataset(FOLDER / file, decode_times=False)
    if "tas_ac" in data:
        data = data.rename(tas_ac="tas")
        data["tas"].attrs["units"] = "K"
    return data


@pytest.mark.parametrize("variable", PAIRS)
def test_metrics_of_real_fields_are_those_of_xarrays_weighted_means(variable):
    model, reference = (opened(file) for file in PAIRS[variable])
    land = opened("sftlf_GFDL-ESM2G.nc")
    result = select_models(
        [Candidate("MODEL", "r1i1p1", (model,))],
        Candidate("REFERENCE", "", (reference,)),
        variables=[variable],
        regions=("TROPICS", "land"),
        land=land,
    )
    regions = result.document["RESULTS"][variable]["MODEL"]["REFERENCE"]["r1i1p1"]
    name = variable.split("-")[0]
    fields = []
    for data in (model, reference):
        array = regrid(data[[name, "lat_bnds", "lon_bnds"]], "2.5deg")[name]
        if "plev" in array.dims:
            array = array.sel(plev=85_000.0)
        days = xr.DataArray([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dims="time")
        # Their times differ: 349.5 and 350.5 are both December.
        fields.append((array.astype(float).drop_vars(["time", "plev"], errors="ignore"), days))
    (m, days), (o, _) = fields
    # Mountains reach through the level of 850 hPa in one of the two only.
    both = m.notnull() & o.notnull()
    m, o = m.where(both), o.where(both)
    cells = ("lat", "lon")
    area = xr.DataArray(named_grid("2.5deg").areas(), dims=cells, coords=m[0].coords)
    yearly = m.weighted(days).mean("time"), o.weighted(days).mean("time")
    difference = yearly[0] - yearly[1]
    got = regions["global"]
    for metric, expected in {
        "bias_xy": difference.weighted(area).mean(cells),
        "rms_xy": np.sqrt((difference**2).weighted(area).mean(cells)),
        "rms_xyt": np.sqrt(((m - o) ** 2).weighted(area).mean(cells)).weighted(days).mean("time"),
        "std_xy": yearly[0].weighted(area).std(cells),
    }.items():
        assert got[metric]["ann"] == pytest.approx(float(expected), rel=1e-10, abs=1e-14), metric
    tropics = difference.sel(lat=slice(-30, 30)).weighted(area).mean(cells)
    assert regions["TROPICS"]["bias_xy"]["ann"] == pytest.approx(float(tropics), rel=1e-10)


def test_real_models_are_about_as_good_as_models_of_their_time_are():
    """CMIP5: errors of 1.5 to 4 K in temperature, about 1 to 3 mm a day in rain."""
    bounds = {"tas": (1.5, 4.0), "ta-850": (1.0, 4.0), "pr": (1 / 86_400, 3 / 86_400)}
    for variable, files in PAIRS.items():
        model, reference = (opened(file) for file in files)
        result = select_models(
            [Candidate("MODEL", "r1i1p1", (model,))],
            Candidate("REFERENCE", "", (reference,)),
            variables=[variable],
        )
        (row,) = result.table
        got = result.document["RESULTS"][variable]["MODEL"]["REFERENCE"]["r1i1p1"]["global"]
        assert bounds[variable][0] < got["rms_xyt"]["ann"] < bounds[variable][1]
        assert got["cor_xy"]["ann"] > (0.75 if variable == "pr" else 0.95)
        assert 0.8 < row.ratios[variable] < 1.25
        assert not row.fails


def test_planted_faults_in_a_real_model_are_left_out():
    model, reference = (opened(file) for file in PAIRS["tas"])
    tas = model["tas"]
    mean = tas.mean()
    faulty = {
        "GFDL-ESM2G": tas,
        "NEARLY": tas + 0.2,
        "ALSO": 0.98 * (tas - mean) + mean,
        "COOLER": tas - 0.3,
        "WARMER": tas + 0.4,
        "STEEPER": 1.03 * (tas - mean) + mean,
        "COLD": tas - 10.0,
        "TURNED": tas.roll(lon=36),
        "FLAT": 0.3 * (tas - mean) + mean,
        "HALF-A-YEAR": tas.roll(time=6),
        "ERA-TWIN": reference["tas"],
    }
    bounds = ["lat_bnds", "lon_bnds"]
    candidates = []
    for name, array in faulty.items():
        home = reference if name == "ERA-TWIN" else model
        data = home[bounds].assign(tas=array.assign_attrs(units="K"))
        candidates.append(Candidate(name, "r1i1p1", (data,)))
    result = select_models(candidates, Candidate("ERA-Interim", "", (reference,)), threshold=0.5)
    rows = {row.model: row for row in result.table}
    assert "ERA-TWIN" not in result.kept
    assert "holds the same values as the reference" in rows["ERA-TWIN"].why
    assert set(result.kept) == {"GFDL-ESM2G", "NEARLY", "ALSO", "COOLER", "WARMER", "STEEPER"}
    assert "standard deviation 0.3" in rows["FLAT"].why
    assert min(rows[name].mean_error for name in ("COLD", "TURNED", "HALF-A-YEAR")) > 0.5
