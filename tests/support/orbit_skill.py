"""A skill out of noise, for pages and plots."""

from __future__ import annotations

import numpy as np

from catena.orbit_trainer.evaluation.skill import CLIMATOLOGY, PERSISTENCE, Skill

LEADS = (6.0, 24.0, 120.0)
VARIABLES, UNITS = ("tas", "pr"), ("K", "kg m-2 s-1")
GRID = (8, 16)


def skill_of(*, better: bool = True, members: int = 1, globe: bool = True) -> Skill:
    """A forecaster that is better than the references, or no better."""
    random = np.random.default_rng(0)
    names = ("ORBIT", PERSISTENCE, CLIMATOLOGY)
    shape = (3, len(LEADS), len(VARIABLES))
    size = np.array([1.0, 1e-5])
    rmse = np.broadcast_to(np.array([[1.0, 2.0, 3.0]]).T * size, shape[1:])
    factors = np.array([0.5 if better else 1.5, 1.0, 1.2])[:, None, None]
    scores = {
        "rmse": factors * rmse,
        "bias": 0.1 * rmse * np.ones(shape),
        "acc": np.full(shape, 0.7),
        "activity": 0.9 * size * np.ones(shape),
        "crps": 0.4 * factors * rmse,
        "crps_fair": np.full(shape, np.nan),
        "spread": np.zeros(shape),
    }
    scores["acc"][2] = np.nan
    if members > 1:
        scores["crps_fair"][0], scores["spread"][0] = scores["crps"][0], scores["rmse"][0]
    fields = size[:, None, None] * random.normal(size=(*shape, *GRID))
    fields[:, :, 1, 3, 4] = np.nan
    waves = random.random((*shape, 4, 9)) + 0.1
    return Skill(
        forecasters=names,
        members=(members, 1, 1),
        leads_h=LEADS,
        variables=VARIABLES,
        units=UNITS,
        lat=tuple(np.linspace(-90, 90, 17)[1::2]),
        lon=tuple(np.arange(16) * (22.5 if globe else 2.0)),
        calendar="noleap",
        times_s=np.arange(5) * 21_600,
        generated=True,
        scores=scores,
        truth_activity=size * np.ones(shape[1:]),
        square_errors=np.ones((*shape, 5)),
        bias_map=fields,
        rmse_map=np.abs(fields),
        bands=("globe", "north", "tropics", "south"),
        power=waves if globe else None,
        truth_power=waves[0] if globe else None,
        shown_time_s=43_200,
        shown=fields.astype(np.float32),
        shown_truth=fields[0].astype(np.float32) * 0.9,
    )
