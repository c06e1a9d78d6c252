"""The calibrator over gRPC: quick rpcs answer, long ones give jobs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support import calibration as small
from support.servers import Running

from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.calibrator.server import add_services
from catena.shared.client import ServiceClient
from catena.shared.errors import InvalidRequest, NotFound
from catena.shared.testing import LocalJobs


@pytest.fixture
def made() -> small.Calibration:
    return small.small_calibration()


@pytest.fixture
def client(serve: Callable[..., Running], made: small.Calibration) -> ServiceClient:
    return serve(add_services, jobs=LocalJobs, store=small.MEMORY, patience_s=1.0).client()


def sample(client: ServiceClient, made: small.Calibration, **changes: object):
    request = {"posterior": made.posterior, "observations": [small.observation()], "seed": 5}
    return client.call("SamplePosterior", request | changes)


def test_draws_come_inline_inside_the_prior(client: ServiceClient, made: small.Calibration) -> None:
    (draws,) = sample(client, made, draws=500).draws
    values = np.array(draws.values).reshape(draws.draws, len(draws.parameters))
    assert values.shape == (500, 3)
    assert list(draws.parameters) == ["capacity", "drainage", "evaporation"]
    assert ((values >= small.LOW) & (values <= small.HIGH)).all()
    assert draws.effective_size > 50
    assert not draws.out_of_range
    assert draws.method_used == pb.POSTERIOR_METHOD_SIR


def test_the_same_call_gives_the_same_draws(client: ServiceClient, made: small.Calibration) -> None:
    assert sample(client, made) == sample(client, made)
    assert sample(client, made) != sample(client, made, seed=6)


def test_several_sites_with_masks_in_one_call(
    client: ServiceClient, made: small.Calibration
) -> None:
    full = small.observation()
    masked = small.observation(observed=[True, False, False, False])
    a, b = sample(client, made, observations=[full, masked]).draws
    width = [np.array(x.values).reshape(-1, 3).std(0) for x in (a, b)]
    assert (width[1] > width[0]).any(), "less seen, more left open"


def test_an_impossible_observation_is_flagged(
    client: ServiceClient, made: small.Calibration
) -> None:
    far = small.observation(values=[50.0, 50.0, 50.0, 50.0])
    (draws,) = sample(client, made, observations=[far]).draws
    assert draws.out_of_range
    assert draws.distance_sd > 10


def test_a_warm_posterior_is_not_loaded_again(
    client: ServiceClient, made: small.Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sample(client, made)

    def refuse(*arguments: object) -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr("catena.calibrator.storage.Posterior.from_arrays", refuse)
    assert sample(client, made) == before


def test_a_reply_that_would_be_too_large_names_the_other_way(
    client: ServiceClient, made: small.Calibration
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sample(client, made, draws=60_000)
    (violation,) = caught.value.violations
    assert violation.field == "draws"
    assert "SampleSites" in violation.description


def test_an_observation_of_a_held_out_run(client: ServiceClient, made: small.Calibration) -> None:
    run = small.RUNS - 1
    request = {"ensemble": made.ensemble, "run": run, "error_fraction": 0.1, "seed": 2}
    seen = client.call("DrawObservation", request).observation
    outputs = small.runs()[1]
    spread = outputs[: -small.HELD_OUT].std(axis=0, ddof=1)
    assert seen.synthetic
    assert seen.run == run
    assert "held out" in seen.source
    assert np.allclose(seen.error_sd, 0.1 * spread)
    noise = (np.array(seen.values) - outputs[run]) / np.array(seen.error_sd)
    assert 0 < np.abs(noise).max() < 5


def test_an_observation_of_a_training_run_says_so(
    client: ServiceClient, made: small.Calibration
) -> None:
    request = {"ensemble": made.ensemble, "run": 0, "error_fraction": 0.1}
    seen = client.call("DrawObservation", request).observation
    assert seen.run == 0
    assert seen.HasField("run"), "run 0 is a run"
    assert "training run" in seen.source


def test_a_long_rpc_gives_a_job_that_is_found_again(
    client: ServiceClient, made: small.Calibration
) -> None:
    job = client.submit("TrainSurrogate", small.surrogate_request(made.ensemble))
    assert small.plain(job.result(timeout_s=30)) == made.surrogate
    assert client.submit("TrainSurrogate", small.surrogate_request(made.ensemble)).reused


def test_validate_only_runs_nothing(client: ServiceClient, made: small.Calibration) -> None:
    request = small.surrogate_request(made.ensemble) | {"seed": 123456}
    client.validate("TrainSurrogate", request)
    assert not [a for a in made.store.list("surrogate") if a.manifest.lineage.seed == 123456]


def test_a_posterior_that_is_gone_is_not_answered_from_memory(
    client: ServiceClient, made: small.Calibration
) -> None:
    sample(client, made)
    gone = dict(made.posterior, uri="jobs/calibrator/TrainPosterior/" + "0" * 64)
    with pytest.raises(NotFound):
        sample(client, made, posterior=gone)
