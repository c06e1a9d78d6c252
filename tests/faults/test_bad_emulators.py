"""Emulators that say what is wrong, through the job: the check finds it and the fallback mends it.

Each drill is run with its safeties, and without each: a drill that cannot fail proves nothing. An
emulator is planted by what its network says; all behind that is the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.ensembles import plain
from support.mean_emulator import mean_emulator

from catena.coupler.embedded.state import State
from catena.coupler.restart import check, read_restart
from catena.coupler.spin_up import check as checking
from catena.coupler.spin_up.case import LandCase, S
from catena.coupler.spin_up.check import AS_IT_WAS, Checked, _Check
from catena.coupler.spin_up.embedded_pools import EmbeddedPools
from catena.coupler.spin_up.layout import PoolLayout
from catena.coupler.spin_up.learned import POOREST, RICHEST, Guess, Learned
from catena.coupler.spin_up.plug_in import SpunUp
from catena.coupler.spin_up.training_sites import TrainingSites
from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.ensemble_runner import fanout, jobs, queries, spin_block
from catena.ensemble_runner.inputs import read_states
from catena.ensemble_runner.models import open_model
from catena.ensemble_runner.spin_inputs import read_sites
from catena.ensemble_runner.spin_result import FAILED, FELL_BACK
from catena.models.spin_up_emulator import Prediction, SpinUpEmulator
from catena.shared.artifacts import Artifact, ArtifactStore, Lineage
from catena.shared.errors import InvalidData
from catena.shared.testing import run_job

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Array = NDArray[np.float64]

REGION = {"box": {"south": 30.0, "north": 34.0, "west": -94.0, "east": -86.0}, "step_deg": 4.0}
SETS = 24
CHECK = {"settle_cycles": 10}
"""Cycles of one year: what is put together needs some to find its water and phenology."""
FREE_CYCLES = 20
STILL = 3.0
"""gC m-2 yr-1 over the free run: the single years of the check are judged by 1."""


_NUMBERS = count()


@dataclass(frozen=True)
class Region:
    """Sites that were spun up natively, and the emulator of them.

    Attributes
    ----------
    request : dict
        Forcing, land and parameters, as requests have them.
    sites : TrainingSites
        All of them, with their equilibria.
    """

    store: ArtifactStore
    request: dict[str, Any]
    sites: TrainingSites

    def right(self, inputs: Mapping[str, Any]) -> Array:
        """The equilibrium of sites that are told by what is known of them."""
        kinds = ("static", "parameters")
        known, asked = (
            np.concatenate([np.asarray(part[kind]) for kind in kinds], axis=1)
            for part in (self.sites.inputs, inputs)
        )
        apart = np.abs(asked[:, np.newaxis] - known).max(axis=2)
        assert (apart.min(axis=1) < 1e-9).all()
        return np.asarray(self.sites.targets)[apart.argmin(axis=1)]

    def columns(self, *names: str) -> list[int]:
        """Of pools, in the emulator's own order."""
        return [list(self.sites.about["pools"]).index(name) for name in names]

    def emulator(
        self, name: str, change: Callable[[dict[str, Any]], None] = lambda arrays: None
    ) -> Artifact:
        """An artifact of its own, so that no block of another drill is found."""
        name = f"{name}-{next(_NUMBERS)}"
        network = mean_emulator(self.sites)
        arrays = {key: np.array(values) for key, values in network.arrays().items()}
        change(arrays)
        writer = self.store.writer(f"orbit-trainer/FineTune/{name}", 1)
        writer.write_json("emulator.json", network.to_dict() | {"planted": name})
        writer.write_arrays("weights.safetensors", arrays)
        lineage = Lineage(service="orbit-trainer", method="FineTune")
        return self.store.open(writer.commit(kind="spin_up_emulator", lineage=lineage))


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of a Ray would know nothing of what is planted here."""
    monkeypatch.setattr(fanout, "connected", lambda: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path_factory.mktemp('store')}")


@pytest.fixture(scope="module")
def region(store: ArtifactStore) -> Region:
    """The emulator reads 20 years of accelerated decomposition."""
    return spun_up(store, 20)


@pytest.fixture(scope="module", params=[20, 0], ids=["20 AD years", "no AD years"])
def either(request: pytest.FixtureRequest, store: ArtifactStore) -> Region:
    """Those, or none."""
    return spun_up(store, request.param)


def spun_up(store: ArtifactStore, ad_years: int) -> Region:
    """Two cells of one year of weather, over and over, under some parameter sets."""
    asked = {"source": "generated_weather", "weather": {"years": 1, "seed": 1, "region": REGION}}
    weather = run_job(ingest_dataset, IngestDatasetQuery.from_plain(asked), store)
    sites = {
        "setup": {"forcing": {"dataset": plain(weather)}, "surface_map": {"seed": 3}},
        "draw": {"members": SETS, "seed": 3, "parameters": [{"name": "flnr"}, {"name": "br_mr"}]},
    }
    lessons = {"lessons": {"ad_years": ad_years}, "check": {"no_polish": True}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fanout, "connected", lambda: None)
        query = queries.SpinUpQuery.from_plain(sites | lessons)
        native = store.open(run_job(jobs.spin_up, query, store))
    told = (native.read_json("about.json"), native.read_arrays("sites.safetensors"))
    found = TrainingSites.from_parts(*told)
    assert len(found.targets) == 2 * SETS, "a site is not at equilibrium after 450 years"
    return Region(store, sites, found)


@dataclass(frozen=True)
class After:
    """What a job made of the sites.

    Attributes
    ----------
    failed, fell_back : int
        Sites by what the job says of them.
    free_nee : float
        Largest mean NEE of a free run from the states that were kept, gC m-2 yr-1; NaN where one
        cannot be run.
    grown : float
        Least part of the right soil carbon that a site ends with.
    pools : array (site, pool)
        As the method left them.
    """

    failed: int
    fell_back: int
    free_nee: float
    grown: float
    pools: Array

    @property
    def at_rest(self) -> bool:
        """As the job says, and as a free run shows."""
        return self.failed == 0 and abs(self.free_nee) < STILL and self.grown > 0.9


def drill(region: Region, wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> After:
    """Spin up the sites by an emulator that says something else than it should."""

    def says(self: SpinUpEmulator, inputs: Mapping[str, Any]) -> Prediction:
        pools = wrong(region, region.right(inputs).copy())
        spread = np.full_like(pools, 1.0)
        return Prediction(pools, spread, pools, pools, np.full(len(pools), 0.5))

    monkeypatch.setattr(SpinUpEmulator, "judged", says)
    method = {"kind": "emulator", "emulator": plain(region.emulator(wrong.__name__).ref)}
    asked = queries.SpinUpQuery.from_plain(region.request | {"method": method, "check": CHECK})
    made = region.store.open(run_job(jobs.spin_up, asked, region.store))
    return looked_at(region, asked, made)


def looked_at(region: Region, asked: queries.SpinUpQuery, made: Artifact) -> After:
    """The result by a run that no check had a hand in; its restart files by the rules."""
    result, states = made.read_arrays("result.safetensors"), read_states(made)
    case = read_sites(asked, open_model("embedded"), region.store.open).case()
    begun = type(case.cold_start())(np.asarray(states.state)[:, np.newaxis])
    free = case.run(begun, FREE_CYCLES).nee.mean(axis=1)
    for file in made.read_json("spin_up.json")["restarts"]:
        restart = read_restart(Path(made.local_path(file)))
        assert restart.spinup_state == 0
        assert not [each for each in check(restart) if each.action == "refused"]
    worst = float(free[np.argmax(np.abs(free))]) if np.isfinite(free).all() else np.nan
    used, soil = result["used"], region.columns("soil3c", "soil4c")
    right_soil, ended = region.right(case.known())[:, soil], result["ended"][:, soil]
    grown = float((ended.sum(axis=1) / right_soil.sum(axis=1)).min())
    return After(
        int((used == FAILED).sum()),
        int((used == FELL_BACK).sum()),
        worst,
        grown,
        result["pools"],
    )


Wrong = Callable[[Region, Array], Array]
"""Makes of the right pools what the emulator says."""


def right(region: Region, pools: Array) -> Array:
    return pools


def three_times(region: Region, pools: Array) -> Array:
    return pools * 3.0


def a_tenth_of_slow_soil(region: Region, pools: Array) -> Array:
    pools[:, region.columns("soil3c", "soil4c")] *= 0.1
    return pools


def other_sites(region: Region, pools: Array) -> Array:
    """Those of the same plants under other parameters."""
    kinds = np.isfinite(pools)
    for kind in np.unique(kinds, axis=0):
        rows = np.flatnonzero((kinds == kind).all(axis=1))
        pools[rows] = pools[np.roll(rows, 1)]
    return pools


def nearly_nothing(region: Region, pools: Array) -> Array:
    """Small fluxes of small pools."""
    return pools * 1e-3


def half_are_nan(region: Region, pools: Array) -> Array:
    pools[::2] = np.nan
    return pools


def one_pool_is_nan(region: Region, pools: Array) -> Array:
    pools[:, region.columns("soil4c")] = np.nan
    return pools


def negative(region: Region, pools: Array) -> Array:
    pools[:, region.columns("soil4c", "soil3c")] *= -1.0
    return pools


def infinite(region: Region, pools: Array) -> Array:
    pools[1, region.columns("cwdc")] = np.inf
    return pools


def litter_of_nitrogen(region: Region, pools: Array) -> Array:
    pools[:, region.columns("litr1n", "litr3n")] *= 1e4
    return pools


def litter_without_nitrogen(region: Region, pools: Array) -> Array:
    pools[:, region.columns("litr2n", "cwdn")] = 0.0
    return pools


CAUGHT = (
    three_times, nearly_nothing, a_tenth_of_slow_soil, other_sites, half_are_nan, one_pool_is_nan,
    negative, infinite,
)  # fmt: skip
LITTER = (litter_of_nitrogen, litter_without_nitrogen)


def test_a_right_emulator_is_believed(either: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the drills would say nothing of what is wrong in them."""
    found = drill(either, right, monkeypatch)
    assert found.at_rest
    # Of 48. Without years of its own a site begins with the water and plants of bare ground.
    assert found.fell_back <= (2 if either.sites.about["ad_years"] else SETS - 4)


@pytest.mark.parametrize("wrong", CAUGHT)
def test_a_bad_emulator_is_caught_and_the_job_ends_at_equilibrium(
    either: Region, monkeypatch: pytest.MonkeyPatch, wrong: Wrong
) -> None:
    found = drill(either, wrong, monkeypatch)
    assert found.at_rest
    assert found.fell_back >= (2 if wrong is infinite else SETS)


@pytest.mark.parametrize("wrong", LITTER)
def test_litter_of_impossible_nitrogen_is_never_put_in(
    region: Region, monkeypatch: pytest.MonkeyPatch, wrong: Wrong
) -> None:
    found = drill(region, wrong, monkeypatch)
    assert found.at_rest
    for pool in ("litr1", "litr2", "litr3", "cwd"):
        carbon, nitrogen = found.pools[:, region.columns(f"{pool}c", f"{pool}n")].T
        there = carbon > 1e-3
        ratio = carbon[there] / nitrogen[there]
        assert ((ratio >= RICHEST * 0.999) & (ratio <= POOREST * 1.001)).all()


def test_weights_that_are_no_numbers_leave_all_sites_to_the_native_spin_up(
    region: Region,
) -> None:
    def broken(arrays: dict[str, Any]) -> None:
        for name, weights in arrays.items():
            if name.startswith("member"):
                weights[...] = np.nan

    method = {"kind": "emulator", "emulator": plain(region.emulator("no_numbers", broken).ref)}
    asked = queries.SpinUpQuery.from_plain(region.request | {"method": method, "check": CHECK})
    made = region.store.open(run_job(jobs.spin_up, asked, region.store))
    found = looked_at(region, asked, made)
    assert found.at_rest
    assert found.fell_back == 2 * SETS
    assert "unlike what was learned" in next(iter(made.read_json("spin_up.json")["why"].values()))


# ------------------------------------------------------------------ without a safety


def trusting(case: LandCase[S], spun: SpunUp[S], *_: object) -> Checked[S]:
    """The check without its judgement: a method is believed."""
    every, none = np.ones(case.sites, dtype=bool), np.zeros(case.sites)
    return Checked(
        spun.state, (AS_IT_WAS,) * case.sites, ((),) * case.sites, every, every, spun.years,
        case.pools(spun.state), none, none, none, none, none, none, case.pools(spun.state),
    )  # fmt: skip


@pytest.mark.parametrize("wrong", [three_times, a_tenth_of_slow_soil, other_sites])
def test_the_drill_fails_without_the_check(
    region: Region, monkeypatch: pytest.MonkeyPatch, wrong: Wrong
) -> None:
    monkeypatch.setattr(spin_block, "check_and_fall_back", trusting)
    found = drill(region, wrong, monkeypatch)
    assert found.failed == 0
    assert not found.at_rest


def test_the_drill_fails_without_the_fallback(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Check, "_fall_back", lambda self: None)
    found = drill(region, three_times, monkeypatch)
    assert found.failed >= SETS
    assert not found.at_rest


def test_the_drill_fails_without_the_years_after_a_solution(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "LONG_YEARS", 1)
    found = drill(region, three_times, monkeypatch)
    assert found.failed == 0
    assert abs(found.free_nee) > 20.0


def as_predicted(
    self: Learned, guess: Guess, layout: PoolLayout, there: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.bool_]]:
    """The pools of a prediction without what cannot be being kept out."""
    pools = self._in_layout(guess.pools, layout, there)
    return pools, np.ones(len(pools), dtype=bool)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(negative, r"soil[34]c of site 0 is -"), (infinite, "cwdc of site 1 is inf"),
     (litter_of_nitrogen, "C:N from 2 to 3000 was wanted"),
     (litter_without_nitrogen, "C:N from 2 to 3000 was wanted")],
)  # fmt: skip
def test_pools_that_cannot_be_are_refused_by_the_state_too(
    region: Region, monkeypatch: pytest.MonkeyPatch, wrong: Wrong, said: str
) -> None:
    """The second line behind the method's own."""
    monkeypatch.setattr(Learned, "_possible", as_predicted)
    with pytest.raises(InvalidData, match=said):
        drill(region, wrong, monkeypatch)


def test_the_check_finds_pools_that_cannot_be_where_nothing_refused_them(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third line."""

    whole = EmbeddedPools.put

    def put(self: EmbeddedPools, state: State, pools: Array) -> State:
        known = pools[~np.isnan(pools)]
        if np.isfinite(known).all() and (known >= -1e3).all():
            return whole(self, state, pools)  # what the check itself puts in
        made = state.copy()
        site, column = np.nonzero((self._index >= 0) & ~np.isnan(pools))
        made.values[site, 0, self._index[site, column]] = pools[site, column]
        return made

    monkeypatch.setattr(Learned, "_possible", as_predicted)
    monkeypatch.setattr(EmbeddedPools, "put", put)
    for wrong in (negative, infinite):
        found = drill(region, wrong, monkeypatch)
        assert found.at_rest
        assert found.fell_back > 1
