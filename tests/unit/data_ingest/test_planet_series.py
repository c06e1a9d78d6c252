"""A series is the same whatever the order in which its blocks are made, and by whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.data_ingest import planet_series
from catena.data_ingest.planet import Model, Planet, State
from catena.data_ingest.planet_series import PlanetSeries
from catena.shared.errors import InvalidData


def series(**settings: object) -> PlanetSeries:
    return PlanetSeries(Planet(seed=4), count=22, block=5, spin_up_days=3, **settings)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """Each test begins without states."""
    planet_series._states.cache_clear()


def bytes_of(block: dict[str, np.ndarray]) -> bytes:
    return b"".join(name.encode() + values.tobytes() for name, values in sorted(block.items()))


def test_states_go_on_bit_for_bit(tmp_path: Path) -> None:
    model = Model(Planet())
    whole = model.advance(model.initial(), 20)
    half = model.advance(model.initial(), 9)
    half.save(tmp_path / "state.npz")
    resumed = Model(Planet()).advance(State.load(tmp_path / "state.npz"), 11)
    assert resumed.step == whole.step
    assert resumed.coefficients.tobytes() == whole.coefficients.tobytes()


def test_blocks_do_not_depend_on_the_order_they_are_made_in() -> None:
    forward = [bytes_of(block) for block in series().blocks()]
    planet_series._states.cache_clear()
    backward = [bytes_of(series().make(number)) for number in reversed(range(5))][::-1]
    assert backward == forward
    assert len(set(forward)) == 5


def test_blocks_do_not_depend_on_their_size() -> None:
    one = PlanetSeries(Planet(seed=4), count=22, block=22, spin_up_days=3)
    ua = np.concatenate([block["ua"] for block in series().blocks()])
    assert np.array_equal(one.make(0)["ua"], ua)


def test_an_odd_asker_in_between_changes_nothing() -> None:
    wanted = bytes_of(series().make(3))
    planet_series._states.cache_clear()
    PlanetSeries(Planet(seed=4), count=9, block=3, spin_up_days=2).make(2)
    assert bytes_of(series().make(3)) == wanted


def test_states_in_a_folder_spare_the_way_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = bytes_of(series(folder=tmp_path).make(3))
    planet_series._states.cache_clear()
    steps = 0
    advance = Model.advance

    def counted(self: Model, state: State, count: int) -> State:
        nonlocal steps
        steps += count
        return advance(self, state, count)

    monkeypatch.setattr(Model, "advance", counted)
    assert bytes_of(series(folder=tmp_path).make(3)) == wanted
    assert steps == 5 * 6  # this block's own


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import hashlib; from catena.data_ingest.planet import Planet;"
        "from catena.data_ingest.planet_series import PlanetSeries;"
        "s = PlanetSeries(Planet(seed=4), count=22, block=5, spin_up_days=3);"
        "print(hashlib.sha256(s.make(2)['ua'].tobytes()).hexdigest())"
    )
    import hashlib

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == hashlib.sha256(series().make(2)["ua"].tobytes()).hexdigest()


def test_dataset_is_lazy_and_says_that_it_is_generated() -> None:
    dataset = series().dataset()
    assert planet_series._states.cache_info().currsize == 0  # nothing was made
    assert dataset.attrs["generated"] == "true"
    assert dataset["ua"].dims == ("time", "plev", "lat", "lon")
    assert dataset["ua"].chunks is not None
    assert dataset["ua"].chunks[0] == (5, 5, 5, 5, 2)
    assert dataset["time"].dt.calendar == "noleap"
    assert (np.diff(dataset["lat"]) > 0).all()
    assert float(dataset["lon"][0]) == -180
    assert dataset["plev"].values.tolist() == [85000.0, 50000.0, 25000.0]
    wanted = series().make(1)
    part = dataset.isel(time=slice(5, 10)).load()
    for name, values in wanted.items():
        assert np.array_equal(part[name].values, values)
        assert part[name].attrs["units"]
    assert np.isfinite(dataset["psl"].values).all()


def test_standard_calendar_has_ordinary_times() -> None:
    dataset = series(calendar="standard", start="2004-02-28").dataset()
    assert dataset["time"].dtype.kind == "M"
    assert str(dataset["time"].values[-1])[:13] == "2004-03-04T06"


def test_series_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidData, match="series of 0 fields"):
        PlanetSeries(count=0)
    with pytest.raises(InvalidData, match="block 5 asked of a series of 5"):
        series().make(5)


def test_series_goes_into_the_hot_cache(tmp_path: Path) -> None:
    from catena.data_ingest.hot_cache import write_hot_cache

    dataset: xr.Dataset = series().dataset()
    cache = write_hot_cache(
        dataset, tmp_path / "c", leads_s=(21600,), block_steps=5, generated=True
    )
    assert cache.metadata.sample_shape == (18, 32, 64)
    assert cache.metadata.generated
    label = [channel.label for channel in cache.channels].index("ua_25000")
    back = cache.physical(cache.sample(7))[label]
    wanted = series().make(1)["ua"][2, 2]
    assert np.abs(back - wanted).max() < 0.001 * np.abs(wanted).max()
