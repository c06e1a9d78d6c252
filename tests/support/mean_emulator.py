"""An emulator whose weights are 0, so that it says the mean of its sites: all of it but skill."""

from __future__ import annotations

import torch

from catena.coupler.spin_up.training_sites import TrainingSites
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_spin_up import OrbitSpinUp
from catena.models.spin_up_emulator import SpinUpEmulator
from catena.orbit_trainer.spin_up_sites import read_samples, site_facts
from catena.orbit_trainer.tasks.spin_up import spin_up_config
from catena.orbit_trainer.vocabulary import SpinUpSites


def mean_emulator(sites: TrainingSites) -> SpinUpEmulator:
    """Made as the trainer makes one, with errors measured on the sites of validation."""
    asked = SpinUpSites.model_construct(files=None, file="x", pools=(), linear=False)
    samples, split = read_samples(site_facts(asked, dict(sites.about)), sites.arrays())
    shape = OrbitConfig(("none",), ("none",), (2, 2), patch=2, width=16, depth=1, heads=2)
    config = spin_up_config(samples, shape)
    weights = {n: torch.zeros_like(one) for n, one in OrbitSpinUp(config).state_dict().items()}
    made = SpinUpEmulator(
        config, samples.scales(split["training"]), [weights], sites.layout.names, sites.about
    )
    made.calibrate(samples.inputs, samples.targets, split["training"], split["validation"])
    return made
