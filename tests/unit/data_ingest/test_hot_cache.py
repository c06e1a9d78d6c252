"""The hot cache gives back what was written, in an order that nothing but the seed decides."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import catena.data_ingest.hot_cache as writer
from catena.data_ingest.hot_cache import write_hot_cache
from catena.shared.errors import ArtifactCorrupt, FailedPrecondition, InvalidData, NotFound
from catena.shared.hot_cache import HotCache, Pairs, Run

HOUR = 3600


def fields(
    steps: int = 23, *, seed: int = 0, gaps: tuple[int, ...] = (), chunk: int = 5
) -> xr.Dataset:
    """Fields on two levels and one without, 6-hourly, with a step missing before each gap."""
    random = np.random.default_rng(seed)
    kept = np.setdiff1d(np.arange(steps + len(gaps)), gaps)
    time = np.datetime64("2001-01-01", "ns") + kept * np.timedelta64(6 * HOUR, "s")
    shape = (steps, 2, 4, 6)
    dataset = xr.Dataset(
        {
            "ua": (("time", "plev", "lat", "lon"), random.normal(5, 20, shape), {"units": "m s-1"}),
            "psl": (
                ("time", "lat", "lon"),
                random.normal(101325, 900, (steps, 4, 6)),
                {"units": "Pa"},
            ),
            "name": ("time", np.arange(steps)),
        },
        coords={
            "time": time,
            "plev": [85000.0, 50000.0],
            "lat": np.linspace(-60, 60, 4),
            "lon": np.linspace(-180, 120, 6),
        },
        attrs={"title": "noise"},
    )
    return dataset.chunk(time=chunk)


def stacked(dataset: xr.Dataset) -> np.ndarray:
    """All channels, slowly: shape (t, V, H, W), float64."""
    return np.concatenate([dataset["ua"].values, dataset["psl"].values[:, None]], axis=1)


def test_float32_comes_back_bit_for_bit_and_without_a_copy(tmp_path: Path) -> None:
    dataset = fields()
    cache = write_hot_cache(
        dataset, tmp_path / "c", dtype="float32", normalise=False, block_steps=7
    )
    assert [channel.label for channel in cache.channels] == ["ua_85000", "ua_50000", "psl"]
    assert [channel.units for channel in cache.channels] == ["m s-1", "m s-1", "Pa"]
    assert (
        len(list((tmp_path / "c").iterdir())) == 5
    )  # four blocks, the metadata, nothing left over
    wanted = stacked(dataset).astype(np.float32)
    for step in range(23):
        assert np.array_equal(cache.sample(step), wanted[step])
    sample = cache.sample(3)
    assert not sample.flags.owndata
    assert not sample.flags.writeable
    assert np.shares_memory(sample, cache.sample(3))
    assert np.array_equal(cache.gather([22, 0, 7]), wanted[[22, 0, 7]])
    seconds = dataset["time"].values.astype("datetime64[s]").astype(int)
    assert np.array_equal(cache.times_s(), seconds)


def test_float16_is_off_by_no_more_than_half_a_unit_in_the_last_place(tmp_path: Path) -> None:
    dataset = fields()
    cache = write_hot_cache(dataset, tmp_path / "c", block_steps=4)
    wanted = stacked(dataset)
    mean, std = (
        np.array([getattr(channel, name) for channel in cache.channels])[:, None, None]
        for name in ("mean", "std")
    )
    stored = cache.gather(np.arange(23)).astype(np.float64)
    exact = (wanted.astype(np.float32) - mean) / std
    # 11 significant bits; below 2^-14 the spacing stays 2^-24.
    assert (np.abs(stored - exact) <= np.maximum(np.abs(exact) * 2.0**-11, 2.0**-25)).all()
    back = cache.physical(cache.gather(np.arange(23)))
    assert (np.abs(back - wanted) <= std * 4.5 * 2.0**-11 + np.abs(wanted) * 2.0**-22).all()


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("block_steps", [1, 4, 50])
def test_statistics_of_the_cache(tmp_path: Path, normalise: bool, block_steps: int) -> None:
    dataset = fields(gaps=(9,))
    cache = write_hot_cache(
        dataset,
        tmp_path / "c",
        dtype="float32",
        normalise=normalise,
        leads_s=(6 * HOUR, 24 * HOUR),
        block_steps=block_steps,
    )
    values = stacked(dataset).astype(np.float32).astype(np.float64)
    for number, channel in enumerate(cache.channels):
        one = values[:, number]
        assert channel.mean == pytest.approx(one.mean(), rel=1e-12)
        assert channel.std == pytest.approx(one.std(), rel=1e-12)
        assert (channel.count, channel.missing) == (one.size, 0)
        for lead, key in ((1, str(6 * HOUR)), (4, str(24 * HOUR))):
            # Not across the gap: steps 0..8 and 9..22 are the two unbroken runs.
            slow = np.concatenate([run[lead:] - run[:-lead] for run in (one[:9], one[9:])])
            mean, std = channel.differences[key]
            assert mean == pytest.approx(slow.mean(), rel=1e-12)
            assert std == pytest.approx(slow.std(), rel=1e-12)


def test_statistics_of_the_training_period_only(tmp_path: Path) -> None:
    dataset = fields()
    cache = write_hot_cache(
        dataset, tmp_path / "c", leads_s=(12 * HOUR,), statistics_steps=(3, 14), block_steps=4
    )
    training = stacked(dataset).astype(np.float32).astype(np.float64)[3:14, 2]
    channel = cache.channels[2]
    assert channel.mean == pytest.approx(training.mean(), rel=1e-12)
    _, std = channel.differences[str(12 * HOUR)]
    assert std == pytest.approx((training[2:] - training[:-2]).std(), rel=1e-12)
    # And another cache, of the test period, can be normalised with them.
    test = write_hot_cache(
        dataset.isel(time=slice(14, None)), tmp_path / "t", statistics=cache.channels
    )
    assert test.channels == cache.channels
    assert np.array_equal(test.gather(np.arange(9)), cache.gather(np.arange(14, 23)))


def test_missing_values_stay_missing_and_are_counted(tmp_path: Path) -> None:
    dataset = fields().load()
    dataset["psl"][2, 1, 1] = np.nan
    cache = write_hot_cache(dataset, tmp_path / "c")
    assert cache.channels[2].missing == 1
    assert np.isnan(cache.sample(2)[2, 1, 1])
    assert np.isfinite(cache.gather(np.arange(23))).sum() == 23 * 3 * 24 - 1


@settings(deadline=None, max_examples=100)
@given(
    gaps=st.sets(st.integers(1, 40), max_size=6),
    lead=st.integers(0, 6),
    window=st.tuples(st.integers(0, 15), st.integers(15, 40)),
)
def test_pairs_are_exactly_those_without_a_gap(
    gaps: set[int], lead: int, window: tuple[int, int]
) -> None:
    times = np.setdiff1d(np.arange(41), list(gaps))
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(times) > 1) + 1, [times.size]])
    runs = [
        Run(int(first), int(times[first]), int(stop - first))
        for first, stop in itertools.pairwise(cuts)
    ]
    pairs = Pairs(runs, lead, *window)
    slow = [
        index
        for index in range(window[0], min(window[1], times.size) - lead)
        if times[index + lead] - times[index] == lead
    ]
    assert len(pairs) == len(slow)
    assert pairs.starts(np.arange(len(pairs))).tolist() == slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> HotCache:
    """A cache of 60 steps with two gaps."""
    folder = tmp_path_factory.mktemp("cache") / "c"
    return write_hot_cache(
        fields(60, gaps=(20, 41)), folder, dtype="float32", normalise=False, block_steps=8
    )


LEADS = (6 * HOUR, 12 * HOUR, 24 * HOUR)


def test_targets_lie_one_lead_after_their_inputs(cache: HotCache) -> None:
    times = cache.times_s()
    drawn: set[int] = set()
    for batch in cache.batches(leads_s=LEADS, size=4, seed=1):
        for start, lead, source, target in zip(
            batch.starts, batch.leads_s, batch.inputs, batch.targets, strict=True
        ):
            (end,) = np.flatnonzero(times == times[start] + lead)
            assert end - start == lead // (6 * HOUR)  # no gap in between
            assert np.array_equal(source, cache.sample(int(start)))
            assert np.array_equal(target, cache.sample(int(end)))
            drawn.add(int(lead))
    assert drawn == set(LEADS)


def test_an_epoch_has_every_input_once(cache: HotCache) -> None:
    pairs = cache.pairs(24 * HOUR)
    starts = np.concatenate(
        [batch.starts for batch in cache.batches(leads_s=LEADS, size=1, seed=1)]
    )
    assert np.array_equal(np.sort(starts), pairs.starts(np.arange(len(pairs))))
    assert not np.array_equal(starts, np.sort(starts))


def epoch_of(cache: HotCache, ranks: int, first: int = 0) -> list[set[tuple[int, int]]]:
    """The samples of each global batch, over all ranks."""
    readers = [
        cache.batches(leads_s=LEADS, size=12, seed=5, epoch=2, rank=rank, ranks=ranks, first=first)
        for rank in range(ranks)
    ]
    return [
        {
            (int(start), int(lead))
            for part in parts
            for start, lead in zip(part.starts, part.leads_s, strict=True)
        }
        for parts in zip(*readers, strict=True)
    ]


@pytest.mark.parametrize("ranks", [2, 3, 4, 6, 12])
def test_batches_do_not_depend_on_the_number_of_ranks(cache: HotCache, ranks: int) -> None:
    assert epoch_of(cache, ranks) == epoch_of(cache, 1)


def test_an_epoch_goes_on_in_the_middle(cache: HotCache) -> None:
    assert epoch_of(cache, 2, first=2) == epoch_of(cache, 1)[2:]


def test_another_process_may_read_too(cache: HotCache) -> None:
    cache.sample(0)
    copy = pickle.loads(pickle.dumps(cache))
    assert np.array_equal(copy.sample(59), cache.sample(59))


def test_corruption_is_found(tmp_path: Path) -> None:
    write_hot_cache(fields(), tmp_path / "c", block_steps=7)
    block = tmp_path / "c" / "block-00002.npy"
    whole = block.read_bytes()
    block.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    HotCache.open(tmp_path / "c")  # sizes are right, content is not looked at
    with pytest.raises(ArtifactCorrupt, match=r"block-00002\.npy has digest"):
        HotCache.open(tmp_path / "c", verify=True)
    block.write_bytes(whole[:-3])
    with pytest.raises(ArtifactCorrupt, match=r"block-00002\.npy has \d+ bytes"):
        HotCache.open(tmp_path / "c")
    block.unlink()
    with pytest.raises(ArtifactCorrupt, match="missing"):
        HotCache.open(tmp_path / "c")


class Killed(Exception):
    """Stands for kill -9."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kill_at", [1, 3, 5, 7, 8])
def test_a_killed_writer_goes_on_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    dataset = fields(gaps=(9,))
    settings_: dict[str, Any] = {"block_steps": 6, "leads_s": (6 * HOUR, 48 * HOUR)}
    write_hot_cache(dataset, tmp_path / "whole", **settings_)
    replace_file, calls = writer._replace_file, 0

    def dying(path: Path, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at + 1:  # what followed the last note is lost
            raise Killed
        replace_file(path, data)

    monkeypatch.setattr(writer, "_replace_file", dying)
    with pytest.raises(Killed):
        write_hot_cache(dataset, tmp_path / "killed", **settings_)
    with pytest.raises(NotFound, match="goes on where it stopped"):
        HotCache.open(tmp_path / "killed")
    monkeypatch.setattr(writer, "_replace_file", replace_file)

    messages: list[str] = []
    write_hot_cache(
        dataset,
        tmp_path / "killed",
        progress=lambda share, message: messages.append(message),
        **settings_,
    )
    assert len(messages) == 8 - kill_at  # 4 blocks, counted and written
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_folder_of_other_data_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(share: float, message: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        write_hot_cache(fields(), tmp_path / "c", progress=dying)
    with pytest.raises(FailedPrecondition, match="other data or settings"):
        write_hot_cache(fields(22), tmp_path / "c")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "letter.txt").write_text("mine")
    with pytest.raises(FailedPrecondition, match=r"letter\.txt"):
        write_hot_cache(fields(), tmp_path / "d")
    write_hot_cache(fields(), tmp_path / "e")
    with pytest.raises(FailedPrecondition, match="finished"):
        write_hot_cache(fields(), tmp_path / "e")


def test_noleap_times(tmp_path: Path) -> None:
    dataset = fields(8)
    dataset["time"] = xr.date_range("2000-02-27", periods=8, freq="D", calendar="noleap")
    cache = write_hot_cache(dataset, tmp_path / "c")
    assert cache.metadata.calendar == "noleap"
    assert cache.metadata.step_s == 86400
    assert len(cache.metadata.runs) == 1  # 29 February is no gap where there is none


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
@pytest.mark.parametrize(("freq", "months"), [("MS", 1), ("QS", 3), ("YS", 12)])
def test_months_and_years_are_steps_that_follow_each_other(
    tmp_path: Path, calendar: str, freq: str, months: int
) -> None:
    time = xr.date_range("1899-01-01", periods=24, freq=freq, calendar=calendar, use_cftime=True)
    dataset = fields(23).assign_coords(time=np.delete(time, 9))
    cache = write_hot_cache(dataset, tmp_path / "c")
    year = {"standard": 365.25, "noleap": 365, "360_day": 360}[calendar]
    assert cache.metadata.step_s == year * 86400 * months / 12
    assert [(run.first, run.count) for run in cache.metadata.runs] == [(0, 9), (9, 14)]
    true = cftime.date2num(np.delete(time, 9), "seconds since 1970-01-01", calendar=calendar)
    assert np.abs(cache.times_s() - true).max() <= 2.6 * 86400


def test_refusals_name_the_variable_and_both_values(tmp_path: Path) -> None:
    dataset = fields()
    with pytest.raises(InvalidData, match=r"name: found .'time',.*wanted the dimensions time"):
        write_hot_cache(dataset, tmp_path, variables=["name"])
    with pytest.raises(InvalidData, match="tas: found no such variable"):
        write_hot_cache(dataset, tmp_path, variables=["tas"])
    with pytest.raises(InvalidData, match="time: step 1 is at"):
        write_hot_cache(dataset.isel(time=[1, 0, 2]), tmp_path)
    with pytest.raises(InvalidData, match="5 s asked for, but the step is 21600 s"):
        write_hot_cache(dataset, tmp_path, leads_s=[5])
    with pytest.raises(InvalidData, match="float16 without normalisation"):
        write_hot_cache(dataset, tmp_path, normalise=False)
    wild = dataset.load().copy(deep=True)
    wild["psl"][20, 0, 0] = 1e12
    with pytest.raises(InvalidData, match="psl at step 20 holds"):
        write_hot_cache(wild, tmp_path / "w", statistics_steps=(0, 10))
    empty = dataset.copy()
    empty["psl"] = empty["psl"] * np.nan
    with pytest.raises(InvalidData, match="psl has no value"):
        write_hot_cache(empty, tmp_path / "n")


def test_reader_refusals(cache: HotCache) -> None:
    with pytest.raises(InvalidData, match="sample 60 asked of a hot cache of 60"):
        cache.sample(60)
    with pytest.raises(InvalidData, match="step of 21600 s"):
        cache.pairs(HOUR)
    with pytest.raises(InvalidData, match="multiple of the number of ranks"):
        next(cache.batches(leads_s=LEADS, size=5, seed=0, ranks=2))
    with pytest.raises(InvalidData, match="wanted at least one batch of 1000"):
        next(cache.batches(leads_s=LEADS, size=1000, seed=0))


def test_another_schema_is_refused(tmp_path: Path) -> None:
    write_hot_cache(fields(), tmp_path / "c")
    path = tmp_path / "c" / "hot_cache.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(FailedPrecondition, match="schema 9"):
        HotCache.open(tmp_path / "c")


def test_memory_is_that_of_one_block(tmp_path: Path) -> None:
    import tracemalloc

    import dask.array as da

    shape = (400, 64, 128)  # 13 MB in float32, blocks of 8 steps are 0.26 MB
    dataset = xr.Dataset(
        {"psl": (("time", "lat", "lon"), da.ones(shape, dtype=np.float32, chunks=(8, -1, -1)))},
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(400) * np.timedelta64(6, "h"),
            "lat": np.linspace(-88, 88, 64),
            "lon": np.linspace(-180, 177, 128),
        },
    )
    tracemalloc.start()
    cache = write_hot_cache(dataset, tmp_path / "c", block_steps=8, leads_s=(6 * HOUR,))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6
    assert cache.channels[0].std == 0.0
    assert (cache.sample(399) == 0).all()  # a constant field does not divide by zero
