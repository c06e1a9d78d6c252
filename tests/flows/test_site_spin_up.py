"""The swap of the spin-up at a site: what of the file goes into which request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from catena.flows.site import Site
from catena.flows.site_spin_up import (
    begun_request,
    checks,
    emulator_request,
    sample_request,
    spin_up_request,
)
from catena.shared.client import InvalidRequest
from catena.shared.requests import request_from_dict

WEATHER = {"uri": "jobs/w", "digest": "sha256:" + "3" * 64, "kind": "dataset"}
SAMPLE = {"uri": "jobs/s", "digest": "sha256:" + "4" * 64, "kind": "spin_up"}
EMULATOR = {"uri": "jobs/e", "digest": "sha256:" + "5" * 64, "kind": "spin_up_emulator"}
DRAWS = (["flnr", "slatop.c4_grass"], [0.1, 0.01, 0.2, 0.02])
GRASS = [{"pfts": [{"name": "c4_grass", "fraction": 1.0}]}]
GIVEN: dict[str, Any] = {
    "site": "X-1",
    "ensemble": {
        "run": {
            "model": "embedded",
            "setup": {
                "forcing": {
                    "ingest": {"source": "generated_weather", "weather": {"sites": 1}},
                    "co2_file": "co2.txt",
                },
                "surfaces": GRASS,
                "stages": [
                    {"kind": "ad_spinup", "years": 200, "co2_ppm": 280.0},
                    {"kind": "transient"},
                ],
            },
            "draw": {
                "members": 40,
                "seed": 9,
                "parameters": [
                    {"name": "flnr", "low": 0.1, "high": 0.3},
                    {"name": "slatop", "pft": "c4_grass", "low": 0.01, "high": 0.03},
                ],
            },
        },
        "variables": [{"name": "GPP"}],
    },
    "observation": {"synthetic": {"run": 3}},
    "spin_up": {
        "learning": {"draw": {"members": 7, "seed": 3}, "method": {"ad_years": 500}},
        "emulator": {"training": {"steps": 10}},
        "check": {"limit": 2.0},
    },
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of(tmp_path)


def site_of(folder: Path, **changes: Any) -> Site:
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(GIVEN | changes))
    return Site.from_file(path)


def test_the_emulator_learns_at_the_site_over_the_ensembles_ranges(site: Site) -> None:
    message = request_from_dict("ensemble-runner", "SpinUp", sample_request(site, WEATHER))
    assert message.model == "embedded"
    assert message.setup.forcing.dataset.uri == "jobs/w"
    assert message.setup.surfaces[0].pfts[0].name == "c4_grass"
    assert message.draw.members == 7
    assert message.draw.seed == 3
    assert [(one.name, one.low, one.high) for one in message.draw.parameters] == [
        ("flnr", 0.1, 0.3),
        ("slatop", 0.01, 0.03),
    ]
    assert message.method.ad_years == 500
    assert message.HasField("lessons")
    tune = request_from_dict("orbit-trainer", "FineTune", emulator_request(site, SAMPLE))
    assert tune.sites.files.uri == "jobs/s"
    assert tune.training.steps == 10


def test_the_air_of_the_spin_up_is_that_of_the_first_stage(site: Site) -> None:
    forcing = sample_request(site, WEATHER)["setup"]["forcing"]
    assert forcing["co2_ppm"] == 280.0
    assert "co2_file" not in forcing, "a table of years is no air of a spin-up"


def test_draws_begin_from_their_own_equilibrium_and_run_the_last_stage_alone(site: Site) -> None:
    asked = spin_up_request(site, WEATHER, EMULATOR, *DRAWS)
    spin_up = request_from_dict("ensemble-runner", "SpinUp", asked)
    assert list(spin_up.table.values) == DRAWS[1]
    assert spin_up.method.emulator.uri == "jobs/e"
    assert spin_up.check.limit == 2.0
    run = request_from_dict(
        "ensemble-runner", "RunEnsemble", begun_request(site, WEATHER, SAMPLE, *DRAWS)
    )
    assert run.setup.restart.artifact.uri == "jobs/s"
    assert len(run.setup.stages) == 1
    assert run.table == spin_up.table, "the same members"
    assert run.setup.surfaces[0] == spin_up.setup.surfaces[0]


def test_stages_after_the_spin_up_are_all_run(tmp_path: Path) -> None:
    def stages(*asked: dict[str, Any]) -> list[Any]:
        run = GIVEN["ensemble"]["run"]
        setup = {**run["setup"], "stages": list(asked)}
        given = site_of(tmp_path, ensemble={**GIVEN["ensemble"], "run": {**run, "setup": setup}})
        return list(begun_request(given, WEATHER, SAMPLE, *DRAWS)["setup"]["stages"])

    spun, century = {"kind": "ad_spinup"}, {"kind": "STAGE_KIND_TRANSIENT", "first_year": 1901}
    final, today = {"kind": "final"}, {"kind": "transient", "first_year": 2001}
    assert stages(spun, final, century, today) == [century, today]
    assert stages(spun, final) == [final], "outputs are of the last stage, whichever it is"


def test_a_co2_of_nothing_is_that_of_the_forcing(tmp_path: Path) -> None:
    run = GIVEN["ensemble"]["run"]
    forcing = {"ingest": run["setup"]["forcing"]["ingest"], "co2_ppm": 300.0}
    setup = {**run["setup"], "forcing": forcing, "stages": [{"kind": "final", "co2_ppm": 0.0}]}
    given = site_of(tmp_path, ensemble={**GIVEN["ensemble"], "run": {**run, "setup": setup}})
    assert sample_request(given, WEATHER)["setup"]["forcing"]["co2_ppm"] == 300.0


def test_each_step_is_checked_before_anything_runs(site: Site) -> None:
    asked = [(service, *check[:2]) for service, check in checks(site, WEATHER)]
    assert asked == [
        ("ensemble-runner", "spin_up.learning", "SpinUp"),
        ("orbit-trainer", "spin_up.emulator", "FineTune"),
        ("ensemble-runner", "spin_up", "SpinUp"),
    ]
    for service, (_, method, make) in checks(site, WEATHER):
        request_from_dict(service, method, make())


def test_a_site_that_is_not_run_has_no_spin_up(tmp_path: Path) -> None:
    outputs = {"ensemble": {"generated": {"runs": 5}}}
    with pytest.raises(InvalidRequest, match="spin_up belongs to an ensemble of run"):
        site_of(tmp_path, **outputs)
    with pytest.raises(InvalidRequest, match="spun up by the model alone"):
        sample_request(site_of(tmp_path, spin_up=None), WEATHER)
