"""Generated weather of a region follows latitude, longitude and height."""

from __future__ import annotations

import numpy as np
import pytest

from catena.coupler.forcing import daily_forcing
from catena.data_ingest.places import open_source
from catena.data_ingest.queries import IngestDatasetQuery
from catena.data_ingest.weather import generate, weather_dataset
from catena.data_ingest.weather_region import LAPSE_K, region_climate, region_sites
from catena.data_ingest.weather_site import Period
from catena.shared.errors import InvalidData, InvalidRequest

SOUTH, NORTH = 28.0, 46.0


@pytest.fixture(scope="module")
def weather() -> dict[str, np.ndarray]:
    """Ten years at four places: south, north, west, east; (day, place)."""
    sites = region_sites(
        np.array([SOUTH, NORTH, 38.0, 38.0]), np.array([-82.0, -82.0, -98.0, -75.0])
    )
    return generate(sites, Period(days=3650), seed=1)


def of_month(values: np.ndarray, month: int) -> np.ndarray:
    """Mean of each place over the middle month of a season."""
    days = np.arange(len(values)) % 365
    return np.asarray(values[(days >= 30 * month) & (days < 30 * month + 31)].mean(axis=0))


def test_north_is_colder_and_more_so_in_winter(weather: dict[str, np.ndarray]) -> None:
    january, july = of_month(weather["tas"], 0), of_month(weather["tas"], 6)
    degrees = NORTH - SOUTH
    assert january[1] - january[0] == pytest.approx(-1.35 * degrees, abs=2.5)
    assert july[1] - july[0] == pytest.approx(-0.55 * degrees, abs=2.0)


def test_day_to_day_spread_is_larger_in_the_north(weather: dict[str, np.ndarray]) -> None:
    step = np.diff(weather["tasmax"], axis=0).std(axis=0)
    assert step[1] > 1.2 * step[0]


def test_the_east_is_wetter(weather: dict[str, np.ndarray]) -> None:
    yearly = weather["pr"].mean(axis=0) * 86400 * 365
    assert yearly[3] > 1.2 * yearly[2]
    assert (yearly > 400).all()
    assert (yearly < 2500).all()


def test_height_cools() -> None:
    low, high = region_climate(40.0, -80.0), region_climate(40.0, -80.0, 1000.0)
    change = high.mean - low.mean
    assert change[0, 0, 0] == pytest.approx(LAPSE_K * 1000)
    assert change[2:].max() == 0.0


def test_cells_have_weather_of_their_own_that_drives_a_land_model() -> None:
    sites = region_sites(np.array([35.0, 35.5]), np.array([-90.0, -90.0]))
    forcing = daily_forcing(weather_dataset(sites, Period("1981-01-01", 730), seed=1).compute())
    assert (forcing.cells, forcing.days) == (2, 730)
    assert forcing.lat.tolist() == [35.0, 35.5]
    assert (forcing.variables["tas"][0] != forcing.variables["tas"][1]).all()


@pytest.mark.parametrize(("lat", "lon"), [(10.0, -90.0), (40.0, 20.0), (60.0, -90.0)])
def test_places_elsewhere_are_refused(lat: float, lon: float) -> None:
    with pytest.raises(InvalidData, match="24 to 52"):
        region_climate(lat, lon)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(InvalidData, match="2 latitudes, 1 longitudes"):
        region_sites(np.array([35.0, 36.0]), np.array([-90.0]))


BOX = {"box": {"south": 33.0, "north": 37.0, "west": -92.0, "east": -86.0}, "step_deg": 2.0}


def asked(**region: object) -> IngestDatasetQuery:
    return IngestDatasetQuery.from_plain(
        {"source": "generated_weather", "weather": {"years": 1, "region": region}}
    )


def test_a_box_becomes_one_dataset_of_its_cells() -> None:
    found, archive = open_source(asked(**BOX))
    (entry,) = found.search(archive).entries
    dataset = found.open(archive, entry)
    assert entry.facets["sites"] == "6" and entry.generated
    assert dataset["lat"].to_numpy().tolist() == [34.0] * 3 + [36.0] * 3
    assert dataset["lon"].to_numpy().tolist() == [-91.0, -89.0, -87.0] * 2
    assert dataset["tas"].shape == (365, 6)


def test_places_have_heights_and_the_weather_of_the_same_place_in_a_box() -> None:
    box, archive = open_source(asked(**BOX))
    one, _ = open_source(
        asked(latitudes=[36.0, 36.0], longitudes=[271.0, -89.01], elevations_m=[0.0, 900.0])
    )
    low, high = (one.open(archive, one.search(archive).entries[0])["tas"][:, n] for n in (0, 1))
    whole = box.open(archive, box.search(archive).entries[0])["tas"][:, 4]
    np.testing.assert_allclose(low, whole, rtol=1e-6, err_msg="neighbours change a cell")
    assert float(low.mean() - high.mean()) == pytest.approx(-900 * LAPSE_K, abs=1.0)


@pytest.mark.parametrize(
    ("region", "field"),
    [
        ({}, "box"),
        ({**BOX, "latitudes": [36.0], "longitudes": [-89.0]}, "box"),
        ({"box": BOX["box"]}, "step_deg"),
        ({**BOX, "step_deg": 0.001}, "step_deg"),
        ({**BOX, "step_deg": 5.0}, "step_deg"),
        ({"latitudes": [36.0], "longitudes": []}, "longitudes"),
        ({"latitudes": [36.0], "longitudes": [-89.0], "step_deg": 1.0}, "step_deg"),
        ({"latitudes": [36.0, 60.0], "longitudes": [-89.0, -89.0]}, "latitudes[1]"),
        ({"latitudes": [36.0, 36.0], "longitudes": [-89.0, 271.0]}, "latitudes[1]"),
        ({**BOX, "box": {**BOX["box"], "west": -120.0}}, "box"),
    ],
)
def test_a_region_that_has_no_cells_or_no_climate_is_refused(
    region: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(**region)
    assert [item.field for item in caught.value.violations] == [f"weather.region.{field}"]


def test_a_region_has_no_sites_of_other_climates() -> None:
    with pytest.raises(InvalidRequest) as caught:
        IngestDatasetQuery.from_plain(
            {"source": "generated_weather", "weather": {"sites": 3, "region": BOX}}
        )
    assert [item.field for item in caught.value.violations] == ["weather.sites"]
