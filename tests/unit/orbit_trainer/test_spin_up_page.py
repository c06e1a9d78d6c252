"""What the page of an emulator of spin-ups tells, against what is known by construction."""

from __future__ import annotations

import numpy as np

from catena.models.spin_up_emulator import Prediction
from catena.orbit_trainer.report_spin_up import Judged, pool_sections
from catena.orbit_trainer.spin_up_job import skill_of
from catena.shared.report import Page, render

POOLS, SITES = ("soil4c", "cwdc", "leafc_xfer", "livestemc"), 200


def test_skill_and_intervals_are_those_of_errors_of_a_known_size() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(1000.0, 100.0, (SITES, 4))
    truth[:, 2] = 0.3 + 1e-12 * random.normal(size=SITES)  # the same everywhere, but for rounding
    truth[:, 3] = np.nan
    error = np.array([10.0, 50.0, 0.1, 1.0])
    mean = truth + error * random.normal(size=truth.shape)
    width = 1.645 * error
    made = Prediction(mean, error, mean - width, mean + width, np.zeros(SITES))
    skill = skill_of(POOLS, made, truth)
    assert abs((skill["soil4c"]["r2"] or 0.0) - 0.99) < 0.004
    assert abs((skill["cwdc"]["r2"] or 0.0) - 0.75) < 0.08
    assert skill["leafc_xfer"]["r2"] is None, "it would be minus billions, of nothing"
    assert skill["livestemc"] == {"r2": None, "rmse": None, "coverage90": None}
    sections = pool_sections(Judged(POOLS, (), skill, mean, truth))
    text = render(Page("an emulator", sections))
    assert "for the worst, cwdc" in text
    inside = np.mean([skill[pool]["coverage90"] for pool in POOLS[:3]])  # type: ignore[type-var]
    assert 0.85 < inside < 0.95
    assert f"hold {100 * inside:.0f} % of the truth" in text
