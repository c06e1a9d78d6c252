"""Sites of a file for a fine-tuning for spin-ups: what is wrong with them is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from catena.orbit_trainer.spin_up_sites import SiteFacts, read_samples, site_facts
from catena.orbit_trainer.vocabulary import SpinUpSites
from catena.shared.errors import InvalidData

SITES = SpinUpSites.model_validate(
    {
        "files": {"uri": "imports/x", "digest": "sha256:" + "0" * 64, "kind": "files"},
        "file": "sites.safetensors",
        "pools": ["wood", "litter"],
    }
)

FACTS = SiteFacts(("wood", "litter"), logarithmic=(True, True))


def arrays() -> dict[str, Any]:
    pools = np.arange(1.0, 41.0).reshape(20, 2)
    return {"inputs.static": np.ones((20, 3)), "targets": pools, "split": np.arange(20) % 3}


def test_sites_are_divided_as_the_file_says_or_in_their_order() -> None:
    given = arrays()
    samples, split = read_samples(FACTS, given)
    assert len(samples) == 20
    assert split["test"].tolist() == [2, 5, 8, 11, 14, 17]
    del given["split"]
    _, split = read_samples(FACTS, given)
    assert {name: len(rows) for name, rows in split.items()} == {
        "training": 14,
        "validation": 3,
        "test": 3,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.pop("targets"), "has the arrays inputs.static, split; wanted targets"),
        (lambda one: one.update(targets=one["targets"][:, :1]), "1 pools, 2 are named"),
        (lambda one: one.update(split=one["split"][:5]), "one number for 20 sites"),
        (lambda one: one.update(split=np.zeros(20)), "no site is for validation nor test"),
        (lambda one: one["split"].put(4, 7), "split has 7; wanted 0"),
        (lambda one: one["targets"].__setitem__((slice(0, 20, 3), 1), np.nan), "value of litter;"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    given = arrays()
    change(given)
    with pytest.raises(InvalidData, match=said):
        read_samples(FACTS, given)


def test_what_the_file_says_of_itself_goes_into_the_samples() -> None:
    about = {
        "pools": ["wood", "cpool"],
        "units": ["gC m-2", "gC m-2"],
        "signed": [False, True],
        "logarithmic_inputs": {"static": [True, False, False]},
        "model": "embedded",
    }
    facts = site_facts(SITES.model_copy(update={"pools": ()}), about)
    assert (facts.pools, facts.units) == (("wood", "cpool"), ("gC m-2", "gC m-2"))
    assert facts.logarithmic == (True, False)
    assert facts.about == about
    given = arrays()
    given["targets"][:, 1] -= 30.0
    samples, split = read_samples(facts, given)
    scales = samples.scales(split["training"])
    # The pool that may be negative comes back negative, the other one never.
    restored = scales.targets.restored(scales.targets.normalised(given["targets"]))
    np.testing.assert_allclose(restored, given["targets"], rtol=1e-5, atol=1e-5)
    assert restored[:, 1].min() < -20
    assert (scales.targets.floor > 0).tolist() == [True, False]
    assert (scales.inputs["static"].floor > 0).tolist() == [True, False, False]
    linear = site_facts(SITES.model_copy(update={"linear": True}), {})
    assert (linear.pools, linear.logarithmic) == (("wood", "litter"), (False, False))


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ([], "holds a list"),
        ({"pools": ["wood", "cwd"]}, "the request names wood, litter"),
        ({"pools": ["wood", "wood"]}, "each once"),
        ({"signed": [True]}, "for each of 2 pools"),
        ({"signed": ["no", "no"]}, "for each of 2 pools"),
        ({"generated": "weather"}, "wanted a list of what formulas made"),
        ({"units": ["gC m-2"]}, "one for each of 2 pools"),
        ({"logarithmic_inputs": {"static": 1}}, "by the kind of input"),
    ],
)
def test_what_is_wrong_with_what_it_says_is_said(about: Any, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        site_facts(SITES, about)


def test_pools_without_a_name_and_inputs_that_are_not_there_are_refused() -> None:
    with pytest.raises(InvalidData, match="names the pools; give pools"):
        site_facts(SITES.model_copy(update={"pools": ()}), {})
    facts = site_facts(SITES, {"logarithmic_inputs": {"forcing": True}})
    with pytest.raises(InvalidData, match="forcing are logarithmic; the file has the inputs stat"):
        read_samples(facts, arrays())


def test_plants_are_read_by_their_names() -> None:
    about = {
        "plants": ["oak", "grass"],
        "case": {"inputs": {"plants": ["oak", "grass"], "states": ["litter", "leafc.oak"]}},
    }
    facts = site_facts(SITES, about)
    assert facts.plants is not None
    assert facts.plants.plants == ("oak", "grass")
    assert set(facts.plants.sources) == {"states"}
    assert site_facts(SITES, {}).plants is None


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"plants": "oak"}, "plants in about.json: wanted a list of names"),
        ({"plants": ["oak"]}, "wanted in case.inputs.plants"),
        ({"plants": ["oak"], "case": {"inputs": {"plants": ["elm"]}}}, "names the plants oak"),
        ({"plants": ["oak"], "case": {"inputs": [1]}}, "wanted names of the numbers of each kind"),
    ],
)
def test_plants_that_do_not_fit_are_refused(about: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        site_facts(SITES, about)
