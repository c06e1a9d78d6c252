"""How far emulated pools are to be trusted: on generated sites whose errors are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from catena.models.column_scale import ColumnScale
from catena.models.orbit_spin_up import InputKind, OrbitSpinUp, SpinUpConfig, initial_spin_up
from catena.models.spin_up_emulator import SpinUpEmulator, SpinUpScales
from catena.models.spin_up_trust import ErrorSize, KnownSites, conformal_factors

CONFIG = SpinUpConfig((InputKind.vector("static", 4),), targets=2, width=16, depth=1, heads=2)


def emulator(members: int = 1) -> tuple[SpinUpEmulator, dict[str, np.ndarray], np.ndarray]:
    """A model with random weights and 1,200 sites whose truth it misses by a known amount.

    Pools are log-normal about what the model says; the first one's error grows with the first
    number of a site from .05 to .6, the second one's is .2 everywhere.
    """
    random = np.random.default_rng(3)
    inputs = {"static": random.uniform(0, 1, (1200, 4))}
    scales = SpinUpScales(
        {"static": ColumnScale.fitted(inputs["static"])},
        ColumnScale(np.array([5.0, 3.0]), np.array([1.0, 1.0]), np.array([1e-6, 1e-6])),
    )
    weights = []
    for seed in range(members):
        model = OrbitSpinUp(CONFIG)
        with torch.no_grad():
            for name, one in model.named_parameters():
                one.copy_(initial_spin_up(CONFIG, name, tuple(one.shape), seed, one.dtype))
        weights.append(model.state_dict())
    made = SpinUpEmulator(CONFIG, scales, weights, ("wood", "soil"), {"model": "embedded"})
    size = np.stack([0.05 + 0.55 * inputs["static"][:, 0], np.full(1200, 0.2)], -1)
    truth = made.predict(inputs) * np.exp(size * random.normal(size=(1200, 2)))
    return made, inputs, truth


def part(inputs: dict[str, np.ndarray], rows: slice) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in inputs.items()}


@pytest.mark.parametrize("members", [1, 3])
def test_intervals_hold_90_percent_of_new_sites_where_errors_are_small_and_large(
    members: int,
) -> None:
    made, inputs, truth = emulator(members)
    with pytest.raises(ValueError, match="no intervals"):
        made.judged(inputs)
    before = made.predict(inputs)
    made.calibrate(inputs, truth, np.arange(500), np.arange(500, 800))
    np.testing.assert_array_equal(made.predict(inputs), before)  # the mean stays as it was
    new = part(inputs, slice(800, None))
    judged, there = made.judged(new), truth[800:]
    inside = (judged.lower <= there) & (there <= judged.upper)
    assert ((inside.mean(0) > 0.85) & (inside.mean(0) < 0.95)).all()
    for sites in (new["static"][:, 0] < 0.5, new["static"][:, 0] > 0.5):
        assert 0.8 < inside[sites, 0].mean() < 0.98
    # The spread is that of the errors: relative ones, as pools are in logarithms.
    relative = judged.spread / judged.mean
    wanted = 0.05 + 0.55 * new["static"][:, 0]
    assert np.corrcoef(np.log(relative[:, 0]), np.log(wanted))[0, 1] > 0.9
    assert np.median(relative[:, 0] / wanted) == pytest.approx(1.0, abs=0.25)
    assert np.median(relative[:, 1]) == pytest.approx(0.2, abs=0.04)
    assert (judged.lower >= 0).all()


def test_all_of_it_comes_back_from_an_artifact() -> None:
    made, inputs, truth = emulator(2)
    made.calibrate(inputs, truth, np.arange(500), np.arange(500, 800))
    stored = json.loads(json.dumps(made.to_dict()))
    again = SpinUpEmulator.from_parts(stored, made.arrays())
    for one, other in zip(
        vars(made.judged(inputs)).values(), vars(again.judged(inputs)).values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert (again.pools, again.about) == (("wood", "soil"), {"model": "embedded"})
    arrays = {name: one for name, one in made.arrays().items() if name != "size.bias"}
    with pytest.raises(ValueError, match="lacks or is something else: KeyError"):
        SpinUpEmulator.from_parts(stored, arrays)
    with pytest.raises(ValueError, match="weights of another emulator"):
        SpinUpEmulator.from_parts({**stored, "members": 3}, made.arrays())
    with pytest.raises(ValueError, match="names of 1 pools"):
        SpinUpEmulator.from_parts({**stored, "pools": ["wood"]}, made.arrays())


def test_sites_far_from_all_that_were_learned_are_unfamiliar() -> None:
    made, inputs, truth = emulator()
    made.calibrate(inputs, truth, np.arange(500), np.arange(500, 800))
    held_out = made.judged(part(inputs, slice(500, 800))).unfamiliar
    assert (held_out <= 1).mean() == pytest.approx(0.99, abs=0.005)
    assert (made.judged(part(inputs, slice(500))).unfamiliar == 0).all()
    far, missing = inputs["static"][:3].copy(), inputs["static"][:3].copy()
    far[:, 2] += 4.0
    missing[:, 1] = np.nan
    assert (made.judged({"static": far}).unfamiliar > 1).all()
    assert (made.judged({"static": missing}).unfamiliar > 1).all()


def test_a_number_that_never_changed_makes_any_other_value_unfamiliar() -> None:
    places = np.zeros((20, 1), np.float32)
    known = KnownSites.fitted(places, places[:5])
    assert known.unfamiliar(np.array([[0.0], [0.1]], np.float32)).tolist()[0] == 0
    assert known.unfamiliar(np.array([[0.1]], np.float32))[0] > 1


def test_the_nearest_site_is_found_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    places, others = (random.normal(size=(n, 5)).astype(np.float32) for n in (40, 1100))
    known = KnownSites(places, 2.0)
    slow = [min(np.linalg.norm(one - place) for place in places) / 2 for one in others]
    np.testing.assert_allclose(known.unfamiliar(others), slow, rtol=1e-5)


def test_where_errors_are_alike_their_size_is_a_constant() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(400, 30))
    errors = np.stack([random.normal(0, 2.0, 400), np.full(400, np.nan)], -1)
    size = ErrorSize.fitted(features, errors)
    new = size.at(random.normal(size=(200, 30)))
    assert new[:, 0].std() / new[:, 0].mean() < 0.2
    assert (new[:, 1] == 1).all()  # nothing is known of it
    # Far outside of what was learned it is as large as it ever was, no larger.
    grows = ErrorSize.fitted(features, np.exp(features[:, :1]) * random.normal(size=(400, 1)))
    far = grows.at(1e3 * np.eye(30))
    assert np.isfinite(far).all()
    assert far.max() <= grows.at(features).max() * (1 + 1e-9)


def test_factors_hold_a_share_of_scores_and_one_more_site() -> None:
    errors = np.arange(1.0, 20.0)[:, None] * np.array([[1.0, -3.0]])
    factors = conformal_factors(errors, np.ones((19, 2)))
    # ceil(20 * .9) = 18 of 19 sites lie within.
    np.testing.assert_array_equal(factors, [18.0, 54.0])
    assert conformal_factors(errors[:3], np.ones((3, 2))).tolist() == [3.0, 9.0]
    assert conformal_factors(np.full((4, 1), np.nan), np.ones((4, 1))).tolist() == [1.0]
