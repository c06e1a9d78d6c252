"""Recipes fit the data that they are for, and change by name."""

from __future__ import annotations

import pytest

from catena.orbit_trainer.training.recipes import PLANET


def test_the_planets_model_fits_its_grid() -> None:
    names = [f"v{number}" for number in range(18)]
    config = PLANET.config(names, names[:3], (32, 64))
    assert config.tokens == 32 * 64 // PLANET.patch**2
    assert (config.width, config.outputs) == (PLANET.width, ("v0", "v1", "v2"))
    with pytest.raises(ValueError, match="not divisible by the patch"):
        PLANET.config(names, names, (33, 64))


def test_a_recipe_changes_by_name() -> None:
    other = PLANET.changed(width=64, heads=2, batch=4, learning_rate=3e-3)
    assert (other.width, other.heads, other.depth) == (64, 2, PLANET.depth)
    assert (other.settings.batch, other.settings.learning_rate) == (4, 3e-3)
    assert other.settings.steps == PLANET.settings.steps
    with pytest.raises(TypeError, match="widht"):
        PLANET.changed(widht=3)
