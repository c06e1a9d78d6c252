"""Sites to learn from say what they are, and the trainer reads the very file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.toy_land import ToyLand, ToyState

from catena.coupler.spin_up.training_sites import ABOUT, ARRAYS, TrainingSites, training_sites
from catena.orbit_trainer.spin_up_sites import read_samples, site_facts
from catena.orbit_trainer.vocabulary import SpinUpSites
from catena.shared.artifacts.arrays import unpack_arrays
from catena.shared.errors import InvalidData, InvalidRequest


def _sites(case: ToyLand, **options: object) -> TrainingSites:
    return training_sites(case, ToyState(case.equilibrium()), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("ad_years", [0, 20])
def test_the_trainer_reads_what_was_written(tmp_path: Path, ad_years: int) -> None:
    made = _sites(ToyLand.drawn(150), ad_years=ad_years)
    made.write(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text())
    # The request names the file only.
    asked = SpinUpSites.model_construct(files=None, file=ARRAYS, pools=(), linear=False)
    facts = site_facts(asked, about)
    samples, split = read_samples(facts, unpack_arrays((tmp_path / ARRAYS).read_bytes(), ARRAYS))
    np.testing.assert_array_equal(samples.targets, made.targets)
    for part in ("training", "validation", "test"):
        np.testing.assert_array_equal(split[part], made.rows(part))
    assert set(samples.inputs) == set(made.inputs)
    assert facts.pools == made.layout.names
    assert facts.units == tuple(pool.units for pool in made.layout.pools)
    # A reserve may be negative: no logarithm is taken of it.
    assert facts.logarithmic == tuple(name != "cpool.oak" for name in facts.pools)
    samples.scales(split["training"])

    again = TrainingSites.read(tmp_path)
    assert again.about == made.about
    for name, values in again.arrays().items():
        np.testing.assert_array_equal(values, made.arrays()[name])


def test_years_of_acceleration_are_read_as_they_are() -> None:
    case = ToyLand.drawn(120)
    made = _sites(case, ad_years=20)
    assert case.runs == [(1, True, True), (1, True, False)]
    assert made.ad_years == 20
    assert list(made.inputs) == [
        "climate",
        "static",
        "parameters",
        "plants",
        "states",
        "fluxes",
        "supplied_fluxes",
    ]
    # In units of acceleration: a tenth of soil4c, and some years short of that.
    soil = made.inputs["states"][:, 1] / made.targets[:, 1]
    assert (soil < 0.1).all()
    assert made.about["logarithmic_inputs"]["fluxes"] == [True, False]  # NEE may be negative

    without = _sites(ToyLand.drawn(120), ad_years=0)
    assert list(without.inputs) == ["climate", "static", "parameters", "plants"]
    assert without.ad_years == 0


def test_what_failed_or_does_not_live_is_left_out_and_counted() -> None:
    case = ToyLand.drawn(150, failing=(4, 9))
    dead = case.equilibrium()
    dead[20] *= 1e-4
    made = training_sites(case, ToyState(dead))
    assert len(made.targets) == 147
    assert made.about["left_out"]["without vegetation or failed"] == 3
    assert not np.isin(case.lat[[4, 9, 20]], made.lat).any()


def test_a_plant_of_a_few_sites_is_not_learned() -> None:
    case = ToyLand.drawn(150)
    case.oak[:] = True
    case.oak[:3] = False
    made = _sites(case)
    assert made.about["case"]["plants"] == ["oak"]
    assert "leafc.grass" not in made.layout.names
    assert len(made.targets) == 147
    assert np.isfinite(made.targets).all()


def test_ranges_are_those_of_the_draw_and_hold_the_sites_own() -> None:
    case = ToyLand.drawn(150)
    assert _sites(case, ranges={"rate": (0.4, 2.5)}).about["case"]["parameters"] == {
        "rate": [0.4, 2.5]
    }
    with pytest.raises(InvalidRequest, match="the sites have"):
        _sites(case, ranges={"rate": (0.9, 2.5)})


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="holds no sites"):
        TrainingSites.read(tmp_path)
    made = _sites(ToyLand.drawn(150))
    made.write(tmp_path)
    (tmp_path / ABOUT).write_text(json.dumps({"pools": []}))
    with pytest.raises(InvalidData, match="what is said of their case"):
        TrainingSites.read(tmp_path)
    arrays = made.arrays()
    del arrays["inputs.states"]
    with pytest.raises(InvalidData, match="inputs states"):
        TrainingSites.from_parts(made.about, arrays)
    short = made.arrays() | {"lat": made.lat[:-1]}
    with pytest.raises(InvalidData, match="lat"):
        TrainingSites.from_parts(made.about, short)
