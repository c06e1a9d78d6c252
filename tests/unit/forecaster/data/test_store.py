"""The store of forecasts: equal to memory to the bit, appended to safely, read block by block."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from catena.forecaster.data import store as store_module
from catena.forecaster.data.donors import Donors, ForecastNoise
from catena.forecaster.data.noise import ARCHIVED, NOISED, ForecastWeather, forecast_weather
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.reforecasts import append_forecasts, archive_noise
from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.splits import YearSplit
from catena.forecaster.data.store import ForecastArchive, ForecastArray, ForecastStore
from catena.forecaster.data.windows import Windows
from catena.shared.errors import ArtifactCorrupt, FailedPrecondition, InvalidData, NotFound

LEADS = 6
DAYS = np.datetime64("2001-01-01") + np.arange(300)
BASINS, NAMES = ("a", "b", "c"), ("pr", "tas")


def some(issues: int, members: int = 0, seed: int = 0) -> np.ndarray:
    shape = (len(BASINS), issues, LEADS, len(NAMES), *([members] if members else []))
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    values[np.random.default_rng(seed + 1).uniform(size=shape) < 0.05] = np.nan
    return values


def made(folder: Path, members: int = 0) -> ForecastStore:
    return ForecastStore.create(
        folder, basins=BASINS, names=NAMES, leads=LEADS, members=members, units=("mm d-1", "degC")
    )


@pytest.fixture(params=[0, 3])
def members(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_xarray_opens_what_was_written(tmp_path: Path, members: int) -> None:
    values = some(300, members)
    made(tmp_path / "s", members).append(DAYS, values)
    with xr.open_zarr(tmp_path / "s", chunks=None) as dataset:
        np.testing.assert_array_equal(dataset["weather"].values, values)
        assert dataset["weather"].dims[:4] == (
            "basin", "forecast_reference_time", "leadtime", "variable",
        )  # fmt: skip
        # Lead 1 of issue day t is the day that ends at reference time + 1 day.
        valid = dataset["forecast_reference_time"] + dataset["leadtime"]
        assert valid.values[0, 0] == np.datetime64("2001-01-03T00")
        assert dataset["forecast_reference_time"].attrs["standard_name"] == (
            "forecast_reference_time"
        )
        assert dataset["leadtime"].attrs["standard_name"] == "forecast_period"
        assert list(dataset["variable_units"].values) == ["mm d-1", "degC"]


def test_samples_of_the_store_equal_those_in_memory_to_the_bit(
    tmp_path: Path, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "CHUNK_BYTES", 128 * LEADS * 2 * 4 * max(members, 1))
    values = some(300, members)
    whole = made(tmp_path / "s", members).append(DAYS, values)
    assert whole.blocks.grid == (3, 3)
    memory = ForecastArray(BASINS, NAMES, DAYS, values)
    rng = np.random.default_rng(5)
    basins, issues = rng.integers(-1, 3, 500), rng.integers(-1, 300, 500)
    which = rng.integers(0, 9, 500)
    columns = np.array([1, 0])
    wanted = np.full((500, LEADS + 2, 2), np.nan, np.float32)
    for row in range(500):
        if basins[row] >= 0 and issues[row] >= 0:
            sample = values[basins[row], issues[row]][:, ::-1]
            wanted[row, :LEADS] = sample[..., which[row] % members] if members else sample
    # All at once, one block at a time, and from another process's copy.
    small = ForecastStore(tmp_path / "s", mapped_bytes=1)
    assert small.blocks.at_once == 1
    for source in (whole, memory, small, pickle.loads(pickle.dumps(whole))):
        got = source.pick(basins, issues, which, columns, LEADS + 2)
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("cuts", [(1, 2, 3), (128, 256), (100, 127, 129, 299), ()])
def test_appended_in_parts_is_the_same_as_at_once(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    values, grown = some(300), made(tmp_path / "s")
    for start, stop in zip((0, *cuts), (*cuts, 300), strict=True):
        before = grown
        grown = grown.append(DAYS[start:stop], values[:, start:stop])
        # Whoever had it open still sees what was there.
        assert len(before.issue_days) == start
    np.testing.assert_array_equal(grown.dataset()["weather"].values, values)
    np.testing.assert_array_equal(grown.issue_days, DAYS)


def test_an_open_store_is_not_changed_by_an_append(tmp_path: Path) -> None:
    values = some(300)
    first = made(tmp_path / "s").append(DAYS[:130], values[:, :130])
    every = np.arange(130)
    zeros, columns = np.zeros(130, np.int64), np.arange(2)
    before = first.pick(zeros, every, zeros, columns, LEADS)
    first.append(DAYS[130:], values[:, 130:])
    np.testing.assert_array_equal(first.pick(zeros, every, zeros, columns, LEADS), before)
    with pytest.raises(FailedPrecondition, match="open it again"):
        first.append(DAYS[130:], values[:, 130:])


class Killed(BaseException):
    """The end of the process: nothing catches it."""


def appended_until(
    folder: Path, writes: int, monkeypatch: pytest.MonkeyPatch, value: float = 777.0
) -> bool:
    """Append 100 issue days and die before the write of this number; whether it came through."""
    done, put = 0, zarr.storage._local._put

    def dying(*args: Any, **named: Any) -> Any:
        nonlocal done
        done += 1
        if done > writes:
            raise Killed
        return put(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.storage._local, "_put", dying)
        try:
            ForecastStore(folder).append(DAYS[200:], np.full((3, 100, LEADS, 2), value))
        except Killed:
            return False
    return True


def test_an_append_killed_before_any_of_its_writes_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = some(300)
    made(tmp_path / "s").append(DAYS[:200], values[:, :200])
    for writes in range(20):
        if appended_until(tmp_path / "s", writes, monkeypatch):
            break
        left = ForecastStore(tmp_path / "s")
        np.testing.assert_array_equal(left.issue_days, DAYS[:200])
        np.testing.assert_array_equal(left.dataset()["weather"].values, values[:, :200])
    assert writes >= 5  # two arrays' metadata, times, two chunks; then the root's metadata
    assert (ForecastStore(tmp_path / "s").dataset()["weather"].values[:, 200:] == 777).all()


def test_what_a_killed_append_wrote_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = some(300)
    made(tmp_path / "s").append(DAYS[:200], values[:, :200])
    # Everything but the last write: the traces are all there.
    assert not appended_until(tmp_path / "s", 5, monkeypatch)
    # Other forecasts than those of the killed run, fewer of them at first.
    grown = ForecastStore(tmp_path / "s").append(DAYS[200:210], values[:, 200:210])
    grown = grown.append(DAYS[210:], values[:, 210:])
    np.testing.assert_array_equal(grown.dataset()["weather"].values, values)


DIES = """
import os, sys
import numpy as np
import zarr
from catena.forecaster.data.store import ForecastStore

put, done = zarr.storage._local._put, []

def dying(path, *rest, **named):
    done.append(path)
    return os._exit(9) if len(done) > 4 else put(path, *rest, **named)

zarr.storage._local._put = dying
days = np.datetime64("2001-01-01") + np.arange(200, 300)
ForecastStore(sys.argv[1]).append(days, np.full((3, 100, 6, 2), 777, np.float32))
"""


@pytest.mark.slow
def test_a_process_that_dies_in_an_append_leaves_no_trace(tmp_path: Path) -> None:
    values = some(300)
    made(tmp_path / "s").append(DAYS[:200], values[:, :200])
    command = [sys.executable, "-W", "ignore", "-c", DIES, str(tmp_path / "s")]
    assert subprocess.run(command, check=False).returncode == 9
    left = ForecastStore(tmp_path / "s")
    np.testing.assert_array_equal(left.dataset()["weather"].values, values[:, :200])
    grown = left.append(DAYS[200:], values[:, 200:])
    np.testing.assert_array_equal(grown.dataset()["weather"].values, values)


def test_a_store_that_was_never_finished_is_not_there(tmp_path: Path) -> None:
    made(tmp_path / "s")
    (tmp_path / "s" / "zarr.json").unlink()
    with pytest.raises(NotFound, match="written last"):
        ForecastStore(tmp_path / "s")
    again = made(tmp_path / "s").append(DAYS[:2], some(2))
    np.testing.assert_array_equal(again.dataset()["weather"].values, some(2))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    store = made(tmp_path / "s").append(DAYS[:10], some(10))
    with pytest.raises(InvalidData, match="shape"):
        store.append(DAYS[10:12], some(3))
    for days in (DAYS[9:11], DAYS[[11, 10]], DAYS[[10, 10]]):
        with pytest.raises(InvalidData, match="wanted each once, in order and after 2001-01-10"):
            store.append(days, some(2))
    with pytest.raises(FailedPrecondition, match="holds a store already"):
        made(tmp_path / "s")
    with pytest.raises(InvalidData, match="none twice"):
        ForecastStore.create(tmp_path / "t", basins=["a", "a"], names=["pr"], leads=3)
    [chunk] = [path for path in (tmp_path / "s" / "weather" / "c").rglob("*") if path.is_file()]
    chunk.write_bytes(chunk.read_bytes()[:-4])
    one = np.zeros(1, np.int64)
    with pytest.raises(ArtifactCorrupt, match="a chunk has"):
        ForecastStore(tmp_path / "s").pick(one, one, one, one, LEADS)
    xr.Dataset({"pr": ("x", np.zeros(3))}).to_zarr(tmp_path / "u", zarr_format=3)
    with pytest.raises(InvalidData, match="wanted an array 'weather'"):
        ForecastStore(tmp_path / "u")


@pytest.fixture(scope="module")
def archived(
    records: BasinRecords, split: YearSplit
) -> tuple[BasinRecords, np.ndarray, np.ndarray]:
    """Noised forecasts of the records, every third day, as an archive would hold them."""
    donors = Donors(records.days, split.days(records.days, "train"), LEADS, seed=1)
    issues = np.arange(50, len(records.days) - LEADS, 3)
    weather = ForecastWeather(NOISED, donors=donors)
    return records, issues, forecast_weather(records, issues, LEADS, weather)


def test_windows_read_the_store_as_they_read_memory(
    tmp_path: Path,
    archived: tuple[BasinRecords, np.ndarray, np.ndarray],
    split: YearSplit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records, issues, values = archived
    monkeypatch.setattr(store_module, "CHUNK_BYTES", 1)
    order = records.basins[::-1]
    days = records.days[issues]
    store = ForecastStore.create(
        tmp_path / "s", basins=order, names=records.weather_names, leads=LEADS
    ).append(days, values[::-1])
    scalers = Scalers.fit(records, split.days(records.days, "train"))
    common = {"past": 20, "leads": 8, "forecasts": ForecastWeather(ARCHIVED)}
    level = np.linspace(0.1, 0.9, 8)
    small = ForecastStore(tmp_path / "s", mapped_bytes=3 * store.mapped_bytes // 40)
    sources = (ForecastArray(records.basins, records.weather_names, days, values), small)
    one, two = (
        Windows(records, scalers, archive=ForecastArchive(source, records, 8),
                archive_noise=level, **common)
        for source in sources
    )  # fmt: skip
    rows = np.arange(0, len(one), 11)
    a, b = one.batch(rows)[0], two.batch(rows)[0]
    np.testing.assert_array_equal(a.future_weather, b.future_weather)
    np.testing.assert_array_equal(a.noise, b.noise)
    for place, row in enumerate(rows):
        at = np.flatnonzero(issues == one.issue[row])
        got = a.future_weather[place, :, :-2].numpy()
        if at.size:
            wanted = scalers.weather(values[one.basin[row], at[0]])
            np.testing.assert_allclose(got[:LEADS], wanted, rtol=1e-6)
            np.testing.assert_allclose(a.noise[place, :LEADS], level[:LEADS], rtol=1e-6)
            assert np.isnan(got[LEADS:]).all() and (a.noise[place, LEADS:] == 1).all()
        else:
            assert np.isnan(got).all() and (a.noise[place] == 1).all()


def test_an_epoch_reads_each_block_once_when_they_do_not_fit_into_memory(
    tmp_path: Path,
    archived: tuple[BasinRecords, np.ndarray, np.ndarray],
    split: YearSplit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records, issues, values = archived
    monkeypatch.setattr(store_module, "CHUNK_BYTES", 1)
    store = ForecastStore.create(
        tmp_path / "s", basins=records.basins, names=records.weather_names, leads=LEADS
    ).append(records.days[issues], values)
    blocks = store.blocks.grid[0] * store.blocks.grid[1]
    assert blocks >= 28
    tight = ForecastStore(tmp_path / "s", mapped_bytes=5 * 128 * LEADS * 2 * 4)
    assert tight.blocks.at_once == 5
    loads: list[tuple[int, int]] = []
    load = tight.blocks._load
    monkeypatch.setattr(tight.blocks, "_load", lambda *at: (loads.append(at), load(*at))[1])
    scalers = Scalers.fit(records, split.days(records.days, "train"))
    windows = Windows(
        records, scalers, past=20, leads=LEADS, issues=issues, forecasts=ForecastWeather(ARCHIVED),
        archive=ForecastArchive(tight, records, LEADS),
    )  # fmt: skip
    rows = np.concatenate([*windows.batches(50, seed=3, epoch=1)])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(windows)))
    for batch in windows.batches(50, seed=3, epoch=1):
        windows.batch(batch)
    assert len(loads) == blocks
    again = np.concatenate([*windows.batches(50, seed=3, epoch=2)])
    assert (again != rows).mean() > 0.9


def test_forecasts_of_data_ingest_become_a_store_in_the_units_of_records(tmp_path: Path) -> None:
    values = some(300)
    values[:, :, :, 1] += 10
    dims = ("basin", "forecast_reference_time", "leadtime")
    dataset = xr.Dataset(
        {
            "pr": (dims, values[..., 0].astype(float) / 86400, {"units": "kg m-2 s-1"}),
            "tas": (dims, values[..., 1] + np.float64(273.15), {"units": "K"}),
        },
        coords={
            "basin": list(BASINS),
            "forecast_reference_time": (DAYS + 1).astype("datetime64[ns]"),
            "leadtime": np.arange(1, LEADS + 1).astype("timedelta64[D]").astype("timedelta64[ns]"),
        },
    )
    grown = append_forecasts(made(tmp_path / "s"), dataset.isel(forecast_reference_time=slice(140)))
    grown = append_forecasts(grown, dataset)
    np.testing.assert_array_equal(grown.issue_days, DAYS)
    got = grown.dataset()["weather"].values
    np.testing.assert_allclose(got, values, rtol=1e-5, atol=1e-5)
    at_noon = dataset.assign_coords(
        forecast_reference_time=dataset["forecast_reference_time"] + np.timedelta64(12, "h")
    )
    for wrong, message in (
        (at_noon, "wanted 00 UTC"),
        (dataset.isel(leadtime=slice(3)), "wanted 1 to 6 days"),
        (dataset.isel(basin=slice(1, 3)), "lack the basins a"),
        (dataset.drop_vars("tas"), "forecast of tas: not there"),
        (dataset.assign(pr=dataset["pr"].assign_attrs(units="m")), "cannot become"),
    ):
        with pytest.raises(InvalidData, match=message):
            append_forecasts(made(tmp_path / f"t{message[:9]}"), wrong)


def test_the_noise_of_an_archive_is_found_from_training_days_alone(split: YearSplit) -> None:
    from catena.forecaster.data.generated import generated_records

    records = generated_records(12, 8, seed=2)
    train = split.days(records.days, "train")
    donors = Donors(records.days, np.ones(len(train), bool), LEADS, seed=1)
    issues = np.arange(0, len(records.days) - LEADS)
    weather = ForecastWeather(NOISED, donors=donors)
    values = forecast_weather(records, issues, LEADS, weather)
    source = ForecastArray(records.basins, records.weather_names, records.days[issues], values)
    found = archive_noise(ForecastArchive(source, records, LEADS), records, train)
    np.testing.assert_allclose(found, 1 - ForecastNoise().weights(LEADS), atol=0.05)
    values[:, ~train[issues]] = 99.0  # what comes later is not looked at
    source = ForecastArray(records.basins, records.weather_names, records.days[issues], values)
    again = archive_noise(ForecastArchive(source, records, LEADS), records, train)
    np.testing.assert_array_equal(found, again)
    with pytest.raises(InvalidData, match="no forecast was issued"):
        archive_noise(ForecastArchive(source, records, LEADS), records, np.zeros_like(train))
