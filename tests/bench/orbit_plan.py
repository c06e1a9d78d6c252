"""Plans of ORBIT: published scaling efficiencies, and the engine traced as one of 49,152 ranks.

The cost model is fitted to the published ranges, so beside its error stand that of models fitted
without the point in question, and that at published points that served no fit.
"""

from __future__ import annotations

import time
from typing import Any

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.calibration import FIRST_VERSION, PUBLISHED, agreement, efficiencies
from catena.orbit_trainer.plan.cluster import CLUSTERS
from catena.orbit_trainer.plan.collectives import step_collectives
from catena.orbit_trainer.plan.scaling import plan_training
from catena.orbit_trainer.plan.trace import trace_step
from catena.orbit_trainer.training.settings import TrainingSettings

MESH = MeshShape(ddp=96, fsdp=64, tp=8)
"""That of the published training of 113B."""


def measure() -> dict[str, Any]:
    """Errors of the cost model, and seconds that a plan of 49,152 ranks takes."""
    frontier = CLUSTERS["frontier"]
    config = OrbitConfig.of_size("113B", [f"channel_{number}" for number in range(91)])
    points = {point.name: point for point in agreement(frontier)}
    fitted = [points[name] for name in PUBLISHED if name.startswith("efficiency")]
    unseen = [points[name] for name in FIRST_VERSION]
    started = time.process_time()
    plan = plan_training(config, frontier, MESH.size, 6_144, 1_200_000)
    planned = time.process_time() - started
    settings = TrainingSettings(1, MESH.data_ranks, mesh=MESH, precision="bf16")
    started = time.process_time()
    traced = trace_step(config, settings)
    seconds = time.process_time() - started
    best = plan.proposals[0]
    return {
        "plan_efficiency_error": max(abs(one.predicted - one.published) for one in fitted),
        "plan_efficiency_error_left_out": max(
            abs((one.left_out or 0.0) - one.published) for one in fitted
        ),
        "plan_efficiency_error_first_version": max(
            abs(one.predicted - one.published) for one in unseen
        ),
        "plan_efficiency_by_size": {
            size: round(value, 3) for size, value in efficiencies(frontier).items()
        },
        "plan_seconds": planned + seconds,
        "plan_trace_seconds": seconds,
        "plan_ranks": MESH.size,
        "plan_collectives_as_computed": set(traced) == set(step_collectives(config, MESH, 1)),
        "plan_113b_samples_per_s": best.samples_per_s,
        "plan_113b_mfu": best.mfu,
    }
