"""The process model on real basins: calibrated on early years, judged on later ones."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catena.forecaster import metrics
from catena.forecaster.data.files import read_camels
from catena.forecaster.process import Climatology, Persistence, Search, dress, fit_process
from catena.forecaster.process.mos import at_leads

FOLDER = Path(os.environ.get("CATENA_DATA") or "absent") / "camels_us"

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs CATENA_DATA with camels_us"),
]

RAINY, SNOWY = "12040500", "13011900"
LEADS = 7


@pytest.fixture(scope="module")
def basins():
    """A rainy and a snowy basin, 1990 to 2003."""
    records = read_camels(FOLDER, [RAINY, SNOWY])
    keep = (records.days >= np.datetime64("1990-01-01")) & (
        records.days < np.datetime64("2004-01-01")
    )
    return replace(
        records,
        days=records.days[keep],
        weather=records.weather[:, keep],
        flow=records.flow[:, keep],
    )


def test_unseen_years_are_forecast_better_than_by_persistence_and_climatology(basins) -> None:
    train = basins.days < np.datetime64("2001-01-01")
    before, after = np.arange(800, train.sum() - LEADS), np.arange(train.sum(), len(train) - LEADS)
    model = fit_process(basins, train, seed=0, search=Search(members=24, generations=25))
    at = np.arange(1, LEADS + 1)
    then, now = (basins.weather[:, issues[:, None] + at] for issues in (before, after))
    model = model.with_mos(basins, before, LEADS, then)
    came = at_leads(basins.flow.astype(float), after, LEADS)

    skill = metrics.nse(model.forecast(basins, after, LEADS, now), came)
    assert (skill[0] > 0.75).all() and (skill[1] > 0.85).all()
    for other in (Persistence(), Climatology.fit(basins, train)):
        assert (skill >= metrics.nse(other.forecast(basins, after, LEADS), came)).all()

    climate = Climatology.fit(basins, train)
    dressed = dress(model, basins, before, LEADS, then)
    crps, reference = (
        metrics.crps_quantiles(q, climate.levels, came)
        for q in (
            dressed.quantiles(basins, after, LEADS, now),
            climate.quantiles(basins, after, LEADS),
        )
    )
    assert (metrics.crpss(crps, reference) > 0.4).all()
