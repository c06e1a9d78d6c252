"""Batches hold the right fields, and which ones follows from seed and step alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.orbit_caches import GRID, cached, slow_fields, waves

from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.batches import Batch, BatchStream, Deal
from catena.orbit_trainer.sources import Source
from catena.orbit_trainer.statistics import measured
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

NAMES = ("tas", "psl", "ua")
LEADS = (6.0, 12.0, 24.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> HotCache:
    return cached(waves(NAMES, gaps=(20,)), tmp_path_factory.mktemp("c") / "c")


@pytest.fixture(scope="module")
def statistics(cache: HotCache) -> Statistics:
    return measured(cache, NAMES, LEADS, Period())


def stream(cache: HotCache, statistics: Statistics, **changed: object) -> BatchStream:
    given = {
        "variables": NAMES,
        "outputs": ("ua", "tas"),
        "leads_h": LEADS,
        "size": 12,
        "seed": 3,
        "period": Period(),
        "residual": True,
    }
    return BatchStream(cache, **{**given, **changed}, statistics=statistics)  # type: ignore[arg-type]


def same(first: Batch, second: Batch) -> bool:
    return all(
        torch.equal(getattr(first, name).nan_to_num(7e7), getattr(second, name).nan_to_num(7e7))
        for name in ("fields", "targets", "variables", "lead_hours")
    )


def steps_of(batch: Batch, normalised: np.ndarray) -> list[int]:
    """Which step each input is, found by comparing it with all of them."""
    found = []
    for sample in batch.fields.numpy():
        errors = np.abs(normalised - sample).max((1, 2, 3))
        assert errors.min() < 1e-3
        found.append(int(errors.argmin()))
    return found


def test_targets_are_what_came_a_lead_later_and_never_across_a_gap(
    cache: HotCache, statistics: Statistics
) -> None:
    fields = slow_fields(waves(NAMES, gaps=(20,)), NAMES)
    mean, std = (column[:, None, None] for column in statistics.moments(NAMES))
    normalised = (fields - mean) / std
    times = cache.times_s()
    leads_seen = set()
    for step in range(6):
        batch = stream(cache, statistics).batch(step)
        later = statistics.restored(
            batch.fields[:, [2, 0]], batch.targets, batch.lead_hours, ("ua", "tas")
        )
        for row, start in enumerate(steps_of(batch, normalised)):
            lead = float(batch.lead_hours[row])
            leads_seen.add(lead)
            stop = start + round(lead / 6)
            assert times[stop] - times[start] == lead * 3600
            assert np.abs(later[row].numpy() - normalised[stop][[2, 0]]).max() < 1e-3
    assert leads_seen == set(LEADS)


def test_a_direct_target_is_the_normalised_field(cache: HotCache, statistics: Statistics) -> None:
    direct = stream(cache, statistics, residual=False).batch(2)
    change = stream(cache, statistics).batch(2)
    restored = statistics.restored(
        change.fields[:, [2, 0]], change.targets, change.lead_hours, ("ua", "tas")
    )
    assert torch.allclose(direct.targets, restored, atol=1e-4)


def test_targets_have_a_spread_of_one_at_each_lead(cache: HotCache, statistics: Statistics) -> None:
    batches = [stream(cache, statistics, size=48).batch(step) for step in range(10)]
    targets = torch.cat([batch.targets for batch in batches])
    leads = torch.cat([batch.lead_hours for batch in batches])
    for lead in LEADS:
        assert targets[leads == lead].std((0, 2, 3)).numpy() == pytest.approx(1.0, abs=0.1)


@settings(deadline=None, max_examples=25)
@given(step=st.integers(0, 10**6), ranks=st.sampled_from([1, 2, 3, 4, 6, 12]), seed=st.integers())
def test_ranks_share_a_batch_that_does_not_depend_on_them(
    cache: HotCache, statistics: Statistics, step: int, ranks: int, seed: int
) -> None:
    made = stream(cache, statistics, seed=seed)
    whole = made.batch(step)
    for rank in range(ranks):
        assert same(made.batch(step, rank, ranks), whole.part(rank, ranks))


def test_few_samples_are_spread_over_the_period_and_come_again_and_again(
    cache: HotCache, statistics: Statistics
) -> None:
    made = stream(cache, statistics, size=4, samples=8)
    mean, std = (column[:, None, None] for column in statistics.moments(NAMES))
    normalised = (slow_fields(waves(NAMES, gaps=(20,)), NAMES) - mean) / std
    assert made.samples == 8
    epochs = [
        [
            start
            for step in (2 * epoch, 2 * epoch + 1)
            for start in steps_of(made.batch(step), normalised)
        ]
        for epoch in range(3)
    ]
    for epoch in epochs:
        assert sorted(epoch) == sorted(epochs[0]) and len({*epoch}) == 8
    assert min(epochs[0]) == 0 and max(epochs[0]) > 45, "the first steps alone are one season"
    with pytest.raises(InvalidRequest, match="53 samples of a period with 52"):
        stream(cache, statistics, samples=53)


def test_every_pair_comes_once_an_epoch_in_another_order(
    cache: HotCache, statistics: Statistics
) -> None:
    made = stream(cache, statistics, size=4)
    normalised = (slow_fields(waves(NAMES, gaps=(20,)), NAMES)).astype(np.float64)
    mean, std = (column[:, None, None] for column in statistics.moments(NAMES))
    normalised = (normalised - mean) / std
    assert made.samples == 60 - 2 * 4  # two runs, the longest lead is four steps
    epochs = [
        [
            start
            for step in range(13 * epoch, 13 * (epoch + 1))
            for start in steps_of(made.batch(step), normalised)
        ]
        for epoch in range(2)
    ]
    wanted = [step for step in range(60) if not (16 <= step < 20 or step >= 56)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == wanted
    assert epochs[0] != epochs[1]


def test_a_training_goes_on_at_any_step(cache: HotCache, statistics: Statistics) -> None:
    made = stream(cache, statistics)
    with made.ahead() as everything:
        listed = [next(everything) for _ in range(8)]
    with made.ahead(5, rank=1, ranks=2) as rest:
        for step in range(5, 8):
            assert same(next(rest), listed[step].part(1, 2))


def test_samples_stay_in_their_period(cache: HotCache, statistics: Statistics) -> None:
    fields = slow_fields(waves(NAMES, gaps=(20,)), NAMES)
    mean, std = (column[:, None, None] for column in statistics.moments(NAMES))
    normalised = (fields - mean) / std
    period = Period("2001-01-08", "2001-01-11T06")
    made = stream(cache, statistics, period=period, size=9)
    first, stop = period.steps(cache)
    assert stop - first == 13
    assert made.samples == 9
    starts = [start for step in range(3) for start in steps_of(made.batch(step), normalised)]
    assert min(starts) == first
    assert max(starts) == stop - 5


def test_caches_are_dealt_out_by_their_shares_and_lack_what_they_lack(tmp_path: Path) -> None:
    one = cached(waves(("tas", "psl")), tmp_path / "1")
    two = cached(waves(("tas", "ua"), seed=1), tmp_path / "2", half=True)
    both = [Source(one, 1.0), Source(two, 3.0)]
    statistics = measured(both, NAMES, LEADS, Period())
    made = stream(both, statistics, size=8)  # type: ignore[arg-type]
    for step in range(4):
        batch = made.batch(step)
        assert batch.present is not None
        assert batch.present[:, 0].all()
        assert (batch.present[:, 1] != batch.present[:, 2]).all()
        of_one = batch.present[:, 1]
        assert of_one.sum() == 2
        assert (batch.fields[of_one, 2] == 0).all()
        assert torch.isnan(batch.targets[of_one, 0]).all()
        assert not torch.isnan(batch.targets[~of_one]).any()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6), st.integers(0, 10**9))
def test_each_source_is_counted_through_without_a_hole(shares: list[float], first: int) -> None:
    deal = Deal(shares)
    length = int(deal.counts.sum())
    owners, turns = deal(np.arange(first, first + 2 * length))
    for owner, count in enumerate(deal.counts):
        own = turns[owners == owner]
        assert len(own) == 2 * count
        assert (np.diff(own) == 1).all()
    wanted = np.array(shares) / sum(shares)
    assert np.abs(deal.counts / length - wanted).max() < 0.002


def test_equal_shares_take_turns() -> None:
    assert Deal([2.5, 2.5, 2.5])(np.arange(7))[0].tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_unknown_cells_are_the_mean_and_unknown_targets_are_not_known(tmp_path: Path) -> None:
    dataset = waves(NAMES)
    dataset["tas"][:, 2, 3] = np.nan  # land, say
    dataset["ua"][4:] = np.nan
    cache = cached(dataset, tmp_path / "c", half=True)
    batch = stream(cache, measured(cache, NAMES, (6.0,), Period()), leads_h=(6.0,), size=59).batch(
        0
    )
    assert (batch.fields[:, 0, 2, 3] == 0).all()
    assert torch.isnan(batch.targets[:, 1, 2, 3]).all()
    assert torch.isnan(batch.targets[:, 1]).sum() == 59
    assert batch.present is not None
    assert batch.present[:, :2].all()
    assert batch.present[:, 2].sum() == 4
    assert (~torch.isnan(batch.targets[:, 0]).all((1, 2))).sum() == 3
    assert torch.isfinite(batch.fields).all()


def test_parts_and_devices_keep_all_that_a_batch_holds() -> None:
    batch = Batch(
        torch.arange(6.0).view(6, 1, 1, 1),
        torch.arange(6.0).view(6, 1, 1, 1),
        torch.arange(1),
        torch.arange(6.0),
        torch.ones(6, 1, dtype=torch.bool),
        {"static": torch.arange(6.0)},
    )
    part = batch.part(1, 3).to("cpu")
    assert len(part) == 2
    assert part.extra["static"].tolist() == part.lead_hours.tolist() == [1.0, 4.0]
    assert part.present is not None
    assert part.present.shape == (2, 1)


def test_what_cannot_be_served_is_named(
    cache: HotCache, statistics: Statistics, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match=r"hus.*not in the hot cache.*psl"):
        stream(cache, statistics, variables=("tas", "ua", "hus"))
    with pytest.raises(InvalidData, match=r"18000|25200"):
        stream(cache, statistics, leads_h=(7.0,), residual=False)
    with pytest.raises(InvalidRequest, match=r"lead of 48 h"):
        stream(cache, statistics, leads_h=(48.0,))
    with pytest.raises(InvalidRequest, match=r"no step.*2020-01-01.*2001-01-01"):
        stream(cache, statistics, period=Period("2020-01-01"))
    with pytest.raises(InvalidRequest, match=r"no pair of fields 24 h apart"):
        stream(cache, statistics, period=Period("2001-01-10", "2001-01-10T12"))
    with pytest.raises(InvalidRequest, match="divides the batch"):
        stream(cache, statistics).batch(0, 0, 5)
    with pytest.raises(InvalidRequest, match="not among the inputs"):
        stream(cache, statistics, variables=("tas", "psl"))
    with pytest.raises(InvalidRequest, match="share above zero"):
        stream([Source(cache, 0.0)], statistics)  # type: ignore[arg-type]
    other = cached(waves(NAMES, grid=(GRID[0], 8)), tmp_path / "o")
    with pytest.raises(InvalidData, match=r"hot cache 2 has 8 latitudes .* 8 longitudes"):
        stream([cache, other], statistics)  # type: ignore[arg-type]
    celsius = waves(NAMES)
    celsius["tas"].attrs["units"] = "degC"
    with pytest.raises(InvalidData, match=r"tas in 'degC', another in 'K'"):
        stream([cache, cached(celsius, tmp_path / "u")], statistics)  # type: ignore[arg-type]
