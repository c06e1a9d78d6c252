"""A fine-tuning for spin-ups as a job: sites of a file to an emulator that the coupler reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer import storage
from catena.orbit_trainer.queries import FineTuneQuery
from catena.orbit_trainer.report_training import training_page
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.spin_up import SpinUpSamples, fit_emulator
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training_job import HISTORY, Reporter, training_folder
from catena.orbit_trainer.vocabulary import Shape, SpinUpSites
from catena.shared.errors import InvalidData
from catena.shared.jobs import JobContext

__all__ = ["fit_and_commit", "read_samples"]

INPUTS, TARGETS, SPLIT = "inputs.", "targets", "split"
PARTS = ("training", "validation", "test")
SHARES = (0.7, 0.85)
"""Where sites are divided, in their order, when the file does not say."""

Split = dict[str, NDArray[np.int64]]


def read_samples(
    sites: SpinUpSites, arrays: dict[str, NDArray[Any]]
) -> tuple[SpinUpSamples, Split]:
    """Sites with their equilibria, and which of them are trained on, chosen on and judged on.

    Raises
    ------
    InvalidData
        When the arrays are not as they are to be; says which.
    """
    inputs = {
        name.removeprefix(INPUTS): values
        for name, values in arrays.items()
        if name.startswith(INPUTS)
    }
    if TARGETS not in arrays or not inputs:
        raise InvalidData(
            f"the file has the arrays {', '.join(sorted(arrays)) or 'none'}; wanted {TARGETS} "
            f"(sites, pools) and {INPUTS}<kind> (sites, rows, features) or (sites, numbers)"
        )
    samples = SpinUpSamples(inputs, arrays[TARGETS], not sites.linear)
    if len(sites.pools) != samples.targets.shape[1]:
        raise InvalidData(
            f"targets have {samples.targets.shape[1]} pools, the request names {len(sites.pools)}; "
            "name each, in their order"
        )
    count = len(samples)
    part = arrays.get(SPLIT)
    if part is None:
        part = np.searchsorted(np.array(SHARES) * count, np.arange(count), side="right")
    if part.shape != (count,):
        raise InvalidData(f"split has shape {part.shape}; wanted one number for {count} sites")
    if not np.isin(part, range(len(PARTS))).all():
        odd = part[~np.isin(part, range(len(PARTS)))][0]
        raise InvalidData(
            f"split has {odd}; wanted 0 (training), 1 (validation) or 2 (test) for each site: "
            "leave out of the file what is not to be used"
        )
    split = {name: np.flatnonzero(part == number) for number, name in enumerate(PARTS)}
    if empty := [name for name, rows in split.items() if not rows.size]:
        raise InvalidData(
            f"no site is for {' nor '.join(empty)}; wanted 0 (training), 1 (validation) and 2 "
            "(test) in split, each at least once"
        )
    known = np.isfinite(samples.targets[split["training"]]).any(0)
    if not known.all():
        lacking = [name for name, there in zip(sites.pools, known, strict=True) if not there]
        raise InvalidData(
            f"no site of training has a value of {', '.join(lacking)}; leave these pools out, or "
            "give other sites in split"
        )
    return samples, split


def fit_and_commit(query: FineTuneQuery, ctx: JobContext) -> ArtifactRef:
    """Train an emulator, score it on sites that it has not seen, and commit."""
    sites = query.sites
    assert sites is not None  # the query has them for this task
    ctx.progress(0.0, "reading the sites")
    samples, split = read_samples(sites, ctx.open(sites.files).read_arrays(sites.file))
    backbone, pretrained = _begin(query, ctx)
    folder: Path = training_folder(ctx)
    progress = Reporter(ctx, folder)
    settings = query.training.settings(query.seed)
    emulator, history = fit_emulator(
        samples,
        backbone,
        settings,
        folder,
        pretrained=pretrained,
        adaptation=Adaptation(query.adapter, query.rank),
        rows=split["training"],
        validation=split["validation"],
        progress=progress,
    )
    test = split["test"]
    made = emulator.predict({name: values[test] for name, values in samples.inputs.items()})
    skill = _skill(sites.pools, made, samples.targets[test])
    title = query.title or f"emulator of spin-ups, {len(sites.pools)} pools"
    weights = emulator.model.state_dict()
    ctx.writer.write_arrays(
        storage.WEIGHTS, {name: one.cpu().numpy() for name, one in weights.items()}
    )
    about = {
        "title": title,
        "config": emulator.config.to_dict(),
        "scales": emulator.scales.to_dict(),
        "pools": list(sites.pools),
        "sites": {name: int(rows.size) for name, rows in split.items()},
        "skill": skill,
        "settings": settings.to_dict(),
    }
    ctx.writer.write_json("emulator.json", about)
    ctx.writer.write_json(HISTORY, history.to_dict())
    count = sum(one.numel() for one in weights.values())
    page, _ = training_page(
        title,
        history,
        settings,
        model=[
            ("Parameters", f"{count:,}"),
            ("Inputs", ", ".join(kind.name for kind in emulator.config.inputs)),
            ("Pools", str(len(sites.pools))),
        ],
        data=[
            *((f"Sites of {name}", f"{rows.size:,}") for name, rows in split.items()),
            *((f"R2 of {pool}, test", _words(one["r2"])) for pool, one in skill.items()),
        ],
        generated=False,
        seconds=sum(settings.batch / speed for speed in history.samples_per_s),
        kind="spin-up",
        resumed=progress.resumed,
    )
    ctx.writer.write_bytes("report.html", page.encode())
    ref = ctx.commit(kind="spin_up_emulator", title=title, timed_files=(HISTORY, "report.html"))
    progress.forget()
    return ref


def _begin(query: FineTuneQuery, ctx: JobContext) -> tuple[OrbitConfig, Pretrained | None]:
    """Shape of the blocks, and their weights where a checkpoint is given."""
    if query.checkpoint is None:
        shape = query.shape or Shape()
        # Blocks know nothing of fields: any grid that the patch divides will do.
        return shape.config(("none",), ("none",), (shape.patch, shape.patch)), None
    before = storage.read_checkpoint(ctx.open(query.checkpoint))
    return before.about.fields, Pretrained(before.about.fields, before.weights)


def _skill(
    pools: tuple[str, ...], made: NDArray[np.float64], truth: NDArray[Any]
) -> dict[str, dict[str, float | None]]:
    """R2 and RMSE of each pool; None where it has no values, or only one."""
    found: dict[str, dict[str, float | None]] = {}
    for place, pool in enumerate(pools):
        known = np.isfinite(truth[:, place])
        error = made[known, place] - truth[known, place]
        spread = float(truth[known, place].var()) if known.any() else 0.0
        square = float((error**2).mean()) if known.any() else np.nan
        found[pool] = {
            "r2": 1 - square / spread if spread > 0 else None,
            "rmse": float(np.sqrt(square)) if known.any() else None,
        }
    return found


def _words(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
