from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.flow_networks import flow_samples, small_network

from catena.explainer.flow.basin import Basin, FlowSettings, climate, spread
from catena.explainer.flow.loading import LoadedNetwork, LoadedSamples
from catena.shared.errors import InvalidData

MONTHS = [1, 4, 5, 6, 2, 7, 8, 12, 9, 10, 11, 3]
"""One a year: evenly in time, four of them would be 1, 2, 12 and 3."""
DAYS = np.array([f"{2000 + year}-{month:02d}-15" for year, month in enumerate(MONTHS)], "M8[D]")


def test_baselines_stand_for_all_seasons() -> None:
    background = replace(flow_samples(12, seed=3), issues=DAYS)
    network = LoadedNetwork(small_network("tst"), "tst", {}, "")
    loaded = LoadedSamples(flow_samples(2), background, {})
    basin = Basin.of("basin-0", network, loaded, FlowSettings((), baselines=4))
    chosen = [MONTHS.index(month) for month in (2, 5, 8, 11)]
    wanted = basin.columns.matrix(background[np.sort(chosen)])
    np.testing.assert_array_equal(basin.baselines, wanted)


@pytest.mark.parametrize(("most", "count"), [(1, 1), (5, 5), (12, 12), (100, 12)])
def test_no_day_is_taken_twice(most: int, count: int) -> None:
    found = climate(DAYS, most)
    assert len(set(found.tolist())) == len(found) == count
    if most == 1:
        assert MONTHS[found[0]] == 7  # the middle of the seasons


def test_samples_are_spread_with_both_ends() -> None:
    assert spread(10, 4).tolist() == [0, 3, 6, 9]
    assert spread(3, 4).tolist() == [0, 1, 2]


def test_a_basin_without_a_background_is_refused() -> None:
    network = LoadedNetwork(small_network("tst"), "tst", {}, "")
    explained = replace(flow_samples(2), basins=("b7", "b7"))
    loaded = LoadedSamples(explained, flow_samples(4), {})
    with pytest.raises(InvalidData, match=r"no day of basin b7.*larger background"):
        Basin.of("b7", network, loaded, FlowSettings(()))
