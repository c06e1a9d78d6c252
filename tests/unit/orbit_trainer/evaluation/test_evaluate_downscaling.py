"""An evaluation of downscaling equals one by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.orbit_caches import cached, slow_fields, waves

from catena.orbit_trainer.evaluation.downscaling import bicubic, downscaling_scores
from catena.orbit_trainer.evaluation.evaluate_downscaling import BICUBIC, evaluate_downscaling
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

NAMES, GRID, FACTOR = ("tas", "psl", "ua"), (12, 16), 4
TEST = Period("2001-01-04")


class Repeated:
    """Fine fields that repeat each coarse cell, of the last and the first variable."""

    def downscale(self, fields: np.ndarray) -> np.ndarray:
        return np.kron(fields[:, [2, 0]], np.ones((FACTOR, FACTOR))).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> HotCache:
    return cached(waves(NAMES, 30, grid=GRID), tmp_path / "cache")


def test_model_and_bicubic_are_scored_over_the_same_times(cache: HotCache) -> None:
    found = evaluate_downscaling(
        "blocks", Repeated(), cache, TEST, FACTOR,
        variables=NAMES, outputs=("ua", "tas"), stride=2, batch=4,
    )  # fmt: skip
    steps = np.arange(*TEST.steps(cache), 2)
    truth = slow_fields(waves(NAMES, 30, grid=GRID), ("ua", "tas"))[steps]
    area = np.cos(np.radians(cache.metadata.lat))
    coarse = np.empty((len(steps), 2, 3, 4))
    for i, j in np.ndindex(3, 4):
        rows, columns = slice(4 * i, 4 * i + 4), slice(4 * j, 4 * j + 4)
        cell = (truth[..., rows, columns] * area[rows, None]).sum((-2, -1))
        coarse[..., i, j] = cell / (4 * area[rows].sum())
    for name, made in {
        "blocks": np.kron(coarse, np.ones((4, 4))),
        BICUBIC: bicubic(coarse, FACTOR, periodic=True),
    }.items():
        wanted = downscaling_scores(made, truth)
        for score in ("correlation", "rmse", "ssim", "above"):
            np.testing.assert_allclose(
                getattr(found.scores[name], score), getattr(wanted, score), rtol=1e-3
            )
    assert list(found.scores) == ["blocks", BICUBIC]
    assert found.units == ("m s-1", "K")
    assert found.times_s.tolist() == cache.times_s()[steps].tolist()
    middle = len(steps) // 2
    assert found.shown_time_s == found.times_s[middle]
    np.testing.assert_allclose(found.truth, truth[middle], rtol=1e-5)
    np.testing.assert_allclose(found.coarse, coarse[middle], rtol=1e-5)
    np.testing.assert_allclose(found.predicted, np.kron(found.coarse, np.ones((4, 4))), rtol=1e-5)


def test_what_cannot_be_downscaled_is_said(cache: HotCache) -> None:
    def run(name: str = "m", **changes: object) -> None:
        given: dict = {"period": TEST, "factor": FACTOR, "variables": NAMES, **changes}
        evaluate_downscaling(name, Repeated(), cache, **given)

    with pytest.raises(InvalidRequest, match="name other than bicubic"):
        run(BICUBIC)
    with pytest.raises(InvalidRequest, match="outputs pr that are no inputs"):
        run(outputs=("pr",))
    with pytest.raises(InvalidRequest, match="5 x 5 cells"):
        run(factor=5)
    with pytest.raises(InvalidData, match="fine fields of m have the shape"):
        run()
