"""What is explained is the area mean of what the model forecasts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import planted_orbit as planted

from catena.explainer.orbit.loading import ForecastModel, read_checkpoint
from catena.explainer.orbit.prediction import FieldPrediction, Target, flat, variable_groups
from catena.models.orbit import Orbit, initialise
from catena.orbit_trainer.tasks.forecast import OrbitForecaster
from catena.shared.errors import InvalidData, InvalidRequest

LAT, LON = planted.LAT, planted.LON


@pytest.fixture(scope="module")
def forecast() -> ForecastModel:
    model = initialise(Orbit(planted.about().fields), seed=0)
    with torch.no_grad():
        model.head.out.weight *= 20.0  # type: ignore[union-attr]
    return read_checkpoint(planted.checkpoint(model.eval().requires_grad_(False)))


def test_the_mean_of_a_box_counts_areas() -> None:
    # Of f = sin(lat) the mean between two latitudes at edges of rows has a closed form.
    box = Target("tas", 0.0, 45.0, 0.0, 360.0).cells(LAT, LON)
    top = np.sin(np.radians(45.0))
    fine = np.linspace(-90, 90, 2 * 720 + 1)[1::2]
    mean = (Target("tas", 0.0, 45.0).cells(fine, LON) * np.sin(np.radians(fine))[:, None]).sum()
    assert mean == pytest.approx(top / 2, abs=1e-5)
    assert box.sum() == pytest.approx(1.0) and (box > 0).sum() == 4 * 32
    np.testing.assert_allclose(box[8, 0] / box[11, 0], np.cos(np.radians(LAT[8])) / np.cos(
        np.radians(LAT[11])), rtol=1e-12)  # fmt: skip


def test_boxes_on_unequal_rows_count_the_area_that_rows_have() -> None:
    rows = np.array([-60.0, -10.0, 0.0, 5.0, 50.0])
    box = Target("tas", -10.0, 5.0, 0.0, 90.0).cells(rows, LON)
    edges = np.sin(np.radians([-35.0, -5.0, 2.5, 27.5]))
    areas = np.diff(edges)
    np.testing.assert_allclose(box[1:4].sum(1), areas / areas.sum(), rtol=1e-12)
    assert not box[[0, 4]].any()


def test_boxes_go_over_meridians_and_points_are_cells() -> None:
    def columns(west: float, east: float) -> list[int]:
        cells = Target("tas", -90, 90, west, east).cells(LAT, LON)
        return np.flatnonzero(cells.any(0)).tolist()

    assert columns(-12.0, 12.0) == [0, 1, 31] == columns(348.0, 372.0) == columns(348.0, 12.0)
    assert columns(0.0, 360.0) == columns(-180.0, 180.0) == list(range(32))
    point = Target.point("tas", 41.0, -3.0).cells(LAT, LON)
    assert np.argwhere(point == 1.0).tolist() == [[11, 0]]
    with pytest.raises(InvalidData, match="no centre of a cell lies in the box of tas 1°N-2°N"):
        Target("tas", 1.0, 2.0, 0.0, 360.0).cells(LAT, LON)
    assert Target("tas", 40, 50, -10, 5).label == "tas 40°N-50°N 10°W-5°E"
    assert Target("tas").label == "tas global"
    assert Target.point("tas", -20, 30).label == "tas 20°S 30°E"


def test_predictions_are_means_of_the_trainers_forecasts(forecast: ForecastModel) -> None:
    targets = [Target("tas", 0, 45, 80, 130), Target.point("tas", 60, 0)]
    values = planted.physical(planted.smooth(3, seed=1))
    values[0, 1] = np.nan  # lacks altogether
    values[1, 2, 4:6, :7] = np.nan  # lacks in part
    trainer = OrbitForecaster(forecast.model, forecast.about.statistics)
    wanted = np.empty((3, 2, 2))
    for place, lead in enumerate(planted.LEADS):
        fields = trainer.forecast(values, np.full(3, lead))[:, 0]
        for which, target in enumerate(targets):
            wanted[:, place, which] = (fields * target.cells(LAT, LON)).sum((-2, -1))
    predict = FieldPrediction(forecast, targets, planted.LEADS)
    found = predict(flat(values)).numpy()
    assert predict.units == ("K", "K") and found.shape == (3, 4)
    np.testing.assert_allclose(found, wanted.reshape(3, 4), atol=2e-4)
    assert np.ptp(found - flat(values)[:, :512].mean(1).numpy()[:, None]) > 1.0, "it predicts"
    np.testing.assert_allclose(predict.at_lead(24.0)(flat(values)), wanted[:, 1], atol=2e-4)


def test_slopes_are_those_of_small_steps(forecast: ForecastModel) -> None:
    predict = FieldPrediction(forecast, [Target("tas", 0, 45, 80, 130)], (24.0,))
    rows = flat(planted.physical(planted.smooth(1, seed=2))).requires_grad_()
    [slope] = torch.autograd.grad(predict(rows).sum(), rows)
    way = flat(planted.physical(planted.smooth(1, seed=4))) - rows.detach()
    with torch.no_grad():
        step = (predict(rows + 0.02 * way) - predict(rows - 0.02 * way)).item() / 0.04
    assert (slope * way).sum().item() == pytest.approx(step, rel=2e-3)


def test_groups_are_the_columns_of_variables(forecast: ForecastModel) -> None:
    groups = variable_groups(forecast)
    values = planted.physical(planted.smooth(2, seed=1)).astype(np.float64)
    assert groups.names == planted.NAMES
    np.testing.assert_allclose(groups.sums(flat(values)), values.sum((2, 3)), rtol=1e-12)


def test_targets_and_leads_that_the_model_does_not_have_are_refused(
    forecast: ForecastModel,
) -> None:
    with pytest.raises(InvalidRequest, match="is of psl; the model forecasts tas"):
        FieldPrediction(forecast, [Target("psl")], (6.0,))
    with pytest.raises(InvalidRequest, match="12 h was asked for; the model was trained on 6, 24"):
        FieldPrediction(forecast, [Target("tas")], (12.0,))
    with pytest.raises(InvalidRequest, match="0 targets at 1 leads"):
        FieldPrediction(forecast, [], (6.0,))
    with pytest.raises(InvalidData, match=r"shape \(2, 7\) came; \(rows, 2048\) is wanted"):
        FieldPrediction(forecast, [Target("tas")], (6.0,))(torch.zeros(2, 7))
