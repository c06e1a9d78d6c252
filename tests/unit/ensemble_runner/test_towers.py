"""From runs at a tower to statistics, and to submission files: with the embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from support import ensembles
from support.bucket_model import TREES

from catena.coupler.callmip.observations import read_observations
from catena.coupler.callmip.submission import read_submission
from catena.ensemble_runner import jobs
from catena.ensemble_runner.daily_series import SUBMITTED_OUTPUTS, series_on
from catena.ensemble_runner.submission_facts import check_members
from catena.ensemble_runner.tower_preflight import check_towers
from catena.ensemble_runner.tower_queries import (
    DrawFluxesQuery,
    SummariseFluxesQuery,
    WriteSubmissionQuery,
)
from catena.shared.artifacts import Artifact, ArtifactStore, Lineage
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.testing import run_job

FLUXES = ["NEE", "EFLX_LH_TOT", "FSH"]
PARAMETERS = [{"name": "medlynslope", "pft": TREES}, {"name": "q10_hr"}]
MODEL = "catena-embedded.0.1"


class Chain:
    """What the steps of a submission make, in one store."""

    def __init__(self) -> None:
        self.store = ArtifactStore("memory://towers")
        self.weather = ensembles.weather(self.store, sites=1, years=4, first_year=2001)
        self.setup = ensembles.setup(self.weather)
        self.runs = self.ensemble(members=16)
        self.tower = self.job(
            jobs.draw_fluxes,
            DrawFluxesQuery.from_plain(
                {"runs": self.runs, "site": "US-MMS", "member": 3, "seed": 1,
                 "error_fraction": 0.1, "missing": 0.3}
            ),
        )  # fmt: skip
        self.file = self.store.open(self.tower["uri"]).read_json("fluxes.json")["file"]
        self.fluxes = {"files": self.tower, "file": self.file, "site": "US-MMS"}
        self.statistics = self.summarise([self.runs])
        self.prior = ensembles.plain(
            ensembles.run(
                self.store,
                ensembles.case_query(self.weather, model="embedded", outputs=SUBMITTED_OUTPUTS,
                                     frequencies=["daily"]),
            ).ref
        )  # fmt: skip
        self.draws = self.chains()
        self.posterior = self.ensemble(
            draw=None, draws={"draws": self.draws, "members": 6}, outputs=SUBMITTED_OUTPUTS
        )

    def job(self, function: Any, query: Any) -> dict[str, str]:
        return ensembles.plain(run_job(function, query, self.store))

    def ensemble(self, members: int = 16, **changes: Any) -> dict[str, str]:
        request = {
            "model": "embedded", "outputs": FLUXES, "frequency": "daily",
            "draw": {"members": members, "seed": 1, "parameters": PARAMETERS},
        } | changes  # fmt: skip
        query = ensembles.ensemble_query(self.weather, **request)
        return ensembles.plain(ensembles.run(self.store, query).ref)

    def summarise(self, runs: list[dict[str, str]], **changes: Any) -> dict[str, str]:
        request = {"sites": [{"runs": runs, "tower": self.fluxes}], "held_back_years": 1}
        return self.job(jobs.summarise_fluxes, SummariseFluxesQuery.from_plain(request | changes))

    def chains(self) -> dict[str, str]:
        """Draws near the truth, as the calibrator would keep them."""
        members = self.open(self.runs).open_dataset("runs.zarr")
        truth = members["parameters"].to_numpy()[3]
        rows = truth * (1 + 0.02 * np.random.default_rng(1).normal(size=(1, 20, 2)))
        writer = self.store.writer("calibrator/RunMcmc/" + "a" * 64, 1)
        names = [str(name) for name in members["parameter"].to_numpy()]
        writer.write_dataset(
            "chains.zarr",
            xr.Dataset(
                {"parameters": (("chain", "draw", "parameter"), rows)},
                coords={"parameter": names},
            ),
        )
        meta = {"parameters": names, "remarks": ["they have not mixed"]}
        writer.write_json("chains.json", {"about": {"prior": {"names": names}}, "chains": meta})
        figures = {"rhat": [1.0, 1.4], "ess_bulk": [15.0, 9.0], "ess_tail": [12.0, 7.0]}
        writer.write_arrays(
            "chains.safetensors", {name: np.array(each) for name, each in figures.items()}
        )
        lineage = Lineage(service="calibrator", method="RunMcmc", request={}, code_version="t")
        return ensembles.plain(writer.commit(kind="chains", lineage=lineage))

    def open(self, ref: dict[str, str]) -> Artifact:
        return self.store.open(ref["uri"])

    def submission(self, **changes: Any) -> WriteSubmissionQuery:
        one = {
            "site": "US-MMS", "prior": self.prior, "posterior": self.posterior,
            "tower": self.fluxes,
        }  # fmt: skip
        other = {"site": "US-Ha1", "prior": self.prior, "posterior": self.posterior}
        request = {
            "model": MODEL, "held_back_years": 1, "statistics": self.statistics,
            "draws": self.draws, "sites": [one, other],
        }  # fmt: skip
        return WriteSubmissionQuery.from_plain(request | changes)


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    yield Chain()


@pytest.fixture(scope="module")
def submission(chain: Chain) -> Artifact:
    return chain.open(chain.job(jobs.write_submission, chain.submission()))


def test_a_tower_made_from_a_run(chain: Chain, tmp_path: Path) -> None:
    """It is the member's fluxes with noise, in CalLMIP's layout, and says what it is."""
    artifact = chain.open(chain.tower)
    assert chain.file == "US-MMS_daily_aggregated_2001-2004_SYNTHETIC_Flux.nc"
    seen = read_observations(artifact.local_path(chain.file))
    assert seen.days == 4 * 365 + 1 and not [n for n in seen.notes if n.action == "converted"]
    runs = chain.open(chain.runs).open_dataset("runs.zarr").isel(member=[3])
    truth = series_on(runs, FLUXES, seen.dates())
    for flux, name, factor in (("nee", "NEE", 86400), ("hfls", "EFLX_LH_TOT", 1)):
        known = np.isfinite(seen.values[flux])
        series = truth[name][0] * factor
        assert known.mean() == pytest.approx(0.7, abs=0.05)
        off = (seen.values[flux] - series)[known]
        assert off.std() == pytest.approx(0.1 * series.std(), rel=0.1)
        np.testing.assert_allclose(seen.uncertainty[flux][known], 0.1 * series.std(), rtol=1e-4)
    with netCDF4.Dataset(artifact.local_path(chain.file)) as file:
        assert file.source.startswith("synthetic: member 3")
    with pytest.raises(InvalidData, match="wanted 100"):
        chain.job(jobs.draw_fluxes, DrawFluxesQuery.from_plain(
            {"runs": chain.runs, "site": "US-MMS", "member": 99}))  # fmt: skip


def test_statistics_know_their_members_and_their_tower(chain: Chain) -> None:
    artifact = chain.open(chain.statistics)
    found, about = artifact.open_dataset("statistics.zarr"), artifact.read_json("statistics.json")
    assert artifact.kind == "statistics" and about["synthetic"] and about["held_back_years"] == 1
    assert found["simulated"].shape == (16, len(found["statistic"]))
    rows = chain.open(chain.runs).open_dataset("runs.zarr")["parameters"].to_numpy()
    np.testing.assert_array_equal(found["parameters"].to_numpy(), rows)
    assert artifact.manifest.units["NEE_US-MMS_07"] == "gC m-2 d-1"
    # The member that the tower was made from is the nearest to it.
    off = np.abs(found["simulated"] - found["observed"]) / found["error_sd"]
    assert int(off.mean("statistic").argmin()) == 3
    assert 3 in about["best_members"]


def test_members_of_several_rounds_are_taken_together(chain: Chain) -> None:
    more = chain.ensemble(draw=None, draws={"draws": chain.draws, "members": 5})
    artifact = chain.open(chain.summarise([chain.runs, more]))
    found = artifact.open_dataset("statistics.zarr")
    once = chain.open(chain.statistics).open_dataset("statistics.zarr")
    assert found["simulated"].shape[0] == 21
    np.testing.assert_array_equal(found["simulated"][:16], once["simulated"])
    np.testing.assert_array_equal(found["parameter_low"], once["parameter_low"])


def test_sites_are_run_with_the_same_members(chain: Chain) -> None:
    other = chain.ensemble(draw={"members": 16, "seed": 2, "parameters": PARAMETERS})
    towers = [{"runs": [runs], "tower": chain.fluxes} for runs in (chain.runs, other)]
    with pytest.raises(InvalidData) as caught:
        chain.summarise([], sites=towers)
    assert caught.value.violations[0].field == "sites[1].runs"


def test_files_pass_the_checklist_and_hold_the_runs(
    chain: Chain, submission: Artifact, tmp_path: Path
) -> None:
    names = {name for name in submission.names if name.endswith(".nc")}
    assert names == {
        f"{MODEL}_Phase1b_Scen1_{site}_{stage}.nc"
        for site in ("US-MMS_Cal", "US-Ha1_Val")
        for stage in ("Prior", "Posterior")
    }
    found = submission.read_json("submission.json")
    assert found["checklist_failures"] == 0 and len(found["files"]) == 4
    assert all(each["passed"] > 40 for each in found["files"])
    days = np.arange("2001-01-01", "2005-01-01", dtype="datetime64[D]")  # with 29 February 2004
    draws = series_on(chain.open(chain.posterior).open_dataset("runs.zarr"), ["NEE"], days)
    name = f"{MODEL}_Phase1b_Scen1_US-MMS_Cal_Posterior.nc"
    (tmp_path / name).write_bytes(submission.read_bytes(name))
    made = read_submission(tmp_path / name).variables
    nee = draws["NEE"].astype(float)
    np.testing.assert_allclose(made["nep"], -nee.mean(axis=0) / 1000, rtol=1e-6)
    np.testing.assert_allclose(made["nep_post_unc"], nee.std(axis=0, ddof=1) / 1000, rtol=1e-5)
    np.testing.assert_allclose(made["nep"], made["gpp"] - made["reco"], atol=1e-13)
    name = name.replace("Posterior", "Prior")
    (tmp_path / name).write_bytes(submission.read_bytes(name))
    history = chain.open(chain.prior).open_dataset("history_daily.zarr")
    prior = series_on(history, SUBMITTED_OUTPUTS, days)
    made = read_submission(tmp_path / name).variables
    np.testing.assert_allclose(made["hfss"], prior["FSH"], rtol=1e-6)
    np.testing.assert_allclose(made["mrsos"], prior["SOILWATER_10CM"], rtol=1e-6)
    np.testing.assert_allclose(made["cSoil"], prior["TOTSOMC"] / 1000, rtol=1e-6)
    assert "nep_post_unc" not in made


def test_draws_near_the_truth_are_better_than_the_defaults(submission: Artifact) -> None:
    found = submission.read_json("submission.json")
    assert {each["site"] for each in found["changes"]} == {"US-MMS"}
    for period in ("calibration", "validation"):
        for flux in ("nee", "hfls", "hfss"):
            assert found["rmse_reduction"][period][flux] > 0, (period, flux)
    assert found["coverage90"]["day_validation"] == pytest.approx(0.9, abs=0.08)
    names = [each["name"] for each in found["parameters"]]
    assert names == [f"medlynslope.{TREES}", "q10_hr"]
    assert found["parameters"][1]["default"] == 1.5


def test_the_page_says_what_it_is_of(submission: Artifact) -> None:
    page = submission.read_bytes("report.html").decode()
    for text in ("synthetic", "weather is generated", "embedded", "US-MMS", "held-back years",
                 "q10_hr", "Q10 of decomposition", "Posterior.nc", "<svg", "scatter of days",
                 "21 calibration sites and 1 of its 10"):  # fmt: skip
        assert text in page, text


def test_chains_that_have_not_mixed_are_named(submission: Artifact) -> None:
    found = submission.read_json("submission.json")
    assert found["chains"] == {
        "rhat": 1.4, "parameter": "q10_hr", "effective": 7.0, "draws": 20,
        "remarks": ["they have not mixed"],
    }  # fmt: skip
    page = submission.read_bytes("report.html").decode()
    assert "The Markov chains have not converged" in page and "They have not mixed." in page
    assert "to be used with care" in page


def test_runs_that_ended_well_are_counted(submission: Artifact) -> None:
    found = submission.read_json("submission.json")
    assert found["members"] == {"ok": 16, "asked": 16}
    assert found["draws"] == {site: {"ok": 6, "asked": 6} for site in ("US-MMS", "US-Ha1")}


def test_the_page_says_what_it_cost_from_the_start(submission: Artifact) -> None:
    page = submission.read_bytes("report.html").decode()
    for step in ("Reading of archives", "Runs of ensembles", "Synthetic towers", "Statistics"):
        assert step in page, step


def test_runs_of_other_members_are_no_posterior(chain: Chain) -> None:
    draw = {"members": 3, "seed": 1, "parameters": PARAMETERS}
    other = chain.ensemble(outputs=SUBMITTED_OUTPUTS, draw=draw)
    site = {"site": "US-MMS", "prior": chain.prior, "posterior": other, "tower": chain.fluxes}
    with pytest.raises(InvalidData) as caught:
        chain.job(jobs.write_submission, chain.submission(sites=[site]))
    (told,) = caught.value.violations
    assert told.field == "sites[0]" and "3 members that are none of the draws" in told.description


def test_one_good_run_is_no_spread(chain: Chain) -> None:
    runs = chain.open(chain.posterior).open_dataset("runs.zarr").load()
    draws = chain.open(chain.draws).open_dataset("chains.zarr")
    check_members(runs, draws)
    runs["ok"][1:] = 0
    with pytest.raises(InvalidData, match="1 of 6 runs ended well; wanted at least 2"):
        check_members(runs, draws)


def test_the_years_held_back_are_those_of_the_statistics(chain: Chain) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_towers(chain.submission(held_back_years=2), chain.store)
    (told,) = caught.value.violations
    assert told.field == "held_back_years" and "but 1 were held back" in told.description


def test_a_tower_belongs_to_its_site(chain: Chain) -> None:
    site = {"site": "US-NR1", "prior": chain.prior, "posterior": chain.posterior}
    with pytest.raises(InvalidRequest) as caught:
        chain.submission(sites=[{**site, "tower": chain.fluxes}])
    assert [each.field for each in caught.value.violations] == ["sites[0].tower.site"]


def test_what_does_not_fit_is_told_before_a_job_is_made(chain: Chain) -> None:
    bad = {"files": chain.tower, "file": "other.nc"}
    site = {"site": "US-MMS", "prior": chain.prior, "posterior": chain.runs, "tower": bad}
    with pytest.raises(InvalidRequest) as caught:
        check_towers(chain.submission(sites=[site]), chain.store)
    told = {each.field: each.description for each in caught.value.violations}
    assert "GPP" in told["sites[0].posterior"]
    assert "other.nc" in told["sites[0].tower.file"] and chain.file in told["sites[0].tower.file"]
    query = SummariseFluxesQuery.from_plain(
        {"sites": [{"runs": [chain.runs], "tower": bad}], "held_back_years": 1}
    )
    with pytest.raises(InvalidRequest, match=r"other\.nc"):
        check_towers(query, chain.store)
    check_towers(chain.submission(), chain.store)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": "noversion"}, "model"),
        ({"sites": []}, "sites"),
        ({"held_back_years": 0}, "held_back_years"),
    ],
)
def test_bad_requests_are_refused_by_their_field(
    chain: Chain, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chain.submission(**changes)
    assert [each.field for each in caught.value.violations] == [field]
