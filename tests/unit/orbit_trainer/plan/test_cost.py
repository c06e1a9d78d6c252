"""Times of collectives and steps are those of their formulas, and of what was published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.calibration import (
    FITTED,
    PUBLISHED,
    agreement,
    calibrated,
    efficiencies,
)
from catena.orbit_trainer.plan.cluster import CLUSTERS, Cluster
from catena.orbit_trainer.plan.collectives import Collective
from catena.orbit_trainer.plan.cost import Workload, collective_seconds, slowest, step_time
from catena.shared.errors import InvalidRequest

FRONTIER = CLUSTERS["frontier"]
CLUSTER = Cluster(
    name="two speeds",
    gpus=1024,
    gpus_per_node=8,
    peak_flops=1e12,
    attainable=0.5,
    memory=1e9,
    gpu_bandwidth=100.0,
    node_bandwidth=80.0,
    gpu_latency_s=1e-3,
    node_latency_s=1e-2,
    watts=100.0,
    rings=True,
    collective_overhead_s=0.0,
    step_overhead_s=0.0,
    straggler_spread=0.0,
)
MESH = MeshShape(ddp=4, fsdp=4, tp=8)


def seconds(kind: str, dimension: str, ranks: int, size: int = 100_000, **more: object) -> float:
    one = Collective(kind, dimension, ranks, size)  # type: ignore[arg-type]
    return collective_seconds(one, MESH, replace(CLUSTER, **more))  # type: ignore[arg-type]


def test_the_slowest_of_many_is_that_of_drawn_numbers() -> None:
    random = np.random.default_rng(0)
    for ranks in (2, 16, 512):
        drawn = random.standard_normal((20_000, ranks)).max(1).mean()
        assert slowest(ranks) == pytest.approx(drawn, abs=0.03)
    assert slowest(1) == 0.0


def test_a_ring_within_a_node_takes_its_bandwidth_and_a_message_for_each_neighbour() -> None:
    expected = 7 * 1e-3 + 7 / 8 * 100_000 / 100.0
    assert seconds("all_gather", "tp", 8) == pytest.approx(expected)
    assert seconds("all_reduce", "tp", 8) == pytest.approx(2 * expected)


def test_groups_across_nodes_share_the_ports_of_theirs() -> None:
    # Each of the eight GPUs of a node is in a group of its own: an eighth of 80 each.
    expected = 3 * 1e-2 + 3 / 4 * 100_000 / 10.0
    assert seconds("reduce_scatter", "fsdp", 4) == pytest.approx(expected)
    # Without tensor ranks eight shards are in a node, and the ring leaves it once.
    one = Collective("all_gather", "fsdp", 16, 100_000)
    wide = collective_seconds(one, MeshShape(fsdp=16), CLUSTER)
    assert wide == pytest.approx(15 * 1e-2 + 15 / 16 * 100_000 / 80.0)


def test_latency_of_a_tree_grows_with_the_logarithm() -> None:
    few, many = (
        collective_seconds(
            Collective("all_gather", "ddp", ranks, 100_000),
            MeshShape(ddp=ranks),
            replace(CLUSTER, rings=False, node_bandwidth=1e12, gpu_bandwidth=1e12),
        )
        for ranks in (16, 1024)
    )
    assert few == pytest.approx(4e-2, rel=1e-3)
    assert many == pytest.approx(10e-2, rel=1e-3)


def test_small_numbers_do_not_go_round_a_ring_of_all() -> None:
    wide = {"gpu_bandwidth": 1e12, "node_bandwidth": 1e12}
    assert seconds("all_reduce", "all", 128, size=16, **wide) == pytest.approx(2 * 7 * 1e-2)
    large = seconds("all_reduce", "all", 128, size=100_000, **wide)
    assert large == pytest.approx(2 * 127 * 1e-2, rel=1e-3)


def work(**values: object) -> Workload:
    given: dict[str, object] = {
        "mesh": MeshShape(ddp=4),
        "batch": 8,
        "microbatches": 2,
        "precision": "bf16",
        "flops": 5e11,
        "model_flops": 2e12,
        "collectives": [],
        **values,
    }
    return Workload(**given)  # type: ignore[arg-type]


def test_arithmetic_takes_the_attainable_share_of_the_peak() -> None:
    assert step_time(work(), CLUSTER).total == pytest.approx(1.0)
    slow = step_time(work(precision="fp32"), replace(CLUSTER, fp32_share=0.25))
    assert slow.total == pytest.approx(4.0)


def test_replicas_sum_behind_the_last_backward_pass_only() -> None:
    # Two thirds of the second half of a second hide a sum; the rest is waited for.
    size = int(0.4 * 10.0 / 2 / 0.75)
    one = Collective("all_reduce", "ddp", 4, size)
    cluster = replace(CLUSTER, gpu_bandwidth=10.0, gpu_latency_s=0.0)
    hidden = step_time(work(collectives=[one]), cluster)
    assert hidden.weights == pytest.approx(max(0.3 - 1 / 3, 0.0))
    more = step_time(work(collectives=[replace(one, count=2)]), cluster)
    assert more.weights == pytest.approx(2 * 2 * 0.75 * size / 10.0 - 1 / 3)


def test_a_pipeline_waits_for_its_first_and_last_microbatch() -> None:
    piped = step_time(work(mesh=MeshShape(pp=4), microbatches=6), CLUSTER)
    assert piped.bubble == pytest.approx(3 / 6 * piped.compute)


def test_stragglers_matter_less_over_more_microbatches() -> None:
    cluster = replace(CLUSTER, straggler_spread=0.1)
    one, four = (step_time(work(microbatches=count), cluster).stragglers for count in (1, 4))
    assert one == pytest.approx(0.1 * slowest(4))
    assert four == pytest.approx(one / 2)


def test_published_efficiencies_are_met_within_ten_points() -> None:
    points = {point.name: point for point in agreement(FRONTIER, leave_out=False)}
    for name, point in points.items():
        if not name.startswith("flops"):
            assert abs(point.predicted - point.published) < 0.1, name
    for name in ("flops_low", "flops_high"):
        assert 0.8 < points[name].predicted / points[name].published < 1.25
    assert set(PUBLISHED) < set(points)


def test_frontier_has_the_numbers_that_fit_best() -> None:
    found = calibrated(FRONTIER)
    for name in FITTED:
        assert getattr(FRONTIER, name) == pytest.approx(getattr(found, name), rel=0.02)


def test_bandwidth_alone_predicts_no_loss_by_scaling() -> None:
    ideal = replace(
        FRONTIER,
        gpu_latency_s=0.0,
        node_latency_s=0.0,
        collective_overhead_s=0.0,
        step_overhead_s=0.0,
        straggler_spread=0.0,
    )
    assert min(efficiencies(ideal).values()) > 0.95


def test_a_cluster_is_described_by_a_preset_and_what_differs() -> None:
    half = Cluster.from_dict({"preset": "h200", "gpus": 64, "name": "ours"})
    assert half.gpus == 64 and half.memory == CLUSTERS["h200"].memory
    assert Cluster.from_dict(half.to_dict()) == half


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"preset": "summit"}, "preset"),
        ({"preset": "h200", "gpu": 8}, "gpu"),
        ({"name": "bare"}, "memory"),
        ({"preset": "h200", "attainable": 1.5}, "attainable"),
        ({"preset": "h200", "node_bandwidth": 0.0}, "node_bandwidth"),
        ({"preset": "h200", "straggler_spread": float("nan")}, "straggler_spread"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused_by_name(values: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Cluster.from_dict(values)
    assert field in [violation.field for violation in caught.value.violations]
