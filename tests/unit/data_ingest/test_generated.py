"""Generated sources look like any other, and always say what they are."""

from __future__ import annotations

import re
import tracemalloc

import dask
import numpy as np
import pytest

from catena.data_ingest import planet_series
from catena.data_ingest.planet import Model, Planet, State
from catena.data_ingest.planet_series import PlanetSeries
from catena.data_ingest.sources import source
from catena.data_ingest.sources.generated import HOMES, GeneratedPlanet, GeneratedWeather
from catena.data_ingest.spool import Spool
from catena.data_ingest.weather_climate import CLIMATES
from catena.shared.checks import normalise
from catena.shared.errors import InvalidRequest, NotFound

SETTINGS = [
    ("generated_weather", {"sites": 8, "years": 2}),
    ("generated_weather", {"sites": 2, "years": 1, "step_s": 3600, "climates": ("boreal",)}),
    ("generated_planet", {"days": 10, "seed": 3}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_checks_have_nothing_to_say(name: str, settings: dict) -> None:
    made = source(name, **settings)
    found = made.search(None)  # type: ignore[arg-type]
    assert found.entries
    assert found.refused == ()
    for entry in found.entries:
        assert entry.generated
        assert entry.files == ()
        assert entry.size == 0
        assert re.fullmatch(r"[A-Za-z0-9._-]+", entry.key)
        dataset = made.open(None, entry)  # type: ignore[arg-type]
        assert dataset.attrs["generated"] == "true"
        normal, inspection = normalise(dataset, vocabulary=entry.vocabulary, key=entry.key)
        assert [str(finding) for finding in inspection] == []
        assert normal is not None
        assert set(normal.data_vars) == set(dataset.data_vars)


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_description_is_that_of_the_data(
    name: str, settings: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = source(name, **settings)
    (entry, *_) = made.search(None).entries  # type: ignore[arg-type]
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "block", None)  # nothing may be generated
        description = made.describe(None, entry)  # type: ignore[arg-type]
    dataset = made.open(None, entry)  # type: ignore[arg-type]
    assert {variable.name for variable in description.variables} == set(dataset.data_vars)
    assert all(variable.units and variable.standard_name for variable in description.variables)
    assert description.start == "2001-01-01 00:00:00"
    assert description.calendar == "noleap"


def test_every_climate_has_a_home() -> None:
    assert set(HOMES) == set(CLIMATES)


def test_sites_are_dealt_out_in_turn() -> None:
    made = GeneratedWeather(sites=5, climates=("boreal", "savanna"), years=1)
    entries = made.search().entries
    assert [entry.facets["sites"] for entry in entries] == ["3", "2"]
    assert made.open(None, entries[0])["tas"].shape == (365, 3)
    assert [entry.key for entry in made.search(facets={"climate": ["s*"]}).entries] == [
        "savanna.day.seed0"
    ]
    assert made.search(facets={"source_id": ["ERA5"]}).entries == ()


def test_seed_decides() -> None:
    def values(seed: int) -> np.ndarray:
        made = GeneratedWeather(sites=1, years=1, seed=seed)
        return made.open(None, made.search().entries[0])["pr"].values

    assert np.array_equal(values(1), values(1))
    assert not np.array_equal(values(1), values(2))


def test_planet_settings() -> None:
    made = GeneratedPlanet(latitudes=64, days=2, seed=5)
    (entry,) = made.search(facets={"grid_label": ["t42"]}).entries
    assert entry.key == "planet.t42.seed5"
    assert dict(made.open(None, entry).sizes) == {"time": 8, "plev": 3, "lat": 64, "lon": 128}
    assert GeneratedPlanet().search(facets={"seed": ["5"]}).entries == ()


def test_refusals() -> None:
    with pytest.raises(InvalidRequest, match="'jungle' is not built in; wanted tundra"):
        GeneratedWeather(climates=("jungle",))
    with pytest.raises(InvalidRequest, match="every 10800 s"):
        GeneratedWeather(step_s=10800)
    with pytest.raises(InvalidRequest, match="33 latitudes"):
        GeneratedPlanet(latitudes=33)
    strange = GeneratedWeather(climates=("boreal",)).search().entries[0]
    with pytest.raises(NotFound):
        GeneratedWeather(climates=("savanna",)).open(None, strange)
    other = GeneratedPlanet(seed=1).search().entries[0]
    with pytest.raises(NotFound):
        GeneratedPlanet(seed=2).open(None, other)


def test_a_block_is_made_once_however_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    planet_series._states.cache_clear()
    steps = 0
    advance = Model.advance

    def counted(self: Model, state: State, count: int) -> State:
        nonlocal steps
        steps += count
        return advance(self, state, count)

    monkeypatch.setattr(Model, "advance", counted)
    dataset = PlanetSeries(Planet(seed=8), count=130, block=50, spin_up_days=3).dataset()
    last = dataset["tas"].isel(time=slice(-5, None)).values  # out of order
    for name in ("ua", "va", "psl"):  # one variable after the other, as datasets are written
        assert np.isfinite(dataset[name].values).all()
    assert np.array_equal(dataset["tas"].values[-5:], last)
    assert steps == 3 * 24 + 130 * 6


def test_spool_keeps_what_fits_and_cleans_up() -> None:
    made: list[int] = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"a": np.arange(100.0)}

    kept = Spool(limit_bytes=1000)
    first = kept.block(0, make)["a"]
    assert np.array_equal(kept.block(0, make)["a"], np.arange(100.0))
    assert len(made) == 1
    kept.block(1, make)
    kept.block(1, make)
    assert len(made) == 3  # no room: made again
    assert kept._folder is not None
    folder = kept._folder
    assert len(list(folder.iterdir())) == 1
    del first, kept
    assert not folder.exists()


def test_memory_stays_that_of_one_block() -> None:
    made = GeneratedWeather(sites=400, years=10, climates=("boreal",))
    dataset = made.open(None, made.search().entries[0])
    tracemalloc.start()
    with dask.config.set(scheduler="synchronous"):
        total = float(dataset["tas"].sum()) + float(dataset["pr"].sum())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 0
    assert dataset.nbytes > 50e6
    assert peak < 250e6
