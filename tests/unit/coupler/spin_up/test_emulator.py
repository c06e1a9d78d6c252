"""The network's artifact as a spin-up: what it says is what comes in, in the case's order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.toy_land import ToyLand, ToyState

from catena.coupler.spin_up.emulator import ABOUT, WEIGHTS, Emulator
from catena.coupler.spin_up.training_sites import TrainingSites, training_sites
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_spin_up import OrbitSpinUp
from catena.models.spin_up_emulator import SpinUpEmulator
from catena.orbit_trainer.spin_up_sites import read_samples, site_facts
from catena.orbit_trainer.tasks.spin_up import spin_up_config
from catena.orbit_trainer.vocabulary import SpinUpSites
from catena.shared.artifacts.arrays import pack_arrays
from catena.shared.errors import FailedPrecondition, InvalidData

CASE = ToyLand.drawn(150)


def _network(sites: TrainingSites, calibrated: bool = True) -> SpinUpEmulator:
    """Not trained: drawn weights, but calibrated, and with all that an artifact has."""
    asked = SpinUpSites.model_construct(files=None, file="x", pools=(), linear=False)
    samples, split = read_samples(site_facts(asked, dict(sites.about)), sites.arrays())
    shape = OrbitConfig(("none",), ("none",), (2, 2), patch=2, width=16, depth=1, heads=2)
    config = spin_up_config(samples, shape)
    torch.manual_seed(0)
    weights = OrbitSpinUp(config).state_dict()
    drawn = {name: torch.randn(one.shape) * 0.1 for name, one in weights.items()}
    made = SpinUpEmulator(
        config, samples.scales(split["training"]), [drawn], sites.layout.names, sites.about
    )
    if calibrated:
        made.calibrate(samples.inputs, samples.targets, split["training"], split["validation"])
    return made


@pytest.mark.parametrize("years", [0, 20])
def test_pools_of_the_network_come_into_the_state(tmp_path: Path, years: int) -> None:
    sites = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=years)
    network = _network(sites)
    (tmp_path / ABOUT).write_text(json.dumps(network.to_dict()))
    (tmp_path / WEIGHTS).write_bytes(pack_arrays(network.arrays(), WEIGHTS))
    method = Emulator.read(tmp_path)
    spun = method.run(CASE)
    whole = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=years)
    order = [int(np.flatnonzero(CASE.lat == lat)[0]) for lat in whole.lat]
    said = network.judged(whole.inputs)
    there = np.isfinite(whole.targets)
    there[:, 2] = False  # nitrogen of litter is kept in possible ratios
    np.testing.assert_allclose(spun.state.values[order][there], said.mean[there], rtol=1e-5)
    assert spun.spread is not None
    assert spun.unfamiliar is not None
    np.testing.assert_allclose(spun.unfamiliar[order], said.unfamiliar, rtol=1e-4)


def test_an_emulator_of_another_version_is_refused() -> None:
    sites = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=0)
    method = Emulator(_network(sites))
    with pytest.raises(FailedPrecondition, match="learned 1, the case has 2"):
        method.run(ToyLand.drawn(20, version="2"))


def test_what_is_no_whole_emulator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="holds no emulator"):
        Emulator.read(tmp_path)
    (tmp_path / ABOUT).write_text("{}")
    (tmp_path / WEIGHTS).write_bytes(pack_arrays({"a": np.ones(1)}, WEIGHTS))
    with pytest.raises(InvalidData, match="no emulator of spin-ups"):
        Emulator.read(tmp_path)
    sites = training_sites(CASE, ToyState(CASE.equilibrium()), ad_years=0)
    with pytest.raises(InvalidData, match="never measured its errors"):
        Emulator(_network(sites, calibrated=False))
    network = _network(sites)
    network.about = {}
    with pytest.raises(InvalidData, match="does not say for which case"):
        Emulator(network)
