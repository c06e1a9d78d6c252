"""Plans fit the memory, are the fastest that do, and add up."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.cluster import CLUSTERS
from catena.orbit_trainer.plan.collectives import step_collectives
from catena.orbit_trainer.plan.memory import memory
from catena.orbit_trainer.plan.propose import FILL, predict, propose
from catena.orbit_trainer.plan.scaling import Plan, plan_training
from catena.orbit_trainer.plan_job import page_of
from catena.shared.errors import InvalidRequest

NAMES = [f"channel_{number}" for number in range(91)]
CONFIG = OrbitConfig.of_size("1B", NAMES)
SMALL = OrbitConfig.of_size("8M", NAMES)
FRONTIER, H200 = CLUSTERS["frontier"], CLUSTERS["h200"]


@cache
def plan() -> Plan:
    return plan_training(CONFIG, FRONTIER, 512, 49_152, 1_200_000, bytes_per_sample=6e6)


def test_proposals_fit_the_memory_and_the_batch_the_fastest_first() -> None:
    found = propose(CONFIG, FRONTIER, 64, 128)
    assert len(found) > 10
    for way in found:
        way.mesh.check(CONFIG, 64)
        assert way.memory.total <= FILL * FRONTIER.memory
        assert 128 % (way.mesh.data_ranks * way.microbatches) == 0
        assert way.mesh.sp * way.mesh.tp <= FRONTIER.gpus_per_node
        assert way.microbatches >= way.mesh.pp
    times = [way.time.total for way in found]
    assert all(later > 0.99 * earlier for earlier, later in pairwise(times))


def test_nothing_that_fits_is_faster_than_the_first_proposal() -> None:
    """Against a search of its own over all meshes of eight GPUs, and ways to cut the batch."""
    best = propose(CONFIG, H200, 8, 16)[0]
    sides = [
        MeshShape(pp, ddp, fsdp, sp, tp)
        for pp in (1, 2, 4, 8)
        for ddp in (1, 2, 4, 8)
        for fsdp in (1, 2, 4, 8)
        for sp in (1, 2, 4, 8)
        for tp in (1, 2, 4, 8)
        if pp * ddp * fsdp * sp * tp == 8
    ]
    times = []
    for mesh in sides:
        for count in (1, 2, 4, 8, 16):
            if 16 % (mesh.data_ranks * count) or count < mesh.pp:
                continue
            for recompute in (False, True):
                held = memory(
                    CONFIG,
                    mesh,
                    16 // mesh.data_ranks // count,
                    microbatches=count,
                    recompute=recompute,
                )
                if held.total <= FILL * H200.memory:
                    way = predict(CONFIG, H200, mesh, 16, microbatches=count, recompute=recompute)
                    times.append(way.time.total)
    assert best.time.total == pytest.approx(min(times), rel=5e-3)


def test_more_memory_or_faster_links_never_slow_a_plan_down() -> None:
    base = propose(CONFIG, FRONTIER, 64, 128)[0].time.total
    for change in ({"memory": 128e9}, {"node_bandwidth": 400e9}, {"node_latency_s": 0.0}):
        better = replace(FRONTIER, **change)  # type: ignore[arg-type]
        assert propose(CONFIG, better, 64, 128)[0].time.total <= base * (1 + 1e-9)


def test_a_model_that_does_not_fit_says_what_is_short() -> None:
    large = OrbitConfig.of_size("113B", NAMES)
    with pytest.raises(InvalidRequest, match="GB of each GPU") as caught:
        propose(large, FRONTIER, 8, 64)
    assert "take more GPUs" in str(caught.value)


def test_a_batch_that_no_mesh_can_share_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        propose(CONFIG, FRONTIER, 512, 1)
    assert [violation.field for violation in caught.value.violations] == ["batch"]
    with pytest.raises(InvalidRequest) as caught:
        propose(CONFIG, FRONTIER, 80_000, 80_000)
    assert [violation.field for violation in caught.value.violations] == ["gpus"]


def test_numbers_of_nothing_are_refused_together() -> None:
    with pytest.raises(InvalidRequest) as caught:
        plan_training(CONFIG, FRONTIER, 0, 0, 0)
    assert [one.field for one in caught.value.violations] == ["gpus", "batch", "samples"]


def test_an_epoch_takes_its_steps_and_its_power() -> None:
    made, best = plan(), plan().proposals[0]
    assert made.epoch.steps == 25  # 1.2 million samples, 49,152 at a time
    assert made.epoch.seconds == pytest.approx(25 * best.time.total)
    hours = made.epoch.seconds / 3600
    assert made.epoch.energy_kwh == pytest.approx(512 * 0.3 * hours)
    assert made.epoch.read_bytes_per_s == pytest.approx(6e6 * best.samples_per_s)


def test_utilisation_is_of_folded_flops() -> None:
    made, best = plan(), plan().proposals[0]
    rate = best.samples_per_s * made.flops_per_sample
    assert best.mfu == pytest.approx(rate / (512 * FRONTIER.peak_flops), rel=1e-2)
    assert 2.4 < made.reference_flops_per_sample / made.flops_per_sample < 2.8
    # Not more than the arithmetic reaches where nothing is waited for.
    assert best.mfu <= FRONTIER.attainable


def test_curves_reach_49152_gpus_and_lose_by_the_way() -> None:
    made = plan()
    for curve in (made.strong, made.weak):
        assert curve[-1].gpus == 49_152
        assert curve[0].efficiency == 1.0
        assert all(0 < point.efficiency < 1.02 for point in curve)
    assert {point.batch for point in made.strong} == {49_152}
    assert made.weak[-1].efficiency > made.strong[-1].efficiency
    first, last = made.strong[0], made.strong[-1]
    speedup = last.samples_per_s / first.samples_per_s
    assert last.efficiency == pytest.approx(speedup * first.gpus / last.gpus)


def test_a_plan_says_what_it_is_calibrated_on() -> None:
    made = plan()
    said = json.loads(json.dumps(made.to_dict()))
    names = [point["name"] for point in said["calibration"]["points"]]
    assert {"efficiency_low", "efficiency_high", "flops_low", "flops_high"} < set(names)
    assert made.fitted and "2404.14712" in made.note
    other = plan_training(CONFIG, H200, 8, 64, 1_000)
    assert not other.fitted and "Nothing was measured on h200" in other.note
    assert said["proposals"][0]["memory_bytes"]["total"] == plan().proposals[0].memory.total


def test_a_plan_without_a_trace_lists_what_is_computed() -> None:
    made, best = plan(), plan().proposals[0]
    assert not made.traced
    size = made.batch // (best.mesh.data_ranks * best.microbatches)
    assert made.collectives == step_collectives(
        CONFIG,
        best.mesh,
        size,
        microbatches=best.microbatches,
        recompute=best.recompute,
    )


def test_a_page_of_a_plan_without_a_trace_says_that_exchanges_were_computed() -> None:
    page, summary = page_of("t", "1B", plan())
    assert summary["collectives"] and not summary["collectives_traced"]
    assert "computed, not traced" in page and "Microbatches" in page


def test_curves_go_through_the_gpus_that_were_asked_for() -> None:
    for gpus in (4, 24):
        made = plan_training(SMALL, H200, gpus, 48, 1_000)
        best = made.proposals[0]
        for curve in (made.strong, made.weak):
            own = [point for point in curve if point.gpus == gpus]
            assert own and own[0].samples_per_s <= best.samples_per_s * (1 + 1e-9)
