"""Trainings that hand their work out to Ray."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import forecasts as small
from support.site import SUCCEEDED, Site

from catena.forecaster.jobs import (
    draw_samples,
    train_forecaster,
    train_together,
    tune_forecaster,
)
from catena.forecaster.network_forecaster import NetworkForecaster, Settings
from catena.forecaster.storage import read_forecaster
from catena.forecaster.tune import RUNGS, candidates, search
from catena.models.flow_samples import FlowSamples
from catena.shared.errors import FailedPrecondition
from catena.shared.jobs import JobFunction
from catena.shared.requests import request_from_dict


def run(site: Site, function: JobFunction, **changes: Any) -> NetworkForecaster:
    message = request_from_dict(
        "forecaster", function.method, small.train_request("lstm_ed", **changes)
    )
    job = site.manager.submit(function, function.query.from_message(message))
    ended = site.ended(job.name, timeout_s=400)
    assert ended.state == SUCCEEDED, ended
    made = read_forecaster(site.store.open(ended.artifact))
    assert isinstance(made, NetworkForecaster)
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_train_one_network(site: Site) -> None:
    """The mean of two halves' gradients is that of the whole, but for rounding and gaps in flow."""
    together = run(site, train_together, workers=2)
    alone = read_forecaster(small.made().store.open(small.made().train("lstm_ed")["uri"]))
    assert isinstance(alone, NetworkForecaster)
    assert [step for step, *_ in together.history] == [step for step, *_ in alone.history]
    losses = [np.array([loss for *_, loss in one.history]) for one in (together, alone)]
    assert np.allclose(*losses, rtol=0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_trains_the_settings_that_it_found(site: Site) -> None:
    base = Settings(**small.NETWORK)
    tried = candidates(base, 3, seed=1)
    found = run(site, tune_forecaster, tune=True, tune_trials=3)
    assert found.settings in tried
    assert found.history, "it was trained to the end, not only searched for"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_samples_that_a_job_draws_are_those_that_are_drawn_here(site: Site) -> None:
    def asked(forecaster: small.Ref) -> dict[str, Any]:
        return {"forecaster": forecaster, "basins": small.BASINS, "issues": small.TEST, "count": 30}

    train = request_from_dict("forecaster", "TrainForecaster", small.train_request("lstm"))
    trained = site.ended(
        site.manager.submit(train_forecaster, train_forecaster.query.from_message(train)).name,
        timeout_s=400,
    )
    assert trained.state == SUCCEEDED, trained
    request = request_from_dict("forecaster", "DrawSamples", asked(small.plain(trained.artifact)))
    ended = site.ended(
        site.manager.submit(draw_samples, draw_samples.query.from_message(request)).name,
        timeout_s=400,
    )
    assert ended.state == SUCCEEDED, ended
    here = small.made().run(draw_samples, asked(small.made().train("lstm")))
    there = site.store.open(ended.artifact)
    assert there.manifest.digest == here["digest"], "to the last bit"
    assert len(FlowSamples.from_dataset(there.open_dataset("samples.zarr"))) == 30


def test_what_was_asked_for_is_among_the_candidates_and_the_seed_decides_the_others() -> None:
    base = Settings(**small.NETWORK)
    one, two = candidates(base, 8, seed=3), candidates(base, 8, seed=3)
    assert one == two and one[0] == base and len(one) == 8
    assert candidates(base, 8, seed=4)[1:] != one[1:]
    assert len(set(one)) == 8
    assert all(settings.steps == base.steps for settings in one), "steps are the search's own"
    assert 0 < RUNGS[0] < RUNGS[1] <= 1


def test_without_ray_a_search_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(FailedPrecondition, match=r"call ray\.init\(\) first"):
        search(None, None, Settings(), None, trials=2, progress=print, checkpoint=None)  # type: ignore[arg-type]
