"""Calibration: planted parameters, gaps, and basins that cannot be calibrated."""

from __future__ import annotations

import numpy as np
import pytest
from support.process_weather import some_records

from catena.forecaster import metrics
from catena.forecaster.process import calibration
from catena.forecaster.process.calibration import Search, calibrate, unusable_basins
from catena.forecaster.process.forecaster import band_warmth_of, fit_process
from catena.forecaster.process.parameters import HIGH, LOW, from_unit
from catena.shared.errors import InvalidData

QUICK = Search(members=12, generations=6)


def arguments(records, names=None):
    warmth, _ = band_warmth_of(records)
    return (
        records.weather[..., 0],
        records.weather[..., 1],
        records.flow,
        records.days,
        records.latitude,
        warmth,
    ), {"names": names or records.basins, "seed": 0}


@pytest.mark.slow
def test_flow_of_planted_parameters_is_found_again_and_forecast_in_unseen_years() -> None:
    records, _ = some_records(2, 3300)
    days = np.arange(3300) < 2200
    flow = records.flow.astype(float)
    noise = np.random.default_rng(1).lognormal(0.0, 0.05, flow.shape)
    gaps = np.random.default_rng(2).random(flow.shape) < 0.2
    seen = records.with_flow(np.where(gaps, np.nan, flow * noise))
    model = fit_process(seen, days, seed=0, search=Search(generations=60))
    simulated = model.simulate(records).flow
    skill = metrics.nse(simulated[:, 2200:, None], flow[:, 2200:, None])
    assert (skill > 0.98).all()
    assert (model.misfit < 0.02).all()


def test_more_generations_come_nearer() -> None:
    args, options = arguments(some_records(2, 1500)[0])
    few = calibrate(*args, **options, search=Search(members=12, generations=2))
    many = calibrate(*args, **options, search=Search(members=12, generations=12))
    assert (many.misfit < few.misfit).all()
    assert ((many.parameters >= LOW) & (many.parameters <= HIGH)).all()


def test_misfit_is_that_of_the_flow_and_its_root() -> None:
    records, _ = some_records(1, 1500)
    args, options = arguments(records)
    found = calibrate(*args, **options, search=Search(members=8, generations=1, root_weight=0.3))
    model = fit_process(
        records,
        np.ones(1500, bool),
        seed=0,
        search=Search(members=8, generations=1, root_weight=0.3),
    )
    f, y = model.simulate(records).flow[:, 730:, None], records.flow.astype(float)[:, 730:, None]
    nse, of_roots = metrics.nse(f, y), metrics.nse(np.sqrt(f), np.sqrt(y))
    assert found.misfit == pytest.approx((0.7 * (1 - nse) + 0.3 * (1 - of_roots))[:, 0], rel=1e-6)
    assert model.misfit == pytest.approx(found.misfit, rel=1e-12)


def test_giving_up_bad_trials_early_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    args, options = arguments(some_records(1, 1500)[0])
    found = calibrate(*args, **options, search=QUICK)
    whole = calibration.kernels.misfit

    def to_the_end(*inputs):
        return whole(*inputs[:-1], np.full_like(inputs[-1], np.inf))

    monkeypatch.setattr(calibration.kernels, "misfit", to_the_end)
    patient = calibrate(*args, **options, search=QUICK)
    np.testing.assert_array_equal(found.parameters, patient.parameters)


def test_a_basin_finds_the_same_alone_and_among_others() -> None:
    records, _ = some_records(3, 1500)
    args, options = arguments(records)
    together = calibrate(*args, **options, search=QUICK)
    args, options = arguments(records.select(["basin-1"]))
    alone = calibrate(*args, **options, search=QUICK)
    np.testing.assert_array_equal(alone.parameters[0], together.parameters[1])
    other = calibrate(*args, **{**options, "seed": 1}, search=QUICK)
    assert (other.parameters != alone.parameters).any()


def test_flow_outside_the_training_days_and_in_the_warm_up_is_not_seen() -> None:
    records, _ = some_records(2, 1800)
    days = np.arange(1800) < 1500
    first = fit_process(records, days, seed=0, search=QUICK)
    planted = records.flow.copy()
    planted[:, 1500:], planted[:, :730] = 77.0, 55.0
    second = fit_process(records.with_flow(planted), days, seed=0, search=QUICK)
    np.testing.assert_array_equal(first.model.parameters, second.model.parameters)
    planted[:, 900] = 99.0  # while a day of training is
    third = fit_process(records.with_flow(planted), days, seed=0, search=QUICK)
    assert (first.model.parameters != third.model.parameters).any()


def test_basins_that_cannot_be_calibrated_are_all_named_with_the_reason() -> None:
    records, _ = some_records(5, 1500)
    flow = records.flow.copy()
    flow[0], flow[1], flow[2], flow[3, 1000:] = 0.0, 1.5, np.nan, np.nan
    names = ("dry", "weir", "gone", "short", "good")
    reasons = unusable_basins(flow, 730, names)
    assert list(reasons) == ["dry", "weir", "gone", "short"]
    assert "zero flow" in reasons["dry"] and "constant flow" in reasons["weir"]
    assert "0 observed days" in reasons["gone"] and "270 observed days" in reasons["short"]
    args, options = arguments(records.with_flow(flow), names)
    with pytest.raises(InvalidData) as refused:
        calibrate(*args, **options, search=QUICK)
    assert [v.field for v in refused.value.violations] == ["dry", "weir", "gone", "short"]


def test_parameters_of_the_unit_cube_stay_in_their_ranges() -> None:
    corners = from_unit(np.array([np.zeros(9), np.ones(9)]))
    np.testing.assert_allclose(corners, [LOW, HIGH], rtol=1e-12)
    assert from_unit(np.full(9, 0.5))[0] == pytest.approx((LOW[0] * HIGH[0]) ** 0.5)


def test_progress_counts_basins() -> None:
    args, options = arguments(some_records(3, 1500)[0])
    told: list[tuple[int, int]] = []
    calibrate(*args, **options, search=Search(8, 1), progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
