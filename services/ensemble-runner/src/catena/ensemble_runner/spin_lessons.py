"""What learned methods learned from, in words, and which sites none of them has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from catena.coupler.spin_up.training_parts import PARTS, TEST, spatial_blocks
from catena.coupler.spin_up.training_sites import TrainingSites
from catena.ensemble_runner.spin_methods import ABOUT, EMULATOR, SITES
from catena.ensemble_runner.spin_queries import LEARNED, SiteSample, SpinUpMethod
from catena.ensemble_runner.spin_sites import SpinUpSites
from catena.ensemble_runner.spin_states import SUMMARY
from catena.ensemble_runner.spin_storage import COSTS
from catena.ensemble_runner.spin_words import Lesson
from catena.shared.artifacts import Artifact
from catena.shared.errors import InvalidData
from catena.shared.query import RefQuery
from catena.shared.report import duration

Open = Callable[[RefQuery], Artifact]

_SAME = 1e-9
"""Relative difference up to which two parameter sets are one."""


def taught_by(method: SpinUpMethod, open_ref: Open) -> Artifact:
    """The native spin-up that a learned method learned from.

    Raises
    ------
    InvalidData
        When an emulator's lineage names none.
    """
    if method.training is not None:
        return open_ref(method.training)
    assert method.emulator is not None
    lineage = open_ref(method.emulator).manifest.lineage
    for one in lineage.inputs:
        if one.kind == "spin_up":
            return open_ref(RefQuery(uri=one.uri, digest=one.digest, kind=one.kind))
    raise InvalidData(
        "the emulator was trained on a file of nobody knows which sites; train it on an artifact "
        "of kind spin_up, or it cannot be said which sites it has not seen"
    )


def lesson_of(method: SpinUpMethod, open_ref: Open) -> Lesson | None:
    """What a method learned from and at which cost; None for one that learned nothing.

    Raises
    ------
    InvalidData
        See :func:`taught_by`.
    """
    if method.kind not in LEARNED:
        return None
    teacher = taught_by(method, open_ref)
    about, cost = teacher.read_json(SUMMARY), sum(teacher.read_json(COSTS).values())
    lessons = about.get("lessons") or {"sites": {}}
    counts = lessons["sites"]
    years = int(teacher.read_json(ABOUT)["ad_years"])
    reads = f"{years} years of accelerated decomposition" if years else "no years of a run"
    facts = [
        ("Native sample", f"{sum(about['sites'].values()):,} sites, {duration(cost)} CPU"),
        ("Its spin-up", _method_words(about["method"])),
        *((f"Sites of {name}", f"{counts.get(name, 0):,}") for name in PARTS),
        ("Reads", reads),
    ]
    chose = "chose the weights and " if method.kind == "emulator" else ""
    words = (
        f"It learned from a native spin-up of {sum(counts.values()):,} sites in whole blocks; "
        f"blocks of validation {chose}measured the errors and how far a site may lie from what "
        "was learned, blocks of test were not used. It reads climate, land, parameters and "
        f"{reads}."
    )
    if method.emulator is not None:
        emulator = open_ref(method.emulator)
        card = emulator.read_json(EMULATOR)
        training = float(emulator.manifest.costs.get("cpu_s", 0.0))
        cost += training
        settings = card.get("settings", {})
        facts += [
            ("Training", f"{settings.get('steps', 0):,} steps, {duration(training)} CPU"),
            *_skill(card),
        ]
    return Lesson(words, facts, cost, years, teacher.uri)


def _method_words(method: dict[str, object]) -> str:
    said = [
        f"{method[name]} {words}"
        for name, words in (("ad_years", "AD"), ("final_years", "final"))
        if method.get(name) is not None
    ]
    return f"{' + '.join(said)} years" if said else "the usual years"


def _skill(card: dict[str, dict[str, dict[str, float | None]]]) -> Iterator[tuple[str, str]]:
    scores = [one["r2"] for one in card.get("skill", {}).values()]
    known = [each for each in scores if each is not None]
    if known:
        yield "R² on its blocks of test", f"{np.median(known):.3f} (median of {len(known)} pools)"


def unseen_sites(
    methods: Sequence[SpinUpMethod], sites: SpinUpSites, open_ref: Open
) -> NDArray[np.bool_]:
    """Sites in blocks that no method learned from, bool (site,).

    Blocks are those of the sample that was learned from. Of one place, sites under parameter sets
    that were not learned are unseen.
    """
    unseen = np.ones(sites.count, dtype=bool)
    for method in methods:
        if method.kind in LEARNED:
            unseen &= ~_seen(taught_by(method, open_ref), sites)
    return unseen


def _seen(teacher: Artifact, sites: SpinUpSites) -> NDArray[np.bool_]:
    known = TrainingSites.from_parts(teacher.read_json(ABOUT), teacher.read_arrays(SITES))
    used = known.split != TEST
    lat, lon = sites.columns.lat[sites.cell], sites.columns.lon[sites.cell]
    if sites.columns.cells == 1 and len(sites.members.columns):
        mine, theirs = sites.members.rows[sites.row], known.inputs["parameters"][used]
        scale = np.maximum(np.abs(mine).max(axis=0), np.finfo(np.float64).tiny)
        away, _ = cKDTree(theirs / scale).query(mine / scale, p=np.inf)
        return np.asarray(away <= _SAME)
    asked = teacher.read_json(SUMMARY)["sample"]
    degrees = SiteSample.model_fields["block_deg"].default if asked is None else asked["block_deg"]
    blocks = spatial_blocks(
        np.concatenate([lat, known.lat[used]]),
        np.mod(np.concatenate([lon, known.lon[used]]), 360.0),
        float(degrees),
    )
    return np.isin(blocks[: lat.size], blocks[lat.size :])
