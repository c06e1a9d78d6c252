"""An evaluation equals a slow one, and knows a perfect forecast from a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.orbit_caches import cached, slow_fields, waves

from catena.orbit_trainer.evaluation import scores
from catena.orbit_trainer.evaluation.baselines import Climatology
from catena.orbit_trainer.evaluation.evaluate import evaluate
from catena.orbit_trainer.evaluation.forecasters import (
    Direct,
    Ensemble,
    RollOut,
    random_field_perturbations,
)
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period
from catena.shared.latitudes import latitude_weights

NAMES = ("tas", "psl", "ua")
TRAIN, TEST = Period("", "2001-01-09"), Period("2001-01-09", "")


class Shifted:
    """A forecaster that moves fields eastward by a sixth of a cell an hour, and adds an error."""

    def __init__(self, error: float = 0.0) -> None:
        self.error = error
        self.calls: list[tuple[int, float]] = []

    def forecast(self, fields: np.ndarray, lead_hours: np.ndarray) -> np.ndarray:
        self.calls.append((len(fields), float(lead_hours[0])))
        return np.roll(fields, int(lead_hours[0] / 6), axis=-1) + self.error


@pytest.fixture
def cache(tmp_path: Path) -> HotCache:
    dataset = waves(NAMES, 60)
    dataset["psl"][40:, 2, 3] = np.nan
    return cached(dataset, tmp_path / "cache")


def climatology_of(cache: HotCache, names: tuple[str, ...] = NAMES) -> Climatology:
    return Climatology.fit(cache, names, TRAIN, window_days=None)


def test_scores_equal_a_slow_evaluation(cache: HotCache) -> None:
    usual = climatology_of(cache)
    leads = (6.0, 18.0)
    model = {"model": Direct(Shifted(0.5))}
    found = evaluate(model, cache, TEST, leads, usual, variables=NAMES, stride=3, batch=4)
    fields = cache.gather(range(len(cache))).astype(np.float64)
    start, stop = TEST.steps(cache)
    begun = np.arange(start, stop - 3, 3)
    assert found.times_s.tolist() == cache.times_s()[begun].tolist()
    weights = latitude_weights(found.lat)
    for place, step in enumerate((1, 3)):
        truth = fields[begun + step]
        normal = usual.at(cache.times_s()[begun + step])
        for name, forecast in {
            "model": np.roll(fields[begun], step, -1) + 0.5,
            "persistence": fields[begun],
            "climatology": normal,
        }.items():
            for v in range(3):
                f, t, c = forecast[:, v], truth[:, v], normal[:, v]
                wanted = {
                    "rmse": scores.rmse(f, t, weights),
                    "bias": scores.mean_error(f, t, weights).mean(),
                    "acc": scores.anomaly_correlation(f, t, c, weights).mean(),
                    "activity": scores.activity(f, c, weights).mean(),
                    "crps": scores.area_mean(np.abs(f - t), weights).mean(),
                    "spread": 0.0,
                }
                for score, value in wanted.items():
                    got = found.score(score, name)[place, v]
                    np.testing.assert_allclose(got, value, rtol=2e-4, atol=1e-4, err_msg=score)
            row = found.forecasters.index(name)
            error = np.where(np.isnan(forecast - truth), np.nan, forecast - truth)
            with np.errstate(invalid="ignore"):
                bias = scores.known_mean(error, axis=0)
            np.testing.assert_allclose(found.bias_map[row, place], bias, rtol=1e-3, atol=2e-2)
    assert np.isnan(found.score("acc", "climatology")).all()
    assert np.isnan(found.score("crps_fair", "model")).all()


def test_batches_do_not_matter(cache: HotCache) -> None:
    usual = climatology_of(cache)
    one, many = (
        evaluate({"m": Direct(Shifted())}, cache, TEST, (6.0,), usual, variables=NAMES, batch=size)
        for size in (1, 100)
    )
    for name in one.scores:
        np.testing.assert_allclose(one.scores[name], many.scores[name], rtol=1e-9)
    np.testing.assert_allclose(one.power, many.power, rtol=1e-9)
    np.testing.assert_array_equal(one.shown, many.shown)


def test_a_perfect_forecast_is_perfect(tmp_path: Path) -> None:
    dataset = waves(("tas",), 40)
    fields = slow_fields(dataset, ("tas",)).astype(np.float32)
    cache = cached(dataset, tmp_path / "c")

    class Oracle:
        def forecast(self, given: np.ndarray, lead_hours: np.ndarray) -> np.ndarray:
            at = [int(np.argmin(np.abs(fields - one).sum((1, 2, 3)))) for one in given]
            return fields[np.array(at) + int(lead_hours[0] / 6)]

    usual = Climatology.fit(cache, ("tas",), TRAIN, window_days=None)
    found = evaluate(
        {"oracle": Direct(Oracle())}, cache, Period("2001-01-08"), (6.0, 12.0), usual,
        variables=("tas",),
    )  # fmt: skip
    assert found.score("rmse", "oracle").max() < 1e-4
    np.testing.assert_allclose(found.score("acc", "oracle"), 1.0, atol=1e-6)
    np.testing.assert_allclose(found.power[0], found.truth_power, rtol=1e-4)
    assert (found.ratio("oracle", "persistence") < 1e-4).all()
    assert found.score("acc", "persistence").max() < 1.0


def test_a_roll_out_steps_through_all_leads_once_and_keeps_other_inputs() -> None:
    model = Shifted(1.0)
    fields = np.random.default_rng(0).normal(size=(2, 3, 4, 8)).astype(np.float32)

    class FirstTwo:
        def forecast(self, given: np.ndarray, lead_hours: np.ndarray) -> np.ndarray:
            return model.forecast(given, lead_hours)[:, :2] + given[:, 2:]

    first, second = RollOut(FirstTwo(), 6.0, places=(0, 1)).run(fields, (6.0, 18.0))
    assert len(model.calls) == 3
    kept = fields[:, 2:]
    wanted = fields[:, :2]
    for count in range(1, 4):
        wanted = np.roll(wanted, 1, -1) + 1.0 + kept
        if count == 1:
            np.testing.assert_allclose(first[0], wanted, rtol=1e-6)
    np.testing.assert_allclose(second[0], wanted, rtol=1e-6)
    whole = list(RollOut(model, 6.0).run(fields, (6.0, 12.0)))
    np.testing.assert_allclose(whole[0][0], np.roll(fields, 1, -1) + 1.0, rtol=1e-6)
    with pytest.raises(InvalidRequest, match="lead of 9 h by steps of 6 h"):
        list(RollOut(model, 6.0).run(fields, (9.0,)))


def test_an_ensemble_runs_every_member_with_every_perturbation(cache: HotCache) -> None:
    changes = random_field_perturbations(cache, NAMES, TRAIN, pairs=2, scale=0.2, seed=1)
    assert changes.shape == (4, 3, 8, 16)
    np.testing.assert_allclose(changes[:2], -changes[2:])
    assert 0.5 < changes[:, 0].std() < 3.0  # a fifth of sqrt(2) of about 6 K
    fields = cache.physical(cache.gather([0, 1]))
    both = Ensemble((Direct(Shifted()), Direct(Shifted(1.0))), changes)
    (members,) = both.run(fields, (6.0,))
    assert members.shape == (8, 2, 3, 8, 16)
    wanted = np.roll(fields + changes[2], 1, -1)
    np.testing.assert_allclose(members[2], wanted, rtol=1e-6)
    np.testing.assert_allclose(members[6], wanted + 1.0, rtol=1e-6)
    with pytest.raises(InvalidRequest, match="pairs"):
        random_field_perturbations(cache, NAMES, TRAIN, pairs=50)


def test_an_ensemble_is_scored_as_one(cache: HotCache) -> None:
    usual = climatology_of(cache)
    pair = Ensemble((Direct(Shifted(-1.0)), Direct(Shifted(3.0))))
    found = evaluate(
        {"pair": pair, "middle": Direct(Shifted(1.0))}, cache, TEST, (6.0,), usual, variables=NAMES
    )
    assert found.members == (2, 1, 1, 1)
    np.testing.assert_allclose(
        found.score("rmse", "pair"), found.score("rmse", "middle"), rtol=1e-5
    )
    np.testing.assert_allclose(found.score("spread", "pair"), np.sqrt(8.0), rtol=1e-2)
    plain, fair = found.score("crps", "pair"), found.score("crps_fair", "pair")
    np.testing.assert_allclose(plain - fair, 4.0 / 2 - 4.0 / 4, rtol=1e-2)


def test_all_of_it_goes_into_a_file_and_a_summary(cache: HotCache, tmp_path: Path) -> None:
    found = evaluate(
        {"m": Direct(Shifted())}, cache, TEST, (6.0, 12.0), climatology_of(cache), variables=NAMES
    )
    found.to_xarray().to_zarr(tmp_path / "skill.zarr")
    read = xr.open_zarr(tmp_path / "skill.zarr")
    assert dict(read.sizes) == {
        "forecaster": 3, "lead": 2, "variable": 3, "time": len(found.times_s), "lat": 8,
        "lon": 16, "band": 4, "wavenumber": 9,
    }  # fmt: skip
    row = read.sel(forecaster="m", variable="ua").isel(lead=1)
    assert float(row["rmse"]) == pytest.approx(found.score("rmse", "m")[1, 2])
    assert str(row["variable_units"].values) == "m s-1"
    mean = read["mean_square_error"].mean("time")
    np.testing.assert_allclose(np.sqrt(mean), read["rmse"], rtol=1e-9)
    plain = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert plain["scores"]["acc"]["climatology"] == [[None] * 3] * 2
    assert plain["scores"]["rmse"]["m"][0][0] == pytest.approx(found.score("rmse", "m")[0, 0])


def test_what_cannot_be_evaluated_is_said(cache: HotCache) -> None:
    usual = climatology_of(cache)

    def run(**changes: object) -> None:
        given: dict = {"period": TEST, "leads_h": (6.0,), "climatology": usual, "variables": NAMES}
        given |= changes
        forecasters = given.pop("forecasters", {"m": Direct(Shifted())})
        evaluate(forecasters, cache, **given)

    with pytest.raises(InvalidRequest, match="names other than persistence"):
        run(forecasters={"persistence": Direct(Shifted())})
    with pytest.raises(InvalidRequest, match="climatology of tas"):
        run(climatology=climatology_of(cache, ("tas",)))
    with pytest.raises(InvalidRequest, match="no initial time"):
        run(leads_h=(480.0,))
    with pytest.raises(InvalidData, match="whole number of steps"):
        run(leads_h=(7.0,))
    with pytest.raises(InvalidData, match=r"forecast of m has the shape \(1, 8, 3"):
        run(outputs=("tas",), climatology=climatology_of(cache, ("tas",)))
