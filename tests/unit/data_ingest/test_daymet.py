"""Daymet: text of a pixel, GeoTIFF, netCDF grids, and the services they come from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from rasterio.crs import CRS
from rasterio.transform import from_origin
from support.http_archive import Drop, HttpArchive, Reply

from catena.data_ingest.archive import open_archive
from catena.data_ingest.http import Http
from catena.data_ingest.retries import Patience
from catena.data_ingest.sources.daymet import Daymet
from catena.data_ingest.sources.daymet_csv import parse
from catena.data_ingest.sources.daymet_service import Box, DaymetService
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import normalise
from catena.shared.errors import InvalidData, InvalidRequest

DATA = Path(os.environ.get("CATENA_DATA") or "absent") / "daymet"
HEADER = """Latitude: 36.0133  Longitude: -84.2625
X & Y on Lambert Conformal Conic: 1355394.59 -560478.62
Tile: 11388
Elevation: 279 meters
All years; all variables; Daymet Software Version 4.0
How to cite: Thornton et al.

year,yday,dayl (s),prcp (mm/day),srad (W/m^2),swe (kg/m^2),tmax (deg c),tmin (deg c),vp (Pa)
"""
LCC = "+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +datum=WGS84 +units=m +no_defs"


def pixel(years: range = range(2000, 2002)) -> str:
    lines = [
        f"{year},{day},43200,{day % 7},300,0,{day / 10:.1f},{day % 9 - 2.5:.1f},{700 + day}"
        for year in years
        for day in range(1, 366)
    ]
    return HEADER + "\n".join(lines) + "\n"


def raster(path: Path, values: np.ndarray, *, metres: float = 1000.0, unit: str = "m") -> None:
    crs = CRS.from_proj4(LCC.replace("units=m", f"units={unit}"))
    with rasterio.open(
        path, "w", driver="GTiff", count=values.shape[0], height=values.shape[1],
        width=values.shape[2], dtype="float32", crs=crs, nodata=-9999.0,
        transform=from_origin(0.0, 0.0, metres, metres),
    ) as out:  # fmt: skip
        out.write(values)


def lambert(x: float, y: float) -> tuple[float, float]:
    """Inverse of the conformal conic projection on the sphere of radius 6378137 m (Snyder 1987,
    equations 14-1 to 14-11 and 15-1 to 15-4): an independent check to about 0.2 degrees."""
    first, second, origin, centre = np.deg2rad([25.0, 60.0, 42.5, -100.0])
    tangent = [np.tan(np.pi / 4 + angle / 2) for angle in (first, second, origin)]
    n = np.log(np.cos(first) / np.cos(second)) / np.log(tangent[1] / tangent[0])
    f = np.cos(first) * tangent[0] ** n / n
    rho_0 = 6378137.0 * f / tangent[2] ** n
    rho = np.hypot(x, rho_0 - y)
    lat = 2 * np.arctan((6378137.0 * f / rho) ** (1 / n)) - np.pi / 2
    return float(np.rad2deg(lat)), float(np.rad2deg(centre + np.arctan2(x, rho_0 - y) / n))


def test_a_pixels_text_has_real_dates_units_and_place() -> None:
    opened = parse(pixel(), file="a.csv")
    assert opened["prcp"].attrs["units"] == "mm/day"
    assert float(opened["lat"]) == 36.0133
    assert float(opened["lon"]) == -84.2625
    assert float(opened["elevation"]) == 279
    dates = pd.DatetimeIndex(opened["time"].values)
    # Day 60 of a leap year is 29 February, and its 31 December is not there.
    assert dates[59] == pd.Timestamp("2000-02-29")
    assert pd.Timestamp("2000-12-31") not in dates
    assert dates[365] == pd.Timestamp("2001-01-01")
    assert dates[-1] == pd.Timestamp("2001-12-31")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("2000,60,", "2000,366,", 1), "line 68.*day of year 366"),
        (lambda text: text.replace("2000,60,", "2000,60.5,", 1), "day of year 60.5"),
        (lambda text: text.replace(",300,", ",3x0,", 1), "line 9, column srad.*'3x0'"),
        (lambda text: text[:-6], "column vp .Pa.*nan"),
        (lambda text: text.replace("Latitude", "Lat"), "no latitude"),
        (lambda text: text.replace("year,yday", "jahr,tag"), "no line 'year,yday"),
    ],
)
def test_a_broken_text_is_named_with_line_and_column(
    change: Callable[[str], str], words: str
) -> None:
    with pytest.raises(InvalidData, match=words) as caught:
        parse(change(pixel()), file="broken.csv")
    assert "broken.csv" in str(caught.value)


def test_a_pixel_becomes_canonical(tmp_path: Path) -> None:
    (tmp_path / "oak_ridge.csv").write_text(pixel())
    archive = open_archive(str(tmp_path))
    (entry,) = Daymet().search(archive).entries
    assert entry.facets["tile"] == "11388"
    opened = Daymet().open(archive, entry)
    normal, inspection = normalise(opened, vocabulary=entry.vocabulary, key=entry.key)
    assert normal is not None
    assert not inspection.of("refused")
    assert normal.sizes["time"] == 731, "31 December 2000 is there, as missing"
    assert bool(normal["pr"].sel(time="2000-12-31").isnull().all())
    assert float(normal["pr"].sel(time="2000-01-03").values.squeeze()) == pytest.approx(3 / 86400)
    # Half a day of 300 W m-2 is 150 W m-2 over the day.
    assert float(normal["rsds"][0]) == pytest.approx(150.0)
    assert float(normal["tasmin"][0]) == pytest.approx(271.65)
    assert [finding.check for finding in source_findings(opened)] == ["averaging"]


def test_radiation_without_day_length_is_refused(tmp_path: Path) -> None:
    lines = [line.split(",") for line in pixel().splitlines()]
    kept = [
        ",".join(cells[:2] + cells[3:]) if len(cells) > 5 else ",".join(cells) for cells in lines
    ]
    (tmp_path / "a.csv").write_text("\n".join(kept))
    archive = open_archive(str(tmp_path))
    opened = Daymet().open(archive, Daymet().search(archive).entries[0])
    (finding,) = source_findings(opened)
    assert (finding.action, finding.variable, finding.file) == ("refused", "srad", "a.csv")
    assert "srad" not in opened
    assert "srad_day" not in opened


def test_every_file_is_in_an_entry_or_refused(tmp_path: Path) -> None:
    (tmp_path / "pixel.csv").write_text(pixel())
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "README.txt").write_text("words")
    raster(tmp_path / "tmax_monavg_1980_ncss.tif", np.zeros((12, 2, 2), "float32"))
    raster(tmp_path / "prcp_annttl_1980.tif", np.zeros((1, 2, 2), "float32"))
    raster(tmp_path / "dem.tif", np.zeros((1, 2, 2), "float32"))
    archive = open_archive(str(tmp_path))
    found = Daymet().search(archive)
    assert found.files == len(archive.find()) == 6
    refused = {finding.file: str(finding) for finding in found.refused}
    assert sorted(refused) == ["README.txt", "dem.tif", "prcp_annttl_1980.tif", "table.csv"]
    assert "variable prcp" in refused["prcp_annttl_1980.tif"]
    assert "annttl" in refused["prcp_annttl_1980.tif"]
    assert "'a,b'" in refused["table.csv"]
    only = Daymet().search(archive, {"format": ["csv"]})
    assert [entry.key for entry in only.entries] == ["pixel"]


def test_geotiff_bands_are_months_and_cells_lie_where_the_projection_says(tmp_path: Path) -> None:
    values = np.arange(12 * 3 * 4, dtype="float32").reshape(12, 3, 4)
    values[0, 0, 0] = -9999.0
    for year in (1981, 1980):
        raster(tmp_path / f"tmax_monavg_{year}_ncss.tif", values + (year - 1980))
    archive = open_archive(str(tmp_path))
    (entry,) = Daymet().search(archive).entries
    opened = Daymet().open(archive, entry)
    months = pd.DatetimeIndex(opened["time"].values)
    assert list(months) == list(pd.date_range("1980-01-01", periods=24, freq="MS"))
    assert np.isnan(opened["tmax"].values[0, 0, 0])
    np.testing.assert_array_equal(opened["tmax"].values[1:12], values[1:])
    np.testing.assert_array_equal(opened["tmax"].values[13:], values[1:] + 1)
    for row, column in ((0, 0), (2, 3)):
        lat, lon = lambert((column + 0.5) * 1000.0, -(row + 0.5) * 1000.0)
        assert float(opened["lat"][row, column]) == pytest.approx(lat, abs=0.2)
        assert float(opened["lon"][row, column]) == pytest.approx(lon, abs=0.2)
    # Cells are 1 km apart, on the ellipsoid, where the scale of the projection is known: 0.95.
    step = float(opened["lat"][0, 0] - opened["lat"][1, 0])
    assert step * 111.1 == pytest.approx(1.0, rel=0.08)


@pytest.mark.parametrize("own", ["", "/a/folder/of/ones/own"])
def test_the_projections_own_data_are_found_and_nothing_is_printed(
    tmp_path: Path, own: str
) -> None:
    # The name of this unit is looked up, that of the metre is not.
    raster(tmp_path / "a.tif", np.zeros((1, 3, 2), np.float32), unit="km")
    program = (
        "import os, sys; from pathlib import Path\n"
        "from catena.data_ingest.sources.geotiff import open_geotiff\n"
        "open_geotiff(Path(sys.argv[1]), 'v', file='a.tif').load()\n"
        "print(os.environ.get('PROJ_DATA', ''))"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("PROJ_DATA", "PROJ_LIB")}
    if own:
        environment["PROJ_DATA"] = own
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.tif")],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    if own:
        assert done.stdout.strip() == own, "what is set stays"
    else:
        assert "proj.db" not in done.stderr
        assert (Path(done.stdout.strip()) / "proj.db").is_file()


def test_a_geotiff_with_too_few_bands_is_refused_by_name(tmp_path: Path) -> None:
    raster(tmp_path / "tmin_monavg_1980.tif", np.zeros((11, 2, 2), "float32"))
    archive = open_archive(str(tmp_path))
    (entry,) = Daymet().search(archive).entries
    with pytest.raises(
        InvalidData, match=r"tmin_monavg_1980.tif, variable tmin.*found 11, wanted 12"
    ):
        Daymet().open(archive, entry)


def grid(path: Path, variable: str, value: float, year: int, *, noleap: bool = False) -> None:
    """A netCDF of Daymet: noon of 365 days, Lambert cells with two-dimensional coordinates."""
    number = np.arange(365)
    if noleap:
        time = xr.Variable(
            "time", number + 0.5, {"units": f"days since {year}-01-01", "calendar": "noleap"}
        )
    else:
        time = xr.Variable(
            "time", number + 0.5, {"units": f"days since {year}-01-01", "calendar": "standard"}
        )
    # Temperatures that stand still would be refused, rightly.
    drift = np.zeros((365, 2, 2), "float32") + 0.01 * number[:, None, None] * (variable == "tmax")
    lat, lon = np.meshgrid([40.0, 39.99], [-100.0, -99.99], indexing="ij")
    units = {"dayl": "s", "srad": "W/m2", "tmax": "degrees C", "prcp": "mm/day"}[variable]
    xr.Dataset(
        {
            variable: (("time", "y", "x"), np.float32(value) + drift,
                       {"units": units, "grid_mapping": "lambert_conformal_conic",
                        "coordinates": "lat lon"}),
            "yearday": ("time", number + 1),
            "lambert_conformal_conic": ((), 0, {"grid_mapping_name": "lambert_conformal_conic"}),
            "lat": (("y", "x"), lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": (("y", "x"), lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
        coords={"time": time, "x": [0.0, 1000.0], "y": [-500.0, -1500.0]},
        attrs={"Version_data": "Daymet Data Version 4.0"},
    ).to_netcdf(path)  # fmt: skip


@pytest.mark.parametrize("noleap", [False, True])
def test_grids_of_all_variables_and_years_are_one_dataset(tmp_path: Path, noleap: bool) -> None:
    for year in (2000, 2001):
        for variable, value in (("dayl", 43200.0), ("srad", 300.0), ("tmax", 10.0)):
            name = f"daymet_v4_daily_na_{variable}_{year}.nc"
            grid(tmp_path / name, variable, value, year, noleap=noleap)
    archive = open_archive(str(tmp_path))
    (entry,) = Daymet().search(archive).entries
    assert entry.key == "daymet_v4_daily_na"
    assert len(entry.files) == 6
    opened = Daymet().open(archive, entry)
    findings = {finding.check for finding in source_findings(opened)}
    assert ("calendar" in findings) == noleap
    normal, inspection = normalise(opened, vocabulary=entry.vocabulary, key=entry.key)
    assert normal is not None, [str(finding) for finding in inspection]
    assert {"rsds", "tasmax", "daylength"} <= set(normal.data_vars)
    times = pd.DatetimeIndex(normal["time"].values)
    assert len(times) == 731
    assert times[59] == pd.Timestamp("2000-02-29")
    missing = normal["rsds"].isnull().all(("y", "x")).values
    assert list(times[missing]) == [pd.Timestamp("2000-12-31")]
    assert float(normal["rsds"][0, 0, 0]) == pytest.approx(150.0)


def test_a_day_number_that_contradicts_the_date_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "daymet_v4_daily_na_tmax_2000.nc"
    grid(path, "tmax", 1.0, 2000, noleap=True)
    with xr.open_dataset(path, decode_times=False) as opened:
        wrong = opened.load().copy()
    wrong["yearday"][100] = 7
    wrong.to_netcdf(path)
    found = Daymet().search(open_archive(str(tmp_path)))
    assert not found.entries
    assert "wanted day 7" in str(found.refused[0])


@pytest.fixture
def service(http_archive: HttpArchive) -> DaymetService:
    http = Http(patience=Patience(attempts=3, first_s=0.001))
    return DaymetService(http, f"{http_archive.url}/api", f"{http_archive.url}/ncss")


def test_the_pixel_service_is_asked_once_and_resumed(
    service: DaymetService, http_archive: HttpArchive, tmp_path: Path
) -> None:
    http_archive.handlers["/api/data"] = lambda _: Reply(pixel().encode())
    http_archive.fail("/api/data", Drop(1000))
    arguments = (36.0133, -84.2625, date(2000, 1, 1), date(2001, 12, 31), tmp_path)
    path = service.pixel_file(*arguments)
    assert service.pixel_file(*arguments) == path
    assert parse(path.read_text(), file=path.name).sizes["time"] == 730
    asked = http_archive.of("/api/data")
    assert len(asked) == 2
    assert asked[0].query["lat"] == "36.013300"
    assert asked[0].query["vars"] == "dayl,prcp,srad,swe,tmax,tmin,vp"
    assert asked[0].query["start"] == "2000-01-01"
    (entry,) = Daymet().search(open_archive(str(tmp_path))).entries
    assert entry.vocabulary == "daymet"


def test_an_answer_that_is_no_pixel_is_not_kept(
    service: DaymetService, http_archive: HttpArchive, tmp_path: Path
) -> None:
    http_archive.handlers["/api/data"] = lambda _: Reply(b"The point is over water")
    with pytest.raises(InvalidData, match="The point is over water"):
        service.pixel_file(30.0, -80.0, date(2000, 1, 1), date(2000, 12, 31), tmp_path)
    assert not list(tmp_path.glob("*.csv"))


def test_a_box_of_a_grid_comes_as_netcdf(
    service: DaymetService, http_archive: HttpArchive, tmp_path: Path
) -> None:
    source = tmp_path / "source.nc"
    grid(source, "prcp", 4.0, 1999)
    name = "daymet_v4_daily_na_prcp_1999.nc"
    http_archive.handlers[f"/ncss/{name}"] = lambda _: Reply(source.read_bytes())
    folder = tmp_path / "kept"
    path = service.grid_file("prcp", 1999, Box(40, -100, -99, 39), folder)
    asked = http_archive.of(f"/ncss/{name}")[-1].query
    assert (asked["north"], asked["west"], asked["accept"]) == ("40", "-100", "netcdf")
    assert asked["time_start"] == "1999-01-01T12:00:00Z"
    archive = open_archive(str(folder))
    opened = Daymet().open(archive, Daymet().search(archive).entries[0])
    assert float(opened["prcp"].mean()) == 4.0
    assert path.name == name


def test_what_daymet_has_not_is_refused_before_the_network(tmp_path: Path) -> None:
    service = DaymetService(Http(patience=Patience(attempts=1)), "http://127.0.0.1:9", "http://x")
    days = (date(2000, 1, 1), date(2000, 12, 31))
    with pytest.raises(InvalidRequest, match="North America"):
        service.pixel_file(50.0, 10.0, *days, tmp_path)
    with pytest.raises(InvalidRequest, match="wind"):
        service.pixel_file(40.0, -100.0, *days, tmp_path, variables=["wind"])
    with pytest.raises(InvalidRequest, match="1980-01-01"):
        service.pixel_file(40.0, -100.0, date(1970, 1, 1), days[1], tmp_path)
    with pytest.raises(InvalidRequest, match="south < north"):
        service.grid_file("prcp", 2000, Box(39, -100, -99, 40), tmp_path)


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="needs CATENA_DATA with daymet")
def test_all_real_files_are_ingested() -> None:
    archive = open_archive(str(DATA))
    found = Daymet().search(archive)
    assert found.refused == ()
    assert found.files == len(archive.find()) == 3
    normal = {}
    for entry in found.entries:
        opened = Daymet().open(archive, entry)
        normal[entry.key], inspection = normalise(
            opened, vocabulary=entry.vocabulary, key=entry.key
        )
        assert normal[entry.key] is not None
        assert not inspection.of("refused")
    site = normal["demo_data"]
    table = pd.read_csv(DATA / "demo_data.csv", skiprows=7)
    # 11 years with three leap years: three days are missing, the sum of rain is the file's.
    assert site.sizes["time"] == 4018
    total = float(site["pr"].sum() * 86400)
    assert total == pytest.approx(table["prcp (mm/day)"].sum(), rel=1e-5)
    energy = (table["srad (W/m^2)"] * table["dayl (s)"]).sum()
    assert float(site["rsds"].sum() * 86400) == pytest.approx(energy, rel=1e-5)
    # The two rasters are of one place in South Carolina: the maximum is above the minimum.
    warm, cold = (
        normal["tmax_monavg_1980_ncss"]["tasmax"],
        normal["tmin_monavg_1980_ncss"]["tasmin"],
    )
    assert bool((warm > cold).all())
    assert 33 < float(warm["lat"].mean()) < 35
