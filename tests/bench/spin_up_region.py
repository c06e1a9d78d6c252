"""Spin-ups of a region of the embedded model: the emulator beside native, SASU and the others.

Cells of North America with the most frequent plant of each (from the real map of plants where the
data are, else made up), generated weather of ten years, soils drawn at random, and the eight
parameters drawn for each site. Whole blocks of cells, with parameter sets of their own, are left
out of everything that is learned, and all methods spin up these.

What is learned from, and what counts as the truth, is a native spin-up that went on until sites
passed the check: that of 450 years is a contender like the others.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ensemble_cases import PARAMETERS, data, from_ranges
from numpy.typing import NDArray

from catena.coupler.embedded.columns import Columns
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.state import State
from catena.coupler.forcing import daily_forcing
from catena.coupler.pft import PFT_NAMES
from catena.coupler.spin_up.check import CheckPlan, check_and_fall_back
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.native import Native
from catena.coupler.spin_up.training_parts import parts, spatial_blocks
from catena.coupler.spin_up.training_sites import TrainingSites, training_sites
from catena.coupler.surface_map import Box, generated_surface_map, read_surface_map
from catena.data_ingest.weather import weather_dataset
from catena.data_ingest.weather_region import region_sites
from catena.data_ingest.weather_site import Period
from catena.ensemble_runner.designs import unit_rows
from catena.ensemble_runner.spin_block import SpinUpWork
from catena.ensemble_runner.spin_methods import MethodPlan
from catena.ensemble_runner.spin_queries import SpinUpCheck
from catena.ensemble_runner.spin_result import FAILED, SpunUpSites, validate, verify
from catena.models.orbit_config import OrbitConfig
from catena.models.spin_up_emulator import SpinUpEmulator
from catena.orbit_trainer.spin_up_sites import read_samples, site_facts
from catena.orbit_trainer.tasks.spin_up import fit_emulator
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.orbit_trainer.vocabulary import SpinUpSites

Array = NDArray[np.float64]

BOX = Box(25.0, 49.0, -104.0, -66.0)
CELLS = int(os.environ.get("BENCH_SPIN_UP_CELLS", "900"))
SETS = 3
"""Parameter sets of each cell."""
YEARS = 10
"""Of one cycle of the weather."""
BLOCK_DEG = 4.0
VARIANTS = {"20": 20, "0": 0}
"""Years of accelerated decomposition that the emulator reads."""
SHAPE = {"width": 64, "depth": 2, "heads": 4, "feed": 2, "decoder_depth": 1}
STEPS = int(os.environ.get("BENCH_SPIN_UP_STEPS", "1000"))
MEMBERS = 3
"""Networks whose mean an emulator says."""
LIMIT = 1.0
"""gC m-2 yr-1."""
FREE_CYCLES = 2


@dataclass(frozen=True, eq=False)
class Region:
    """Sites, and which of them are left out of everything that is learned.

    Parameters
    ----------
    case : EmbeddedCase
    held_out : bool (site,)
    plants : str
        Where the map is from.
    """

    case: EmbeddedCase
    held_out: NDArray[np.bool_]
    plants: str


def region(cells: int = CELLS, seed: int = 1) -> Region:
    """The sites."""
    folder = data()
    if folder is None:
        surface, plants = generated_surface_map(BOX, 1.0), "generated"
    else:
        path = folder / "land_model" / "pft_maps" / "surfdata_360x720_DALEC.nc4"
        surface, plants = read_surface_map(path, BOX), "real"
    random = np.random.default_rng(seed)
    some = np.sort(random.permutation(surface.lat.size)[:cells])
    lat, lon = surface.lat[some], surface.lon[some]
    weather = weather_dataset(region_sites(lat, lon), Period("2001-01-01", YEARS * 365), seed=seed)
    soil = random.uniform((10.0, 5.0), (80.0, 50.0), (some.size, 2))
    soil /= np.maximum(1.0, soil.sum(axis=1, keepdims=True) / 95.0)
    sand, clay = np.repeat(soil[:, :, np.newaxis], N_LAYERS, axis=2).transpose(1, 0, 2)
    columns = Columns(lat, lon, sand, clay, surface.pfts[some], surface.weights[some])
    cell = np.repeat(np.arange(some.size), SETS)
    present = [PFT_NAMES[pft] for pft in np.unique(columns.pfts[columns.weights > 0])]
    case = EmbeddedCase(
        columns,
        daily_forcing(weather.compute()),
        from_ranges(unit_rows("sobol", cell.size, len(PARAMETERS), seed=seed), present),
        cell=cell,
        varied=[(name, None) for name, _, _ in PARAMETERS],
    )
    block = parts(spatial_blocks(case.lat, case.lon, BLOCK_DEG), seed=seed)
    return Region(case, block == 2, plants)


def converged(case: EmbeddedCase) -> tuple[State, float]:
    """State of a long native spin-up, and the share of sites that are at equilibrium."""
    plan = CheckPlan(settle_cycles=0, polish=False)
    checked = check_and_fall_back(case, Native(ad_years=500, final_years=200).run(case), plan)
    return checked.state, float(checked.passed.mean())


def emulator(sites: TrainingSites, seed: int = 0) -> SpinUpEmulator:
    """Trained as the orbit trainer's FineTune does."""
    asked = SpinUpSites.model_construct(files=None, file="-", pools=(), linear=False)
    facts = site_facts(asked, dict(sites.about))
    samples, split = read_samples(facts, sites.arrays())
    settings = TrainingSettings(
        steps=STEPS, batch=128, learning_rate=2e-3, weight_decay=0.01, validate_every=100,
        checkpoint_every=STEPS, seed=seed,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        made, _ = fit_emulator(
            samples,
            OrbitConfig(("none",), ("none",), (4, 4), patch=4, **SHAPE),
            settings,
            Path(folder),
            rows=split["training"],
            validation=split["validation"],
            members=MEMBERS,
            pools=sites.layout.names,
            about=sites.about,
            plants=facts.plants,
        )
    return made


def spun_up(case: EmbeddedCase, plan: MethodPlan) -> tuple[SpunUpSites, float]:
    """Sites by a method, and their CPU seconds, check and fallback included."""
    work = SpinUpWork(case, plan, SpinUpCheck(), FREE_CYCLES)
    made = work.run(np.arange(case.sites)).made
    return made, sum(made.cpu_s.values())


def measure() -> dict[str, Any]:
    """All methods on the sites that are left out."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    every = region()
    told = np.flatnonzero(~every.held_out)
    case = every.case.part(np.flatnonzero(every.held_out))
    _say(f"{told.size} sites to learn from, {case.sites} left out")
    known, share = converged(every.case.part(told))
    _say(f"{share:.3f} of the sites to learn from are at equilibrium")
    truth_state, truth_share = converged(case)
    truth = _as_sites(case, truth_state)
    figures: dict[str, Any] = {
        "spin_up_sites": {"learned_from": int(told.size), "left_out": case.sites},
        "spin_up_weather": "generated",
        "spin_up_plants": every.plants,
        "truth_at_equilibrium": truth_share,
    }
    plans = {
        "native": MethodPlan("native", {}),
        "sasu": MethodPlan("sasu", {}),
        "anderson": MethodPlan("anderson", {}),
    }
    for name, years in VARIANTS.items():
        lessons = training_sites(
            every.case.part(told), known, ad_years=years, degrees=BLOCK_DEG, seed=2
        )
        started = time.process_time()
        network = emulator(lessons)
        figures[f"training_cpu_s_{name}"] = time.process_time() - started
        _say(f"emulator of {name} years trained")
        about, arrays = network.to_dict(), network.arrays()
        plans[f"emulator_{name}"] = MethodPlan("emulator", {}, about, arrays, f"emulator {name}")
        shown = (dict(lessons.about), lessons.arrays())
        plans[f"trees_{name}"] = MethodPlan("trees", {}, *shown, f"sites {name}")
        plans[f"analogue_{name}"] = MethodPlan("analogue", {}, *shown, f"sites {name}")
    table = {}
    for name, plan in plans.items():
        table[name] = _figures(case, plan, truth)
        _say(f"{name}: {table[name]}")
    return figures | {"methods": table} | _targets(table)


def _figures(case: EmbeddedCase, plan: MethodPlan, truth: SpunUpSites) -> dict[str, Any]:
    made, cpu_s = spun_up(case, plan)
    seen = verify(made, truth, np.ones(case.sites, bool), case.layout.names)
    settled = verify(made, truth, np.ones(case.sites, bool), case.layout.names, after_cycle=True)
    worst, lowest = seen.worst
    free = validate(made.free_nee, made.free_drift, LIMIT)
    return {
        "r2_median": seen.median,
        "r2_worst": lowest,
        "r2_worst_pool": worst,
        "r2_median_settled": settled.median,
        "r2_worst_settled": settled.worst[1],
        "r2_worst_pool_settled": settled.worst[0],
        "coverage90": seen.coverage90,
        "nee_abs_median_first_cycle": float(np.nanmedian(np.abs(made.nee_first))),
        "nee_abs_median_checked": float(np.nanmedian(np.abs(made.nee_checked))),
        "nee_abs_median": free.nee_abs_median,
        "drift_abs_median": free.drift_abs_median,
        "passed_alone": float(made.passed_first.mean()),
        "within_free_run": free.within,
        "passed": float((made.used != FAILED).mean()),
        "years": float(made.total_years.mean()),
        "cpu_s": cpu_s,
    }


def _targets(table: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Figures that have targets, for both variants of the emulator."""
    native = table["native"]["cpu_s"]
    found: dict[str, Any] = {}
    for name in VARIANTS:
        one = table[f"emulator_{name}"]
        found |= {
            f"r2_median_pools_{name}": one["r2_median"],
            f"r2_worst_pool_{name}": one["r2_worst"],
            f"r2_median_pools_settled_{name}": one["r2_median_settled"],
            f"r2_worst_pool_settled_{name}": one["r2_worst_settled"],
            f"nee_abs_median_{name}": one["nee_abs_median"],
            f"cells_within_criterion_{name}": one["passed"],
            f"cells_within_criterion_alone_{name}": one["passed_alone"],
            f"years_saved_ratio_{name}": native / one["cpu_s"],
            f"uncertainty_coverage90_{name}": one["coverage90"],
        }
    return found


def _as_sites(case: EmbeddedCase, state: State) -> SpunUpSites:
    """The truth in the form of a result."""
    pools, sites = case.pools(state), case.sites
    zeros, unknown = np.zeros(sites), np.full(sites, np.nan)
    flags = np.zeros(sites, dtype=np.int64)
    return SpunUpSites(
        pools, pools, pools, zeros, zeros, zeros, flags, flags, unknown, unknown, unknown, unknown,
        unknown, np.zeros((sites, 0)), unknown, unknown, np.full_like(pools, np.nan),
    )  # fmt: skip


def _say(text: str) -> None:
    print(f"spin-up: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(measure()))
