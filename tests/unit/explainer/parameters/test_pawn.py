from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, qmc
from support.analytic_sensitivity import ishigami

from catena.explainer.parameters.pawn import pawn_indices, pawn_threshold
from catena.shared.errors import InvalidData


def sample(n: int = 2048, d: int = 4, seed: int = 0) -> np.ndarray:
    return qmc.Sobol(d, scramble=True, rng=np.random.default_rng(seed)).random(n)


@pytest.mark.parametrize("ties", [False, True])
def test_distances_are_those_of_a_slow_count(ties: bool) -> None:
    unit = np.random.default_rng(1).random((200, 3))
    outputs = np.stack([unit[:, 0] + unit[:, 1] ** 2, np.exp(3 * unit[:, 2])], axis=1)
    if ties:  # a flux that is often 0
        outputs = np.maximum(np.round(outputs, 1) - 0.8, 0.0)
    found = pawn_indices(unit, outputs, slices=8)
    for i in range(3):
        slices = np.array_split(np.argsort(unit[:, i]), 8)
        for k in range(2):
            wanted = [ks_2samp(outputs[s, k], outputs[:, k]).statistic for s in slices]
            assert found.median[i, k] == pytest.approx(np.median(wanted), abs=1e-12)
            assert found.largest[i, k] == pytest.approx(np.max(wanted), abs=1e-12)


def test_a_single_driver_has_its_closed_form() -> None:
    # y = x: the slice [a, a + 1/10] of a uniform is max(a, 0.9 - a) away from it
    unit = sample(4096, 1)
    found = pawn_indices(unit, unit**3)
    places = np.arange(10) / 10.0
    wanted = np.median(np.maximum(places, 0.9 - places))
    assert found.median[0, 0] == pytest.approx(wanted, abs=0.01)
    assert found.largest[0, 0] == pytest.approx(0.9, abs=0.01)


@pytest.mark.slow
def test_a_parameter_that_does_nothing_is_under_the_threshold() -> None:
    over = []
    for seed in range(40):
        unit = np.random.default_rng(seed).random((1024, 4))
        found = pawn_indices(unit, ishigami(unit[:, :3]), resamples=2, seed=seed)
        assert found.matters[:2].all()
        over.append(found.matters[3, 0])
    assert np.mean(over) <= 0.15  # 5 % is wanted, of 40


def test_the_threshold_falls_with_the_root_of_the_samples() -> None:
    assert pawn_threshold(8000, 10) == pytest.approx(pawn_threshold(2000, 10) / 2.0, rel=0.1)


@pytest.mark.slow
def test_intervals_are_the_scatter_of_samples() -> None:
    found = []
    for seed in range(20):
        unit = np.random.default_rng(seed).random((512, 3))
        found.append(pawn_indices(unit, ishigami(unit), seed=seed))
    scatter = 1.96 * np.std([f.median[:, 0] for f in found], axis=0)
    claimed = np.mean([f.error[:, 0] for f in found], axis=0)
    assert ((claimed > 0.5 * scatter) & (claimed < 2.0 * scatter)).all()


def test_outputs_do_not_depend_on_their_neighbours_or_units() -> None:
    unit = sample(1024, 3)
    y = np.concatenate([ishigami(unit), unit[:, :1] ** 2], axis=1)
    whole = pawn_indices(unit, y)
    for k in range(2):
        alone = pawn_indices(unit, 1e5 + 3.0 * y[:, [k]])
        assert np.array_equal(whole.median[:, k], alone.median[:, 0])
        assert np.array_equal(whole.error[:, k], alone.error[:, 0])


def test_an_output_that_does_not_vary_has_no_index() -> None:
    unit = sample(1024, 2)
    found = pawn_indices(unit, np.stack([np.full(1024, 3.0), unit[:, 0]], axis=1))
    assert np.isnan(found.median[:, 0]).all() and np.isnan(found.error[:, 0]).all()
    assert not found.matters[:, 0].any() and found.matters[:, 1].tolist() == [True, False]


def test_what_cannot_be_is_refused() -> None:
    unit = sample(128, 2)
    with pytest.raises(InvalidData, match="slices"):
        pawn_indices(unit[:64], unit[:64])
    with pytest.raises(InvalidData, match="NaN"):
        pawn_indices(unit, np.full((128, 1), np.nan))
    with pytest.raises(InvalidData, match="shape"):
        pawn_indices(unit, unit[:64])
