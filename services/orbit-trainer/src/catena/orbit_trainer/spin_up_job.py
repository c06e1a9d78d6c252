"""A fine-tuning for spin-ups as a job: sites of a file to an emulator that the coupler reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.models.orbit_checkpoint import WEIGHTS
from catena.models.orbit_config import OrbitConfig
from catena.models.spin_up_emulator import Prediction, SpinUpEmulator
from catena.orbit_trainer import storage
from catena.orbit_trainer.queries import FineTuneQuery
from catena.orbit_trainer.report_spin_up import Judged, pool_sections
from catena.orbit_trainer.report_text import words
from catena.orbit_trainer.report_training import training_page
from catena.orbit_trainer.spin_up_sites import SiteFacts, read_facts, read_samples
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.spin_up import fit_emulator
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training_job import HISTORY, Reporter, training_folder
from catena.orbit_trainer.vocabulary import Shape
from catena.shared.errors import InvalidData
from catena.shared.jobs import JobContext

__all__ = ["fit_and_commit", "skill_of"]

EMULATOR = "emulator.json"
SAME = 1e-9
"""Of a pool's mean: less than this its amounts differ by rounding alone."""
Skill = dict[str, dict[str, float | None]]


def fit_and_commit(query: FineTuneQuery, ctx: JobContext) -> ArtifactRef:
    """Train an emulator, score it on sites that it has not seen, and commit."""
    sites = query.sites
    assert sites is not None  # the query has them for this task
    ctx.progress(0.0, "reading the sites")
    artifact = ctx.open(sites.files)
    facts = read_facts(sites, artifact)
    samples, split = read_samples(facts, artifact.read_arrays(sites.file))
    backbone, pretrained = _begin(query, ctx)
    folder: Path = training_folder(ctx)
    progress = Reporter(ctx, folder)
    settings = query.training.settings(query.seed)
    emulator, histories = fit_emulator(
        samples,
        backbone,
        settings,
        folder,
        pretrained=pretrained,
        adaptation=Adaptation(query.adapter, query.rank),
        rows=split["training"],
        validation=split["validation"],
        members=sites.members,
        pools=facts.pools,
        about=facts.about,
        plants=facts.plants,
        progress=progress,
    )
    test = split["test"]
    truth = samples.targets[test]
    made = emulator.judged({name: values[test] for name, values in samples.inputs.items()})
    skill = skill_of(facts.pools, made, truth)
    title = query.title or f"emulator of spin-ups, {len(facts.pools)} pools"
    _write(ctx, emulator, facts, title)
    about = {
        **emulator.to_dict(),
        "title": title,
        "sites": {name: int(rows.size) for name, rows in split.items()},
        "skill": skill,
        "familiar": float((made.unfamiliar <= 1).mean()),
        "settings": settings.to_dict(),
    }
    ctx.writer.write_json(EMULATOR, about)
    ctx.writer.write_json(HISTORY, [history.to_dict() for history in histories])
    count = sum(one.numel() for one in emulator.models[0].parameters())
    page, _ = training_page(
        title,
        histories[0],
        settings,
        model=[
            ("Parameters", f"{count:,}"),
            ("Models whose mean is taken", str(len(histories))),
            ("Inputs", ", ".join(kind.name for kind in emulator.config.inputs)),
            ("Pools", str(len(facts.pools))),
        ],
        data=[
            *((f"Sites of {name}", f"{rows.size:,}") for name, rows in split.items()),
            ("Familiar sites of test", f"{100 * about['familiar']:.0f} %"),
        ],
        generated=False,
        seconds=sum(
            settings.batch / speed for history in histories for speed in history.samples_per_s
        ),
        kind="spin-up",
        resumed=progress.resumed,
        notices=_notices(facts),
        after=pool_sections(Judged(facts.pools, facts.units, skill, made.mean, truth)),
    )
    ctx.writer.write_bytes("report.html", page.encode())
    units = dict(zip(facts.pools, facts.units, strict=True)) if facts.units else {}
    timed = (HISTORY, "report.html")
    ref = ctx.commit(kind="spin_up_emulator", units=units, title=title, timed_files=timed)
    progress.forget()
    return ref


def skill_of(pools: tuple[str, ...], made: Prediction, truth: NDArray[Any]) -> Skill:
    """R2, RMSE and the share of sites in the interval, of each pool; None without any values.

    R2 is None where a pool is the same everywhere, but for rounding.
    """
    found: Skill = {}
    for place, pool in enumerate(pools):
        known = np.isfinite(truth[:, place])
        if not known.any():
            found[pool] = {"r2": None, "rmse": None, "coverage90": None}
            continue
        there = truth[known, place]
        square, spread = float(((made.mean[known, place] - there) ** 2).mean()), float(there.var())
        varies = there.std() > SAME * abs(there.mean())
        inside = (made.lower[known, place] <= there) & (there <= made.upper[known, place])
        found[pool] = {
            "r2": 1 - square / spread if varies else None,
            "rmse": float(np.sqrt(square)),
            "coverage90": float(inside.mean()),
        }
    return found


def _notices(facts: SiteFacts) -> list[str]:
    """What a reader must not miss."""
    if not facts.generated:
        return []
    return [f"GENERATED: {words(facts.generated)} of these sites are made by formulas."]


def _write(ctx: JobContext, emulator: SpinUpEmulator, facts: SiteFacts, title: str) -> None:
    """Arrays of an emulator; one that is not finite predicts nothing."""
    arrays = emulator.arrays()
    for name, one in arrays.items():
        if not np.isfinite(one).all() and not name.startswith("known."):
            raise InvalidData(
                f"{name} of '{title}' is not finite after training on {len(facts.pools)} pools; "
                "lower the learning rate, or look for values in the file that cannot be"
            )
    ctx.writer.write_arrays(WEIGHTS, arrays)


def _begin(query: FineTuneQuery, ctx: JobContext) -> tuple[OrbitConfig, Pretrained | None]:
    """Shape of the blocks, and their weights where a checkpoint is given."""
    if query.checkpoint is None:
        shape = query.shape or Shape()
        # Blocks know nothing of fields: any grid that the patch divides will do.
        return shape.config(("none",), ("none",), (shape.patch, shape.patch)), None
    before = storage.read_checkpoint(ctx.open(query.checkpoint))
    return before.about.fields, Pretrained(before.about.fields, before.weights)
