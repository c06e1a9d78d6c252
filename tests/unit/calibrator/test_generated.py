"""The generated ensemble: seeded, smooth, in range, of sensible size, and called generated."""

from __future__ import annotations

import numpy as np
import pytest

from catena.calibrator import generated
from catena.shared.errors import InvalidData


def test_it_is_called_generated():
    assert "generated" in generated.TITLE


def test_it_has_eight_parameters_and_five_years_and_answers_like_latent_heat():
    parameters, outputs = generated.generated_ensemble(400, seed=1)
    assert parameters.shape == (400, len(generated.PARAMETERS)) == (400, 8)
    assert outputs.shape == (400, len(generated.OUTPUTS)) == (400, 5)
    assert outputs.min() > 10 and outputs.max() < 120  # W m-2
    assert np.all(outputs.std(axis=0) > 3) and np.all(outputs.std(axis=0) < 15)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_runs():
    a, b = (generated.generated_ensemble(50, seed=5) for _ in range(2))
    assert a[0].tobytes() == b[0].tobytes() and a[1].tobytes() == b[1].tobytes()
    assert not np.array_equal(a[0], generated.generated_ensemble(50, seed=6)[0])


def test_every_parameter_matters_somewhere():
    middle = (generated.LOW + generated.HIGH) / 2
    for j in range(8):
        ends = np.stack([middle, middle])
        ends[:, j] = generated.LOW[j], generated.HIGH[j]
        low, high = generated.latent_heat(ends)
        assert np.abs(high - low).max() > 0.3, generated.PARAMETERS[j].name


def test_it_is_smooth():
    # halving a step quarters the second difference: no kinks, no noise
    middle = (generated.LOW + generated.HIGH) / 2
    step = 0.05 * (generated.HIGH - generated.LOW)

    def second(h):
        return generated.latent_heat(np.stack([middle - h, middle, middle + h])).T @ [1, -2, 1]

    assert second(step / 2) == pytest.approx(second(step) / 4, rel=0.05)


def test_a_latin_hypercube_has_one_draw_in_each_slice():
    low, high = np.array([0.0, -2.0]), np.array([1.0, 2.0])
    draws = generated.draw_parameters(40, low, high, seed=0)
    slices = np.floor((draws - low) / (high - low) * 40).astype(int)
    for column in slices.T:
        assert sorted(column) == list(range(40))


@pytest.mark.parametrize(
    "bad", [np.ones((3, 7)), np.ones((3, 8)), np.full((1, 8), np.nan), np.ones(8)]
)
def test_it_refuses_parameters_outside_their_ranges(bad):
    with pytest.raises(InvalidData):
        generated.latent_heat(bad)


def test_a_design_needs_runs_and_ranges():
    with pytest.raises(InvalidData, match="at least 1"):
        generated.draw_parameters(0, np.zeros(2), np.ones(2), seed=0)
    with pytest.raises(InvalidData, match="ranges"):
        generated.draw_parameters(5, np.ones(2), np.ones(2), seed=0)
