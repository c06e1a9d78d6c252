"""Daymet's services as locations: sites and boxes are planned first, then fetched once each."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.http_archive import Drop, HttpArchive, Reply, Request, Status

from catena.data_ingest.archive import Patience
from catena.data_ingest.describe import describe_dataset
from catena.data_ingest.http import Http
from catena.data_ingest.ingest import Reading, read_entry
from catena.data_ingest.places import Nowhere, open_source
from catena.data_ingest.queries import DescribeDatasetQuery, IngestDatasetQuery
from catena.data_ingest.sources import special_archive
from catena.data_ingest.sources.base import Archive
from catena.data_ingest.sources.daymet_archive import DaymetArchive
from catena.data_ingest.sources.order import Order
from catena.data_ingest.vocabulary import facet_table
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import FailedPrecondition, InvalidRequest, NotFound, Unavailable

FAST = Patience(attempts=3, first_s=0.001, longest_s=0.01)
PIXELS = "/single-pixel/api"
DATA = f"{PIXELS}/data"
GRIDS = "/thredds/ncss/ornldaac/2129"
COLUMNS = {
    "dayl": "dayl (s)", "prcp": "prcp (mm/day)", "srad": "srad (W/m^2)", "swe": "swe (kg/m^2)",
    "tmax": "tmax (deg c)", "tmin": "tmin (deg c)", "vp": "vp (Pa)",
}  # fmt: skip
LAST = 2004
"""Year up to which the service has data."""


def pixel(request: Request) -> Reply:
    """What the service writes; tmax tells latitude, year and day."""
    asked = request.query
    names = asked["vars"].split(",")
    lat, lon = float(asked["lat"]), float(asked["lon"])
    lines = [
        f"Latitude: {lat}  Longitude: {lon}",
        "Tile: 11388",
        "Elevation: 279 meters",
        ",".join(["year", "yday", *(COLUMNS[name] for name in names)]),
    ]
    for year in range(int(asked["start"][:4]), min(int(asked["end"][:4]), LAST) + 1):
        for day in range(1, 366):
            value = {
                "tmax": lat + (year - 1990) / 10 + day / 1000, "dayl": 43200.0,
                "prcp": float(day % 7), "srad": 300 + day / 10,
            }  # fmt: skip
            lines.append(",".join(f"{number:g}" for number in (
                year, day, *(value.get(name, day / 10) for name in names))))  # fmt: skip
    return Reply("\n".join([*lines, ""]).encode(), headers={"ETag": '"1"'})


@pytest.fixture
def server(
    http_archive: HttpArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> HttpArchive:
    monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CATENA_ARCHIVES", http_archive.url)
    http_archive.handlers[DATA] = pixel
    http_archive.handlers[f"{GRIDS}/*"] = grid
    return http_archive


def query(server: HttpArchive, facets: dict[str, list[str]], **more: Any) -> IngestDatasetQuery:
    named = [{"name": name, "values": values} for name, values in facets.items()]
    return IngestDatasetQuery.from_plain(
        {
            "source": "daymet",
            "location": f"{server.url}{more.pop('where', PIXELS)}",
            "as_of": "2026-01-31",
            "selection": {"facets": named, **more},
        }
    )


class Asked:
    """A request that was searched; what it was told."""

    def __init__(self, request: IngestDatasetQuery) -> None:
        self.request = request
        self.said: list[str] = []
        self.source, self.archive = open_source(request, tell=self.said.append, patience=FAST)
        self.found = self.source.search(self.archive, facet_table(request.selection.facets))

    def read(self, number: int = 0) -> Reading:
        entry = self.found.entries[number]
        return read_entry(self.source, self.archive, entry, self.request.selection)

    def dataset(self, number: int = 0) -> xr.Dataset:
        reading = self.read(number)
        assert reading.dataset is not None, [str(finding) for finding in reading.inspection]
        return reading.dataset.compute()


SITES = {"lat": ["36.0133", "45.5"], "lon": ["-84.2625", "-90.25"], "site": ["Oak Ridge", "WCr"]}


def test_sites_of_a_request_become_datasets(server: HttpArchive) -> None:
    """Canonical variables and the period of the selection are what the service is asked for."""
    asked = Asked(
        query(server, SITES, variables=["tasmax", "rsds"], start="1999-12-30", end="2000-03-01")
    )
    assert isinstance(asked.archive, DaymetArchive)
    assert [entry.key for entry in asked.found.entries] == ["daymet_Oak-Ridge", "daymet_WCr"]
    for number, lat in enumerate((36.0133, 45.5)):
        data = asked.dataset(number)
        assert set(data.data_vars) == {"tasmax", "rsds"}
        times = pd.DatetimeIndex(data["time"].values)
        assert (times[0], times[-1]) == (pd.Timestamp("1999-12-30"), pd.Timestamp("2000-03-01"))
        day = times.dayofyear.to_numpy()
        wanted = lat + (times.year.to_numpy() - 1990) / 10 + day / 1000 + 273.15
        np.testing.assert_allclose(data["tasmax"], wanted, atol=2e-4)
        # A mean over half a day of light is half of it over the day.
        np.testing.assert_allclose(data["rsds"], (300 + day / 10) / 2, rtol=1e-5)
        assert float(data["lat"]) == lat
    requests = [request.query for request in server.of(DATA)]
    periods = [(one["start"], one["end"]) for one in requests]
    # Blocks of decades: 1999, and 2000.
    assert periods == [("1999-01-01", "1999-12-31"), ("2000-01-01", "2000-12-31")] * 2
    assert {one["vars"] for one in requests} == {"tmax,srad,dayl"}
    assert any("bytes" in line for line in asked.said)


def test_the_dry_run_names_files_and_asks_nothing(server: HttpArchive, tmp_path: Path) -> None:
    request = query(server, SITES, start="1985-01-01", end="2004-12-31")
    answer = describe_dataset(
        DescribeDatasetQuery(request=request), ArtifactStore(f"file://{tmp_path}/store")
    )
    assert (answer.total_datasets, answer.total_files, answer.total_bytes) == (2, 6, 0)
    assert [one.key for one in answer.datasets] == ["daymet_Oak-Ridge", "daymet_WCr"]
    first = answer.datasets[0]
    assert (first.start, first.end, first.files) == ("1985-01-01", "2004-12-31", 3)
    assert [one.name for one in first.variables] == list(COLUMNS)
    names = [file.path for file in Asked(request).archive.find()]
    assert names[0] == "daymet_36.0133N_84.2625W_19850101_19891231.csv"
    assert server.requests == []
    # A longer period has the same files, and the new ones.
    longer = query(server, SITES, start="1985-01-01", end="2014-12-31")
    again = {file.path for file in Asked(longer).archive.find()}
    assert len(again & set(names)) == 4


def test_a_broken_download_goes_on_and_nothing_is_asked_twice(server: HttpArchive) -> None:
    one = {name: values[:1] for name, values in SITES.items()} | {"year": ["2000", "2001"]}
    server.fail(DATA, Drop(5_000))
    first = Asked(query(server, one)).dataset()
    assert first.sizes["time"] == 731
    assert len(server.of(DATA)) == 2
    xr.testing.assert_identical(Asked(query(server, one)).dataset(), first)
    assert len(server.of(DATA)) == 2
    server.always(DATA, Status(503))
    with pytest.raises(Unavailable):
        Asked(query(server, one | {"year": ["2002"]})).read()


def test_a_year_that_is_not_published_is_not_kept(server: HttpArchive, tmp_path: Path) -> None:
    """Else the cache would lack it for ever."""
    one = {name: values[:1] for name, values in SITES.items()} | {"year": ["2004", "2005"]}
    reading = Asked(query(server, one)).read()
    assert reading.dataset is None
    [finding] = reading.inspection.of("refused")
    assert "found 0 of 2005 days, wanted 365" in finding.found
    assert not list((tmp_path / "home").rglob("*.csv"))


def test_everything_wrong_is_said_at_once(server: HttpArchive) -> None:
    facets = {
        "lat": ["10", "45"],
        "lon": ["-84.2625", "-90", "x"],
        "site": ["a"],
        "variable": ["wind"],
        "year": ["1979", "2026"],
        "tile": ["11388"],
    }
    with pytest.raises(InvalidRequest) as caught:
        Asked(query(server, facets))
    named = {violation.field for violation in caught.value.violations}
    assert named == {f"selection.facets[{name}]" for name in set(facets) - {"site"}}
    for words in ("got 10", "got x", "wind", "1979, 2026", "1980 to 2025", "tile"):
        assert words in str(caught.value)
    with pytest.raises(InvalidRequest) as caught:
        Asked(query(server, {}))
    for name in ("lat", "lon", "year"):
        assert f"[{name}] is missing" in str(caught.value)
    with pytest.raises(InvalidRequest, match="got 1 names; wanted 2"):
        Asked(query(server, SITES | {"site": ["a"], "year": ["2000"]}))
    with pytest.raises(InvalidRequest, match="name each place once"):
        Asked(query(server, SITES | {"site": ["a", "a"], "year": ["2000"]}))
    with pytest.raises(InvalidRequest, match="wanted 2, one for each lat"):
        Asked(query(server, SITES | {"lon": ["-84"], "year": ["2000"]}))
    assert server.requests == []


def grid(request: Request) -> Reply:
    """What the subset service gives: noon of 365 days on Lambert cells."""
    name = request.path.rpartition("/")[2]
    *_, region, variable, year = name.removesuffix(".nc").split("_")
    number = np.arange(365)
    lat, lon = np.meshgrid([40.0, 39.99], [-100.0, -99.99], indexing="ij")
    value = {"tmax": 10 + 0.01 * number, "tmin": 0.01 * number}[variable] + int(year) - 2000
    attrs = {"grid_mapping": "lambert_conformal_conic", "coordinates": "lat lon"}
    block = np.broadcast_to(value[:, None, None], (365, 2, 2)).astype("float32")
    time = xr.Variable("time", number + 0.5, {"units": f"days since {year}-01-01"})
    data = xr.Dataset(
        {
            variable: (("time", "y", "x"), block, {"units": "degrees C", **attrs}),
            "lambert_conformal_conic": ((), 0, {"grid_mapping_name": "lambert_conformal_conic"}),
            "lat": (("y", "x"), lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": (("y", "x"), lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
        coords={"time": time, "x": [0.0, 1000.0], "y": [-500.0, -1500.0]},
        attrs={"Version_data": "Daymet Data Version 4.0", "title": region},
    )  # fmt: skip
    return Reply(bytes(data.to_netcdf(engine="scipy")), headers={"ETag": '"1"'})


def test_a_box_of_the_grids_becomes_one_dataset(server: HttpArchive) -> None:
    region = {"south": 39.0, "north": 40.5, "west": 259.5, "east": 260.5}
    request = query(
        server,
        {"year": ["2000", "2001"]},
        where=GRIDS,
        variables=["tasmax", "tasmin"],
        region=region,
    )
    asked = Asked(request)
    [entry] = asked.found.entries
    assert (entry.key, len(entry.files)) == ("daymet_v4_daily_na", 4)
    assert entry.files[0].path == "na_40.5N_-100.5E_39N_-99.5E/daymet_v4_daily_na_tmax_2000.nc"
    assert server.requests == []
    file = f"{GRIDS}/daymet_v4_daily_na_tmin_2001.nc"
    server.fail(file, Drop(3_000))
    data = asked.dataset()
    assert {"tasmax", "tasmin"} == set(data.data_vars)
    assert data.sizes["time"] == 731
    values = data["tasmin"].sel(time="2001-01-11")
    np.testing.assert_allclose(values, 1 + 0.1 + 273.15, rtol=1e-6)
    assert server.of(file)[0].query["west"] == "-100.5"
    assert len(server.of(file)) == 2
    asked = len(server.requests)
    xr.testing.assert_identical(Asked(request).dataset(), data)
    assert len(server.requests) == asked


def test_a_box_is_needed_and_must_not_cross_180_degrees(server: HttpArchive) -> None:
    with pytest.raises(InvalidRequest, match=r"area\] is missing"):
        Asked(query(server, {"year": ["2000"]}, where=GRIDS))
    with pytest.raises(InvalidRequest, match="wanted west < east"):
        facets = {"year": ["2000"], "area": ["60", "170", "50", "-170"], "region": ["hi"]}
        Asked(query(server, facets, where=GRIDS))


def test_a_service_that_wants_a_login_says_so(server: HttpArchive) -> None:
    server.always(f"{GRIDS}/daymet_v4_daily_na_tmax_2000.nc", Status(401))
    facets = {"year": ["2000"], "variable": ["tmax"], "area": ["40.5", "-100.5", "39", "-99.5"]}
    with pytest.raises(FailedPrecondition, match=r"login.*~/.netrc.*licence"):
        Asked(query(server, facets, where=GRIDS)).read()


def test_an_archive_goes_to_other_processes(server: HttpArchive) -> None:
    one = {name: values[:1] for name, values in SITES.items()} | {"year": ["2000"]}
    asked = Asked(query(server, one))
    archive = pickle.loads(pickle.dumps(asked.archive))
    [file] = archive.find()
    text = archive.read(file.path)
    assert text == pixel(server.of(DATA)[0]).body
    assert archive.read_range(file.path, 5, 9) == text[5:9]


def test_other_locations_are_places_of_files(tmp_path: Path) -> None:
    def opener(location: str) -> Archive:
        raise AssertionError(f"{location} is not opened here")

    def special(name: str, location: str, http: Http | None) -> Archive | None:
        return special_archive(name, Order(location, opener, http, cache=tmp_path))

    pixels, http = f"https://daymet.ornl.gov{PIXELS}", Http(patience=FAST)
    assert isinstance(special("daymet", pixels, http), DaymetArchive)
    assert special("daymet", "https://thredds.daac.ornl.gov/thredds/catalog/x", http) is None
    assert special("daymet", f"file://{tmp_path}/single-pixel/api", http) is None
    assert special("camels", pixels, http) is None
    # Offline a mirror stands for the services, too.
    assert special("daymet", pixels, None) is None


def test_what_is_generated_has_no_archive() -> None:
    nowhere = Nowhere()
    assert isinstance(nowhere, Archive)
    for call in (nowhere.store, nowhere.bytes_url, nowhere.url, nowhere.read, nowhere.open):
        with pytest.raises(NotFound, match="generated"):
            call("x")
    with pytest.raises(NotFound, match="generated"):
        nowhere.read_range("x", 0, 1)
