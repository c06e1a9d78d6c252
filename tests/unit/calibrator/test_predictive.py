"""From runs of a model to its posterior predictive: skill, findings, the report's section."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import land_runs as land
from support.calibration import Calibration
from support.servers import Running

from catena.calibrator import jobs
from catena.calibrator.predictive import ModelPredictive, Skill, covered
from catena.calibrator.preflight import check_against_artifacts
from catena.calibrator.queries import WriteReportQuery
from catena.calibrator.server import add_services
from catena.calibrator.steps import Step
from catena.calibrator.storage import read_check, read_ensemble
from catena.calibrator.verdict import model_findings
from catena.shared.artifacts import ArtifactStore
from catena.shared.client import ServiceClient
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.testing import LocalJobs

STORE = "memory://predictive"
TRUTH = np.array([0.3, 0.02, 1.0])
VARIABLES = [
    {"name": "GPP", "relative_sd": 0.1, "absolute_sd": 0.3, "units": "gC m-2 d-1"},
    {"name": "EFLX_LH_TOT", "relative_sd": 0.1, "absolute_sd": 4.0},
]


class Made(Calibration):
    """A calibration of the tiny forest on two of its four years of monthly fluxes."""

    def __init__(self) -> None:
        self.store = ArtifactStore(STORE)
        runs = land.put_runs(self.store, "prior", land.parameters(120), failed=(7,))
        source = {"runs": runs, "variables": [{"name": "GPP"}, {"name": "EFLX_LH_TOT"}]}
        request = {"runs": source, "held_out_runs": 20}
        self.ensemble = self.run(jobs.import_ensemble, request)
        self.surrogate = self.run(
            jobs.train_surrogate, {"ensemble": self.ensemble, "method": "gp", "folds": 3}
        )
        self.posterior = self.run(
            jobs.train_posterior,
            {"surrogate": self.surrogate, "method": "sir", "bank_size": 8192},
        )
        self.dataset = land.put_dataset(self.store, "towers", land.towers(TRUTH, missing=(3, 41)))


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


@pytest.fixture
def client(serve: Callable[..., Running], made: Made) -> ServiceClient:
    return serve(add_services, jobs=LocalJobs, store=STORE, patience_s=1.0).client()


def read(client: ServiceClient, made: Made, **changes: Any) -> Any:
    request = {
        "ensemble": made.ensemble,
        "dataset": made.dataset,
        "variables": VARIABLES,
        "end": "2011-12-31",
    }
    return client.call("ReadObservation", request | changes)


def message(observation: Any) -> dict[str, Any]:
    return {
        "values": list(observation.values),
        "error_sd": list(observation.error_sd),
        "observed": list(observation.observed),
        "site": observation.site,
    }


def report_request(client: ServiceClient, made: Made, **changes: Any) -> dict[str, Any]:
    reply = read(client, made)
    (draws,) = client.call(
        "SamplePosterior",
        {"posterior": made.posterior, "observations": [message(reply.observation)], "draws": 50},
    ).draws
    rows = np.array(draws.values).reshape(50, -1)
    return {
        "ensemble": made.ensemble,
        "surrogate": made.surrogate,
        "posterior": made.posterior,
        "observation": message(reply.observation),
        "withheld": message(reply.withheld),
        "predictive": land.put_runs(made.store, "posterior", rows, failed=(11,)),
    } | changes


def test_observed_months_are_used_or_held_back(client: ServiceClient, made: Made) -> None:
    reply = read(client, made)
    used, withheld = np.array(reply.observation.observed), np.array(reply.withheld.observed)
    assert used[:48].sum() == 23 and withheld[:48].sum() == 23, "two months have no GPP"
    assert used[48:].sum() == 24 and withheld[48:].sum() == 24
    assert not (used & withheld).any()
    assert reply.observation.site == "US-WCr"
    assert "FLUXNET2015" in reply.observation.source
    assert not reply.observation.synthetic


def test_without_an_end_nothing_is_held_back(client: ServiceClient, made: Made) -> None:
    assert not read(client, made, end="").HasField("withheld")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": "rivers"}, "key"),
        ({"variables": [{"name": "GPP"}]}, "variables[0].absolute_sd"),
        ({"variables": [VARIABLES[0]] * 2}, "variables[1].name"),
        ({"start": "2012-01-01"}, "end"),
        ({"least_coverage": 1.5}, "least_coverage"),
    ],
)
def test_a_wrong_field_is_named(
    client: ServiceClient, made: Made, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises((InvalidRequest, InvalidData)) as caught:
        read(client, made, **changes)
    assert field in {violation.field for violation in caught.value.violations}


def test_an_ensemble_of_tables_has_no_times(client: ServiceClient, made: Made) -> None:
    tables = made.run(jobs.import_ensemble, {"generated": {"runs": 40}})
    with pytest.raises(InvalidData, match="not imported from runs"):
        read(client, made, ensemble=tables)


def test_the_report_shows_the_model_before_and_after(client: ServiceClient, made: Made) -> None:
    ref = made.run(jobs.write_report, report_request(client, made))
    artifact = made.store.open(ref["uri"])
    summary = artifact.read_json("report.json")["predictive"]
    assert (summary["runs"], summary["failed"]) == (49, 1)
    skill = {(row["variable"], row["used"], row["after"]): row for row in summary["skill"]}
    assert len(skill) == 8
    for variable in ("GPP", "EFLX_LH_TOT"):
        before, after = skill[variable, False, False], skill[variable, False, True]
        assert after["rmse"] < 0.3 * before["rmse"], "the truth is in the prior"
        assert after["coverage90"] > 0.9
        assert after["correlation"] > 0.99
        assert before["count"] == (23 if variable == "GPP" else 24)
    page = artifact.read_bytes("report.html").decode()
    assert "Prior and posterior predictive of the model itself" in page
    assert "embedded land model" in page
    assert "no step of the calibration has seen them" in page
    assert "1 failed" in page
    assert all(words in page for words in land.LONG_NAMES)


def test_the_report_says_what_the_models_runs_began_from(client: ServiceClient, made: Made) -> None:
    sites = {"as it was": 30, "polished": 0, "fallback": 20, "failed": 0}
    begun = land.put_spin_up(made.store, sites)
    request = report_request(client, made, spin_up=begun)
    page = made.store.open(made.run(jobs.write_report, request)["uri"]).read_bytes("report.html")
    text = page.decode()
    assert "stood at once in 30 of 50, failed in 20, which were spun up natively" in text
    assert "polished" not in text
    assert "48 simulated years a draw" in text
    with pytest.raises(InvalidRequest, match="spin_up: is given without the runs"):
        WriteReportQuery.from_plain(request | {"predictive": None, "withheld": None})


def test_what_was_used_cannot_be_held_back_too(client: ServiceClient, made: Made) -> None:
    request = report_request(client, made)
    with pytest.raises(InvalidRequest, match=r"withheld\.observed"):
        WriteReportQuery.from_plain(request | {"withheld": request["observation"]})
    with pytest.raises(InvalidRequest, match="predictive"):
        WriteReportQuery.from_plain(request | {"predictive": None})


def test_runs_of_other_parameters_are_refused(client: ServiceClient, made: Made) -> None:
    request = report_request(client, made)
    tables = made.run(jobs.import_ensemble, {"generated": {"runs": 40}})
    query = WriteReportQuery.from_plain(request | {"ensemble": tables})
    with pytest.raises(InvalidRequest) as caught:
        check_against_artifacts(query, made.store)
    assert any("not imported from runs" in item.description for item in caught.value.violations)


def test_the_interval_counts_runs_and_error_together() -> None:
    runs = np.zeros((200, 3))
    observed = np.array([0.0, 1.6, 1.7])
    assert covered(runs, observed, np.ones(3)).tolist() == [True, True, False]
    spread = np.random.default_rng(0).standard_normal((20_000, 1)) * np.sqrt(3)
    for value, inside in ((3.2, True), (3.4, False)):
        # Variances 3 of the runs and 1 of the error: 1.645 x 2 = 3.29.
        assert covered(spread, np.array([value]), np.ones(1))[0] == inside


def test_skill_is_that_of_the_median() -> None:
    steps = tuple(Step("GPP", f"2010-{m:02d}-01", f"2010-{m + 1:02d}-01") for m in range(1, 5))
    runs = np.array([[1.0, 2, 3, 4], [2.0, 3, 4, 5], [99.0, 99, 99, 99]])
    observed, mask = np.array([1.0, 2, 3, 99]), np.array([True, True, True, False])
    made = ModelPredictive(steps, runs, runs - 1, 0, observed, np.ones(4), mask, ~mask, {})
    before, after = made.skills()[:2]
    assert (before.rmse, before.bias, before.correlation) == pytest.approx((1.0, 1.0, 1.0))
    assert (after.rmse, after.bias) == (0.0, 0.0)
    assert np.isnan(made.skills()[2].correlation), "one value correlates with nothing"


def skill(variable: str, after: bool, rmse: float, coverage90: float = 0.9) -> Skill:
    return Skill(variable, False, after, 12, rmse, 0.0, 0.9, coverage90)


@pytest.mark.parametrize(
    ("skills", "status"),
    [
        ([skill("GPP", False, 2.0), skill("GPP", True, 1.0)], "passed"),
        ([skill("GPP", False, 1.0), skill("GPP", True, 2.0)], "failed"),
        ([skill("GPP", False, 2.0), skill("GPP", True, 1.0, 0.6)], "doubtful"),
        ([skill("GPP", False, 2.0), skill("GPP", True, 1.0, 0.4)], "failed"),
        (
            [skill("GPP", False, 2.0), skill("GPP", True, 1.0),
             skill("NEE", False, 1.0), skill("NEE", True, 2.0)],
            "doubtful",
        ),
    ],
)  # fmt: skip
def test_the_verdict_looks_at_what_was_held_back(skills: list[Skill], status: str) -> None:
    found = model_findings(skills, {"misfit_sd": 0.1, "coverage90": 0.9}, runs=50, failed=0)
    assert [finding.status for finding in found] == ["passed", status]


@pytest.mark.parametrize(
    ("misfit", "inside", "status"),
    [(0.1, 0.3, "passed"), (5.0, 0.9, "passed"), (0.4, 0.6, "doubtful"), (2.0, 0.6, "failed")],
)
def test_a_surrogate_may_be_off_where_it_says_so(misfit: float, inside: float, status: str) -> None:
    (found,) = model_findings([], {"misfit_sd": misfit, "coverage90": inside}, runs=50, failed=0)
    assert found.status == status


@pytest.mark.parametrize(("failed", "status"), [(1, "passed"), (2, "passed"), (3, "doubtful")])
def test_runs_of_the_posterior_that_failed_are_told(failed: int, status: str) -> None:
    right = {"misfit_sd": 0.1, "coverage90": 0.9}
    _, found = model_findings([], right, runs=50 - failed, failed=failed)
    assert found.status == status and f"{failed} of 50 runs" in found.said


def test_a_field_with_dead_months_can_be_checked(made: Made) -> None:
    """Photosynthesis in January is zero in every run, so its spread is as well."""
    ensemble = read_ensemble(made.store.open(made.ensemble["uri"]))
    assert (np.ptp(ensemble.outputs, axis=0) == 0).any()
    assert (ensemble.spread() > 0).all()
    request = {
        "posterior": made.posterior,
        "ensemble": made.ensemble,
        "simulated_pairs": 100,
        "draws": 100,
    }
    figures, _ = read_check(made.store.open(made.run(jobs.check_calibration, request)["uri"]))
    assert figures["simulated"]["outside_prior"] == 0
    # One impossible output among 96 is seen, though all together hardly fit worse for it.
    assert figures["out_of_range"]["flagged"] > 0.95
    assert figures["out_of_range"]["false_alarms"] < 0.06
    r2 = dict(zip(ensemble.output_table.names, figures["held_out"]["surrogate_r2"], strict=True))
    assert r2["GPP_2011-01"] is None, "nothing varies in January, so nothing can be explained"
    assert r2["GPP_2011-07"] > 0.9
