"""The calibrator's jobs, run in this process: another model, from a user's files to a report."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import calibration as small

from catena.calibrator import jobs, queries, training
from catena.calibrator.storage import read_chains, read_check, read_ensemble, read_posterior
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import InvalidData
from catena.shared.jobs import JobContext
from catena.shared.testing import run_job


@pytest.fixture(scope="module")
def made() -> small.Calibration:
    return small.small_calibration()


@pytest.fixture(scope="module")
def chains(made: small.Calibration) -> dict[str, str]:
    request = {
        "surrogate": made.surrogate,
        "observation": small.observation(),
        "draws": 400,
        "warmup": 200,
    }
    return made.run(jobs.run_mcmc, request)


@pytest.fixture(scope="module")
def check(made: small.Calibration) -> dict[str, str]:
    request = {
        "posterior": made.posterior,
        "ensemble": made.ensemble,
        "observation": small.observation(),
        "simulated_pairs": 200,
        "draws": 200,
    }
    return made.run(jobs.check_calibration, request)


def test_the_imported_ensemble_is_the_users_table(made: small.Calibration) -> None:
    ensemble = read_ensemble(made.store.open(made.ensemble["uri"]))
    parameters, outputs = small.runs()
    assert np.array_equal(ensemble.parameters, parameters)
    assert np.array_equal(ensemble.outputs, outputs)
    assert ensemble.held_out.sum() == small.HELD_OUT
    manifest = made.store.open(made.ensemble["uri"]).manifest
    assert manifest.units["capacity"] == "mm"
    assert [item.kind for item in manifest.lineage.inputs] == ["files"]


def test_a_generated_ensemble_says_so(made: small.Calibration) -> None:
    ref = made.run(jobs.import_ensemble, {"generated": {"runs": 60, "seed": 1}})
    ensemble = read_ensemble(made.store.open(ref["uri"]))
    assert ensemble.generated
    assert ensemble.parameters.shape == (60, 8)
    assert "generated" in made.store.open(ref["uri"]).manifest.title


def test_the_posterior_finds_the_truth_of_another_model(made: small.Calibration) -> None:
    posterior, about = read_posterior(made.store.open(made.posterior["uri"]))
    truth = np.array([150.0, 0.08, 0.7])
    seen = small.observation(error=0.02)
    draws = posterior.sample(seen["values"], np.array(seen["error_sd"]), draws=2000, seed=1)
    low, high = np.quantile(draws.values[0], [0.005, 0.995], axis=0)
    assert about.prior.names == ("capacity", "drainage", "evaporation")
    assert ((low <= truth) & (truth <= high)).all()
    narrowed = 1 - draws.values[0].std(0) / ((small.HIGH - small.LOW) / np.sqrt(12))
    assert narrowed.max() > 0.5, "a precise observation must narrow something"


def test_chains_and_posterior_agree(made: small.Calibration, chains: dict[str, str]) -> None:
    posterior, _ = read_posterior(made.store.open(made.posterior["uri"]))
    found, seen = read_chains(made.store.open(chains["uri"]))
    values = np.array(small.observation()["values"])
    assert seen["site"] == "hillside"
    draws = posterior.sample(values, np.full(4, 0.05), draws=4000, seed=1).values[0]
    scale = small.HIGH - small.LOW
    difference = np.abs(draws.mean(0) - found.draws.mean(0)) / scale
    assert difference.max() < 0.05
    costs = made.store.open(chains["uri"]).manifest.costs
    assert costs["sampling_wall_s"] > 0


def test_checks_are_measured(made: small.Calibration, check: dict[str, str]) -> None:
    figures, arrays = read_check(made.store.open(check["uri"]))
    assert figures["simulated"]["pairs"] == 200
    assert figures["held_out"]["pairs"] == small.HELD_OUT
    assert arrays["simulated.ranks"].shape == (200, 3)
    assert figures["simulated"]["outside_prior"] == 0
    assert max(figures["simulated"]["ks"]) < 0.2
    assert min(figures["held_out"]["surrogate_r2"]) > 0.9
    assert figures["out_of_range"]["flagged"] == 1.0
    assert figures["observation"]["out_of_range"] is False


def test_the_report_is_one_page(
    made: small.Calibration, check: dict[str, str], chains: dict[str, str]
) -> None:
    request = {
        "ensemble": made.ensemble,
        "surrogate": made.surrogate,
        "posterior": made.posterior,
        "check": check,
        "chains": chains,
        "observation": small.observation(),
    }
    ref = made.run(jobs.write_report, request)
    artifact = made.store.open(ref["uri"])
    page = artifact.read_bytes("report.html").decode()
    assert "leaky bucket" in page
    assert page.count("<figure>") == 5
    assert artifact.read_json("report.json")["verdict"]["status"] in ("passed", "doubtful")
    timed = {entry.path for entry in artifact.manifest.files if entry.timed}
    assert timed == {"report.html"}


SITES = """site,runoff_winter,runoff_winter_sd,runoff_summer,runoff_summer_sd
north,2.0,0.1,0.3,0.05
south,1.8,0.1,,
far,99,0.1,0.3,0.05
"""


def sites_request(made: small.Calibration, text: str) -> dict[str, Any]:
    files = made.store.put_files({"sites.csv": text.encode()})
    return {
        "posterior": made.posterior,
        "observations": small.plain(files),
        "observations_file": "sites.csv",
        "draws": 300,
    }


def test_sites_are_drawn_with_diagnostics(made: small.Calibration) -> None:
    ref = made.run(jobs.sample_sites, sites_request(made, SITES))
    artifact = made.store.open(ref["uri"])
    dataset = artifact.open_dataset("draws.zarr")
    assert dict(dataset.sizes) == {"site": 3, "draw": 300, "parameter": 3}
    values = dataset["parameters"].to_numpy()
    assert ((values >= small.LOW) & (values <= small.HIGH)).all()
    assert dataset["out_of_range"].sel(site="far") == 1
    assert dataset["out_of_range"].sel(site="north") == 0
    assert dataset["parameter_units"].to_numpy().tolist() == ["mm", "d-1", "1"]
    assert artifact.read_json("draws.json")["out_of_range"] == ["far"]


def test_a_bad_cell_of_a_site_is_named_with_its_line(made: small.Calibration) -> None:
    with pytest.raises(InvalidData) as caught:
        made.run(jobs.sample_sites, sites_request(made, SITES.replace("1.8", "wet")))
    (violation,) = caught.value.violations
    assert violation.field == "observations_file"
    assert "line 3, column 'runoff_winter'" in violation.description


def test_the_same_request_gives_the_same_digest() -> None:
    digests = []
    for number in range(2):
        store = ArtifactStore(f"memory://same-digest-{number}")
        made = small.Calibration(store)
        digests.append(
            [made.ensemble["digest"], made.surrogate["digest"], made.posterior["digest"]]
        )
        assert store.open(made.surrogate["uri"]).manifest.create_time
    assert digests[0] == digests[1]


def test_another_seed_gives_another_digest(made: small.Calibration) -> None:
    request = small.posterior_request(made.surrogate) | {"seed": 99}
    other = made.run(jobs.train_posterior, request)
    assert other["digest"] != made.posterior["digest"]


class Stop(Exception):
    """Stands for a kill."""


def stop_after(context: JobContext, saves: int) -> None:
    """Kill a job right after so many checkpoints."""
    save = context.checkpoint.save
    done: list[int] = []

    def saving(*args: Any, **kwargs: Any) -> None:
        save(*args, **kwargs)
        done.append(1)
        if len(done) == saves:
            raise Stop

    context.checkpoint.save = saving  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("function", "request_of"),
    [
        (
            jobs.train_surrogate,
            lambda made: {"ensemble": made.ensemble, "method": "mlp", "seed": 1, "folds": 2},
        ),
        (
            jobs.run_mcmc,
            lambda made: {
                "surrogate": made.surrogate,
                "observation": small.observation(),
                "draws": 100,
                "warmup": 50,
                "seed": 8,
            },
        ),
    ],
    ids=["TrainSurrogate", "RunMcmc"],
)
def test_a_stopped_job_goes_on_to_the_same_result(
    function: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever the machine's speed, there is more than one checkpoint to stop at.
    monkeypatch.setattr(training, "SAVE_EVERY_S", 0.0)

    def start(store_name: str) -> tuple[ArtifactStore, Any]:
        made = small.Calibration(ArtifactStore(f"memory://{store_name}-{function.method}"))
        query = getattr(queries, f"{function.method}Query").from_plain(request_of(made))
        return made.store, query

    store, query = start("whole")
    first: list[float] = []
    whole = run_job(function, query, store, lambda fraction, _: first.append(fraction))
    store, query = start("stopped")
    context = JobContext(store, function, query, 1)
    stop_after(context, saves=2)
    with pytest.raises(Stop):
        function(query, context)
    then: list[float] = []
    resumed = run_job(function, query, store, lambda fraction, _: then.append(fraction))
    assert resumed == whole, "uri, digest and kind"
    assert then[0] > first[0], "what was saved is not done again"


# Torch may have switched subnormal numbers off in this process; hypothesis must not make any.
finite = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(finite, min_size=4, max_size=4),
    error=st.floats(1e-6, 1e6, allow_subnormal=False),
    mask=st.lists(st.booleans(), min_size=4, max_size=4).filter(any),
    seed=st.integers(0, 2**63 - 1),
)
def test_draws_never_leave_the_prior(
    values: list[float], error: float, mask: list[bool], seed: int
) -> None:
    made = small.small_calibration()
    posterior, about = read_posterior(made.store.open(made.posterior["uri"]))
    sample = posterior.sample(
        np.array(values), np.full(4, error), np.array(mask), draws=50, seed=seed
    )
    assert np.isfinite(sample.values).all()
    assert about.prior.contains(sample.values[0]).all()


def test_no_path_of_the_machine_is_in_an_artifact(made: small.Calibration) -> None:
    for artifact in made.store.list():
        for name in artifact.names:
            if name.endswith((".json", ".html")):
                text = artifact.read_bytes(name).decode()
                assert not re.search(r"/(home|root|tmp|work)/", text), name
