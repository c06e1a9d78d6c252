"""The command ``catena elm``, and the methods that it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.elm_swap import (
    CYCLE,
    LIMITS,
    TREE,
    Truth,
    config_of,
    submitted,
    swap_mapping,
)
from support.fake_cime_inside import inside
from support.mean_emulator import mean_emulator
from typer.testing import CliRunner, Result

from catena.coupler.elm import ElmConfig
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.methods import spin_up_of
from catena.coupler.elm.spin_up_options import SpinUpOptions
from catena.coupler.elm.swap import ElmSwap
from catena.coupler.elm_commands import app
from catena.coupler.restart import read_restart
from catena.coupler.spin_up.anderson import Anderson
from catena.coupler.spin_up.emulator import ABOUT, WEIGHTS
from catena.coupler.spin_up.learned_inputs import (
    first_years,
    input_names,
    inputs_of,
    logarithmic,
)
from catena.coupler.spin_up.lineage import lineage_of
from catena.coupler.spin_up.native import Native
from catena.coupler.spin_up.training_sites import TrainingSites
from catena.shared.artifacts.arrays import pack_arrays
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    NotFound,
)


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return Truth.grown(tmp_path_factory.mktemp("truth"))


# The command


def elm(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def config_file(folder: Path, **changed: Any) -> Path:
    path = folder / "moz.yaml"
    path.write_text(yaml.safe_dump(swap_mapping(folder, **changed)))
    return path


def sites(folder: Path, case: ElmLandCase, truth: Truth, ad_years: int = 0) -> TrainingSites:
    """Sites to learn from: this one as it is, and others that differ in their parameters."""
    first = first_years(case, ad_years)
    names, own = input_names(case, first), inputs_of(case, first)
    count, random = 12, np.random.default_rng(0)
    inputs = {kind: np.repeat(values, count, axis=0) for kind, values in own.items()}
    factor = random.uniform(0.8, 1.25, (count, 1))
    factor[0] = 1.0
    inputs["parameters"] = inputs["parameters"] * factor
    about = {
        "pools": list(case.layout.names),
        "units": [pool.units for pool in case.layout.pools],
        "signed": [pool.signed for pool in case.layout.pools],
        "pft": [pool.pft for pool in case.layout.pools],
        "logarithmic_inputs": logarithmic(case, names),
        "ad_years": ad_years,
        "case": {**lineage_of(case), "inputs": names},
    }
    targets = truth.pools * factor
    split = np.array([0] * 7 + [1] * 3 + [2] * 2)
    place = [np.repeat(each, count) for each in (case.lat, case.lon)]
    made = TrainingSites(inputs, targets, split, *place, about)
    made.write(folder)
    return made


@pytest.mark.slow
def test_the_command_plans_runs_and_tells_with_a_learned_method(
    tmp_path: Path, truth: Truth
) -> None:
    path = config_file(tmp_path, spin_up=LIMITS)
    where = tmp_path / "sites"
    sites(where, ElmLandCase(ElmConfig.load(path)), truth)
    choice = ("--spin-up", "analogue", "--emulator", where)
    planned = elm("plan", path, *choice)
    assert planned.exit_code == 0, planned.output
    assert "# spin-up by analogue, in the place of 100 years" in planned.stdout
    before = elm("status", path, *choice)
    assert before.exit_code == 0 and "nothing has been made yet" in before.stdout
    done = elm("run", path, *choice, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["reached"] and not told["fell_back"] and told["years"] == CYCLE * 3.0
    shown = elm("status", path, *choice, "--json")
    status = json.loads(shown.stdout)
    assert {row["what"] for row in status["cases"]} == {"has run"}
    assert [row["case"] for row in status["cases"]][-1] == "moz-analogue_transient"
    assert status["spin_up"] == told
    checked = elm("check", told["restart"])
    assert checked.exit_code == 0, checked.output


def network(sites: TrainingSites, folder: Path) -> None:
    """An emulator that says the mean of its sites, as an artifact."""
    made = mean_emulator(sites)
    folder.mkdir()
    (folder / ABOUT).write_text(json.dumps(made.to_dict()))
    (folder / WEIGHTS).write_bytes(pack_arrays(made.arrays(), WEIGHTS))


@pytest.mark.slow
def test_a_network_reads_twenty_years_of_acceleration_and_its_pools_are_run_from(
    tmp_path: Path, truth: Truth
) -> None:
    path = config_file(tmp_path, spin_up={**LIMITS, "tries": 0, "emulator": str(tmp_path / "net")})
    config = ElmConfig.load(path)
    learned = ElmLandCase(config, label="emulator")
    network(sites(tmp_path / "sites", learned, truth, ad_years=20), tmp_path / "net")
    first = submitted(config)
    assert first == ["moz-emulator_ad_spinup", "moz-emulator_02_ad"]
    done = elm("run", path, "--spin-up", "emulator", "--json")
    assert done.exit_code in (0, 1), done.output
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["reached"] else 1)
    # The years that were read for the training are those that the swap begins with.
    ran = ["moz-emulator_03_final", "moz-emulator_04_final"]
    assert submitted(config)[:4] == [*first, *ran]
    (put,) = told["put_in"]
    assert put["first_record"] == "agrees with the first record"
    assert put["template"].endswith("moz-emulator_02_ad.elm.r.0021-01-01-00000.nc")
    assert read_restart(Path(put["restart"])).spinup_state == 0
    assert elm("check", put["restart"]).exit_code == 0
    # The mean of sites with .8 to 1.25 of the truth.
    soil4 = next(each["after"] for each in put["pools"] if each["pool"] == "soil4c")
    mine = [n for n, name in enumerate(truth.names) if name.startswith("soil4c.")]
    assert 0.8 < soil4 / truth.pools[0, mine].sum() < 1.25


@pytest.mark.slow
def test_the_native_spin_up_runs_the_stages_as_they_are(tmp_path: Path) -> None:
    stages = [
        {"name": "ad_spinup", "years": 40},
        {"name": "final", "years": 2},
        {"name": "transient", "years": 2, "compset": "ICB20TRCNRDCTCBC"},
    ]
    path = config_file(tmp_path, stages=stages)
    done = elm("run", path, "--json")
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)) == ["ad_spinup", "final", "transient"]
    rows = json.loads(elm("status", path, "--json").stdout)["cases"]
    assert [row["case"] for row in rows] == ["moz_ad_spinup", "moz_final", "moz_transient"]
    assert rows[1]["hand_over"] == "agrees with the first record"


def test_the_check_of_a_file_ends_with_1_where_it_must_not_be_run_from(tmp_path: Path) -> None:
    import netCDF4
    from support.elm_restart import make_restart

    path = make_restart(tmp_path / "r.nc")
    assert elm("check", path).exit_code == 0
    with netCDF4.Dataset(path, "r+") as file:
        file["soil4n_vr"][0, 0] *= 10.0
    done = elm("check", path)
    assert done.exit_code == 1 and "soil4n_vr" in done.stdout


def test_options_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no spin-up 'magic'"):
        spin_up_of(SpinUpOptions(method="magic"))
    with pytest.raises(InvalidRequest, match="'native' takes no emulator"):
        spin_up_of(SpinUpOptions(method="native", emulator=str(tmp_path)))
    with pytest.raises(InvalidRequest, match="options of the spin-up 'anderson'"):
        spin_up_of(SpinUpOptions(method="anderson", options={"steps": 3}))
    made = spin_up_of(SpinUpOptions(method="anderson", options={"cycles": 3}))
    assert made == Anderson(cycles=3)
    assert isinstance(spin_up_of(SpinUpOptions()), Native)
    with pytest.raises(InvalidRequest, match=r"spin_up\.check_years"):
        config_of(tmp_path, check_years=3)
    assert TREE in ElmLandCase(config_of(tmp_path)).about()["plants"]


def test_methods_that_learned_say_what_they_need(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"say where that lies: spin_up\.emulator"):
        spin_up_of(SpinUpOptions(method="analogue"))
    with pytest.raises(InvalidData, match=r"holds no sites to learn from \(about\.json"):
        spin_up_of(SpinUpOptions(method="analogue", emulator=str(tmp_path)))


def test_sites_learned_on_another_case_are_refused(tmp_path: Path, truth: Truth) -> None:
    where = tmp_path / "sites"
    sites(where, ElmLandCase(config_of(tmp_path / "one")), truth)
    method = spin_up_of(SpinUpOptions(method="analogue", emulator=str(where)))
    other = config_of(tmp_path / "two", template=None)
    ElmSwap(other, method).plan_text()
    warmer = ElmConfig.model_validate({**other.model_dump(), "xml": {"CCSM_CO2_PPMV": 400.0}})
    with pytest.raises(FailedPrecondition, match=r"CO2, ppm: learned 284\.7, the case has 400"):
        ElmSwap(warmer, method).plan_text()
