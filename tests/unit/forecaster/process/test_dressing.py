"""Quantiles from past errors."""

from __future__ import annotations

import numpy as np
import pytest
from support.process_weather import some_records

from catena.forecaster import metrics
from catena.forecaster.process.baselines import LEVELS, Persistence
from catena.forecaster.process.dressing import LEAST, Dressing, dress
from catena.forecaster.process.mos import at_leads
from catena.shared.errors import InvalidData


def planted(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the root of flow that grow with it: little at low flow, much at high flow."""
    rng = np.random.default_rng(seed)
    root = rng.uniform(1.0, 4.0, (2, n, 3))
    came = root + 0.1 * root * np.array([0.5, 1.0, 2.0]) * rng.normal(size=root.shape)
    return root**2, np.maximum(came, 0.0) ** 2


def test_coverage_is_nominal_at_each_level_of_flow_and_lead() -> None:
    dressing = Dressing.fit(*planted(), levels=[0.05, 0.5, 0.95])
    forecast, came = planted(seed=1)
    q = dressing.quantiles(forecast)
    covered = (q[..., 0] <= came) & (came <= q[..., 2])
    for low, high in ((1.0, 2.0), (2.0, 3.0), (3.0, 4.0)):
        some = (forecast > low**2) & (forecast < high**2)
        for h in range(3):
            assert covered[..., h][some[..., h]].mean() == pytest.approx(0.9, abs=0.04)
    width = (q[..., 2] - q[..., 0]).mean(axis=(0, 1))
    assert width[1] == pytest.approx(2 * width[0], rel=0.1)


def test_quantiles_never_cross_nor_go_below_zero_even_far_outside() -> None:
    dressing = Dressing.fit(*planted(200))
    forecast = np.linspace(0.0, 100.0, 500)[None, :, None] * np.ones((2, 1, 3))
    q = dressing.quantiles(forecast)
    assert q.shape == (2, 500, 3, len(LEVELS))
    assert (np.diff(q, axis=-1) >= 0.0).all() and (q >= 0.0).all()


def test_missing_pairs_are_left_out_and_missing_forecasts_stay_missing() -> None:
    forecast, came = planted(1000)
    gone = np.random.default_rng(0).random(came.shape) < 0.3
    dressing = Dressing.fit(forecast, np.where(gone, np.nan, came))
    for b, h in ((0, 0), (1, 2)):
        keep = ~gone[b, :, h]
        alone = Dressing.fit(forecast[b : b + 1, keep, h : h + 1], came[b : b + 1, keep, h : h + 1])
        np.testing.assert_array_equal(alone.errors[0, 0], dressing.errors[b, h])
    q = dressing.quantiles(np.where(gone, np.nan, forecast))
    assert np.isnan(q[gone]).all() and np.isfinite(q[~gone]).all()


def test_few_past_errors_make_fewer_classes_and_too_few_none() -> None:
    forecast, came = planted(2 * LEAST)
    dressing = Dressing.fit(forecast, came)
    assert len(np.unique(dressing.nodes[0, 0])) == 2
    dressing = Dressing.fit(forecast[:, : LEAST - 1], came[:, : LEAST - 1])
    assert np.isnan(dressing.quantiles(forecast)).all()


def test_a_basin_that_is_dry_most_of_the_time_has_quantiles() -> None:
    forecast, came = planted(1000)
    dry = np.random.default_rng(0).random(came.shape) < 0.8
    dressing = Dressing.fit(np.where(dry, 0.0, forecast), np.where(dry, 0.0, came))
    q = dressing.quantiles(np.zeros((2, 1, 3)))
    assert np.isfinite(q).all() and (q == 0.0).all()


def test_dressed_persistence_has_skill_that_falls_with_lead_and_honest_coverage() -> None:
    records, _ = some_records(2, 3000)
    train, test = np.arange(400, 2000), np.arange(2000, 2980)
    dressed = dress(Persistence(), records, train, 10)
    q = dressed.quantiles(records, test, 10)
    came = at_leads(records.flow.astype(float), test, 10)
    crps = metrics.crps_quantiles(q, dressed.levels, came).mean(axis=(0, 1))
    assert crps[0] < crps[4] < crps[9]
    cover = metrics.picp(q[..., 1], q[..., -2], came)  # levels 0.05 and 0.95
    assert cover.mean() == pytest.approx(0.9, abs=0.06)


def test_what_does_not_fit_is_refused() -> None:
    forecast, came = planted(100)
    with pytest.raises(InvalidData, match="for both"):
        Dressing.fit(forecast, came[:, :50])
    with pytest.raises(InvalidData, match="ascending fractions"):
        Dressing.fit(forecast, came, levels=[0.9, 0.1])
    with pytest.raises(InvalidData, match="1 basins and 3 leads"):
        Dressing.fit(forecast, came).quantiles(forecast[:1])
