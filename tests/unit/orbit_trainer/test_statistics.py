"""Statistics are those of the training period, and restoring undoes the targets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.orbit_caches import cached, slow_fields, waves

from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.fields import Fields
from catena.orbit_trainer.statistics import measured
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache_period import Period

NAMES = ("tas", "psl")
LEADS = (6.0, 24.0)


@pytest.mark.parametrize("half", [False, True])
def test_they_are_those_of_all_values_at_once(tmp_path: Path, half: bool) -> None:
    dataset = waves(NAMES, gaps=(20,))
    cache = cached(dataset, tmp_path / "c", half=half)
    found = measured(cache, NAMES, LEADS, Period())
    fields = slow_fields(dataset, NAMES)
    tolerance = 2e-3 if half else 1e-5
    spread = fields.std((0, 2, 3))
    assert np.array(found.mean) == pytest.approx(fields.mean((0, 2, 3)), rel=1e-5)
    assert np.array(found.std) == pytest.approx(spread, rel=tolerance)
    for row, steps in enumerate((1, 4)):
        pairs = [at for at in range(60 - steps) if not at < 20 <= at + steps]
        changes = np.stack([fields[at + steps] - fields[at] for at in pairs])
        assert found.differences[row] == pytest.approx(changes.std((0, 2, 3)), rel=tolerance)
    assert found.units == ("K", "Pa")


def test_a_value_outside_the_period_leaves_no_trace(tmp_path: Path) -> None:
    dataset = waves(NAMES)
    period = Period("2001-01-03", "2001-01-09")
    clean = measured(cached(dataset, tmp_path / "clean"), NAMES, LEADS, period)
    planted = dataset.copy(deep=True)
    for step in (7, 32):  # the last before the period, the first after it
        planted["tas"][step] = 1e6
    assert measured(cached(planted, tmp_path / "planted"), NAMES, LEADS, period) == clean
    planted["tas"][31] = 1e6
    assert measured(cached(planted, tmp_path / "inside"), NAMES, LEADS, period) != clean


def test_several_caches_count_with_all_their_values(tmp_path: Path) -> None:
    parts = [waves(("tas",), 60), waves(("tas", "psl"), 30, seed=1)]
    parts[1]["tas"] = (parts[1]["tas"] + 10.0).assign_attrs(units="K")
    caches = [cached(part, tmp_path / str(number)) for number, part in enumerate(parts)]
    found = measured(caches, NAMES, LEADS, Period())
    both = np.concatenate([part["tas"].values for part in parts])
    assert (found.mean[0], found.std[0]) == pytest.approx((both.mean(), both.std()), rel=1e-5)
    assert found.mean[1] == pytest.approx(float(parts[1]["psl"].mean()), rel=1e-6)


def test_unknown_values_are_left_out_and_constants_divide_by_one(tmp_path: Path) -> None:
    dataset = waves(NAMES)
    dataset["tas"][:, :, ::2] = np.nan
    dataset["psl"][:] = 5.0
    cache = cached(dataset, tmp_path / "c")
    found = measured(cache, NAMES, (6.0,), Period())
    assert found.mean[0] == pytest.approx(np.nanmean(dataset["tas"].values))
    assert found.std[1] == found.differences[0][1] == 1.0
    dataset["tas"][:] = np.nan
    dataset["tas"][40:] = 280.0
    cache = cached(dataset, tmp_path / "n")
    with pytest.raises(InvalidData, match=r"tas has 0 values.*2001-01-05"):
        measured(cache, NAMES, (6.0,), Period("", "2001-01-05"))


def test_restoring_undoes_the_residual_target() -> None:
    found = Statistics(NAMES, ("K", "Pa"), (280.0, 1e5), (8.0, 900.0), LEADS, ((2, 90), (4, 450)))
    start, stop = torch.randn(2, 3, 2, 4, 8, generator=torch.Generator().manual_seed(0)).double()
    leads = torch.tensor([6.0, 24.0, 24.0])
    scale = torch.tensor([[2 / 8, 90 / 900], [4 / 8, 450 / 900], [4 / 8, 450 / 900]]).double()
    target = (stop - start) / scale[:, :, None, None]
    assert torch.allclose(found.restored(start, target, leads), stop)
    swapped = found.restored(start.flip(1), target.flip(1), leads, ("psl", "tas"))
    assert torch.allclose(swapped.flip(1), stop)
    with pytest.raises(InvalidRequest, match=r"lead of 12 h.*6, 24 h"):
        found.restored(start, target, torch.full((3,), 12.0))
    with pytest.raises(InvalidRequest, match="hus"):
        found.moments(["hus"])


def test_units_come_back_and_json_loses_nothing() -> None:
    found = Statistics(NAMES, ("K", "Pa"), (280.1, 1e5), (8.3, 900.0), LEADS, ((2, 90), (4, 0.1)))
    fields = torch.randn(3, 2, 4, 8, dtype=torch.float64)
    assert torch.allclose(found.normalised(found.physical(fields)), fields)
    assert found.physical(fields[:, :1], ["tas"])[0, 0, 0, 0] == fields[0, 0, 0, 0] * 8.3 + 280.1
    assert Statistics.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_fields_come_by_name_whatever_their_order_in_the_file(tmp_path: Path) -> None:
    dataset = waves(("tas", "psl", "ua", "zg"))
    cache = cached(dataset, tmp_path / "c")
    names = ("zg", "hus", "tas")
    found = Statistics(names, ("m", "1", "K"), (5500, 0, 280), (150, 1, 8), (), ())
    out = np.full((3, 8, 16), np.nan, np.float32)
    Fields(cache, names, found).read(11, out)
    assert np.isnan(out[1]).all()
    assert np.allclose(out[0] * 150 + 5500, dataset["zg"].values[11], atol=1e-2)
    assert np.allclose(out[2] * 8 + 280, dataset["tas"].values[11], atol=1e-3)
